//! The export: brings an archive up to date with a provider's mirror.
//!
//! Decides which archive may be replaced, and in which order the ledger records what is published.
//! The archive owns the layout; the provider decides what may leave its mirror.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io, iter, mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use propsbot_archive::{
    self as archive, ArchiveError, Bases, DataArchive, ExportError, ExportProgressBoard,
    ExportRequest, ExportSpace, Hash, Id, Millis, PlannedExport, ReadError, Schema, SideFiles,
    Source, Summary, manifest_path, one_line,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{Dirty, Ending, ExportLedger, Follower, Ledger, StoreError, WithdrawnPart, ask};

/// How many times an export is planned if its basis keeps changing.
const ATTEMPTS: u32 = 5;

/// How long to wait after the first attempt for another process that writes to the archive; twice as long after each
/// further one, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);

/// The longest time between two such attempts. Each plans the export anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long to wait for that process before the last attempt: with it and the pauses, less than a minute in all.
const PATIENCE: Duration = Duration::from_secs(45);

/// What a provider exports. All methods block; call them off the async threads.
pub trait Exports: Send + Sync {
    /// The exported tables.
    fn schema(&self) -> &'static Schema;

    /// Version of the rules that turn records into rows. Bump it to export all rows again.
    fn rules(&self) -> u8;

    /// A snapshot of what may leave the mirror, which can go on changing.
    fn view(&self) -> Result<ExportView, StoreError>;

    /// Whether everything in a view may still be published.
    ///
    /// `false` once a part was withdrawn, or a user was deleted or chose to be hidden.
    fn is_current(&self, contents: &Contents) -> Result<bool, StoreError>;

    /// The record of past exports.
    fn ledger(&self) -> &dyn Ledger;

    /// Whether there is no space to export.
    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.view()?.contents.spaces.is_empty())
    }

    /// The names of parts that an export withdrew, and why it did.
    ///
    /// Leaves out parts whose id may identify deleted data: the report on exports keeps the others.
    fn explain(&self, withdrawn: &[Id]) -> Result<Vec<WithdrawnPart>, StoreError> {
        Ok(withdrawn.iter().map(WithdrawnPart::unknown).collect())
    }

    /// A withdrawn part in one line for people.
    fn describe(&self, part: &WithdrawnPart) -> String {
        let WithdrawnPart { id, name, why } = part;
        match &*one_line(name) {
            "" => format!("{id}: {why}"),
            name => format!("{name} ({id}): {why}"),
        }
    }

    /// A line for people about each part: whether it is exported, and why not.
    fn decisions(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// What may leave a mirror, as of one instant.
pub struct ExportView {
    /// What the view holds and what changed.
    pub contents: Contents,
    /// The rows, redacted. Dropping this ends the view.
    pub rows: Arc<dyn Source>,
}

/// What a view holds, and what changed since the last export.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The spaces and parts that may leave. Any others in the archive are withdrawn.
    pub spaces: Vec<ExportSpace>,
    /// What the export must read again. Its request takes them.
    pub changed: Vec<archive::Mark>,
    /// The marks that this export clears.
    pub marks: Vec<Dirty>,
    /// Whether this export applies a user's choice to hide or delete data.
    pub carries_out_choices: bool,
    /// Whether any user ever made such a choice.
    pub has_choices: bool,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportJobError {
    /// The store couldn't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive couldn't be read or written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// In each attempt, something became unpublishable before it was published.
    #[error(
        "nothing was published: during each attempt, something was withdrawn or someone chose to be \
         hidden; the next export tries again"
    )]
    Outdated,
    /// The process is ending.
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// An archive to export to, with the settings of its exports. Cheap to clone.
#[derive(Clone)]
pub struct ExportTarget {
    /// Its name in the configuration.
    pub name: String,
    /// The archive.
    pub archive: Arc<dyn DataArchive>,
    /// The schemas of other providers that may export to the same archive.
    pub others: &'static [&'static Schema],
    /// Makes the files beside the manifest; `None` for none.
    pub beside: Option<Arc<dyn SideFiles>>,
    /// What follows the archive, such as tables for other tools; `None` for nothing.
    pub follower: Option<Arc<dyn Follower>>,
    /// Shows the progress.
    pub made: ExportProgressBoard,
    /// The folder for new objects before they are uploaded. No other process may use it.
    pub spool: PathBuf,
    /// Removes local copies of archives that may contain what a user has hidden since.
    pub drop_copies: Option<DropCopies>,
}

