//! The export: brings an archive up to date with a provider's mirror.
//!
//! Owns which archive may be replaced, and the order in which the mirror remembers what it publishes. The
//! archive owns the layout, the provider what may leave its mirror.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use propsbot_archive::{
    self as archive, ArchiveError, DataArchive, ExportError, ExportProgressBoard, ExportRequest,
    ExportSpace, Hash, Millis, PlanError, PlannedExport, Schema, SideFiles, Source, Summary,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{Dirty, Domain, Ending, ExportLedger, LastExport, Mirror, StoreError, ask};

/// How often an export is planned at most, if what it was planned on changes each time.
const ATTEMPTS: u32 = 5;

/// What a provider exports. All methods block: keep them off the async threads.
pub trait Exports: Send + Sync {
    /// The tables that are exported.
    fn schema(&self) -> &'static Schema;

    /// Version of the rules by which rows are made of records. Bump it to export all rows again.
    fn rules(&self) -> u8;

    /// What may leave the mirror, as of this instant, while the mirror goes on changing.
    fn view(&self) -> Result<ExportView, StoreError>;

    /// Whether everything in a view may still be published: `false` once a part was withdrawn, or someone
    /// chose to be hidden or was deleted.
    fn is_current(&self, contents: &Contents) -> Result<bool, StoreError>;

    /// What the mirror remembers of exports.
    fn ledger(&self) -> &dyn Ledger;
}

/// What may leave a mirror, as of one instant.
pub struct ExportView {
    /// What it holds, and what changed.
    pub contents: Contents,
    /// The rows, redacted. The view ends when this is dropped.
    pub rows: Arc<dyn Source>,
}

/// What a view holds, and what changed since the last export.
#[derive(Clone, Debug)]
pub struct Contents {
    /// When the platform was last heard; `None` if that isn't known.
    pub heard_at: Option<Millis>,
    /// The spaces and parts that may leave. Those that the archive has besides are withdrawn.
    pub spaces: Vec<ExportSpace>,
    /// What has to be read again.
    pub changed: Vec<archive::Dirty>,
    /// The marks that an export of all this settles.
    pub marks: Vec<Dirty>,
    /// Whether it carries out what someone chose to hide or delete.
    pub carries_out_choices: bool,
    /// Whether anyone ever chose so.
    pub has_choices: bool,
}

/// What a mirror remembers of exports. All methods block.
pub trait Ledger {
    /// All of it.
    fn read(&self) -> Result<ExportLedger, StoreError>;

    /// Remembers what is about to be published in the archive of this name.
    fn publishing(&self, archive: &str, manifest: Hash) -> Result<(), StoreError>;

    /// Remembers what an export has published, with rows made by these rules, and drops these marks unless
    /// they were made again since.
    fn published(
        &self,
        archive: &str,
        manifest: Hash,
        rules: u8,
        settled: &[Dirty],
    ) -> Result<(), StoreError>;
}

impl<D: Domain> Ledger for Mirror<D> {
    fn read(&self) -> Result<ExportLedger, StoreError> {
        ExportLedger::of(&*self.inner)
    }

    fn publishing(&self, archive: &str, manifest: Hash) -> Result<(), StoreError> {
        Self::publishing(self, archive, manifest)
    }

    fn published(
        &self,
        archive: &str,
        manifest: Hash,
        rules: u8,
        settled: &[Dirty],
    ) -> Result<(), StoreError> {
        self.exported(archive, manifest, rules, settled)
    }
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportJobError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be read or written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Something that must not be published any more became so during the export, in each attempt.
    #[error(
        "nothing was published: during each attempt, a part was withdrawn or someone chose to be hidden"
    )]
    Outdated,
    /// The process is ending.
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// Where exports go, and what is made with them. Cheap to clone.
#[derive(Clone)]
pub struct ExportTarget {
    /// What it is called in the configuration.
    pub name: String,
    /// The archive.
    pub archive: Arc<dyn DataArchive>,
    /// Makes the files beside the manifest; `None` for none.
    pub beside: Option<Arc<dyn SideFiles>>,
    /// Shows how much is made.
    pub made: ExportProgressBoard,
    /// The folder for new objects on their way to the archive. No other process uses it.
    pub spool: PathBuf,
    /// Removes copies on this machine of what archives had before someone chose to hide it.
    pub drop_copies: Option<DropCopies>,
}

/// Removes copies of archives.
pub type DropCopies = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// The folder for new objects of exports from the store in this folder.
pub fn spool_of(store: &Path) -> PathBuf {
    store.join("spool")
}

/// What an export does only when asked.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Replace what another store has exported.
    pub replace: bool,
    /// Read everything again, make these missing or damaged objects again, and remove what no manifest
    /// needs.
    pub repair: Option<BTreeSet<String>>,
    /// Cancelled, the export gives up.
    pub stop: CancellationToken,
}

