//! Guilds, channels, threads, roles and emojis.

use serde::{Deserialize, Serialize};

use super::{
    ChannelId, EmojiId, Field, Fields, GuildId, MessageId, Millis, RoleId, Unread, UserId,
    unread::fields, wide,
};

/// A guild. Source: <https://discord.com/developers/docs/resources/guild#guild-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Guild {
    /// Also the id of the `@everyone` role.
    pub id: GuildId,
    pub name: String,
    /// The owner has every permission.
    pub owner_id: UserId,
    /// Fields that couldn't be read when last seen.
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
    pub const TEXT: Self = Self(0);
    /// Also has messages.
    pub const VOICE: Self = Self(2);
    pub const CATEGORY: Self = Self(4);
    /// Messages of an announcement channel can be followed from other guilds.
    pub const ANNOUNCEMENT: Self = Self(5);
    pub const ANNOUNCEMENT_THREAD: Self = Self(10);
    /// A thread that everyone who sees its channel can read.
    pub const PUBLIC_THREAD: Self = Self(11);
    /// A thread for invited members and moderators.
    pub const PRIVATE_THREAD: Self = Self(12);
    /// Also has messages.
    pub const STAGE: Self = Self(13);
    /// A student hub's list of guilds, without messages.
    pub const DIRECTORY: Self = Self(14);
    /// Has only threads.
    pub const FORUM: Self = Self(15);
    /// Has only threads.
    pub const MEDIA: Self = Self(16);
    /// The type couldn't be read.
    pub const UNKNOWN: Self = Self(u8::MAX);

    pub fn is_thread(self) -> bool {
        matches!(
            self,
            Self::ANNOUNCEMENT_THREAD | Self::PUBLIC_THREAD | Self::PRIVATE_THREAD
        )
    }

    /// Whether it can contain messages. True for unknown types, where only a request can tell.
    pub fn has_messages(self) -> bool {
        !matches!(
            self,
            Self::CATEGORY | Self::DIRECTORY | Self::FORUM | Self::MEDIA
        )
    }

    /// Whether Discord documents this type.
    pub fn is_known(self) -> bool {
        matches!(self.0, 0..=6 | 10..=16)
    }

    /// Whether threads can be created in it. True for unknown types, where only a request can tell.
    pub fn has_threads(self) -> bool {
        !self.is_known()
            || matches!(
                self,
                Self::TEXT | Self::ANNOUNCEMENT | Self::FORUM | Self::MEDIA
            )
    }

    /// Whether private threads can be created in it. True for unknown types.
    pub fn has_private_threads(self) -> bool {
        !self.is_known() || self == Self::TEXT
    }

    /// Whether reading its messages also requires CONNECT.
    pub fn is_voice(self) -> bool {
        matches!(self, Self::VOICE | Self::STAGE)
    }
}

/// A channel or a thread.
///
/// `last_message_id` is omitted: it changes with every message and follows from the messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Channel {
    pub id: ChannelId,
    pub guild_id: GuildId,
    pub kind: ChannelKind,
    pub name: String,
    /// Its category; for a thread, its parent channel.
    pub parent_id: Option<ChannelId>,
    /// Sort position among its siblings.
    pub position: i64,
    pub nsfw: bool,
    /// Permission overwrites, sorted. Empty for threads: the parent's apply.
    pub overwrites: Vec<Overwrite>,
    /// `Some` for threads.
    pub thread: Option<Thread>,
    /// Fields that couldn't be read when last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

impl Channel {
    /// Whether it is a thread. For unknown types, `thread_metadata` decides.
    pub fn is_thread(&self) -> bool {
        self.thread.is_some() || self.kind.is_thread()
    }

    /// Whether threads can be created in it.
    pub fn holds_threads(&self) -> bool {
        self.kind.has_threads() && !self.is_thread()
    }

    /// Whether it may be a thread for invited members only; true for unknown thread types.
    pub fn is_private_thread(&self) -> bool {
        let is_public = matches!(
            self.kind,
            ChannelKind::PUBLIC_THREAD | ChannelKind::ANNOUNCEMENT_THREAD
        );
        self.is_thread() && !is_public
    }

    /// The parent channel of a thread; `None` for other channels.
    pub fn thread_parent(&self) -> Option<ChannelId> {
        self.parent_id.filter(|_| self.is_thread())
    }

    /// The thread's fields, created if missing.
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

/// A thread's additional fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thread {
    /// The creator, if Discord names one.
    pub owner_id: Option<UserId>,
    /// Whether it is archived.
    pub archived: bool,
    /// When it was last archived or unarchived, according to Discord.
    pub archive_timestamp: Option<Millis>,
}

/// A channel or thread as Discord lists it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub channel: Channel,
    /// The last message posted in it, possibly deleted since.
    pub last_message_id: Option<MessageId>,
}

/// Permissions that a channel grants or denies. Source:
/// <https://discord.com/developers/docs/resources/channel#overwrite-object>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Overwrite {
    /// Role or member.
    pub kind: OverwriteKind,
    /// Id of the role or member.
    #[serde(with = "wide")]
    pub id: u64,
    /// Permission bits that it grants.
    #[serde(with = "wide")]
    pub allow: u64,
    /// Permission bits that it denies.
    #[serde(with = "wide")]
    pub deny: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverwriteKind {
    Role,
    Member,
}

/// A role. Source: <https://discord.com/developers/docs/topics/permissions#role-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Role {
    pub id: RoleId,
    pub guild_id: GuildId,
    pub name: String,
    /// Sort position among the roles.
    pub position: i64,
    #[serde(with = "wide")]
    pub permissions: u64,
    /// Whether an integration manages it, such as a bot's own role.
    pub managed: bool,
    /// Fields that couldn't be read when last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(Role: Name => name, Position => position, Permissions => permissions, Managed => managed);

/// A custom emoji of the guild, or used in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GuildEmoji {
    pub id: EmojiId,
    pub guild_id: GuildId,
    /// `None` if it was first seen after its deletion.
    pub name: Option<String>,
    pub animated: bool,
    /// Whether the guild owns it. Other emojis are used here by members with Nitro.
    pub own: bool,
    /// Fields that couldn't be read when last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(GuildEmoji: Name => name, Animated => animated);
