//! The pause of all requests that a global 429 asks for.
//!
//! A long pause is doubted: now and then one request probes it, so a wrong number, or a Cloudflare
//! ban that was lifted early, ends with an answer. Pure: time is an argument.

use std::time::{Duration, Instant};

/// Longest pause kept without probing. Discord's own last seconds.
pub(super) const DOUBTED: Duration = Duration::from_mins(5);

/// Shortest pause worth reporting.
const TOLD: Duration = Duration::from_secs(10);

/// Wait before the first probe of a doubted pause. It doubles after each.
const FIRST_TRY: Duration = Duration::from_secs(15);
/// Longest wait between two probes.
const LAST_TRY: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
pub(super) struct Pause(Option<Stretch>);

#[derive(Debug)]
struct Stretch {
    since: Instant,
    until: Instant,
    /// When the next probe is due, if doubted, and the wait after it.
    next_try: Option<Instant>,
    gap: Duration,
    /// Whether it was long enough to report.
    is_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    /// Wait until then, unless the pause ends earlier.
    Wait(Instant),
}

impl Pause {
    /// Starts or extends a pause after a 429 to a request sent at `sent`.
    /// Returns whether to report it: once per pause, if it is long.
    pub(super) fn ask(&mut self, wait: Duration, sent: Instant, now: Instant) -> bool {
        let until = now + wait;
        let doubted = |gap| (wait > DOUBTED).then_some(now + gap);
        match &mut self.0 {
            Some(stretch) if stretch.until > now => {
                // A probe has the latest word; other requests were sent before the pause began.
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

    /// Ends the pause if a request sent after its start was answered.
    /// Returns whether the pause was reported, and how long it lasted.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) -> Option<(bool, Duration)> {
        let stretch = self.0.take_if(|stretch| sent > stretch.since)?;
        let lasted = now.saturating_duration_since(stretch.since);
        Some((stretch.is_told, lasted))
    }

    /// Returns what the next request has to do. Calling it uses up a due probe.
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
    fn keeps_a_short_pause_to_its_end() {
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
    fn probes_a_long_pause_now_and_then() {
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
    fn an_answer_to_a_later_request_ends_the_pause() {
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
    fn reports_a_pause_once_it_is_long() {
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
    fn the_answer_to_a_probe_decides() {
        let (mut pause, before) = (Pause::default(), Instant::now());
        let now = before + SECOND;
        pause.ask(HOUR, now, now);
        // Sent before the pause.
        assert!(!pause.ask(SECOND, before, now));
        assert_eq!(pause.left(now), Some(HOUR));
        let sent = now + 15 * SECOND;
        assert!(!pause.ask(SECOND, sent, sent));
        assert_eq!(pause.left(sent), Some(SECOND));
    }
}
