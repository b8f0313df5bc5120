//! The archive: the mirror in files that never change, for any program to read ([`format_md`]).
//!
//! Owns format 2, the export plan, the reader with its checks, and what an archive is to them
//! ([`DataArchive`]). Knows no platform, no server and no store: a provider's tables are a [`Schema`], their
//! rows come through [`Source`], time is an argument. Only [`export()`], readers and the copies of
//! [`CachedArchive`] wait for anything.
//!
//! Rows lie where their time and two stamps say ([`Stamps`]), in compressed files that are named by what they
//! say. Of each space, one [`Manifest`] names them all; the root names the spaces.
//!
//! Export: [`ExportRequest`] → a plan for each space (pure) → a spool on disk → [`DataArchive::write`].
//! Read: [`DataArchive::read`] → [`ArchiveReader`] → rows, or any of a provider's rows by [`RowSource`].
//!
//! # How to read rows
//!
//! An archive is anything that implements [`DataArchive`]; `propsbot-backends` opens folders, repositories and
//! object stores. Its `SCHEMA` is its provider's. This reads a table of one part, of January 2026, and only the
//! files that have some of it:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example.rs"));
//! # use futures::TryStreamExt;
//! # #[tokio::main]
//! # async fn main() -> Result<(), ReadError> {
//! # let archive = archived().await;
//! # let mut texts = Vec::new();
//! let reader = ArchiveReader::open(&archive, &SCHEMA).await?;
//! let query = Query {
//!     parts: Some([Id::from("bridges")].into()),
//!     times: Millis(1_767_225_600_000)..=Millis(1_769_903_999_999),
//!     ..Query::table("posts")
//! };
//! let mut batches = reader.batches(&query);
//! while let Some(batch) = batches.try_next().await? {
//!     for post in batch.rows::<Post>()? { // or `batch.json()`, without a type of one's own
//!         println!("{}: {}", post.author, post.text);
//! #       texts.push(post.text);
//!     }
//! }
//! # assert_eq!(texts, ["posted at 1768000000000"]);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

#[cfg(not(unix))]
compile_error!(
    "propsbot runs on Unix only: it is stopped by signals, and locks and syncs its files as Unix does"
);

mod ahead;
mod archive_error;
mod archive_reader;
mod base;
mod cache;
mod canonical;
mod car;
mod check;
mod check_rows;
pub mod contract;
mod coverage;
mod data_archive;
mod derived;
pub mod document;
mod error;
mod export;
mod export_progress;
mod exported_rows;
pub mod file;
mod files;
mod hash;
pub mod layout;
mod lent_rows;
mod list;
pub mod manifest;
mod memory;
mod open;
pub mod period;
pub mod plan;
mod printable;
mod publish;
mod query;
mod reader;
mod reading;
mod readme;
mod references;
pub mod request;
mod row;
mod row_files;
mod row_source;
mod schema;
mod scope;
mod space_lists;
mod spool;
mod stale;
#[cfg(test)]
mod tests;
mod time;
mod together;
mod verify;

pub use archive_error::ArchiveError;
pub use archive_reader::{ArchiveReader, retry, retry_or_empty, spaces_of};
pub use cache::CachedArchive;
pub use car::{Car, write_car};
pub use data_archive::{
    ArchiveWrite, DOCUMENT_LIMIT, DOCUMENTS, DataArchive, FOLDERS, Probe, SOURCECRED,
    SOURCECRED_GITHUB, SPACES, blocking, check_readable, is_space, is_swept, read_file,
};
pub use derived::{DerivedFrom, DerivedTable, EachRow, read_derived};
pub use document::{FORMAT_MD, format_md};
pub use error::ReadError;
pub use export::{
    ExportError, ExportRequest, ExportSpace, MOST_NEIGHBOURS, Neighbour, PlannedExport,
    ReadyExport, SideFiles, Summary, dry_run, export, look,
};
pub use export_progress::{ExportProgress, ExportProgressBoard};
pub use exported_rows::ExportedRows;
pub use file::{FILE_LIMIT, FileRef, PartRow};
pub use files::needed;
pub use hash::{Hash, NotAHash};
pub use layout::{LIMITS, Limits, Stamps, is_row_time};
pub use lent_rows::read_rows;
pub use manifest::{
    Counts, Covered, FORMAT, Line, MANIFEST_LIMIT, Manifest, ManifestHistory, Open, Parts, ROOT,
    Root, Spaces, is_manifest, manifest_path,
};
pub use memory::MemoryArchive;
pub use period::{NotAPeriod, Period, Unit};
pub use printable::{one_line, printable, printable_json};
pub use publish::{Bases, Documents, Object, Publish, Receipt, base, check_bases, is_whole};
pub use query::{Batch, NeededFile, Query, RawRow, Tally};
pub use reader::SpaceReader;
pub use readme::{FIGURES, README};
pub use request::{ExportPart, Mark, PlanError, Source};
pub use row::{EncodedRow, Inspected, Row, RowKey};
pub use row_files::RowFile;
pub use row_source::{EachBatch, RowSource, TableQuery, TableRows};
pub use schema::{Column, Kind, Presence, Schema, Table};
pub use scope::{Id, Level, Scope};
pub use time::Millis;
pub use together::read_together;
pub use verify::{Depth, MOST_FAULTS, Verification, verify, verify_each};

/// Why a source could not be read.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;
