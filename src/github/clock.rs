//! The system clock, and the stamps of readings.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use propsbot_archive::Millis;
use propsbot_mirror::{Finding, Stamp};

/// The largest difference between our clock and GitHub's that is no fault, in milliseconds.
const TOLERANCE: i64 = 10_000;

/// Gives strictly increasing stamps, whatever the system's clock does, also across runs.
pub(crate) struct Clock(AtomicI64);

impl Clock {
    /// A clock whose stamps all come after `floor`.
    pub(crate) fn after(floor: Stamp) -> Self {
        Self(AtomicI64::new(floor.0))
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let now = since_epoch(1_000_000);
        let next = |last: i64| now.max(last + 1);
        let last = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)))
            .unwrap_or_else(|last| last);
        Stamp(next(last))
    }

    pub(crate) fn now() -> Millis {
        Millis(since_epoch(1_000))
    }
}

/// Whether this machine's clock agrees with GitHub's, which just told this; `None` if it told nothing.
pub(crate) fn check(now: Millis, theirs: Option<Millis>) -> Finding {
    const CLOCK: &str = "clock";
    let Some(theirs) = theirs else {
        return Finding::unknown(CLOCK, "GitHub's answers have no plausible date");
    };
    let ahead = theirs.0.saturating_sub(now.0);
    if ahead.abs() <= TOLERANCE {
        return Finding::ok(CLOCK, "this machine's clock agrees with GitHub's");
    }
    let seconds = ahead.unsigned_abs() / 1000;
    let way = if ahead > 0 { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {seconds} s {way} GitHub's");
    Finding::wrong(CLOCK, text).remedy("set the clock, best by NTP: exports carry its time")
}

/// How many of these parts of a second have passed since 1970. Before that, the clock is broken.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn since_epoch(parts: u32) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.unwrap_or_default().as_micros();
    i64::try_from(micros * u128::from(parts) / 1_000_000).unwrap_or(i64::MAX - 1)
}
