//! What is known to be known: coverage, work left to do, failures, and counts.

use std::{collections::BTreeSet, fmt, num::ParseIntError};

use propsbot_archive::{Covered, Id};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    ChannelId, Class, Emoji, Evidence, GuildId, MessageId, Millis, Reread, SessionNumber, Stamp,
    UserId,
};

/// The ids in `(after, to]`, all of whose messages are in the store; how that came to be known, and
/// since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    /// The last id before the interval.
    pub after: MessageId,
    /// The last id of the interval.
    pub to: MessageId,
    /// Whether it was heard as it was posted, or fetched.
    #[serde(default = "fetched")]
    pub by: Evidence,
    /// Since when all of it is known; 0 where that was not noted.
    #[serde(default)]
    pub since: Stamp,
}

impl From<IdRange> for Covered {
    fn from(range: IdRange) -> Self {
        Self {
            after: Id::new(range.after),
            to: Id::new(range.to),
        }
    }
}

impl TryFrom<&Covered> for IdRange {
    type Error = ParseIntError;

    fn try_from(range: &Covered) -> Result<Self, ParseIntError> {
        Ok(Self {
            after: range.after.as_str().parse()?,
            to: range.to.as_str().parse()?,
        })
    }
}

/// The ids in `(after, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdRange {
    /// The last id before them.
    pub after: MessageId,
    /// The last of them.
    pub to: MessageId,
}

fn fetched() -> Evidence {
    Evidence::Rest
}

/// Which of a channel's messages are in the store: sorted intervals that do not overlap, nor touch
/// if they are known in the same way. What is in none of them is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// What is covered.
    pub intervals: Vec<Interval>,
    /// Since when every new message arrives by the gateway.
    pub live: Option<Live>,
    /// When its archived public threads were last asked for; all that were archived before are known.
    #[serde(default)]
    pub public_threads: Option<Stamp>,
    /// The same of its archived private threads.
    #[serde(default)]
    pub private_threads: Option<Stamp>,
    /// What is known of it was true at that time, and may have changed unseen since: it is to be looked
    /// back at.
    #[serde(default)]
    pub unseen_since: Option<Stamp>,
    /// When it was last noticed that others may read it than before, the bot perhaps not among them.
    #[serde(default)]
    pub readers_changed: Stamp,
    /// How far all of it was last read again.
    #[serde(default)]
    pub reread: Option<Reread>,
}

/// "In this session, all that was posted after this message arrived by the gateway." It ends with
/// the session: nothing needs to be written for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The session.
    pub session: SessionNumber,
    /// The last message before.
    pub after: MessageId,
    /// Since when.
    #[serde(default)]
    pub since: Stamp,
}

/// A list of reactors that has still to be fetched, or that Discord's own count contradicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The guild.
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    /// The message.
    pub message_id: MessageId,
    /// The emoji, with the name that Discord's address for it needs.
    pub emoji: Emoji,
    /// Normal or burst.
    pub burst: bool,
    /// How many reacted, as Discord counted.
    #[serde(default)]
    pub count: u64,
    /// When Discord counted.
    #[serde(default)]
    pub counted: Stamp,
    /// How often in a row Discord refused the list since then.
    #[serde(default)]
    pub refused: u32,
    /// When, the last time.
    #[serde(default)]
    pub refused_at: Millis,
    /// The list that did not have as many users as Discord counted.
    #[serde(default)]
    pub contradiction: Option<Contradiction>,
    /// Whether it is only read again: the count is as known, so nothing is known to be missing.
    #[serde(default)]
    pub again: bool,
}

/// A list of reactors that does not have as many users as Discord counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// Users listed.
    pub listed: u64,
    /// Tells lists of other users apart until it is settled.
    pub digest: u64,
    /// When a list of exactly these users was first asked for.
    pub since: Stamp,
    /// When such a list was last asked for.
    pub last: Stamp,
    /// Whether the list is believed rather than the count.
    pub settled: bool,
}

/// How far apart two equal lists must be to be believed rather than Discord's count, which is
/// sometimes wrong for good; and how long to wait before a list that contradicts it is asked for
/// again.
pub const CONTRADICTED_FOR: i64 = 3_600_000;

impl Contradiction {
    /// A list asked for at `at` that does not agree with the count: so many users, of whom these are
    /// kept.
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

    /// The list is believed. Who was on it need not be remembered for that.
    #[must_use]
    pub fn settle(self) -> Self {
        Self {
            digest: 0,
            settled: true,
            ..self
        }
    }

