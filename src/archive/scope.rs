//! Spaces and parts, which rows belong to.

use std::{cmp::Ordering, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The maximum length of an id, in bytes.
const LONGEST: usize = 255;

/// The id of a space or part, as its provider writes it, with 1 to 255 bytes.
///
/// Shorter ids sort first, so decimal numbers sort by value. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Arc<str>);

impl Id {
    /// The id with this text.
    pub fn new(id: impl fmt::Display) -> Self {
        Self(id.to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Id {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if (1..=LONGEST).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(de::Error::invalid_length(
                text.len(),
                &"an id of 1 to 255 bytes",
            ))
        }
    }
}

/// What an index covers: a space's own rows, or those of one of its parts.
///
/// A space is a provider's largest unit, such as a guild. Its parts are, for example, channels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The space.
    pub space: Id,
    /// The part; `None` for the tables kept by space.
    pub part: Option<Id>,
}

impl Scope {
    /// The tables kept for a space itself.
    pub fn space(space: impl fmt::Display) -> Self {
        Self {
            space: Id::new(space),
            part: None,
        }
    }

    /// The tables kept for a part.
    pub fn part(space: impl fmt::Display, part: impl fmt::Display) -> Self {
        Self {
            space: Id::new(space),
            part: Some(Id::new(part)),
        }
    }

    /// Which tables it has.
    pub fn level(&self) -> Level {
        match self.part {
            None => Level::Space,
            Some(_) => Level::Part,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            None => write!(f, "space {}", self.space),
            Some(part) => write!(f, "part {part} of space {}", self.space),
        }
    }
}

/// Whether a table is kept by space or by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One table for the whole space.
    Space,
    /// One table for each part.
    Part,
}
