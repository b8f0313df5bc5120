//! Why tables could not be brought up to date.

use std::io;

use parquet::errors::ParquetError;
use propsbot_archive::{ArchiveError, ReadError};

use super::state::ROOT;

/// Why tables could not be brought up to date. What was written by then is kept, and the next time goes on
/// from there.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The archive can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The place of the tables can't be read or written.
    #[error(transparent)]
    Place(#[from] ArchiveError),
    /// A file of a table can't be written.
    #[error("could not write a file of the table {table}: {source}")]
    File {
        /// The table.
        table: &'static str,
        /// Why.
        source: ParquetError,
    },
    /// A temporary file can't be written.
    #[error("could not write a temporary file: {0}")]
    Scratch(#[from] io::Error),
    /// There are files in the place, but none that says that they are tables.
    #[error(
        "it has files but no {ROOT}, so they are not tables that this program wrote: choose a place that is \
         empty, or empty this one"
    )]
    NotTables,
    /// The file that says what was written can't be understood.
    #[error("{path} is damaged ({problem}): empty the place, and all tables are written again")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The tables are those of another provider's archive.
    #[error(
        "it has the tables of an archive of {found:?}; this one is of {wanted:?}: choose another place"
    )]
    OtherProvider {
        /// Its provider.
        found: String,
        /// The archive's.
        wanted: &'static str,
    },
    /// The process is ending.
    #[error("stopped before all tables were written; the next time goes on from there")]
    Stopped,
}
