//! An archive in a folder.
//!
//! Makes files durable and ensures one writer at a time. `.lock` is locked during a write.
//! `.writing` exists while there may be objects that no manifest needs, so that the next write
//! removes them.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use rustix::{fs::Access, io::Errno};

use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Documents, FILE_LIMIT, FOLDERS, Hash, Object,
    Probe, Publish, ReadError, Receipt, SPACES, blocking, check_bases, check_readable, is_space,
    is_swept, is_whole, needed, read_file,
};

pub(super) const LOCK: &str = ".lock";
const WRITING: &str = ".writing";
/// What the names of files end with until they are whole.
const TEMPORARY: &str = ".tmp";

/// An archive in a folder, which the first write creates.
#[derive(Clone, Debug)]
pub struct FolderArchive {
    root: PathBuf,
}

impl FolderArchive {
    /// The archive in this folder. Doesn't access the disk yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    async fn lock(&self) -> Result<Session, ArchiveError> {
        let root = self.root.clone();
        blocking(move || Session::lock(root)).await
    }

    /// Takes the lock, and removes the leftovers of an interrupted write. They stay as long as it isn't known what is
    /// needed: damage to one space must not keep others from being exported, or withdrawn.
    async fn begin(&self) -> Result<Session, ArchiveError> {
        let mut session = self.lock().await?;
        if !session.marked {
            return Ok(session);
        }
        match self.needed().await {
            Ok(Some(needed)) => blocking(move || session.keep_only(&needed)).await,
            Ok(None) => Ok(session),
            Err(ArchiveError::Unreadable(error)) => {
                tracing::warn!(%error, "left what an interrupted export may have left, since what the archive needs can't be read: once it is repaired, the next export removes that");
                session.owes_cleanup = true;
                Ok(session)
            }
            Err(error) => Err(error),
        }
    }

    /// The path of every file that the archive needs; `None` if it is to be replaced as a whole.
    ///
    /// # Errors
    /// [`ArchiveError::Unreadable`]: nothing may be removed.
    async fn needed(&self) -> Result<Option<BTreeSet<String>>, ArchiveError> {
        // The manifests that decide what is removed must survive a power cut first.
        let root = self.root.clone();
        blocking(move || sync_folders(&root)).await?;
        match needed(self).await {
            Ok(needed) => Ok(Some(needed)),
            // An export that was to replace it was interrupted: the one that does removes all.
            Err(ReadError::FormatOne) => Ok(None),
            Err(error) => Err(ArchiveError::Unreadable(Box::new(error))),
        }
    }
}

/// Makes the manifests' names durable.
fn sync_folders(root: &Path) -> Result<(), ArchiveError> {
    let spaces = root.join(SPACES);
    if spaces.is_dir() {
        sync_folder(&spaces)?;
    }
    sync_folder(root)
}

/// Fails with the first permission that a write would lack. After an export as root, the object
/// folders may belong to another user.
fn check_writable(root: &Path) -> Result<(), ArchiveError> {
    let folder = Access::WRITE_OK | Access::EXEC_OK;
    let needed = if root.exists() {
        let objects = FOLDERS.map(|name| (root.join(name), folder));
        let mut needed = vec![
            (root.to_owned(), folder),
            (root.join(LOCK), Access::WRITE_OK),
        ];
        needed.extend(objects);
        needed
    } else {
        vec![(nearest(root).to_owned(), folder)]
    };
    for (path, access) in needed {
        let checked = if access == folder && path.exists() && !path.is_dir() {
            Err(Errno::NOTDIR)
        } else {
            rustix::fs::access(&path, access)
        };
        // Missing folders are created later.
        let checked = checked.or_else(|error| match error {
            Errno::NOENT => Ok(()),
            error => Err(error),
        });
        checked.map_err(|error| failed("write to", &path)(error.into()))?;
    }
    Ok(())
}

/// Writes a file without a name, and so none that stays, into the folder or the nearest one above it.
fn probe(root: &Path) -> Result<(), ArchiveError> {
    check_writable(root)?;
    let folder = nearest(root);
    let mut file = tempfile::tempfile_in(folder).map_err(failed("write to", folder))?;
    file.write_all(&[0; 4096])
        .and_then(|()| file.sync_all())
        .map_err(failed("write to", folder))
}

/// The nearest folder that exists: this one, or one above it.
fn nearest(root: &Path) -> &Path {
    let mut named = root.ancestors().filter(|path| **path != *"");
    named.find(|path| path.exists()).unwrap_or(Path::new("."))
}

