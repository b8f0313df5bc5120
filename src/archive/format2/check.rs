//! What is checked of each file, whoever reads it: `verify`, `restore` and `graph` refuse the same. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::RangeInclusive,
};

use sha2::{Digest as _, Sha256};

use super::{
    canonical::Problem,
    file::{Group, decode, overhead},
    layout::{Base, Limits, Stamps, undersized},
    manifest::{
        Covered, Days, Directory, Entry, Index, LAST_GENERATION, Line, ListHead, Manifest, Open,
        Root, SHARDS, add, manifest_path, parse, parse_checked, parse_list, shard_of,
    },
    period::{Period, Unit},
};
use crate::{Id, Level, Millis, Schema, Scope, manifest::Counts, row::Inspected};

fn ensure(holds: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn is_of_provider(schema: &Schema, provider: &str) -> Result<(), Problem> {
    ensure(provider == schema.provider, || {
        format!(
            "it is of the provider {provider:?}, not of {:?}",
            schema.provider
        )
    })
}

fn is_id(schema: &Schema, id: &Id) -> Result<(), Problem> {
    ensure((schema.is_id)(id.as_str()), || {
        format!("{:?} stands where an id should", id.as_str())
    })
}

/// Reads the root.
pub(super) fn root(schema: &Schema, bytes: &[u8]) -> Result<Root, Problem> {
    let root: Root = parse_checked(bytes)?;
    is_of_provider(schema, &root.provider)?;
    root.spaces
        .iter()
        .try_for_each(|space| is_id(schema, space))?;
    let sorted = root.spaces.is_sorted_by(|one, next| one < next);
    ensure(sorted, || {
        "its spaces are out of order or repeated".to_owned()
    })?;
    Ok(root)
}

/// Reads the manifest of a space.
pub(super) fn manifest(schema: &Schema, space: &Id, bytes: &[u8]) -> Result<Manifest, Problem> {
    let manifest: Manifest = parse_checked(bytes)?;
    let Manifest {
        generation,
        previous,
        stamps,
        created_at,
        ..
    } = &manifest;
    is_of_provider(schema, &manifest.provider)?;
    ensure(manifest.space == *space, || {
        format!("it is of {}", manifest_path(&manifest.space))
    })?;
    ensure((1..LAST_GENERATION).contains(generation), || {
        format!("generation {generation}")
    })?;
    ensure((*generation == 1) == previous.is_none(), || {
        format!("generation {generation}, and its predecessor is {previous:?}")
    })?;
    ensure(stamps.is_none_or(Stamps::are_sound), || {
        "its stamps are no day and month".to_owned()
    })?;
    let from = stamps.map(Stamps::hours);
    open_files(&manifest.hours, from.as_ref(), Unit::Hour)?;
    ensure(manifest.days.is_none() || stamps.is_some(), || {
        "days without stamps".to_owned()
    })?;
    let parts = manifest.parts;
    ensure((parts.count == 0) == parts.list.is_none(), || {
        "its parts are not listed".to_owned()
    })?;
    let known = [
        manifest.heard_at,
        manifest.history.and_then(|history| history.reread_at),
    ];
    ensure(
        known.iter().flatten().all(|known| known <= created_at),
        || "it knows what was after it was written".to_owned(),
    )?;
    let last = known.into_iter().flatten().max();
    let covered = manifest
        .exceptions
        .values()
        .flatten()
        .map(|covered| covered.to);
    ensure(
        covered
            .chain(manifest.covered_to)
            .all(|to| Some(to) <= last),
        || "it covers what was after its provider was last heard or read".to_owned(),
    )?;
    let exceptions = manifest.exceptions.keys();
    ensure(exceptions.is_sorted_by(|one, next| one < next), || {
        "exceptions are out of order".to_owned()
    })?;
    for (id, covered) in &manifest.exceptions {
        is_id(schema, id)?;
        is_coverage(covered)?;
        let first = stamps.map_or(i64::MIN, |stamps| stamps.days_from.start().0 - 1);
        ensure(covered.iter().all(|range| range.after.0 >= first), || {
            format!("the exception of {id} begins before days_from")
        })?;
    }
    Ok(manifest)
}

fn is_coverage(covered: &[Covered]) -> Result<(), Problem> {
    let apart = covered.is_sorted_by(|one, next| one.to <= next.after);
    ensure(
        apart && covered.iter().all(|range| range.after < range.to),
        || "what is covered overlaps, is out of order or empty".to_owned(),
    )
}

/// Open files lie apart, in order, in their times.
fn open_files(
    files: &[Open],
    times: Option<&RangeInclusive<Millis>>,
    largest: Unit,
) -> Result<(), Problem> {
    let apart = |one: &Open, next: &Open| one.period.end() < next.period.start();
    ensure(files.is_sorted_by(apart), || {
        "open files overlap or are out of order".to_owned()
    })?;
    for file in files {
        let period = file.period;
        let is_within = times
            .is_some_and(|times| times.contains(&period.start()) && times.contains(&period.end()));
        ensure(is_within && period.unit() >= largest, || {
            format!("{period} is no open file's")
        })?;
        ensure(file.rows.values().all(|rows| *rows > 0), || {
            format!("{period} has a table without rows")
        })?;
        ensure(!file.rows.is_empty(), || format!("{period} has no rows"))?;
    }
    Ok(())
}

/// Reads the list of the open files by day.
pub(super) fn days(manifest: &Manifest, bytes: &[u8]) -> Result<Vec<Open>, Problem> {
    let days: Days = parse(bytes)?;
    ensure(days.space == manifest.space, || {
        format!("it is of {}", days.space)
    })?;
    ensure(!days.days.is_empty(), || "it lists nothing".to_owned())?;
    let times = manifest.stamps.map(Stamps::days);
    open_files(&days.days, times.as_ref(), Unit::Day)?;
    Ok(days.days)
}

/// Reads the directory of a part list.
pub(super) fn directory(manifest: &Manifest, bytes: &[u8]) -> Result<Directory, Problem> {
    let directory: Directory = parse(bytes)?;
    ensure(directory.space == manifest.space, || {
        format!("it is of {}", directory.space)
    })?;
    let numbers = directory.shards.iter().map(|shard| shard.shard);
    let sorted = numbers.clone().is_sorted_by(|one, next| one < next);
    ensure(sorted && numbers.max() < Some(SHARDS), || {
        "its shards are out of order".to_owned()
    })?;
    Ok(directory)
}

/// Reads a part list, or a shard of one.
pub(super) fn list(
    schema: &Schema,
    manifest: &Manifest,
    shard: Option<u8>,
    bytes: &[u8],
) -> Result<Vec<Line>, Problem> {
    let (head, lines) = parse_list(bytes)?;
    let space = manifest.space.clone();
    ensure(head == ListHead { space, shard }, || {
        "it is another list".to_owned()
    })?;
    ensure(lines.is_sorted_by(|one, next| one.id < next.id), || {
        "its parts are out of order or repeated".to_owned()
    })?;
    let end = manifest
        .stamps
        .map(|stamps| Millis(stamps.days_from.start().0 - 1));
    for line in &lines {
        is_id(schema, &line.id)?;
        is_coverage(&line.covered)?;
        let last = line.covered.last().map(|range| range.to);
        ensure(last <= end, || {
            format!("{} is covered beyond its base", line.id)
        })?;
        let known = [
            manifest.heard_at,
            manifest.history.and_then(|history| history.reread_at),
        ];
        ensure(last <= known.into_iter().flatten().max(), || {
            format!(
                "{} is covered after its provider was last heard or read",
                line.id
            )
        })?;
        ensure(
            shard.is_none_or(|shard| shard_of(&line.id) == shard),
            || format!("{} belongs in another shard", line.id),
        )?;
        ensure(line.index.is_none() == line.rows.is_empty(), || {
            format!(
                "{} has rows without an index, or an index without rows",
                line.id
            )
        })?;
    }
    Ok(lines)
}

/// Checks what the lists say together. Returns how many rows are left for the space's own tables.
pub(super) fn together(
    schema: &Schema,
    manifest: &Manifest,
    lines: &[Line],
    days: &[Open],
) -> Result<Counts, Problem> {
    let count = manifest.parts.count;
    ensure(count == lines.len(), || {
        format!("{count} parts, and {} are listed", lines.len())
    })?;
    let known: BTreeSet<&Id> = lines.iter().map(|line| &line.id).collect();
    ensure(count == known.len(), || "a part is listed twice".to_owned())?;
    let strange = manifest.exceptions.keys().find(|id| !known.contains(id));
    ensure(strange.is_none(), || {
        format!("{strange:?} is an exception, and no part")
    })?;
    let mut rows = Counts::new();
    let open = days.iter().chain(&manifest.hours).map(|open| &open.rows);
    for counts in open.chain(lines.iter().map(|line| &line.rows)) {
        add(&mut rows, counts);
    }
    let mut own = Counts::new();
    for (table, count) in &manifest.rows {
        let sum = rows.swap_remove(table).unwrap_or_default();
        let rest = count.checked_sub(sum);
        let is_of_parts = schema
            .table(table)
            .is_some_and(|table| table.level == Level::Part);
        let rest = rest.filter(|rest| *rest == 0 || !is_of_parts);
        let rest = rest.ok_or_else(|| format!("{count} {table}, and its files have {sum}"))?;
        if rest > 0 {
            own.insert(table.clone(), rest);
        }
    }
    ensure(rows.is_empty(), || format!("its files have {rows:?} more"))?;
    ensure(own.is_empty() == manifest.index.is_none(), || {
        "the space has rows without an index, or an index without rows".to_owned()
    })?;
    Ok(own)
}

/// Reads an index, and compares it with what is listed of its rows.
pub(super) fn index(
    schema: &Schema,
    limits: Limits,
    manifest: &Manifest,
    part: Option<&Id>,
    listed: &Counts,
    bytes: &[u8],
) -> Result<Index, Problem> {
    let index: Index = parse(bytes)?;
    let is_it = index.space == manifest.space && index.part.as_ref() == part;
    ensure(is_it, || "it is the index of something else".to_owned())?;
    let level = part.map_or(Level::Space, |_| Level::Part);
    let base = Base::of(level, manifest.stamps, limits);
    for (table, entries) in &index.tables {
        let known = schema.table(table);
        ensure(known.is_none_or(|table| table.level == level), || {
            format!("{table} is not kept here")
        })?;
        ensure(!entries.is_empty(), || {
            format!("{table} without rows are listed")
        })?;
        let apart = |one: &Entry, next: &Entry| one.period.end() < next.period.start();
        ensure(entries.is_sorted_by(apart), || {
            format!("files of {table} overlap or are out of order")
        })?;
        let rows = |entry: &Entry| {
            let head = overhead(&index.space, index.part.as_ref(), table, entry.rows);
            (entry.period, entry.file.bytes.saturating_sub(head))
        };
        for entry in entries {
            let (period, bytes) = rows(entry);
            ensure(base.allows(period) && entry.rows > 0, || {
                format!("{period} is no file of {table}")
            })?;
            let is_split = bytes <= base.limit || period.unit().finer().is_none();
            ensure(is_split, || {
                format!("{table} in {period} are too long for one file")
            })?;
        }
        let split = base.to_join(entries.iter().map(rows)).pop_first();
        ensure(split.is_none(), || {
            format!("{table} in {split:?} are short enough for one file")
        })?;
    }
    let rows = index.rows();
    ensure(rows == *listed, || {
        format!("{rows:?}, and {listed:?} are listed")
    })?;
    Ok(index)
}

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

    pub(super) fn file(&self) -> super::file::FileRef {
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
    /// How long the rows are.
    pub(super) bytes: u64,
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
    checked.bytes = group.rows(bytes).map(|row| row.len() as u64).sum();
    let rows = (table.inspect)(&scope, group.array(bytes)).map_err(|error| error.to_string())?;
    let sorted = rows.is_sorted_by(|one, next| one.key.sort < next.key.sort);
    ensure(sorted, || {
        format!("its {} are out of order or repeated", table.name)
    })?;
    for (at, row) in rows.into_iter().enumerate() {
        let Inspected {
            is_in_scope,
            contradicts_itself,
            key,
            part,
            ..
        } = row;
        let tell = |what: &str| format!("row {at} of its {} {what}", table.name);
        ensure(is_in_scope, || tell("is not of its part"))?;
        ensure(times.contains(&key.time), || tell("is not of its period"))?;
        ensure(Some(key.time) <= newest, || {
            tell("is newer than the newest")
        })?;
        ensure(!contradicts_itself, || tell("contradicts itself"))?;
        checked.keys.push(name(group, &key.sort));
        checked.parts.extend(part);
    }
    Ok(checked)
}

/// A row's name among all of its space's: of 128 bits, which nobody can make twice.
fn name(group: &Group, sort: &[u8]) -> u128 {
    let part = group.part.as_ref().map_or("", Id::as_str);
    let mut hash = Sha256::new();
    for text in [part, &group.name] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(sort);
    let hash: [u8; 32] = hash.finalize().into();
    u128::from_be_bytes(hash[..16].try_into().expect("32 bytes are more than 16"))
}

/// The rows that were read, of which none may come twice.
#[derive(Default)]
pub(super) struct Keys {
    open: HashSet<u128>,
    /// Those of the part that is read.
    part: HashSet<u128>,
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
