//! The interface to an archive: files that are read by path and replaced as a set.
//!
//! Every backend implements it; [`crate::contract`] tests its promises. Knows nothing of rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    path::PathBuf,
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Hash, MANIFEST, README};

/// The files that SourceCred reads: the graph, its declaration, and the identity proposals.
pub const SOURCECRED: [&str; 3] = [
    "sourcecred/props/graph.json",
    "sourcecred/props/declaration.json",
    "sourcecred/props/identityProposals.json",
];

/// The replaceable files beside the manifest, for people and other programs.
pub const DOCUMENTS: [&str; 4] = [README, SOURCECRED[0], SOURCECRED[1], SOURCECRED[2]];

/// An immutable file of the archive: a blob or an index, named by the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path in the archive, with `/` between folders.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The content of the files beside the manifest; `None` removes a file.
pub type Documents = BTreeMap<&'static str, Option<Vec<u8>>>;

/// The manifests that a write is based on: the hash of each by path, or `None` if there is none
/// yet.
///
/// Format 1 has one manifest, [`MANIFEST`]. A format with one manifest per space has an entry for
/// each one that the write replaces. [`Publish`] and [`Receipt`] use the same paths.
pub type Bases = BTreeMap<String, Option<Hash>>;

/// The bases of a write to an archive of format 1 whose manifest has this hash.
pub fn base(manifest: Option<Hash>) -> Bases {
    BTreeMap::from([(MANIFEST.to_owned(), manifest)])
}

/// What a write publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The new manifests, by path. Each path is one of the write's [`Bases`].
    pub manifests: BTreeMap<String, Vec<u8>>,
    /// The objects that they no longer need.
    pub remove: BTreeSet<String>,
    /// The changed files beside the manifest ([`DOCUMENTS`]).
    pub documents: Documents,
    /// What changed, in one line for people. Archives without a log ignore it.
    pub commit_message: String,
}

/// What a write published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The hashes of the published manifests, by path. If another writer interferes while an
    /// archive replaces several manifests one by one, only those replaced so far.
    pub published: BTreeMap<String, Hash>,
    /// Requests sent to a server since the previous write ended, including reads and retries.
    pub requests: u64,
    /// The commit that was made or found, for archives in git.
    pub commit: Option<String>,
    /// The [`DOCUMENTS`] that were left out because they exceed the archive's file size limit.
    pub too_large: Vec<String>,
}

/// Stores and serves what a provider exports.
///
/// An archive consists of files: manifests, which list its content; the immutable objects that they
/// name; and [`DOCUMENTS`] for people and other programs. An implementation promises:
///
/// - **Atomic.** A reader sees either the old manifest with all of its objects or the new one with
///   all of its objects, even after a crash at any moment. (A reader of the old manifest may find
///   an object gone. It then reads the manifest again.)
/// - **Durable.** What [`ArchiveWrite::publish`] has confirmed survives a power cut. Objects are
///   durable before the manifest is replaced.
/// - **Compare and set.** If a manifest isn't the one that the write is based on, nothing is
///   published, and the error is [`ArchiveError::Stale`]. If it already is the one to publish, the
///   write succeeds.
/// - **Idempotent.** Putting an object that exists, or removing one that doesn't, changes nothing.
/// - **One writer at a time.** A second write is refused with [`ArchiveError::Busy`].
/// - **Nothing else.** Objects whose bytes don't match the hash in their path are refused, and so
///   are paths that don't belong to an archive ([`Object::check`], [`Publish::check`],
///   [`check_readable`]).
///
/// [`crate::contract`] tests these promises. An archive in memory:
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
///
/// use async_trait::async_trait;
/// use futures::lock::{Mutex, OwnedMutexGuard};
/// use propsbot_archive::{
///     ArchiveError, ArchiveWrite, Bases, DataArchive, Hash, Object, Publish, Receipt, check_bases,
///     check_readable, contract,
/// };
///
/// type Files = BTreeMap<String, Vec<u8>>;
///
/// #[derive(Default)]
/// struct Mine(Arc<Mutex<Files>>, Arc<Mutex<()>>);
///
/// struct Write(Arc<Mutex<Files>>, Bases, Files, OwnedMutexGuard<()>);
///
/// #[async_trait]
/// impl DataArchive for Mine {
///     async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
///         check_readable(path)?;
///         Ok(self.0.lock().await.get(path).cloned())
///     }
///     async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
///         check_bases(&bases)?;
///         let Some(turn) = self.1.clone().try_lock_owned() else {
///             return Err(ArchiveError::Busy("memory".into()));
///         };
///         Ok(Box::new(Write(self.0.clone(), bases, Files::new(), turn)))
///     }
///     async fn sweep(&self) -> Result<(), ArchiveError> {
///         let needed = propsbot_archive::needed(self).await.map_err(Box::new)?;
///         let mut files = self.0.lock().await;
///         files.retain(|path, _| Hash::in_path(path).is_none() || needed.contains(path));
///         Ok(())
///     }
/// }
///
/// #[async_trait]
/// impl ArchiveWrite for Write {
///     async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
///         object.check()?;
///         self.2.insert(object.path, object.bytes);
///         Ok(())
///     }
///     async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
///         publish.check(&self.1)?;
///         let mut files = self.0.lock().await;
///         let found = self.1.keys().map(|path| (path.clone(), files.get(path).map(|file| Hash::of(file))));
///         let published = publish.compare(&self.1, &found.collect())?;
///         files.extend(self.2);
///         files.extend(publish.manifests);
///         for (path, document) in publish.documents {
///             match document {
///                 Some(bytes) => files.insert(path.to_owned(), bytes),
///                 None => files.remove(path),
///             };
///         }
///         files.retain(|path, _| !publish.remove.contains(path));
///         Ok(Receipt { published, ..Receipt::default() })
///     }
/// }
///
/// futures::executor::block_on(contract::check(&mut || Box::new(Mine::default())));
/// ```
#[async_trait]
pub trait DataArchive: Send + Sync {
    /// The whole file at this path; `None` if there is none.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Begins a write based on these manifests. Also removes the leftovers of an interrupted write.
    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError>;

