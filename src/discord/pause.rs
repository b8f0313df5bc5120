//! The pause of all requests that a global 429 asks for.
//!
//! Owns how long it lasts. A long one is doubted: now and then one request is let through, so that a
//! wrong number of the server's, or one of Cloudflare's that is lifted early, ends with an answer.
//! Pure: time is an argument.

use std::time::{Duration, Instant};

/// The longest pause that is kept without doubt. Discord's own are of seconds.
pub(super) const DOUBTED: Duration = Duration::from_mins(5);

/// The shortest pause that is worth telling of.
const TOLD: Duration = Duration::from_secs(10);

/// When a doubted pause is tried first. The time between tries doubles.
const FIRST_TRY: Duration = Duration::from_secs(15);
/// The longest time between two tries.
const LAST_TRY: Duration = Duration::from_mins(10);

/// The pause, if there is one.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Stretch>);

#[derive(Debug)]
struct Stretch {
    since: Instant,
    until: Instant,
    /// When a request is let through, where it is doubted, and how long after that the next one is.
    next_try: Option<Instant>,
    gap: Duration,
    /// Whether it was long enough to be told of.
    is_told: bool,
}

/// What a request has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go.
    Go,
    /// Wait until then, unless the pause ends before.
    Wait(Instant),
}

impl Pause {
    /// A 429 to a request of this time asks for a pause. Returns whether to tell of it: once a pause, if
    /// it is long.
    pub(super) fn ask(&mut self, wait: Duration, sent: Instant, now: Instant) -> bool {
        let until = now + wait;
        let doubted = |gap| (wait > DOUBTED).then_some(now + gap);
        match &mut self.0 {
            Some(stretch) if stretch.until > now => {
                // A try is the newest word; others were under way when the pause began.
                stretch.until = if sent > stretch.since {
                    until
                } else {
                    stretch.until.max(until)
                };
                stretch.next_try = doubted(stretch.gap).max(stretch.next_try);
                let is_news = wait >= TOLD && !stretch.is_told;
                stretch.is_told |= is_news;
                is_news
            }
            _ => {
                self.0 = Some(Stretch {
                    since: now,
                    until,
                    next_try: doubted(FIRST_TRY),
                    gap: FIRST_TRY,
                    is_told: wait >= TOLD,
                });
                wait >= TOLD
            }
        }
    }

    /// A request of this time was answered. Returns the pause that this ends: whether it was told of, and
    /// how long it lasted.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) -> Option<(bool, Duration)> {
        let stretch = self.0.take_if(|stretch| sent > stretch.since)?;
        let lasted = now.saturating_duration_since(stretch.since);
        Some((stretch.is_told, lasted))
    }

    /// What the next request has to do. A try is taken by asking.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let Some(stretch) = self.0.as_mut().filter(|stretch| stretch.until > now) else {
            return Next::Go;
        };
        match stretch.next_try {
            Some(at) if at <= now => {
                stretch.gap = (stretch.gap * 2).min(LAST_TRY);
                stretch.next_try = Some(now + stretch.gap);
                Next::Go
            }
            at => Next::Wait(at.map_or(stretch.until, |at| at.min(stretch.until))),
        }
    }

    /// How much of it is left.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.0.as_ref()?.until.saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_short_pause_is_kept_to_its_end() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        assert_eq!(pause.next(now), Next::Go);
        assert!(pause.ask(DOUBTED, now, now));
        assert_eq!(pause.next(now + SECOND), Next::Wait(now + DOUBTED));
        let left = DOUBTED.saturating_sub(SECOND);
        assert_eq!(pause.left(now + SECOND), Some(left));
        assert_eq!(pause.next(now + DOUBTED), Next::Go);
        assert_eq!(pause.left(now + DOUBTED), None);
    }

    #[test]
    fn a_long_pause_is_tried_now_and_then() {
        let (mut pause, begun) = (Pause::default(), Instant::now());
        pause.ask(HOUR, begun, begun);
        let mut tries = 0;
        let mut now = begun;
        while now < begun + HOUR {
            match pause.next(now) {
                Next::Go => tries += 1,
                Next::Wait(until) => now = until,
            }
        }
        assert!((5..15).contains(&tries), "{tries} tries in an hour");
    }

    #[test]
    fn an_answer_to_a_later_request_ends_it() {
        let (mut pause, before) = (Pause::default(), Instant::now());
        let now = before + SECOND;
        pause.ask(HOUR, now, now);
        assert_eq!(pause.answered(before, now + SECOND), None);
        let sent = now + 15 * SECOND;
        assert_eq!(pause.next(sent), Next::Go);
        assert!(matches!(pause.next(sent), Next::Wait(_)), "one at a time");
        let lasted = pause.answered(sent, sent + SECOND);
        assert_eq!(lasted, Some((true, 16 * SECOND)));
        assert_eq!(pause.next(sent + SECOND), Next::Go);
    }

    #[test]
    fn a_pause_is_told_of_once_it_is_long() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        assert!(!pause.ask(SECOND, now, now));
        assert!(pause.ask(TOLD, now, now));
        assert!(!pause.ask(HOUR, now, now));
        let later = now + 2 * HOUR;
        assert!(
            pause
                .answered(later, later)
                .is_some_and(|(is_told, _)| is_told)
        );
        assert!(!pause.ask(SECOND, later, later));
        let end = later + 2 * SECOND;
        assert_eq!(pause.answered(end, end), Some((false, 2 * SECOND)));
    }

    #[test]
    fn the_answer_to_a_try_is_the_newest_word() {
        let (mut pause, before) = (Pause::default(), Instant::now());
        let now = before + SECOND;
        pause.ask(HOUR, now, now);
        // It was under way.
        assert!(!pause.ask(SECOND, before, now));
        assert_eq!(pause.left(now), Some(HOUR));
        let sent = now + 15 * SECOND;
        assert!(!pause.ask(SECOND, sent, sent));
        assert_eq!(pause.left(sent), Some(SECOND));
    }
}
