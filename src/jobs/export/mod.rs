//! Exports the store to the archive, on a timer and on shutdown.
//!
//! Owns when an export runs and what it contains: by default only what everyone in the guild can
//! read. `propsbot_mirror` decides which archive may be replaced; the archive owns the layout.

mod bot_posts;
mod contents;
mod control;
mod decision;
mod report;
mod source;
mod sourcecred;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::{bot_posts::bot_posts, decision::decisions, source::StoreExports};
use propsbot_archive::Id;
use propsbot_mirror::Exports;
use propsbot_model::{ChannelId, GuildId, Millis};
use propsbot_store::{Store, StoreError};

pub use bot_posts::BotPosts;
pub use contents::{heard_at_of, parts};
pub use control::{ExportBoard, ExportControl, ExportRequests, export_control};
pub use decision::Decision;
pub use propsbot_archive::{ExportProgress, Summary};
pub use propsbot_mirror::{ExportJobError, ExportOptions, ExportTarget};
pub use report::{ExportOutcome, ExportReport, LastExport, Withdrawn};
pub use sourcecred::SourceCredFiles;

/// How long a running export may continue on shutdown. Most end in this time.
const GRACE: Duration = Duration::from_secs(3);

/// How long a cancelled export may take to release the archive.
pub const LETTING_GO: Duration = Duration::from_secs(2);

/// Exports what changed since the last export.
///
/// Marks of changes are cleared only after the archive has confirmed the export.
///
/// # Errors
/// Refuses an archive that this store neither wrote nor was restored from, unless the options allow
/// it: this may be a new store, the wrong one or an old copy.
pub async fn export(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
    options: ExportOptions,
) -> Result<Summary, ExportJobError> {
    let begun = Instant::now();
    let outcome = propsbot_mirror::export(&exports(store), target, now, &options).await;
    let ids = outcome.as_ref().map_or(&[][..], |done| &done.withdrawn);
    let withdrawn = withdrawn(store, ids.to_vec()).await?;
    let outcome = outcome.map(|summary| Summary {
        // The report that the store keeps lists only these.
        withdrawn: withdrawn.iter().map(|channel| channel.id.clone()).collect(),
        ..summary
    });
    if !withdrawn.is_empty() {
        let names: Vec<String> = withdrawn.iter().map(ToString::to_string).collect();
        warn!(
            "channels were withdrawn from the archive: {}",
            names.join(", ")
        );
    }
    let last = LastExport::new(now, begun.elapsed(), &outcome, withdrawn);
    let kept = ask(store, move |store| ExportReport::add(store, last)).await;
    let done = outcome?;
    kept?;
    Ok(done)
}

/// These channels with their names, and why they aren't exported.
async fn withdrawn(store: &Arc<Store>, ids: Vec<Id>) -> Result<Vec<Withdrawn>, ExportJobError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let decided = ask(store, |store| decisions(&store.view())).await?;
    let decided = decided.into_iter();
    let decided: BTreeMap<Id, Decision> = decided
        .map(|decision| (Id::new(decision.id), decision))
        .collect();
    let until = ask(store, latest_deletion).await?;
    // The id of a deleted thread may be that of a message that was deleted on request.
    let may_be_kept = |id: &Id| {
        let created = id.as_str().parse().map(ChannelId::created_at);
        decided.contains_key(id) || created.is_ok_and(|created| Some(created) > until)
    };
    let of = |id: Id| {
        let decision = decided.get(&id);
        let why = decision.and_then(|decision| decision.withheld);
        Withdrawn {
            id,
            // Thread names are written by members. They are neither logged nor kept here, where no
            // deletion would find them.
            name: decision
                .filter(|decision| !decision.is_thread)
                .map(|decision| decision.name.clone())
                .unwrap_or_default(),
            why: why.map_or_else(
                || "it is not known any more".to_owned(),
                |why| why.to_string(),
            ),
        }
    };
    Ok(ids.into_iter().filter(may_be_kept).map(of).collect())
}

/// What the store exports.
pub(crate) fn exports(store: &Arc<Store>) -> Arc<dyn Exports> {
    Arc::new(StoreExports(Arc::clone(store)))
}

