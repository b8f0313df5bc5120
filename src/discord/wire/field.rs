//! Single fields, whatever Discord puts there.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::Value;

use crate::model::Millis;

/// Reads a field, or takes it as absent where it is not what it should be.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Reads an ISO 8601 time; what is none is taken as absent.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Option<Millis>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an ISO 8601 time, or null")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let time = text.parse::<Timestamp>().ok();
            Ok(time.map(|time| Millis(time.as_millisecond())))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Visitor)
}

/// Reads a discriminator: `"0"`, and `"0000"` of webhooks, mean none.
pub(super) fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Option<u16>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("four digits, or null")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.parse().ok().filter(|digits| *digits != 0))
        }

        fn visit_u64<E: de::Error>(self, digits: u64) -> Result<Self::Value, E> {
            Ok(u16::try_from(digits).ok().filter(|digits| *digits != 0))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Visitor)
}

/// Reads a type's number; one too large for any type we know becomes 255.
pub(super) fn small<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    u64::deserialize(deserializer).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
}
