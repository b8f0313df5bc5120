//! The archive: the mirror as immutable blobs, for anyone to read (`docs/archive-format.md`).
//!
//! Owns format 1, the export plan, the reader, and what an archive is to them ([`DataArchive`]). Knows
//! no server and no store: rows come through [`Source`], time is an argument. Only [`export()`],
//! [`verify()`] and the copies of [`CachedArchive`] wait for anything.
//!
//! Export: [`ExportRequest`] → [`plan()`] (pure) → [`DataArchive::write`].
//! Read: [`DataArchive::read`] → [`ArchiveReader`] → rows, or a [`Snapshot`] of all of them.

mod cache;
mod claims;
mod covered;
mod data_archive;
mod export;
mod headline;
mod made;
mod manifest;
mod memory;
mod partition;
mod period;
mod plan;
mod reader;
mod readme;
mod records;
pub mod rows;
mod snapshot;
mod table;
mod veil;
mod verify;

pub use cache::CachedArchive;
pub use claims::OwnClaims;
pub use covered::covered;
pub use data_archive::{
    ArchiveError, Change, DOCUMENTS, DataArchive, Documents, Object, SOURCECRED, Traffic, blocking,
    check_readable,
};
pub use export::{ExportError, dry_run, export, look};
pub use made::{Made, MadeBoard};
pub use manifest::{
    Counts, Entry, FORMAT, FormatError, Hash, Index, IndexRef, MANIFEST, Manifest, ManifestChannel,
    ManifestGuild, ManifestHistory, NotAHash, PROVIDER,
};
pub use memory::MemoryArchive;
pub use partition::LIMIT;
pub use period::{NotAPeriod, Period, Unit};
pub use plan::{
    Beside, ExportChannel, ExportGuild, ExportPlan, ExportRequest, PlanError, Previous, Source,
    SourceError, Summary, needed_indexes, plan,
};
pub use reader::{ArchiveReader, ReadError, needed};
pub use readme::README;
pub use records::Restored;
pub use snapshot::{Sieve, Snapshot};
pub use table::{EncodedRow, Row, RowKey, Scope, Table};
pub use veil::{RULES, Veil};
pub use verify::{Depth, Verification, verify};
