//! Facts learned from the gateway, REST and commands.
//!
//! A fact states what was true at a moment. Merging is idempotent and independent of the order of
//! arrival, except for the gateway's own order: see `ingest`.

use std::{collections::BTreeSet, fmt};

use propsbot_mirror::Observed;
use serde::{Deserialize, Serialize};

use super::{
    AdminAction, Channel, ChannelId, Emoji, EmojiKey, EventDetails, EventId, Evidence,
    FailureObject, Forget, Guild, GuildChoice, GuildEmoji, GuildId, InteractionId, Link, Live,
    Message, MessageId, Millis, Presence, Privacy, Props, Reason, Recap, Registered, Reread, Role,
    RoleId, SessionNumber, Settings, SettingsChange, Stamp, User, UserId, Walk,
};

/// A class of guild data that is synced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// The guild with its roles and emojis.
    Guild = 1,
    Channels = 2,
    /// Active and archived threads.
    Threads = 3,
    Members = 4,
    Messages = 5,
    Reactions = 6,
}

impl Class {
    /// All classes, in sync order.
    pub const ALL: [Self; 6] = [
        Self::Guild,
        Self::Channels,
        Self::Threads,
        Self::Members,
        Self::Messages,
        Self::Reactions,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Guild => "guild",
            Self::Channels => "channels",
            Self::Threads => "threads",
            Self::Members => "members",
            Self::Messages => "messages",
            Self::Reactions => "reactions",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Discord's count of one emoji's reactions to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionCount {
    pub emoji: Emoji,
    pub normal: u64,
    pub burst: u64,
}

impl ReactionCount {
    /// Number of reactor lists: normal and burst reactions have one each.
    pub fn lists(&self) -> u64 {
        u64::from(self.normal > 0) + u64::from(self.burst > 0)
    }
}

/// A message of a [`Page`], with its reaction counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagedMessage {
    pub message: Message,
    /// The author; `None` for a webhook.
    pub author: Option<User>,
    /// Users it mentions; the mirror may not know them yet.
    pub mentioned: Vec<User>,
    pub counts: Vec<ReactionCount>,
    /// The thread started from it, or that a system message announces.
    pub thread: Option<ChannelId>,
    /// Author of the replied-to message, if Discord included that message.
    pub replied: Option<UserId>,
}

/// One of several equal slices of all messages. The reactor lists of a slice are fetched again even
/// if the counts match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Index, from 0.
    pub part: u64,
    pub of: u64,
}

impl Slice {
    pub const ALL: Self = Self { part: 0, of: 1 };

    pub fn has(self, id: MessageId) -> bool {
        // The upper bits are the time in milliseconds.
        (id.0 >> 22) % self.of.max(1) == self.part
    }
}

/// All messages of a channel with ids in `(after, to]`, as listed by REST.
///
/// A missing message counts as deleted only if it is in `gone`. If anything else is missing, the
/// page covers nothing and coverage of its range is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// Exclusive lower bound.
    pub after: MessageId,
    /// Inclusive upper bound.
    pub to: MessageId,
    /// Whether `to` was the newest message, so the page has no upper end.
    pub newest: bool,
    /// Every readable message in the range, in any order.
    pub messages: Vec<PagedMessage>,
    /// Ids in the range of messages that couldn't be parsed.
    pub unreadable: Vec<MessageId>,
    /// Messages whose reactor lists are fetched again even if the counts match.
    pub lists: Option<Slice>,
    /// Ids in the range that another page has.
    pub told: Vec<MessageId>,
    /// Known messages in the range that the list lacks and a separate request confirmed as deleted.
    pub gone: BTreeSet<MessageId>,
    /// Whether the list misses existing messages, or differed between requests.
    pub lacks_some: bool,
    /// The pages just before it, if they were read in sequence and complete.
    pub before: Option<PagesBefore>,
}

/// Pages that were read in sequence without a gap, from newer to older messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagesBefore {
    /// The last id of the first page.
    pub to: MessageId,
    /// When the first page was requested, if it ended with the newest message.
    pub newest: Option<Stamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionEvent {
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    pub user_id: UserId,
    pub emoji: Emoji,
    pub burst: bool,
}

