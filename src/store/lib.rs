//! The embedded store: the mirror on disk.
//!
//! Owns durability: what [`Store::merge`] acknowledged survives a power cut. Only `engine` knows
//! sled; nothing here knows Discord. Every call blocks: keep it off the async threads.

mod codec;
mod engine;
mod exports;
mod purge;
mod restore;
mod rewrite;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{RwLock, atomic::AtomicU64},
};

use engine::{Engine, Op};

use propsbot_ingest::{self as ingest, Rows};
use propsbot_model::{Evidence, Observation, Partition, Pending, Record, Stamp, Table};

pub use rewrite::Rewrite;
pub use view::{Dirty, Reading};

/// The version of the layout that this code writes. A store of a newer one is refused.
pub const SCHEMA: u32 = 1;

// Each of these names another value, and none is the beginning of a row's key.
const SCHEMA_KEY: &[u8] = &[0];
const NEWEST_KEY: &[u8] = &[0, 1];
const HEARD_KEY: &[u8] = &[0, 4];
const EXPORTED_KEY: &[u8] = &[0, 2];
/// What came of exports, in the words of who made them.
const REPORT_KEY: &[u8] = &[0, 5];
/// Followed by an archive's name: what this store has published there.
const ARCHIVE_KEY: &[u8] = &[0, 6];
/// The rules by which rows were made of the mirror in the last export.
const RULES_KEY: &[u8] = &[0, 7];
/// The names under which this store's processes claimed archives, one a line.
const CLAIMS_KEY: &[u8] = &[0, 8];
/// Stands while a restore is under way.
const RESTORING_KEY: &[u8] = &[0, 3];

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be used.
    #[error("could not use {path} as the store (STORE_PATH): {source}")]
    Unusable {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the store {path} is in use by another propsbot; stop that one first, or set STORE_PATH to \
         another folder"
    )]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// A newer propsbot wrote it.
    #[error(
        "the store {path} has schema {found}, but this propsbot only knows schemas up to {known}; update \
         propsbot, or restore from the archive into an empty folder"
    )]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// The schema it has.
        found: u32,
        /// The newest schema we know.
        known: u32,
    },
    /// A restore was cut off.
    #[error(
        "the store {path} is only half restored from an archive; run `propsbot restore` again, or \
         delete the folder"
    )]
    HalfRestored {
        /// The store's folder.
        path: PathBuf,
    },
    /// A restore needs an empty store.
    #[error(
        "could not restore into the store {path}: it is not empty; set STORE_PATH to a new folder"
    )]
    NotEmpty {
        /// The store's folder.
        path: PathBuf,
    },
    /// What is on disk cannot be read.
    #[error(
        "the store {path} is damaged ({reason}); keep the folder as it is, set STORE_PATH to a new \
         one, and sync again"
    )]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("could not read or write the store {path}: {reason}; is the disk full?")]
    Io {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A row is not as this version writes it.
    #[error("could not read a row of {table:?}: {reason}")]
    Row {
        /// The row's table.
        table: Table,
        /// What was found.
        reason: String,
    },
}

/// The mirror on disk. Any number of readers, one writer at a time.
pub struct Store {
    engine: Engine,
    /// Held for reading while rows that belong together are read, for writing while a batch is
    /// applied: no reader sees half a batch.
    applying: RwLock<()>,
    /// The generation of the next batch that changes what is exported.
    generation: AtomicU64,
}

impl Store {
    /// Opens the store in the folder `path`, which is made if it does not exist.
    ///
    /// # Errors
    /// Each as [`StoreError`] says. A damaged store is never deleted.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::open_any(path)?;
        if store.is_half_restored()? {
            let path = path.to_owned();
            return Err(StoreError::HalfRestored { path });
        }
        Ok(store)
    }

    fn open_any(path: &Path) -> Result<Self, StoreError> {
        let engine = Engine::open(path)?;
        match engine.get(SCHEMA_KEY)? {
            None if engine.is_used()? => {
                return Err(StoreError::Damaged {
                    path: path.to_owned(),
                    reason: "its log has lost everything that was written".to_owned(),
                });
            }
            None => {
                engine.commit(&[Op::Put(SCHEMA_KEY.to_vec(), SCHEMA.to_be_bytes().to_vec())])?;
            }
            Some(bytes) => {
                let found = bytes
                    .as_slice()
                    .try_into()
                    .map(u32::from_be_bytes)
                    .map_err(|_| StoreError::Damaged {
                        path: path.to_owned(),
                        reason: "its schema version is not a number".to_owned(),
                    })?;
                if found > SCHEMA {
                    let path = path.to_owned();
                    return Err(StoreError::Newer {
                        path,
                        found,
                        known: SCHEMA,
                    });
                }
            }
        }
        if !engine.is_used()? {
            engine.mark_used()?;
        }
        let mut store = Self {
            engine,
            applying: RwLock::new(()),
            generation: AtomicU64::new(1),
        };
        store.generation = store.first_generation()?;
        Ok(store)
    }

    /// Merges observations, group by group, and makes all of it durable at once. Returns for each
    /// group the lists of reactors that it showed to be missing.
    pub fn merge(&self, groups: &[Vec<Observation>]) -> Result<Vec<Vec<Pending>>, StoreError> {
        let mut batch = self.batch();
        let mut missing = Vec::with_capacity(groups.len());
        for group in groups {
            let mut pending = Vec::new();
            for seen in group {
                pending.extend(ingest::merge(&mut batch, seen)?);
                batch.newest = batch.newest.max(seen.at);
                if seen.by == Evidence::Gateway {
                    batch.heard = batch.heard.max(seen.at);
                }
            }
            missing.push(pending);
        }
        batch.commit()?;
        Ok(missing)
    }

    /// The latest stamp that was ever merged: a clock that was set back must go on from there.
    pub fn newest(&self) -> Result<Stamp, StoreError> {
        Ok(self.stamp(NEWEST_KEY)?.unwrap_or_default())
    }

    /// The latest stamp that was merged of what the gateway told: until then it was heard.
    pub fn heard(&self) -> Result<Stamp, StoreError> {
        // It was not always noted.
        let heard = self.stamp(HEARD_KEY)?;
        heard.map_or_else(|| self.newest(), Ok)
    }

    fn stamp(&self, key: &[u8]) -> Result<Option<Stamp>, StoreError> {
        let bytes = self.engine.get(key)?;
        let stamp = bytes.and_then(|byte| byte.as_slice().try_into().ok());
        Ok(stamp.map(i64::from_be_bytes).map(Stamp))
    }

    /// Begins a batch. Only one may be under way at a time.
    fn batch(&self) -> Batch<'_> {
        Batch {
            store: self,
            changed: BTreeMap::new(),
            dirty: BTreeSet::new(),
            newest: Stamp::default(),
            heard: Stamp::default(),
        }
    }

    fn key(table: Table, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + key.len());
        bytes.push(table as u8);
        bytes.extend_from_slice(key);
        bytes
    }

    fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(&Self::key(R::TABLE, key))?;
        value.map(|bytes| codec::decode(&bytes)).transpose()
    }
}

