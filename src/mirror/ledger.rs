//! What the mirror remembers of exports: what was published where, and how it went.

use std::collections::BTreeMap;

use propsbot_archive::Hash;
use serde::{Deserialize, Serialize};

use crate::{
    Dirty, Domain, Mirror, ReadRows, Record, StoreError, Table, View, codec, engine::Op,
    record::stored_key,
};

/// What is remembered of what was published in one archive: so far back, a copy of it that was put back
/// is known again. Of what may never have been published, as much.
const PUBLISHED: usize = 64;

/// How many names of claims are remembered: that many processes may have exported elsewhere since one was
/// killed.
const CLAIMS: usize = 64;

/// What came of exports, in the words of who made them.
const REPORT_KEY: &[u8] = &[0, 5];

/// What is known of exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportLedger {
    /// What the last export left: marks count from there. `None` before the first.
    pub last: Option<LastExport>,
    /// The version of the rules by which rows were made for the last export, if it is remembered.
    pub rules: Option<u8>,
    /// What this store has published, or was about to, in each archive, oldest first. Of an archive
    /// with nothing in its list, an earlier version exported there and did not remember what.
    pub(crate) archives: BTreeMap<String, Vec<Published>>,
    /// The names under which this store's processes claimed archives, oldest first.
    pub(crate) claims: Vec<String>,
}

/// What marks count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastExport {
    /// The manifest that was published.
    Published(Hash),
    /// The manifest from which the store was restored.
    Restored(Hash),
}

/// A manifest that this store has published, or was about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The manifest.
    pub manifest: Hash,
    /// Whether the archive has confirmed it.
    pub confirmed: bool,
}

impl ExportLedger {
    /// Where it is kept.
    const KEY: u8 = 21;

    /// The ledger of a mirror, or of a view of it.
    pub fn of<R: ReadRows>(rows: &R) -> Result<Self, R::Error> {
        Ok(rows.get(Self::KEY)?.unwrap_or_default())
    }

    /// What this store has published, or was about to, in the archive of this name: the last of it.
    /// `None` if nothing is known of such an archive; nothing in particular, if an earlier version
    /// exported there.
    pub fn published(&self, archive: &str) -> Option<&[Published]> {
        self.archives.get(archive).map(Vec::as_slice)
    }

    /// Whether this store has published in the archive of this name, as was confirmed.
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
    /// Changes the ledger, and what else `change` says.
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

    /// Remembers what an export has published, with rows made by these rules, and forgets that these
    /// changed, except for those that changed again since.
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

    /// Remembers what is about to be published there.
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

    /// The names under which this store's earlier processes claimed archives. From now on this process's is
    /// one of them.
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

    /// Keeps what came of exports.
    pub fn keep_export_report(&self, report: &str) -> Result<(), StoreError> {
        let put = Op::Put(REPORT_KEY.to_vec(), report.as_bytes().to_vec());
        self.inner.change(|_| Ok((vec![put], ())))
    }

    /// Remembers what the next export starts from.
    pub(crate) fn start_from(&self, last: LastExport) -> Result<(), StoreError> {
        self.enter(|ledger| {
            ledger.last = Some(last);
            Ok((Vec::new(), ()))
        })
    }
}

impl View {
    /// What came of exports, as it was kept last.
    pub fn export_report(&self) -> Result<Option<String>, StoreError> {
        let bytes = self.value(REPORT_KEY)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }
}
