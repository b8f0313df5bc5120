//! What makes a value a record.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Mark, PrefixOf, RecordKey, key};

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
}

/// A kind of row that a provider's mirror keeps.
pub trait Record: Serialize + DeserializeOwned {
    /// The type of its keys.
    type Key: RecordKey;

    /// The table it belongs to.
    const TABLE: Table;

    /// Its key within the table.
    fn key(&self) -> Self::Key;

    /// What an export must read again when the row changes; `None` if it isn't exported by rows.
    fn mark(&self) -> Option<Mark> {
        None
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