/// Something that was true at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The guild's current state.
    Guild(Guild),
    /// The bot left the guild. (An outage is not a departure.)
    GuildGone(GuildId),
    /// Current state of a channel or thread.
    Channel(Channel),
    /// A channel or thread was deleted.
    ChannelGone(GuildId, ChannelId),
    Role(Role),
    RoleGone(GuildId, RoleId),
    Emoji(GuildEmoji),
    /// The complete set of roles.
    AllRoles(GuildId, BTreeSet<RoleId>),
    /// The complete list of the guild's own emojis.
    AllEmojis(GuildId, Vec<GuildEmoji>),
    Member(GuildId, User, Presence),
    /// The user's current name. Says nothing about membership.
    User(GuildId, User),
    MemberGone(GuildId, UserId),
    /// The complete set of members.
    AllMembers(GuildId, BTreeSet<UserId>),
    /// A message just posted, from the gateway: extends coverage in a live session.
    Posted(Message),
    Message(Message),
    MessageGone(GuildId, ChannelId, MessageId),
    Page(Page),
    Reacted(ReactionEvent),
    Unreacted(ReactionEvent),
    ReactionsCleared(GuildId, ChannelId, MessageId, Option<EmojiKey>),
    /// All users who reacted to the message with the emoji.
    Reactors {
        guild_id: GuildId,
        /// The message's channel or thread.
        channel_id: ChannelId,
        message_id: MessageId,
        emoji: Emoji,
        burst: bool,
        users: Vec<User>,
    },
    /// Props given with a command.
    Props(Props),
    Settings(Settings),
    SettingsChanged(GuildId, SettingsChange),
    AdminAction(AdminAction),
    /// A member changed their privacy choice.
    Privacy(Privacy),
    /// The text of a member's message is removed.
    Hushed(GuildId, ChannelId, MessageId),
    PropsHushed(GuildId, ChannelId, InteractionId),
    /// One step of deleting a member's data.
    Forget(GuildId, Forget),
    GuildChosen(GuildChoice),
    Registered(Registered),
    /// What a scheduled event is announced with.
    Event(GuildId, EventId, Millis, EventDetails),
    /// A scheduled event was deleted.
    EventGone(GuildId, EventId),
    /// A user is interested in a scheduled event, or no longer is.
    Interest(GuildId, EventId, UserId, bool),
    /// Everyone who is interested in a scheduled event.
    AllInterested(GuildId, EventId, BTreeSet<UserId>),
    /// A recap is about to be posted, or was.
    Recap(Recap),
    /// What a member asks of SourceCred's ledger now. What it doesn't say stays as it is.
    Link(Link),
    /// The gateway session was lost at this time; later events may be missing. A pending look-back
    /// stays pending.
    SessionLost(GuildId, Stamp),
    /// The connection of the guild's shard ended; events arrived until this time. The session may
    /// be resumed.
    Disconnected(GuildId, Stamp),
    /// The guild's shard is connected, and all earlier events of its session have arrived.
    Connected(GuildId),
    /// Every channel that changed unseen before this session now has an [`Self::Unseen`]. `Some`
    /// while disconnected: the time up to which events were received.
    Noted(GuildId, SessionNumber, Option<Stamp>),
    /// The channel may have changed unseen since that time.
    Unseen(GuildId, ChannelId, Stamp),
    LookedBack(GuildId, ChannelId),
    /// From this message on, this session's gateway delivers the channel's messages.
    Live(GuildId, ChannelId, Live),
    /// All archived threads of a channel were listed, private or public ones.
    ArchivedThreads {
        guild_id: GuildId,
        channel_id: ChannelId,
        /// Whether these are the private threads.
        private: bool,
    },
    /// How far the scrub of the guild has come.
    Scrubbed(GuildId, Walk),
    /// Messages older than the look-back may have changed without an event since that time.
    OlderUnseen(GuildId, Stamp),
    /// A recheck of all history begins, unless one is running.
    RecheckBegun(GuildId),
    /// How far the recheck of a channel has come.
    Reread(GuildId, ChannelId, Reread),
    /// The recheck that began at that time has read all history.
    Rechecked(GuildId, Stamp),
    /// The recheck that began at that time stopped at something Discord refuses; the next one
    /// starts over.
    RecheckEnded(GuildId, Stamp),
    /// The class of data is complete now.
    Synced(GuildId, Class),
    Failed(GuildId, FailureObject, Reason),
    Refused(GuildId, FailureObject, Reason),
    /// Fetching succeeded, or the object no longer exists.
    Settled(GuildId, FailureObject),
}

/// A fact, when it held, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub at: Stamp,
    pub by: Evidence,
    pub fact: Fact,
}

impl Observed for Observation {
    fn at(&self) -> Stamp {
        self.at
    }

    fn is_event(&self) -> bool {
        self.by == Evidence::Gateway
    }
}
