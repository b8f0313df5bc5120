//! A gateway session: its sequence numbers, and repair of missing or broken events.
//!
//! Discord numbers a session's events and, on resume, resends those after the number we name. So a
//! missing event is requested once by resuming; if it still doesn't come, it is lost. Source:
//! <https://discord.com/developers/docs/events/gateway#resuming>.

/// Unanswered resumes before the session is given up.
const RESUMES: u32 = 3;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    /// Discord's URL for resuming.
    pub(super) url: Option<String>,
    /// Number of the last event received without a gap before it.
    seq: u64,
    /// Number at which a resume was tried to repair an event.
    mended_from: Option<u64>,
    /// An event with an unknown number was lost, so the next number may skip.
    skips: bool,
    /// Resumes since the last event.
    resumes: u32,
}

/// What an event's number shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Nothing is missing before it.
    Next,
    /// It was received before.
    Again,
    /// Events are missing before it.
    Gap,
    /// More events are missing beside one already lost. They aren't requested.
    Lost,
}

/// What to do about a missing or broken event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// Resume, so that Discord sends it again.
    Resume,
    /// Resuming didn't help: continue without it.
    Lose,
}

impl Session {
    /// Creates a session whose first event has this number.
    pub(super) fn new(id: String, url: Option<String>, seq: u64) -> Self {
        Self {
            id,
            url,
            seq,
            mended_from: None,
            skips: false,
            resumes: 0,
        }
    }

    /// Returns the number for heartbeats and resuming.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Records an event. Servers other than Discord's may omit the number.
    pub(super) fn receive(&mut self, seq: Option<u64>) -> Sequence {
        self.resumes = 0;
        let Some(seq) = seq else {
            return Sequence::Next;
        };
        if seq <= self.seq {
            return Sequence::Again;
        }
        if seq > self.seq.saturating_add(1) && !self.skips {
            return Sequence::Gap;
        }
        // The lost event may be the one just before.
        let is_after_lost = seq <= self.seq.saturating_add(2);
        self.skip_to(seq);
        if is_after_lost {
            Sequence::Next
        } else {
            Sequence::Lost
        }
    }

    /// Continues from this number, whatever is missing before it.
    pub(super) fn skip_to(&mut self, seq: u64) {
        self.seq = seq;
        self.skips = false;
    }

    /// Decides what to do about a missing or broken event.
    pub(super) fn repair(&mut self) -> Repair {
        if self.mended_from == Some(self.seq) {
            self.skips = true;
            return Repair::Lose;
        }
        self.mended_from = Some(self.seq);
        Repair::Resume
    }

    pub(super) fn resumed(&mut self) {
        self.resumes += 1;
    }

    /// Returns whether too many resumes went unanswered.
    pub(super) fn is_dead(&self) -> bool {
        self.resumes >= RESUMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new("a".to_owned(), None, 1)
    }

    #[test]
    fn consecutive_events_leave_no_gap() {
        let mut session = session();
        assert_eq!(session.receive(Some(2)), Sequence::Next);
        assert_eq!(session.receive(Some(2)), Sequence::Again);
        assert_eq!(session.receive(None), Sequence::Next);
        assert_eq!(session.receive(Some(3)), Sequence::Next);
        assert_eq!(session.seq(), 3);
    }

    #[test]
    fn resumes_once_per_gap_then_gives_it_up() {
        let mut session = session();
        assert_eq!(session.receive(Some(3)), Sequence::Gap);
        assert_eq!((session.repair(), session.seq()), (Repair::Resume, 1));
        assert_eq!(session.receive(Some(3)), Sequence::Gap);
        assert_eq!(session.repair(), Repair::Lose);
        session.skip_to(3);
        assert_eq!(session.receive(Some(4)), Sequence::Next);
        assert_eq!(session.receive(Some(6)), Sequence::Gap);
        assert_eq!(
            session.repair(),
            Repair::Resume,
            "another gap is another try"
        );
    }

    #[test]
    fn continues_after_a_lost_event_without_a_number() {
        let mut session = session();
        assert_eq!(session.repair(), Repair::Resume);
        assert_eq!(session.repair(), Repair::Lose);
        assert_eq!(session.receive(Some(3)), Sequence::Next);
        assert_eq!(session.receive(Some(5)), Sequence::Gap);
    }

    #[test]
    fn gives_up_events_missing_beside_a_lost_one() {
        let mut session = session();
        assert_eq!(session.repair(), Repair::Resume);
        assert_eq!(session.repair(), Repair::Lose);
        assert_eq!(session.receive(Some(4)), Sequence::Lost);
        assert_eq!(session.receive(Some(5)), Sequence::Next);
    }

    #[test]
    fn gives_up_a_session_after_unanswered_resumes() {
        let mut session = session();
        for _ in 0..RESUMES {
            assert!(!session.is_dead());
            session.resumed();
        }
        assert!(session.is_dead());
        session.receive(Some(2));
        assert!(!session.is_dead());
    }
}
