//! A write to an object store: objects in any order, then the manifests one at a time, then the
//! documents and what is no longer needed.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use object_store::{UpdateVersion, path::Path};
use tokio::task::JoinSet;

use super::{BucketArchive, claim::Claim};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, Documents, FILE_LIMIT, Hash, Object, Publish, Receipt,
};

/// Maximum number of concurrent puts.
const PUTS: usize = 8;

impl BucketArchive {
    /// Replaces and removes the manifests one at a time, as long as they match `bases`. Returns
    /// those that were.
    async fn replace(
        &self,
        claim: &mut Claim<'_>,
        bases: &Bases,
        publish: &Publish,
    ) -> Result<Bases, ArchiveError> {
        claim.renew().await?;
        let mut before = BTreeMap::new();
        for path in bases.keys() {
            before.insert(path.as_str(), self.get(path, FILE_LIMIT).await?);
        }
        let hash_of = |found: &(Vec<u8>, UpdateVersion)| Hash::of(&found.0);
        let found = before.iter();
        let found = found.map(|(path, found)| ((*path).to_owned(), found.as_ref().map(hash_of)));
        let found: Bases = found.collect();
        let hashes = publish.compare(bases, &found)?;
        let mut published = Bases::new();
        for (path, manifest) in publish.in_order() {
            if found[path] != hashes[path] {
                let version = before.remove(path).flatten().map(|(_, version)| version);
                claim.check_age()?;
                let is_replaced = match manifest {
                    Some(manifest) => self.put_if(path, version, manifest.to_vec()).await?,
                    // Stores can't remove on a condition; the claim keeps other writers away.
                    None => self.remove(vec![self.path(path)]).await.map(|()| true)?,
                };
                if !is_replaced {
                    if !published.is_empty() {
                        break;
                    }
                    return Err(ArchiveError::Stale {
                        expected: bases[path],
                        found: self.get(path, FILE_LIMIT).await?.as_ref().map(hash_of),
                    });
                }
            }
            published.insert(path.to_owned(), hashes[path]);
        }
        claim.has_published = true;
        Ok(published)
    }

    /// Writes the documents and removes old objects, after the manifests are replaced.
    async fn follow(
        &self,
        claim: &mut Claim<'_>,
        documents: Documents,
        remove: &BTreeSet<String>,
    ) -> Result<(), ArchiveError> {
        let mut remove: Vec<Path> = remove.iter().map(|remove| self.path(remove)).collect();
        for (path, document) in documents {
            match document {
                Some(bytes) => self.put(path, bytes).await?,
                None => remove.push(self.path(path)),
            }
        }
        self.remove_for(claim, remove).await
    }
}

/// Waits for one put to finish; `false` if none is left.
async fn one_is_put(putting: &mut JoinSet<Result<(), ArchiveError>>) -> Result<bool, ArchiveError> {
    match putting.join_next().await {
        None => Ok(false),
        Some(Ok(put)) => put.map(|()| true),
        Some(Err(error)) => Err(ArchiveError::Stopped(error.to_string())),
    }
}

pub(super) struct BucketWrite<'a> {
    archive: &'a BucketArchive,
    claim: Claim<'a>,
    bases: Bases,
    /// Puts in progress. Dropping the write aborts them.
    putting: JoinSet<Result<(), ArchiveError>>,
    /// Whether every step so far has completed.
    is_whole: bool,
}

impl<'a> BucketWrite<'a> {
    pub(super) fn new(archive: &'a BucketArchive, claim: Claim<'a>, bases: Bases) -> Self {
        Self {
            archive,
            claim,
            bases,
            putting: JoinSet::new(),
            is_whole: true,
        }
    }

    async fn begin_put(&mut self, Object { path, bytes }: Object) -> Result<(), ArchiveError> {
        if self.putting.len() == PUTS {
            one_is_put(&mut self.putting).await?;
        }
        self.claim.about_to_put().await?;
        let archive = self.archive.clone();
        self.putting
            .spawn(async move { archive.put(&path, bytes).await });
        Ok(())
    }

    /// Publishes. Also returns whether only needed objects are left.
    async fn carry_out(&mut self, mut publish: Publish) -> Result<(Receipt, bool), ArchiveError> {
        publish.check(&self.bases)?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        while one_is_put(&mut self.putting).await? {}
        let (archive, claim) = (self.archive, &mut self.claim);
        let count = publish.manifests.len();
        let published = archive.replace(claim, &self.bases, &publish).await?;
        if published.len() < count {
            // The manifests that weren't replaced still need these objects.
            publish.remove.clear();
        }
        let followed = archive.follow(claim, publish.documents, &publish.remove);
        let followed = followed.await;
        if let Err(error) = &followed {
            let place = &archive.place;
            tracing::warn!(%place, %error, "published, but not all that goes with it is done: the next export makes up for it");
        }
        let is_tidy = followed.is_ok() && published.len() == count;
        let receipt = Receipt {
            published,
            ..Receipt::default()
        };
        Ok((receipt, is_tidy))
    }

    async fn end(mut self, is_tidy: bool) -> Result<(), ArchiveError> {
        let cleaned = if is_tidy {
            self.claim.clean_up().await
        } else {
            Ok(false)
        };
        let ended = self.claim.end(matches!(cleaned, Ok(true))).await;
        cleaned.and(ended)
    }
}

#[async_trait]
impl ArchiveWrite for BucketWrite<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        self.is_whole = false;
        self.begin_put(object).await?;
        self.is_whole = true;
        Ok(())
    }

    async fn publish(mut self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        let done = self.carry_out(publish).await;
        let is_tidy = match &done {
            Ok((_, is_tidy)) => *is_tidy,
            Err(ArchiveError::Stale { .. }) => !self.claim.has_put(),
            Err(_) => false,
        };
        let place = &self.archive.place;
        let ended = self.end(is_tidy).await;
        let (receipt, _) = done?;
        if let Err(error) = ended {
            tracing::warn!(%place, %error, "published, but not tidied up after: the next export does that");
        }
        Ok(receipt)
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), ArchiveError> {
        let mut put = Ok(true);
        while let Ok(true) = put {
            put = one_is_put(&mut self.putting).await;
        }
        let is_tidy = put.is_ok() && !self.claim.has_put();
        self.end(is_tidy).await
    }
}
