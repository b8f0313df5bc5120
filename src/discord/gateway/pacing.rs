//! When to connect again, and when a session may be started.
//!
//! Discord counts session starts: 1,000 a day, then it resets the token. So what makes a connection
//! fail must not make us start one session after another. Pure: time is an argument.
//! Source: <https://discord.com/developers/docs/events/gateway#session-start-limit-object>.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;

/// How long a connection lives that was worth being opened.
const WORTH_OPENING: Duration = Duration::from_secs(5);

/// How long a connection lives that was worth the start of its session.
const HELD: Duration = Duration::from_mins(1);

/// Connections in a row that end soon, each with a session, until the next is waited for.
const MANY_SHORT: u32 = 10;

/// The longest wait between two attempts to connect.
const LONGEST_RECONNECT: Duration = Duration::from_mins(1);

/// The shortest wait between two session starts; Discord refuses more.
const BETWEEN_STARTS: Duration = Duration::from_secs(5);

/// The longest wait between two session starts: 96 of them a day.
const LONGEST_BETWEEN_STARTS: Duration = Duration::from_mins(15);

/// The longest that Discord's word for when the limit is reset is trusted without asking again.
const LONGEST_RESET: Duration = Duration::from_hours(1);

/// How many more sessions may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartLimit {
    /// How many are left.
    pub(crate) remaining: u64,
    /// After what time all are there again.
    pub(crate) reset_after: Duration,
}

/// What was tried so far.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// Connections in a row that had no session.
    failures: u32,
    /// Connections in a row that ended soon, with a session or without.
    short: u32,
    /// Session starts in a row whose connection did not hold.
    starts: u32,
    last_start: Option<Instant>,
    /// Before this time no session may be started.
    not_before: Option<Instant>,
    limit: Option<(StartLimit, Instant)>,
}

impl Pacing {
    /// Discord told the limit, or did not.
    pub(super) fn learn(&mut self, limit: Option<StartLimit>, now: Instant) {
        self.limit = limit.map(|limit| (limit, now));
    }

    /// A session is being started.
    pub(super) fn started(&mut self, now: Instant) {
        self.starts = self.starts.saturating_add(1);
        self.last_start = Some(now);
        if let Some((limit, _)) = &mut self.limit {
            limit.remaining = limit.remaining.saturating_sub(1);
        }
    }

    /// Discord no longer knows the session, and wants us to wait for 1 to 5 s.
    pub(super) fn invalidated(&mut self, now: Instant) {
        let wait = rand::rng().random_range(1_000..5_000);
        self.not_before = Some(now + Duration::from_millis(wait));
    }

    /// A connection ended that had a session for so long, if it had one at all. What failed before is
    /// forgotten if that was long.
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

    /// Connections in a row that had no session.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait before connecting again: not at all, then 1 s, 2 s, 4 s, …
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

    /// How long to wait before starting a session, so that those that fail come later and later.
    pub(super) fn before_starting(&self, now: Instant) -> Duration {
        let asked = self.not_before.map(|at| at.saturating_duration_since(now));
        let asked = asked.unwrap_or_default();
        let Some(last) = self.last_start else {
            return asked;
        };
        let since = now.saturating_duration_since(last);
        let apart = if self.starts < 2 {
            BETWEEN_STARTS
        } else {
            jittered(doubled(
                BETWEEN_STARTS,
                self.starts - 1,
                LONGEST_BETWEEN_STARTS,
            ))
        };
        apart.saturating_sub(since).max(asked)
    }

    /// How long no session may be started since Discord's limit is used up. At the end of it Discord is
    /// to be asked again.
    pub(super) fn used_up(&self, now: Instant) -> Option<Duration> {
        let (limit, asked) = self.limit?;
        let left = limit
            .reset_after
            .saturating_sub(now.saturating_duration_since(asked));
        (limit.remaining == 0 && !left.is_zero()).then(|| {
            // Not at the same instant as everybody else.
            let jitter = rand::rng().random_range(0..1_000);
            left.min(LONGEST_RESET) + Duration::from_millis(jitter)
        })
    }
}

/// `first`, doubled so many times, and no more than `most`.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

/// Between three quarters of it and all of it.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.75..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn starts_that_fail_come_later_and_later() {
        let begun = Instant::now();
        let (mut pacing, mut now, mut starts) = (Pacing::default(), begun, 0);
        while now < begun + DAY {
            now += pacing.before_starting(now);
            pacing.started(now);
            pacing.ended(None);
            starts += 1;
        }
        assert!((90..200).contains(&starts), "{starts} starts a day");
        pacing.ended(Some(HELD));
        assert!(pacing.before_starting(now) <= BETWEEN_STARTS);
    }

    #[test]
    fn a_connection_that_held_is_opened_again_at_once() {
        let mut pacing = Pacing::default();
        for _ in 0..40 {
            pacing.ended(None);
        }
        let wait = pacing.before_connecting();
        assert!(wait > LONGEST_RECONNECT / 2 && wait <= LONGEST_RECONNECT);
        pacing.ended(Some(HELD));
        assert_eq!(pacing.before_connecting(), Duration::ZERO);
    }

    #[test]
    fn connections_that_end_soon_come_later_and_later_and_keep_their_session() {
        let mut pacing = Pacing::default();
        for _ in 0..40 {
            pacing.ended(Some(WORTH_OPENING / 2));
        }
        assert!(pacing.before_connecting() > LONGEST_RECONNECT / 2);
        assert_eq!(pacing.failures(), 0);
    }

    #[test]
    fn nothing_is_started_beyond_discords_limit() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        let limit = |remaining, reset_after| {
            Some(StartLimit {
                remaining,
                reset_after,
            })
        };
        pacing.learn(limit(1, DAY), now);
        assert_eq!(pacing.used_up(now), None);
        pacing.started(now);
        let wait = pacing.used_up(now).unwrap();
        assert!(wait >= LONGEST_RESET && wait < LONGEST_RESET + Duration::from_secs(1));
        assert_eq!(pacing.used_up(now + DAY), None);
        pacing.learn(limit(0, Duration::MAX), now);
        assert!(pacing.used_up(now).is_some());
        pacing.learn(None, now);
        assert_eq!(pacing.used_up(now), None);
    }
}
