//! The manifest and the indexes: which blobs together are the archive.
//!
//! Owns their JSON, the names of all files, and the refusal of formats that it does not know.
//! Knows nothing of where files are kept.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::{Id, Millis, Period, Schema, Scope, format2::file};

/// The format that is written, and the newest that can be read.
pub const FORMAT: u32 = 1;

/// Where the manifest is.
pub const MANIFEST: &str = "manifest.json";

/// The longest manifest, index or blob that is read, in bytes.
pub const LONGEST: u64 = file::FILE_LIMIT;

/// A SHA-256; spelled in lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Where the blob with this hash is.
    pub fn blob_path(self) -> String {
        self.path("blobs", "msgpack")
    }

    /// Where the index with this hash is.
    pub fn index_path(self) -> String {
        self.path("indexes", "json")
    }

    /// Its first byte, by which parts are spread over shards.
    pub(super) fn first_byte(self) -> u8 {
        self.0[0]
    }

    pub(super) fn path(self, folder: &str, suffix: &str) -> String {
        let hex = self.to_string();
        format!("{folder}/{}/{hex}.{suffix}", &hex[..2])
    }

    /// The hash of what is read, and how many bytes that is.
    pub(super) fn of_read(mut from: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            match from.read(&mut chunk)? {
                0 => return Ok((Self(hasher.finalize().into()), bytes)),
                read => {
                    hasher.update(&chunk[..read]);
                    bytes += read as u64;
                }
            }
        }
    }

    /// The hash that the path of an object names; `None` for any other path.
    pub fn in_path(path: &str) -> Option<Self> {
        let hash = Self::in_name(path)?;
        let is_blob = hash.blob_path() == path || hash.index_path() == path;
        (is_blob || file::is_named(path)).then_some(hash)
    }

    /// The hash in a file's name.
    pub(super) fn in_name(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        name.split('.').next()?.parse().ok()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no hash.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no SHA-256 in 64 lowercase hexadecimal digits")]
pub struct NotAHash(String);

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .ok()
            .map(|()| Self(bytes))
            .filter(|own| own.to_string() == text)
            .ok_or_else(|| NotAHash(text.to_owned()))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Rows by table, in the schema's order; tables without rows are left out.
pub type Counts = IndexMap<String, u64>;

/// Brings tables into the order of the schema.
pub(super) fn sort<T>(tables: &mut IndexMap<String, T>, schema: &Schema) {
    tables.sort_by_cached_key(|name, _| schema.order(name));
}

/// The root of a consistent set of blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// Where the data comes from, such as `discord`.
    pub provider: String,
    /// 1 for the first manifest, and one more for each that follows.
    pub generation: u64,
    /// The hash of the manifest that this one replaced.
    pub previous: Option<Hash>,
    /// When it was written.
    pub created_at: Millis,
    /// When the mirror had last heard from its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Millis>,
    /// The spaces, sorted by id.
    #[serde(rename = "guilds")]
    pub spaces: Vec<ManifestSpace>,
}

/// A space as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSpace {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// The index of the tables that are kept by space; `None` if they have no rows.
    pub index: Option<IndexRef>,
    /// When each class of its data was last known to be complete; `None` for never.
    pub synced: IndexMap<String, Option<Millis>>,
    /// Until when its history is known, however old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<ManifestHistory>,
    /// Rows by table, those of the parts included.
    pub rows: Counts,
    /// Its exported parts, sorted by id.
    #[serde(rename = "channels")]
    pub parts: Vec<ManifestPart>,
}

/// Until when a space's history is known, however old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHistory {
    /// Until when every edit, deletion and reaction is known; later ones may be missing of what
    /// was old then.
    #[serde(default)]
    pub known_until: Option<Millis>,
    /// When all of it was last read again from end to end.
    #[serde(default)]
    pub reread_at: Option<Millis>,
}

impl ManifestSpace {
    /// Its own scope.
    pub fn scope(&self) -> Scope {
        Scope::space(&self.id)
    }
}

/// A part as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPart {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// The index of the tables that are kept by part; `None` if they have no rows.
    pub index: Option<IndexRef>,
    /// Rows by table.
    pub rows: Counts,
    /// The ids of what is known to be here with all that belongs to it; sorted, apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covered: Vec<Covered>,
}

/// The ids in `(after, to]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The last id before them.
    pub after: Id,
    /// The last of them.
    pub to: Id,
}

/// Names an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IndexRef {
    /// Its hash, and so its name.
    pub hash: Hash,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl IndexRef {
    /// Where the index is.
    pub fn path(self) -> String {
        self.hash.index_path()
    }
}

