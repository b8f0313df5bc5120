//! What an export of a space is asked for, what it reads, and what it comes to.

use std::{collections::BTreeSet, ops::RangeInclusive};

use indexmap::IndexMap;

use super::{
    file::{FileRef, Kind, PartRow},
    layout::Stamps,
    manifest::{Covered, Manifest, known_until},
    period::Period,
};
use crate::{EncodedRow, Hash, Id, ManifestHistory, Millis, Schema, Scope, SourceError};

/// Where rows come from: the mirror at one instant.
pub trait Source: Send + Sync {
    /// The time of the newest row of the space's parts that is not after the clock.
    ///
    /// `None`, the default: there is none. All rows of parts then lie in files by part, of which an export
    /// writes one for each part with a new row.
    fn newest(&self, _space: &Id, _clock: Millis) -> Result<Option<Millis>, SourceError> {
        Ok(None)
    }

    /// The same after an earlier export, since which rows changed only in these places.
    ///
    /// Others need not be looked at: that export saw them, and stamps never move back. The default looks at all.
    fn newest_since(
        &self,
        space: &Id,
        clock: Millis,
        _changed: &[Mark],
    ) -> Result<Option<Millis>, SourceError> {
        self.newest(space, clock)
    }

    /// Hands every row of the table and scope whose time is in `times` to `each`, in ascending order of those
    /// times (rows of the same time in any order), and stops if `each` fails.
    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError>;

    /// The same for all rows of all of a space's parts, in one order of times. Asked for only if there is a
    /// [`newest`](Self::newest) row, for times in open files. Rows of parts that are not exported are passed
    /// over.
    fn recent(
        &self,
        space: &Id,
        _times: RangeInclusive<Millis>,
        _each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        Err(format!("the source of space {space} has no order of times").into())
    }
}

/// The files that the archive has.
pub trait Files {
    /// The uncompressed bytes of a file, checked against what names it.
    fn read(&self, kind: Kind, file: FileRef) -> Result<Vec<u8>, SourceError>;

    /// The same for several files, in their order. Archives that are far away read some at a time.
    fn read_all(&self, kind: Kind, files: &[FileRef]) -> Vec<Result<Vec<u8>, SourceError>> {
        files.iter().map(|file| self.read(kind, *file)).collect()
    }
}

/// What to export of a space.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the archive consists of.
    pub schema: &'static Schema,
    /// The time that the manifest will carry, and that no open file's beginning is later than for.
    pub now: Millis,
    /// When the mirror last heard from its provider; `None` if that is not known.
    pub heard_at: Option<Millis>,
    /// The space's id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// When each class of its data was last known to be complete; `None` for never.
    pub synced: IndexMap<String, Option<Millis>>,
    /// Until when its history is known, however old.
    pub history: Option<ManifestHistory>,
    /// The stamps of the archive that the mirror was restored from.
    pub stamps: Option<Stamps>,
    /// All parts that the archive shall hold: one that is missing is withdrawn, with everything in it.
    pub parts: Vec<ExportPart>,
    /// What changed since the manifest that the archive has.
    pub changed: Changed,
    /// Paths of files of the archive that are missing or damaged: they are made again, and a generation with them.
    /// Everything is read for that. Where a list or an index was damaged, files that only it named stay until the
    /// archive is swept.
    pub damaged: BTreeSet<String>,
}

impl Request {
    /// Where rows changed; `None` if nothing of the archive is taken over unread.
    pub(super) fn marks(&self) -> Option<&[Mark]> {
        match &self.changed {
            Changed::Marks(marks) if self.damaged.is_empty() => Some(marks),
            _ => None,
        }
    }

    /// Until when anything can be known to be complete.
    pub(super) fn known_until(&self) -> Option<Millis> {
        known_until(self.heard_at, &self.synced, self.history)
    }
}

/// A part to export.
#[derive(Clone, Debug)]
pub struct ExportPart {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What of it is known to be complete: sorted, apart.
    pub covered: Vec<Covered>,
}

/// What changed since the last export.
#[derive(Clone, Debug)]
pub enum Changed {
    /// That is not known: all is read, and what differs is written.
    Everything,
    /// Rows that were, or are, in these places.
    Marks(Vec<Mark>),
}

/// A place in which rows changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Whose rows. With a space's scope and a table that is kept by part, those of all its parts.
    pub scope: Scope,
    /// The table.
    pub table: &'static str,
    /// When the rows are of, an hour or a month; `None`: any time.
    pub period: Option<Period>,
}

/// The generation that the archive has.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The hash of the manifest's bytes.
    pub hash: Hash,
    /// The manifest.
    pub manifest: Manifest,
}

/// What to publish, once all new files are written.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The new manifest and its bytes; `None` if the archive already says everything, sync times aside.
    pub manifest: Option<(Manifest, Vec<u8>)>,
    /// Paths of files that the new manifest does not need. Those among them that were just made need not be put.
    pub remove: BTreeSet<String>,
    /// Parts exported for the first time.
    pub added: Vec<Id>,
    /// Parts that the archive no longer holds.
    pub withdrawn: Vec<Id>,
}

/// No plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The source failed.
    #[error("could not read {scope} for export: {source}")]
    Source {
        /// Whose rows.
        scope: Scope,
        /// Why.
        source: SourceError,
    },
    /// A file of the archive could not be read.
    #[error("could not read {path} of the archive: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: SourceError,
    },
    /// A new file could not be kept.
    #[error("could not keep a new file of the archive: {0}")]
    NotKept(SourceError),
    /// The manifest has the highest number there is.
    #[error("the archive is at its last generation: begin a new one (`propsbot export --replace`)")]
    LastGeneration,
}
