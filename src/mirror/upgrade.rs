//! Rewrites a store of an earlier schema as the current one.
//!
//! Schema 2 made the mirror's own values records. Schema 3 has the index of recent rows, marks by
//! hour and month, and a ledger of several manifests for an archive. Schema 4 has the index of
//! rows by what they are found by, schema 5 more rows in it.

use propsbot_archive::{Hash, Id};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use tracing::info;

use crate::{
    Clock, Dirty, Domain, Mark, PrefixOf, Published, ReadRows, Record, RowError, SCHEMA, Stamp,
    StoreError, Table, codec,
    engine::{Engine, Entry, Op},
    index, key,
    ledger::{OldLast, OneManifest},
    mirror::{AT_ONCE, SCHEMA_KEY},
    record::stored_key,
    rewrite::Folders,
    scan::Scan,
};

/// The last schema whose indexes are written again.
const BEFORE_INDEXES: u32 = 3;

// Keys of schema 1 that became records in schema 2.
const NEWEST_KEY: &[u8] = &[0, 1];
const HEARD_KEY: &[u8] = &[0, 4];
const EXPORTED_KEY: &[u8] = &[0, 2];
/// A prefix, followed by an archive's name.
const ARCHIVE_KEY: &[u8] = &[0, 6];
const RULES_KEY: &[u8] = &[0, 7];
const CLAIMS_KEY: &[u8] = &[0, 8];

/// The prefix of a manifest hash that the store was restored from.
const RESTORED: &str = "restored ";
/// The prefix of a manifest hash whose publication is unconfirmed.
const UNCONFIRMED: char = '?';

/// The rows of a store of schema 1. Only unchanged tables can be read.
pub struct OldRows<'a>(&'a Engine);

impl ReadRows for OldRows<'_> {
    type Error = StoreError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> {
        Scan::new(self.0, (), (from, to), few)
    }
}

/// A row in bytes.
pub struct OldRow {
    /// The table's number.
    pub table: u8,
    /// The key within the table.
    pub key: Vec<u8>,
    value: Vec<u8>,
}

impl OldRow {
    /// A record in the current encoding.
    pub fn of<R: Record>(row: &R) -> Self {
        let mut key = Vec::new();
        row.key().write_prefix(&mut key);
        Self {
            table: R::TABLE.number,
            key,
            value: codec::encode(row),
        }
    }

    /// Decodes the value as this type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        // The first byte is the version of the encoding.
        self.decode(self.value.get(1..))
    }

    /// Decodes the key from this byte offset as this type.
    pub fn read_key<T: DeserializeOwned>(&self, from: usize) -> Result<T, StoreError> {
        self.decode(self.key.get(from..))
    }

    fn decode<T: DeserializeOwned>(&self, bytes: Option<&[u8]>) -> Result<T, StoreError> {
        let read = rmp_serde::from_slice(bytes.unwrap_or_default());
        Ok(read.map_err(|error| RowError {
            table: "an earlier schema",
            reason: format!("table {}: {error}", self.table),
        })?)
    }

    /// The value as a big-endian number.
    pub fn number(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.value.as_slice().try_into().ok()?))
    }
}

/// A mark of schema 2: the space, the table's number, the part, and the day.
#[derive(Deserialize)]
struct OldMark(Id, u8, Option<Id>, IgnoredAny);

/// A mark of schema 2, and its generation.
#[derive(Deserialize)]
struct OldDirty(OldMark, u64);

/// Upgrades a store of this schema.
pub(crate) fn upgrade<D: Domain>(engine: Engine, from: u32) -> Result<Engine, StoreError> {
    info!("upgrading the store to schema {SCHEMA}; this takes a moment");
    let engine = if from < BEFORE_INDEXES {
        rewrite::<D>(engine, from)?
    } else {
        engine
    };
    index_rows::<D>(&engine)?;
    info!("the store has schema {SCHEMA} now");
    Ok(engine)
}

/// Writes the indexes. If this is interrupted, the store keeps its schema, and the next start
/// begins again.
fn index_rows<D: Domain>(engine: &Engine) -> Result<(), StoreError> {
    let recent_from = Clock::of(&OldRows(engine))?.recent_from();
    for kind in D::PART_RECORDS {
        let mut ops = Vec::new();
        for entry in engine.range(&[kind.table], &[kind.table + 1]) {
            let (key, value) = entry?;
            let place = (kind.place)(&value)?.into_iter();
            let entries = place.flat_map(|place| index::entries_since(&place, &key, recent_from));
            ops.extend(entries.map(|entry| Op::Put(entry, Vec::new())));
            if ops.len() >= AT_ONCE {
                engine.apply(&std::mem::take(&mut ops))?;
            }
        }
        engine.apply(&ops)?;
    }
    let schema = SCHEMA.to_be_bytes().to_vec();
    engine.commit(&[Op::Put(SCHEMA_KEY.to_vec(), schema)])
}

