//! Facts: what the gateway, REST and commands tell us, already in our own words.
//!
//! A fact says what held at a moment. Merging facts is idempotent and, but for the gateway's own
//! order, does not depend on the order in which they arrive: see `ingest`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{
    AdminAction, Channel, ChannelId, Emoji, EmojiKey, Evidence, FailureObject, Forget, Guild,
    GuildChoice, GuildEmoji, GuildId, InteractionId, Live, Message, MessageId, Presence, Privacy,
    Props, Registered, Reread, Role, RoleId, SessionNumber, Settings, SettingsChange, Stamp, User,
    UserId, Walk,
};

/// A class of a guild's data that is synced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// The guild with its roles and emojis.
    Guild = 1,
    /// Its channels.
    Channels = 2,
    /// Its threads, active and archived.
    Threads = 3,
    /// Its members.
    Members = 4,
    /// Its messages.
    Messages = 5,
    /// The reactions to them.
    Reactions = 6,
}

impl Class {
    /// All, in the order in which they are synced.
    pub const ALL: [Self; 6] = [
        Self::Guild,
        Self::Channels,
        Self::Threads,
        Self::Members,
        Self::Messages,
        Self::Reactions,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guild => "guild",
            Self::Channels => "channels",
            Self::Threads => "threads",
            Self::Members => "members",
            Self::Messages => "messages",
            Self::Reactions => "reactions",
        })
    }
}

/// How often a message was reacted to with an emoji, as Discord counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionCount {
    /// The emoji.
    pub emoji: Emoji,
    /// Normal reactions.
    pub normal: u64,
    /// Burst reactions.
    pub burst: u64,
}

impl ReactionCount {
    /// How many lists of reactors it counts: normal ones and bursts have one each.
    pub fn lists(&self) -> u64 {
        u64::from(self.normal > 0) + u64::from(self.burst > 0)
    }
}

/// A message of a [`Page`], with its reaction counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagedMessage {
    /// The message.
    pub message: Message,
    /// The author, unless a webhook.
    pub author: Option<User>,
    /// The users it mentions, whom we may not know otherwise.
    pub mentioned: Vec<User>,
    /// What was counted.
    pub counts: Vec<ReactionCount>,
    /// The thread that was opened on it, or that it tells of.
    pub thread: Option<ChannelId>,
    /// Whose message it answers, where Discord told that message too.
    pub replied: Option<UserId>,
}

/// One of equal parts of all messages: those whose lists of reactors are asked for although their
/// counts are as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which part, from 0.
    pub part: u64,
    /// How many parts there are.
    pub of: u64,
}

impl Slice {
    /// Every message.
    pub const ALL: Self = Self { part: 0, of: 1 };

    /// Whether the message is among them.
    pub fn has(self, id: MessageId) -> bool {
        // The upper bits are the millisecond.
        (id.0 >> 22) % self.of.max(1) == self.part
    }
}

/// All messages of a channel with ids in `(after, to]`, as REST listed them.
///
/// A list may show less than there is: what it lacks is deleted only if it is among `gone`. With
/// anything else missing it covers nothing, and what it spans is not covered any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// The last id before the page.
    pub after: MessageId,
    /// The last id of the page.
    pub to: MessageId,
    /// Whether nothing had been posted after `to`: the page goes on for ever.
    pub newest: bool,
    /// Every message in between that could be read, in any order.
    pub messages: Vec<PagedMessage>,
    /// Ids in between whose message could not be read.
    pub unreadable: Vec<MessageId>,
    /// Which messages' lists of reactors are to be read again, whatever the counts; `None`: of none.
    pub lists: Option<Slice>,
    /// Ids in between that are listed, and were told by another page.
    pub told: Vec<MessageId>,
    /// Messages in between that were known and are not listed, and of which it was made sure that they
    /// are gone.
    pub gone: BTreeSet<MessageId>,
    /// Whether the list lacks messages that are there, or was another one every time.
    pub lacks_some: bool,
}

/// A reaction that was added or removed, by its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionEvent {
    /// The guild.
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    /// The message.
    pub message_id: MessageId,
    /// Who.
    pub user_id: UserId,
    /// With what.
    pub emoji: Emoji,
    /// Whether it is a burst.
    pub burst: bool,
}

