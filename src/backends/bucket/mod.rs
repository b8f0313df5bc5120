//! An archive in an object store: an S3-compatible or Google bucket, or an Azure container.
//!
//! `connect` makes the store's client, `refusal` interprets its refusals, `claim` ensures one writer
//! at a time, and `write` orders the steps. A manifest is replaced only if it hasn't changed since
//! it was read (`If-Match` or the store's equivalent). Stores that ignore such conditions are
//! refused.

mod claim;
mod connect;
mod probe;
mod refusal;
mod tables;
mod write;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
    path::Path,
};
use tokio::sync::Mutex;

use self::{
    claim::{Claim, LEASE},
    connect::connect,
    refusal::refusal,
    write::BucketWrite,
};
use super::{BucketAccess, BucketPlace, Claims, ObjectStoreKind};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, FOLDERS, Probe, ReadError, SPACES, check_bases,
    check_readable, is_space, is_swept, needed,
};
use propsbot_network::Network;

pub(crate) use self::tables::BucketTables;

/// Objects removed between two renewals: as many as one request can name.
const REMOVE: usize = 1000;

#[derive(Clone, Debug)]
pub struct BucketArchive {
    store: Arc<dyn ObjectStore>,
    kind: ObjectStoreKind,
    prefix: String,
    place: String,
    lease: Duration,
    claims: Claims,
    /// Held by this process's only writer.
    turn: Arc<Mutex<()>>,
}

impl BucketArchive {
    /// The archive at this place. Makes no requests yet.
    pub fn new(
        place: BucketPlace,
        access: &BucketAccess,
        network: &Network,
    ) -> Result<Self, ArchiveError> {
        let name = place.to_string();
        let store = connect(&place, access, network).map_err(|source| ArchiveError::Remote {
            action: "use",
            place: name.clone(),
            source: refusal(place.kind, source),
        })?;
        Ok(Self {
            store,
            kind: place.kind,
            prefix: place.prefix,
            place: name,
            lease: LEASE,
            claims: Claims::default(),
            turn: Arc::default(),
        })
    }

    /// The same archive, writing under these claims.
    #[must_use]
    pub fn with_claims(self, claims: Claims) -> Self {
        Self { claims, ..self }
    }

    /// The same archive, with a shorter lease for tests: a claim of this age counts as abandoned.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    fn path(&self, path: &str) -> Path {
        Path::from(format!("{}/{path}", self.prefix))
    }

    fn failed(&self, action: &'static str, path: &str) -> impl FnOnce(Error) -> ArchiveError {
        let place = format!("{path} of {}", self.place);
        let kind = self.kind;
        move |source| ArchiveError::Remote {
            action,
            place,
            source: match source {
                Error::NotFound { .. } if action == "write" => {
                    "there is no such bucket or container: make it first".into()
                }
                source => refusal(kind, source),
            },
        }
    }

    /// A file of at most `longest` bytes, and its version.
    async fn get(
        &self,
        path: &str,
        longest: u64,
    ) -> Result<Option<(Vec<u8>, UpdateVersion)>, ArchiveError> {
        self.get_at(&self.path(path), path, longest).await
    }

    /// The same, at this key.
    async fn get_at(
        &self,
        key: &Path,
        path: &str,
        longest: u64,
    ) -> Result<Option<(Vec<u8>, UpdateVersion)>, ArchiveError> {
        let found = match self.store.get(key).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(self.failed("read", path))?,
        };
        if found.meta.size > longest {
            let path = format!("{path} of {}", self.place);
            return Err(ArchiveError::TooLong { path, longest });
        }
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        match found.bytes().await {
            Ok(bytes) => Ok(Some((bytes.to_vec(), version))),
            // It was removed while it was read.
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", path)(error)),
        }
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let put = self.store.put(&self.path(path), bytes.into()).await;
        put.map(drop).map_err(self.failed("write", path))
    }

    /// Puts a file if its version is still this one (`None`: if it is missing). `false` if not.
    async fn put_if(
        &self,
        path: &str,
        version: Option<UpdateVersion>,
        bytes: Vec<u8>,
    ) -> Result<bool, ArchiveError> {
        let options = PutOptions::from(version.map_or(PutMode::Create, PutMode::Update));
        let payload = PutPayload::from(bytes.clone());
        let Err(error) = self
            .store
            .put_opts(&self.path(path), payload, options)
            .await
        else {
            return Ok(true);
        };
        // The response may be lost, or may answer a retry, so the stored content decides.
        match self.get(path, bytes.len() as u64).await {
            Err(ArchiveError::TooLong { .. }) => {}
            found => {
                if found?.is_some_and(|(is, _)| is == bytes) {
                    return Ok(true);
                }
            }
        }
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Ok(false),
            error => Err(self.failed("write", path)(error)),
        }
    }

    async fn remove(&self, paths: Vec<Path>) -> Result<(), ArchiveError> {
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let removed = self.store.delete_stream(paths);
        let gone = |removed| match removed {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove objects", "")(error)),
        };
        removed.map(gone).try_collect().await
    }

    /// Removes all objects and manifests of spaces that aren't needed. Removes nothing unless all
    /// needed ones are known.
    async fn clean_up(&self, claim: &mut Claim<'_>) -> Result<(), ArchiveError> {
        let needed = match needed(self).await {
            Ok(needed) => needed,
            // An export that was to replace it was interrupted: the one that does removes all.
            Err(ReadError::FormatOne) => return Ok(()),
            Err(error) => return Err(ArchiveError::Unreadable(Box::new(error))),
        };
        let mut left = Vec::new();
        for folder in FOLDERS {
            let listed = self.list(folder).await?.into_iter();
            let listed = listed.filter(|(own, _)| is_swept(own) && !needed.contains(own));
            left.extend(listed.map(|(_, key)| key));
        }
        self.remove_for(claim, left).await
    }

    /// The files below a folder, by path, with their keys.
    async fn list(&self, folder: &str) -> Result<Vec<(String, Path)>, ArchiveError> {
        let prefix = self.path("");
        let listed = self.store.list(Some(&self.path(folder)));
        let listed = listed.map_ok(|object| {
            let own = object.location.prefix_match(&prefix);
            let own: Vec<_> = own.into_iter().flatten().collect();
            let own: Vec<&str> = own.iter().map(AsRef::as_ref).collect();
            (own.join("/"), object.location)
        });
        let listed = listed.try_collect().await;
        listed.map_err(self.failed("list", folder))
    }

    /// Removes objects as long as the claim holds.
    async fn remove_for(
        &self,
        claim: &mut Claim<'_>,
        paths: Vec<Path>,
    ) -> Result<(), ArchiveError> {
        for some in paths.chunks(REMOVE) {
            claim.renew().await?;
            self.remove(some.to_vec()).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl DataArchive for BucketArchive {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        Ok(self.get(path, longest).await?.map(|(bytes, _)| bytes))
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let mut claim = Claim::take(self).await?;
        if bases.values().any(Option::is_none) {
            claim.check_conditions().await?;
        }
        Ok(Box::new(BucketWrite::new(self, claim, bases)))
    }

    async fn probe(&self) -> Result<Probe, ArchiveError> {
        self.probe_store().await?;
        Ok(Probe::default())
    }

    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        let listed = self.list(SPACES).await?.into_iter().map(|(path, _)| path);
        Ok(Some(listed.filter(|path| is_space(path)).collect()))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let mut claim = Claim::take(self).await?;
        let swept = self.clean_up(&mut claim).await;
        let ended = claim.end(swept.is_ok()).await;
        swept.and(ended)
    }
}
