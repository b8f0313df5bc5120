//! The export timer: exports regularly, on request, and on shutdown.

use std::{collections::BTreeSet, mem, pin::pin, sync::Arc, time::Duration};

use propsbot_archive::{Millis, Summary};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::{
    ExportJobError, ExportOptions, ExportRequests, ExportTarget, Exports, ask, export_and_record,
    look,
};

/// How long a running export may continue on shutdown. Most end in this time.
const GRACE: Duration = Duration::from_secs(3);

/// Held by an export. Exports from one store run one at a time, since they share its spool and its ledger.
pub type ExportTurn = Arc<Mutex<()>>;

/// How long a cancelled export may take to release the archive.
pub const LETTING_GO: Duration = Duration::from_secs(2);

/// Exports every `interval` and on request until stopped, each time once it has the `turn`. The interval
/// varies by a tenth, so that many bots don't export at the same time.
pub async fn export_regularly(
    provider: Arc<dyn Exports>,
    target: ExportTarget,
    mut asked: ExportRequests,
    turn: ExportTurn,
    now: fn() -> Millis,
    stop: CancellationToken,
) {
    let mut failing = Failing::default();
    // Reports problems now instead of after the first interval.
    let looking = look(&provider, &target, now());
    if let Some(Err(error)) = stop.run_until_cancelled(looking).await {
        error!("exports are going to fail until this is mended: {error}");
        failing.foreseen = true;
    }
    let mut last = last_ended(&provider).await.unwrap_or_else(now);
    while let Some(waiting) = stop.run_until_cancelled(asked.next(last, now())).await {
        let give_up = CancellationToken::new();
        let exporting = async {
            let _turn = turn.lock().await;
            export_and_log(&provider, &target, now(), &give_up, &mut failing).await
        };
        let out_of_time = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let Some(outcome) = give_up_after(out_of_time, LETTING_GO, &give_up, exporting).await
        else {
            return;
        };
        last = now();
        asked.done(outcome, waiting, last);
    }
}

/// Waits for an export, and cancels it once `late` completes.
///
/// The export then has `letting_go` to end; `None` if that isn't enough. An aborted export has
/// published nothing, and the next one cleans up.
pub async fn give_up_after<T>(
    late: impl Future<Output = ()>,
    letting_go: Duration,
    give_up: &CancellationToken,
    exporting: impl Future<Output = T>,
) -> Option<T> {
    let mut exporting = pin!(exporting);
    tokio::select! {
        done = &mut exporting => return Some(done),
        () = late => give_up.cancel(),
    }
    tokio::time::timeout(letting_go, exporting).await.ok()
}

async fn last_ended(provider: &Arc<dyn Exports>) -> Option<Millis> {
    let report = ask(provider, |provider| provider.ledger().report()).await;
    Some(report.ok()?.ok()?.last?.at)
}

/// Why exports fail. Each reason is logged once until an export succeeds.
#[derive(Debug, Default)]
pub struct Failing {
    reasons: BTreeSet<String>,
    /// Whether the log already has a warning from before the first export.
    foreseen: bool,
    /// Why what follows the archive is not up to date.
    behind: BTreeSet<String>,
}

impl Failing {
    /// How many reasons are logged. Some servers put a different number into each message.
    const MOST: usize = 5;

    /// Records a failure. Returns whether to log it.
    fn is_news(&mut self, error: &ExportJobError) -> bool {
        let is_new = self.reasons.len() < Self::MOST && self.reasons.insert(error.to_string());
        is_new && !mem::take(&mut self.foreseen)
    }

    /// Records a success. Returns whether to log it.
    fn ends(&mut self) -> bool {
        let foreseen = mem::take(&mut self.foreseen);
        foreseen || !mem::take(&mut self.reasons).is_empty()
    }

    /// Logs once when what follows the archive falls behind, and when it is up to date again.
    fn log_behind(&mut self, done: &Summary) {
        match &done.behind {
            None if mem::take(&mut self.behind).is_empty() => {}
            None => info!("what follows the archive is up to date again"),
            Some(behind)
                if self.behind.len() < Self::MOST && self.behind.insert(behind.clone()) =>
            {
                error!("exported, but {behind}; it is tried again after each export");
            }
            Some(behind) => debug!("exported, but again {behind}"),
        }
    }
}

/// Exports, and logs once when exports start to fail and when they work again.
pub async fn export_and_log(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
    give_up: &CancellationToken,
    failing: &mut Failing,
) -> Result<Summary, ExportJobError> {
    let options = ExportOptions {
        stop: give_up.clone(),
        ..ExportOptions::default()
    };
    let outcome = export_and_record(provider, target, now, &options).await;
    if outcome.is_ok() && failing.ends() {
        info!("exports work again");
    }
    match &outcome {
        Ok(done) if done.changed => info!(
            generation = done.generation,
            files = done.files,
            bytes = done.bytes,
            requests = done.requests,
            commit = done.commit,
            "exported to the archive"
        ),
        Ok(_) => {}
        Err(error) if failing.is_news(error) => {
            error!("nothing was exported; it is tried again each time, until it works: {error}");
        }
        Err(error) => debug!("nothing was exported again: {error}"),
    }
    match &outcome {
        // The next export goes on from there.
        Ok(_) if give_up.is_cancelled() => {}
        Ok(done) => failing.log_behind(done),
        Err(_) => {}
    }
    outcome
}