#[async_trait]
impl DataArchive for FolderArchive {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        let file = self.root.join(path);
        blocking(move || read_file(&file, longest)).await
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let session = self.begin().await?;
        Ok(Box::new(FolderWrite {
            session: Some(session),
            bases,
        }))
    }

    async fn check_writable(&self) -> Result<(), ArchiveError> {
        let root = self.root.clone();
        blocking(move || check_writable(&root)).await
    }

    async fn probe(&self) -> Result<Probe, ArchiveError> {
        let root = self.root.clone();
        blocking(move || probe(&root)).await?;
        Ok(Probe::default())
    }

    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        let folder = self.root.join(SPACES);
        let names = blocking(move || list(&folder)).await?.into_iter();
        let paths = names.map(|name| format!("{SPACES}/{name}"));
        Ok(Some(paths.filter(|path| is_space(path)).collect()))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let session = self.lock().await?;
        if let Some(needed) = self.needed().await? {
            blocking(move || session.keep_only(&needed)).await?;
        }
        Ok(())
    }
}

/// A write in progress. The session is `None` after an interrupted step.
struct FolderWrite {
    session: Option<Session>,
    bases: Bases,
}

#[async_trait]
impl ArchiveWrite for FolderWrite {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        let session = self.session.take().ok_or(ArchiveError::Failed)?;
        self.session = Some(blocking(move || session.put(&object)).await?);
        Ok(())
    }

    async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        publish.check(&self.bases)?;
        let session = self.session.ok_or(ArchiveError::Failed)?;
        let bases = self.bases;
        let published = blocking(move || session.publish(&bases, &publish)).await?;
        Ok(Receipt {
            published,
            ..Receipt::default()
        })
    }
}

/// The steps of a write; the lock keeps other writers out.
struct Session {
    root: PathBuf,
    /// Held until the session ends.
    _lock: File,
    /// Folders with new names that may not be durable yet.
    touched: BTreeSet<PathBuf>,
    /// Whether [`WRITING`] exists.
    marked: bool,
    /// Whether it has to stay, since an earlier write's leftovers do.
    owes_cleanup: bool,
}

impl Session {
    /// Takes the lock.
    fn lock(root: PathBuf) -> Result<Self, ArchiveError> {
        let missing = root
            .ancestors()
            .take_while(|ancestor| !ancestor.is_dir() && **ancestor != *"");
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        fs::create_dir_all(&root).map_err(failed("create the folder", &root))?;
        for folder in missing {
            sync_folder(folder.parent().unwrap_or(Path::new("")))?;
        }
        let lock = open_lock(&root)?;
        taken(lock.try_lock(), &root)?;
        Ok(Self {
            marked: root.join(WRITING).exists(),
            root,
            _lock: lock,
            touched: BTreeSet::new(),
            owes_cleanup: false,
        })
    }

    fn put(mut self, object: &Object) -> Result<Self, ArchiveError> {
        self.mark()?;
        let path = self.root.join(&object.path);
        self.create_folder_of(&path)?;
        // An unreadable or damaged file is replaced.
        let there = read_file(&path, FILE_LIMIT).ok().flatten();
        if !there.is_some_and(|there| is_whole(&object.path, &there)) {
            replace(&path, &object.bytes)?;
        }
        Ok(self)
    }

