//! The only file that knows sled: stores bytes and makes them durable before it acknowledges.
//!
//! It works around limits of sled 0.34: `flush` survives a killed process but not a power cut (it
//! uses `sync_file_range`), there are no snapshots, a damaged log makes it panic, and a process
//! killed during opening leaves a file that makes every later opening fail.

use std::{
    cell::Cell,
    fs::{self, DirBuilder, File, TryLockError},
    io::{ErrorKind, Write as _},
    os::unix::fs::DirBuilderExt as _,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    StoreError,
    rewrite::{Folders, free},
};

pub(crate) enum Op {
    /// Sets it.
    Put(Vec<u8>, Vec<u8>),
    /// Removes it.
    Delete(Vec<u8>),
}

impl Op {
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put(key, value) => key.len() + value.len(),
            Self::Delete(key) => key.len(),
        }
    }
}

pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// An ordered map of bytes on disk.
pub(crate) struct Engine {
    path: PathBuf,
    db: sled::Db,
    /// sled's log, for the `fsync` that sled doesn't do.
    log: File,
    /// How many bytes were changed since the last flush.
    unflushed: AtomicUsize,
    /// Whether a write has failed. sled may then show half of a batch that is gone after reopening,
    /// so all further reads and writes are refused.
    failed: AtomicBool,
    /// Dropped last, so that sled is closed when the next process gets the lock. The file is empty
    /// until the first commit, which tells a lost log from a new store.
    lock: File,
}

/// Capacity of sled's page cache, in bytes on disk. In memory, pages take about twice that.
const CACHE_BYTES: u64 = 8 << 20;

/// How many bytes are read per extra access to sled's cache.
///
/// sled keeps its pages in 256 groups and checks a group's size only every 64 accesses, whatever
/// the pages' size. A scan accesses each page once, so it could fill the cache with 16,384 pages
/// over its limit. One access per this many bytes limits the excess to 16 MiB.
const BYTES_PER_ACCESS: usize = 1 << 10;

/// What an entry takes in sled's pages in memory, besides its bytes: the index has entries of 30 bytes.
const ENTRY_BYTES: usize = 64;

/// How many rows a single read counts for. A page has up to 16 rows and is usually cached already.
const ROWS_BESIDE: usize = 4;

/// How often sled is asked to free replaced values after a batch. It frees a few hundred at a time,
/// and on its own only every 128 calls; a batch of thousands of rows is one call.
const SWEEPS: usize = 4;

/// How many bytes are copied between two flushes.
const COPIED_BYTES: usize = 1 << 20;

/// How many bytes of a copy are written at once. sled frees the pages that a batch replaced only after the whole
/// batch, and each row replaces its page: that is 70 times the batch.
const BATCH_BYTES: usize = 64 << 10;

/// How many bytes may be changed between two flushes. sled queues its full buffers for threads that write them, and
/// has no limit for that queue: where the disk is slower than we are, it would grow.
const UNFLUSHED_BYTES: usize = 8 << 20;

/// How many bytes of the disk the store leaves free. sled can't go on after a write that failed, nor
/// open a store again on a full disk.
pub const RESERVE: u64 = 16 << 20;

/// How long a process that is ending may take to release the store.
const MOMENT: Duration = Duration::from_secs(1);

/// How long a sled closed by this process may take to release its file. Its threads end on their
/// own, late on a busy machine.
const LETTING_GO: Duration = Duration::from_secs(10);

