//! Snowflakes and their clock.
//!
//! From Discord's "API Reference / Snowflakes": the upper 42 bits of an id are milliseconds since 2015-01-01.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Discord's epoch, in milliseconds since 1970.
pub const EPOCH_MS: i64 = 1_420_070_400_000;

/// Creation time of an id, in milliseconds since 1970.
pub fn time_of(id: u64) -> i64 {
    i64::try_from(id >> 22).expect("42 bits fit") + EPOCH_MS
}

/// The smallest id of a moment.
pub fn at(ms: i64) -> u64 {
    u64::try_from(ms - EPOCH_MS).unwrap_or(0) << 22
}

/// A time in Discord's format: `2026-11-23T20:52:41.123000+00:00`.
pub fn iso(ms: i64) -> String {
    let mut text = format!(
        "{:.6}",
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
    );
    text.pop();
    text.push_str("+00:00");
    text
}

/// This machine's clock, in milliseconds since 1970.
pub fn wall_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).expect("the year is below 292 million")
}

/// Generates times and ids. With a fixed end of history, time is logical (a millisecond per action), so ids are
/// reproducible; otherwise it is the wall clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    logical: Option<i64>,
    last_id: u64,
    count: u64,
    /// Whether ids stay within the last one's millisecond.
    held: bool,
}

impl Clock {
    pub(crate) fn new(until: Option<i64>) -> Self {
        Self {
            logical: until,
            last_id: 0,
            count: 0,
            held: false,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.logical.unwrap_or_else(wall_clock)
    }

    /// Advances logical time; does nothing for the wall clock.
    pub(crate) fn tick(&mut self, ms: i64) {
        if let Some(logical) = &mut self.logical {
            *logical += ms;
        }
    }

    /// An id for now, larger than all previous ones.
    pub(crate) fn next_id(&mut self) -> u64 {
        if self.held {
            self.last_id += 1;
            return self.last_id;
        }
        self.tick(1);
        self.last_id = (at(self.now()) | (self.count & 0xFFF)).max(self.last_id + 1);
        self.count += 1;
        self.last_id
    }

    /// Whether ids stay within the last one's millisecond from now on.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// An id from the past, for the seeded history. Unique for fewer than four million per millisecond.
    pub(crate) fn past_id(&mut self, ms: i64) -> u64 {
        self.count += 1;
        at(ms) | (self.count & 0x3F_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_contain_their_time_and_grow() {
        let mut clock = Clock::new(Some(1_767_225_600_000));
        let (a, b) = (clock.next_id(), clock.next_id());
        assert!(a < b);
        assert_eq!(time_of(a), 1_767_225_600_001);
        assert_eq!(iso(1_767_225_600_001), "2026-01-01T00:00:00.001000+00:00");
        assert_eq!(a.to_string().len(), 19);
    }
}
