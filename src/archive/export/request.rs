//! What an export of an archive is asked for, and what it comes to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    ArchiveError, Documents, ExportProgressBoard, Hash, Id, Manifest, ManifestHistory, Millis,
    Schema, Scope, SourceError,
    error::ReadError,
    layout::Stamps,
    one_line,
    request::{ExportPart, Mark, PlanError},
    row_source::RowSource,
};

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// What the archive consists of.
    pub schema: &'static Schema,
    /// The time that new manifests will carry.
    pub now: Millis,
    /// All spaces of the provider that the archive shall hold. Any other of them is removed with all of its files.
    /// Those of other providers stay as they are.
    pub spaces: Vec<ExportSpace>,
    /// The schemas of other providers whose spaces the archive may hold: its README and specification describe them,
    /// too.
    pub others: &'static [&'static Schema],
    /// What changed since the manifests in `since`.
    pub marks: Vec<Mark>,
    /// The manifests that this store's last export left, by path ([`Summary::manifests`]). Where the archive
    /// has another one, all of the space is read, and what differs is written.
    pub since: BTreeMap<String, Hash>,
    /// The spaces' manifests that may be replaced, by path; `None` for any. One that isn't among them is another
    /// store's, or newer than this store.
    pub only_over: Option<BTreeMap<String, BTreeSet<Hash>>>,
    /// Whether the store remembers that it has published there.
    pub has_published: bool,
    /// Whether to begin an archive where one was and is gone, is of format 1, or is damaged.
    pub begins_anew: bool,
    /// Paths of files of the archive that are missing or damaged. They are made again, and a generation of each
    /// space with them. Everything is read for that.
    pub damaged: BTreeSet<String>,
    /// Whether to remove, in the end, all files that nothing names.
    pub sweeps: bool,
    /// What is to lie beside the manifests, README and specification aside; `None` for nothing.
    pub beside: Option<Arc<dyn SideFiles>>,
    /// Shows the progress.
    pub made: ExportProgressBoard,
    /// The folder in which new files wait until they are put; nothing else uses it. It is made when an export
    /// begins and removed when it ends. `None`: a temporary one.
    pub spool: Option<PathBuf>,
    /// Once cancelled, the export gives up as soon as that leaves the archive as it was.
    pub stop: CancellationToken,
}

impl ExportRequest {
    /// An export of nothing to an empty archive.
    pub fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            now: Millis::default(),
            spaces: Vec::new(),
            others: &[],
            marks: Vec::new(),
            since: BTreeMap::new(),
            only_over: None,
            has_published: false,
            begins_anew: false,
            damaged: BTreeSet::new(),
            sweeps: false,
            beside: None,
            made: ExportProgressBoard::default(),
            spool: None,
            stop: CancellationToken::new(),
        }
    }

    /// Whether the export may make again what is damaged at this path.
    pub(super) fn makes_again(&self, path: &str) -> bool {
        self.begins_anew || self.damaged.contains(path)
    }
}

/// A space to export.
#[derive(Clone, Debug)]
pub struct ExportSpace {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// When the mirror last heard of it from its provider; `None` if that isn't known.
    pub heard_at: Option<Millis>,
    /// When each class of its data was last known to be complete; `None` for never.
    pub synced: IndexMap<String, Option<Millis>>,
    /// Until when its history is known, however old.
    pub history: Option<ManifestHistory>,
    /// The stamps of the archive that the mirror was restored from.
    pub stamps: Option<Stamps>,
    /// All parts that the archive shall hold. Any other is withdrawn with everything in it.
    pub parts: Vec<ExportPart>,
}

/// Makes files for other programs, which lie beside the manifests.
pub trait SideFiles: fmt::Debug + Send + Sync {
    /// The contents of each file by path, made from the rows that an export writes. `None` removes one of an earlier
    /// export, which readers would take for current.
    fn documents(&self, rows: &dyn RowSource) -> Result<Documents, SourceError>;
}