/// Rewrites a store of schema 1 or 2 into a new folder as schema 3, without indexes, and opens it.
/// After a kill at any step, either the old or the new store is there.
fn rewrite<D: Domain>(engine: Engine, from: u32) -> Result<Engine, StoreError> {
    let path = engine.path().to_owned();
    let folders = Folders::new(&path);
    if let Some(needed) = folders.lacks_room()? {
        return Err(StoreError::NoRoom { path, needed });
    }
    let (clock, ledger) = if from == 1 {
        own_values(&engine)?
    } else {
        own_records(&engine)?
    };
    let mut change = D::upgrade(OldRows(&engine))?;
    let copied = engine.copy_to(
        &folders.fresh,
        |(key, value)| {
            let Some((&table, key_in_table)) = key.split_first().filter(|(table, _)| **table > 0)
            else {
                return Ok(if is_kept(&key) {
                    vec![(key, value)]
                } else {
                    vec![]
                });
            };
            let row = OldRow {
                table,
                key: key_in_table.to_vec(),
                value,
            };
            let row = if from == 1 {
                change(row)?
            } else if table == Table::MARKS.number {
                Some(whole_table(&row)?)
            } else {
                Some(row)
            };
            let Some(OldRow { table, key, value }) = row else {
                return Ok(vec![]);
            };
            Ok(vec![([vec![table], key].concat(), value)])
        },
        [
            vec![
                (SCHEMA_KEY.to_vec(), BEFORE_INDEXES.to_be_bytes().to_vec()),
                (stored_key::<Clock>(&clock.key()), codec::encode(&clock)),
            ],
            ledger.upgrade(),
        ]
        .concat(),
    );
    drop(change);
    folders.replace(engine, copied)?;
    Engine::open(&path)
}

/// A mark of schema 2 as one of the whole table: its rows may lie at other times than it says.
fn whole_table(row: &OldRow) -> Result<OldRow, StoreError> {
    let OldDirty(OldMark(space, table, part, _), generation) = row.read()?;
    let mark = Mark {
        space,
        table,
        part,
        period: None,
    };
    Ok(OldRow::of(&Dirty { mark, generation }))
}

/// Whether the mirror's own value under this key is kept as it is.
fn is_kept(key: &[u8]) -> bool {
    let is_replaced = [
        NEWEST_KEY,
        HEARD_KEY,
        EXPORTED_KEY,
        RULES_KEY,
        CLAIMS_KEY,
        SCHEMA_KEY,
        OneManifest::KEY,
    ]
    .contains(&key);
    !is_replaced && !key.starts_with(ARCHIVE_KEY)
}

/// The mirror's clock and ledger in schema 2.
fn own_records(engine: &Engine) -> Result<(Clock, OneManifest), StoreError> {
    let ledger = engine.get(OneManifest::KEY)?.map(|value| {
        let row = OldRow {
            table: Table::OWN.number,
            key: OneManifest::KEY[1..].to_vec(),
            value,
        };
        row.read()
    });
    let ledger = ledger.transpose()?.unwrap_or_default();
    Ok((Clock::of(&OldRows(engine))?, ledger))
}

/// The mirror's clock and ledger in schema 1.
fn own_values(engine: &Engine) -> Result<(Clock, OneManifest), StoreError> {
    let stamp = |key| -> Result<Option<Stamp>, StoreError> {
        let bytes: Option<Vec<u8>> = engine.get(key)?;
        let bytes = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
        Ok(bytes.map(i64::from_be_bytes).map(Stamp))
    };
    let text = |key: &[u8]| -> Result<Option<String>, StoreError> {
        let bytes = engine.get(key)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    };
    let clock = Clock::new(stamp(NEWEST_KEY)?.unwrap_or_default(), stamp(HEARD_KEY)?);
    let mut ledger = OneManifest {
        last: text(EXPORTED_KEY)?.and_then(|left| match left.strip_prefix(RESTORED) {
            Some(hash) => Some(OldLast::Restored(hash.parse().ok()?)),
            None => Some(OldLast::Published(left.parse().ok()?)),
        }),
        rules: engine
            .get(RULES_KEY)?
            .and_then(|bytes| bytes.first().copied()),
        ..OneManifest::default()
    };
    if let Some(names) = text(CLAIMS_KEY)? {
        ledger.claims = names.lines().map(str::to_owned).collect();
    }
    for entry in engine.range(ARCHIVE_KEY, &key::after(ARCHIVE_KEY)) {
        let (key, value) = entry?;
        let name = String::from_utf8_lossy(&key[ARCHIVE_KEY.len()..]).into_owned();
        let lines = String::from_utf8_lossy(&value).into_owned();
        let published = lines.lines().filter_map(|line| {
            Some(Published {
                manifest: line.trim_start_matches(UNCONFIRMED).parse::<Hash>().ok()?,
                confirmed: !line.starts_with(UNCONFIRMED),
            })
        });
        ledger.archives.insert(name, published.collect());
    }
    Ok((clock, ledger))
}