    /// All objects of the generation whose manifest was read last, and perhaps more, in any order.
    ///
    /// `None` if this isn't cheaper than reading them one by one. Their hashes are not checked.
    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        Ok(None)
    }

    /// Whether the file at this path has these bytes.
    async fn has(&self, path: &str, bytes: &[u8]) -> Result<bool, ArchiveError> {
        Ok(self.read(path).await?.is_some_and(|own| own == bytes))
    }

    /// Checks, without writing, that a write would be accepted.
    async fn check_writable(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Checks that a place without an archive never held one.
    ///
    /// If it did, only an operator's request may replace that archive. `has_published`: the store
    /// has a record of publishing there.
    async fn check_place(&self, _has_published: bool) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Removes all objects that no manifest needs. Lists the archive, so it also finds objects that
    /// no write knows of.
    async fn sweep(&self) -> Result<(), ArchiveError>;

    /// Drops earlier generations after a member's deletion request. Does so only if the archive
    /// keeps them and is configured to drop them.
    async fn forget_history(&self) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// A write in progress. Dropping it publishes nothing; the next write removes its objects.
///
/// After an error or a cancelled call, the write can no longer publish.
#[async_trait]
pub trait ArchiveWrite: Send {
    /// Adds an object that a new manifest needs.
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError>;

    /// Replaces the manifests, then the documents, then removes what is no longer needed.
    ///
    /// Errors after the manifests are in place are logged, not returned: the next write removes
    /// leftovers, and the next export compares the documents.
    async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError>;

    /// Ends the write without publishing. Unlike a drop, it releases a claim at once in archives
    /// without locks.
    async fn abandon(self: Box<Self>) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// Why an archive couldn't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A server refused or couldn't be reached.
    #[error("could not {action} {place}: {source}")]
    Remote {
        /// The operation.
        action: &'static str,
        /// The archive or a file in it.
        place: String,
        /// The server's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Access to the archive isn't configured.
    #[error("{place} takes {}: set them in the environment or .env", .variables.join(" and "))]
    NoAccess {
        /// The archive.
        place: String,
        /// The missing variables.
        variables: Vec<&'static str>,
    },
    /// Another writer replaced the manifest first.
    #[error(
        "the archive changed while it was written to: it is at manifest {}, this write built on \
         {}; nothing was published, export again",
        or_none(*.found), or_none(*.expected)
    )]
    Stale {
        /// The manifest that the write is based on.
        expected: Option<Hash>,
        /// The current manifest.
        found: Option<Hash>,
    },
    /// Another writer is active.
    #[error(
        "another process is writing to the archive in {}, or was cut off a moment ago; try again \
         later (in an object store, another store's claim holds until it is half an hour old)",
        .0.display()
    )]
    Busy(PathBuf),
    /// The object store ignores conditions, so it can't hold an archive.
    #[error(
        "{place} keeps no conditions (it replaced an object that was to be made only where there is \
         none): two exports at a time would spoil the archive; use another store"
    )]
    Unconditional {
        /// The archive.
        place: String,
    },
    /// The bytes don't match the hash in the path.
    #[error(
        "refused to write {path}: its bytes have the hash {found}; this is a bug, please report it"
    )]
    WrongHash {
        /// The object's path.
        path: String,
        /// The hash of the bytes.
        found: Hash,
    },
    /// The object exceeds the archive's size limit.
    #[error(
        "{path} is {bytes} bytes long, and {place} takes {most} at the most: keep the archive in a \
         folder or an object store (ARCHIVE), or exclude the channel that has so much in one second"
    )]
    TooLarge {
        /// The object's path.
        path: String,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        most: usize,
        /// The archive.
        place: String,
    },
    /// The path doesn't belong to an archive.
    #[error("refused {0}: it is no path of an archive; this is a bug, please report it")]
    BadPath(String),
    /// The manifest can't be read, so needed objects can't be told from the leftovers of an
    /// interrupted write.
    #[error("could not clean up after an interrupted export: {0}")]
    Unreadable(#[from] Box<super::ReadError>),
    /// A backend's task was stopped.
    #[error("the archive's task was stopped: {0}")]
    Stopped(String),
    /// An earlier step of the same write failed or was cancelled.
    #[error("nothing was published: an earlier step of this write has failed")]
    Failed,
}

