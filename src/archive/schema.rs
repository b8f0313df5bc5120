//! The schema of a provider's archives: its tables, and texts for people.

use super::{
    Level, Manifest, Row, Scope,
    row::{Inspected, inspect},
};

/// A provider's tables, and how its archives describe themselves.
#[derive(Debug)]
pub struct Schema {
    /// The provider's name in manifests.
    pub provider: &'static str,
    /// The version of its tables; a higher one has more of them, or more columns.
    pub version: u32,
    /// Its tables, in the order in which rows are listed, counted and checked.
    pub tables: &'static [Table],
    /// The table with one row per space.
    pub spaces: &'static str,
    /// The table, kept by space, with one row per part.
    pub parts: &'static str,
    /// The classes of data that are synced separately. Manifests have a sync time for each.
    pub classes: &'static [&'static str],
    /// Whether a text is a valid id of a space, of a part, or in coverage.
    pub is_id: fn(&str) -> bool,
    /// Whether ids are decimal numbers below 2^64; otherwise they are any texts.
    pub has_numeric_ids: bool,
    /// What a reader has to know beyond tables and columns, for the archive's specification: Markdown, from a
    /// second-level heading on.
    pub notes: &'static str,
    /// The archive's README, from the manifests of its spaces: what it is, and how to read it. See
    /// [`FIGURES`](super::FIGURES).
    pub readme: fn(&[&Manifest]) -> String,
    /// What an export changed, in one line: from the spaces' manifests after and before it, and how
    /// many damaged files it made again.
    pub commit_message: fn(&[&Manifest], &[&Manifest], usize) -> String,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name in indexes and manifests.
    pub name: &'static str,
    /// Whether it is kept by space or by part.
    pub level: Level,
    /// What its rows are, by what they are sorted, and what their time is.
    pub doc: &'static str,
    /// The columns of its rows, in their order.
    pub columns: &'static [Column],
    /// The table of the rows that its rows [belong to](Row::belongs_to), if each row belongs to one and none
    /// is earlier than that.
    pub belongs_to: Option<&'static str>,
    /// What other tools call the month of the row that a row [belongs to](Row::belongs_to); `None` if they
    /// get no such column.
    pub month_of: Option<&'static str>,
    pub(super) inspect: Inspect,
}

/// A column: a field of a table's rows, or of a map in one.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What the field is called.
    pub name: &'static str,
    /// What it says.
    pub kind: Kind,
    /// Whether it is there.
    pub presence: Presence,
    /// What it means.
    pub doc: &'static str,
}

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of the provider's ids, as text.
    Id,
    /// An id that may be a user's: of somebody whose row it is, or whom it is about.
    User,
    /// A set of bits: a decimal number below 2^64, as text.
    Bits,
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Integer milliseconds since the Unix epoch, UTC.
    Time,
    /// An integer.
    Integer,
    /// A bool.
    Bool,
    /// A list of such values.
    List(&'static Kind),
    /// A map with these fields.
    Map(&'static [Column]),
}

/// Whether a field is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It says something.
    Required,
    /// It is there, but may be nil.
    Nullable,
    /// It may be nil or absent, which means the same.
    Optional,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.kind, self.presence) == (other.name, other.kind, other.presence)
    }
}

impl Eq for Column {}

/// Hands what needs to be known of each of a scope's rows to a closure.
type Inspect = fn(&Scope, &[u8], &mut dyn FnMut(Inspected)) -> Result<(), rmp_serde::decode::Error>;

impl Table {
    /// The table of this type of rows.
    pub const fn of<R: Row>(level: Level) -> Self {
        Self {
            name: R::TABLE,
            level,
            doc: "",
            columns: &[],
            belongs_to: None,
            month_of: None,
            inspect: inspect::<R>,
        }
    }

    /// The table with these columns, and what is said of its rows.
    #[must_use]
    pub const fn with(self, doc: &'static str, columns: &'static [Column]) -> Self {
        Self {
            doc,
            columns,
            ..self
        }
    }

    /// The table, each of whose rows belongs to a row of this one and is not earlier.
    #[must_use]
    pub const fn belonging_to(self, table: &'static str) -> Self {
        Self {
            belongs_to: Some(table),
            ..self
        }
    }

    /// The table, with a name for the month of the row that a row belongs to.
    #[must_use]
    pub const fn with_month_of(self, name: &'static str) -> Self {
        Self {
            month_of: Some(name),
            ..self
        }
    }
}

impl Table {
    /// Whether any of its columns has [users](Kind::User).
    pub fn has_users(&self) -> bool {
        self.columns.iter().any(Column::has_users)
    }
}

impl Column {
    fn has_users(&self) -> bool {
        self.kind.has_users()
    }
}

impl Kind {
    fn has_users(&self) -> bool {
        match self {
            Self::User => true,
            Self::List(kind) => kind.has_users(),
            Self::Map(columns) => columns.iter().any(Column::has_users),
            _ => false,
        }
    }
}

impl Schema {
    /// The tables kept at this level.
    pub fn tables_of(&self, level: Level) -> impl Iterator<Item = &'static Table> {
        let tables = self.tables.iter();
        tables.filter(move |table| table.level == level)
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// When a table is read by [several readers](super::read_together): the tables of spaces in their order,
    /// then those of parts from the last one to the first. That puts rows before those that they refer to.
    pub fn turn(&self, table: &str) -> (Option<Level>, usize) {
        let level = self.table(table).map(|table| table.level);
        let position = self.order(table);
        match level {
            Some(Level::Part) => (level, self.tables.len() - position),
            _ => (level, position),
        }
    }

    /// A table's position in the schema; unknown tables come last.
    pub(super) fn order(&self, name: &str) -> usize {
        let mut tables = self.tables.iter();
        tables
            .position(|table| table.name == name)
            .unwrap_or(usize::MAX)
    }
}
