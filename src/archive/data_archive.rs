//! What an archive is to the rest of the program: files that are read by name and replaced as a set.
//!
//! Owns the interface that every backend implements; [`crate::contract`] checks its promises. Knows
//! nothing of rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    path::PathBuf,
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Hash, MANIFEST, README};

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

/// The content of the files beside the manifest; `None` removes a file.
pub type Documents = BTreeMap<&'static str, Option<Vec<u8>>>;

/// The manifests that a write builds on: each one's hash, by path, or `None` where there is none yet.
///
/// Format 1 has one manifest, [`MANIFEST`]. A format with a manifest for each space has an entry for each one
/// that the write replaces; [`Publish`] and [`Receipt`] name them by the same paths.
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
    /// The files beside the manifest ([`DOCUMENTS`]) that change.
    pub documents: Documents,
    /// What changed, in one line for people. Archives without a log drop it.
    pub commit_message: String,
}

/// What a write has published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The hashes of the manifests that are now in place, by path. An archive that replaces several of them
    /// one by one, and was overtaken on the way, lists only those that it came to.
    pub published: BTreeMap<String, Hash>,
    /// Requests sent to a server since the write before this one ended, those for reading and for second
    /// attempts included.
    pub requests: u64,
    /// The commit that was made or found, for archives in git.
    pub commit: Option<String>,
    /// The [`DOCUMENTS`] that were left out because the archive takes no files that large.
    pub too_large: Vec<String>,
}

/// Keeps and serves what a provider exported.
///
/// All that it holds is files: manifests, which say what the archive holds; the immutable objects that
/// they name; and [`DOCUMENTS`] for people and other programs. An implementation promises:
///
/// - **Atomic.** A reader sees the old manifest with all of its objects, or the new one with all of its, also
///   after a crash at any moment. (A reader of the old manifest may find an object gone. It then reads the
///   manifest again.)
/// - **Durable.** What [`ArchiveWrite::publish`] has confirmed survives a power cut. Objects are durable
///   before the manifest is replaced.
/// - **Compare and set.** If a manifest isn't the one that the write builds on, nothing is published, and the
///   error is [`ArchiveError::Stale`]. If it already is the one to publish, all is well.
/// - **Repeatable.** Putting an object that is there, or removing one that isn't, changes nothing.
/// - **One writer at a time.** A second write is refused with [`ArchiveError::Busy`].
/// - **Nothing else.** Objects whose bytes don't have the hash in their name are refused, and so are paths that
///   aren't an archive's ([`Object::check`], [`Publish::check`], [`check_readable`]).
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
    /// The file at this path, whole; `None` if there is none.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Begins a write that builds on these manifests. Also removes what an interrupted write left.
    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError>;

    /// All objects of the generation whose manifest was read last, and perhaps more, in any order, if
    /// that is cheaper than to read them one by one; `None` if it isn't. Their hashes are not checked.
    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        Ok(None)
    }

    /// Whether the file at this path has these bytes.
    async fn has(&self, path: &str, bytes: &[u8]) -> Result<bool, ArchiveError> {
        Ok(self.read(path).await?.is_some_and(|own| own == bytes))
    }

    /// Checks, as far as it can without writing, that a write would not be refused.
    async fn check_writable(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Checks that a place without an archive never held one: such an archive is only replaced when the
    /// operator asks for it. `has_published`: the store remembers having published there.
    async fn check_place(&self, _has_published: bool) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Removes all objects that no manifest needs. Lists the archive: for places where objects may lie that no
    /// write knows of.
    async fn sweep(&self) -> Result<(), ArchiveError>;

    /// Drops earlier generations, where the archive keeps them and is set to drop them after a member's
    /// deletion request.
    async fn forget_history(&self) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// A write in progress. Dropped, it has published nothing; what it put is removed by the next write at the
/// latest.
///
/// After an error or a call that was cancelled, a write publishes nothing any more.
#[async_trait]
pub trait ArchiveWrite: Send {
    /// Adds an object that a new manifest needs.
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError>;

    /// Replaces the manifests, then the documents, then removes what isn't needed any more.
    ///
    /// What fails once the manifests are in place is logged, not returned: the next write removes what is
    /// left, and the next export compares the documents.
    async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError>;

    /// Ends the write without publishing. Unlike a drop, it lets the next writer in at once, where archives
    /// are claimed and not locked.
    async fn abandon(self: Box<Self>) -> Result<(), ArchiveError> {
        Ok(())
    }
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
    /// An earlier step of the same write has failed or was cut off.
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
    /// Checks that it is named after its bytes, as every archive does before it takes it.
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
    /// Checks that it replaces only manifests that the write builds on, removes only objects, and changes only
    /// [`DOCUMENTS`] beside them, as every archive does before it publishes.
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

    /// Compares the manifests that the archive has now, `found`, to those that the write builds on. Returns
    /// the new manifests' hashes if all of them may be replaced.
    ///
    /// # Errors
    /// [`ArchiveError::Stale`] for the first that is neither as expected nor published already.
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

/// Refuses to build on what is no manifest.
pub fn check_bases(bases: &Bases) -> Result<(), ArchiveError> {
    match bases.keys().find(|path| *path != MANIFEST) {
        Some(path) => Err(ArchiveError::BadPath(path.clone())),
        None => Ok(()),
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
