//! Weights of nodes and edges.

use serde::{Deserialize, Serialize, Serializer};

/// The largest weight that is accepted, so that products of weights stay finite.
const LARGEST: f64 = 1_000_000.0;

/// A weight: a number from 0 to a million. SourceCred rejects negative node weights, and computes wrong
/// results with negative edge weights.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct Weight(f64);

impl Weight {
    /// Something with this weight doesn't count.
    pub const ZERO: Self = Self(0.0);
    /// The neutral weight; SourceCred's default.
    pub const ONE: Self = Self(1.0);

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The weight of something that counts `count` times.
    pub fn times(count: u32) -> Self {
        Self(f64::from(count))
    }

    /// A computed weight. It isn't checked: SourceCred's Discord plugin allows any number.
    pub fn computed(number: f64) -> Self {
        Self(number)
    }

    /// The product: the weight of something that has both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self((self.0 * other.0).min(f64::MAX))
    }

    /// A product of weights, which may be larger than a million; `None` if it is negative or not finite.
    pub fn product(number: f64) -> Option<Self> {
        (number >= 0.0 && number.is_finite()).then_some(Self(number))
    }

    /// The weight of each part if `whole` parts share the weight 1.
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
    /// Writes whole numbers without a fraction, like JavaScript.
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

/// A number that isn't a weight.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a weight (a number from 0 to {LARGEST})")]
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
    /// The neutral weight; `SourceCred`'s default.
    pub const ONE: Self = Self::new(1.0, 1.0);

    /// The product: the weight of an edge that has both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            forwards: self.forwards.and(other.forwards),
            backwards: self.backwards.and(other.backwards),
        }
    }

    /// The weight with these numbers, which aren't checked.
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
    fn writes_whole_weights_without_a_fraction() {
        let written = |number| serde_json::to_string(&Weight(number)).unwrap();
        assert_eq!(written(19.0), "19");
        assert_eq!(written(0.0625), "0.0625");
        assert_eq!(written(-0.0), "0");
    }
}
