//! Checks that a store takes what an archive needs, with an object that doesn't stay.

use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};

use super::BucketArchive;
use propsbot_archive::ArchiveError;

/// The folder of probes, which no export touches.
const PROBES: &str = ".probe";

/// The content of a probe, and one that must not replace it.
const FIRST: &[u8] = b"probe";
const SECOND: &[u8] = b"another";

/// From this age on, a probe is a leftover of a killed process.
const OLD: Duration = Duration::from_hours(1);

impl BucketArchive {
    /// Creates, reads, lists and removes an object, and checks that the store keeps conditions.
    pub(super) async fn probe_store(&self) -> Result<(), ArchiveError> {
        let name = format!("{PROBES}/{:016x}", rand::random::<u64>());
        let probed = self.try_all(&name).await;
        let removed = self.remove(vec![self.path(&name)]).await;
        probed.and(removed)
    }

    async fn try_all(&self, name: &str) -> Result<(), ArchiveError> {
        let is_made = self.put_if(name, None, FIRST.into()).await?;
        if !is_made || self.put_if(name, None, SECOND.into()).await? {
            let place = self.place.clone();
            return Err(ArchiveError::Unconditional { place });
        }
        self.get(name, FIRST.len() as u64).await?;
        let left = self.old_probes(name).await?;
        self.remove(left).await
    }

    /// The probes that killed processes left, by the store's own clock.
    async fn old_probes(&self, name: &str) -> Result<Vec<Path>, ArchiveError> {
        let own = self.store.head(&self.path(name)).await;
        let now = own.map_err(self.failed("look at", name))?.last_modified;
        let listed = self.store.list(Some(&self.path(PROBES)));
        let listed: Vec<_> = listed
            .try_collect()
            .await
            .map_err(self.failed("list", PROBES))?;
        let is_old = |age: Duration| age >= OLD;
        let old = listed
            .into_iter()
            .filter(|probe| (now - probe.last_modified).to_std().is_ok_and(is_old));
        Ok(old.map(|probe| probe.location).collect())
    }
}
