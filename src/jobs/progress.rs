//! What is being done now, for whoever wants to show it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::model::GuildId;

/// What a backfill is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// Finding out which channels, threads and members there are.
    Discovering,
    /// Fetching messages and who reacted to them.
    Fetching,
}

/// How far a guild's backfill is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is busy with.
    pub phase: Phase,
    /// The guild it works on.
    pub guild: Option<(GuildId, String)>,
    /// Channels and threads that are to be read, or were.
    pub channels: u64,
    /// Those of them that are done.
    pub channels_done: u64,
    /// Channels and threads that cannot be read.
    pub unreadable: u64,
    /// Messages listed so far.
    pub messages: u64,
    /// Lists of reactors found to be missing so far.
    pub lists: u64,
    /// Those of them that are done.
    pub lists_done: u64,
    /// Objects that could not be fetched, but may be later.
    pub failures: u64,
    /// Objects that Discord does not let us have, or that are gone.
    pub refused: u64,
}

/// Progress that one side writes and others look at.
#[derive(Clone, Debug, Default)]
pub struct ProgressBoard(Arc<Mutex<Progress>>);

impl ProgressBoard {
    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().expect("no change panics"));
    }

    /// As it is now.
    pub fn look(&self) -> Progress {
        self.0.lock().expect("no change panics").clone()
    }
}

/// How often the log tells how far a long backfill is.
const TELL: Duration = Duration::from_secs(15);

/// Tells the log how far a backfill is, as long as one is under way, until it is stopped.
pub async fn log_regularly(board: ProgressBoard, stop: CancellationToken) {
    while stop.run_until_cancelled(time::sleep(TELL)).await.is_some() {
        let now = board.look();
        if now.phase == Phase::Fetching {
            info!(
                channels = format_args!("{}/{}", now.channels_done, now.channels),
                messages = now.messages,
                reaction_lists = format_args!("{}/{}", now.lists_done, now.lists),
                "fetching history"
            );
        }
    }
}