/// Something that held at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The guild is this.
    Guild(Guild),
    /// The bot is no longer in the guild. (An outage is not a departure.)
    GuildGone(GuildId),
    /// The channel or thread is this.
    Channel(Channel),
    /// The channel or thread was deleted.
    ChannelGone(GuildId, ChannelId),
    /// The role is this.
    Role(Role),
    /// The role was deleted.
    RoleGone(GuildId, RoleId),
    /// The emoji is this.
    Emoji(GuildEmoji),
    /// These are all of the guild's roles.
    AllRoles(GuildId, BTreeSet<RoleId>),
    /// These are all of the guild's own emojis.
    AllEmojis(GuildId, Vec<GuildEmoji>),
    /// The user is a member, with this name and these roles.
    Member(GuildId, User, Presence),
    /// The user is called this. Says nothing of membership.
    User(GuildId, User),
    /// The user is no member any more.
    MemberGone(GuildId, UserId),
    /// These are all of the guild's members.
    AllMembers(GuildId, BTreeSet<UserId>),
    /// The gateway showed this message as just posted: within a live session it extends coverage.
    Posted(Message),
    /// The message is this.
    Message(Message),
    /// The message was deleted.
    MessageGone(GuildId, ChannelId, MessageId),
    /// REST listed these messages.
    Page(Page),
    /// Somebody reacted.
    Reacted(ReactionEvent),
    /// Somebody took a reaction back.
    Unreacted(ReactionEvent),
    /// A message's reactions were cleared: with one emoji, or all.
    ReactionsCleared(GuildId, ChannelId, MessageId, Option<EmojiKey>),
    /// These are all who react to the message with the emoji.
    Reactors {
        /// The guild.
        guild_id: GuildId,
        /// The message's channel or thread.
        channel_id: ChannelId,
        /// The message.
        message_id: MessageId,
        /// The emoji.
        emoji: Emoji,
        /// Normal or burst.
        burst: bool,
        /// Who.
        users: Vec<User>,
    },
    /// Props were given with a command.
    Props(Props),
    /// An admin chose these settings.
    Settings(Settings),
    /// An admin changed this of the settings.
    SettingsChanged(GuildId, SettingsChange),
    /// An admin did this.
    AdminAction(AdminAction),
    /// A member chose what may be kept of them.
    Privacy(Privacy),
    /// A member's message is kept without its text from now on.
    Hushed(GuildId, ChannelId, MessageId),
    /// The reason of props is not kept from now on.
    PropsHushed(GuildId, ChannelId, InteractionId),
    /// A step of a member's deletion.
    Forget(GuildId, Forget),
    /// This was decided of mirroring the guild.
    GuildChosen(GuildChoice),
    /// Discord knows these commands.
    Registered(Registered),
    /// From here on, the gateway no longer tells all that happens in the guild. Until this time it
    /// did; where what came later was to be looked back at already, it still is.
    SessionLost(GuildId, Stamp),
    /// In this session, all that changed unheard until now is noted by channel, as
    /// [`Self::Unseen`]. From here on the gateway tells it; or nobody does, and then until when it is
    /// known.
    Noted(GuildId, SessionNumber, Option<Stamp>),
    /// What is known of the channel may have changed unseen since that time.
    Unseen(GuildId, ChannelId, Stamp),
    /// What may have changed unseen in the channel was read again.
    LookedBack(GuildId, ChannelId),
    /// In this session, the gateway tells everything posted in the channel after this message.
    Live(GuildId, ChannelId, Live),
    /// All archived threads of the channel were listed: the private ones, or the public ones.
    ArchivedThreads {
        /// The guild.
        guild_id: GuildId,
        /// The channel.
        channel_id: ChannelId,
        /// Which of the two lists.
        private: bool,
    },
    /// The audit of the guild's older history is as far as this.
    Audited(GuildId, Walk),
    /// What is older than a look-back reads may have changed unheard since that time.
    OlderUnseen(GuildId, Stamp),
    /// All of the guild's history is to be read again from now on, unless that is under way.
    RecheckBegun(GuildId),
    /// The recheck has come so far in the channel.
    Reread(GuildId, ChannelId, Reread),
    /// All of the guild's history was read again by the recheck that began then.
    Rechecked(GuildId, Stamp),
    /// The recheck that began then came as far as Discord lets it: another begins from the start.
    RecheckEnded(GuildId, Stamp),
    /// The class of data is complete as of now.
    Synced(GuildId, Class),
    /// This could not be fetched, for this reason.
    Failed(GuildId, FailureObject, String),
    /// This is not to be had from Discord, for this reason.
    Refused(GuildId, FailureObject, String),
    /// This could be fetched, or is no longer there to fetch.
    Settled(GuildId, FailureObject),
}

/// A fact and when it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When.
    pub at: Stamp,
    /// How it is known.
    pub by: Evidence,
    /// What.
    pub fact: Fact,
}
