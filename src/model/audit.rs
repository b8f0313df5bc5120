//! The audit of older history: how far it is, and what was found not to be as the mirror had it.

use serde::{Deserialize, Serialize};

use super::{ChannelId, GuildId, MessageId, Millis, Stamped};

/// How often history that was thought to be known was found to be otherwise: it had changed
/// unheard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Messages that said something else.
    pub edited: u64,
    /// Messages that were not there any more.
    pub deleted: u64,
    /// Messages that were never seen.
    pub found: u64,
    /// Kinds of reactions to a message that were not as many.
    pub reactions: u64,
    /// Threads that were never seen, or not as archived or un-archived as they were.
    pub threads: u64,
}

impl Drift {
    fn with(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            edited: both(self.edited, other.edited),
            deleted: both(self.deleted, other.deleted),
            found: both(self.found, other.found),
            reactions: both(self.reactions, other.reactions),
            threads: both(self.threads, other.threads),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        self.with(more, u64::saturating_add)
    }

    /// What was found since it was `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.with(before, u64::saturating_sub)
    }
}

/// How far a round of the audit is. The places are walked by id, each from its newest message to
/// its oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Walk {
    /// The round's number, from 1; 0 for the time before the first.
    pub round: u64,
    /// When it began.
    pub begun: Millis,
    /// When it ended; until then it is under way.
    pub finished: Option<Millis>,
    /// Where it goes on: in the first place with this id or a later one.
    pub place: ChannelId,
    /// In that very place, with the messages before this one; `None`: with its newest.
    pub before: Option<MessageId>,
    /// Whether all of that place could be read so far.
    pub whole: bool,
    /// Requests for pages of messages and of threads so far.
    pub requests: u64,
    /// [`Drift::threads`], of this round and of all before.
    pub threads: u64,
}

impl Walk {
    /// No round yet: the rest before the first one begins.
    pub fn none(now: Millis) -> Self {
        Self {
            round: 0,
            begun: now,
            finished: Some(now),
            place: ChannelId(0),
            before: None,
            whole: true,
            requests: 0,
            threads: 0,
        }
    }

    /// The beginning of the round after this one.
    #[must_use]
    pub fn next_round(self, now: Millis) -> Self {
        Self {
            round: self.round + 1,
            finished: None,
            threads: self.threads,
            ..Self::none(now)
        }
    }

    /// As far as this place, of which nothing was read yet.
    #[must_use]
    pub fn at(self, place: ChannelId) -> Self {
        Self {
            place,
            before: None,
            whole: true,
            ..self
        }
    }
}

/// The audit of a guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The guild.
    pub guild_id: GuildId,
    /// The last round, under way or finished; `None` before the first.
    pub walk: Option<Stamped<Walk>>,
    /// The last round that was finished.
    pub last: Option<Walk>,
    /// What was found ever, by any page that REST listed: a look-back's as well.
    pub drift: Drift,
    /// What of it had been found when the last round began.
    pub drift_before: Drift,
}

impl Audit {
    /// The audit of a guild that has had none.
    pub fn unknown(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            walk: None,
            last: None,
            drift: Drift::default(),
            drift_before: Drift::default(),
        }
    }

    /// The audit is as far as this; of two that are told, the later one counts.
    pub fn walked(&mut self, walk: Stamped<Walk>) {
        if self.walk.as_ref().is_some_and(|known| *known >= walk) {
            return;
        }
        if self
            .walk
            .is_none_or(|known| known.value.round < walk.value.round)
        {
            self.drift_before = self.drift;
        }
        self.drift.threads = self.drift.threads.max(walk.value.threads);
        if walk.value.finished.is_some() && walk.value.round > 0 {
            self.last = Some(walk.value);
        }
        self.walk = Some(walk);
    }
}