impl Engine {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Unusable {
            path: path.to_owned(),
            source,
        };
        make(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(unusable)?;
        let not_taken = |error| match error {
            TryLockError::WouldBlock => StoreError::InUse {
                path: path.to_owned(),
            },
            TryLockError::Error(source) => unusable(source),
        };
        take(&lock, MOMENT).map_err(not_taken)?;
        let folders = Folders::new(path);
        folders.settle().map_err(unusable)?;
        let folder = folders.current;
        make(&folder).map_err(unusable)?;
        remove_unfinished_snapshots(&folder).map_err(unusable)?;
        // We hold the lock above, so sled's own lock can only be held by this process, which has
        // just closed a store.
        match File::options()
            .read(true)
            .write(true)
            .open(folder.join("db"))
        {
            Ok(file) => take(&file, LETTING_GO).map_err(not_taken)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
        }
        let config = config(&folder);
        let damaged = |reason| StoreError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let db = quietly(|| config.open())
            .map_err(|_| damaged("its log cannot be replayed".to_owned()))?
            .map_err(|error| match error {
                sled::Error::Io(source) => unusable(source),
                other => damaged(other.to_string()),
            })?;
        let log = File::open(folder.join("db")).map_err(unusable)?;
        Ok(Self {
            path: path.to_owned(),
            db,
            log,
            unflushed: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            lock,
        })
    }

    /// Applies all changes at once; on success they survive a power cut. After a failure, all
    /// further reads and writes are refused.
    pub(crate) fn commit(&self, ops: &[Op]) -> Result<(), StoreError> {
        if ops.is_empty() {
            return self.check();
        }
        self.apply(ops)?;
        self.or_fail(self.sync())
    }

    /// Like [`Self::commit`], but the changes become durable only with the next commit.
    pub(crate) fn apply(&self, ops: &[Op]) -> Result<(), StoreError> {
        self.check()?;
        self.or_fail(self.apply_batch(ops))?;
        let bytes: usize = ops.iter().map(Op::bytes).sum();
        if self.unflushed.fetch_add(bytes, Ordering::Relaxed) + bytes > UNFLUSHED_BYTES {
            self.or_fail(self.flush())?;
        }
        Ok(())
    }

    /// # Errors
    /// [`StoreError::Full`] if the disk has no more than [`RESERVE`] to give.
    pub(crate) fn check_room(&self) -> Result<(), StoreError> {
        let free = free(&self.path).map_err(|error| self.io(&error.into()))?;
        if free < RESERVE {
            let path = self.path.clone();
            return Err(StoreError::Full { path, free });
        }
        Ok(())
    }

    fn or_fail(&self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        if done.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        done
    }

