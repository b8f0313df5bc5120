//! A guild and what it consists of, besides its members and their messages.

use serde::{Deserialize, Serialize};

use super::{
    ChannelId, EmojiId, Field, Fields, GuildId, MessageId, Millis, RoleId, Unread, UserId,
    unread::fields, wide,
};

/// A guild. Source: <https://discord.com/developers/docs/resources/guild#guild-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Guild {
    /// Its id; also the id of the role that everyone has.
    pub id: GuildId,
    /// What it is called.
    pub name: String,
    /// Who owns it, and so may do everything.
    pub owner_id: UserId,
    /// Which fields could not be read when it was last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(Guild: Name => name, Owner => owner_id);

/// A channel's type. Source:
/// <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelKind(pub u8);

impl ChannelKind {
    /// A text channel.
    pub const TEXT: Self = Self(0);
    /// A voice channel, which also holds messages.
    pub const VOICE: Self = Self(2);
    /// A folder of channels.
    pub const CATEGORY: Self = Self(4);
    /// An announcement channel, whose messages other guilds may follow.
    pub const ANNOUNCEMENT: Self = Self(5);
    /// A thread in an announcement channel.
    pub const ANNOUNCEMENT_THREAD: Self = Self(10);
    /// A thread that whoever sees its channel may read.
    pub const PUBLIC_THREAD: Self = Self(11);
    /// A thread that only those invited, and moderators, may read.
    pub const PRIVATE_THREAD: Self = Self(12);
    /// A stage channel, which also holds messages.
    pub const STAGE: Self = Self(13);
    /// A list of a student hub's guilds: it holds no messages.
    pub const DIRECTORY: Self = Self(14);
    /// A forum: it holds threads only.
    pub const FORUM: Self = Self(15);
    /// A media channel: it holds threads only.
    pub const MEDIA: Self = Self(16);
    /// A type that could not be read.
    pub const UNKNOWN: Self = Self(u8::MAX);

    /// Whether it is a thread.
    pub fn is_thread(self) -> bool {
        matches!(
            self,
            Self::ANNOUNCEMENT_THREAD | Self::PUBLIC_THREAD | Self::PRIVATE_THREAD
        )
    }

    /// Whether messages can be posted in it. A forum's are all in its threads. A type that we don't
    /// know may have some: only asking tells.
    pub fn has_messages(self) -> bool {
        !matches!(
            self,
            Self::CATEGORY | Self::DIRECTORY | Self::FORUM | Self::MEDIA
        )
    }

    /// Whether it is a type that we know.
    pub fn is_known(self) -> bool {
        matches!(self.0, 0..=6 | 10..=16)
    }

    /// Whether threads can be opened in it. In one of a type that we don't know they may be: only asking
    /// tells.
    pub fn has_threads(self) -> bool {
        !self.is_known()
            || matches!(
                self,
                Self::TEXT | Self::ANNOUNCEMENT | Self::FORUM | Self::MEDIA
            )
    }

    /// Whether private threads can be opened in it; as [`Self::has_threads`] otherwise.
    pub fn has_private_threads(self) -> bool {
        !self.is_known() || self == Self::TEXT
    }

    /// Whether reading its messages also takes the CONNECT permission.
    pub fn is_voice(self) -> bool {
        matches!(self, Self::VOICE | Self::STAGE)
    }
}

/// A channel or a thread.
///
/// `last_message_id` is left out on purpose: it changes with every message and says nothing that
/// the messages do not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// The guild it belongs to.
    pub guild_id: GuildId,
    /// Its type.
    pub kind: ChannelKind,
    /// What it is called.
    pub name: String,
    /// Its category; for a thread, the channel it was opened in.
    pub parent_id: Option<ChannelId>,
    /// Where it stands among its siblings.
    pub position: i64,
    /// Whether it is age-restricted.
    pub nsfw: bool,
    /// Who may do what here, against their roles; sorted. Threads have none: their parent's hold.
    pub overwrites: Vec<Overwrite>,
    /// What only threads have.
    pub thread: Option<Thread>,
    /// Which fields could not be read when it was last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

impl Channel {
    /// Whether it is a thread. Of a type that we don't know, only its `thread_metadata` tells.
    pub fn is_thread(&self) -> bool {
        self.thread.is_some() || self.kind.is_thread()
    }

