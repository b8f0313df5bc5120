//! One writer at a time, where there are no locks. An object `.writing` stands while somebody writes: it
//! is made only where there is none, renewed as the write goes on, and removed when it is done. Found
//! old by the object store's own clock, or marked as left, it says that a write was cut off: whoever finds
//! it takes it over, and removes what no manifest needs. Only that takes listing.
//!
//! A claim that an earlier process of the same store left is taken back at once. A request of that process
//! may still be under way, the one that publishes among them. So what it left is removed only after this
//! write has published: from then on, that request is refused.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use object_store::{Error, ObjectStoreExt as _, UpdateVersion};
use tokio::sync::OwnedMutexGuard;

use super::BucketArchive;
use propsbot_archive::ArchiveError;

const WRITING: &str = ".writing";
/// Written to learn what time it is where the archive is.
const NOW: &str = ".now";
/// What [`WRITING`] says when nobody writes, but something may have been left.
const LEFT: &str = "left";
/// What it would say in a store that keeps no conditions.
const PROBE: &str = "probe";

/// Objects that are put between two renewals of the claim.
const RENEW: usize = 64;

/// How old a claim must be to be somebody's who is gone: several times what the longest stretch
/// between two renewals takes, if every request in it is retried to the end.
pub(super) const LEASE: Duration = Duration::from_mins(30);

/// "I am writing here", for as long as [`WRITING`] says so in our words.
pub(super) struct Claim<'a> {
    archive: &'a BucketArchive,
    /// Told apart from all others of this process.
    nonce: u64,
    /// How often it was renewed, and when last by this machine's clock, which goes on while it sleeps.
    renewals: u64,
    renewed: SystemTime,
    /// Objects put in this write.
    puts: usize,
    /// Whether an earlier write of this store may have left objects.
    owes_cleanup: bool,
    /// Whether the manifest is the one of this write.
    pub(super) has_published: bool,
    #[expect(dead_code, reason = "held until the claim ends")]
    turn: OwnedMutexGuard<()>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "`Instant` may stand still while the machine sleeps, and the claim grows old"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

impl<'a> Claim<'a> {
    /// Claims the archive, and removes what another's interrupted write left.
    pub(super) async fn take(archive: &'a BucketArchive) -> Result<Self, ArchiveError> {
        let Ok(turn) = Arc::clone(&archive.turn).try_lock_owned() else {
            return Err(archive.busy());
        };
        let mut claim = Self {
            archive,
            nonce: rand::random(),
            renewals: 0,
            renewed: now(),
            puts: 0,
            owes_cleanup: false,
            has_published: false,
            turn,
        };
        if archive.put_if(WRITING, None, claim.says()).await? {
            return Ok(claim);
        }
        let Some((says, version)) = archive.get(WRITING).await? else {
            return Err(claim.lost());
        };
        let says = String::from_utf8_lossy(&says);
        let is_own = archive
            .claims
            .has(says.split(' ').next().unwrap_or_default());
        let is_nobodys = is_own || says == LEFT || archive.is_old().await?;
        if !is_nobodys || !archive.put_if(WRITING, Some(version), claim.says()).await? {
            return Err(claim.lost());
        }
        if is_own {
            claim.owes_cleanup = true;
        } else {
            archive.clean_up(&mut claim).await?;
        }
        Ok(claim)
    }

    /// Removes what an earlier write of this store left, once that can't publish any more. Returns whether
    /// nothing is left.
    pub(super) async fn clean_up(&mut self) -> Result<bool, ArchiveError> {
        if !self.owes_cleanup {
            return Ok(true);
        }
        if self.has_published {
            self.archive.clean_up(self).await?;
        }
        Ok(self.has_published)
    }

    /// Never the same twice: some stores tell versions by what they say alone.
    fn says(&self) -> Vec<u8> {
        let name = &self.archive.claims.name;
        format!("{name} {:016x} {}", self.nonce, self.renewals).into_bytes()
    }

    fn lost(&self) -> ArchiveError {
        self.archive.busy()
    }

    /// A store that makes an object anew that is there, or replaces one by what was to replace an older
    /// one, keeps no conditions: it has no place for claims.
    pub(super) async fn check_conditions(&mut self) -> Result<(), ArchiveError> {
        let before = Some(self.held().await?);
        self.renew().await?;
        let made_anew = self.archive.put_if(WRITING, None, PROBE.into()).await?;
        let replaced = self.archive.put_if(WRITING, before, PROBE.into()).await?;
        if !made_anew && !replaced {
            return Ok(());
        }
        self.archive
            .remove(vec![self.archive.path(WRITING)])
            .await?;
        let place = self.archive.place.clone();
        Err(ArchiveError::Unconditional { place })
    }

    /// The version of what says that the archive is ours.
    async fn held(&self) -> Result<UpdateVersion, ArchiveError> {
        match self.archive.get(WRITING).await? {
            Some((says, version)) if says == self.says() => Ok(version),
            _ => Err(self.lost()),
        }
    }

    /// Makes the claim young again.
    pub(super) async fn renew(&mut self) -> Result<(), ArchiveError> {
        let version = Some(self.held().await?);
        let now = now();
        self.renewals += 1;
        if !self.archive.put_if(WRITING, version, self.says()).await? {
            return Err(self.lost());
        }
        self.renewed = now;
        Ok(())
    }

    /// Whether nobody can have taken it meanwhile for one that is nobody's.
    pub(super) fn check_age(&self) -> Result<(), ArchiveError> {
        match self.renewed.elapsed() {
            Ok(age) if age < LEASE / 2 => Ok(()),
            _ => Err(self.lost()),
        }
    }

    pub(super) async fn about_to_put(&mut self) -> Result<(), ArchiveError> {
        if self.puts > 0 && self.puts.is_multiple_of(RENEW) {
            self.renew().await?;
        }
        self.puts += 1;
        Ok(())
    }

    /// Whether anything was put in this write.
    pub(super) fn has_put(&self) -> bool {
        self.puts > 0
    }

    /// Gives the archive free. What is left behind is for the next one to remove.
    pub(super) async fn end(self, is_tidy: bool) -> Result<(), ArchiveError> {
        let version = Some(self.held().await?);
        self.check_age()?;
        if is_tidy {
            return self.archive.remove(vec![self.archive.path(WRITING)]).await;
        }
        self.archive.put_if(WRITING, version, LEFT.into()).await?;
        Ok(())
    }
}

impl BucketArchive {
    fn busy(&self) -> ArchiveError {
        ArchiveError::Busy(self.place.clone().into())
    }

    /// Whether whoever claimed the archive has not renewed that for long, by the store's own clock.
    async fn is_old(&self) -> Result<bool, ArchiveError> {
        let written = |path: &'static str| async move {
            match self.store.head(&self.path(path)).await {
                Err(Error::NotFound { .. }) => Ok(None),
                found => {
                    let meta = found.map_err(self.failed("look at", path))?;
                    Ok::<_, ArchiveError>(Some(meta.last_modified))
                }
            }
        };
        let claimed = written(WRITING).await?;
        self.put(NOW, Vec::new()).await?;
        let now = written(NOW).await?;
        self.remove(vec![self.path(NOW)]).await?;
        // Of two who ask at the same time, one may find it removed.
        let age = now.zip(claimed).map(|(now, claimed)| now - claimed);
        Ok(age.is_some_and(|age| age.to_std().unwrap_or_default() >= self.lease))
    }
}
