//! What an archive is to the rest of the program: files that are read by name and replaced as a
//! set.
//!
//! Owns the contract that every backend keeps (`tests/it/archive` checks it) and how archives are
//! named on the command line. Knows nothing of rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    path::PathBuf,
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Hash, MANIFEST, OwnClaims, README};

/// The files that SourceCred reads: the graph, its types, and who the members are.
pub const SOURCECRED: [&str; 3] = [
    "sourcecred/props/graph.json",
    "sourcecred/props/declaration.json",
    "sourcecred/props/identityProposals.json",
];

/// The files that may lie beside the manifest for people and other programs, and are replaced.
pub const DOCUMENTS: [&str; 4] = [README, SOURCECRED[0], SOURCECRED[1], SOURCECRED[2]];

/// An immutable file of the archive: a blob or an index, named by the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where it is, with `/` between folders.
    pub path: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// What the files beside the manifest say; `None` for those that go.
pub type Documents = BTreeMap<&'static str, Option<Vec<u8>>>;

/// A step of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds an object that the next manifest needs.
    Put(Object),
    /// Replaces the manifest, then the documents, then removes the objects with these paths. It
    /// ends the write.
    Publish {
        /// The new manifest's bytes.
        manifest: Vec<u8>,
        /// What it no longer needs.
        remove: BTreeSet<String>,
        /// What the files beside it, [`DOCUMENTS`], say from now on; `None` for those that go. They
        /// follow the manifest, in no certain time: no reader depends on them.
        documents: Documents,
        /// What changed, in a line for people; for archives that keep such lines.
        commit_message: String,
    },
}

/// Keeps and serves what a provider exported.
#[async_trait]
pub trait DataArchive: Send + Sync {
    /// The file at this path, whole; `None` if there is none.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Carries out these changes, one by one as they come, on the archive whose manifest has the
    /// hash `expected` (`None`: on one that has no manifest yet).
    ///
    /// - **Atomic.** Whoever reads sees the old manifest with all of its objects, or the new one
    ///   with all of its; also after a crash at any moment. (Who read the old manifest before may
    ///   find an object gone: they read the manifest again.)
    /// - **Durable.** When it returns, the new state survives a power cut; objects are durable
    ///   before the manifest is replaced.
    /// - Where what follows the manifest fails, the write does not: what was to be removed is by a later
    ///   one, and the documents are looked at by whoever exports.
    /// - **Compare and set.** If the manifest is another than `expected`, nothing is published and
    ///   the error is [`ArchiveError::Stale`]. If it already is the one to publish, all is well.
    /// - **Without a [`Change::Publish`] nothing is published**; a writer that gives up just ends
    ///   its changes. What it had put is removed by a later write at the latest.
    /// - **Repeatable.** Putting what is there already, and removing what is not, changes nothing.
    /// - An object whose bytes do not have the hash in its name is refused.
    async fn write(
        &self,
        expected: Option<Hash>,
        changes: BoxStream<'_, Change>,
    ) -> Result<(), ArchiveError>;

