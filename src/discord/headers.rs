//! Reads Discord's response headers: limits, waits, and the time.
//!
//! All their numbers are clamped here.

use std::time::{Duration, Instant};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use twilight_http_ratelimiting::RateLimitHeaders;

use propsbot_network::told_wait_text;

/// Longest window of a rate limit bucket that is believed. The routes used here have windows of
/// seconds; the longest known one, for renaming channels, is ten minutes.
const LONGEST_WINDOW: Duration = Duration::from_mins(5);

/// Longest 429 wait that is believed: Cloudflare bans an address for about an hour.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Largest clock difference that is believed, in milliseconds. TLS would fail with a larger one, so
/// the header must be wrong.
const MOST_AHEAD: i64 = 86_400_000;

/// Returns how many milliseconds the server's clock is ahead of ours (to the second).
#[expect(
    clippy::disallowed_methods,
    reason = "the answer just came: its date is held against now"
)]
pub(super) fn ahead(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let ahead = theirs.as_millisecond() - jiff::Timestamp::now().as_millisecond();
    Some(ahead).filter(|ahead| ahead.abs() <= MOST_AHEAD)
}

/// Returns how long a 429's header asks us to wait.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    seconds(headers, RETRY_AFTER.as_str(), LONGEST_WAIT)
}

/// Returns the state of the route's bucket, if the headers name one. Source:
/// <https://discord.com/developers/docs/topics/rate-limits#header-format-rate-limit-header-examples>.
pub(super) fn limits(headers: &HeaderMap) -> Option<RateLimitHeaders> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u16>().ok();
    let wait = seconds(headers, RateLimitHeaders::RESET_AFTER, LONGEST_WINDOW)?;
    Some(RateLimitHeaders {
        bucket: headers.get(RateLimitHeaders::BUCKET)?.as_bytes().to_vec(),
        limit: number(RateLimitHeaders::LIMIT)?,
        remaining: number(RateLimitHeaders::REMAINING)?,
        reset_at: Instant::now() + wait,
    })
}

/// Parses a header in seconds, with or without a fraction.
fn seconds(headers: &HeaderMap, name: &str, most: Duration) -> Option<Duration> {
    told_wait_text(headers.get(name)?.to_str().ok()?, most)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn clamps_windows_to_minutes() {
        for told in ["1e9", "1e19", "inf", "400"] {
            let limits = limits(&headers(&[
                ("x-ratelimit-bucket", "abc"),
                ("x-ratelimit-limit", "5"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset-after", told),
            ]));
            let left = limits.unwrap().reset_at.duration_since(Instant::now());
            assert!(left <= LONGEST_WINDOW, "{told}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "headers are held against now")]
    fn ignores_implausible_dates() {
        for (date, known) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", false),
            ("Fri, 31 Dec 9999 23:59:59 GMT", false),
            ("tomorrow", false),
        ] {
            assert_eq!(ahead(&headers(&[("date", date)])).is_some(), known);
        }
        let now = jiff::Timestamp::now()
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        let now = HeaderMap::from_iter([(DATE, HeaderValue::from_str(&now).unwrap())]);
        assert!(ahead(&now).is_some_and(|ahead| ahead.abs() < 60_000));
    }
}