fn or_none(hash: Option<Hash>) -> String {
    hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
}

fn hash_in(path: &str) -> Result<Hash, ArchiveError> {
    Hash::in_path(path).ok_or_else(|| ArchiveError::BadPath(path.to_owned()))
}

impl Object {
    /// Checks that the path matches the hash of the bytes. Every archive checks this before it
    /// stores an object.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let found = Hash::of(&self.bytes);
        if hash_in(&self.path)? == found {
            return Ok(());
        }
        let path = self.path.clone();
        Err(ArchiveError::WrongHash { path, found })
    }
}

impl Publish {
    /// Checks that this stays within `bases`, objects and [`DOCUMENTS`]: replaces only manifests of
    /// the write, removes only objects, changes only documents. Every archive checks this before it
    /// publishes.
    pub fn check(&self, bases: &Bases) -> Result<(), ArchiveError> {
        for path in &self.remove {
            hash_in(path)?;
        }
        let documents = self.documents.keys().copied();
        let odd = documents.filter(|path| !DOCUMENTS.contains(path));
        let manifests = self.manifests.keys().map(String::as_str);
        let strange = manifests.filter(|path| !bases.contains_key(*path));
        match odd.chain(strange).next() {
            Some(path) => Err(ArchiveError::BadPath(path.to_owned())),
            None => Ok(()),
        }
    }

    /// The hashes of the new manifests, by path.
    pub fn hashes(&self) -> BTreeMap<String, Hash> {
        let hash = |(path, bytes): (&String, &Vec<u8>)| (path.clone(), Hash::of(bytes));
        self.manifests.iter().map(hash).collect()
    }

    /// Compares the current manifests, `found`, to the bases of the write. Returns the new
    /// manifests' hashes if all may be replaced.
    ///
    /// # Errors
    /// [`ArchiveError::Stale`] for the first that is neither as expected nor already published.
    pub fn compare(
        &self,
        bases: &Bases,
        found: &Bases,
    ) -> Result<BTreeMap<String, Hash>, ArchiveError> {
        let hashes = self.hashes();
        for (path, hash) in &hashes {
            let found = found.get(path).copied().flatten();
            let expected = bases.get(path).copied().flatten();
            if found != expected && found != Some(*hash) {
                return Err(ArchiveError::Stale { expected, found });
            }
        }
        Ok(hashes)
    }
}

/// Fails if a path isn't that of a manifest.
pub fn check_bases(bases: &Bases) -> Result<(), ArchiveError> {
    match bases.keys().find(|path| *path != MANIFEST) {
        Some(path) => Err(ArchiveError::BadPath(path.clone())),
        None => Ok(()),
    }
}

/// Fails if the path isn't that of a file in an archive.
pub fn check_readable(path: &str) -> Result<(), ArchiveError> {
    if path == MANIFEST || DOCUMENTS.contains(&path) || Hash::in_path(path).is_some() {
        Ok(())
    } else {
        Err(ArchiveError::BadPath(path.to_owned()))
    }
}

/// Runs blocking work off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(ArchiveError::Stopped(error.to_string())),
    }
}
