//! The interface to an archive: files that are read by path and replaced as a set.
//!
//! Every backend implements it; [`crate::contract`] tests its promises. Knows nothing of rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{
    Hash, Millis, README,
    document::FORMAT_MD,
    file,
    manifest::{ROOT, is_manifest},
};

/// The files that SourceCred reads: the graph, its declaration, and the identity proposals.
pub const SOURCECRED: [&str; 3] = [
    "sourcecred/props/graph.json",
    "sourcecred/props/declaration.json",
    "sourcecred/props/identityProposals.json",
];

/// The replaceable files beside the manifests, for people and other programs.
pub const DOCUMENTS: [&str; 5] = [
    README,
    FORMAT_MD,
    SOURCECRED[0],
    SOURCECRED[1],
    SOURCECRED[2],
];

/// The folder of the spaces' manifests.
pub const SPACES: &str = "spaces";

/// The folders of an archive's objects and of its spaces' manifests, also of earlier formats.
pub const FOLDERS: [&str; 6] = ["blobs", "days", "indexes", "parts", "rows", SPACES];

/// The longest document that is read, in bytes.
pub const DOCUMENT_LIMIT: u64 = 1 << 30;

/// An immutable file of the archive, named by the hash of its uncompressed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path in the archive, with `/` between folders.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The content of the files beside the manifests; `None` removes a file.
pub type Documents = BTreeMap<&'static str, Option<Vec<u8>>>;

/// The hashes of manifests by path; `None` where there is none.
///
/// An archive has a root, [`ROOT`], and a manifest for each space
/// ([`manifest_path`](super::manifest::manifest_path)). A write names the ones that it is
/// based on, whether it replaces them or not. It names what lies at a path even if the root doesn't
/// have the space: an interrupted write may have left a manifest there.
pub type Bases = BTreeMap<String, Option<Hash>>;

/// The bases of a write to an archive whose root has this hash.
pub fn base(root: Option<Hash>) -> Bases {
    BTreeMap::from([(ROOT.to_owned(), root)])
}

/// What a write publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The new manifests, by path; `None` removes one. Each path is one of the write's [`Bases`].
    pub manifests: BTreeMap<String, Option<Vec<u8>>>,
    /// The objects that they no longer need.
    pub remove: BTreeSet<String>,
    /// The changed files beside the manifests ([`DOCUMENTS`]).
    pub documents: Documents,
    /// What changed, in one line for people. Archives without a log ignore it.
    pub commit_message: String,
}

/// What a write published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The manifests that were replaced, and `None` for those that were removed. Fewer than asked
    /// for if another writer interfered with an archive that replaces one file at a time.
    pub published: Bases,
    /// Requests sent to a server since the previous write ended, including reads and retries.
    pub requests: u64,
    /// The commit that was made or found, for archives in git.
    pub commit: Option<String>,
    /// The [`DOCUMENTS`] that were left out because they exceed the archive's file size limit.
    pub too_large: Vec<String>,
}

/// What [`DataArchive::probe`] learnt besides that the archive can be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Whether everyone can read it; `None` if that can't be told.
    pub is_public: Option<bool>,
    /// When the login expires, if the server says so.
    pub expires: Option<Millis>,
}

