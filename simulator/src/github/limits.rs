//! Rate limits, as on GitHub's pages "Rate limits for the REST API" and "Rate limits and query limits for the GraphQL
//! API": two primary budgets per hour, and secondary limits on created content, points per minute and concurrency.
//! Also size limits.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::faults::Kind;

/// A number of requests or points per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub requests: u32,
    pub per: Duration,
}

impl Rate {
    pub const fn new(requests: u32, per: Duration) -> Self {
        Self { requests, per }
    }
}

/// Limits of a simulated GitHub: rates as documented or smaller, and sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// REST requests of the token: 5,000 an hour. None: no limit and no headers, as on a GitHub Enterprise Server
    /// without limits.
    pub core: Option<Rate>,
    /// GraphQL points of the token: 5,000 an hour.
    pub graphql: Option<Rate>,
    /// REST requests without a token: 60 an hour.
    pub anonymous: Option<Rate>,
    /// Content-creating requests, REST and GraphQL: 80 a minute.
    pub content_by_minute: Option<Rate>,
    /// Content-creating requests, REST and GraphQL: 500 an hour.
    pub content_by_hour: Option<Rate>,
    /// Points of REST requests (1 for reading, 5 for writing): 900 a minute.
    pub rest_points: Option<Rate>,
    /// Points of GraphQL requests (1 for queries, 5 for mutations): 2,000 a minute.
    pub graphql_points: Option<Rate>,
    /// Concurrent requests: 100.
    pub concurrent: Option<usize>,
    /// The status of a secondary limit: GitHub sends 403 or 429.
    pub secondary_status: u16,
    /// Whether a secondary limit sends `retry-after`.
    pub says_retry_after: bool,
    /// The largest request body in bytes. Undocumented: about 45 MB passed, and commits start to fail at 30 MB.
    pub body: usize,
    /// The largest file in bytes: 100 MB.
    pub file: usize,
    /// The largest blob that can be posted: about 40 MiB.
    pub posted_blob: usize,
    /// Entries of one posted tree. Undocumented; GitHub times out (502) somewhere beyond 150 to 250.
    pub posted_tree: usize,
}

impl Limits {
    /// As documented or observed.
    pub const fn github() -> Self {
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        Self {
            core: Some(Rate::new(5000, HOUR)),
            graphql: Some(Rate::new(5000, HOUR)),
            anonymous: Some(Rate::new(60, HOUR)),
            content_by_minute: Some(Rate::new(80, MINUTE)),
            content_by_hour: Some(Rate::new(500, HOUR)),
            rest_points: Some(Rate::new(900, MINUTE)),
            graphql_points: Some(Rate::new(2000, MINUTE)),
            concurrent: Some(100),
            secondary_status: 403,
            says_retry_after: true,
            body: 30_000_000,
            file: 100 * 1024 * 1024,
            posted_blob: 40 * 1024 * 1024,
            posted_tree: 250,
        }
    }

    /// No rate limits and no headers for them; sizes still apply.
    pub const fn none() -> Self {
        Self {
            core: None,
            graphql: None,
            anonymous: None,
            content_by_minute: None,
            content_by_hour: None,
            rest_points: None,
            graphql_points: None,
            concurrent: None,
            ..Self::github()
        }
    }
}

/// A time window, and how much of its rate is used.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    from: Option<Instant>,
    used: u32,
}

impl Window {
    /// Whether this much more fits; if not, how long to wait.
    fn room(&mut self, rate: Option<Rate>, cost: u32, now: Instant) -> Result<(), Duration> {
        let Some(rate) = rate else { return Ok(()) };
        let from = *self.from.get_or_insert(now);
        let age = now.duration_since(from);
        if age >= rate.per {
            *self = Self {
                from: Some(now),
                used: 0,
            };
        } else if self.used + cost > rate.requests {
            return Err(rate.per.saturating_sub(age));
        }
        Ok(())
    }

    fn left(&self, rate: Rate, now: Instant) -> Duration {
        let age = self
            .from
            .map_or(Duration::ZERO, |own| now.duration_since(own));
        rate.per.saturating_sub(age)
    }
}

