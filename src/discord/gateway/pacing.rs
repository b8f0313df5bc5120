//! Decides how long a shard waits before it reconnects or starts a session after failures.
//!
//! Discord resets the token after 1,000 session starts a day, so a failing connection must not
//! start one after another. Pure: time is an argument.
//! Source: <https://discord.com/developers/docs/events/gateway#session-start-limit-object>.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;

/// A connection that lives this long resets the reconnect back-off.
const WORTH_OPENING: Duration = Duration::from_secs(5);

/// A connection that lives this long resets the back-off of session starts.
const HELD: Duration = Duration::from_mins(1);

/// Short connections in a row, each with a session, before reconnecting waits.
const MANY_SHORT: u32 = 10;

/// Longest wait between two attempts to connect.
const LONGEST_RECONNECT: Duration = Duration::from_mins(1);

/// First wait between two session starts, if the first connection didn't last.
const BETWEEN_STARTS: Duration = Duration::from_secs(5);

/// Longest wait between two session starts: 96 a day.
const LONGEST_BETWEEN_STARTS: Duration = Duration::from_mins(15);

/// How many shards may start that often. More of them wait longer, up to four times.
const FEW_SHARDS: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartLimit {
    pub(crate) remaining: u64,
    /// Time until the limit is reset.
    pub(crate) reset_after: Duration,
}

#[derive(Debug)]
pub(super) struct Pacing {
    longest_between_starts: Duration,
    /// Connections in a row without a session.
    failures: u32,
    /// Short connections in a row, with or without a session.
    short: u32,
    /// Session starts in a row whose connection didn't last.
    starts: u32,
    last_start: Option<Instant>,
    /// Earliest time of the next session start.
    not_before: Option<Instant>,
}

impl Pacing {
    /// Of one of this many shards.
    pub(super) fn new(shards: u32) -> Self {
        Self {
            longest_between_starts: LONGEST_BETWEEN_STARTS
                * shards.div_ceil(FEW_SHARDS).clamp(1, 4),
            failures: 0,
            short: 0,
            starts: 0,
            last_start: None,
            not_before: None,
        }
    }

    pub(super) fn started(&mut self, now: Instant) {
        self.starts = self.starts.saturating_add(1);
        self.last_start = Some(now);
    }

    /// Records that Discord dropped the session: it asks to wait 1 to 5 s.
    pub(super) fn invalidated(&mut self, now: Instant) {
        let wait = rand::rng().random_range(1_000..5_000);
        self.not_before = Some(now + Duration::from_millis(wait));
    }

    /// Records the end of a connection, and how long it had a session, if it had one. A long one
    /// resets the back-off.
    pub(super) fn ended(&mut self, lived: Option<Duration>) {
        self.failures = match lived {
            Some(_) => 0,
            None => self.failures.saturating_add(1),
        };
        if lived.is_some_and(|lived| lived >= HELD) {
            self.starts = 0;
        }
        if lived.is_some_and(|lived| lived >= WORTH_OPENING) {
            self.short = 0;
        }
        self.short = self.short.saturating_add(1);
    }

    /// Returns how many connections in a row had no session.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the wait before reconnecting: none at first, then 1 s, 2 s, 4 s, …
    pub(super) fn before_connecting(&self) -> Duration {
        jittered(self.reconnect_wait())
    }

    fn reconnect_wait(&self) -> Duration {
        let times = self.failures.checked_sub(2);
        let Some(times) = times.max(self.short.checked_sub(MANY_SHORT)) else {
            return Duration::ZERO;
        };
        doubled(Duration::from_secs(1), times, LONGEST_RECONNECT)
    }

    /// Returns the wait before starting a session; grows while starts fail.
    pub(super) fn before_starting(&self, now: Instant) -> Duration {
        let asked = self.not_before.map(|at| at.saturating_duration_since(now));
        let asked = asked.unwrap_or_default();
        let Some(last) = self.last_start else {
            return asked;
        };
        let since = now.saturating_duration_since(last);
        let apart = if self.starts < 2 {
            // The queue of starts keeps Discord's pace.
            Duration::ZERO
        } else {
            let longest = self.longest_between_starts;
            jittered(doubled(BETWEEN_STARTS, self.starts - 1, longest))
        };
        apart.saturating_sub(since).max(asked)
    }
}

/// Doubles `first` this many times, up to `most`.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

/// Returns a random wait between three quarters of it and all of it.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.75..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn backs_off_after_failed_session_starts() {
        let begun = Instant::now();
        for (shards, per_day) in [(1, 90..200), (8, 90..200), (16, 45..100), (1_000, 24..60)] {
            let (mut pacing, mut now, mut starts) = (Pacing::new(shards), begun, 0);
            while now < begun + DAY {
                now += pacing.before_starting(now);
                pacing.started(now);
                pacing.ended(None);
                starts += 1;
            }
            assert!(
                per_day.contains(&starts),
                "{shards} shards: {starts} starts a day each"
            );
            pacing.ended(Some(HELD));
            assert!(pacing.before_starting(now) <= BETWEEN_STARTS);
        }
    }

    #[test]
    fn reconnects_at_once_after_a_long_connection() {
        let mut pacing = Pacing::new(1);
        for _ in 0..40 {
            pacing.ended(None);
        }
        let wait = pacing.before_connecting();
        assert!(wait > LONGEST_RECONNECT / 2 && wait <= LONGEST_RECONNECT);
        pacing.ended(Some(HELD));
        assert_eq!(pacing.before_connecting(), Duration::ZERO);
    }

    #[test]
    fn backs_off_after_short_connections() {
        let mut pacing = Pacing::new(1);
        for _ in 0..40 {
            pacing.ended(Some(WORTH_OPENING / 2));
        }
        assert!(pacing.before_connecting() > LONGEST_RECONNECT / 2);
        assert_eq!(pacing.failures(), 0);
    }
}
