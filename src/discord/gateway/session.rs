//! A gateway session: how far it was heard, and what a missing or broken event comes to.
//!
//! Discord numbers the events of a session one by one, and sends again what came after a number that
//! we name when we resume. So whatever did not arrive is asked for once by resuming. Only what does
//! not come then, either, is lost. Source:
//! <https://discord.com/developers/docs/events/gateway#resuming>.

/// How often resuming is tried without an answer before the session is given up.
const RESUMES: u32 = 3;

/// A session that can be resumed.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    /// Where Discord wants it to be resumed.
    pub(super) url: Option<String>,
    /// The last event of which all before it were heard, too.
    seq: u64,
    /// The number from which it was resumed because of an event that did not arrive whole.
    mended_from: Option<u64>,
    /// The next number is not known: events before it are lost.
    skips: bool,
    /// How often it was resumed since the last event.
    resumes: u32,
}

/// What an event's number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Nothing is missing before it.
    Next,
    /// It was sent before.
    Again,
    /// Something is missing before it.
    Gap,
    /// Events are missing between it and one that was lost. They are not asked for.
    Lost,
}

/// What to do about an event that did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// Resume: Discord sends it again.
    Resume,
    /// That was tried. Go on without it.
    Lose,
}

impl Session {
    /// A session that began with the event of this number.
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

    /// From which number on to resume, and what heartbeats tell.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Notes an event that arrived. (Servers that are not Discord's may not number them.)
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
        // The lost one may have been the one before.
        let is_after_lost = seq <= self.seq.saturating_add(2);
        self.skip_to(seq);
        if is_after_lost {
            Sequence::Next
        } else {
            Sequence::Lost
        }
    }

    /// Goes on from this number, whatever is missing before it.
    pub(super) fn skip_to(&mut self, seq: u64) {
        self.seq = seq;
        self.skips = false;
    }

    /// An event is missing, or came broken.
    pub(super) fn repair(&mut self) -> Repair {
        if self.mended_from == Some(self.seq) {
            self.skips = true;
            return Repair::Lose;
        }
        self.mended_from = Some(self.seq);
        Repair::Resume
    }

    /// It is being resumed.
    pub(super) fn resumed(&mut self) {
        self.resumes += 1;
    }

    /// Whether it was resumed often enough without an answer.
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
    fn events_that_follow_each_other_lack_nothing() {
        let mut session = session();
        assert_eq!(session.receive(Some(2)), Sequence::Next);
        assert_eq!(session.receive(Some(2)), Sequence::Again);
        assert_eq!(session.receive(None), Sequence::Next);
        assert_eq!(session.receive(Some(3)), Sequence::Next);
        assert_eq!(session.seq(), 3);
    }

    #[test]
    fn a_gap_is_resumed_once_and_then_lost() {
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
    fn after_a_lost_event_of_unknown_number_any_number_comes_next() {
        let mut session = session();
        assert_eq!(session.repair(), Repair::Resume);
        assert_eq!(session.repair(), Repair::Lose);
        assert_eq!(session.receive(Some(3)), Sequence::Next);
        assert_eq!(session.receive(Some(5)), Sequence::Gap);
    }

    #[test]
    fn what_is_missing_beside_a_lost_event_is_lost_too() {
        let mut session = session();
        assert_eq!(session.repair(), Repair::Resume);
        assert_eq!(session.repair(), Repair::Lose);
        assert_eq!(session.receive(Some(4)), Sequence::Lost);
        assert_eq!(session.receive(Some(5)), Sequence::Next);
    }

    #[test]
    fn a_session_that_is_never_answered_is_given_up() {
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
