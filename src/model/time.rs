//! Two kinds of time: what Discord says (milliseconds) and when we learnt it (a stamp).

use propsbot_archive::Millis;
use serde::{Deserialize, Serialize};

/// When a fact held, in microseconds since the Unix epoch, UTC.
///
/// For the gateway: when the event was received, made strictly increasing, so that two events
/// never share a stamp and their order is the gateway's. For REST: when the request was *sent*,
/// since the answer may be older than anything received after that moment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The stamp's time, rounded down to the millisecond.
    pub fn millis(self) -> Millis {
        Millis(self.0.div_euclid(1000))
    }
}

impl From<Millis> for Stamp {
    fn from(millis: Millis) -> Self {
        Self(millis.0.saturating_mul(1000))
    }
}
