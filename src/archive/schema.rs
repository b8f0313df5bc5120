//! What a provider's archives consist of: its tables, and the words for people.

use super::{
    Level, Manifest, Row, Scope,
    row::{Inspected, inspect},
};

/// The tables of a provider, and how its archives introduce themselves.
#[derive(Debug)]
pub struct Schema {
    /// The provider's name, as manifests have it.
    pub provider: &'static str,
    /// Its tables. Rows are listed, counted and checked in this order.
    pub tables: &'static [Table],
    /// The table that has a row for each space.
    pub spaces: &'static str,
    /// The table, kept by space, that has a row for each part.
    pub parts: &'static str,
    /// The classes of data that are synced separately. Manifests have a sync time for each.
    pub classes: &'static [&'static str],
    /// Whether a text is an id of the provider's: of a space, of a part, or in what is covered.
    pub is_id: fn(&str) -> bool,
    /// The archive's README: what it is, and how it is read. See [`FIGURES`](super::FIGURES).
    pub readme: fn(&Manifest) -> String,
    /// What a manifest has that the one before had not, and how many damaged files are made again, in a
    /// line: the message of a commit.
    pub commit_message: fn(&Manifest, Option<&Manifest>, usize) -> String,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// What it is called in indexes and manifests.
    pub name: &'static str,
    /// Whether it is kept by space or by part.
    pub level: Level,
    pub(super) inspect: Inspect,
}

/// Reads a blob of a scope's rows.
type Inspect = fn(&Scope, &[u8]) -> Result<Vec<Inspected>, rmp_serde::decode::Error>;

impl Table {
    /// The table of these rows.
    pub const fn of<R: Row>(level: Level) -> Self {
        Self {
            name: R::TABLE,
            level,
            inspect: inspect::<R>,
        }
    }
}

impl Schema {
    /// The tables of a level.
    pub fn tables_of(&self, level: Level) -> impl Iterator<Item = &'static Table> {
        let tables = self.tables.iter();
        tables.filter(move |table| table.level == level)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Where a table stands among the others; those that it does not have come last.
    pub(super) fn order(&self, name: &str) -> usize {
        let mut tables = self.tables.iter();
        tables
            .position(|table| table.name == name)
            .unwrap_or(usize::MAX)
    }
}
