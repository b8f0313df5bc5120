//! A provider for tests: shelves of books with notes in them. Its ids are text.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    EncodedRow, Id, Level, Millis, Row, RowKey, Schema, Scope, Source, SourceError, Table,
};

pub(super) static SCHEMA: Schema = Schema {
    provider: "shelf",
    version: 1,
    tables: &[
        Table::of::<Shelf>(Level::Space),
        Table::of::<Book>(Level::Space),
        Table::of::<Note>(Level::Part),
    ],
    spaces: Shelf::TABLE,
    parts: Book::TABLE,
    classes: &["shelves", "notes"],
    is_id: |id| !id.is_empty(),
    notes: "",
    readme: |manifest| format!("{} shelves\n", manifest.spaces.len()),
    commit_message: |manifest, _, _| format!("Generation {}", manifest.generation),
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shelf {
    pub(super) name: String,
    pub(super) room: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) shelf: String,
    pub(super) title: String,
    pub(super) lent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) shelf: String,
    pub(super) title: String,
    pub(super) at: Millis,
    pub(super) number: u64,
    pub(super) text: String,
}

impl Row for Shelf {
    const TABLE: &'static str = "shelves";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.name)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: Millis(0),
            sort: self.name.clone().into(),
        }
    }
}

impl Row for Book {
    const TABLE: &'static str = "books";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.shelf)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: Millis(0),
            sort: self.title.clone().into(),
        }
    }

    fn part(&self) -> Option<Id> {
        Some(Id::new(&self.title))
    }
}

impl Row for Note {
    const TABLE: &'static str = "notes";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::part(&self.shelf, &self.title)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: self.at,
            sort: self.number.to_be_bytes().into(),
        }
    }
}

/// All rows, each table in the order of its times.
#[derive(Clone, Default)]
pub(super) struct Library {
    pub(super) shelves: Vec<Shelf>,
    pub(super) books: Vec<Book>,
    pub(super) notes: Vec<Note>,
}

impl Source for Library {
    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        fn scan<R: Row + DeserializeOwned>(
            rows: &[R],
            scope: &Scope,
            times: &RangeInclusive<Millis>,
            each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
        ) -> Result<(), SourceError> {
            rows.iter()
                .filter(|row| row.is_of(scope) && times.contains(&row.key().time))
                .try_for_each(|row| each(EncodedRow::new(row)))
        }
        match table {
            Shelf::TABLE => scan(&self.shelves, scope, &times, each),
            Book::TABLE => scan(&self.books, scope, &times, each),
            Note::TABLE => scan(&self.notes, scope, &times, each),
            _ => Err(format!("there is no table {table}").into()),
        }
    }
}
