//! What is checked of each file of rows, whoever reads it, and of rows across files. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    ops::RangeInclusive,
};

use sha2::{Digest as _, Sha256};

use super::{
    canonical::Problem,
    check::ensure,
    file::{FileRef, Group, decode},
    layout::{Stamps, undersized},
    manifest::{Entry, Open},
    period::Period,
    query::Taken,
    references::Reference,
};
use crate::{Id, Millis, Schema, Scope, manifest::Counts, row::Inspected};

/// What a file of rows should hold.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// Rows of all parts in an hour or day, or in a piece of one.
    Open(Open),
    /// Rows of one part or of the space itself, and of one table.
    Base(Option<Id>, String, Entry),
}

impl Expected {
    pub(super) fn period(&self) -> Period {
        match self {
            Self::Open(open) => open.period,
            Self::Base(_, _, entry) => entry.period,
        }
    }

    pub(super) fn file(&self) -> FileRef {
        match self {
            Self::Open(open) => open.file,
            Self::Base(_, _, entry) => entry.file,
        }
    }
}

/// The rows of a table and part in a file, and what is known of each.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) group: Group,
    /// What names each row among all of its space's.
    pub(super) keys: Vec<u128>,
    /// The parts that they describe.
    pub(super) parts: Vec<Id>,
    /// By what others refer to them, and to what they refer.
    pub(super) ids: Vec<u64>,
    pub(super) references: Vec<Reference>,
    /// When each row is of.
    pub(super) times: Vec<RowTimes>,
    /// The rows that are asked for.
    pub(super) taken: Vec<Taken>,
    /// How long the rows are.
    pub(super) bytes: u64,
}

/// When a row is of, and when the one that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowTimes {
    pub(super) time: Millis,
    pub(super) belongs_to: Option<Millis>,
}

/// Checks a file of rows, and each row in it.
pub(super) fn rows(
    schema: &Schema,
    space: &Id,
    newest: Option<Millis>,
    expected: &Expected,
    bytes: &[u8],
) -> Result<Vec<Checked>, Problem> {
    let groups = decode(schema, space, bytes)?;
    let mut counts = Counts::new();
    for group in &groups {
        let sum = counts.entry(group.name.clone()).or_default();
        *sum += u64::from(group.count);
    }
    match expected {
        Expected::Open(open) => {
            ensure(groups.iter().all(|group| group.part.is_some()), || {
                "it has rows of no part".to_owned()
            })?;
            // As maps: the order of tables is one of its writer's schema.
            let is_it = counts == open.rows;
            ensure(is_it, || {
                format!("{counts:?}, and {:?} are listed", open.rows)
            })?;
        }
        Expected::Base(part, table, entry) => {
            let is_it =
                matches!(&groups[..], [group] if group.part == *part && group.name == *table);
            ensure(is_it, || {
                "it does not have one table, of its part".to_owned()
            })?;
            let rows = u64::from(groups[0].count);
            ensure(rows == entry.rows, || {
                format!("{rows} rows, and {} are listed", entry.rows)
            })?;
        }
    }
    let times = expected.period().times();
    groups
        .into_iter()
        .map(|group| checked(space, newest, &times, group, bytes))
        .collect()
}

fn checked(
    space: &Id,
    newest: Option<Millis>,
    times: &RangeInclusive<Millis>,
    group: Group,
    bytes: &[u8],
) -> Result<Checked, Problem> {
    let mut checked = Checked {
        keys: Vec::new(),
        parts: Vec::new(),
        ids: Vec::new(),
        references: Vec::new(),
        times: Vec::new(),
        taken: Vec::new(),
        bytes: 0,
        group,
    };
    let group = &checked.group;
    let Some(table) = group.table else {
        return Ok(checked);
    };
    let scope = Scope {
        space: space.clone(),
        part: group.part.clone(),
    };
    ensure(scope.level() == table.level, || {
        format!("{} is not kept by {scope}", table.name)
    })?;
    checked.bytes = group
        .spans()
        .map(|(start, end)| u64::from(end - start))
        .sum();
    let (array, names) = (group.array(), Names::of(group));
    let mut order = Order {
        at: 0,
        last: Vec::new(),
    };
    let mut found = Ok(());
    let mut each = |row: Inspected| {
        if found.is_ok() {
            found = checked.take(row, &mut order, &names, (times, newest));
        }
    };
    let read = (table.inspect)(&scope, &bytes[array], &mut each);
    read.map_err(|error| error.to_string())?;
    found.map(|()| checked)
}

