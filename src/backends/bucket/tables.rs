//! Tables in an object store, where each write holds a claim as one on an archive does.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path as Key};
use propsbot_archive::{ArchiveError, blocking};
use propsbot_tables::{ROOT, TablesError, TablesPlace, TablesWrite};
use tempfile::{TempDir, TempPath};
use tokio::{fs::File, io::AsyncReadExt as _};

use super::{BucketArchive, claim::Claim};

/// How much of a file is in memory and in one request.
const PIECE: u64 = 8 << 20;

/// Tables under a prefix of a bucket.
#[derive(Debug)]
pub(crate) struct BucketTables {
    bucket: BucketArchive,
    /// Where files wait before they are uploaded: a folder that nothing else uses, or one among the system's
    /// temporary ones.
    scratch: Option<PathBuf>,
}

impl BucketTables {
    pub(crate) fn new(bucket: BucketArchive, scratch: Option<PathBuf>) -> Self {
        Self { bucket, scratch }
    }

    /// Whether there are tables.
    pub(crate) async fn is_used(&self) -> Result<bool, ArchiveError> {
        Ok(self.bucket.get(ROOT, u64::MAX).await?.is_some())
    }
}

struct BucketTablesWrite<'a> {
    bucket: &'a BucketArchive,
    claim: Claim<'a>,
    scratch: TempDir,
}

#[async_trait]
impl TablesPlace for BucketTables {
    async fn write<'a>(&'a self) -> Result<Box<dyn TablesWrite + 'a>, TablesError> {
        let mut claim = Claim::take(&self.bucket).await?;
        let own = self.scratch.clone();
        let scratch = blocking(move || {
            let folder = own.clone().unwrap_or_else(env::temp_dir);
            made_scratch(own.as_deref()).map_err(|source| ArchiveError::Io {
                action: "create a temporary folder in",
                path: folder,
                source,
            })
        });
        let scratch = scratch.await?;
        if self.bucket.get(ROOT, u64::MAX).await?.is_none() {
            claim.check_conditions().await?;
        }
        Ok(Box::new(BucketTablesWrite {
            bucket: &self.bucket,
            claim,
            scratch,
        }))
    }
}

/// A new folder, in this one if there is one. What a killed process left in that goes.
fn made_scratch(own: Option<&Path>) -> io::Result<TempDir> {
    let Some(own) = own else {
        return tempfile::tempdir();
    };
    match fs::remove_dir_all(own) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(own)?,
    }
    tempfile::tempdir_in(own)
}

impl BucketTablesWrite<'_> {
    /// The key of a file. `%` in its path stays as it is.
    fn key(&self, path: &str) -> Key {
        let prefix = self.bucket.path("");
        let parts = prefix.parts().map(|part| part.as_ref().to_owned());
        let parts: Vec<String> = parts.chain(path.split('/').map(str::to_owned)).collect();
        Key::parse(parts.join("/")).expect("paths of tables are valid keys")
    }

    async fn upload(&mut self, path: &str, file: &Path) -> Result<(), ArchiveError> {
        let mut from = File::open(file).await.map_err(unread(file))?;
        let mut piece = next_piece(&mut from, file).await?;
        let key = self.key(path);
        let store = &self.bucket.store;
        self.claim.about_to_put().await?;
        self.claim.check_age()?;
        if (piece.len() as u64) < PIECE {
            let put = store.put(&key, piece.into()).await;
            return put.map(drop).map_err(self.bucket.failed("write", path));
        }
        let upload = store.put_multipart(&key).await;
        let mut upload = upload.map_err(self.bucket.failed("write", path))?;
        let uploading = async {
            while !piece.is_empty() {
                self.claim.about_to_put().await?;
                let put = upload.put_part(piece.into()).await;
                put.map_err(self.bucket.failed("write", path))?;
                piece = next_piece(&mut from, file).await?;
            }
            self.claim.check_age()?;
            let done = upload.complete().await;
            done.map(drop).map_err(self.bucket.failed("write", path))
        };
        let uploaded = uploading.await;
        if uploaded.is_err() {
            // The store keeps its parts otherwise.
            let _ = upload.abort().await;
        }
        uploaded
    }
}

/// The next piece of a file; empty at its end.
async fn next_piece(from: &mut File, file: &Path) -> Result<Vec<u8>, ArchiveError> {
    let mut piece = Vec::new();
    let read = from.take(PIECE).read_to_end(&mut piece).await;
    read.map_err(unread(file))?;
    Ok(piece)
}

fn unread(file: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = file.to_owned();
    move |source| ArchiveError::Io {
        action: "read",
        path,
        source,
    }
}

#[async_trait]
impl TablesWrite for BucketTablesWrite<'_> {
    fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    async fn is_empty(&mut self) -> Result<bool, ArchiveError> {
        let prefix = self.bucket.path("");
        let mut listed = self.bucket.store.list(Some(&prefix));
        while let Some(object) = listed
            .try_next()
            .await
            .map_err(self.bucket.failed("list", ""))?
        {
            if !object
                .location
                .filename()
                .is_some_and(|name| name.starts_with('.'))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read(&mut self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let found = self.bucket.get_at(&self.key(path), path, longest).await?;
        Ok(found.map(|(bytes, _)| bytes))
    }

    async fn put(&mut self, path: &str, file: TempPath) -> Result<(), ArchiveError> {
        self.upload(path, &file).await
    }

    async fn remove(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.claim.about_to_put().await?;
        self.claim.check_age()?;
        self.bucket.remove(vec![self.key(path)]).await
    }

    async fn end(self: Box<Self>) -> Result<(), ArchiveError> {
        self.claim.end(true).await
    }
}
