//! The system clock, and the stamps of observations.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use propsbot_model::{Millis, Stamp};

/// Gives strictly increasing stamps, whatever the system's clock does, also across runs.
#[derive(Clone, Debug)]
pub struct Clock {
    last: Arc<AtomicI64>,
}

impl Clock {
    /// Creates a clock whose stamps all come after `floor`.
    pub fn after(floor: Stamp) -> Self {
        Self {
            last: Arc::new(AtomicI64::new(floor.0)),
        }
    }

    pub fn stamp(&self) -> Stamp {
        let now = i64::try_from(since_epoch().as_micros()).unwrap_or(i64::MAX - 1);
        let next = |last: i64| now.max(last + 1);
        let last = self
            .last
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)))
            .unwrap_or_else(|last| last);
        Stamp(next(last))
    }

    /// Returns the system's time.
    pub fn now() -> Millis {
        Millis(i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn since_epoch() -> std::time::Duration {
    // Before 1970 the clock is broken; stamps then count up from the last one.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_increase_even_if_the_clock_was_set_back() {
        let future = Stamp(i64::MAX / 2);
        let clock = Clock::after(future);
        let (first, second) = (clock.stamp(), clock.clone().stamp());
        assert!(future < first && first < second);
    }
}
