//! When GitHub accepts the next request: its rates of writes, the budgets that it tells, and waits
//! between attempts.

use std::{
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{HeaderMap, header::RETRY_AFTER};
use tokio::time::Instant;

use super::{
    GithubError,
    error::PATIENCE,
    refusal::{self, used_up},
};

/// Rates and bursts of writes. GitHub allows 80 a minute and 500 an hour for everything that uses
/// the token; these reach at most 70 in any minute and 450 in any hour.
const BY_MINUTE: (u32, u32) = (50, 20);
const BY_HOUR: (u32, u32) = (400, 50);

/// What may be asked of GitHub now.
pub(super) struct Budget {
    by_minute: DefaultDirectRateLimiter,
    by_hour: DefaultDirectRateLimiter,
    /// When GitHub accepts the next request over REST and GraphQL, which have separate budgets.
    not_before: Mutex<[Option<Instant>; 2]>,
}

/// Waits between attempts at the same request.
pub(super) struct Tries {
    waits: ExponentialBackoff,
    limited: u32,
}

impl Tries {
    pub(super) fn new() -> Self {
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(6)
            .with_jitter();
        Self {
            waits: waits.build(),
            limited: 0,
        }
    }

    /// Waits before another attempt, or returns the error if another can't help.
    pub(super) async fn again(&mut self, error: GithubError) -> Result<(), GithubError> {
        let Some((least, next)) = error.retry(self.limited).zip(self.waits.next()) else {
            return Err(error);
        };
        if matches!(error, GithubError::Limited(_)) {
            self.limited += 1;
        }
        let wait = next.max(least);
        tracing::debug!(%error, ?wait, "asking GitHub again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

fn quota((rate, burst): (u32, u32), per: fn(NonZeroU32) -> Quota) -> Quota {
    let some = |rate| NonZeroU32::new(rate).expect("the rates are not zero");
    per(some(rate)).allow_burst(some(burst))
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            by_minute: RateLimiter::direct(quota(BY_MINUTE, Quota::per_minute)),
            by_hour: RateLimiter::direct(quota(BY_HOUR, Quota::per_hour)),
            not_before: Mutex::default(),
        }
    }

    /// Waits until content may be created. Fetch the state to act on afterwards, since this may
    /// take long.
    pub(super) async fn turn(&self) -> Result<(), GithubError> {
        self.by_hour.until_ready().await;
        self.by_minute.until_ready().await;
        for is_graphql in [false, true] {
            self.wait(is_graphql).await?;
        }
        Ok(())
    }

    /// Waits until GitHub accepts requests again; fails if that takes too long.
    pub(super) async fn wait(&self, is_graphql: bool) -> Result<(), GithubError> {
        let until = self.not_before()[usize::from(is_graphql)];
        let Some(until) = until else {
            return Ok(());
        };
        let wait = until.saturating_duration_since(Instant::now());
        if wait > PATIENCE {
            return Err(GithubError::Limited(Some(wait)));
        }
        tokio::time::sleep_until(until).await;
        Ok(())
    }

    /// Remembers when GitHub accepts the next request.
    pub(super) fn mind(&self, is_graphql: bool, headers: &HeaderMap) {
        let is_told = headers.contains_key(RETRY_AFTER);
        if !is_told && !used_up(headers) {
            return;
        }
        let until = refusal::wait(headers).and_then(|wait| Instant::now().checked_add(wait));
        let mut not_before = self.not_before();
        for budget in [false, true] {
            // `Retry-After` applies to all requests, a used-up budget only to its own API.
            if is_told || budget == is_graphql {
                let known = &mut not_before[usize::from(budget)];
                *known = (*known).max(until);
            }
        }
    }

    fn not_before(&self) -> MutexGuard<'_, [Option<Instant>; 2]> {
        let known = self.not_before.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    /// Writing as much as the limiters allow, at every second of three hours, stays below GitHub's
    /// limits in any minute and any hour.
    #[test]
    fn no_minute_and_no_hour_has_more_writes_than_are_allowed() {
        let clock = FakeRelativeClock::default();
        let by_minute =
            RateLimiter::direct_with_clock(quota(BY_MINUTE, Quota::per_minute), clock.clone());
        let by_hour =
            RateLimiter::direct_with_clock(quota(BY_HOUR, Quota::per_hour), clock.clone());
        let mut taken = Vec::new();
        let mut at_hour = false;
        for second in 0..3 * 3600_u64 {
            // In the order of `turn`: the hour's limit, then the minute's.
            loop {
                at_hour = at_hour || by_hour.check().is_ok();
                if !at_hour || by_minute.check().is_err() {
                    break;
                }
                at_hour = false;
                taken.push(second);
            }
            clock.advance(Duration::from_secs(1));
        }
        let most = |window: u64| {
            let until = |from: &u64| taken.partition_point(|taken| *taken < from + window);
            let each = taken.iter().enumerate();
            each.map(|(n, from)| until(from) - n).max().unwrap_or(0)
        };
        assert!((50..=70).contains(&most(60)), "{} in a minute", most(60));
        assert!(
            (400..=450).contains(&most(3600)),
            "{} in an hour",
            most(3600)
        );
    }
}
