//! What makes a value a record.

use std::fmt;

use propsbot_archive::{Id, Millis};
use serde::{Serialize, de::DeserializeOwned};

use crate::{PrefixOf, RecordKey, RowError, codec, key};

/// A kind of record. The number is stored: never change or reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// From 1 to 199; the others are reserved for the mirror.
    pub number: u8,
    /// Its name in errors.
    pub name: &'static str,
}

impl Table {
    /// The mirror's own rows, one of each kind.
    pub(crate) const OWN: Self = Self {
        number: 0,
        name: "the mirror's own rows",
    };
    /// The marks: [`Dirty`](crate::Dirty).
    pub(crate) const MARKS: Self = Self {
        number: 200,
        name: "marks",
    };
    /// The index of recent rows; it has no records.
    pub(crate) const RECENT: Self = Self {
        number: 201,
        name: "recent rows",
    };
    /// The index of rows by what they are found by; it has no records.
    pub(crate) const FOUND_BY: Self = Self {
        number: 203,
        name: "found rows",
    };
    /// The manifests that were published.
    pub(crate) const PUBLISHED: Self = Self {
        number: 202,
        name: "published manifests",
    };
}

/// Where the exported row of a record lies, and what it is found by. Its table is the record's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The space.
    pub space: Id,
    /// The part and the row's time, for tables kept by part.
    pub part: Option<(Id, Millis)>,
    /// What else the row is to be found by, if by anything: its author, say.
    pub found_by: Option<Id>,
}

impl Place {
    /// The place of a row in a table of the space.
    pub fn of_space(space: impl fmt::Display) -> Self {
        Self {
            space: Id::new(space),
            part: None,
            found_by: None,
        }
    }

    /// The place of a row in a table of the part, with the row's time.
    pub fn of_part(space: impl fmt::Display, part: impl fmt::Display, time: Millis) -> Self {
        Self {
            part: Some((Id::new(part), time)),
            ..Self::of_space(space)
        }
    }

    /// The same place of a row that [`ReadRows::found_by`](crate::ReadRows::found_by) finds.
    #[must_use]
    pub fn by(self, found_by: Option<impl fmt::Display>) -> Self {
        Self {
            found_by: found_by.map(Id::new),
            ..self
        }
    }
}

/// A kind of row that a provider's mirror keeps.
pub trait Record: Serialize + DeserializeOwned {
    /// The type of its keys.
    type Key: RecordKey;

    /// The table it belongs to.
    const TABLE: Table;

    /// Its key within the table.
    fn key(&self) -> Self::Key;

    /// Where its exported row lies; `None` if it isn't exported by rows.
    ///
    /// A function of the record alone. Either all records of a kind have a place or none has. The
    /// store relies on the places of rows that earlier versions wrote, so a change needs a new
    /// store schema.
    fn place(&self) -> Option<Place> {
        None
    }
}

/// A kind of record whose rows lie in parts. Tells the place of a stored row.
pub struct PartRecord {
    pub(crate) table: u8,
    pub(crate) place: fn(&[u8]) -> Result<Option<Place>, RowError>,
}

impl PartRecord {
    /// Records of type `R`.
    pub const fn of<R: Record>() -> Self {
        Self {
            table: R::TABLE.number,
            place: |value| Ok(codec::decode::<R>(value)?.place()),
        }
    }
}

/// The stored bytes of a key or a prefix of keys.
pub(crate) fn stored_key<R: Record>(prefix: &impl PrefixOf<R::Key>) -> Vec<u8> {
    let mut bytes = vec![R::TABLE.number];
    prefix.write_prefix(&mut bytes);
    bytes
}

/// The stored keys from the first with prefix `first` to the last with prefix `last`.
pub(crate) fn stored_keys<R: Record>(
    first: &impl PrefixOf<R::Key>,
    last: &impl PrefixOf<R::Key>,
) -> (Vec<u8>, Vec<u8>) {
    let from = stored_key::<R>(first);
    let to = key::after(&stored_key::<R>(last));
    (from, to)
}
