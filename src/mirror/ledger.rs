//! The mirror's record of exports: what was published where.

use std::collections::BTreeMap;

use propsbot_archive::Hash;
use serde::{Deserialize, Serialize};

use crate::{
    Dirty, Domain, Mirror, ReadRows, Record, StoreError, Table, codec, engine::Op,
    record::stored_key,
};

/// How many published manifests are remembered per archive, and as many unconfirmed ones. An
/// archive that was put back to one of them is still recognized.
const PUBLISHED: usize = 64;

/// How many claim names are remembered: a killed process's claim is recognized until this many
/// other processes have exported.
const CLAIMS: usize = 64;

/// The record of exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportLedger {
    /// The manifest that marks count from. `None` before the first export.
    pub last: Option<LastExport>,
    /// The rules version of the last export, if known.
    pub rules: Option<u8>,
    /// The manifests that this store published, or was about to, per archive, oldest first. An
    /// empty list means that an earlier version exported there without recording what.
    pub(crate) archives: BTreeMap<String, Vec<Published>>,
    /// The names under which this store's processes claimed archives, oldest first.
    pub(crate) claims: Vec<String>,
}

/// The manifest that marks count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastExport {
    /// The manifest that was published.
    Published(Hash),
    /// The manifest that the store was restored from.
    Restored(Hash),
}

/// A manifest that this store published or was about to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The manifest.
    pub manifest: Hash,
    /// Whether the archive has confirmed it.
    pub confirmed: bool,
}

impl ExportLedger {
    /// The ledger's key.
    const KEY: u8 = 21;

    /// The ledger of a mirror, or of a view of it.
    pub fn of<R: ReadRows>(rows: &R) -> Result<Self, R::Error> {
        Ok(rows.get(Self::KEY)?.unwrap_or_default())
    }

    /// What this store published, or was about to, in this archive.
    ///
    /// `None` if the archive is unknown; empty if an earlier version exported there.
    pub fn published(&self, archive: &str) -> Option<&[Published]> {
        self.archives.get(archive).map(Vec::as_slice)
    }

    /// Whether this store has published in this archive, with confirmation.
    pub fn has_published(&self, archive: &str) -> bool {
        let published = self.published(archive);
        published.is_some_and(|all| all.is_empty() || all.iter().any(|one| one.confirmed))
    }

    fn add(&mut self, archive: &str, manifest: Hash, confirmed: bool) {
        let all = self.archives.entry(archive.to_owned()).or_default();
        all.retain(|one| one.manifest != manifest);
        all.push(Published {
            manifest,
            confirmed,
        });
        let alike = |one: &Published| one.confirmed == confirmed;
        if all.iter().filter(|one| alike(one)).count() > PUBLISHED
            && let Some(oldest) = all.iter().position(alike)
        {
            all.remove(oldest);
        }
    }
}

impl Record for ExportLedger {
    type Key = u8;

    const TABLE: Table = Table::OWN;

    fn key(&self) -> u8 {
        Self::KEY
    }
}

impl<D: Domain> Mirror<D> {
    /// Changes the ledger together with the writes that `change` returns.
    fn enter<T>(
        &self,
        change: impl FnOnce(&mut ExportLedger) -> Result<(Vec<Op>, T), StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.change(|_| {
            let before = ExportLedger::of(&*self.inner)?;
            let mut after = before.clone();
            let (mut ops, answer) = change(&mut after)?;
            if after != before {
                let key = stored_key::<ExportLedger>(&after.key());
                ops.push(Op::Put(key, codec::encode(&after)));
            }
            Ok((ops, answer))
        })
    }

    /// Records a published manifest and its rules version. Clears these marks unless they were set
    /// again since.
    pub fn exported(
        &self,
        archive: &str,
        manifest: Hash,
        rules: u8,
        done: &[Dirty],
    ) -> Result<(), StoreError> {
        self.enter(|ledger| {
            let mut ops = Vec::new();
            for dirty in done {
                if self.inner.get::<Dirty>(dirty.key())?.as_ref() == Some(dirty) {
                    ops.push(Op::Delete(stored_key::<Dirty>(&dirty.mark)));
                }
            }
            ledger.last = Some(LastExport::Published(manifest));
            ledger.rules = Some(rules);
            ledger.add(archive, manifest, true);
            Ok((ops, ()))
        })
    }

    /// Records the manifest that is about to be published in this archive.
    pub fn publishing(&self, archive: &str, manifest: Hash) -> Result<(), StoreError> {
        self.enter(|ledger| {
            let known = ledger.published(archive).unwrap_or_default();
            let is_known = known
                .iter()
                .any(|one| one.confirmed && one.manifest == manifest);
            if !is_known {
                ledger.add(archive, manifest, false);
            }
            Ok((Vec::new(), ()))
        })
    }

    /// The claim names of this store's earlier processes. Adds `own` to them.
    pub fn claims(&self, own: &str) -> Result<Vec<String>, StoreError> {
        self.enter(|ledger| {
            let names = &mut ledger.claims;
            if names.iter().all(|name| name != own) {
                names.drain(..names.len().saturating_sub(CLAIMS - 1));
                names.push(own.to_owned());
            }
            Ok((Vec::new(), names.clone()))
        })
    }

    /// Records which manifest the next export starts from.
    pub(crate) fn start_from(&self, last: LastExport) -> Result<(), StoreError> {
        self.enter(|ledger| {
            ledger.last = Some(last);
            Ok((Vec::new(), ()))
        })
    }
}
