//! Rows, their encoding, and what the archive needs to know of each.
//!
//! Owns the encoding of rows and the order of rows. Knows nothing of their fields.

use std::{fmt, io::ErrorKind};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{Id, Millis, Scope};

/// A row's unique sort key within its table and scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Decides in which file the row lies.
    pub time: Millis,
    /// Distinguishes and orders rows of the same time, byte by byte.
    pub sort: Vec<u8>,
}

/// A row of one of a provider's tables.
pub trait Row: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The table's name.
    const TABLE: &'static str;

    /// Whether it belongs to this scope.
    fn is_of(&self, scope: &Scope) -> bool;

    /// Its sort key.
    fn key(&self) -> RowKey;

    /// The id that other rows use to refer to it, as a number: the id itself or a hash of it.
    fn id(&self) -> Option<u64> {
        None
    }

    /// The table and the [`id`](Self::id) of a row that it refers to. That table is one of the same
    /// part and listed before its own in the schema, or one of the space.
    fn refers_to(&self) -> Option<(&'static str, u64)> {
        None
    }

    /// When the row that it [refers to](Self::refers_to) is of, if the archive must have that one wherever
    /// its time is covered.
    fn belongs_to(&self) -> Option<Millis> {
        None
    }

    /// The part that it describes, in the table with one row per part.
    fn part(&self) -> Option<Id> {
        None
    }

    /// Whether its fields cannot all be true.
    fn contradicts_itself(self) -> bool {
        false
    }
}

/// What `verify` needs to know of a row.
pub struct Inspected {
    pub(super) is_in_scope: bool,
    pub(super) contradicts_itself: bool,
    pub(super) key: RowKey,
    pub(super) id: Option<u64>,
    pub(super) refers_to: Option<(&'static str, u64)>,
    pub(super) belongs_to: Option<Millis>,
    pub(super) part: Option<Id>,
}

/// Hands what needs to be known of each of these rows to `each`. Holds no more than one of them.
pub(super) fn inspect<R: Row>(
    scope: &Scope,
    bytes: &[u8],
    each: &mut dyn FnMut(Inspected),
) -> Result<(), rmp_serde::decode::Error> {
    decode_each(bytes, &mut |row: R| {
        each(Inspected {
            is_in_scope: row.is_of(scope),
            key: row.key(),
            id: row.id(),
            refers_to: row.refers_to(),
            belongs_to: row.belongs_to(),
            part: row.part(),
            contradicts_itself: row.contradicts_itself(),
        });
    })
}

/// Encodes a row as a map of names to values.
pub(super) fn encode(row: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes)
        .with_struct_map()
        .with_human_readable();
    row.serialize(&mut serializer)
        .expect("rows hold only what MessagePack can say, and memory takes it");
    bytes
}

/// An encoded row with its sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRow {
    /// Its sort key.
    pub key: RowKey,
    /// The row, as a map of names to values.
    pub bytes: Vec<u8>,
    /// The part that it describes, in the table with one row per part.
    pub part: Option<Id>,
}

impl EncodedRow {
    /// Encodes the row.
    pub fn new<R: Row>(row: &R) -> Self {
        Self {
            key: row.key(),
            bytes: encode(row),
            part: row.part(),
        }
    }
}

impl EncodedRow {
    /// Decodes the row.
    pub fn decode<R: Row>(&self) -> Result<R, rmp_serde::decode::Error> {
        decode_row(&self.bytes)
    }
}

/// Decodes a row. Ignores fields that this version doesn't know.
pub(super) fn decode_row<R: Row>(bytes: &[u8]) -> Result<R, rmp_serde::decode::Error> {
    let mut row = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    R::deserialize(&mut row)
}

/// Decodes a row whose type isn't known, with all of its fields.
pub(super) fn decode_json(bytes: &[u8]) -> Result<Map<String, Value>, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

/// Decodes an array of rows, one after the other.
fn decode_each<R: Row>(
    bytes: &[u8],
    each: &mut dyn FnMut(R),
) -> Result<(), rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    deserializer.deserialize_seq(Each(each))?;
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(end))
            if end.kind() == ErrorKind::UnexpectedEof =>
        {
            Ok(())
        }
        _ => Err(serde::de::Error::custom("more follows its rows")),
    }
}

/// Hands on the items of an array.
struct Each<'a, R>(&'a mut dyn FnMut(R));

impl<'de, R: DeserializeOwned> Visitor<'de> for Each<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            (self.0)(row);
        }
        Ok(())
    }
}