/// How far the rows of a group were checked.
struct Order {
    at: usize,
    /// The key of the row before.
    last: Vec<u8>,
}

impl Checked {
    /// Checks the next row, and notes what others may be checked against.
    fn take(
        &mut self,
        row: Inspected,
        order: &mut Order,
        names: &Names,
        (times, newest): (&RangeInclusive<Millis>, Option<Millis>),
    ) -> Result<(), Problem> {
        let tell = |what: &str| format!("row {} of its {} {what}", order.at, self.group.name);
        let Inspected {
            is_in_scope,
            contradicts_itself,
            key,
            id,
            refers_to,
            belongs_to,
            part,
        } = row;
        ensure(order.at == 0 || order.last < key.sort, || {
            tell("is out of order or repeated")
        })?;
        ensure(is_in_scope, || tell("is not of its part"))?;
        ensure(times.contains(&key.time), || tell("is not of its period"))?;
        ensure(Some(key.time) <= newest, || {
            tell("is newer than the newest")
        })?;
        ensure(!contradicts_itself, || tell("contradicts itself"))?;
        self.keys.push(names.name(&key.sort));
        let time = key.time;
        self.times.push(RowTimes { time, belongs_to });
        self.parts.extend(part);
        self.ids.extend(id);
        let reference = refers_to.map(|to| Reference { to, belongs_to });
        self.references.extend(reference);
        order.at += 1;
        order.last = key.sort;
        Ok(())
    }
}

/// Names the rows of a part and table among all of their space's, in 128 bits, which nobody can make twice.
struct Names([u8; 32]);

impl Names {
    fn of(group: &Group) -> Self {
        let part = group.part.as_ref().map_or("", Id::as_str);
        let mut hash = Sha256::new();
        for text in [part, &group.name] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }

    fn name(&self, sort: &[u8]) -> u128 {
        // As short as is safe: a key of usual length takes one block.
        let hash = Sha256::new().chain_update(&self.0[..16]).chain_update(sort);
        let hash: [u8; 32] = hash.finalize().into();
        u128::from_be_bytes(hash[..16].try_into().expect("32 bytes are more than 16"))
    }
}

/// Takes what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any of its bits will do")]
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

type Seen = HashSet<u128, BuildHasherDefault<Hashed>>;

/// The rows that were read, of which none may come twice.
#[derive(Default)]
pub(super) struct Keys {
    open: Seen,
    /// Those of the part that is read.
    part: Seen,
}

impl Keys {
    /// Takes rows of an open file.
    pub(super) fn open(&mut self, keys: &[u128]) -> Result<(), Problem> {
        unique(keys.iter().all(|key| self.open.insert(*key)))
    }

    /// Takes rows of the base of a part.
    pub(super) fn base(&mut self, keys: &[u128]) -> Result<(), Problem> {
        unique(
            keys.iter()
                .all(|key| !self.open.contains(key) && self.part.insert(*key)),
        )
    }

    /// The base of another part begins.
    pub(super) fn next_part(&mut self) {
        self.part.clear();
    }
}

fn unique(holds: bool) -> Result<(), Problem> {
    ensure(holds, || {
        "it has a row that another file has, too".to_owned()
    })
}

/// Checks that open files are split where they are too long, and nowhere else. Takes how long each one's rows are.
pub(super) fn splits(
    stamps: Option<Stamps>,
    limit: u64,
    files: &BTreeMap<Period, u64>,
) -> Result<(), Problem> {
    for (period, bytes) in files {
        let is_split = *bytes <= limit || period.unit().finer().is_none();
        ensure(is_split, || {
            format!("the rows in {period} are too long for one open file")
        })?;
    }
    let Some(stamps) = stamps else { return Ok(()) };
    let allows = |period: Period| stamps.open_period(period.start()).contains(period);
    let files = files.iter().map(|(period, bytes)| (*period, *bytes));
    let split = undersized(files, limit, allows).pop_first();
    ensure(split.is_none(), || {
        format!("the rows in {split:?} are short enough for one open file")
    })
}
