//! Members' privacy choices.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    ChannelId, EventId, FailureObject, GuildId, InteractionId, MessageId, Millis, Named, Reaction,
    UserId,
};

/// How far a member opted out. Each tier includes those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    #[default]
    None,
    /// The text of their messages is neither stored nor exported. Authorship, mentions and
    /// reactions are.
    Content,
    /// Their names aren't exported either, but replaced by a stable pseudonym.
    Identity,
    /// Only thanks that they gave or received are exported, under a pseudonym. These also belong to
    /// others.
    Everything,
}

impl Tier {
    pub const OUT: [Self; 3] = [Self::Content, Self::Identity, Self::Everything];

    /// Whether the text of their messages is stored.
    pub fn keeps_content(self) -> bool {
        self < Self::Content
    }

    pub fn shows_names(self) -> bool {
        self < Self::Identity
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Content => "content",
            Self::Identity => "identity",
            Self::Everything => "everything",
        })
    }
}

/// A member's choice in a guild. Outlives their other data; otherwise a backfill would restore what
/// was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy {
    pub guild_id: GuildId,
    pub user_id: UserId,
    pub tier: Tier,
    pub since: Millis,
    /// Everything they did up to this time was deleted on request and stays deleted.
    #[serde(default)]
    pub forgotten: Option<Millis>,
    /// They opted in again at that time; earlier texts aren't stored.
    #[serde(default)]
    pub texts_since: Option<Millis>,
}

impl Privacy {
    /// A member without a choice.
    pub fn unchosen(guild_id: GuildId, user_id: UserId) -> Self {
        Self {
            guild_id,
            user_id,
            tier: Tier::None,
            since: Millis(0),
            forgotten: None,
            texts_since: None,
        }
    }

    /// Merges another choice of the same member. Deletions persist, the latest choice counts, and
    /// opting in doesn't restore earlier texts.
    pub fn merge(&mut self, other: &Self) {
        let (earlier, later) = if (other.since, other.tier) >= (self.since, self.tier) {
            (&*self, other)
        } else {
            (other, &*self)
        };
        let again = later.tier.keeps_content() && !earlier.tier.keeps_content();
        let again = again.then_some(later.since);
        *self = Self {
            forgotten: self.forgotten.max(other.forgotten),
            texts_since: self.texts_since.max(other.texts_since).max(again),
            ..later.clone()
        };
    }

    /// Whether the text of a message from this time is stored.
    pub fn keeps_text(&self, time: Millis) -> bool {
        self.tier.keeps_content() && self.texts_since.is_none_or(|since| time > since)
    }

    /// Whether the choice hides or removes anything.
    pub fn hides_anything(&self) -> bool {
        self.tier != Tier::None || self.forgotten.is_some() || self.texts_since.is_some()
    }

    /// Whether their data was deleted and their name is hidden, so that only this record names
    /// them.
    pub fn is_gone(&self) -> bool {
        self.forgotten.is_some() && !self.tier.shows_names()
    }

    /// Whether what they did at this time was deleted.
    pub fn forgets(&self, time: Millis) -> bool {
        self.forgotten.is_some_and(|until| time <= until)
    }
}

/// A step of a deletion. Leaves no trace: no tombstone, hash or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// The member's record: names, roles, nickname.
    Member(UserId),
    /// One of their messages, with its reactions, reactor lists and failures.
    Message(ChannelId, MessageId),
    /// The tombstone of a message that an earlier version deleted on request.
    Tombstone(ChannelId, MessageId),
    /// A reaction of theirs. Its count stays, as [`LeftOut`](super::LeftOut).
    Reaction(Box<Reaction>),
    Props(ChannelId, InteractionId),
    /// Mentions of the members or their messages in another user's message.
    InMessage(ChannelId, MessageId, Arc<Named>),
    /// The same in props given by another user.
    InProps(ChannelId, InteractionId, Arc<Named>),
    /// Mentions of them in a channel's or thread's name, and titles of their threads.
    InChannel(ChannelId),
    InGuild,
    /// What they did for or in a scheduled event.
    InEvent(EventId),
    InActions(UserId),
    /// What they asked of SourceCred's ledger.
    Link(UserId),
    /// Their messages at the bounds of the channel's coverage.
    InCoverage(ChannelId),
    /// Their message that the scrub continues from.
    InWalk,
    /// A thread deleted from Discord and empty here. Its id may be that of one of their messages.
    Thread(ChannelId),
    /// A failure whose reason names them or one of their messages.
    Failure(FailureObject),
}
