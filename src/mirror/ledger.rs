//! The mirror's record of exports: what was published where.

use std::collections::BTreeMap;

use propsbot_archive::{Bases, Hash, ROOT, Stamps};
use serde::{Deserialize, Serialize};

use crate::{
    Dirty, Domain, ExportReport, FinishedExport, Mirror, ReadRows, Record, StoreError, Table,
    codec,
    engine::{Entry, Op},
    mirror::AT_ONCE,
    record::stored_key,
};

/// How many published manifests are remembered per path of an archive, and as many unconfirmed
/// ones. An archive that was put back to one of them is still recognized.
const PUBLISHED: usize = 64;

/// How many claim names are remembered: a killed process's claim is recognized until this many
/// other processes have exported.
const CLAIMS: usize = 64;

/// The record of exports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportLedger {
    /// By path, the manifests that marks count from. Empty before the first export.
    pub last: BTreeMap<String, LastExport>,
    /// The manifests that this store published, or was about to, by archive and path, oldest
    /// first. An empty list means that an earlier version exported there without recording what.
    archives: BTreeMap<String, BTreeMap<String, Vec<Published>>>,
    /// The names under which this store's processes claimed archives, oldest first.
    claims: Vec<String>,
}

/// A manifest that marks count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastExport {
    /// It was published, or found to be up to date.
    Published {
        /// The manifest.
        manifest: Hash,
        /// The version of the rules of its rows; 0 if unknown.
        rules: u8,
    },
    /// The store was restored from it.
    Restored {
        /// The manifest.
        manifest: Hash,
        /// Its stamps; `None` if its space has no rows, or if it is no space's.
        stamps: Option<Stamps>,
    },
}

impl LastExport {
    /// The manifest's hash.
    pub fn manifest(self) -> Hash {
        match self {
            Self::Published { manifest, .. } | Self::Restored { manifest, .. } => manifest,
        }
    }
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
    /// The ledger of a mirror, or of a view of it.
    pub fn of<R: ReadRows>(rows: &R) -> Result<Self, R::Error> {
        let last: Option<Last> = rows.get(Last::KEY)?;
        let Last { last, claims } = last.unwrap_or_default();
        let mut archives: BTreeMap<String, BTreeMap<String, Vec<Published>>> = BTreeMap::new();
        for of_path in rows.scan::<AtPath>(())? {
            let of_archive = archives.entry(of_path.archive).or_default();
            of_archive.insert(of_path.path, of_path.published);
        }
        Ok(Self {
            last,
            archives,
            claims,
        })
    }

    /// The manifest at this path, if it is up to date except for what is marked.
    ///
    /// `None` if it wasn't exported, if the store was restored from it, or if it was exported under
    /// other rules: then all rows must be read.
    pub fn since(&self, path: &str, rules: u8) -> Option<Hash> {
        match self.last.get(path)? {
            LastExport::Published {
                manifest,
                rules: of,
            } if *of == rules => Some(*manifest),
            _ => None,
        }
    }

    /// The stamps that the manifest at this path had when the store was restored from it, until the
    /// first export of its space.
    pub fn stamps(&self, path: &str) -> Option<Stamps> {
        match self.last.get(path)? {
            LastExport::Restored { stamps, .. } => *stamps,
            LastExport::Published { .. } => None,
        }
    }

    /// By path, what this store published, or was about to, in this archive.
    ///
    /// `None` if the archive is unknown; a path's list is empty if an earlier version exported
    /// there.
    pub fn published(&self, archive: &str) -> Option<&BTreeMap<String, Vec<Published>>> {
        self.archives.get(archive)
    }

    /// Whether this store has published in this archive, with confirmation.
    pub fn has_published(&self, archive: &str) -> bool {
        let paths = self.published(archive).into_iter().flatten();
        let mut published = paths.map(|(_, published)| published);
        published.any(|all| all.is_empty() || all.iter().any(|one| one.confirmed))
    }

