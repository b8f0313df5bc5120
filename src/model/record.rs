//! The kinds of records: their tables, their keys, and where their exported rows lie.
//! Also the two ways in which values that change over time merge.

use std::mem;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    AdminAction, Channel, ChannelId, Class, Coverage, EmojiKey, EventId, Failure, FailureObject,
    Fields, Guild, GuildChoice, GuildEmoji, GuildId, InteractionId, LeftOut, Link, Member,
    MessageId, MessageState, Pending, Privacy, Props, Reaction, ReactionMarks, Recap, Registered,
    Role, ScheduledEvent, Scrub, Session, Settings, Stamp, Synced, Tally, UserId,
};
use propsbot_mirror::{KeyPart, Place, Record, Table, id_key};

pub mod tables {
    use propsbot_mirror::Table;

    macro_rules! tables {
        ($($name:ident $number:literal $text:literal;)*) => {$(
            #[doc = concat!("The table of ", $text, ".")]
            pub const $name: Table = Table {
                number: $number,
                name: $text,
            };
        )*};
    }

    tables! {
        GUILDS 1 "guilds";
        CHANNELS 2 "channels";
        ROLES 3 "roles";
        EMOJIS 4 "emojis";
        MEMBERS 5 "members";
        MESSAGES 6 "messages";
        REACTIONS 7 "reactions";
        PROPS 8 "props";
        SETTINGS 9 "settings";
        COVERAGE 10 "coverage";
        PENDING 11 "pending lists";
        REACTION_MARKS 12 "reaction marks";
        SESSIONS 13 "sessions";
        SYNCED 14 "sync times";
        FAILURES 15 "failures";
        TALLIES 16 "tallies";
        // 17 was the table of marks.
        SCRUBS 18 "scrubs";
        PRIVACY 30 "privacy";
        ADMIN_ACTIONS 31 "admin actions";
        REGISTRATIONS 32 "registrations";
        LEFT_OUT 33 "left out reactions";
        GUILD_CHOICES 36 "guild choices";
        RECAPS 37 "recaps";
        LINKS 39 "links";
        SCHEDULED_EVENTS 38 "scheduled events";
    }
}

/// A value with its time: last writer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lww<T> {
    /// When the value held.
    pub at: Stamp,
    pub value: T,
}

impl<T: Ord + Fields> Lww<T> {
    /// Keeps the later of the two, and fills its unreadable fields from the earlier one. Equal
    /// stamps are ordered by content, so that the order of arrival doesn't matter.
    pub fn merge(&mut self, mut other: Self) {
        if other > *self {
            mem::swap(self, &mut other);
        }
        self.value.fill(self.at, &other.value, other.at);
    }
}

/// A value that is remembered after it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstoned<T> {
    /// The last seen value.
    pub last: Option<Lww<T>>,
    /// When it was found to be gone, if later than last seen.
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
    /// Records the value at `at`.
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

    /// Records that the value was gone at `at`.
    ///
    /// Only the first such time after the last sighting is kept.
    pub fn miss(&mut self, at: Stamp) {
        let seen_since = self.last.as_ref().is_some_and(|last| last.at > at);
        if !seen_since && self.gone.is_none_or(|gone| at < gone) {
            self.gone = Some(at);
        }
    }
}

impl<T> Tombstoned<T> {
    /// The value, if it exists now.
    pub fn now(&self) -> Option<&T> {
        self.last
            .as_ref()
            .filter(|_| self.gone.is_none())
            .map(|last| &last.value)
    }

    /// The last known value, whether it still exists or not.
    pub fn ever(&self) -> Option<&T> {
        self.last.as_ref().map(|last| &last.value)
    }
}

/// A kind of object in a guild that has an id and can be deleted.
pub trait Entity: Ord + Fields + Serialize + DeserializeOwned {
    const TABLE: Table;
}

/// One of a guild's [`Entity`]s, or the guild itself. Kept after its deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildEntity<T> {
    pub guild_id: GuildId,
    /// The id of the guild, channel, role or emoji.
    pub id: u64,
    /// The current or last known state.
    pub state: Tombstoned<T>,
}

impl<T> GuildEntity<T> {
    /// An entity without known state.
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
            const TABLE: Table = tables::$table;
        }
    )*};
}