    /// All objects of the generation whose manifest was read last, and perhaps more, in any order, if
    /// that is cheaper than to read them one by one; `None` if it is not. Nothing is said of their
    /// hashes.
    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        Ok(None)
    }

    /// Whether the file at this path has these bytes.
    async fn has(&self, path: &str, bytes: &[u8]) -> Result<bool, ArchiveError> {
        Ok(self.read(path).await?.is_some_and(|own| own == bytes))
    }

    /// Whether a write would be refused, as far as that can be told without writing.
    async fn check_writable(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Whether the place, in which no archive is found, held one once: then it is not begun anew unasked.
    /// `has_published`: the store remembers that it has published there.
    async fn check_place(&self, _has_published: bool) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Removes all objects that the manifest does not need. It lists the archive: to be used where
    /// something may lie there that no write knows of.
    async fn sweep(&self) -> Result<(), ArchiveError>;

    /// Which claims on the archive are known as this store's, for archives without locks.
    fn own_claims(&self) -> Option<&OwnClaims> {
        None
    }

    /// Drops what was published earlier, where the archive keeps that and is set to drop it after a
    /// member's deletion request.
    async fn forget_history(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// What was asked of a server so far, for archives that are on one.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

/// What an archive has asked of a server since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, also those that failed and were sent again.
    pub requests: u64,
    /// The commit that it was at last, if its versions are such.
    pub commit: Option<String>,
    /// The [`DOCUMENTS`] that the last write left out, since the server takes none so large.
    pub too_large: Vec<String>,
}

/// An archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A server refused, or could not be reached.
    #[error("could not {action} {place}: {source}")]
    Remote {
        /// What was tried.
        action: &'static str,
        /// On what.
        place: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What it takes to reach the archive is not configured.
    #[error("{place} takes {}: set them in the environment or .env", .variables.join(" and "))]
    NoAccess {
        /// The archive.
        place: String,
        /// The variables that are not set.
        variables: Vec<&'static str>,
    },
    /// Somebody else replaced the manifest first.
    #[error(
        "the archive changed while it was written to: it is at manifest {}, this write built on \
         {}; nothing was published, export again",
        or_none(*.found), or_none(*.expected)
    )]
    Stale {
        /// The manifest that the write built on.
        expected: Option<Hash>,
        /// The one that is there.
        found: Option<Hash>,
    },
    /// Somebody else is writing right now.
    #[error(
        "another process is writing to the archive in {}, or was cut off a moment ago; try again \
         later (in an object store, another store's claim holds until it is half an hour old)",
        .0.display()
    )]
    Busy(PathBuf),
    /// An object store that is no place for an archive.
    #[error(
        "{place} keeps no conditions (it replaced an object that was to be made only where there is \
         none): two exports at a time would spoil the archive; use another store"
    )]
    Unconditional {
        /// The archive.
        place: String,
    },
    /// The bytes are not what their name says.
    #[error(
        "refused to write {path}: its bytes have the hash {found}; this is a bug, please report it"
    )]
    WrongHash {
        /// The name.
        path: String,
        /// The bytes' hash.
        found: Hash,
    },
    /// No such archive can keep it.
    #[error(
        "{path} is {bytes} bytes long, and {place} takes {most} at the most: keep the archive in a \
         folder or an object store (ARCHIVE), or exclude the channel that has so much in one second"
    )]
    TooLarge {
        /// The object.
        path: String,
        /// Its length.
        bytes: usize,
        /// The most that the archive takes.
        most: usize,
        /// The archive.
        place: String,
    },
    /// The path is no object's.
    #[error("refused {0}: it is no path of an archive; this is a bug, please report it")]
    BadPath(String),
    /// What a crashed write left cannot be told from what is needed.
    #[error("could not clean up after an interrupted export: {0}")]
    Unreadable(#[from] Box<super::ReadError>),
    /// A backend's task was stopped.
    #[error("the archive's task was stopped: {0}")]
    Stopped(String),
}

fn or_none(hash: Option<Hash>) -> String {
    hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
}

impl Change {
    /// Checks that an object is named after its bytes, that nothing but objects is removed, and
    /// that nothing but documents lies beside them, as
    /// every backend does before it carries out the change.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let named =
            |path: &String| Hash::in_path(path).ok_or_else(|| ArchiveError::BadPath(path.clone()));
        match self {
            Self::Put(Object { path, bytes }) => {
                let found = Hash::of(bytes);
                if named(path)? != found {
                    let path = path.clone();
                    return Err(ArchiveError::WrongHash { path, found });
                }
            }
            Self::Publish {
                remove, documents, ..
            } => {
                for path in remove {
                    named(path)?;
                }
                if let Some(path) = documents.keys().find(|key| !DOCUMENTS.contains(key)) {
                    return Err(ArchiveError::BadPath((*path).to_owned()));
                }
            }
        }
        Ok(())
    }
}

/// Refuses to read what is no file of an archive.
pub fn check_readable(path: &str) -> Result<(), ArchiveError> {
    if path == MANIFEST || DOCUMENTS.contains(&path) || Hash::in_path(path).is_some() {
        Ok(())
    } else {
        Err(ArchiveError::BadPath(path.to_owned()))
    }
}

/// Work that waits for a disk, off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(ArchiveError::Stopped(error.to_string())),
    }
}
