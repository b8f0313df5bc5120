//! What the mirror knows about its own completeness: coverage, pending work, failures, counts.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    ChannelId, Class, Emoji, Evidence, GuildId, MessageId, Millis, Reread, SessionNumber, Stamp,
    UserId,
};

/// A range of ids whose messages are all in the store, with its evidence and start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    /// Exclusive lower bound.
    pub after: MessageId,
    /// Inclusive upper bound.
    pub to: MessageId,
    /// Whether it was received as it happened, or fetched.
    #[serde(default = "fetched")]
    pub by: Evidence,
    /// Since when all of it is known; 0 if not recorded.
    #[serde(default)]
    pub since: Stamp,
}

/// The ids in `(after, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdRange {
    /// Exclusive lower bound.
    pub after: MessageId,
    /// Inclusive upper bound.
    pub to: MessageId,
}

fn fetched() -> Evidence {
    Evidence::Rest
}

/// Which of a channel's messages are in the store. Intervals are sorted and disjoint, and touch
/// only if their evidence differs. Anything outside them is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The channel or thread.
    pub channel_id: ChannelId,
    pub intervals: Vec<Interval>,
    /// Present while the gateway delivers every new message.
    pub live: Option<Live>,
    /// When its archived public threads were last listed; threads archived earlier are all known.
    #[serde(default)]
    pub public_threads: Option<Stamp>,
    /// The same for its archived private threads.
    #[serde(default)]
    pub private_threads: Option<Stamp>,
    /// The channel may have changed unseen since that time, and needs a look-back.
    #[serde(default)]
    pub unseen_since: Option<Stamp>,
    /// When its readers last changed; the bot may have lost access.
    #[serde(default)]
    pub readers_changed: Stamp,
    /// How far the last recheck of the channel came.
    #[serde(default)]
    pub reread: Option<Reread>,
    /// The guild; none in stores of schema 1.
    #[serde(default)]
    pub guild_id: GuildId,
    /// The newest covered message was deleted on request, so the last interval ends before it.
    #[serde(default)]
    pub is_cut: bool,
}

/// In this session, the gateway delivers all messages after `after`. It ends with the session
/// without a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    pub session: SessionNumber,
    /// The last message before the session covers the channel.
    pub after: MessageId,
    #[serde(default)]
    pub since: Stamp,
}

/// A reactor list that is to be fetched, or contradicts Discord's own count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    /// Includes the name, which Discord's URL needs.
    pub emoji: Emoji,
    pub burst: bool,
    #[serde(default)]
    pub count: u64,
    #[serde(default)]
    pub counted: Stamp,
    /// Refusals in a row since then.
    #[serde(default)]
    pub refused: u32,
    /// When Discord last refused.
    #[serde(default)]
    pub refused_at: Millis,
    /// The list whose length contradicts the count.
    #[serde(default)]
    pub contradiction: Option<Contradiction>,
    /// Whether this is only a re-read: the count matches, so nothing is missing.
    #[serde(default)]
    pub again: bool,
}

/// A reactor list whose length differs from Discord's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    pub listed: u64,
    /// Tells lists with different users apart until settled.
    pub digest: u64,
    /// When a list of exactly these users was first requested.
    pub since: Stamp,
    /// When such a list was last requested.
    pub last: Stamp,
    /// Whether the list is trusted over the count.
    pub settled: bool,
}

/// The minimum time between two equal lists to trust them over Discord's count, in milliseconds.
///
/// Discord's count is sometimes permanently wrong. This is also the wait before a contradicting
/// list is fetched again.
pub const CONTRADICTED_FOR: i64 = 3_600_000;

impl Contradiction {
    /// A list requested at `at` with `listed` users, of whom `kept` are stored.
    pub fn new(listed: u64, kept: &BTreeSet<UserId>, at: Stamp) -> Self {
        let mut hash = Sha256::new();
        for user in kept {
            hash.update(user.0.to_be_bytes());
        }
        let digest = hash.finalize();
        let (head, _) = digest
            .split_first_chunk()
            .expect("a SHA-256 has more than 8 bytes");
        Self {
            listed,
            digest: u64::from_be_bytes(*head),
            since: at,
            last: at,
            settled: false,
        }
    }

