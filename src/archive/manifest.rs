//! The files that say which rows a space has: the root, a space's manifest, its part list, its indexes.
//!
//! Owns their JSON and the checksum of manifests. Knows nothing of where files are kept.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, MapAccess, Visitor},
};

use super::{
    error::ReadError,
    file::{FileRef, Kind, named},
    layout::Stamps,
    period::Period,
};
use crate::{Hash, Id, Millis, Schema};

/// The format that is written, and the only one that is read.
pub const FORMAT: u32 = 2;

/// Where the root is.
pub const ROOT: &str = "manifest.json";

/// The largest root or manifest that is read, in bytes.
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// The largest generation: the largest number that JavaScript tells from its neighbours.
pub const LAST_GENERATION: u64 = (1 << 53) - 1;

/// How many milliseconds a day has.
const DAY: i64 = 86_400_000;

/// How many tables, or classes of data, there can be.
const MOST_TABLES: usize = 256;

/// How many parts are listed in one file. More are in shards, which a directory lists.
pub const ONE_LIST: usize = 256;

/// How many shards there are, of which those without parts have no file.
pub const SHARDS: u8 = 64;

/// Where the manifest of a space is. Ids that may not be names of files everywhere are told by their hash.
pub fn manifest_path(space: &Id) -> String {
    let id = space.as_str();
    if id.len() <= 32 && id.bytes().all(is_plain) {
        format!("spaces/{id}.json")
    } else {
        format!("spaces/{}.json", Hash::of(id.as_bytes()))
    }
}

/// Whether this is the path of the root or of a space's manifest.
pub fn is_manifest(path: &str) -> bool {
    let name = path
        .strip_prefix("spaces/")
        .and_then(|name| name.strip_suffix(".json"));
    let is_name = |name: &str| {
        name.parse::<Hash>().is_ok()
            || ((1..=32).contains(&name.len()) && name.bytes().all(is_plain))
    };
    path == ROOT || name.is_some_and(is_name)
}

/// Whether this may be in the name of a manifest.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-'
}

/// The shard that a part is in, if there are several: by the first six bits of its id's hash.
pub fn shard_of(part: &Id) -> u8 {
    Hash::of(part.as_str().as_bytes()).first_byte() >> 2
}

/// Rows by table, in the schema's order; tables without rows are left out.
pub type Counts = IndexMap<String, u64>;

/// Brings tables into the order of the schema.
pub(super) fn sort(rows: &mut Counts, schema: &Schema) {
    rows.sort_by_cached_key(|name, _| schema.order(name));
}

/// Spaces by the provider whose data they have.
pub type Spaces = BTreeMap<String, Vec<Id>>;

/// The archive's root: which spaces it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// [`FORMAT`]
    pub format: u32,
    /// Where the data of `spaces` comes from, such as `discord`: the first provider by name.
    pub provider: String,
    /// The spaces of this provider, sorted by id.
    pub spaces: Vec<Id>,
    /// Those of the other providers, none of which is without spaces.
    #[serde(default, skip_serializing_if = "Spaces::is_empty")]
    pub others: Spaces,
}

impl Root {
    /// The root of an archive with these spaces of one provider, as it is written.
    pub fn print(provider: &str, spaces: Vec<Id>) -> Vec<u8> {
        Self::print_all(provider, [(provider.to_owned(), spaces)].into())
    }

    /// The root of an archive with these spaces, as it is written: it changes with them alone. If there are none, it
    /// names this provider.
    pub(super) fn print_all(provider: &str, mut spaces: Spaces) -> Vec<u8> {
        spaces.retain(|_, spaces| !spaces.is_empty());
        for spaces in spaces.values_mut() {
            spaces.sort();
        }
        let first = spaces.pop_first();
        let (provider, first) = first.unwrap_or_else(|| (provider.to_owned(), Vec::new()));
        print_checked(&Self {
            format: FORMAT,
            provider,
            spaces: first,
            others: spaces,
        })
    }

    /// All spaces. Of an archive without any, the provider that it began with.
    pub fn by_provider(self) -> Spaces {
        let mut all = self.others;
        all.insert(self.provider, self.spaces);
        all
    }
}