    fn add(&mut self, archive: &str, path: &str, manifest: Hash, confirmed: bool) {
        let paths = self.archives.entry(archive.to_owned()).or_default();
        let all = paths.entry(path.to_owned()).or_default();
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

    /// The stored rows of the ledger that differ from those of another one.
    fn changed(&self, before: &Self) -> Vec<Entry> {
        let mut changed = Vec::new();
        if (&self.last, &self.claims) != (&before.last, &before.claims) {
            changed.push(entry(&Last {
                last: self.last.clone(),
                claims: self.claims.clone(),
            }));
        }
        for (archive, paths) in &self.archives {
            let before = before.archives.get(archive);
            for (path, published) in paths {
                if before.and_then(|paths| paths.get(path)) != Some(published) {
                    changed.push(entry(&AtPath {
                        archive: archive.clone(),
                        path: path.clone(),
                        published: published.clone(),
                    }));
                }
            }
        }
        changed
    }
}

fn entry<R: Record>(row: &R) -> Entry {
    (stored_key::<R>(&row.key()), codec::encode(row))
}

/// A ledger as a single row, as in schema 2: of the one manifest that an archive had.
#[derive(Default, Deserialize)]
pub(crate) struct OneManifest {
    pub(crate) last: Option<OldLast>,
    pub(crate) rules: Option<u8>,
    pub(crate) archives: BTreeMap<String, Vec<Published>>,
    pub(crate) claims: Vec<String>,
}

/// The manifest that marks counted from.
#[derive(Deserialize)]
pub(crate) enum OldLast {
    Published(Hash),
    Restored(Hash),
}

impl OneManifest {
    pub(crate) const KEY: &[u8] = &[0, Last::KEY];

    /// The stored rows of the ledger.
    pub(crate) fn upgrade(self) -> Vec<Entry> {
        let last = self.last.map(|last| match last {
            OldLast::Published(manifest) => LastExport::Published {
                manifest,
                rules: self.rules.unwrap_or_default(),
            },
            OldLast::Restored(manifest) => LastExport::Restored {
                manifest,
                stamps: None,
            },
        });
        let at_path = |published| BTreeMap::from([(ROOT.to_owned(), published)]);
        let archives = self.archives.into_iter();
        let ledger = ExportLedger {
            last: last
                .map(|last| (ROOT.to_owned(), last))
                .into_iter()
                .collect(),
            archives: archives
                .map(|(archive, all)| (archive, at_path(all)))
                .collect(),
            claims: self.claims,
        };
        ledger.changed(&ExportLedger::default())
    }
}

/// The row of what marks count from, and of the claims.
#[derive(Default, Serialize, Deserialize)]
struct Last {
    last: BTreeMap<String, LastExport>,
    claims: Vec<String>,
}

impl Last {
    const KEY: u8 = 21;
}

impl Record for Last {
    type Key = u8;

    const TABLE: Table = Table::OWN;

    fn key(&self) -> u8 {
        Self::KEY
    }
}

/// The manifests published at a path of an archive. An export rewrites only the rows of those that
/// it publishes.
#[derive(Serialize, Deserialize)]
struct AtPath {
    archive: String,
    path: String,
    published: Vec<Published>,
}

impl Record for AtPath {
    type Key = (String, String);

    const TABLE: Table = Table::PUBLISHED;

    fn key(&self) -> Self::Key {
        (self.archive.clone(), self.path.clone())
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
            let changed = after.changed(&before).into_iter();
            ops.extend(changed.map(|(key, value)| Op::Put(key, value)));
            Ok((ops, answer))
        })
    }

    /// Records the manifests that the store was restored from.
    pub(crate) fn start_from(
        &self,
        manifests: BTreeMap<String, LastExport>,
    ) -> Result<(), StoreError> {
        self.enter(|ledger| {
            ledger.last = manifests;
            Ok((Vec::new(), ()))
        })
    }
}

/// The mirror's record of exports. All methods block.
pub trait Ledger {
    /// Reads the whole ledger.
    fn read(&self) -> Result<ExportLedger, StoreError>;