/// The primary budget of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    Core,
    Graphql,
    Anonymous,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limited {
    Primary,
    /// How long to wait, and which limit was exceeded.
    Secondary(Duration, &'static str),
}

/// Header names and values to send.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// Counts requests against the limits.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) limits: Limits,
    primary: [Window; 3],
    content_by_minute: Window,
    content_by_hour: Window,
    rest_points: Window,
    graphql_points: Window,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            primary: [Window::default(); 3],
            content_by_minute: Window::default(),
            content_by_hour: Window::default(),
            rest_points: Window::default(),
            graphql_points: Window::default(),
        }
    }

    fn rate(&self, budget: Budget) -> Option<Rate> {
        match budget {
            Budget::Core => self.limits.core,
            Budget::Graphql => self.limits.graphql,
            Budget::Anonymous => self.limits.anonymous,
        }
    }

    /// Counts a request that costs these points of its budget, if it fits. Refused requests don't count.
    pub(crate) fn take(
        &mut self,
        kind: Kind,
        (budget, points): (Budget, u32),
        at_once: usize,
    ) -> Result<(), Limited> {
        let now = Instant::now();
        let rate = self.rate(budget);
        let primary = &mut self.primary[budget as usize];
        if primary.room(rate, points, now).is_err() {
            return Err(Limited::Primary);
        }
        if self.limits.concurrent.is_some_and(|most| at_once > most) {
            return Err(Limited::Secondary(
                Duration::from_mins(1),
                "requests at once",
            ));
        }
        let cost = if kind.writes() { 5 } else { 1 };
        let (per_minute, rate) = if kind.graphql() {
            (&mut self.graphql_points, self.limits.graphql_points)
        } else {
            (&mut self.rest_points, self.limits.rest_points)
        };
        let over = |what| move |wait| Limited::Secondary(wait, what);
        per_minute
            .room(rate, cost, now)
            .map_err(over("points in a minute"))?;
        if kind.writes() {
            let (minute, hour) = (self.limits.content_by_minute, self.limits.content_by_hour);
            self.content_by_minute
                .room(minute, 1, now)
                .map_err(over("content created in a minute"))?;
            self.content_by_hour
                .room(hour, 1, now)
                .map_err(over("content created in an hour"))?;
            self.content_by_minute.used += 1;
            self.content_by_hour.used += 1;
        }
        per_minute.used += cost;
        primary.used += points;
        Ok(())
    }

    /// Gives back what an unchanged answer cost: it is free.
    pub(crate) fn refund(&mut self, budget: Budget) {
        let primary = &mut self.primary[budget as usize];
        primary.used = primary.used.saturating_sub(1);
    }

    /// A budget's limit, remaining and used requests, and its reset in seconds since 1970.
    fn figures(&self, budget: Budget) -> Option<[i64; 4]> {
        let rate = self.rate(budget)?;
        let window = self.primary[budget as usize];
        let left = window.left(rate, Instant::now());
        // Rounded up, so that there is room at that time.
        let reset = Timestamp::now().as_millisecond() + i64::try_from(left.as_millis()).ok()?;
        let (limit, used) = (i64::from(rate.requests), i64::from(window.used));
        Some([limit, limit - used, reset.div_euclid(1000) + 1, used])
    }

    /// The headers of every response.
    pub(crate) fn headers(&self, budget: Budget) -> Headers {
        let Some([limit, remaining, reset, used]) = self.figures(budget) else {
            return Vec::new();
        };
        let resource = if budget == Budget::Graphql {
            "graphql"
        } else {
            "core"
        };
        vec![
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
            ("x-ratelimit-used", used.to_string()),
            ("x-ratelimit-resource", resource.to_owned()),
        ]
    }

    /// A budget in the format of `/rate_limit`.
    pub(crate) fn shown(&self, budget: Budget) -> Value {
        let [limit, remaining, reset, used] = self.figures(budget).unwrap_or_default();
        json!({"limit": limit, "remaining": remaining, "reset": reset, "used": used})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_content_separately_and_ignores_refusals() {
        let mut limiter = Limiter::new(Limits::github());
        let mut take = |kind| limiter.take(kind, (Budget::Graphql, 1), 1);
        for _ in 0..80 {
            assert_eq!(take(Kind::CommitOnBranch), Ok(()));
        }
        let refused = take(Kind::CommitOnBranch);
        assert!(matches!(refused, Err(Limited::Secondary(wait, _)) if wait.as_secs() >= 58));
        assert_eq!(take(Kind::Query), Ok(()));
        let headers = limiter.headers(Budget::Graphql);
        assert_eq!(headers[1], ("x-ratelimit-remaining", "4919".to_owned()));
    }

    #[test]
    fn windows_reset() {
        let (rate, start) = (Rate::new(5, Duration::from_mins(1)), Instant::now());
        let mut window = Window::default();
        assert_eq!(window.room(Some(rate), 5, start), Ok(()));
        window.used = 5;
        let later = start + Duration::from_secs(20);
        assert_eq!(
            window.room(Some(rate), 1, later),
            Err(Duration::from_secs(40))
        );
        assert_eq!(
            window.room(Some(rate), 1, start + Duration::from_mins(1)),
            Ok(())
        );
    }
}