/// One generation of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// Where the data comes from, such as `discord`.
    pub provider: String,
    /// The version of the provider's tables.
    pub schema: u32,
    /// The space's id.
    pub space: Id,
    /// What it is called.
    pub name: String,
    /// 1 for the first manifest of the space, and one more for each that follows.
    pub generation: u64,
    /// The hash of the manifest that this one replaced.
    #[serde(deserialize_with = "present")]
    pub previous: Option<Hash>,
    /// When it was written, by the exporter's clock, but never before its predecessor: except one that is more
    /// than a day ahead of that clock.
    pub created_at: Millis,
    /// When the mirror had last heard from its provider.
    #[serde(deserialize_with = "present")]
    pub heard_at: Option<Millis>,
    /// No row is newer. Not the export's clock: an id may be of the year 2079.
    #[serde(deserialize_with = "present")]
    pub newest: Option<Millis>,
    /// When each class of its data was last known to be complete; `None` for never.
    #[serde(deserialize_with = "few")]
    pub synced: IndexMap<String, Option<Millis>>,
    /// Until when its history is known, however old, and when it was last read again.
    #[serde(deserialize_with = "present")]
    pub history: Option<ManifestHistory>,
    /// From when on rows are in open files; `None`: all are in the base.
    #[serde(deserialize_with = "present")]
    pub stamps: Option<Stamps>,
    /// Rows by table, of the space and of its parts.
    #[serde(deserialize_with = "few")]
    pub rows: Counts,
    /// The index of the tables that are kept by space; `None` if they have no rows.
    #[serde(deserialize_with = "present")]
    pub index: Option<FileRef>,
    /// The open files by hour, by ascending period.
    pub hours: Vec<Open>,
    /// The list of the open files by day; `None` if there are none.
    #[serde(deserialize_with = "present")]
    pub days: Option<FileRef>,
    /// The parts.
    pub parts: Parts,
    /// Every part that is covered up to `days_from` is covered up to here, too, but for the exceptions.
    #[serde(deserialize_with = "present")]
    pub covered_to: Option<Millis>,
    /// By ascending id: what is covered from `days_from` on of parts for which `covered_to` does not hold.
    pub exceptions: IndexMap<Id, Vec<Covered>>,
}

impl Manifest {
    /// Fails if it was written more than a day after `now`. What its mirror claims to know of a time that is yet
    /// to come would be believed, and never read again.
    ///
    /// A day covers clocks that tell a local time as UTC.
    pub fn check_clock(&self, now: Millis) -> Result<(), ReadError> {
        if self.created_at.0 <= now.0.saturating_add(DAY) {
            return Ok(());
        }
        Err(ReadError::Future {
            path: manifest_path(&self.space),
            days: self.created_at.0.abs_diff(now.0) / DAY.unsigned_abs(),
        })
    }

    /// Until when anything can be known to be complete.
    pub fn known_until(&self) -> Option<Millis> {
        known_until(self.heard_at, &self.synced, self.history)
    }

    /// The paths of the list of days, and of the list of parts or the directory of its shards.
    pub(super) fn lists(&self) -> [Option<String>; 2] {
        let parts = match self.parts.count {
            0..=ONE_LIST => Kind::Parts,
            _ => Kind::Directory,
        };
        let list = |kind, file: FileRef| named(kind, file.hash);
        [
            self.days.map(|days| list(Kind::Days, days)),
            self.parts.list.map(|file| list(parts, file)),
        ]
    }
}

/// Until when anything can be known to be complete: when the provider was last heard, a class of data was
/// last read completely, or history was last read again.
pub(super) fn known_until(
    heard_at: Option<Millis>,
    synced: &IndexMap<String, Option<Millis>>,
    history: Option<ManifestHistory>,
) -> Option<Millis> {
    let reread = history.and_then(|history| history.reread_at);
    let synced = synced.values().copied().max().flatten();
    heard_at.max(synced).max(reread)
}

/// Until when a space's history is known, however old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHistory {
    /// Until when every edit, deletion and reaction is known; later ones may be missing of what
    /// was old then.
    #[serde(deserialize_with = "present")]
    pub known_until: Option<Millis>,
    /// When all of it was last read again from end to end.
    #[serde(deserialize_with = "present")]
    pub reread_at: Option<Millis>,
}

/// An open file: the rows of all parts in an hour or a day, or in a piece of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The times of its rows.
    pub period: Period,
    /// Which file.
    #[serde(flatten)]
    pub file: FileRef,
    /// Its rows, by table.
    #[serde(deserialize_with = "few")]
    pub rows: Counts,
}

/// The open files by day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// The space.
    pub space: Id,
    /// By ascending period.
    pub days: Vec<Open>,
}

/// Names the part list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// How many parts there are.
    pub count: usize,
    /// The list, or above [`ONE_LIST`] parts the directory of its shards; `None` if there are no parts.
    #[serde(deserialize_with = "present")]
    pub list: Option<FileRef>,
}

/// The files of a part list with many parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// The space.
    pub space: Id,
    /// By ascending number.
    pub shards: Vec<Shard>,
}

/// A file of a part list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number: see [`shard_of`].
    pub shard: u8,
    /// Which file.
    #[serde(flatten)]
    pub file: FileRef,
}

/// The first line of a part list, or of a shard of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListHead {
    /// The space.
    pub space: Id,
    /// Which shard; `None` for the only list.
    #[serde(deserialize_with = "present")]
    pub shard: Option<u8>,
}