    /// Trusts the list; its digest is no longer needed.
    #[must_use]
    pub fn settle(self) -> Self {
        Self {
            digest: 0,
            settled: true,
            ..self
        }
    }

    /// Merges a list that contradicts the same count. Trusts it if both have the same users and
    /// were requested at least [`CONTRADICTED_FOR`] apart.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if (self.listed, self.digest) != (other.listed, other.digest) {
            return if self.last >= other.last { self } else { other };
        }
        let both = Self {
            since: self.since.min(other.since),
            last: self.last.max(other.last),
            ..self
        };
        let apart = both.last.millis().0.saturating_sub(both.since.millis().0);
        if apart >= CONTRADICTED_FOR {
            both.settle()
        } else {
            both
        }
    }
}

impl Pending {
    /// Whether to fetch the list now. A refused list is retried once, then daily; a contradicting
    /// one after an hour; a settled one only for a re-read.
    pub fn is_due(&self, now: Millis) -> bool {
        let contradicted = self.contradiction.is_some_and(|contradiction| {
            contradiction.settled
                || contradiction
                    .last
                    .millis()
                    .0
                    .saturating_add(CONTRADICTED_FOR)
                    > now.0
        });
        let refused = self.refused >= 2 && self.refused_at.0.saturating_add(REFUSED_FOR) > now.0;
        !refused && (self.again || !contradicted)
    }

    /// Whether list and count contradict each other, unsettled.
    pub fn is_contradicted(&self) -> bool {
        self.contradiction
            .is_some_and(|contradiction| !contradiction.settled)
    }

    /// Whether the list is trusted over the count.
    pub fn is_settled(&self) -> bool {
        self.contradiction
            .is_some_and(|contradiction| contradiction.settled)
    }

    /// Whether it is still to fetch, and nothing known stands in the way.
    pub fn is_to_fetch(&self) -> bool {
        self.is_missing() && self.contradiction.is_none() && self.refused == 0
    }

    /// Whether reactions may be missing, or removed ones may still be stored.
    pub fn is_missing(&self) -> bool {
        !self.again && !self.is_settled()
    }

    /// The expected list length for a count: a count with a known error keeps that error.
    pub fn expected(&self, count: u64) -> i128 {
        let wrong = self
            .contradiction
            .filter(|contradiction| contradiction.settled);
        let wrong = wrong.map_or(0, |wrong| i128::from(wrong.listed) - i128::from(self.count));
        i128::from(count) + wrong
    }

    /// Whether a list of this length matches the count, or its known error.
    pub fn agrees(&self, listed: u64) -> bool {
        listed == self.count || i128::from(listed) == self.expected(self.count)
    }
}

/// A period in which the gateway delivered every event of a guild. A new one begins when the
/// process starts, a session can't be resumed, or the bot's permissions change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub guild_id: GuildId,
    pub number: SessionNumber,
    #[serde(default)]
    pub since: Stamp,
    /// When events of the guild last arrived or its state was last fetched; later changes need a
    /// look-back. `None` while events arrive, or if the process ended meanwhile.
    #[serde(default)]
    pub unheard: Option<Stamp>,
    /// Until when events arrived, while the guild's shard isn't connected.
    #[serde(default)]
    pub disconnected: Option<Stamp>,
}

impl Session {
    /// A guild without any session.
    pub fn none(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            number: 0,
            since: Stamp::default(),
            unheard: None,
            disconnected: None,
        }
    }
}

/// When a class of guild data was last known to be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    pub guild_id: GuildId,
    pub class: Class,
    pub at: Stamp,
}

