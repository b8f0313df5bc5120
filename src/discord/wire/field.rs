//! Single fields, whatever Discord puts there.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::Value;

use crate::model::Millis;

/// Reads a field, or takes it as absent where it is not what it should be.
pub(in crate::discord) fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Reads a field; `null` is as absent, and anything else that it should not be is an error.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads what can be read of a list; what is none is taken as empty.
pub(super) fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let items = match Value::deserialize(deserializer)? {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    let read = |item| serde_json::from_value(item).ok();
    Ok(items.into_iter().filter_map(read).collect())
}

/// Reads an ISO 8601 time; what is none is taken as absent.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let text = lenient::<D, Option<String>>(deserializer)?;
    let time = text.and_then(|text| text.parse::<Timestamp>().ok());
    Ok(time.map(|time| Millis(time.as_millisecond())))
}

/// Reads a discriminator: `"0"`, and `"0000"` of webhooks, mean none, as does what is none.
pub(super) fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let number = lenient::<D, Option<Number>>(deserializer)?;
    let digits = number.and_then(|Number(number)| u16::try_from(number).ok());
    Ok(digits.filter(|digits| *digits != 0))
}

/// Reads a type's number; one too large for any type we know becomes 255.
pub(super) fn small<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let Number(number) = Number::deserialize(deserializer)?;
    Ok(u8::try_from(number).unwrap_or(u8::MAX))
}

/// A whole number that is not negative, or its text.
#[derive(Clone, Copy, Default)]
pub(in crate::discord) struct Number(pub(in crate::discord) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number that is not negative, or its text")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                u64::try_from(number).map(Number).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