/// Changes that become durable together, or not at all. Reading through it shows them already.
struct Batch<'a> {
    store: &'a Store,
    /// The new values; `None` for what was removed.
    changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    dirty: BTreeSet<Partition>,
    /// The latest stamp among the observations merged.
    newest: Stamp,
    /// The latest among those of the gateway's.
    heard: Stamp,
}

impl Batch<'_> {
    /// Makes the changes durable. When this returns they survive a power cut; when it fails, none
    /// of them is applied.
    fn commit(self) -> Result<(), StoreError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut ops = Vec::with_capacity(self.changed.len() + self.dirty.len());
        if !self.dirty.is_empty() {
            let generation = self.store.next_dirty_generation();
            for partition in &self.dirty {
                ops.push(Op::Put(
                    view::dirty_key(partition),
                    generation.to_be_bytes().to_vec(),
                ));
            }
        }
        for (key, value) in self.changed {
            ops.push(match value {
                Some(value) => Op::Put(key, value),
                None => Op::Delete(key),
            });
        }
        for (key, stamp) in [(NEWEST_KEY, self.newest), (HEARD_KEY, self.heard)] {
            if stamp > self.store.stamp(key)?.unwrap_or_default() {
                ops.push(Op::Put(key.to_vec(), stamp.0.to_be_bytes().to_vec()));
            }
        }
        let _applying = self
            .store
            .applying
            .write()
            .expect("no reader panics while it reads");
        self.store.engine.commit(&ops)
    }

    fn mark<R: Record>(&mut self, row: &R) {
        if let Some(partition) = row.partition() {
            self.dirty.insert(partition);
        }
    }

    /// Rows of the store under the keys in the range, with the batch's changes laid over them.
    fn overlaid<R: Record>(&self, from: &[u8], to: &[u8]) -> Result<Vec<R>, StoreError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for entry in self.store.engine.range(from, to) {
            let (key, value) = entry?;
            rows.insert(key, value);
        }
        for (key, value) in self.changed.range(from.to_vec()..to.to_vec()) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        rows.values().map(|value| codec::decode(value)).collect()
    }
}

impl Rows for Batch<'_> {
    type Error = StoreError;

    fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        match self.changed.get(&Store::key(R::TABLE, key)) {
            Some(value) => value.as_ref().map(|bytes| codec::decode(bytes)).transpose(),
            None => self.store.get(key),
        }
    }

    fn scan<R: Record>(&self, prefix: &[u8]) -> Result<Vec<R>, StoreError> {
        let from = Store::key(R::TABLE, prefix);
        self.overlaid(&from, &view::prefix_end(&from))
    }

    fn range<R: Record>(&self, from: &[u8], to: &[u8]) -> Result<Vec<R>, StoreError> {
        if from > to {
            return Ok(Vec::new());
        }
        // The first key after `to` is `to` and a zero.
        let mut end = Store::key(R::TABLE, to);
        end.push(0);
        self.overlaid(&Store::key(R::TABLE, from), &end)
    }

    fn last<R: Record>(&self, prefix: &[u8]) -> Result<Option<R>, StoreError> {
        let from = Store::key(R::TABLE, prefix);
        let to = view::prefix_end(&from);
        let stored = self.store.engine.range(&from, &to).rev().find(|entry| {
            entry.as_ref().map_or(true, |(key, _)| {
                !matches!(self.changed.get(key), Some(None))
            })
        });
        let stored = stored.transpose()?;
        let laid = self
            .changed
            .range(from..to)
            .rev()
            .find_map(|(key, value)| value.as_ref().map(|value| (key.clone(), value.clone())));
        let last = match (stored, laid) {
            (Some(stored), Some(laid)) => Some(if laid.0 >= stored.0 { laid } else { stored }),
            (stored, laid) => stored.or(laid),
        };
        last.map(|(_, value)| codec::decode(&value)).transpose()
    }

    fn put<R: Record>(&mut self, row: &R) -> Result<(), StoreError> {
        self.mark(row);
        self.changed
            .insert(Store::key(R::TABLE, &row.key()), Some(codec::encode(row)));
        Ok(())
    }

    fn delete<R: Record>(&mut self, row: &R) -> Result<(), StoreError> {
        self.mark(row);
        self.changed.insert(Store::key(R::TABLE, &row.key()), None);
        Ok(())
    }
}
