//! Lends an archive's files to the planner, which blocks, while the archive is read on async threads.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Id, SourceError,
    error::ReadError,
    file::{FileRef, Kind},
    files::{READS, SpaceFiles},
    request::Files,
};

/// Files that the planner needs.
pub(super) struct Ask {
    space: Id,
    kind: Kind,
    files: Vec<FileRef>,
    answer: oneshot::Sender<Vec<Result<Vec<u8>, ReadError>>>,
}

/// Why nothing is read.
const STOPPED: &str = "nobody reads the archive any more";

/// The files of one space.
pub(super) struct Lent<'a> {
    space: &'a Id,
    asks: &'a mpsc::Sender<Ask>,
}

impl<'a> Lent<'a> {
    /// The files of this space, from who answers these asks.
    pub(super) fn new(space: &'a Id, asks: &'a mpsc::Sender<Ask>) -> Self {
        Self { space, asks }
    }
}

impl Files for Lent<'_> {
    fn read(&self, kind: Kind, file: FileRef) -> Result<Vec<u8>, SourceError> {
        let mut read = self.read_all(kind, &[file]);
        read.pop().unwrap_or_else(|| Err(STOPPED.into()))
    }

    fn read_all(&self, kind: Kind, files: &[FileRef]) -> Vec<Result<Vec<u8>, SourceError>> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            space: self.space.clone(),
            kind,
            files: files.to_vec(),
            answer,
        };
        let asked = self.asks.blocking_send(ask).ok();
        match asked.and_then(|()| answered.blocking_recv().ok()) {
            Some(read) => read.into_iter().map(|read| Ok(read?)).collect(),
            None => files.iter().map(|_| Err(STOPPED.into())).collect(),
        }
    }
}

/// Reads what is asked for until nobody asks any more. Returns whether the archive was changed meanwhile.
pub(super) async fn answer(
    mut asked: mpsc::Receiver<Ask>,
    spaces: &BTreeMap<Id, SpaceFiles<'_>>,
) -> bool {
    let mut is_superseded = false;
    while let Some(ask) = asked.recv().await {
        let Some(space) = spaces.get(&ask.space) else {
            continue;
        };
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let files = ask.files.into_iter();
        let reads: Vec<_> = files.map(|file| space.read(ask.kind, file)).collect();
        let read: Vec<_> = stream::iter(reads).buffered(READS).collect().await;
        let mut superseded = read.iter();
        is_superseded |= superseded.any(|read| matches!(read, Err(ReadError::Superseded)));
        // Nobody waits for it if the planner panicked.
        let _ = ask.answer.send(read);
    }
    is_superseded
}