    fn apply_batch(&self, ops: &[Op]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.insert(key.as_slice(), value.as_slice()),
                Op::Delete(key) => batch.remove(key.as_slice()),
            }
        }
        let applied = self.db.apply_batch(batch);
        for _ in 0..SWEEPS {
            sled::pin().flush();
        }
        applied.map_err(|error| self.io(&error))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.unflushed.store(0, Ordering::Relaxed);
        self.db.flush().map_err(|error| self.io(&error))?;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.log.sync_data().map_err(|error| self.io(&error.into()))
    }

    /// Whether [`Self::mark_used`] was ever called on this store, by any process.
    pub(crate) fn is_used(&self) -> Result<bool, StoreError> {
        let lock = self
            .lock
            .metadata()
            .map_err(|error| self.io(&error.into()))?;
        Ok(lock.len() > 0)
    }

    /// Records outside of sled that the store has content. Survives a power cut.
    pub(crate) fn mark_used(&self) -> Result<(), StoreError> {
        (&self.lock)
            .write_all(b"used\n")
            .and_then(|()| self.lock.sync_data())
            .map_err(|error| self.io(&error.into()))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        let value = self.db.get(key).map_err(|error| self.io(&error))?;
        let Some(value) = value else { return Ok(None) };
        // Reading one value loads its page, so the other rows of the page count too.
        self.remind(key, &mut (value.len() * ROWS_BESIDE))?;
        Ok(Some(value.to_vec()))
    }

    /// The entries with keys in `[from, to)`, sorted by key.
    pub(crate) fn range<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + use<'a> {
        let refused = self.check().err().map(Err);
        let mut read = 0;
        let entries = self.db.range(from.to_vec()..to.to_vec());
        let entries = entries.map(move |entry| {
            let (key, value) = entry.map_err(|error| self.io(&error))?;
            read += in_memory(&key, &value);
            self.remind(&key, &mut read)?;
            Ok((key.to_vec(), value.to_vec()))
        });
        refused.into_iter().chain(entries)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies all entries into a new folder, with `more` entries, which replace those with their
    /// keys. `change` makes of each entry those that take its place. The copy isn't durable yet.
    pub(crate) fn copy_to<E: IntoIterator<Item = Entry>>(
        &self,
        folder: &Path,
        mut change: impl FnMut(Entry) -> Result<E, StoreError>,
        more: Vec<Entry>,
    ) -> Result<(), StoreError> {
        self.check()?;
        let io = |error: sled::Error| self.io(&error);
        make(folder).map_err(|error| io(error.into()))?;
        let fresh = config(folder).open().map_err(io)?;
        let mut batch = sled::Batch::default();
        let (mut read, mut bytes, mut unflushed) = (0, 0, 0);
        for entry in self.db.iter() {
            let (key, value) = entry.map_err(io)?;
            read += in_memory(&key, &value);
            self.remind(&key, &mut read)?;
            for (key, value) in change((key.to_vec(), value.to_vec()))? {
                bytes += in_memory(&key, &value);
                batch.insert(key, value);
            }
            if bytes > BATCH_BYTES {
                unflushed += std::mem::take(&mut bytes);
                fresh.apply_batch(std::mem::take(&mut batch)).map_err(io)?;
            }
            if unflushed > COPIED_BYTES {
                unflushed = 0;
                fresh.flush().map_err(io)?;
            }
        }
        for (key, value) in more {
            batch.insert(key, value);
        }
        fresh.apply_batch(batch).map_err(io)?;
        fresh.flush().map_err(io)?;
        Ok(())
    }

    /// Closes the store and returns its lock. Nothing else can open the store until the lock is
    /// dropped.
    pub(crate) fn close(self) -> File {
        let Self { db, log, lock, .. } = self;
        drop((db, log));
        lock
    }

    /// Accesses the key's page once more for every [`BYTES_PER_ACCESS`] read.
    fn remind(&self, key: &[u8], read: &mut usize) -> Result<(), StoreError> {
        while *read >= BYTES_PER_ACCESS {
            *read -= BYTES_PER_ACCESS;
            let there = self.db.contains_key(key);
            there.map_err(|error| self.io(&error))?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            let reason = "an earlier write failed".to_owned();
            return Err(StoreError::Io {
                path: self.path.clone(),
                reason,
            });
        }
        Ok(())
    }

    fn io(&self, error: &sled::Error) -> StoreError {
        let path = self.path.clone();
        match error {
            sled::Error::Io(error) => StoreError::Io {
                path,
                reason: error.to_string(),
            },
            sled::Error::Corruption { .. } => StoreError::Damaged {
                path,
                reason: "its log is corrupt".to_owned(),
            },
            other => StoreError::Io {
                path,
                reason: other.to_string(),
            },
        }
    }
}

/// How many bytes an entry takes in memory.
fn in_memory(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

/// Creates a folder that other users of this machine can't read, since the store has private data.
pub(crate) fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn config(folder: &Path) -> sled::Config {
    sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput)
}

/// Takes the lock, waiting up to `patience` for another holder to release it.
fn take(lock: &File, patience: Duration) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                thread::sleep(MOMENT / 20);
            }
            taken => return taken,
        }
    }
}

/// Removes snapshots that sled didn't finish because its process was killed. A left-over
/// `snap.*.generating` makes every opening fail; the log has everything that was in it.
fn remove_unfinished_snapshots(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

thread_local! {
    /// Whether panics on this thread print no message.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs code that may panic on damaged files, without printing the panic: the caller reports the
/// damage. Panics on other threads still print.
fn quietly<T>(run: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    // The hook is global to the process. It is set once and never restored, so that two stores
    // opened at the same time can't lose it.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result
}
