//! The archive: the mirror as immutable blobs, for anyone to read (`docs/archive-format.md`).
//!
//! Owns format 1, the export plan, the reader, and archives in folders, object stores and on GitHub.
//! Refuses to know the store, Discord, and the time: rows come through [`Source`], time is an
//! argument. Only [`export()`], [`verify()`] and the backends wait for anything.
//!
//! Export: [`ExportRequest`] → [`plan()`] (pure) → [`DataArchive::write`].
//! Read: [`DataArchive::read`] → [`ArchiveReader`] → rows, or a [`Snapshot`] of all of them.

mod access;
mod bucket;
mod cache;
mod claims;
mod covered;
mod data_archive;
mod export;
mod folder;
mod github;
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
mod spec;
mod table;
mod veil;
mod verify;

pub use access::{Access, BucketAccess, GithubAccess, History};
pub use bucket::BucketArchive;
pub use cache::CachedArchive;
pub use claims::OwnClaims;
pub use covered::covered;
pub use data_archive::{
    ArchiveError, Change, DOCUMENTS, DataArchive, Documents, Object, SOURCECRED, Traffic,
};
pub use export::{ExportError, dry_run, export, look};
pub use folder::FolderArchive;
pub use github::{GithubArchive, GithubError};
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
pub use reader::{ArchiveReader, ReadError};
pub use readme::README;
pub use records::Restored;
pub use snapshot::{Sieve, Snapshot};
pub use spec::{
    ArchiveSpec, ArchiveSpecError, BucketPlace, GithubPlace, ObjectStoreKind, open, open_to_read,
    open_to_write,
};
pub use table::{EncodedRow, Row, RowKey, Scope, Table};
pub use veil::{RULES, Veil};
pub use verify::{Depth, Verification, verify};
