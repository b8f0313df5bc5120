//! Weights of nodes and edges.

use serde::{Deserialize, Serialize, Serializer};

/// The largest weight that is accepted: products of weights stay finite.
const LARGEST: f64 = 1_000_000.0;

/// A weight: a number from 0 to a million. SourceCred rejects negative weights of nodes, and with
/// negative weights of edges is silently wrong.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct Weight(f64);

impl Weight {
    /// Counts for nothing.
    pub const ZERO: Self = Self(0.0);
    /// Counts as what it is; also what SourceCred assumes where no weight is given.
    pub const ONE: Self = Self(1.0);

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The weight of what counts as several.
    pub fn times(count: u32) -> Self {
        Self(f64::from(count))
    }

    /// A weight that was computed: any number, since SourceCred's Discord plugin allows any.
    pub fn computed(number: f64) -> Self {
        Self(number)
    }

    /// Both weights on one thing.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self((self.0 * other.0).min(f64::MAX))
    }

    /// A weight that may be larger than one that is given, being a product of several; `None` if it
    /// is negative or no number.
    pub fn product(number: f64) -> Option<Self> {
        (number >= 0.0 && number.is_finite()).then_some(Self(number))
    }

    /// The weight of one part of a whole that counts as `whole`.
    pub fn part_of(whole: f64) -> Self {
        Self(whole.recip().min(f64::MAX))
    }
}

impl TryFrom<f64> for Weight {
    type Error = WeightError;

    fn try_from(number: f64) -> Result<Self, WeightError> {
        if (0.0..=LARGEST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(WeightError(number))
        }
    }
}

impl Serialize for Weight {
    /// As JavaScript writes numbers: without a fraction where there is none.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Both bounds are exact in f64, and larger weights come only from small factors.
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole i64")]
        if self.0.fract() == 0.0 && self.0.abs() < 9_007_199_254_740_992.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// A number that is no weight.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no weight (a number from 0 to {LARGEST})")]
pub struct WeightError(f64);

/// How much cred flows along an edge, and how much against it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EdgeWeight {
    /// From the source to the destination.
    pub forwards: Weight,
    /// From the destination to the source.
    pub backwards: Weight,
}

impl EdgeWeight {
    /// Everything flows both ways; what `SourceCred` assumes where no weight is given.
    pub const ONE: Self = Self::new(1.0, 1.0);

    /// Both weights on one edge.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            forwards: self.forwards.and(other.forwards),
            backwards: self.backwards.and(other.backwards),
        }
    }

    /// So much along the edge, and so much against it.
    pub const fn new(forwards: f64, backwards: f64) -> Self {
        Self {
            forwards: Weight(forwards),
            backwards: Weight(backwards),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_weights_are_written_without_a_fraction() {
        let written = |number| serde_json::to_string(&Weight(number)).unwrap();
        assert_eq!(written(19.0), "19");
        assert_eq!(written(0.0625), "0.0625");
        assert_eq!(written(-0.0), "0");
    }
}