    /// Adds a list that contradicts the same count. It is believed if another of the same users was
    /// asked for at least [`CONTRADICTED_FOR`] earlier or later.
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
    /// Whether it is worth to be asked for. What was refused is asked for once more, and then once a
    /// day; what contradicts Discord's count, an hour later; what is settled, only to read it again.
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

    /// Whether the list contradicts Discord's count, and neither is believed.
    pub fn is_contradicted(&self) -> bool {
        self.contradiction
            .is_some_and(|contradiction| !contradiction.settled)
    }

    /// Whether the list is believed although Discord's count is another.
    pub fn is_settled(&self) -> bool {
        self.contradiction
            .is_some_and(|contradiction| contradiction.settled)
    }

    /// Whether reactions of this kind may be missing, or stand that were taken back.
    pub fn is_missing(&self) -> bool {
        !self.again && !self.is_settled()
    }

    /// How many users there are if Discord counts `count`: a count that is known to be wrong stays
    /// wrong by as much.
    pub fn expected(&self, count: u64) -> i128 {
        let wrong = self
            .contradiction
            .filter(|contradiction| contradiction.settled);
        let wrong = wrong.map_or(0, |wrong| i128::from(wrong.listed) - i128::from(self.count));
        i128::from(count) + wrong
    }

    /// Whether a list of so many users is what Discord counted, or what is known of its count.
    pub fn agrees(&self, listed: u64) -> bool {
        listed == self.count || i128::from(listed) == self.expected(self.count)
    }
}

/// Numbers the stretches of time in which the gateway told us all that happened in a guild. A new
/// one begins with each start of the process, each session that could not be resumed, and each
/// change of what the bot may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The guild.
    pub guild_id: GuildId,
    /// The current one.
    pub number: SessionNumber,
    /// When it began.
    #[serde(default)]
    pub since: Stamp,
    /// Until when all of the guild was heard, or looked at; what changed after that is to be looked
    /// back at. `None`: it is being heard, or was until the process ended.
    #[serde(default)]
    pub unheard: Option<Stamp>,
}

impl Session {
    /// Nothing was ever heard of the guild.
    pub fn none(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            number: 0,
            since: Stamp::default(),
            unheard: None,
        }
    }
}

/// When a class of a guild's data was last known to be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// The guild.
    pub guild_id: GuildId,
    /// The class.
    pub class: Class,
    /// When.
    pub at: Stamp,
}

/// What could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureObject {
    /// A class of the guild's data.
    Class(Class),
    /// The messages of a channel or thread.
    Channel(ChannelId),
    /// The archived threads of a channel.
    Threads(ChannelId),
    /// The texts of messages of a channel, which Discord kept from us.
    Texts(ChannelId),
    /// A message that could not be read.
    Message(ChannelId, MessageId),
    /// A list of reactors: the emoji as text, and whether bursts.
    Reactions(ChannelId, MessageId, String, bool),
    /// A gateway event that could not be read, by its name.
    Event(String),
    /// The reactions with which the bot acknowledges props in a channel.
    Acknowledgement(ChannelId),
}

impl FailureObject {
    /// The channel or thread that it is of.
    pub fn channel(&self) -> Option<ChannelId> {
        match self {
            Self::Channel(id)
            | Self::Threads(id)
            | Self::Texts(id)
            | Self::Message(id, _)
            | Self::Reactions(id, ..)
            | Self::Acknowledgement(id) => Some(*id),
            Self::Class(_) | Self::Event(_) => None,
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
        }
    }
}

/// Why something could not be fetched, as of the last try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The guild.
    pub guild_id: GuildId,
    /// What.
    pub object: FailureObject,
    /// Why, in words; never a token, never a message's content.
    pub reason: String,
    /// How often in a row.
    pub times: u32,
    /// When, the last time.
    pub at: Millis,
    /// Whether Discord refuses it, so that nothing is gained by asking again soon.
    #[serde(default)]
    pub refused: bool,
}

/// How long what was refused is not asked for again.
const REFUSED_FOR: i64 = 86_400_000;
/// How long to wait after the first failure, and the most.
const RETRIES: (i64, i64) = (5 * 60_000, 4 * 3_600_000);

impl Failure {
    /// When it is worth to be tried again: at once what was only noticed, later and later what failed
    /// again and again.
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

/// How much of a channel is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// Messages that stand.
    pub messages: u64,
    /// Messages known to be deleted.
    pub deleted: u64,
    /// Reactions that stand.
    pub reactions: u64,
    /// Props given with a command.
    pub props: u64,
    /// Messages that have a text which Discord kept from us.
    #[serde(default)]
    pub texts_missing: u64,
}