/// An object that couldn't be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureObject {
    Class(Class),
    /// Messages of a channel or thread.
    Channel(ChannelId),
    /// Archived threads of a channel.
    Threads(ChannelId),
    /// Message texts in a channel that Discord withheld.
    Texts(ChannelId),
    /// A message that couldn't be parsed.
    Message(ChannelId, MessageId),
    /// A reactor list: the emoji as text, and whether bursts.
    Reactions(ChannelId, MessageId, String, bool),
    /// A gateway event that couldn't be parsed, by name.
    Event(String),
    /// Reactions that acknowledge props in a channel.
    Acknowledgement(ChannelId),
    /// The recap, posted in a channel.
    Recap(ChannelId),
    /// Scheduled events, and who is interested.
    ScheduledEvents,
}

impl FailureObject {
    /// The class of what failed, in one word.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Class(class) => class.name(),
            Self::Channel(_) | Self::Message(..) => Class::Messages.name(),
            Self::Threads(_) => Class::Threads.name(),
            Self::Texts(_) => "texts",
            Self::Reactions(..) => Class::Reactions.name(),
            Self::Event(_) => "events",
            Self::Acknowledgement(_) => "acknowledgements",
            Self::Recap(_) => "recaps",
            Self::ScheduledEvents => "scheduled events",
        }
    }

    /// The channel or thread it belongs to.
    pub fn channel(&self) -> Option<ChannelId> {
        match self {
            Self::Channel(id)
            | Self::Threads(id)
            | Self::Texts(id)
            | Self::Message(id, _)
            | Self::Reactions(id, ..)
            | Self::Acknowledgement(id)
            | Self::Recap(id) => Some(*id),
            Self::Class(_) | Self::Event(_) | Self::ScheduledEvents => None,
        }
    }
}

impl fmt::Display for FailureObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "{class}"),
            Self::Channel(id) => write!(f, "channel {id}"),
            Self::Texts(id) => write!(f, "texts of channel {id}"),
            Self::Threads(id) => write!(f, "archived threads of channel {id}"),
            Self::Message(channel, id) => write!(f, "message {channel}/{id}"),
            Self::Reactions(channel, message, emoji, burst) => {
                let kind = if *burst {
                    "burst reactions"
                } else {
                    "reactions"
                };
                write!(f, "{kind} {emoji} on message {channel}/{message}")
            }
            Self::Event(name) => write!(f, "event {name}"),
            Self::Acknowledgement(id) => write!(f, "acknowledging props in channel {id}"),
            Self::Recap(id) => write!(f, "posting the recap in channel {id}"),
            Self::ScheduledEvents => write!(f, "scheduled events"),
        }
    }
}

/// Why something could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The bot has no permission to read a channel.
    Unreadable,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => {
                "the bot lacks View Channel or Read Message History (in voice channels also \
                 Connect) here"
            }
            Self::Other(words) => words,
        })
    }
}

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Self::Other(words)
    }
}

impl From<&str> for Reason {
    fn from(words: &str) -> Self {
        Self::Other(words.to_owned())
    }
}

/// The last failure to fetch an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub guild_id: GuildId,
    pub object: FailureObject,
    /// Must not contain tokens or message content.
    pub reason: Reason,
    pub times: u32,
    /// When it last failed.
    pub at: Millis,
    /// Whether Discord refused it, so an early retry is pointless.
    #[serde(default)]
    pub refused: bool,
}

/// Wait before retrying what Discord refused, in milliseconds.
const REFUSED_FOR: i64 = 86_400_000;
/// First and longest wait between retries, in milliseconds.
const RETRIES: (i64, i64) = (5 * 60_000, 4 * 3_600_000);

impl Failure {
    /// When to retry. A single failure is retried at once, later ones with exponential backoff.
    pub fn due(&self) -> Millis {
        let (first, most) = RETRIES;
        let wait = match self.times {
            _ if self.refused => REFUSED_FOR,
            0 | 1 => 0,
            times => first.saturating_mul(1 << (times - 2).min(16)).min(most),
        };
        Millis(self.at.0.saturating_add(wait))
    }
}

/// Row counts of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    pub messages: u64,
    /// Messages known to be deleted.
    pub deleted: u64,
    pub reactions: u64,
    /// Props given with a command.
    pub props: u64,
    /// Messages with a text that Discord withheld.
    #[serde(default)]
    pub texts_missing: u64,
}