entities!(Guild: GUILDS, Channel: CHANNELS, Role: ROLES, GuildEmoji: EMOJIS);

impl<T: Entity> Record for GuildEntity<T> {
    type Key = (GuildId, u64);

    const TABLE: Table = T::TABLE;

    fn key(&self) -> Self::Key {
        (self.guild_id, self.id)
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space(self.guild_id))
    }
}

id_key!(
    GuildId,
    ChannelId,
    MessageId,
    UserId,
    InteractionId,
    EventId
);

impl KeyPart for EmojiKey {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Unicode(text) => {
                bytes.push(0);
                text.write(bytes);
            }
            Self::Custom(id) => {
                bytes.push(1);
                id.0.write(bytes);
            }
        }
    }
}

impl KeyPart for Class {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(*self as u8);
    }
}

impl KeyPart for FailureObject {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.to_string().write(bytes);
    }
}

/// Implements [`Record`] from a table, key type, key, and place.
macro_rules! records {
    ($($type:ty: $table:ident, $key_type:ty, |$row:ident| $key:expr $(, $place:expr)?;)*) => {$(
        impl Record for $type {
            type Key = $key_type;

            const TABLE: Table = tables::$table;

            fn key(&self) -> Self::Key {
                let $row = self;
                $key
            }

            $(fn place(&self) -> Option<Place> {
                let $row = self;
                Some($place)
            })?
        }
    )*};
}

records! {
    Member: MEMBERS, (GuildId, UserId), |row| (row.guild_id, row.user_id),
        Place::of_space(row.guild_id);
    MessageState: MESSAGES, (ChannelId, MessageId), |row| (row.channel_id, row.id),
        Place::of_part(row.guild_id, row.channel_id, row.id.created_at()).by(row.mentioner());
    Reaction: REACTIONS, (ChannelId, MessageId, EmojiKey, bool, UserId),
        |row| (row.channel_id, row.message_id, row.emoji.clone(), row.burst, row.user_id),
        Place::of_part(row.guild_id, row.channel_id, row.row_time())
            .by(row.is_present().then(|| Reaction::found_by(&row.emoji)));
    Props: PROPS, (ChannelId, InteractionId), |row| (row.channel_id, row.id),
        Place::of_part(row.guild_id, row.channel_id, row.id.created_at()).by(Some(row.giver));
    Settings: SETTINGS, GuildId, |row| row.guild_id,
        Place::of_space(row.guild_id);
    Coverage: COVERAGE, (GuildId, ChannelId), |row| (row.guild_id, row.channel_id);
    Pending: PENDING, (GuildId, ChannelId, MessageId, EmojiKey, bool),
        |row| (row.guild_id, row.channel_id, row.message_id, row.emoji.key.clone(), row.burst);
    LeftOut: LEFT_OUT, (ChannelId, MessageId, EmojiKey, bool),
        |row| (row.channel_id, row.message_id, row.emoji.clone(), row.burst);
    ReactionMarks: REACTION_MARKS, (ChannelId, MessageId), |row| (row.channel_id, row.message_id);
    Session: SESSIONS, GuildId, |row| row.guild_id;
    Synced: SYNCED, (GuildId, Class), |row| (row.guild_id, row.class);
    Failure: FAILURES, (GuildId, FailureObject), |row| (row.guild_id, row.object.clone());
    Scrub: SCRUBS, GuildId, |row| row.guild_id;
    Tally: TALLIES, (GuildId, ChannelId), |row| (row.guild_id, row.channel_id);
    Privacy: PRIVACY, (GuildId, UserId), |row| (row.guild_id, row.user_id),
        Place::of_space(row.guild_id);
    AdminAction: ADMIN_ACTIONS, (GuildId, InteractionId), |row| (row.guild_id, row.id);
    Registered: REGISTRATIONS, UserId, |row| row.application;
    GuildChoice: GUILD_CHOICES, GuildId, |row| row.guild_id;
    Recap: RECAPS, GuildId, |row| row.guild_id;
    Link: LINKS, (GuildId, UserId), |row| (row.guild_id, row.user_id),
        Place::of_space(row.guild_id);
    ScheduledEvent: SCHEDULED_EVENTS, (GuildId, EventId), |row| (row.guild_id, row.id),
        Place::of_space(row.guild_id);
}