    /// Whether threads can be opened in it.
    pub fn holds_threads(&self) -> bool {
        self.kind.has_threads() && !self.is_thread()
    }

    /// Whether it is a thread that not everyone who sees its channel may read. One of a type that we
    /// don't know may be.
    pub fn is_private_thread(&self) -> bool {
        let is_public = matches!(
            self.kind,
            ChannelKind::PUBLIC_THREAD | ChannelKind::ANNOUNCEMENT_THREAD
        );
        self.is_thread() && !is_public
    }

    /// The channel that a thread was opened in; `None` for what is no thread.
    pub fn thread_parent(&self) -> Option<ChannelId> {
        self.parent_id.filter(|_| self.is_thread())
    }

    /// The thread's own fields, of what is known to be one.
    fn thread_mut(&mut self) -> &mut Thread {
        self.thread.get_or_insert(Thread {
            owner_id: None,
            archived: false,
            archive_timestamp: None,
        })
    }
}

impl Fields for Channel {
    fn unread(&self) -> &Unread {
        &self.unread
    }

    fn unread_mut(&mut self) -> &mut Unread {
        &mut self.unread
    }

    fn take(&mut self, field: Field, from: &Self) {
        match field {
            Field::Kind => self.kind = from.kind,
            Field::Name => self.name.clone_from(&from.name),
            Field::Parent => self.parent_id = from.parent_id,
            Field::Position => self.position = from.position,
            Field::Nsfw => self.nsfw = from.nsfw,
            Field::Overwrites => self.overwrites.clone_from(&from.overwrites),
            Field::Owner | Field::Archived | Field::ArchiveTimestamp => {
                let Some(known) = &from.thread else { return };
                let thread = self.thread_mut();
                match field {
                    Field::Owner => thread.owner_id = known.owner_id,
                    Field::Archived => thread.archived = known.archived,
                    _ => thread.archive_timestamp = known.archive_timestamp,
                }
            }
            _ => {}
        }
    }
}

/// What a thread has beside what every channel has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thread {
    /// Who opened it, where Discord says.
    pub owner_id: Option<UserId>,
    /// Whether it is archived.
    pub archived: bool,
    /// When it was last archived or un-archived, as Discord keeps it.
    pub archive_timestamp: Option<Millis>,
}

/// A channel or thread as Discord lists it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The channel.
    pub channel: Channel,
    /// The last message posted in it, which may be deleted by now; `None` where Discord names none.
    pub last_message_id: Option<MessageId>,
}

/// Permissions that a channel gives or takes, against the roles'. Source:
/// <https://discord.com/developers/docs/resources/channel#overwrite-object>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Overwrite {
    /// Whom it concerns.
    pub kind: OverwriteKind,
    /// The role's or the member's id.
    #[serde(with = "wide")]
    pub id: u64,
    /// The permission bits that it gives.
    #[serde(with = "wide")]
    pub allow: u64,
    /// The permission bits that it takes.
    #[serde(with = "wide")]
    pub deny: u64,
}

/// Whether an overwrite concerns a role or one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverwriteKind {
    /// Everyone who has the role.
    Role,
    /// One member.
    Member,
}

/// A role. Source: <https://discord.com/developers/docs/topics/permissions#role-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Role {
    /// Its id; the guild's own id for the role that everyone has.
    pub id: RoleId,
    /// The guild it belongs to.
    pub guild_id: GuildId,
    /// What it is called.
    pub name: String,
    /// Where it stands among the roles.
    pub position: i64,
    /// The permission bits that it gives.
    #[serde(with = "wide")]
    pub permissions: u64,
    /// Whether it belongs to an integration, such as a bot's own role.
    pub managed: bool,
    /// Which fields could not be read when it was last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(Role: Name => name, Position => position, Permissions => permissions, Managed => managed);

/// A custom emoji that a guild has, or that was seen in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GuildEmoji {
    /// Its id.
    pub id: EmojiId,
    /// The guild in which it was seen.
    pub guild_id: GuildId,
    /// What it is called; unknown where it was only seen after its deletion.
    pub name: Option<String>,
    /// Whether it moves.
    pub animated: bool,
    /// Whether the guild owns it; others are visitors from elsewhere, used by members with Nitro.
    pub own: bool,
    /// Which fields could not be read when it was last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(GuildEmoji: Name => name, Animated => animated);