/// The partitions of a space's or a part's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`FORMAT`]
    pub format: u32,
    /// The space.
    #[serde(rename = "guild_id")]
    pub space: Id,
    /// The part; `None` for the space's own tables.
    #[serde(rename = "channel_id")]
    pub part: Option<Id>,
    /// By table in the schema's order, sorted by period; tables without rows are left out.
    pub tables: IndexMap<String, Vec<Entry>>,
}

impl Index {
    /// Whose tables it lists.
    pub fn scope(&self) -> Scope {
        Scope {
            space: self.space.clone(),
            part: self.part.clone(),
        }
    }

    /// A table's partitions, sorted by period.
    pub fn entries(&self, table: &str) -> &[Entry] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// Rows by table.
    pub fn rows(&self) -> Counts {
        self.tables
            .iter()
            .map(|(table, entries)| (table.clone(), entries.iter().map(|entry| entry.rows).sum()))
            .collect()
    }

    /// Where the blobs are that it lists.
    pub fn blob_paths(&self) -> impl Iterator<Item = String> {
        self.tables
            .values()
            .flatten()
            .map(|table| table.blob.blob_path())
    }
}

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// The time of all of its rows.
    pub period: Period,
    /// How many rows.
    pub rows: u64,
    /// How long they are together, in bytes: the blob without the head of its array.
    pub bytes: u64,
    /// The blob's hash, and so its name.
    pub blob: Hash,
}

/// A manifest or index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is not the JSON that it should be.
    #[error(
        "{path} is damaged or cut off: {source}; put back an intact copy of the archive, or \
         export to a new one"
    )]
    Malformed {
        /// Which file.
        path: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It was written by a later version.
    #[error(
        "{path} is of archive format {found}, but this propsbot reads formats up to {FORMAT}: \
         use a newer propsbot"
    )]
    Newer {
        /// Which file.
        path: String,
        /// Its format.
        found: u64,
    },
}

/// Reads what is in every format before anything else, so that a newer one is told from damage.
fn parse<'a, T: Deserialize<'a>>(path: &str, bytes: &'a [u8]) -> Result<T, FormatError> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    let malformed = |source| FormatError::Malformed {
        path: path.to_owned(),
        source,
    };
    let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
    if head.format > u64::from(FORMAT) {
        return Err(FormatError::Newer {
            path: path.to_owned(),
            found: head.format,
        });
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

/// As it is written: indented, and ending with a line break, to be read in a browser.
fn print(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .expect("manifests and indexes have only text keys, and memory takes them");
    bytes.push(b'\n');
    bytes
}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        parse(MANIFEST, bytes)
    }

    /// The manifest as it is written.
    pub fn print(&self) -> Vec<u8> {
        print(self)
    }

    /// The spaces and parts with their indexes.
    pub fn indexes(&self) -> impl Iterator<Item = (Scope, IndexRef)> {
        self.spaces.iter().flat_map(|space| {
            let own = (space.scope(), space.index);
            let parts = space.parts.iter();
            let parts = parts.map(|part| (Scope::part(&space.id, &part.id), part.index));
            std::iter::once(own)
                .chain(parts)
                .filter_map(|(scope, index)| Some((scope, index?)))
        })
    }

    /// All that stands for an id of the provider's.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.spaces.iter().flat_map(|space| {
            let parts = space.parts.iter().flat_map(|part| {
                let covered = part.covered.iter();
                let covered = covered.flat_map(|range| [&range.after, &range.to]);
                std::iter::once(&part.id).chain(covered)
            });
            std::iter::once(&space.id).chain(parts)
        })
    }

    /// The indexes of the spaces and parts that have rows of this table.
    pub(super) fn indexes_with(&self, table: &str) -> impl Iterator<Item = (Scope, IndexRef)> {
        self.spaces.iter().flat_map(move |space| {
            let own = (space.scope(), space.index, &space.rows);
            let parts = space.parts.iter();
            let parts =
                parts.map(|part| (Scope::part(&space.id, &part.id), part.index, &part.rows));
            std::iter::once(own)
                .chain(parts)
                .filter(move |(_, _, rows)| rows.contains_key(table))
                .filter_map(|(scope, index, _)| Some((scope, index?)))
        })
    }
}

impl Index {
    /// Reads an index.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, FormatError> {
        parse(path, bytes)
    }

    /// The index as it is written.
    pub fn print(&self) -> Vec<u8> {
        print(self)
    }
}
