//! Lends an archive's files to the planner, which blocks, while the archive is read on async threads.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use crate::{
    Id, SourceError,
    error::ReadError,
    file::{FileRef, Kind},
    files::SpaceFiles,
    request::Files,
};

/// A file that the planner needs.
pub(super) struct Ask {
    space: Id,
    kind: Kind,
    file: FileRef,
    answer: oneshot::Sender<Result<Vec<u8>, ReadError>>,
}

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
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            space: self.space.clone(),
            kind,
            file,
            answer,
        };
        let stopped = "nobody reads the archive any more";
        self.asks.blocking_send(ask).map_err(|_| stopped)?;
        Ok(answered.blocking_recv().map_err(|_| stopped)??)
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
        let read = space.read(ask.kind, ask.file).await;
        is_superseded |= matches!(read, Err(ReadError::Superseded));
        // Nobody waits for it if the planner panicked.
        let _ = ask.answer.send(read);
    }
    is_superseded
}
