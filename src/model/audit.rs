//! The audit of older history: how far it is, and what was found not to be as the mirror had it.

use serde::{Deserialize, Serialize};

use super::{ChannelId, GuildId, Lww, MessageId, Millis, Slice, Stamp};

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
    /// Lists of reactors that there are to the messages read so far.
    #[serde(default)]
    pub lists: u64,
    /// Into how many parts the lists are divided: each round reads one part of them again.
    #[serde(default)]
    pub slices: u64,
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
            lists: 0,
            slices: 1,
        }
    }

    /// The messages whose lists of reactors this round reads again.
    pub fn slice(self) -> Slice {
        let of = self.slices.max(1);
        Slice {
            part: self.round % of,
            of,
        }
    }

    /// The beginning of the round after this one, with the lists of reactors in so many parts.
    #[must_use]
    pub fn next_round(self, now: Millis, slices: u64) -> Self {
        Self {
            round: self.round + 1,
            finished: None,
            threads: self.threads,
            slices,
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
    pub walk: Option<Lww<Walk>>,
    /// The last round that was finished.
    pub last: Option<Walk>,
    /// What was found ever, by any page that REST listed: a look-back's as well.
    pub drift: Drift,
    /// What of it had been found when the last round began.
    pub drift_before: Drift,
    /// Messages older than a look-back reads may have changed unheard since that time; `None`: all
    /// changes of theirs are known, as far as the guild is heard now.
    #[serde(default)]
    pub unheard: Option<Stamp>,
    /// The same, of what was unheard since the round began.
    #[serde(default)]
    pub unheard_in_round: Option<Stamp>,
    /// All history is being read again at once.
    #[serde(default)]
    pub recheck: Option<Recheck>,
    /// When that was last finished.
    #[serde(default)]
    pub rechecked: Option<Millis>,
}

/// All history is being read again at once: `sync --recheck`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recheck {
    /// When it began.
    pub begun: Stamp,
    /// [`Audit::unheard`], of what was unheard since.
    pub unheard: Option<Stamp>,
}

/// How far the reading of a channel for a [`Recheck`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reread {
    /// Which one: when that began.
    pub begun: Stamp,
    /// The messages with ids up to this one are still to be read again; 0: none.
    pub left: MessageId,
}

impl Reread {
    /// The further of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let further = |of: Self| (of.begun, std::cmp::Reverse(of.left));
        if further(self) >= further(other) {
            self
        } else {
            other
        }
    }
}

/// The later of two times from which on something is unknown; `None` is never.
fn later(a: Option<Stamp>, b: Option<Stamp>) -> Option<Stamp> {
    a.zip(b).map(|(a, b)| a.max(b))
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
            unheard: None,
            unheard_in_round: None,
            recheck: None,
            rechecked: None,
        }
    }

    /// When all history was last read again from end to end.
    pub fn last_reread(&self) -> Option<Millis> {
        let round = self.last.and_then(|walk| walk.finished);
        round.max(self.rechecked)
    }

    /// What is older than a look-back reads may have changed unheard since that time.
    pub fn unhear(&mut self, since: Stamp) {
        let earlier = |known: &mut Option<Stamp>, since: Stamp| {
            *known = Some(known.map_or(since, |known| known.min(since)));
        };
        earlier(&mut self.unheard, since);
        // What was so before it began is read by it.
        if let Some(walk) = self.walk.filter(|walk| walk.value.finished.is_none()) {
            let begun = Stamp::from(walk.value.begun);
            earlier(&mut self.unheard_in_round, since.max(begun));
        }
        if let Some(recheck) = &mut self.recheck {
            earlier(&mut recheck.unheard, since.max(recheck.begun));
        }
    }

    /// All history is to be read again, unless that is under way already.
    pub fn begin_recheck(&mut self, begun: Stamp) {
        self.recheck.get_or_insert(Recheck {
            begun,
            unheard: None,
        });
    }

    /// Not all history could be read again.
    pub fn give_up_recheck(&mut self, begun: Stamp) {
        self.recheck.take_if(|recheck| recheck.begun == begun);
    }

    /// All history was read again.
    pub fn end_recheck(&mut self, at: Stamp, begun: Stamp) {
        if let Some(recheck) = self.recheck.take_if(|recheck| recheck.begun == begun) {
            self.unheard = later(self.unheard, recheck.unheard);
            self.rechecked = self.rechecked.max(Some(at.millis()));
        }
    }

    /// The audit is as far as this; of two that are told, the later one counts.
    pub fn walked(&mut self, walk: Lww<Walk>) {
        if self.walk.as_ref().is_some_and(|known| *known >= walk) {
            return;
        }
        if self
            .walk
            .is_none_or(|known| known.value.round < walk.value.round)
        {
            self.drift_before = self.drift;
            self.unheard_in_round = None;
        }
        self.drift.threads = self.drift.threads.max(walk.value.threads);
        if walk.value.finished.is_some() && walk.value.round > 0 {
            self.last = Some(walk.value);
            self.unheard = later(self.unheard, self.unheard_in_round);
        }
        self.walk = Some(walk);
    }
}
