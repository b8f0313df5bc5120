//! The export: brings the archive up to date with the store, on a timer and at the end.
//!
//! Owns when an export is made, whose archive it may replace, and what is exported: by default only
//! what everyone in the guild may read. How it is laid out is the archive's matter.

mod bot_posts;
mod control;
mod decision;
mod disclosure;
mod report;
mod request;
mod source;
mod sourcecred;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::{
    bot_posts::bot_posts, decision::decisions, disclosure::Disclosure, request::request,
    source::StoreSource,
};
use propsbot_archive::{
    self as archive, ArchiveError, DataArchive, ExportError, ExportProgressBoard, ExportRequest,
    Id, PlanError, PlannedExport, SideFiles,
};
use propsbot_model::{ChannelId, GuildId, Millis};
use propsbot_store::{Dirty, Reader, Store, StoreError};

use crate::writer::Stopped;

pub use bot_posts::BotPosts;
pub use control::{ExportBoard, ExportControl, ExportRequests, export_control};
pub use decision::Decision;
pub use propsbot_archive::{ExportProgress, Summary};
pub use report::{ExportOutcome, ExportReport, LastExport, Withdrawn};
pub use sourcecred::SourceCredFiles;

/// How often an export is planned at the most, where it comes to nothing since something changed
/// meanwhile.
const ATTEMPTS: u32 = 5;

/// How long an export that is under way goes on when the process is told to stop: most end by then.
const GRACE: Duration = Duration::from_secs(3);

/// How long an export that gives up may take to let go of the archive.
pub const LETTING_GO: Duration = Duration::from_secs(2);

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportJobError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be read or written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// What is not to be shown any more became so while the export was made, again and again.
    #[error(
        "nothing was published: while it was made, a channel was withdrawn, or a member chose what is shown of \
         them"
    )]
    Outdated,
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

/// Where exports go, and what is made with them. Cheap to clone.
#[derive(Clone)]
pub struct ExportTarget {
    /// What it is called in the configuration.
    pub name: String,
    /// The archive.
    pub archive: Arc<dyn DataArchive>,
    /// What lies beside it; `None` for nothing.
    pub beside: Option<Arc<dyn SideFiles>>,
    /// Where it is told how much is made.
    pub made: ExportProgressBoard,
    /// The folder for new objects on their way to the archive. No other process uses it.
    pub spool: PathBuf,
    /// Removes copies on this machine of what archives had before a member chose to show less.
    pub drop_copies: Option<DropCopies>,
}

/// Removes copies of archives.
pub type DropCopies = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// What an export may do that it does not unasked.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Take the place of what another store has exported.
    pub replace: bool,
    /// Read everything anew, make these objects of the archive anew, which are missing or damaged, and
    /// remove what no manifest needs.
    pub repair: Option<BTreeSet<String>>,
    /// Cancelled, the export gives up.
    pub stop: CancellationToken,
}

