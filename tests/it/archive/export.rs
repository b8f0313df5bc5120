//! The order of things in an export: the source is let go of before anything is written, new objects wait on
//! disk, and a stop is heeded between two of them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use async_trait::async_trait;
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, ExportError, MANIFEST_LIMIT, MemoryArchive,
    Object, Publish, ROOT, Receipt, export,
};
use propsbot_rows::Snapshot;
use tokio_util::sync::CancellationToken;

use super::community::{request, rows};

/// An archive that notes what is done with it.
struct Watched {
    archive: MemoryArchive,
    source: Weak<Snapshot>,
    spool: PathBuf,
    /// Cancelled at this put.
    stop: (usize, CancellationToken),
    notes: Notes,
}

type Notes = Arc<Mutex<Vec<&'static str>>>;

struct WatchedWrite<'a> {
    write: Box<dyn ArchiveWrite + 'a>,
    archive: &'a Watched,
    puts: usize,
}

impl Watched {
    fn new(spool: &Path, source: &Arc<Snapshot>, stop_at: usize) -> Self {
        Self {
            archive: MemoryArchive::new(),
            source: Arc::downgrade(source),
            spool: spool.to_owned(),
            stop: (stop_at, CancellationToken::new()),
            notes: Notes::default(),
        }
    }

    fn note(&self, what: &'static str) {
        self.notes.lock().unwrap().push(what);
    }
}

#[async_trait]
impl DataArchive for Watched {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.archive.read(path, longest).await
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        assert!(self.source.upgrade().is_none(), "the source waits");
        assert!(self.spool.read_dir().unwrap().count() > 3);
        self.note("write");
        Ok(Box::new(WatchedWrite {
            write: self.archive.write(bases).await?,
            archive: self,
            puts: 0,
        }))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.archive.sweep().await
    }
}

#[async_trait]
impl ArchiveWrite for WatchedWrite<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        self.puts += 1;
        let (stop_at, stop) = &self.archive.stop;
        if self.puts == *stop_at {
            stop.cancel();
        }
        self.archive.note("put");
        self.write.put(object).await
    }

    async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        assert!(!self.archive.spool.exists());
        self.archive.note("publish");
        self.write.publish(publish).await
    }

    async fn abandon(self: Box<Self>) -> Result<(), ArchiveError> {
        self.archive.note("abandon");
        self.write.abandon().await
    }
}

#[tokio::test]
async fn the_source_is_let_go_of_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let spool = home.path().join("spool");
    let rows = Arc::new(rows());
    let archive = Watched::new(&spool, &rows, 0);
    let mut everything = request(&rows);
    everything.spool = Some(spool.clone());
    let done = export(&archive, rows, everything).await.unwrap();
    let mut notes = archive.notes.lock().unwrap().clone();
    let puts = notes.iter().filter(|note| **note == "put").count();
    assert_eq!(puts as u64, done.files);
    notes.dedup();
    assert_eq!(notes, ["write", "put", "publish"]);
    assert!(!spool.exists());
}

#[tokio::test]
async fn a_stop_between_two_puts_gives_the_archive_free() {
    let home = tempfile::tempdir().unwrap();
    let spool = home.path().join("spool");
    for stop_at in 1.. {
        let rows = Arc::new(rows());
        let archive = Watched::new(&spool, &rows, stop_at);
        let mut everything = request(&rows);
        everything.spool = Some(spool.clone());
        everything.stop = archive.stop.1.clone();
        let ended = export(&archive, rows, everything).await;
        let notes = archive.notes.lock().unwrap().clone();
        assert!(!spool.exists());
        if let Ok(done) = ended {
            // There are no more puts.
            assert_eq!(stop_at as u64, done.files + 1);
            break;
        }
        assert!(matches!(ended, Err(ExportError::Stopped)), "{ended:?}");
        assert_eq!(notes.len(), stop_at + 2);
        assert_eq!(notes.last(), Some(&"abandon"));
        assert_eq!(archive.read(ROOT, MANIFEST_LIMIT).await.unwrap(), None);
    }
}