/// A part, in a line of a part list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// The index of its base; `None` if that has no rows.
    #[serde(deserialize_with = "present")]
    pub index: Option<FileRef>,
    /// The base's rows, by table.
    #[serde(deserialize_with = "few")]
    pub rows: Counts,
    /// What is known to be here with all that belongs to it, up to `days_from`; sorted, apart.
    pub covered: Vec<Covered>,
}

/// The times in `(after, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The last millisecond before them.
    pub after: Millis,
    /// The last of them.
    pub to: Millis,
}

/// The base of a part, or a space's own tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The space.
    pub space: Id,
    /// The part; `None` for the space's own tables.
    #[serde(deserialize_with = "present")]
    pub part: Option<Id>,
    /// By table in the schema's order, sorted by period; tables without rows are left out.
    #[serde(deserialize_with = "few")]
    pub tables: IndexMap<String, Vec<Entry>>,
}

/// A file of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The times of its rows.
    pub period: Period,
    /// How many rows.
    pub rows: u64,
    /// Which file.
    #[serde(flatten)]
    pub file: FileRef,
}

/// A value that may be null, but not be absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// A map by table or by class of data, of which there are few: more would take many times the file's length.
fn few<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    from: D,
) -> Result<IndexMap<String, V>, D::Error> {
    from.deserialize_map(Few(PhantomData))
}

struct Few<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Few<V> {
    type Value = IndexMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with at most {MOST_TABLES} keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = IndexMap::new();
        while let Some((key, value)) = map.next_entry()? {
            found.insert(key, value);
            if found.len() > MOST_TABLES {
                return Err(de::Error::invalid_length(found.len(), &self));
            }
        }
        Ok(found)
    }
}

/// Adds up rows.
pub fn add(to: &mut Counts, rows: &Counts) {
    for (table, count) in rows {
        let sum = to.entry(table.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
}

impl Index {
    /// Rows by table.
    pub fn rows(&self) -> Counts {
        let rows = |entries: &Vec<Entry>| {
            entries
                .iter()
                .map(|entry| entry.rows)
                .fold(0, u64::saturating_add)
        };
        let tables = self.tables.iter();
        tables
            .map(|(table, entries)| (table.clone(), rows(entries)))
            .collect()
    }

    /// The paths of the files that it lists.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        let entries = self.tables.values().flatten();
        entries.map(|entry| named(Kind::Rows, entry.file.hash))
    }
}

/// Compact JSON, one line.
pub fn print(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these have only text keys, and memory takes them")
}

/// A part list: a line for its head, then one for each part.
pub fn print_list(head: &ListHead, lines: &[&Line]) -> Vec<u8> {
    let mut bytes = print(head);
    bytes.push(b'\n');
    for line in lines {
        bytes.extend(print(line));
        bytes.push(b'\n');
    }
    bytes
}

/// Reads JSON.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Reads a part list.
pub fn parse_list(bytes: &[u8]) -> Result<(ListHead, Vec<Line>), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').ok_or("its last line is cut off")?;
    let mut lines = text.split('\n');
    let head = lines.next().unwrap_or_default();
    let head = serde_json::from_str(head).map_err(|error| error.to_string())?;
    let mut parsed = Vec::with_capacity(lines.clone().count());
    for line in lines {
        parsed.push(serde_json::from_str(line).map_err(|error| error.to_string())?);
    }
    Ok((head, parsed))
}

/// What a file with a checksum ends with, but for the hash: it is the last field, over all bytes before it.
const CHECKSUM: (&[u8], &[u8]) = (b",\"checksum\":\"", b"\"}\n");

/// JSON with a checksum.
pub fn print_checked(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = print(value);
    bytes.pop(); // the closing brace
    let checksum = Hash::of(&bytes).to_string();
    bytes.extend_from_slice(CHECKSUM.0);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes.extend_from_slice(CHECKSUM.1);
    bytes
}

/// Reads JSON with a checksum. What is of another format is told first, and by its number.
pub fn parse_checked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    if bytes.len() as u64 > MANIFEST_LIMIT {
        return Err(format!("it is longer than {MANIFEST_LIMIT} bytes"));
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if head.format != u64::from(FORMAT) {
        return Err(format!(
            "it is of format {}, and this program reads format {FORMAT}",
            head.format
        ));
    }
    let checked = || {
        let (before, end) =
            bytes.split_at_checked(bytes.len().checked_sub(64 + CHECKSUM.1.len())?)?;
        let body = before.strip_suffix(CHECKSUM.0)?;
        let checksum = end.strip_suffix(CHECKSUM.1)?;
        (checksum == Hash::of(body).to_string().as_bytes()).then_some(())
    };
    checked().ok_or("its checksum is not that of its bytes")?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
