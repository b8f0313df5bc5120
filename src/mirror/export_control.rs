//! Requests exports and shows their progress.
//!
//! Exports run one after the other; requests that arrive before one begins share it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use propsbot_archive::{Depth, ExportProgress, Millis, Schema, Summary, Verification};
use rand::Rng as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant},
};

use crate::{Ending, ExportJobError, ExportOutcome, ExportTarget};

/// How many requests may wait for an export.
const WAITING: usize = 64;

/// The current and the next export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportBoard {
    /// When the running export began; `None` if none is running.
    pub running_since: Option<Millis>,
    /// When the next one is due.
    pub next: Option<Millis>,
    /// The progress of the running export.
    pub made: ExportProgress,
    /// How many exports succeeded since the start.
    pub succeeded: u64,
    /// How many failed.
    pub failed: u64,
    /// The bytes of the files that they wrote.
    pub written_bytes: u64,
    /// When the first of the exports ended that failed since the last success; `None` if the last one
    /// succeeded.
    pub failing_since: Option<Millis>,
}

impl ExportBoard {
    fn end(&mut self, outcome: &ExportOutcome, now: Millis) {
        self.running_since = None;
        if let Ok(done) = outcome {
            self.succeeded += 1;
            self.written_bytes += done.bytes;
            self.failing_since = None;
        } else {
            self.failed += 1;
            self.failing_since.get_or_insert(now);
        }
    }
}

/// Requests exports. Cheap to clone.
#[derive(Clone)]
pub struct ExportControl {
    schema: &'static Schema,
    target: ExportTarget,
    interval: Duration,
    ask: mpsc::Sender<oneshot::Sender<ExportOutcome>>,
    board: Arc<Mutex<ExportBoard>>,
}

/// Receives the requests, for the task that runs exports.
pub struct ExportRequests {
    asked: mpsc::Receiver<oneshot::Sender<ExportOutcome>>,
    interval: Duration,
    board: Arc<Mutex<ExportBoard>>,
}

/// A connected pair of control and requests, for the archive of a provider with this schema.
pub fn export_control(
    schema: &'static Schema,
    target: ExportTarget,
    interval: Duration,
) -> (ExportControl, ExportRequests) {
    let (ask, asked) = mpsc::channel(WAITING);
    let board = Arc::<Mutex<ExportBoard>>::default();
    let control = ExportControl {
        schema,
        target,
        interval,
        ask,
        board: Arc::clone(&board),
    };
    let requests = ExportRequests {
        asked,
        interval,
        board,
    };
    (control, requests)
}

impl ExportControl {
    /// The archive's name.
    pub fn archive(&self) -> &str {
        &self.target.name
    }

    /// The usual time between two exports.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The current and the next export.
    pub fn look(&self) -> ExportBoard {
        ExportBoard {
            made: self.target.made.look(),
            ..lock(&self.board).clone()
        }
    }

    /// Requests an export that begins after this call, and waits for its outcome.
    pub async fn export_now(&self) -> Result<ExportOutcome, Ending> {
        let (tell, outcome) = oneshot::channel();
        self.ask.send(tell).await.map_err(|_| Ending)?;
        outcome.await.map_err(|_| Ending)
    }

    /// Verifies the whole archive, or returns why it couldn't be read.
    pub async fn verify(&self) -> Result<Verification, String> {
        let archive = self.target.archive.as_ref();
        let found = propsbot_archive::verify(archive, self.schema, Depth::Whole).await;
        found.map_err(|error| error.to_string())
    }
}

impl ExportRequests {
    /// Waits until an export is due (`interval` after `last`) or requested. Returns the senders
    /// that wait for its outcome.
    pub(crate) async fn next(
        &mut self,
        last: Millis,
        now: Millis,
    ) -> Vec<oneshot::Sender<ExportOutcome>> {
        let usual = self.interval.mul_f64(rand::rng().random_range(0.9..1.1));
        let wait = left_of(usual, last, now);
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        lock(&self.board).next = Some(Millis(now.0.saturating_add(millis)));
        let begun = Instant::now();
        let mut waiting = Vec::new();
        match time::timeout(wait, self.asked.recv()).await {
            Ok(Some(first)) => waiting.push(first),
            // No control is left to request an export.
            Ok(None) => time::sleep_until(begun + wait).await,
            Err(_) => {}
        }
        while let Ok(other) = self.asked.try_recv() {
            waiting.push(other);
        }
        lock(&self.board).running_since = Some(now);
        waiting
    }

    pub(crate) fn done(
        &mut self,
        outcome: Result<Summary, ExportJobError>,
        waiting: Vec<oneshot::Sender<ExportOutcome>>,
        now: Millis,
    ) {
        let outcome = outcome.map_err(|error| error.to_string());
        lock(&self.board).end(&outcome, now);
        for receiver in waiting {
            // It may have stopped waiting.
            let _ = receiver.send(outcome.clone());
        }
    }
}

/// What is left of the interval since `last`, but at least a tenth: right after a start, a backfill
/// should come first.
fn left_of(usual: Duration, last: Millis, now: Millis) -> Duration {
    let since = u64::try_from(now.0.saturating_sub(last.0)).unwrap_or_default();
    let left = usual.saturating_sub(Duration::from_millis(since));
    left.max(usual / 10)
}

fn lock(board: &Mutex<ExportBoard>) -> MutexGuard<'_, ExportBoard> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_fail_since_the_first_failure_in_a_row() {
        let mut board = ExportBoard::default();
        let summary = Summary {
            bytes: 10,
            ..Summary::default()
        };
        let failed = Err("no network".to_owned());
        let outcomes = [
            failed.clone(),
            failed.clone(),
            Ok(summary),
            failed.clone(),
            failed,
        ];
        let since = outcomes.iter().zip(1..).map(|(outcome, now)| {
            board.end(outcome, Millis(now));
            board.failing_since.map(|since| since.0)
        });
        assert_eq!(
            since.collect::<Vec<_>>(),
            [Some(1), Some(1), None, Some(4), Some(4)]
        );
        assert_eq!(
            (board.succeeded, board.failed, board.written_bytes),
            (1, 4, 10)
        );
    }

    #[test]
    fn a_restart_does_not_put_the_next_export_off() {
        let minutes = |count: i64| Millis(count * 60_000);
        for (last, left) in [(0, 60), (-40, 20), (-58, 6), (-600, 6), (5, 60)] {
            let found = left_of(Duration::from_hours(1), minutes(last), minutes(0));
            assert_eq!(found, Duration::from_mins(left), "{last}");
        }
    }
}
