//! The archive: the mirror as immutable blobs, for anyone to read (`docs/archive-format.md`).
//!
//! Owns format 1, the export plan, the reader, and what an archive is to them ([`DataArchive`]). Knows
//! no platform, no server and no store: a provider's tables are a [`Schema`], their rows come through
//! [`Source`], time is an argument. Only [`export()`],
//! [`verify()`], [`read_rows()`] and the copies of [`CachedArchive`] wait for anything.
//!
//! Export: [`ExportRequest`] → [`plan()`] (pure) → a spool on disk → [`DataArchive::write`].
//! Read: [`DataArchive::read`] → [`ArchiveReader`] → rows, or any of a provider's rows by [`RowSource`].

#![warn(missing_docs)]

#[cfg(not(unix))]
compile_error!(
    "propsbot runs on Unix only: it is stopped by signals, and locks and syncs its files as Unix does"
);

mod cache;
pub mod contract;
mod data_archive;
mod export;
mod export_progress;
pub mod format2;
mod manifest;
mod memory;
mod partition;
mod period;
mod plan;
mod printable;
mod reader;
mod readme;
mod row;
mod row_source;
mod schema;
mod scope;
#[cfg(test)]
mod shelf;
mod spool;
mod time;
mod verify;

pub use cache::CachedArchive;
pub use data_archive::{
    ArchiveError, ArchiveWrite, Bases, DOCUMENT_LIMIT, DOCUMENTS, DataArchive, Documents, FOLDERS,
    Object, Publish, Receipt, SOURCECRED, SPACES, base, blocking, check_bases, check_readable,
    is_swept, is_whole, read_file,
};
pub use export::{ExportError, PlannedExport, ReadyExport, dry_run, export, look};
pub use export_progress::{ExportProgress, ExportProgressBoard};
pub use manifest::{
    Counts, Covered, Entry, FORMAT, FormatError, Hash, Index, IndexRef, LONGEST, MANIFEST,
    Manifest, ManifestHistory, ManifestPart, ManifestSpace, NotAHash,
};
pub use memory::MemoryArchive;
pub use partition::LIMIT;
pub use period::{NotAPeriod, Period, Unit};
pub use plan::{
    Dirty, ExportPart, ExportPlan, ExportRequest, ExportSpace, PlanError, Previous, SideFiles,
    Source, SourceError, Summary, needed_indexes, plan,
};
pub use printable::{one_line, printable, printable_json};
pub use reader::{ArchiveReader, ReadError, needed, retry};
pub use readme::{FIGURES, README};
pub use row::{EncodedRow, Inspected, Row, RowKey};
pub use row_source::{Batch, ExportedRows, Query, RowSource, read_rows};
pub use schema::{Column, Kind, Presence, Schema, Table};
pub use scope::{Id, Level, Scope};
pub use time::Millis;
pub use verify::{Depth, Verification, verify};
