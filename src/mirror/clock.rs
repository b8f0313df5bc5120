//! Timestamps of facts, and the latest ones that were merged.

use propsbot_archive::Millis;
use serde::{Deserialize, Serialize};

use crate::{ReadRows, Record, Table};

/// How long a row counts as recent, in milliseconds: longer than any month, whose rows an export
/// may have to read again by the hour.
const RECENT: i64 = 45 * 86_400_000;

/// When a fact held, in microseconds since the Unix epoch, UTC.
///
/// For events: when we received it, made strictly increasing so that the order of events is kept.
/// For responses: when we *sent* the request, because the response may be older than anything
/// received after that moment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The time, rounded down to the millisecond.
    pub fn millis(self) -> Millis {
        Millis(self.0.div_euclid(1000))
    }
}

impl From<Millis> for Stamp {
    fn from(millis: Millis) -> Self {
        Self(millis.0.saturating_mul(1000))
    }
}

/// The latest stamps that were merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Of all observations. New stamps continue from here even if the system clock was set back.
    pub newest: Stamp,
    /// Of events, if there were any: the provider's events arrived until then.
    heard: Option<Stamp>,
}

impl Clock {
    const KEY: u8 = 20;

    pub(crate) fn new(newest: Stamp, heard: Option<Stamp>) -> Self {
        Self { newest, heard }
    }

    /// The clock of a mirror, or of a view of it.
    pub fn of<R: ReadRows>(rows: &R) -> Result<Self, R::Error> {
        Ok(rows.get(Self::KEY)?.unwrap_or_default())
    }

    /// When the last event arrived; `None` if there was never one.
    pub fn last_event(&self) -> Option<Stamp> {
        self.heard
    }

    /// Until when the provider's events arrived.
    pub fn heard(&self) -> Stamp {
        self.heard.unwrap_or(self.newest)
    }

    /// From which row time on rows are recent: the index of recent rows is complete from there.
    ///
    /// Never goes back.
    pub fn recent_from(&self) -> Millis {
        Millis(self.newest.millis().0.saturating_sub(RECENT))
    }

    pub(crate) fn advance(&mut self, at: Stamp, is_event: bool) {
        self.newest = self.newest.max(at);
        if is_event {
            self.heard = self.heard.max(Some(at));
        }
    }
}

impl Record for Clock {
    type Key = u8;

    const TABLE: Table = Table::OWN;

    fn key(&self) -> u8 {
        Self::KEY
    }
}
