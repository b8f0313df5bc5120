//! The manifest and the indexes: which blobs together are the archive.
//!
//! Owns their JSON, the names of all files, and the refusal of formats that it does not know.
//! Knows nothing of where files are kept.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::{Period, Scope, Table};
use propsbot_model::{ChannelId, Class, GuildId, IdRange, Millis};

/// The format that is written, and the newest that can be read.
pub const FORMAT: u32 = 1;

/// Whose words the rows have.
pub const PROVIDER: &str = "discord";

/// Where the manifest is.
pub const MANIFEST: &str = "manifest.json";

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

    fn path(self, folder: &str, suffix: &str) -> String {
        let hex = self.to_string();
        format!("{folder}/{}/{hex}.{suffix}", &hex[..2])
    }

    /// The hash that a path of a blob or index names; `None` for any other path.
    pub fn in_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        let hash: Self = name.split('.').next()?.parse().ok()?;
        (hash.blob_path() == path || hash.index_path() == path).then_some(hash)
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
            .filter(|it| it.to_string() == text)
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

/// Rows by table; tables without rows are left out.
pub type Counts = BTreeMap<Table, u64>;

/// The root of a consistent set of blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// Where the data comes from: `discord`.
    pub provider: String,
    /// 1 for the first manifest, and one more for each that follows.
    pub generation: u64,
    /// The hash of the manifest that this one replaced.
    pub previous: Option<Hash>,
    /// When it was written.
    pub created_at: Millis,
    /// When the mirror had last heard from Discord.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Millis>,
    /// The guilds, sorted by id.
    pub guilds: Vec<ManifestGuild>,
}

/// A guild as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestGuild {
    /// Its id.
    pub id: GuildId,
    /// What it is called.
    pub name: String,
    /// The index of the tables that are kept by guild; `None` if they have no rows.
    pub index: Option<IndexRef>,
    /// When each class of its data was last known to be complete; `None` for never.
    pub synced: BTreeMap<Class, Option<Millis>>,
    /// Until when its history is known, however old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<ManifestHistory>,
    /// Rows by table, those of the channels included.
    pub rows: Counts,
    /// Its exported channels and threads, sorted by id.
    pub channels: Vec<ManifestChannel>,
}

/// Until when a guild's history is known, however old the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHistory {
    /// Until when every edit, deletion and reaction is known; later ones may be missing of messages
    /// that were old then.
    #[serde(default)]
    pub known_until: Option<Millis>,
    /// When all of it was last read again from end to end.
    #[serde(default)]
    pub reread_at: Option<Millis>,
}

impl ManifestGuild {
    /// Its own scope.
    pub fn scope(&self) -> Scope {
        Scope::guild(self.id)
    }
}

/// A channel or thread as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestChannel {
    /// Its id.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// The index of the tables that are kept by channel; `None` if they have no rows.
    pub index: Option<IndexRef>,
    /// Rows by table.
    pub rows: Counts,
    /// The ids whose messages, with all that reacted to them, are known to be here; sorted, apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covered: Vec<IdRange>,
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

/// The partitions of a guild's or a channel's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`FORMAT`]
    pub format: u32,
    /// The guild.
    pub guild_id: GuildId,
    /// The channel or thread; `None` for the guild's own tables.
    pub channel_id: Option<ChannelId>,
    /// By table, sorted by period; tables without rows are left out.
    pub tables: BTreeMap<Table, Vec<Entry>>,
}

impl Index {
    /// Whose tables it lists.
    pub fn scope(&self) -> Scope {
        Scope {
            guild_id: self.guild_id,
            channel_id: self.channel_id,
        }
    }

    /// A table's partitions, sorted by period.
    pub fn entries(&self, table: Table) -> &[Entry] {
        self.tables.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Rows by table.
    pub fn rows(&self) -> Counts {
        self.tables
            .iter()
            .map(|(table, entries)| (*table, entries.iter().map(|it| it.rows).sum()))
            .collect()
    }

    /// Where the blobs are that it lists.
    pub fn blob_paths(&self) -> impl Iterator<Item = String> {
        self.tables.values().flatten().map(|it| it.blob.blob_path())
    }
}

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// In which all of its rows' ids were made.
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

    /// The guilds and channels with their indexes.
    pub fn indexes(&self) -> impl Iterator<Item = (Scope, IndexRef)> {
        self.guilds.iter().flat_map(|guild| {
            let own = (guild.scope(), guild.index);
            let channels = guild
                .channels
                .iter()
                .map(|it| (Scope::channel(guild.id, it.id), it.index));
            std::iter::once(own)
                .chain(channels)
                .filter_map(|(scope, index)| Some((scope, index?)))
        })
    }

    /// The channels, with how many rows each has.
    pub fn channel_rows(&self) -> impl Iterator<Item = (Scope, &Counts)> {
        self.guilds.iter().flat_map(|guild| {
            let channels = guild.channels.iter();
            channels.map(|it| (Scope::channel(guild.id, it.id), &it.rows))
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