/// Exports what changed since the last export. What was exported is forgotten to be dirty only after
/// the archive has confirmed it.
///
/// An archive that this store neither wrote nor was rebuilt from is not touched, unless there is
/// leave: it may be a new store, the wrong one, or an old copy of it.
pub async fn export(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
    leave: ExportOptions,
) -> Result<Summary, ExportJobError> {
    let begun = Instant::now();
    let mut attempt = 1;
    let outcome = loop {
        match attempt_export(store, target, now, &leave).await {
            Err(error) if attempt < ATTEMPTS && is_overtaken(&error) => attempt += 1,
            outcome => break outcome,
        }
    };
    let ids = outcome.as_ref().map_or(&[][..], |done| &done.withdrawn);
    let withdrawn = withdrawn(store, ids.to_vec()).await?;
    let outcome = outcome.map(|summary| Summary {
        // The report that the store keeps has no others.
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

/// These channels by name, and why they are not exported.
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
    // A thread that is gone may have the id of a message that was deleted on request.
    let may_be_kept = |id: &Id| {
        let created = id.as_str().parse().map(ChannelId::created_at);
        decided.contains_key(id) || created.is_ok_and(|created| Some(created) > until)
    };
    let of = |id: Id| {
        let decision = decided.get(&id);
        let why = decision.and_then(|decision| decision.withheld);
        Withdrawn {
            id,
            // What members write is neither logged nor kept here, where no deletion looks for it.
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

/// Plans an export and publishes it, if nothing comes in between.
async fn attempt_export(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
    leave: &ExportOptions,
) -> Result<Summary, ExportJobError> {
    let archive = target.archive.as_ref();
    let (view, mut request, dirty) = planned(store, &target.name, now).await?;
    let (since, disclosure) = (request.since, Disclosure::new(&request, &dirty));
    if leave.replace {
        request.only_over = None;
        request.begins_anew = true;
    }
    if let Some(damaged) = &leave.repair {
        request.since = None;
        request.anew.clone_from(damaged);
    }
    request.beside.clone_from(&target.beside);
    request.made = target.made.clone();
    request.spool = Some(target.spool.clone());
    request.stop = leave.stop.clone();

    // The view closes with the plan: nothing below keeps the store from forgetting what it was.
    let source = Arc::new(StoreSource(view));
    let planned = PlannedExport::new(archive, source, request).await?;
    let ready = planned.put(archive).await?;
    let carries_out_choices = disclosure.has_choices();
    if ready.publishes() && ask(store, move |store| disclosure.is_outdated(store)).await? {
        ready.abandon().await?;
        return Err(ExportJobError::Outdated);
    }
    if let Some(manifest) = ready.manifest().filter(|_| ready.publishes()) {
        // Killed from here on, the store knows the archive for its own.
        let name = target.name.clone();
        let publishing = move |store: &Store| store.publishing(&name, manifest);
        ask(store, publishing).await?;
    }
    let summary = ready.publish().await?;

    // A choice's mark may be gone since an export to another archive.
    let is_elsewhere = summary.before.is_some() && summary.before != since;
    if carries_out_choices || is_elsewhere && ask(store, has_wishes).await? {
        archive.forget_history().await.map_err(ExportError::from)?;
        drop_copies(target).await;
    }
    if let Some(manifest) = summary.manifest {
        let name = target.name.clone();
        let confirm =
            move |store: &Store| store.exported(&name, manifest, propsbot_rows::RULES, &dirty);
        ask(store, confirm).await?;
    }
    // Of an index that was damaged nobody knows what it named.
    if leave.repair.is_some() {
        archive.sweep().await.map_err(ExportError::from)?;
    }
    Ok(summary)
}

/// Copies that can't be removed stop no export.
async fn drop_copies(target: &ExportTarget) {
    let Some(drop) = target.drop_copies.clone() else {
        return;
    };
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || drop()).await {
        warn!("could not remove the cached copies of archives (CACHE_PATH): {error}");
    }
}

/// Whether planning it again may lead to something.
fn is_overtaken(error: &ExportJobError) -> bool {
    match error {
        ExportJobError::Outdated
        | ExportJobError::Export(ExportError::Archive(ArchiveError::Stale { .. })) => true,
        ExportJobError::Export(ExportError::Plan(PlanError::Source { source, .. })) => {
            matches!(source.downcast_ref(), Some(StoreError::ViewEnded { .. }))
        }
        _ => false,
    }
}

/// What to export to the archive of this name as of now, and which dirty marks it settles.
async fn planned(
    store: &Arc<Store>,
    name: &str,
    now: Millis,
) -> Result<(Reader, ExportRequest, Vec<Dirty>), ExportJobError> {
    let name = name.to_owned();
    let plan = move |store: &Store| {
        let view = store.view();
        let (request, dirty) = request(&view, &name, now)?;
        Ok((view, request, dirty))
    };
    ask(store, plan).await
}

/// Whether an export would be refused, without writing anything.
pub async fn look(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<(), ExportJobError> {
    let (_, request, _) = planned(store, &target.name, now).await?;
    Ok(archive::look(target.archive.as_ref(), &request).await?)
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

/// Whether anybody wants less shown than there is.
fn has_wishes(store: &Store) -> Result<bool, StoreError> {
    for guild in store.guilds()? {
        if !store.privacy(GuildId(guild.id))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Exports every `interval` (give or take a tenth, so that many bots do not all come at once), and
/// when somebody asks, one after the other, until it is stopped.
pub async fn export_regularly(
    store: Arc<Store>,
    target: ExportTarget,
    mut asked: ExportRequests,
    now: fn() -> Millis,
    stop: CancellationToken,
) {
    let mut failing = Failing::default();
    // What is wrong with it is better known now than after the first interval.
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

/// Waits for an export. Once `late` is over, has it give up, which may take `letting_go`; `None` if that
/// is not enough. Cut off then, it has published nothing, and the next one cleans up.
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

/// When the last export ended that is remembered.
async fn last_ended(store: &Arc<Store>) -> Option<Millis> {
    let report = ask(store, |store| ExportReport::of(store)).await.ok()?;
    Some(report.last?.at)
}

/// Why exports fail. The log is told each reason once, until an export succeeds.
#[derive(Debug, Default)]
pub struct Failing {
    reasons: BTreeSet<String>,
    /// The log was told before the first export that it is going to fail.
    foreseen: bool,
}

impl Failing {
    /// So many reasons are told. Some servers put another number into each.
    const MOST: usize = 5;

    /// Takes note of a failure, and says whether the log is to be told.
    fn is_news(&mut self, error: &ExportJobError) -> bool {
        let is_new = self.reasons.len() < Self::MOST && self.reasons.insert(error.to_string());
        is_new && !std::mem::take(&mut self.foreseen)
    }

    /// Takes note of a success, and says whether the log is to be told.
    fn ends(&mut self) -> bool {
        let Self { reasons, foreseen } = std::mem::take(self);
        foreseen || !reasons.is_empty()
    }
}

/// Exports, and tells the log what came of it: that exports fail, once, and that they work again.
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
    let answer = crate::ask(store, question).await;
    Ok(answer.map_err(|Stopped| ExportJobError::Ending)??)
}

/// What an export would do.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// What it would write.
    pub summary: Summary,
    /// The channels that it would withdraw from the archive.
    pub withdrawn: Vec<Withdrawn>,
    /// For every channel, whether it would go out.
    pub decisions: Vec<Decision>,
    /// Which posts of bots count as no props.
    pub bot_posts: Vec<BotPosts>,
}

/// What an export would do, without writing anything.
pub async fn dry_run(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<DryRun, ExportJobError> {
    let (view, request, _) = planned(store, &target.name, now).await?;
    let look = |store: &Store| {
        let view = store.view();
        Ok((decisions(&view)?, bot_posts(&view)?))
    };
    let (decisions, bot_posts) = ask(store, look).await?;
    let source = Arc::new(StoreSource(view));
    let summary = archive::dry_run(target.archive.as_ref(), source, request).await?;
    Ok(DryRun {
        withdrawn: withdrawn(store, summary.withdrawn.clone()).await?,
        summary,
        decisions,
        bot_posts,
    })
}
