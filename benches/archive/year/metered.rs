//! What each export writes to a folder.

use std::{
    fs, mem,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use propsbot_archive::{
    self as archive, ArchiveError, ArchiveWrite, Bases, DataArchive, ExportRequest, Millis, Object,
    Publish, Receipt, manifest_path,
};
use propsbot_backends::FolderArchive;
use propsbot_mirror::Exports;

use super::Files;

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) files: u64,
    /// As they lie in the archive.
    pub(super) bytes: u64,
    /// Of the manifests.
    pub(super) manifest: u64,
}

/// A folder that counts what is written to it.
pub(super) struct Metered {
    folder: FolderArchive,
    written: Arc<Mutex<Written>>,
}

impl Metered {
    pub(super) fn new(folder: FolderArchive) -> Self {
        Self {
            folder,
            written: Arc::default(),
        }
    }

    /// What was written since the last call.
    pub(super) fn take(&self) -> Written {
        mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct MeteredWrite<'a> {
    write: Box<dyn ArchiveWrite + 'a>,
    written: Arc<Mutex<Written>>,
}

impl MeteredWrite<'_> {
    fn count(&self, bytes: usize, is_manifest: bool) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.files += 1;
        written.bytes += bytes as u64;
        if is_manifest {
            written.manifest += bytes as u64;
        }
    }
}

#[async_trait]
impl DataArchive for Metered {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.folder.read(path, longest).await
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        Ok(Box::new(MeteredWrite {
            write: self.folder.write(bases).await?,
            written: Arc::clone(&self.written),
        }))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.folder.sweep().await
    }
}

#[async_trait]
impl ArchiveWrite for MeteredWrite<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        self.count(object.bytes.len(), false);
        self.write.put(object).await
    }

    async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        for bytes in publish.manifests.values().flatten() {
            self.count(bytes.len(), true);
        }
        for bytes in publish.documents.values().flatten() {
            self.count(bytes.len(), false);
        }
        self.write.publish(publish).await
    }

    async fn abandon(self: Box<Self>) -> Result<(), ArchiveError> {
        self.write.abandon().await
    }
}

/// The files in a folder that manifests name.
pub(super) fn files(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    collect(folder, folder, &mut files)?;
    // A manifest also tells its generation.
    files.retain(|path, _| path.contains('/') && !path.starts_with("spaces/"));
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Files) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == ".git") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.insert(name, fs::read(&path)?);
        }
    }
    Ok(())
}

/// The files that a first export with the stamps of the archive in `folder` writes.
pub(super) async fn fresh(
    provider: &Arc<dyn Exports>,
    folder: &Path,
    now: Millis,
) -> anyhow::Result<Files> {
    let view = provider.view()?;
    let mut spaces = view.contents.spaces;
    for space in &mut spaces {
        let manifest = fs::read(folder.join(manifest_path(&space.id)))?;
        let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
        space.stamps = serde_json::from_value(manifest["stamps"].clone())?;
    }
    let request = ExportRequest {
        now,
        spaces,
        ..ExportRequest::new(provider.schema())
    };
    let folder = tempfile::tempdir()?;
    let fresh = FolderArchive::new(folder.path().join("archive"));
    archive::export(&fresh, view.rows, request).await?;
    files(&folder.path().join("archive"))
}
