//! Discord's times (milliseconds), and when something was learned (stamps).

use propsbot_archive::Millis;
use serde::{Deserialize, Serialize};

/// When a fact held, in microseconds since the Unix epoch, UTC.
///
/// For the gateway: time of receipt, made strictly increasing, so events keep the gateway's order
/// and never share a stamp. For REST: when the request was *sent*, since the answer may be older
/// than any event received after that.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Stamp(pub i64);

impl Stamp {
    /// Rounded down to the millisecond.
    pub fn millis(self) -> Millis {
        Millis(self.0.div_euclid(1000))
    }
}

impl From<Millis> for Stamp {
    fn from(millis: Millis) -> Self {
        Self(millis.0.saturating_mul(1000))
    }
}