/// An export in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The highest generation of a space afterwards; 0 if there is none.
    pub generation: u64,
    /// The hashes of the root and the spaces' manifests afterwards, by path.
    pub manifests: BTreeMap<String, Hash>,
    /// Those before.
    pub before: BTreeMap<String, Hash>,
    /// Whether a manifest or the root is replaced.
    pub changed: bool,
    /// New files, manifests and documents aside.
    pub files: u64,
    /// Their length together, compressed.
    pub bytes: u64,
    /// Files that are removed.
    pub removed: u64,
    /// Parts exported for the first time.
    pub added: Vec<Id>,
    /// Parts that the archive no longer holds.
    pub withdrawn: Vec<Id>,
    /// The documents that were put right although no manifest changed.
    pub mended: Vec<String>,
    /// Requests that it took, where the archive is on a server and anything was published.
    pub requests: u64,
    /// The commit that was published, where the archive is in git.
    pub commit: Option<String>,
    /// The documents that aren't there, since the archive takes none so large.
    pub too_large: Vec<String>,
    /// What could not be brought up to date after it, and why.
    pub behind: Option<String>,
    /// Spaces of other providers that the archive has, too: the first [`MOST_NEIGHBOURS`].
    pub neighbours: Vec<Neighbour>,
}

/// How many spaces of other providers a [`Summary`] has.
pub const MOST_NEIGHBOURS: usize = 50;

/// A space of another provider, as an export found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The provider.
    pub provider: String,
    /// What the space is called.
    pub name: String,
    /// Its generation.
    pub generation: u64,
    /// When that was written.
    pub created_at: Millis,
}

impl From<&Manifest> for Neighbour {
    fn from(manifest: &Manifest) -> Self {
        Self {
            provider: shown(&manifest.provider),
            name: shown(&manifest.name),
            generation: manifest.generation,
            created_at: manifest.created_at,
        }
    }
}

/// The longest name of a [`Neighbour`], in characters.
const LONGEST_NAME: usize = 200;

/// A name as another process wrote it, in one line that isn't too long.
fn shown(name: &str) -> String {
    one_line(name).chars().take(LONGEST_NAME).collect()
}

/// Why an export failed. Unless it says otherwise, the archive is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The archive couldn't be read.
    #[error("could not read the archive to export to: {0}")]
    Read(#[from] ReadError),
    /// The plan couldn't be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The files beside the manifests couldn't be made.
    #[error("could not make the files beside the archive: {0}")]
    SideFiles(#[source] SourceError),
    /// The archive couldn't be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Another store wrote the archive, or this store did before an older copy replaced it.
    #[error(
        "the archive holds generation {generation} of {}, which another store has exported, or this one \
         before an older copy of it was put back: an export only replaces what its store knows. Set \
         ARCHIVE to an empty place, rebuild the store from the archive with `propsbot restore`, or \
         replace the archive once with `propsbot export --replace`",
        one_line(&Scope::space(.space).to_string())
    )]
    Foreign {
        /// The space.
        space: Id,
        /// Its generation in the archive.
        generation: u64,
    },
    /// Another provider has a space with this id.
    #[error(
        "the archive has {} of the provider {provider:?}, so it can't have another one with this id: set ARCHIVE \
         to another place",
        one_line(&Scope::space(.space).to_string())
    )]
    Taken {
        /// The space.
        space: Id,
        /// The other provider.
        provider: String,
    },
    /// Another writer interfered, and only some spaces' manifests were replaced.
    #[error("another process changed the archive meanwhile; export again")]
    Interfered,
    /// The process was told to stop.
    #[error("the export was stopped before anything was published; the next one makes up for it")]
    Stopped,
    /// The planning thread panicked.
    #[error("planning the export broke down: {0}; this is a bug, please report it")]
    Broken(#[from] tokio::task::JoinError),
}