    /// Records the manifests that are about to be published in this archive, by path.
    fn publishing(
        &self,
        archive: &str,
        manifests: &BTreeMap<String, Hash>,
    ) -> Result<(), StoreError>;

    /// Records what an export left in this archive: by path, each manifest that it published or
    /// found up to date, and `None` for each that it removed. Other manifests keep what was
    /// recorded of them, so an export that published only some of its manifests can say so.
    ///
    /// Clears these marks unless they were set again since; they must be of spaces whose manifests
    /// are recorded. Also removes what is no longer recent from the index of recent rows.
    fn published(
        &self,
        archive: &str,
        manifests: &Bases,
        rules: u8,
        settled: &[Dirty],
    ) -> Result<(), StoreError>;

    /// Whether an export may have anything to write.
    fn is_due(&self) -> Result<bool, StoreError>;

    /// The claim names of this store's earlier processes. Adds `own` to them.
    fn claims(&self, own: &str) -> Result<Vec<String>, StoreError>;

    /// The recorded exports.
    fn report(&self) -> Result<ExportReport, StoreError>;

    /// Records an export.
    fn record(&self, export: FinishedExport) -> Result<(), StoreError>;
}

impl<D: Domain> Ledger for Mirror<D> {
    fn read(&self) -> Result<ExportLedger, StoreError> {
        ExportLedger::of(&*self.inner)
    }

    fn published(
        &self,
        archive: &str,
        manifests: &Bases,
        rules: u8,
        settled: &[Dirty],
    ) -> Result<(), StoreError> {
        self.enter(|ledger| {
            for (path, manifest) in manifests {
                if let Some(manifest) = *manifest {
                    let last = LastExport::Published { manifest, rules };
                    ledger.last.insert(path.clone(), last);
                    ledger.add(archive, path, manifest, true);
                } else {
                    ledger.last.remove(path);
                }
            }
            Ok((Vec::new(), ()))
        })?;
        // After the ledger: what is marked needlessly is only read again.
        for some in settled.chunks(AT_ONCE) {
            self.inner.change(|_| {
                let mut ops = Vec::new();
                for dirty in some {
                    if self.inner.get::<Dirty>(dirty.key())?.as_ref() == Some(dirty) {
                        ops.push(Op::Delete(stored_key::<Dirty>(&dirty.mark)));
                    }
                }
                Ok((ops, ()))
            })?;
        }
        self.prune_recent()
    }

    fn publishing(
        &self,
        archive: &str,
        manifests: &BTreeMap<String, Hash>,
    ) -> Result<(), StoreError> {
        self.enter(|ledger| {
            for (path, manifest) in manifests {
                let known = ledger.published(archive).and_then(|paths| paths.get(path));
                let is_known = known.is_some_and(|known| {
                    let mut confirmed = known.iter().filter(|one| one.confirmed);
                    confirmed.any(|one| one.manifest == *manifest)
                });
                if !is_known {
                    ledger.add(archive, path, *manifest, false);
                }
            }
            Ok((Vec::new(), ()))
        })
    }

    fn claims(&self, own: &str) -> Result<Vec<String>, StoreError> {
        self.enter(|ledger| {
            let names = &mut ledger.claims;
            if names.iter().all(|name| name != own) {
                names.drain(..names.len().saturating_sub(CLAIMS - 1));
                names.push(own.to_owned());
            }
            Ok((Vec::new(), names.clone()))
        })
    }

    fn is_due(&self) -> Result<bool, StoreError> {
        let is_first = self.read()?.last.is_empty();
        Ok(is_first || self.inner.last::<Dirty>(())?.is_some())
    }

    fn report(&self) -> Result<ExportReport, StoreError> {
        ExportReport::of(&*self.inner)
    }

    fn record(&self, export: FinishedExport) -> Result<(), StoreError> {
        self.inner.change(|_| {
            let report = self.report()?.with(export);
            let json = serde_json::to_vec(&report).expect("a report is JSON");
            Ok((vec![Op::Put(ExportReport::KEY.to_vec(), json)], ()))
        })
    }
}

#[cfg(test)]
mod tests;