/// Stores and serves what a provider exports.
///
/// An archive consists of files: manifests, which list its content; the immutable objects that they
/// name; and [`DOCUMENTS`] for people and other programs. An implementation promises:
///
/// - **Atomic.** A reader sees either the old manifest of a space with all of its objects or the
///   new one with all of its objects, even after a crash at any moment. (A reader of the old
///   manifest may find an object gone. It then reads the manifest again.)
/// - **In order.** A root never names a space without a manifest: an archive that replaces one file
///   at a time follows [`Publish::in_order`].
/// - **Durable.** What [`ArchiveWrite::publish`] has confirmed survives a power cut. Objects are
///   durable before the manifest is replaced.
/// - **Compare and set.** If a manifest isn't the one that the write is based on, nothing is
///   published, and the error is [`ArchiveError::Stale`]. If it already is the one to publish, the
///   write succeeds.
/// - **Idempotent.** Putting an object that exists, or removing one that doesn't, changes nothing.
///   An object exists if its uncompressed bytes do, however they are compressed.
/// - **Bounded.** A file that is longer than a reader allows is refused before its bytes are taken
///   ([`ArchiveError::TooLong`]).
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
///     check_readable, contract, is_swept,
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
///     async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
///         check_readable(path)?;
///         match self.0.lock().await.get(path) {
///             Some(file) if file.len() as u64 > longest => {
///                 Err(ArchiveError::TooLong { path: path.into(), longest })
///             }
///             found => Ok(found.cloned()),
///         }
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
///         files.retain(|path, _| !is_swept(path) || needed.contains(path));
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
///         let documents = publish.documents.into_iter();
///         let documents = documents.map(|(path, document)| (path.to_owned(), document));
///         for (path, file) in publish.manifests.into_iter().chain(documents) {
///             match file {
///                 Some(bytes) => files.insert(path, bytes),
///                 None => files.remove(&path),
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
    ///
    /// # Errors
    /// [`ArchiveError::TooLong`] for a file of more than `longest` bytes, of which none are taken.
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError>;

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
        match self.read(path, bytes.len() as u64).await {
            Err(ArchiveError::TooLong { .. }) => Ok(false),
            found => Ok(found?.is_some_and(|own| own == bytes)),
        }
    }

    /// Checks, without writing, that a write would be accepted.
    async fn check_writable(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    /// Checks that a write would be accepted, by writing something that leaves no trace.
    ///
    /// Takes no lock and no claim, so it works beside a writer.
    async fn probe(&self) -> Result<Probe, ArchiveError> {
        self.check_writable().await?;
        Ok(Probe::default())
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
    /// A program that this kind of archive takes is missing or too old.
    #[error("{place}: {problem}")]
    NoProgram {
        /// The archive.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
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
    /// The file is longer than the reader allows.
    #[error(
        "{path} is longer than {longest} bytes, which is the most that it may have: put back an intact \
         copy of the archive"
    )]
    TooLong {
        /// The file.
        path: String,
        /// The limit in bytes.
        longest: u64,
    },
    /// The bytes aren't those that the path names.
    #[error("refused to write {path}: {problem}; this is a bug, please report it")]
    BadObject {
        /// The object's path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The object exceeds the archive's size limit.
    #[error(
        "{path} is {bytes} bytes long, and {place} takes {most} at the most: keep the archive in a \
         folder or an object store (ARCHIVE), or exclude the part that has so much in one second"
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
    /// Checks that the bytes are those that the path names. Every archive checks this before it
    /// stores an object.
    pub fn check(&self) -> Result<(), ArchiveError> {
        check_object(&self.path, &self.bytes)
    }
}

/// Whether these are the bytes of the object at this path, however compressed.
pub fn is_whole(path: &str, bytes: &[u8]) -> bool {
    check_object(path, bytes).is_ok()
}

fn check_object(path: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let hash = hash_in(path)?;
    let checked = if file::is_named(path) {
        file::check(bytes, hash)
    } else if Hash::of(bytes) == hash {
        Ok(())
    } else {
        Err("its bytes have another hash".to_owned())
    };
    checked.map_err(|problem| ArchiveError::BadObject {
        path: path.to_owned(),
        problem,
    })
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

    /// The hashes of the new manifests, and `None` for those to be removed.
    pub fn hashes(&self) -> Bases {
        let hash = |manifest: &Option<Vec<u8>>| manifest.as_deref().map(Hash::of);
        let manifests = self.manifests.iter();
        manifests
            .map(|(path, manifest)| (path.clone(), hash(manifest)))
            .collect()
    }

    /// The manifests in the order in which to replace them one at a time.
    ///
    /// Manifests of spaces come before the root that names them, and go after the root that no
    /// longer does.
    pub fn in_order(&self) -> Vec<(&str, Option<&[u8]>)> {
        let manifests = self.manifests.iter();
        let mut manifests: Vec<_> = manifests
            .map(|(path, manifest)| (path.as_str(), manifest.as_deref()))
            .collect();
        manifests.sort_by_key(|(path, manifest)| match manifest {
            _ if *path == ROOT => 1,
            Some(_) => 0,
            None => 2,
        });
        manifests
    }

    /// Compares the current manifests, `found`, to the bases of the write. Returns
    /// [`Self::hashes`] if it may publish.
    ///
    /// # Errors
    /// [`ArchiveError::Stale`] for the first that is neither as expected nor already published.
    pub fn compare(&self, bases: &Bases, found: &Bases) -> Result<Bases, ArchiveError> {
        let hashes = self.hashes();
        for (path, expected) in bases {
            let found = found.get(path).copied().flatten();
            if found != *expected && hashes.get(path) != Some(&found) {
                return Err(ArchiveError::Stale {
                    expected: *expected,
                    found,
                });
            }
        }
        Ok(hashes)
    }
}

/// Fails if a path isn't that of a manifest.
pub fn check_bases(bases: &Bases) -> Result<(), ArchiveError> {
    match bases.keys().find(|path| !is_manifest(path)) {
        Some(path) => Err(ArchiveError::BadPath(path.clone())),
        None => Ok(()),
    }
}

/// Whether a sweep removes the file at this path if no manifest needs it.
///
/// That's the case for objects, also of earlier formats, and for the manifests of spaces. Anything
/// else in the archive's folders belongs to someone else.
pub fn is_swept(path: &str) -> bool {
    let hash = || Hash::in_name(path).map(|hash| hash.to_string());
    match path.split('/').collect::<Vec<_>>()[..] {
        [SPACES, _] => is_manifest(path),
        [folder, shard, _] if FOLDERS.contains(&folder) => {
            hash().is_some_and(|hash| hash[..2] == *shard)
        }
        _ => false,
    }
}

/// Fails if the path isn't that of a file in an archive.
pub fn check_readable(path: &str) -> Result<(), ArchiveError> {
    if is_manifest(path) || DOCUMENTS.contains(&path) || Hash::in_path(path).is_some() {
        Ok(())
    } else {
        Err(ArchiveError::BadPath(path.to_owned()))
    }
}

/// Reads a file on this machine, as [`DataArchive::read`] promises.
pub fn read_file(path: &Path, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
    let too_long = || ArchiveError::TooLong {
        path: path.display().to_string(),
        longest,
    };
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > longest {
            return Ok::<_, io::Error>(None);
        }
        let mut bytes = Vec::new();
        // It may grow meanwhile.
        file.take(longest.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= longest))
    };
    match read() {
        Ok(Some(bytes)) => Ok(Some(bytes)),
        Ok(None) => Err(too_long()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ArchiveError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_never_names_a_space_without_a_manifest() {
        let publish = Publish {
            manifests: [
                (ROOT.to_owned(), Some(vec![1])),
                ("spaces/gone.json".to_owned(), None),
                ("spaces/new.json".to_owned(), Some(vec![2])),
                ("spaces/a.json".to_owned(), None),
            ]
            .into(),
            ..Publish::default()
        };
        let order = publish.in_order();
        let paths: Vec<&str> = order.iter().map(|(path, _)| *path).collect();
        let expected = ["spaces/new.json", ROOT, "spaces/a.json", "spaces/gone.json"];
        assert_eq!(paths, expected);
    }

    /// A file that would decompress to a gigabyte.
    #[test]
    fn a_bomb_is_refused_by_the_limit_of_the_format() {
        let (file, _) = file::pack(file::Kind::Rows, b"rows");
        let zeros = vec![0; 1 << 20];
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let bytes = (0..1024).try_fold(gzip, |mut gzip, _| {
            io::Write::write_all(&mut gzip, &zeros)?;
            Ok::<_, io::Error>(gzip)
        });
        let object = Object {
            path: file::named(file::Kind::Rows, file.hash),
            bytes: bytes.and_then(flate2::write::GzEncoder::finish).unwrap(),
        };
        let refused = object.check().unwrap_err().to_string();
        assert!(refused.contains("longer than 134217728 bytes"), "{refused}");
    }
}
