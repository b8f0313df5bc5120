//! Derived tables: what everyone who reads an archive would work out again.
//!
//! Owns their columns ([`DERIVED`]) and their rows, which follow from the archive's rows alone. `thanks` and the
//! graph share one decision about what counts (`props`).

mod coverage;
mod members;
mod thanks;

pub use coverage::CoverageRow;
pub use members::DerivedMemberRow;
pub use thanks::{Origin, ThanksRow, WhyNot};

use propsbot_archive::{
    Column, EncodedRow, Id,
    Kind::{self, Time},
    Presence::{self, Required},
    ReadError, RowSource, Table,
};

/// A table that follows from others.
#[derive(Clone, Copy, Debug)]
pub struct DerivedTable {
    /// Its name, its columns, and what its rows are. It takes the place of a table of the archive that has the same
    /// name, and then has all of that table's columns.
    pub table: Table,
    /// Hands all of its rows to a closure, space by space.
    pub rows: MakeRows,
}

/// Hands all rows of a table to `each`, with the space that each one belongs to.
pub type MakeRows =
    fn(rows: &dyn RowSource, each: &mut dyn FnMut(&Id, EncodedRow)) -> Result<(), ReadError>;

/// The derived tables of Discord's archives.
pub const DERIVED: &[DerivedTable] = &[thanks::TABLE, members::TABLE, coverage::TABLE];

const fn column(name: &'static str, kind: Kind, presence: Presence, doc: &'static str) -> Column {
    Column {
        name,
        kind,
        presence,
        doc,
    }
}

const GUILD_ID: Column = column("guild_id", Kind::Id, Required, "");
const CHANNEL_ID: Column = column("channel_id", Kind::Id, Required, "");