    /// Creates the folder of a file, whose name is to be made durable.
    fn create_folder_of(&mut self, file: &Path) -> Result<(), ArchiveError> {
        let folder = file.parent().expect("files lie in the archive");
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(failed("create the folder", folder))?;
        }
        let folders = folder.ancestors().map(Path::to_owned);
        let within = folders.take_while(|folder| folder.starts_with(&self.root));
        self.touched.extend(within);
        Ok(())
    }

    /// Makes the names in all touched folders durable.
    fn sync(&mut self) -> Result<(), ArchiveError> {
        for folder in std::mem::take(&mut self.touched) {
            if folder.is_dir() {
                sync_folder(&folder)?;
            }
        }
        Ok(())
    }

    fn publish(mut self, bases: &Bases, publish: &Publish) -> Result<Bases, ArchiveError> {
        let mut found = Bases::new();
        for path in bases.keys() {
            let file = read_file(&self.root.join(path), FILE_LIMIT)?;
            found.insert(path.clone(), file.map(|bytes| Hash::of(&bytes)));
        }
        let hashes = publish.compare(bases, &found)?;
        for (path, manifest) in publish.in_order() {
            let file = self.root.join(path);
            if found[path] != hashes[path] {
                self.mark()?;
                self.sync()?;
                match manifest {
                    Some(manifest) => {
                        self.create_folder_of(&file)?;
                        replace(&file, manifest)?;
                    }
                    None => self.remove(&file)?,
                }
            }
            // Also if an earlier writer was killed right after it replaced the file.
            self.touched.extend(file.parent().map(Path::to_owned));
        }
        self.sync()?;
        if let Err(error) = self.follow(&publish.documents, &publish.remove) {
            tracing::warn!(%error, "published, but not all that goes with it is done: the next export makes up for it");
        }
        Ok(hashes)
    }

    /// Writes the documents and removes old objects, after the manifest is replaced.
    fn follow(
        &mut self,
        documents: &Documents,
        remove: &BTreeSet<String>,
    ) -> Result<(), ArchiveError> {
        if !remove.is_empty() {
            self.mark()?;
        }
        for (path, document) in documents {
            let path = self.root.join(path);
            match document {
                Some(bytes) if is_file(&path, bytes)? => {}
                Some(bytes) => {
                    self.create_folder_of(&path)?;
                    replace(&path, bytes)?;
                }
                None => self.remove(&path)?,
            }
        }
        for path in remove {
            self.remove(&self.root.join(path))?;
        }
        self.unmark()
    }

    /// Removes everything that a sweep may remove and that isn't needed.
    fn keep_only(mut self, needed: &BTreeSet<String>) -> Result<Self, ArchiveError> {
        self.mark()?;
        let mut folders: Vec<String> = FOLDERS.map(str::to_owned).into();
        while let Some(folder) = folders.pop() {
            for name in list(&self.root.join(&folder))? {
                let path = format!("{folder}/{name}");
                let file = self.root.join(&path);
                if file.is_dir() {
                    folders.push(path);
                } else if (is_swept(&path) || path.ends_with(TEMPORARY)) && !needed.contains(&path)
                {
                    self.remove(&file)?;
                }
            }
        }
        self.unmark()?;
        Ok(self)
    }

    fn remove(&mut self, path: &Path) -> Result<(), ArchiveError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", path)(error))
            }
            _ => {
                self.touched.extend(path.parent().map(Path::to_owned));
                Ok(())
            }
        }
    }

    fn mark(&mut self) -> Result<(), ArchiveError> {
        if !self.marked {
            let path = self.root.join(WRITING);
            File::create(&path).map_err(failed("create", &path))?;
            sync_folder(&self.root)?;
            self.marked = true;
        }
        Ok(())
    }

    /// Removes [`WRITING`], if only needed objects are left.
    fn unmark(&mut self) -> Result<(), ArchiveError> {
        self.sync()?;
        if self.marked && !self.owes_cleanup {
            self.remove(&self.root.join(WRITING))?;
            self.touched.clear();
            sync_folder(&self.root)?;
            self.marked = false;
        }
        Ok(())
    }
}

/// Whether the file has these bytes.
fn is_file(path: &Path, bytes: &[u8]) -> Result<bool, ArchiveError> {
    match read_file(path, bytes.len() as u64) {
        Err(ArchiveError::TooLong { .. }) => Ok(false),
        found => Ok(found?.is_some_and(|found| found == bytes)),
    }
}

/// The names in a folder; none if it doesn't exist. Names that aren't UTF-8 aren't ours.
fn list(folder: &Path) -> Result<Vec<String>, ArchiveError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", folder))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names
        .filter_map(io::Result::transpose)
        .collect::<io::Result<_>>()
        .map_err(failed("list", folder))
}

/// Replaces a file atomically. The content is durable on return, the name only after
/// [`sync_folder`].
fn replace(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let temporary = path.with_extension(&TEMPORARY[1..]);
    let mut file = File::create(&temporary).map_err(failed("create", &temporary))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("rename a temporary file to", path))
}

/// Opens the lock file for writing, since NFS locks only writable files.
pub(super) fn open_lock(root: &Path) -> Result<File, ArchiveError> {
    let path = root.join(LOCK);
    let mut options = File::options();
    options.create(true).append(true);
    options.open(&path).map_err(failed("open", &path))
}

/// Converts the result of locking the archive in `root`.
pub(super) fn taken(locked: Result<(), TryLockError>, root: &Path) -> Result<(), ArchiveError> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy(root.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", &root.join(LOCK))(error)),
    }
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|open| open.sync_all())
        .map_err(failed("sync the folder", folder))
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NFS without a lock daemon: locking fails although no process has the lock.
    #[test]
    fn tells_a_lock_that_fails_from_one_that_is_held() {
        let root = Path::new("archive");
        assert!(taken(Ok(()), root).is_ok());
        let busy = taken(Err(TryLockError::WouldBlock), root);
        assert!(matches!(busy, Err(ArchiveError::Busy(_))), "{busy:?}");
        let no_locks = io::Error::from(Errno::NOLCK);
        let failed = taken(Err(TryLockError::Error(no_locks)), root).unwrap_err();
        let says = failed.to_string();
        assert!(says.contains("could not lock archive/.lock"), "{says}");
    }

    #[test]
    fn opens_the_lock_for_writing() {
        let home = tempfile::tempdir().unwrap();
        let lock = open_lock(home.path()).unwrap();
        let flags = rustix::fs::fcntl_getfl(&lock).unwrap();
        assert!(flags.intersects(rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::RDWR));
    }
}
