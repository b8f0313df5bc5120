//! Holds an export's new objects on disk until they are put. So planning needs no network, and
//! memory holds one object at a time.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{ArchiveError, Object, blocking};

/// A folder of objects that aren't in the archive yet. Removed on drop.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// The objects' paths in the archive. A file here is named by its object's index in this list.
    paths: Vec<String>,
}

impl Spool {
    /// Creates the folder, without files that a killed process left in it. `None`: a new temporary
    /// folder.
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, ArchiveError> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => match tempfile::tempdir() {
                Ok(folder) => folder.keep(),
                Err(error) => return Err(failed("create", Path::new("a temporary folder"))(error)),
            },
        };
        remove(&folder).map_err(failed("remove", &folder))?;
        // The objects may be private, and other users may have access to this machine.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(failed("create the folder", &folder))?;
        Ok(Self {
            folder,
            paths: Vec::new(),
        })
    }

    /// Adds an object.
    pub(super) fn push(&mut self, object: &Object) -> Result<(), ArchiveError> {
        let file = self.file(self.paths.len());
        fs::write(&file, &object.bytes).map_err(failed("write", &file))?;
        self.paths.push(object.path.clone());
        Ok(())
    }

    /// The number of objects.
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }

    /// The path in the archive of the object with this index.
    pub(super) fn path(&self, number: usize) -> &str {
        &self.paths[number]
    }

    /// The object with this index.
    pub(super) async fn get(&self, number: usize) -> Result<Object, ArchiveError> {
        let file = self.file(number);
        let path = self.paths[number].clone();
        let read = move || fs::read(&file).map_err(failed("read", &file));
        let bytes = blocking(read).await?;
        Ok(Object { path, bytes })
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder.join(number.to_string())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            let folder = self.folder.display();
            tracing::warn!(%error, "could not remove {folder}: the next export does that");
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
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
    use crate::contract::blob;

    #[tokio::test]
    async fn keeps_objects_and_removes_what_a_kill_left() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("spool");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("7"), "left").unwrap();
        let mut spool = Spool::new(Some(&folder)).unwrap();
        let objects = [blob(b"one"), blob(b"two")];
        for object in &objects {
            spool.push(object).unwrap();
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert_eq!(spool.len(), 2);
        for (number, object) in objects.iter().enumerate() {
            assert_eq!(spool.get(number).await.unwrap(), *object);
        }
        drop(spool);
        assert!(!folder.exists());
    }
}
