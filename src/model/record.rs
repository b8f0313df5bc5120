//! What makes a value a record: its table, its key, and the partition it is exported with; and
//! the two shapes in which values that change over time merge.

use std::mem;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    AdminAction, Audit, Channel, ChannelId, Coverage, EmojiKey, Failure, Fields, Guild,
    GuildChoice, GuildEmoji, GuildId, LeftOut, Member, MessageState, Millis, Pending, Privacy,
    Props, Reaction, ReactionMarks, Registered, Role, Session, Settings, Stamp, Synced, Tally,
};

/// The kinds of records. The number is stored: never change one, never use one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Table {
    /// [`Guild`]
    Guilds = 1,
    /// [`Channel`]
    Channels = 2,
    /// [`Role`]
    Roles = 3,
    /// [`GuildEmoji`]
    Emojis = 4,
    /// [`Member`]
    Members = 5,
    /// [`MessageState`]
    Messages = 6,
    /// [`Reaction`]
    Reactions = 7,
    /// [`Props`]
    Props = 8,
    /// [`Settings`]
    Settings = 9,
    /// [`Coverage`]
    Coverage = 10,
    /// [`Pending`]
    Pending = 11,
    /// [`ReactionMarks`]
    ReactionMarks = 12,
    /// [`Session`]
    Sessions = 13,
    /// [`Synced`]
    Synced = 14,
    /// [`Failure`]
    Failures = 15,
    /// [`Tally`]
    Tallies = 16,
    /// Partitions changed since they were last exported
    Dirty = 17,
    /// [`Audit`]
    Audits = 18,
    /// [`Privacy`]
    Privacy = 30,
    /// [`AdminAction`]
    AdminActions = 31,
    /// [`Registered`]
    Registrations = 32,
    /// [`LeftOut`]
    LeftOut = 33,
    /// [`GuildChoice`]
    GuildChoices = 36,
}

/// The smallest set of rows whose change is remembered for the next export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// The guild.
    pub guild_id: GuildId,
    /// The table.
    pub table: Table,
    /// The channel, for tables that are kept by channel, and the UTC day of the rows' ids, counted
    /// from 1970-01-01.
    pub channel_day: Option<(ChannelId, i64)>,
}

impl Partition {
    fn of_guild(guild_id: GuildId, table: Table) -> Self {
        Self {
            guild_id,
            table,
            channel_day: None,
        }
    }

    fn of_day(guild_id: GuildId, table: Table, channel: ChannelId, time: Millis) -> Self {
        Self {
            guild_id,
            table,
            channel_day: Some((channel, time.0.div_euclid(86_400_000))),
        }
    }
}

/// A value that is kept under a key.
///
/// Keys are bytes whose order is the records' order: big-endian ids, the wider container first.
pub trait Record: Serialize + DeserializeOwned {
    /// The table it belongs to.
    const TABLE: Table;

    /// Its key within the table.
    fn key(&self) -> Vec<u8>;

    /// What must be exported anew when it changes; `None` for what is not exported by rows.
    fn partition(&self) -> Option<Partition> {
        None
    }
}

/// Keys, and prefixes of keys, from their parts.
pub mod key {
    use super::EmojiKey;

    /// The parts' ids, big-endian, one after the other.
    pub fn ids<const N: usize>(parts: [u64; N]) -> Vec<u8> {
        parts.iter().flat_map(|part| part.to_be_bytes()).collect()
    }

    /// A message's reactions with one emoji: its ids, the emoji, and whether they are bursts.
    pub fn reactions(channel: u64, message: u64, emoji: &EmojiKey, burst: bool) -> Vec<u8> {
        let mut bytes = ids([channel, message]);
        match emoji {
            EmojiKey::Unicode(text) => {
                bytes.push(0);
                bytes.extend_from_slice(text.as_bytes());
            }
            EmojiKey::Custom(id) => {
                bytes.push(1);
                bytes.extend_from_slice(&id.0.to_be_bytes());
            }
        }
        // 0xFF is in no UTF-8 text: it ends the emoji, so that no emoji's key begins another's.
        bytes.extend_from_slice(&[0xFF, u8::from(burst)]);
        bytes
    }
}

/// A value and when it held: of two, the later one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lww<T> {
    /// When it held.
    pub at: Stamp,
    /// The value.
    pub value: T,
}

impl<T: Ord + Fields> Lww<T> {
    /// Keeps the later of the two; what could not be read of it is as the earlier one says. Values
    /// with the same stamp are ordered by content, so that the order of arrival never decides.
    pub fn merge(&mut self, mut other: Self) {
        if other > *self {
            mem::swap(self, &mut other);
        }
        self.value.fill(self.at, &other.value, other.at);
    }
}

/// A value that may cease to be, and is remembered all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstoned<T> {
    /// The value as it was last seen.
    pub last: Option<Lww<T>>,
    /// When it was found to be gone, if that was after it was last seen.
    pub gone: Option<Stamp>,
}

impl<T> Default for Tombstoned<T> {
    fn default() -> Self {
        Self {
            last: None,
            gone: None,
        }
    }
}

