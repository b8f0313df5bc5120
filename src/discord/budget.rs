//! How much may be asked of Discord in all: 45 requests a second, and few that are refused.
//!
//! Knows no addresses and sends nothing. Buckets of single routes are `twilight-http-ratelimiting`'s.

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::MonotonicClock, middleware::NoOpMiddleware, state};

/// Requests a second, of the 50 that Discord allows a bot over all routes: the rest is for answers
/// to members and for what serenity sends. Source:
/// <https://discord.com/developers/docs/topics/rate-limits#global-rate-limit>.
pub const PER_SECOND: NonZeroU32 = NonZeroU32::new(45).expect("45 is not 0");

/// Requests at once. With governor's default, 90 would pass in the first second.
const BURST: NonZeroU32 = NonZeroU32::new(5).expect("5 is not 0");

/// Refused requests in [`REFUSAL_WINDOW`] after which we stop asking, short of the 10,000 that get
/// an address banned. Source:
/// <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>.
const REFUSALS: usize = 9_000;

/// The time in which refused requests are counted.
const REFUSAL_WINDOW: Duration = Duration::from_mins(10);

type Limiter =
    RateLimiter<state::NotKeyed, state::InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

/// The budget of all routes together.
///
/// At Discord's own origin it is always in force. Another origin that answers without naming
/// limits either has none or is a proxy that keeps them for us: from its first such answer the
/// budget is lifted, until it does name one.
pub(super) struct Budget {
    limiter: Limiter,
    /// Limits are known to exist.
    limited: AtomicBool,
    lifted: AtomicBool,
    /// Nothing is sent before this time: the answer to a global 429.
    pause: Mutex<Option<Instant>>,
    refusals: Mutex<VecDeque<Instant>>,
}

impl Budget {
    /// `official`: the origin is Discord's own.
    pub(super) fn new(official: bool) -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Self {
            // Not governor's default clock: calibrating that one costs up to 0.2 s at the start.
            limiter: RateLimiter::direct_with_clock(quota, MonotonicClock),
            limited: AtomicBool::new(official),
            lifted: AtomicBool::new(false),
            pause: Mutex::new(None),
            refusals: Mutex::new(VecDeque::new()),
        }
    }

    /// Whether the server limits nothing that we would have to keep.
    pub(super) fn is_lifted(&self) -> bool {
        self.lifted.load(Ordering::Relaxed)
    }

    /// Waits until one more request may be sent.
    pub(super) async fn wait(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until.into()).await;
        }
        if !self.is_lifted() {
            self.limiter.until_ready().await;
        }
    }

    /// Takes note of an answer: whether it named a limit or was a 429.
    pub(super) fn note(&self, limits: bool) {
        if limits {
            self.limited.store(true, Ordering::Relaxed);
            self.lifted.store(false, Ordering::Relaxed);
        } else if !self.limited.load(Ordering::Relaxed) {
            self.lifted.store(true, Ordering::Relaxed);
        }
    }

    /// Holds all requests back for a while.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = Some(pause.map_or(until, |earlier| earlier.max(until)));
    }

    fn paused_until(&self) -> Option<Instant> {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        if pause.is_some_and(|until| until <= Instant::now()) {
            *pause = None;
        }
        *pause
    }

    /// Counts an answer of 401, 403, or a 429 that was our fault.
    pub(super) fn refused(&self) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.push_back(Instant::now());
    }

    /// How long to ask nothing, where too much was refused of late.
    pub(super) fn must_stop(&self) -> Option<Duration> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some(first) = refusals.front() {
            let age = now.duration_since(*first);
            if age < REFUSAL_WINDOW {
                return (refusals.len() >= REFUSALS).then(|| REFUSAL_WINDOW.saturating_sub(age));
            }
            refusals.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discord_itself_is_always_limited() {
        let budget = Budget::new(true);
        budget.note(false);
        assert!(!budget.is_lifted());
    }

    #[test]
    fn another_origin_is_limited_until_it_answers_without_limits_and_from_when_it_names_one() {
        let budget = Budget::new(false);
        assert!(!budget.is_lifted());
        budget.note(false);
        assert!(budget.is_lifted());
        budget.note(true);
        assert!(!budget.is_lifted());
        budget.note(false);
        assert!(!budget.is_lifted(), "it was seen to limit");
    }

    #[test]
    fn stops_before_the_address_is_banned() {
        let budget = Budget::new(true);
        for _ in 1..REFUSALS {
            budget.refused();
        }
        assert_eq!(budget.must_stop(), None);
        budget.refused();
        assert!(
            budget
                .must_stop()
                .is_some_and(|wait| wait <= REFUSAL_WINDOW)
        );
    }

    #[tokio::test]
    async fn lets_no_more_than_50_through_in_the_first_second() {
        let budget = Budget::new(true);
        let start = Instant::now();
        for _ in 0..14 {
            budget.wait().await;
        }
        // 5 at once, then one every 22 ms.
        assert!(start.elapsed() >= Duration::from_millis(190));
    }
}
