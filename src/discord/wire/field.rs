//! Reads single fields, whatever Discord puts there.

use std::ops::{Deref, DerefMut};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_json::Value;

use propsbot_model::{Field, Millis, Unread, wide};

/// Reads a field; an odd value counts as absent.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A field as Discord sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told<T> {
    #[default]
    Absent,
    /// Not of the expected type.
    Odd,
    As(T),
}

impl<T> From<T> for Told<T> {
    fn from(value: T) -> Self {
        Self::As(value)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(serde_json::from_value(value).map_or(Self::Odd, Self::As))
    }
}

impl<T> Told<T> {
    /// Returns the value of a required field; or `default`, marked as unread.
    pub(super) fn required_or(self, default: T, field: Field, unread: &mut Unread) -> T {
        match self {
            Self::As(value) => return value,
            Self::Absent => unread.add_untold(field),
            Self::Odd => unread.add(field),
        }
        default
    }

    /// As [`Self::required_or`], but absence counts as odd.
    pub(super) fn demanded_or(self, default: T, field: Field, unread: &mut Unread) -> T {
        match self {
            Self::Absent => Self::Odd,
            told => told,
        }
        .required_or(default, field, unread)
    }

    /// Returns the value of an optional field; if it is odd, `default`, marked as unread.
    pub(super) fn optional_or(self, default: T, field: Field, unread: &mut Unread) -> T
    where
        T: Default,
    {
        match self {
            Self::Absent => T::default(),
            told => told.required_or(default, field, unread),
        }
    }
}

impl<T: Default> Told<T> {
    /// Returns the value of a required field; or the default, marked as unread.
    pub(super) fn required(self, field: Field, unread: &mut Unread) -> T {
        self.required_or(T::default(), field, unread)
    }

    /// Returns the value of an optional field; if it is odd, the default, marked as unread.
    pub(super) fn optional(self, field: Field, unread: &mut Unread) -> T {
        self.optional_or(T::default(), field, unread)
    }
}

impl<T> Told<Option<T>> {
    /// Returns whether there is a value, readable or not.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Absent | Self::As(None))
    }
}

/// The readable items of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Each<T> {
    items: Vec<T>,
    /// Whether the list is complete; [`Told::Odd`] if any of it is unreadable.
    told: Told<()>,
}

impl<T> Default for Each<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> Each<T> {
    /// A required list that wasn't sent.
    pub(super) fn untold() -> Self {
        Self {
            items: Vec::new(),
            told: Told::Absent,
        }
    }

    /// Returns the readable items; marked as unread if some are missing.
    pub(super) fn readable(self, field: Field, unread: &mut Unread) -> Vec<T> {
        self.told.required(field, unread);
        self.items
    }
}

impl<T> From<Vec<T>> for Each<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            items,
            told: Told::As(()),
        }
    }
}

impl<T> FromIterator<T> for Each<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        items.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Deref for Each<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T> DerefMut for Each<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Array(all) = Value::deserialize(deserializer)? else {
            return Ok(Self {
                items: Vec::new(),
                told: Told::Odd,
            });
        };
        let len = all.len();
        let read = |item| serde_json::from_value(item).ok();
        let items: Vec<T> = all.into_iter().filter_map(read).collect();
        let is_whole = items.len() == len;
        let told = if is_whole { Told::As(()) } else { Told::Odd };
        Ok(Self { items, told })
    }
}

/// An ISO 8601 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Millis);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self(Millis(time.as_millisecond())))
    }
}

/// A discriminator; `"0"` means none, as does `"0000"` for webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digits(pub(crate) Option<u16>);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Option::<Number>::deserialize(deserializer)?;
        let digits = number.map(|Number(number)| u16::try_from(number));
        let digits = digits.transpose().map_err(de::Error::custom)?;
        Ok(Self(digits.filter(|digits| *digits != 0)))
    }
}

/// A type's number; numbers too large for any known type become 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Small(pub(crate) u8);

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(number) = Number::deserialize(deserializer)?;
        Ok(Self(u8::try_from(number).unwrap_or(u8::MAX)))
    }
}

/// Permission bits, which Discord sends as a decimal string of any length. Keeps the lowest 64; we
/// need none above.
/// Source: <https://discord.com/developers/docs/topics/permissions>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) u64);

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let bits = value.as_u64().or_else(|| low_bits(value.as_str()?));
        bits.map(Self)
            .ok_or_else(|| de::Error::custom("permission bits are decimal text"))
    }
}

/// The lowest 64 bits of a decimal number of any length; `None` if the text isn't one.
pub fn low_bits(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let digits = digits.bytes().map(|digit| u64::from(digit - b'0'));
    // Higher bits overflow and are dropped.
    let add = |bits: u64, digit| bits.wrapping_mul(10).wrapping_add(digit);
    is_number.then(|| digits.fold(0, add))
}

/// Whether a field has any content; nothing else is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled(pub(crate) bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Null => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::String(text) => !text.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        }))
    }
}

/// A non-negative integer, or its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Number(#[serde(deserialize_with = "wide::deserialize")] pub(crate) u64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_the_low_bits_of_long_permissions() {
        let read = |value: Value| {
            serde_json::from_value::<Bits>(value)
                .ok()
                .map(|from_value| from_value.0)
        };
        assert_eq!(read(json!("1024")), Some(1024));
        assert_eq!(read(json!(1024)), Some(1024));
        // Bits 64 and 10, then bits 200 and 16.
        assert_eq!(read(json!("18446744073709552640")), Some(1 << 10));
        let far = "1606938044258990275541962092341162602522202993782792835366912";
        assert_eq!(read(json!(far)), Some(1 << 16));
        for odd in [
            json!(""),
            json!("-1"),
            json!("1e3"),
            json!(1.5),
            json!(null),
            json!("0x10"),
        ] {
            assert_eq!(read(odd.clone()), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn reads_permissions_like_a_wide_integer(bits in any::<u128>()) {
            let read: Bits = serde_json::from_value(json!(bits.to_string())).unwrap();
            prop_assert_eq!(u128::from(read.0), bits & u128::from(u64::MAX));
        }
    }

    #[test]
    fn anything_but_an_empty_value_fills_a_field() {
        let filled = |value: Value| serde_json::from_value::<Filled>(value).unwrap().0;
        for empty in [json!(null), json!([]), json!({}), json!("")] {
            assert!(!filled(empty.clone()), "{empty}");
        }
        for full in [
            json!([[]]),
            json!({"a": null}),
            json!(false),
            json!(0),
            json!(-1),
            json!(0.5),
        ] {
            assert!(filled(full.clone()), "{full}");
        }
    }
}
