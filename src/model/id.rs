//! Discord's ids. All are snowflakes: 64 bits whose upper 42 are a time.
//! Source: <https://discord.com/developers/docs/reference#snowflakes>.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Millis;

/// The first millisecond of 2015, where Discord's snowflakes begin.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

/// Reads an id written either as a number or, as JSON and the archive do, as decimal text.
struct IdVisitor;

impl de::Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snowflake, as an unsigned integer or its decimal text")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<u64, E> {
        value.parse().map_err(E::custom)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Serialized as decimal text where people or JavaScript read it, as an integer in the store.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// When the object was created, as its id tells.
            pub fn created_at(self) -> Millis {
                Millis(i64::try_from(self.0 >> 22).expect("42 bits fit in an i64") + DISCORD_EPOCH_MS)
            }

            /// The smallest id that an object created at `time` or later can have.
            pub fn at(time: Millis) -> Self {
                let since_epoch = time.0.saturating_sub(DISCORD_EPOCH_MS).max(0);
                Self(since_epoch.unsigned_abs().min(u64::MAX >> 22) << 22)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(&self.0)
                } else {
                    serializer.serialize_u64(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor).map(Self)
            }
        }
    )*};
}

ids! {
    /// A guild ("server").
    GuildId;
    /// A channel, a category, or a thread.
    ChannelId;
    /// A message. A thread's starter message has the thread's id.
    MessageId;
    /// A user, in whichever guild; also the "author" of a webhook's message.
    UserId;
    /// A role. The role that everyone has carries the guild's own id.
    RoleId;
    /// A custom emoji.
    EmojiId;
    /// A slash command's run.
    InteractionId;
}

impl UserId {
    /// Somebody who asked to be forgotten: always the same for the same user, and too small to be
    /// anybody's id.
    #[must_use]
    pub fn anonymous(self) -> Self {
        // Fibonacci hashing; the upper bits are the well-mixed ones.
        Self((self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) + 1)
    }

    /// One of those who are nobody in particular, by a number from 1 on.
    #[must_use]
    pub fn nobody(number: u64) -> Self {
        Self(number.clamp(1, (1 << 22) - 1))
    }

    /// Whether it is [`anonymous`](Self::anonymous) or [`nobody`](Self::nobody): no snowflake is older
    /// than Discord.
    pub fn is_anonymous(self) -> bool {
        self.0 < 1 << 22
    }
}

/// Integers of 64 bits that are no typed id, such as permission bits: written as the ids are, since
/// JavaScript's numbers cannot hold them.
pub mod wide {
    use serde::{Deserializer, Serializer};

    use super::IdVisitor;

    /// Writes the number as text where people or JavaScript read it.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(value)
        } else {
            serializer.serialize_u64(*value)
        }
    }

    /// Reads either form.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

/// Numbers the stretches of time in which we saw every event of a guild; see
/// [`Session`](super::Session).
pub type SessionNumber = u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snowflake_tells_its_time() {
        // The example of Discord's reference page.
        assert_eq!(
            MessageId(175_928_847_299_117_063).created_at(),
            Millis(1_462_015_105_796)
        );
    }

    #[test]
    fn the_first_id_of_a_time_is_not_after_any_other_of_that_time() {
        let id = MessageId(175_928_847_299_117_063);
        assert!(MessageId::at(id.created_at()) <= id);
        assert!(MessageId::at(Millis(id.created_at().0 + 1)) > id);
        assert_eq!(MessageId::at(Millis(0)), MessageId(0));
    }

    #[test]
    fn ids_are_text_in_json_and_survive_above_2_to_the_53() {
        let id = UserId(1_442_070_400_000_000_001);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"1442070400000000001\"");
        assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
    }
}
