//! Discord's ids. All are snowflakes: 64 bits, the upper 42 of which are a timestamp. Source:
//! <https://discord.com/developers/docs/reference#snowflakes>.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Millis;

/// The Discord epoch: 2015-01-01T00:00:00Z, in Unix milliseconds.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

/// The bits of an id below its millisecond.
pub const WITHIN_MS: u64 = (1 << 22) - 1;

/// Reads an id from a number or from decimal text, as JSON and the archive have it.
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
            /// The creation time that the id contains.
            pub fn created_at(self) -> Millis {
                Millis(i64::try_from(self.0 >> 22).expect("42 bits fit in an i64") + DISCORD_EPOCH_MS)
            }

            /// The smallest id that an object created at `time` or later can have.
            pub fn at(time: Millis) -> Self {
                let since_epoch = time.0.saturating_sub(DISCORD_EPOCH_MS).max(0);
                Self(since_epoch.unsigned_abs().min(u64::MAX >> 22) << 22)
            }

            /// The largest id that an object created at `time` or earlier can have; 0 before 2015.
            pub fn last_at(time: Millis) -> Self {
                if time.0 < DISCORD_EPOCH_MS {
                    return Self(0);
                }
                Self(Self::at(time).0 | WITHIN_MS)
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
    GuildId;
    /// A channel, category or thread.
    ChannelId;
    /// A message. A thread's starter message has the thread's id.
    MessageId;
    /// A user, in any guild; also the "author" of a webhook's message.
    UserId;
    /// A role. `@everyone` has the guild's id.
    RoleId;
    EmojiId;
    /// A scheduled event.
    EventId;
    /// A run of a slash command.
    InteractionId;
}

impl UserId {
    /// The stable pseudonym of a user. Too small to be a real id.
    #[must_use]
    pub fn anonymous(self) -> Self {
        // Fibonacci hashing; the upper bits are the well-mixed ones.
        Self((self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) + 1)
    }

    /// A pseudonym by number, from 1, valid within one row.
    #[must_use]
    pub fn nobody(number: u64) -> Self {
        Self(number.clamp(1, (1 << 22) - 1))
    }

    /// Whether this is a pseudonym: snowflakes are at least 2^22.
    pub fn is_anonymous(self) -> bool {
        self.0 < 1 << 22
    }
}

/// (De)serializes other 64-bit integers, such as permissions, the way ids are: as text in JSON,
/// because JavaScript numbers lose precision above 2^53.
pub mod wide {
    use serde::{Deserializer, Serializer};

    use super::IdVisitor;

    /// Writes text to human-readable formats, an integer otherwise.
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

/// Number of a [`Session`](super::Session) of a guild.
pub type SessionNumber = u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snowflakes_contain_their_creation_time() {
        // The example from Discord's reference.
        assert_eq!(
            MessageId(175_928_847_299_117_063).created_at(),
            Millis(1_462_015_105_796)
        );
    }

    #[test]
    fn first_id_of_a_time_sorts_before_the_others() {
        let id = MessageId(175_928_847_299_117_063);
        assert!(MessageId::at(id.created_at()) <= id);
        assert!(MessageId::at(Millis(id.created_at().0 + 1)) > id);
        assert_eq!(MessageId::at(Millis(0)), MessageId(0));
    }

    #[test]
    fn last_id_of_a_time_sorts_after_the_others() {
        let id = MessageId(175_928_847_299_117_063);
        let last = MessageId::last_at(id.created_at());
        assert!(last >= id && last.created_at() == id.created_at());
        assert_eq!(MessageId(last.0 + 1).created_at().0, id.created_at().0 + 1);
        assert_eq!(MessageId::last_at(Millis(0)), MessageId(0));
        assert_eq!(MessageId::last_at(Millis(i64::MAX)), MessageId(u64::MAX));
    }

    #[test]
    fn json_ids_are_text_and_exact_above_2_to_the_53() {
        let id = UserId(1_442_070_400_000_000_001);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"1442070400000000001\"");
        assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
    }
}
