//! Takes rows apart into columns: values, and the levels that say where lists and nulls are (Dremel's record
//! shredding, as the Parquet format has it).

use parquet::data_type::ByteArray;
use propsbot_archive::{Column, Kind};
use serde_json::Value;

use super::schema::Shape;

/// The first millisecond of the year 1, and the last of the year 9999.
const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The values of a column of Parquet.
#[derive(Debug)]
pub(crate) enum Values {
    Bool(Vec<bool>),
    Long(Vec<i64>),
    Bytes(Vec<ByteArray>),
}

/// A column of Parquet.
#[derive(Debug)]
pub(crate) struct Leaf {
    kind: Kind,
    pub(crate) values: Values,
    pub(crate) definitions: Vec<i16>,
    pub(crate) repetitions: Vec<i16>,
}

/// Where the columns of Parquet are in a row.
#[derive(Debug)]
enum Node {
    Leaf(usize),
    List(Box<Self>),
    Group(Vec<(&'static str, Self)>),
}

/// Takes rows of a table apart.
#[derive(Debug)]
pub(crate) struct Shredder {
    has_numeric_ids: bool,
    fields: Vec<(&'static str, Node)>,
    pub(crate) leaves: Vec<Leaf>,
}

impl Shredder {
    pub(crate) fn new(shape: &Shape) -> Self {
        let mut new = Self {
            has_numeric_ids: shape.has_numeric_ids,
            fields: Vec::new(),
            leaves: Vec::new(),
        };
        new.fields = new.group(&shape.columns);
        new
    }

    fn group(&mut self, columns: &[Column]) -> Vec<(&'static str, Node)> {
        let columns = columns.iter();
        columns
            .map(|column| (column.name, self.node(column.kind)))
            .collect()
    }

    fn node(&mut self, kind: Kind) -> Node {
        let values = match kind {
            Kind::List(item) => return Node::List(Box::new(self.node(*item))),
            Kind::Map(columns) => return Node::Group(self.group(columns)),
            Kind::Bool => Values::Bool(Vec::new()),
            Kind::Id | Kind::User if !self.has_numeric_ids => Values::Bytes(Vec::new()),
            Kind::Text | Kind::OneOf(_) => Values::Bytes(Vec::new()),
            Kind::Id | Kind::User | Kind::Bits | Kind::Integer | Kind::Time => {
                Values::Long(Vec::new())
            }
        };
        self.leaves.push(Leaf {
            kind,
            values,
            definitions: Vec::new(),
            repetitions: Vec::new(),
        });
        Node::Leaf(self.leaves.len() - 1)
    }

    /// Takes a row, a map of names to values. What is not as its column has it is null.
    pub(crate) fn row(&mut self, row: &Value) {
        for (name, node) in &self.fields {
            let at = Level::default();
            write(&mut self.leaves, node, row.get(name), at);
        }
    }
}

/// Where a value is: how many of the optional and repeated fields around it are there, from which list on it is
/// another item, and how many lists are around it.
#[derive(Clone, Copy, Default)]
struct Level {
    definition: i16,
    repetition: i16,
    lists: i16,
}

impl Level {
    /// One that is there.
    fn there(self) -> Self {
        Self {
            definition: self.definition + 1,
            ..self
        }
    }
}

fn write(leaves: &mut [Leaf], node: &Node, value: Option<&Value>, at: Level) {
    match (node, value) {
        (Node::Leaf(leaf), value) => leaves[*leaf].push(value, at),
        (Node::Group(fields), Some(Value::Object(group))) => {
            for (name, node) in fields {
                write(leaves, node, group.get(*name), at.there());
            }
        }
        (Node::List(item), Some(Value::Array(items))) if !items.is_empty() => {
            let mut at = Level {
                lists: at.lists + 1,
                ..at.there().there()
            };
            for value in items {
                write(leaves, item, Some(value), at);
                at.repetition = at.lists;
            }
        }
        (Node::List(item), Some(Value::Array(_))) => write(leaves, item, None, at.there()),
        // Nothing below is there: each column notes down to where something was.
        (Node::List(item), _) => write(leaves, item, None, at),
        (Node::Group(fields), _) => {
            for (_, node) in fields {
                write(leaves, node, None, at);
            }
        }
    }
}

impl Leaf {
    fn push(&mut self, value: Option<&Value>, at: Level) {
        let is_there = value.is_some_and(|value| self.values.push(self.kind, value));
        self.definitions.push(at.definition + i16::from(is_there));
        self.repetitions.push(at.repetition);
    }
}

impl Values {
    /// Adds a value. `false` if it can't be told.
    fn push(&mut self, kind: Kind, value: &Value) -> bool {
        match self {
            Self::Bool(values) => {
                let value = value.as_bool();
                values.extend(value);
                value.is_some()
            }
            Self::Bytes(values) => {
                let value = value.as_str().map(ByteArray::from);
                let is_there = value.is_some();
                values.extend(value);
                is_there
            }
            Self::Long(values) => {
                let value = long(kind, value);
                values.extend(value);
                value.is_some()
            }
        }
    }
}

fn long(kind: Kind, value: &Value) -> Option<i64> {
    match kind {
        Kind::Id | Kind::User | Kind::Bits => {
            let number: Option<u64> = value.as_str()?.parse().ok();
            number.map(u64::cast_signed)
        }
        Kind::Time => {
            let time = value.as_i64().filter(|time| YEARS.contains(time));
            time.map(|time| time * 1000)
        }
        _ => value.as_i64(),
    }
}
