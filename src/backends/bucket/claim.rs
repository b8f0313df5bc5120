//! Ensures one writer at a time in stores that have no locks.
//!
//! The object `.writing` exists during a write: it is created only if missing, renewed as the write
//! goes on, and removed at the end. If it is expired by the object store's own clock, or marked as
//! left, a write was interrupted. The next writer then takes the claim over and removes unneeded
//! objects; only this needs a listing.
//!
//! A claim left by an earlier process of the same store is taken back at once. A request of that
//! process may still be under way, even the one that publishes. So its leftovers are removed only
//! after this write has published, because from then on that request is refused.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use object_store::{Error, ObjectStoreExt as _, UpdateVersion};
use tokio::sync::OwnedMutexGuard;

use super::BucketArchive;
use propsbot_archive::{ArchiveError, ReadError};

const WRITING: &str = ".writing";
/// An object written to read the object store's clock.
const NOW: &str = ".now";
/// The content of [`WRITING`] if no write is in progress but objects may have been left.
const LEFT: &str = "left";
/// Content that ends up in [`WRITING`] only if the store ignores conditions.
const PROBE: &str = "probe";

/// Objects put between two renewals of the claim.
const RENEW: usize = 64;

/// The longest claim that is read, in bytes.
const CLAIM_LIMIT: u64 = 1 << 10;

/// The age at which a claim counts as abandoned: several times the longest interval between two
/// renewals, with every retry of every request.
pub(super) const LEASE: Duration = Duration::from_mins(30);

/// This writer's claim on the archive, valid while [`WRITING`] has its content.
pub(super) struct Claim<'a> {
    archive: &'a BucketArchive,
    /// Distinguishes the claim from others of this process.
    nonce: u64,
    /// How often it was renewed, and the wall-clock time of the last renewal. Unlike a monotonic
    /// clock, this includes time that the machine slept.
    renewals: u64,
    renewed: SystemTime,
    /// Objects put in this write.
    puts: usize,
    /// Whether an earlier write of this store may have left objects behind.
    owes_cleanup: bool,
    /// Whether this write has replaced the manifests.
    pub(super) has_published: bool,
    /// Whether an earlier write's leftovers stay, since it isn't known what is needed.
    leaves: bool,
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
    /// Claims the archive and removes the leftovers of another store's interrupted write.
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
            leaves: false,
            turn,
        };
        if archive.put_if(WRITING, None, claim.says()).await? {
            return Ok(claim);
        }
        let Some((says, version)) = archive.get(WRITING, CLAIM_LIMIT).await? else {
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
            match archive.clean_up(&mut claim).await {
                // Damage to one space must not keep others from being exported, or withdrawn.
                Err(ArchiveError::Unreadable(error)) => claim.leave(&error),
                cleaned => cleaned?,
            }
        }
        Ok(claim)
    }

    /// Removes the leftovers of this store's earlier write, once that can't publish any more.
    /// Returns whether the archive is tidy.
    pub(super) async fn clean_up(&mut self) -> Result<bool, ArchiveError> {
        if !self.owes_cleanup {
            return Ok(true);
        }
        if self.has_published {
            match self.archive.clean_up(self).await {
                Err(ArchiveError::Unreadable(error)) => self.leave(&error),
                cleaned => cleaned?,
            }
        }
        Ok(self.has_published)
    }

    /// Leaves what earlier writes left to a later one.
    fn leave(&mut self, error: &ReadError) {
        let place = &self.archive.place;
        tracing::warn!(%place, %error, "left what an interrupted export may have left, since what the archive needs can't be read: once it is repaired, the next export removes that");
        self.leaves = true;
    }

    /// The content of the claim. It is always unique, since some stores derive versions from
    /// content alone.
    fn says(&self) -> Vec<u8> {
        let name = &self.archive.claims.name;
        format!("{name} {:016x} {}", self.nonce, self.renewals).into_bytes()
    }

    fn lost(&self) -> ArchiveError {
        self.archive.busy()
    }

    /// Fails if the store ignores conditions, because then claims can't work there.
    ///
    /// It ignores them if it creates an object that exists, or replaces one given an outdated
    /// version.
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

    /// The current version of the claim; fails if the claim was lost.
    async fn held(&self) -> Result<UpdateVersion, ArchiveError> {
        match self.archive.get(WRITING, CLAIM_LIMIT).await? {
            Some((says, version)) if says == self.says() => Ok(version),
            _ => Err(self.lost()),
        }
    }

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

    /// Fails if the claim is so old that another writer may have taken it over.
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

    pub(super) fn has_put(&self) -> bool {
        self.puts > 0
    }

    /// Releases the archive. The next writer removes anything left behind.
    pub(super) async fn end(self, is_tidy: bool) -> Result<(), ArchiveError> {
        let version = Some(self.held().await?);
        self.check_age()?;
        if is_tidy && !self.leaves {
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

    /// Whether the existing claim has expired, by the store's own clock.
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
        // A concurrent check may already have removed `.now`.
        let age = now.zip(claimed).map(|(now, claimed)| now - claimed);
        Ok(age.is_some_and(|age| age.to_std().unwrap_or_default() >= self.lease))
    }
}
