//! The interface to an archive: files that are read by path and replaced as a set.
//!
//! Every backend implements it; [`crate::contract`] tests its promises. Knows nothing of rows.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{
    ArchiveError, Hash, Millis, README,
    document::FORMAT_MD,
    manifest::is_manifest,
    publish::{Bases, Object, Publish, Receipt},
};

/// The files that SourceCred reads: the graph of the props plugin, its declaration, and the identity proposals.
pub const SOURCECRED: [&str; 3] = [
    "sourcecred/props/graph.json",
    "sourcecred/props/declaration.json",
    "sourcecred/props/identityProposals.json",
];

/// Those of the github plugin. An archive with spaces of several providers has both.
pub const SOURCECRED_GITHUB: [&str; 3] = [
    "sourcecred/github/graph.json",
    "sourcecred/github/declaration.json",
    "sourcecred/github/identityProposals.json",
];

/// The replaceable files beside the manifests, for people and other programs.
pub const DOCUMENTS: [&str; 8] = [
    README,
    FORMAT_MD,
    SOURCECRED[0],
    SOURCECRED[1],
    SOURCECRED[2],
    SOURCECRED_GITHUB[0],
    SOURCECRED_GITHUB[1],
    SOURCECRED_GITHUB[2],
];

/// The folder of the spaces' manifests.
pub const SPACES: &str = "spaces";

/// The folders of an archive's objects and of its spaces' manifests, also of earlier formats.
pub const FOLDERS: [&str; 6] = ["blobs", "days", "indexes", "parts", "rows", SPACES];

/// The longest document that is read, in bytes.
pub const DOCUMENT_LIMIT: u64 = 1 << 30;

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

    /// The paths of all manifests of spaces, also of those that the root doesn't name; `None` if the archive can't list
    /// them.
    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        Ok(None)
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

/// Whether this is the path of the manifest of a space.
pub fn is_space(path: &str) -> bool {
    path.starts_with(SPACES) && is_manifest(path)
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