/// Exports what changed since the last export. Marks of changes go only once the archive has confirmed.
///
/// # Errors
/// The archive holds what this store neither wrote nor was restored from: it may be a new store, the wrong
/// one, or an old copy. [`ExportOptions::replace`] allows that.
pub async fn export(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
    options: &ExportOptions,
) -> Result<Summary, ExportJobError> {
    let mut attempt = 1;
    loop {
        match attempt_export(provider, target, now, options).await {
            Err(error) if attempt < ATTEMPTS && is_overtaken(&error) => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// Plans an export and publishes it, unless something comes in between.
async fn attempt_export(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
    options: &ExportOptions,
) -> Result<Summary, ExportJobError> {
    let archive = target.archive.as_ref();
    let (view, mut request) = open(provider, &target.name, now).await?;
    let since = request.since;
    if options.replace {
        request.only_over = None;
        request.begins_anew = true;
    }
    if let Some(damaged) = &options.repair {
        request.since = None;
        request.anew.clone_from(damaged);
    }
    request.beside.clone_from(&target.beside);
    request.made = target.made.clone();
    request.spool = Some(target.spool.clone());
    request.stop = options.stop.clone();

    // The view ends with the plan: the store needs to keep nothing for it while the network is slow.
    let ExportView { contents, rows } = view;
    let planned = PlannedExport::new(archive, rows, request).await?;
    let ready = planned.put(archive).await?;
    let contents = Arc::new(contents);
    if let Some(manifest) = ready.manifest().filter(|_| ready.publishes()) {
        let (name, asked) = (target.name.clone(), Arc::clone(&contents));
        let may_publish = ask(provider, move |provider| {
            let is_current = provider.is_current(&asked)?;
            if is_current {
                // Killed from here on, the store recognizes the archive as its own.
                provider.ledger().publishing(&name, manifest)?;
            }
            Ok::<_, StoreError>(is_current)
        });
        if !may_publish.await?? {
            ready.abandon().await?;
            return Err(ExportJobError::Outdated);
        }
    }
    let summary = ready.publish().await?;

    // After an export to another archive, the mark of a choice may be gone.
    let is_elsewhere = summary.before.is_some() && summary.before != since;
    if contents.carries_out_choices || is_elsewhere && contents.has_choices {
        archive.forget_history().await.map_err(ExportError::from)?;
        drop_copies(target).await?;
    }
    if let Some(manifest) = summary.manifest {
        let name = target.name.clone();
        let settled = ask(provider, move |provider| {
            let (ledger, rules) = (provider.ledger(), provider.rules());
            ledger.published(&name, manifest, rules, &contents.marks)
        });
        settled.await??;
    }
    // A damaged index doesn't say what it named.
    if options.repair.is_some() {
        archive.sweep().await.map_err(ExportError::from)?;
    }
    Ok(summary)
}

/// Copies that can't be removed don't fail the export.
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
        | ExportJobError::Export(ExportError::Archive(ArchiveError::Stale { .. })) => true,
        ExportJobError::Export(ExportError::Plan(PlanError::Source { source, .. })) => {
            matches!(source.downcast_ref(), Some(StoreError::ViewEnded { .. }))
        }
        _ => false,
    }
}

/// What an export would do, without writing anything.
pub async fn dry_run(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
) -> Result<Summary, ExportJobError> {
    let (view, request) = open(provider, &target.name, now).await?;
    Ok(archive::dry_run(target.archive.as_ref(), view.rows, request).await?)
}

/// Whether an export would be refused, without writing anything.
pub async fn look(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
) -> Result<(), ExportJobError> {
    let (_, request) = open(provider, &target.name, now).await?;
    Ok(archive::look(target.archive.as_ref(), &request).await?)
}

/// A view, and what to export of it to the archive of this name.
async fn open(
    provider: &Arc<dyn Exports>,
    name: &str,
    now: Millis,
) -> Result<(ExportView, ExportRequest), ExportJobError> {
    let name = name.to_owned();
    let opened = ask(provider, move |provider| {
        let (ledger, view) = (provider.ledger().read()?, provider.view()?);
        let request = request(provider, &ledger, &view.contents, &name, now);
        Ok::<_, StoreError>((view, request))
    });
    Ok(opened.await??)
}

fn request(
    provider: &dyn Exports,
    ledger: &ExportLedger,
    contents: &Contents,
    name: &str,
    now: Millis,
) -> ExportRequest {
    let (since, restored_from) = match ledger.last {
        Some(LastExport::Published(manifest)) => (Some(manifest), None),
        Some(LastExport::Restored(manifest)) => (None, Some(manifest)),
        None => (None, None),
    };
    let published = ledger.published(name);
    // An earlier version remembered only that it had exported there, not what.
    let is_ours = published.is_some_and(<[_]>::is_empty);
    let own = published.into_iter().flatten().map(|one| one.manifest);
    let own = own.chain(since.or(restored_from)).collect();
    ExportRequest {
        now,
        heard_at: contents.heard_at,
        spaces: contents.spaces.clone(),
        dirty: contents.changed.clone(),
        // Other rules make other rows of unchanged records.
        since: since.filter(|_| ledger.rules == Some(provider.rules())),
        only_over: (!is_ours).then_some(own),
        has_published: ledger.has_published(name),
        ..ExportRequest::new(provider.schema())
    }
}
