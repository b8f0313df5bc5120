//! The scrub of older history: its progress, and the differences it found.

use serde::{Deserialize, Serialize};

use super::{ChannelId, GuildId, Lww, MessageId, Millis, Slice, Stamp};

/// Differences found between Discord and the mirror in covered history, caused by missed changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Messages with different content.
    pub edited: u64,
    /// Messages that no longer exist.
    pub deleted: u64,
    /// Messages missing from the mirror.
    pub found: u64,
    /// Reaction counts that differed.
    pub reactions: u64,
    /// Threads that were unknown, or whose archived state differed.
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

    #[must_use]
    pub fn and(self, more: Self) -> Self {
        self.with(more, u64::saturating_add)
    }

    /// What was found after `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.with(before, u64::saturating_sub)
    }
}

/// The position of a scrub round. It walks channels by id, each from its newest message to its
/// oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Walk {
    /// The round's number, from 1; 0 before the first.
    pub round: u64,
    pub begun: Millis,
    /// `None` while it is running.
    pub finished: Option<Millis>,
    /// Continues with the first channel whose id is this or greater.
    pub place: ChannelId,
    /// Continues in that channel before this message; `None`: at its newest.
    pub before: Option<MessageId>,
    /// Whether all of that channel was readable so far.
    pub whole: bool,
    /// Requests for pages of messages and threads so far.
    pub requests: u64,
    /// [`Drift::threads`] of this and all earlier rounds.
    pub threads: u64,
    /// Reactor lists of the messages read so far.
    #[serde(default)]
    pub lists: u64,
    /// Number of slices of the reactor lists; each round reads one slice again.
    #[serde(default)]
    pub slices: u64,
}

impl Walk {
    /// Before the first round.
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

    /// The messages whose reactor lists this round reads again.
    pub fn slice(self) -> Slice {
        let of = self.slices.max(1);
        Slice {
            part: self.round % of,
            of,
        }
    }

    /// The start of the next round, with the reactor lists in this many slices.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    pub guild_id: GuildId,
    /// The last round, running or finished; `None` before the first.
    pub walk: Option<Lww<Walk>>,
    /// The last finished round.
    pub last: Option<Walk>,
    /// All differences found so far by REST pages, including those of look-backs.
    pub drift: Drift,
    /// `drift` when the last round began.
    pub drift_before: Drift,
    /// Messages older than the look-back may have changed without an event since that time. `None`:
    /// all changes are known.
    #[serde(default)]
    pub unheard: Option<Stamp>,
    /// The same, for the time since the round began.
    #[serde(default)]
    pub unheard_in_round: Option<Stamp>,
    #[serde(default)]
    pub recheck: Option<Recheck>,
    /// When a recheck last finished.
    #[serde(default)]
    pub rechecked: Option<Millis>,
}

/// A re-read of all history at once: `sync --recheck`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recheck {
    pub begun: Stamp,
    /// [`Scrub::unheard`] for the time since the recheck began.
    pub unheard: Option<Stamp>,
}

/// How far a [`Recheck`] of one channel has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reread {
    /// When the recheck began, which identifies it.
    pub begun: Stamp,
    /// The newest message still to read; 0: none.
    pub left: MessageId,
}

impl Reread {
    /// Returns the one that is further along.
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

/// The later of two times since when something is unknown; `None` means never.
fn later(a: Option<Stamp>, b: Option<Stamp>) -> Option<Stamp> {
    a.zip(b).map(|(a, b)| a.max(b))
}

impl Scrub {
    /// A guild without any scrub.
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

    /// Records that messages older than the look-back may have changed without an event since then.
    pub fn unhear(&mut self, since: Stamp) {
        let earlier = |known: &mut Option<Stamp>, since: Stamp| {
            *known = Some(known.map_or(since, |known| known.min(since)));
        };
        earlier(&mut self.unheard, since);
        // A running round still reads what changed before it began.
        if let Some(walk) = self.walk.filter(|walk| walk.value.finished.is_none()) {
            let begun = Stamp::from(walk.value.begun);
            earlier(&mut self.unheard_in_round, since.max(begun));
        }
        if let Some(recheck) = &mut self.recheck {
            earlier(&mut recheck.unheard, since.max(recheck.begun));
        }
    }

    /// Begins a recheck, unless one is running.
    pub fn begin_recheck(&mut self, begun: Stamp) {
        self.recheck.get_or_insert(Recheck {
            begun,
            unheard: None,
        });
    }

    /// Ends a recheck that couldn't read all history.
    pub fn give_up_recheck(&mut self, begun: Stamp) {
        self.recheck.take_if(|recheck| recheck.begun == begun);
    }

    pub fn end_recheck(&mut self, at: Stamp, begun: Stamp) {
        if let Some(recheck) = self.recheck.take_if(|recheck| recheck.begun == begun) {
            self.unheard = later(self.unheard, recheck.unheard);
            self.rechecked = self.rechecked.max(Some(at.millis()));
        }
    }

    /// Records the scrub's progress; the later of two records counts.
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