/// Removes copies of archives.
pub type DropCopies = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// The spool folder for exports from the store in this folder.
pub fn spool_of(store: &Path) -> PathBuf {
    store.join("spool")
}

/// What an export does only on request.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Replace an archive that another store exported.
    pub replace: bool,
    /// Read everything again and rewrite these missing or damaged objects. Also removes objects
    /// that no manifest needs.
    pub repair: Option<BTreeSet<String>>,
    /// Cancels the export.
    pub stop: CancellationToken,
}

/// Exports what changed since the last export.
///
/// Marks are cleared only after the archive has confirmed the manifest.
///
/// # Errors
/// Refuses an archive that this store neither wrote nor was restored from, because this may be a
/// new store, the wrong one or an old copy. [`ExportOptions::replace`] allows it.
pub async fn export(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
    options: &ExportOptions,
) -> Result<Summary, ExportJobError> {
    let mut attempt = 1;
    let (mut pause, mut waited) = (PAUSE, Duration::ZERO);
    loop {
        let outcome = Box::pin(attempt_export(provider, target, now, options)).await;
        match &outcome {
            Err(error) if attempt < ATTEMPTS && is_overtaken(error) => attempt += 1,
            // Another provider's process may be exporting to the same archive.
            Err(error) if waited < PATIENCE && is_busy(error) => {
                let pausing = tokio::time::sleep(pause);
                if options.stop.run_until_cancelled(pausing).await.is_none() {
                    return outcome;
                }
                waited += pause;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
            _ => return outcome,
        }
    }
}

/// Plans an export and publishes it, unless the plan becomes outdated.
async fn attempt_export(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
    options: &ExportOptions,
) -> Result<Summary, ExportJobError> {
    let archive = target.archive.as_ref();
    let (view, mut request) = open(provider, &target.name, now).await?;
    let since = request.since.clone();
    if options.replace {
        request.only_over = None;
        request.begins_anew = true;
    }
    if let Some(damaged) = &options.repair {
        request.since.clear();
        request.damaged.clone_from(damaged);
        request.sweeps = true;
    }
    request.others = target.others;
    request.beside.clone_from(&target.beside);
    request.made = target.made.clone();
    request.spool = Some(target.spool.clone());
    request.stop = options.stop.clone();

    // The view ends here, so the store keeps no old values for it during a slow upload.
    let ExportView { contents, rows } = view;
    let planned = PlannedExport::new(archive, rows, request).await?;
    let ready = planned.put(archive).await?;
    let contents = Arc::new(contents);
    if ready.publishes() {
        let (name, asked) = (target.name.clone(), Arc::clone(&contents));
        let manifests = ready.manifests().clone();
        let may_publish = ask(provider, move |provider| {
            let is_current = provider.is_current(&asked)?;
            if is_current {
                // If the process is killed after this, the store still recognizes the archive as
                // its own.
                provider.ledger().publishing(&name, &manifests)?;
            }
            Ok::<_, StoreError>(is_current)
        });
        if !may_publish.await?? {
            ready.abandon().await?;
            return Err(ExportJobError::Outdated);
        }
    }
    let summary = ready.publish().await?;

    // An export to another archive may have cleared the mark of a choice.
    let is_elsewhere = summary
        .before
        .iter()
        .any(|(path, hash)| *path != archive::ROOT && since.get(path) != Some(hash));
    if contents.carries_out_choices || is_elsewhere && contents.has_choices {
        archive.forget_history().await.map_err(ExportError::from)?;
        drop_copies(target).await?;
    }
    let gone = summary.before.keys().map(|path| (path.clone(), None));
    let left = summary.manifests.iter();
    let left = left.map(|(path, hash)| (path.clone(), Some(*hash)));
    let manifests: Bases = gone.chain(left).collect();
    let name = target.name.clone();
    let settled = ask(provider, move |provider| {
        let (ledger, rules) = (provider.ledger(), provider.rules());
        ledger.published(&name, &manifests, rules, &contents.marks)
    });
    settled.await??;
    Ok(summary)
}

/// Removes local copies of archives. Logs a failure instead of failing the export.
async fn drop_copies(target: &ExportTarget) -> Result<(), Ending> {
    if let Some(drop_copies) = &target.drop_copies
        && let Err(error) = ask(drop_copies, |drop_copies| drop_copies()).await?
    {
        warn!("could not remove the cached copies of archives (CACHE_PATH): {error}");
    }
    Ok(())
}

/// Whether another attempt may succeed.
fn is_overtaken(error: &ExportJobError) -> bool {
    match error {
        ExportJobError::Outdated
        | ExportJobError::Export(
            ExportError::Archive(ArchiveError::Stale { .. })
            | ExportError::Read(ReadError::Superseded)
            | ExportError::Interfered,
        ) => true,
        ExportJobError::Export(error) => {
            let mut causes = iter::successors(Some(error as &dyn Error), |error| (*error).source());
            causes.any(|cause| matches!(cause.downcast_ref(), Some(StoreError::ViewEnded { .. })))
        }
        _ => false,
    }
}

/// Whether another process writes to the archive.
fn is_busy(error: &ExportJobError) -> bool {
    matches!(
        error,
        ExportJobError::Export(ExportError::Archive(ArchiveError::Busy(_)))
    )
}

/// What an export would do. Writes nothing.
pub async fn dry_run(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
) -> Result<Summary, ExportJobError> {
    let (view, request) = open(provider, &target.name, now).await?;
    Ok(archive::dry_run(target.archive.as_ref(), view.rows, request).await?)
}

/// Fails if an export would be refused. Writes nothing.
pub async fn look(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
) -> Result<(), ExportJobError> {
    let (_, request) = open(provider, &target.name, now).await?;
    Ok(archive::look(target.archive.as_ref(), &request).await?)
}

/// Opens a view, and the request to export it to the archive of this name.
async fn open(
    provider: &Arc<dyn Exports>,
    name: &str,
    now: Millis,
) -> Result<(ExportView, ExportRequest), ExportJobError> {
    let name = name.to_owned();
    let opened = ask(provider, move |provider| {
        let (ledger, mut view) = (provider.ledger().read()?, provider.view()?);
        let request = request(provider, &ledger, &mut view.contents, &name, now);
        Ok::<_, StoreError>((view, request))
    });
    Ok(opened.await??)
}

fn request(
    provider: &dyn Exports,
    ledger: &ExportLedger,
    contents: &mut Contents,
    name: &str,
    now: Millis,
) -> ExportRequest {
    let published = ledger.published(name).into_iter().flatten();
    let published =
        published.flat_map(|(path, all)| all.iter().map(move |one| (path, one.manifest)));
    let last = ledger.last.iter();
    let last = last.map(|(path, last)| (path, last.manifest()));
    let mut own: BTreeMap<String, BTreeSet<Hash>> = BTreeMap::new();
    for (path, manifest) in published.chain(last) {
        own.entry(path.clone()).or_default().insert(manifest);
    }
    // After a change of the rules, unchanged records yield different rows, so all are exported.
    let since = ledger.last.keys().filter_map(|path| {
        let since = ledger.since(path, provider.rules())?;
        Some((path.clone(), since))
    });
    let since: BTreeMap<String, Hash> = since.collect();
    // A first sync leaves a mark for nearly every message, and all is read without them.
    let mut marks = mem::take(&mut contents.changed);
    marks.retain(|mark| since.contains_key(&manifest_path(&mark.scope.space)));
    marks.shrink_to_fit();
    let mut spaces = contents.spaces.clone();
    for space in &mut spaces {
        space.stamps = ledger.stamps(&manifest_path(&space.id));
    }
    ExportRequest {
        now,
        spaces,
        marks,
        since,
        only_over: Some(own),
        has_published: ledger.has_published(name),
        ..ExportRequest::new(provider.schema())
    }
}