impl<T: Ord + Fields> Tombstoned<T> {
    /// The value was there at `at`.
    pub fn see(&mut self, at: Stamp, value: T) {
        let seen = Lww { at, value };
        match &mut self.last {
            Some(last) => last.merge(seen),
            last => *last = Some(seen),
        }
        if self.gone.is_some_and(|gone| gone < at) {
            self.gone = None;
        }
    }

    /// The value was not there at `at`.
    ///
    /// The first such moment after it was last seen is kept: later ones say nothing new.
    pub fn miss(&mut self, at: Stamp) {
        let seen_since = self.last.as_ref().is_some_and(|last| last.at > at);
        if !seen_since && self.gone.is_none_or(|gone| at < gone) {
            self.gone = Some(at);
        }
    }
}

impl<T> Tombstoned<T> {
    /// The value, if it is there now.
    pub fn now(&self) -> Option<&T> {
        self.last
            .as_ref()
            .filter(|_| self.gone.is_none())
            .map(|last| &last.value)
    }

    /// The value, whether it is still there or not.
    pub fn ever(&self) -> Option<&T> {
        self.last.as_ref().map(|last| &last.value)
    }
}

/// What a guild has many of, each with an id, and which may be deleted.
pub trait Entity: Ord + Fields + Serialize + DeserializeOwned {
    /// The table it belongs to.
    const TABLE: Table;
}

/// One of a guild's [`Entity`]s (or the guild itself), kept when it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildEntity<T> {
    /// The guild.
    pub guild_id: GuildId,
    /// The id of the guild, channel, role or emoji.
    pub id: u64,
    /// What it is, or was.
    pub state: Tombstoned<T>,
}

impl<T> GuildEntity<T> {
    /// A part of which nothing is known yet.
    pub fn unknown(guild_id: GuildId, id: u64) -> Self {
        Self {
            guild_id,
            id,
            state: Tombstoned::default(),
        }
    }
}

macro_rules! entities {
    ($($type:ty: $table:ident),*) => {$(
        impl Entity for $type {
            const TABLE: Table = Table::$table;
        }
    )*};
}

entities!(Guild: Guilds, Channel: Channels, Role: Roles, GuildEmoji: Emojis);

impl<T: Entity> Record for GuildEntity<T> {
    const TABLE: Table = T::TABLE;

    fn key(&self) -> Vec<u8> {
        key::ids([self.guild_id.0, self.id])
    }

    fn partition(&self) -> Option<Partition> {
        Some(Partition::of_guild(self.guild_id, T::TABLE))
    }
}

/// Implements [`Record`] for the types that are one row a key.
macro_rules! records {
    ($($type:ty: $table:ident, |$row:ident| $key:expr $(, $partition:expr)?;)*) => {$(
        impl Record for $type {
            const TABLE: Table = Table::$table;

            fn key(&self) -> Vec<u8> {
                let $row = self;
                $key
            }

            $(fn partition(&self) -> Option<Partition> {
                let $row = self;
                Some($partition)
            })?
        }
    )*};
}

records! {
    Member: Members, |row| key::ids([row.guild_id.0, row.user_id.0]),
        Partition::of_guild(row.guild_id, Table::Members);
    MessageState: Messages, |row| key::ids([row.channel_id.0, row.id.0]),
        Partition::of_day(row.guild_id, Table::Messages, row.channel_id, row.id.created_at());
    Reaction: Reactions, |row| {
        let mut bytes = key::reactions(row.channel_id.0, row.message_id.0, &row.emoji, row.burst);
        bytes.extend_from_slice(&row.user_id.0.to_be_bytes());
        bytes
    }, Partition::of_day(
        row.guild_id, Table::Reactions, row.channel_id, row.message_id.created_at());
    Props: Props, |row| key::ids([row.channel_id.0, row.id.0]),
        Partition::of_day(row.guild_id, Table::Props, row.channel_id, row.id.created_at());
    Settings: Settings, |row| key::ids([row.guild_id.0]),
        Partition::of_guild(row.guild_id, Table::Settings);
    Coverage: Coverage, |row| key::ids([row.channel_id.0]);
    Pending: Pending, |row| key::reactions(row.channel_id.0, row.message_id.0, &row.emoji.key, row.burst);
    LeftOut: LeftOut, |row| key::reactions(row.channel_id.0, row.message_id.0, &row.emoji, row.burst);
    ReactionMarks: ReactionMarks, |row| key::ids([row.channel_id.0, row.message_id.0]);
    Session: Sessions, |row| key::ids([row.guild_id.0]);
    Synced: Synced, |row| {
        let mut bytes = key::ids([row.guild_id.0]);
        bytes.push(row.class as u8);
        bytes
    };
    Failure: Failures, |row| {
        let mut bytes = key::ids([row.guild_id.0]);
        bytes.extend_from_slice(row.object.to_string().as_bytes());
        bytes
    };
    Audit: Audits, |row| key::ids([row.guild_id.0]);
    Tally: Tallies, |row| key::ids([row.guild_id.0, row.channel_id.0]);
    Privacy: Privacy, |row| key::ids([row.guild_id.0, row.user_id.0]),
        Partition::of_guild(row.guild_id, Table::Privacy);
    AdminAction: AdminActions, |row| key::ids([row.guild_id.0, row.id.0]);
    Registered: Registrations, |row| key::ids([row.application.0]);
    GuildChoice: GuildChoices, |choice| key::ids([choice.guild_id.0]);
}