/// Fails if an export would be refused. Writes nothing.
pub async fn look(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<(), ExportJobError> {
    propsbot_mirror::look(&exports(store), target, now).await
}

/// When a member last had their data deleted, in any guild.
fn latest_deletion(store: &Store) -> Result<Option<Millis>, StoreError> {
    let mut latest = None;
    for guild in store.guilds()? {
        let wishes = store.privacy(GuildId(guild.id))?;
        latest = latest.max(wishes.iter().filter_map(|wish| wish.forgotten).max());
    }
    Ok(latest)
}

/// Exports every `interval` and on request, one export at a time, until stopped. The interval
/// varies by a tenth, so that many bots don't export at the same time.
pub async fn export_regularly(
    store: Arc<Store>,
    target: ExportTarget,
    mut asked: ExportRequests,
    now: fn() -> Millis,
    stop: CancellationToken,
) {
    let mut failing = Failing::default();
    // Reports problems now instead of after the first interval.
    let looking = look(&store, &target, now());
    if let Some(Err(error)) = stop.run_until_cancelled(looking).await {
        error!("exports are going to fail until this is mended: {error}");
        failing.foreseen = true;
    }
    let mut last = last_ended(&store).await.unwrap_or_else(now);
    while let Some(waiting) = stop.run_until_cancelled(asked.next(last, now())).await {
        let give_up = CancellationToken::new();
        let exporting = export_and_log(&store, &target, now(), &give_up, &mut failing);
        let out_of_time = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let Some(outcome) = give_up_after(out_of_time, LETTING_GO, &give_up, exporting).await
        else {
            return;
        };
        asked.done(outcome, waiting);
        last = now();
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

/// When the last recorded export ended.
async fn last_ended(store: &Arc<Store>) -> Option<Millis> {
    let report = ask(store, |store| ExportReport::of(store)).await.ok()?;
    Some(report.last?.at)
}

/// Why exports fail. Each reason is logged once until an export succeeds.
#[derive(Debug, Default)]
pub struct Failing {
    reasons: BTreeSet<String>,
    /// Whether the log already has a warning from before the first export.
    foreseen: bool,
}

impl Failing {
    /// How many reasons are logged. Some servers put a different number into each message.
    const MOST: usize = 5;

    /// Records a failure. Returns whether to log it.
    fn is_news(&mut self, error: &ExportJobError) -> bool {
        let is_new = self.reasons.len() < Self::MOST && self.reasons.insert(error.to_string());
        is_new && !std::mem::take(&mut self.foreseen)
    }

    /// Records a success. Returns whether to log it.
    fn ends(&mut self) -> bool {
        let Self { reasons, foreseen } = std::mem::take(self);
        foreseen || !reasons.is_empty()
    }
}

/// Exports, and logs once when exports start to fail and when they work again.
pub async fn export_and_log(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
    give_up: &CancellationToken,
    failing: &mut Failing,
) -> Result<Summary, ExportJobError> {
    let leave = ExportOptions {
        stop: give_up.clone(),
        ..ExportOptions::default()
    };
    let outcome = export(store, target, now, leave).await;
    if outcome.is_ok() && failing.ends() {
        info!("exports work again");
    }
    match &outcome {
        Ok(done) if done.changed => info!(
            generation = done.generation,
            rows = done.rows,
            blobs = done.blobs,
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
    outcome
}

/// Whether an export may have anything to write.
pub async fn is_due(store: &Arc<Store>) -> Result<bool, ExportJobError> {
    let due = |store: &Store| Ok(store.exports()?.last.is_none() || !store.dirty()?.is_empty());
    ask(store, due).await
}

async fn ask<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ExportJobError> {
    Ok(propsbot_mirror::ask(store, question).await??)
}

/// What an export would do.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// What it would write.
    pub summary: Summary,
    /// The channels that it would withdraw from the archive.
    pub withdrawn: Vec<Withdrawn>,
    /// For every channel, whether it would be exported.
    pub decisions: Vec<Decision>,
    /// Posts of bots that don't count as props.
    pub bot_posts: Vec<BotPosts>,
}

/// What an export would do. Writes nothing.
pub async fn dry_run(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<DryRun, ExportJobError> {
    let summary = propsbot_mirror::dry_run(&exports(store), target, now).await?;
    let look = |store: &Store| {
        let view = store.view();
        Ok((decisions(&view)?, bot_posts(&view)?))
    };
    let (decisions, bot_posts) = ask(store, look).await?;
    Ok(DryRun {
        withdrawn: withdrawn(store, summary.withdrawn.clone()).await?,
        summary,
        decisions,
        bot_posts,
    })
}
