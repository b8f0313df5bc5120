//! Rate limits, as on Discord's "Rate Limits" page: buckets per route and top-level resource, and a global one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::snowflake::wall_clock;

/// A number of requests per period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub requests: u32,
    pub per: Duration,
}

impl Rate {
    pub const fn new(requests: u32, per: Duration) -> Self {
        Self { requests, per }
    }
}

/// Routes that share a budget. Each channel, guild or webhook has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    Messages,
    /// Everything about a channel's reactions.
    Reactions,
    /// Posting and editing.
    Posting,
    /// Deleting.
    Deleting,
    /// Members of a guild.
    Members,
    Threads,
    Commands,
    /// Responses to one interaction.
    Webhook,
    /// Any other route, each by itself.
    Other,
}

/// The limits of a simulated Discord. None by default, so that tests are fast.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Over all routes except interaction callbacks and webhooks.
    pub global: Option<Rate>,
    /// Listing or getting messages, per channel.
    pub messages: Option<Rate>,
    /// Reactions, per channel.
    pub reactions: Option<Rate>,
    /// Posting and editing, per channel.
    pub posting: Option<Rate>,
    /// Members, per guild.
    pub members: Option<Rate>,
    /// Threads, per channel or guild.
    pub threads: Option<Rate>,
    /// Responses, per interaction.
    pub webhooks: Option<Rate>,
    /// Any other route, per resource.
    pub other: Option<Rate>,
}

impl Limits {
    /// No limits, and no rate limit headers.
    pub fn none() -> Self {
        Self::default()
    }

    /// Limits like Discord's. It documents only the global one; the others are observed.
    pub fn discord() -> Self {
        let seconds = Duration::from_secs;
        Self {
            global: Some(Rate::new(50, seconds(1))),
            messages: Some(Rate::new(5, seconds(5))),
            reactions: Some(Rate::new(1, Duration::from_millis(250))),
            posting: Some(Rate::new(5, seconds(5))),
            members: Some(Rate::new(10, seconds(10))),
            threads: Some(Rate::new(5, seconds(5))),
            webhooks: Some(Rate::new(5, seconds(2))),
            other: Some(Rate::new(10, seconds(10))),
        }
    }

    /// The limit of one bucket.
    pub fn of(&self, bucket: Bucket) -> Option<Rate> {
        match bucket {
            Bucket::Messages => self.messages,
            Bucket::Reactions => self.reactions,
            Bucket::Posting | Bucket::Deleting => self.posting,
            Bucket::Members => self.members,
            Bucket::Threads => self.threads,
            Bucket::Webhook => self.webhooks,
            Bucket::Commands | Bucket::Other => self.other,
        }
    }
}

/// A time window, and its number of requests.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Instant,
    used: u32,
}

impl Window {
    /// Counts a request. Returns how long to wait if the window is full.
    fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        if now.duration_since(self.from) >= rate.per {
            *self = Self { from: now, used: 0 };
        }
        if self.used >= rate.requests {
            return Err(rate.per.saturating_sub(now.duration_since(self.from)));
        }
        self.used += 1;
        Ok(())
    }
}

/// A 429: how long to wait, and whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limited {
    pub(crate) retry_after: f64,
    pub(crate) global: bool,
    pub(crate) shared: bool,
}

/// What a request counts against.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) bucket: Bucket,
    /// Distinguishes routes of [`Bucket::Other`].
    pub(crate) route: &'static str,
    /// The channel, guild or webhook.
    pub(crate) resource: String,
    pub(crate) exempt: bool,
}

impl Key {
    fn name(&self) -> String {
        let own = if self.bucket == Bucket::Other {
            self.route
        } else {
            ""
        };
        let text = format!("{:?}{own}", self.bucket);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}{:016x}", hash.rotate_left(29))
    }
}

/// Header names and values to send.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// Counts requests against the limits.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) limits: Limits,
    global: Window,
    buckets: HashMap<String, Window>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            global: Window {
                from: Instant::now(),
                used: 0,
            },
            buckets: HashMap::new(),
        }
    }

    /// Counts a request. Returns the response's headers, and the refusal if a limit is exceeded.
    pub(crate) fn take(&mut self, key: &Key) -> (Headers, Option<Limited>) {
        let now = Instant::now();
        if let Some(rate) = self.limits.global
            && !key.exempt
            && let Err(wait) = self.global.take(rate, now)
        {
            return (
                Vec::new(),
                Some(Limited {
                    retry_after: wait.as_secs_f64(),
                    global: true,
                    shared: false,
                }),
            );
        }
        let Some(rate) = self.limits.of(key.bucket) else {
            return (Vec::new(), None);
        };
        let name = key.name();
        if self.buckets.len() > 100_000 {
            self.buckets.clear();
        }
        let window = self
            .buckets
            .entry(format!("{name}:{}", key.resource))
            .or_insert(Window { from: now, used: 0 });
        let taken = window.take(rate, now);
        let left = rate
            .per
            .saturating_sub(now.duration_since(window.from))
            .as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a time of day needs no 53 bits")]
        let reset = wall_clock() as f64 / 1000.0 + left;
        let headers = vec![
            ("x-ratelimit-limit", rate.requests.to_string()),
            (
                "x-ratelimit-remaining",
                (rate.requests - window.used).to_string(),
            ),
            ("x-ratelimit-reset", format!("{reset:.3}")),
            ("x-ratelimit-reset-after", format!("{left:.3}")),
            ("x-ratelimit-bucket", name),
        ];
        let limited = taken.err().map(|wait| Limited {
            retry_after: wait.as_secs_f64(),
            global: false,
            shared: false,
        });
        (headers, limited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(resource: &str) -> Key {
        Key {
            bucket: Bucket::Messages,
            route: "",
            resource: resource.to_owned(),
            exempt: false,
        }
    }

    #[test]
    fn channels_have_own_buckets_and_share_the_global_one() {
        let mut limiter = Limiter::new(Limits::discord());
        for left in (0..5).rev() {
            let (headers, refused) = limiter.take(&key("1"));
            assert_eq!(refused, None);
            assert_eq!(headers[1].1, left.to_string());
        }
        let (_, refused) = limiter.take(&key("1"));
        assert!(refused.is_some_and(|l| !l.global && l.retry_after > 4.0));
        let refused = (0..60)
            .find_map(|n| limiter.take(&key(&format!("c{n}"))).1)
            .expect("60 are too many");
        assert!(refused.global);
    }
}
