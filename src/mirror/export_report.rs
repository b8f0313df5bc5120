//! Exports that are recorded in the store, with their outcome.

use std::{mem, sync::Arc, time::Instant};

use async_trait::async_trait;
use propsbot_archive::{Id, Millis, Summary};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    ExportJobError, ExportOptions, ExportTarget, Exports, ReadRows, StoreError, ask, export,
};

/// What an export wrote, or why it failed.
pub type ExportOutcome = Result<Summary, String>;

/// A part that an export withdrew from the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawnPart {
    /// The part.
    pub id: Id,
    /// Its name; empty if it is unknown or must not be kept.
    pub name: String,
    /// Why it is no longer exported.
    pub why: String,
}

/// A finished export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedExport {
    /// When it ended.
    pub at: Millis,
    /// The duration in ms.
    pub took_ms: u64,
    /// What it wrote, or why it failed.
    pub outcome: ExportOutcome,
    /// The parts that it withdrew from the archive.
    #[serde(default)]
    pub withdrawn: Vec<WithdrawnPart>,
}

/// The recorded exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The last one, successful or not.
    pub last: Option<FinishedExport>,
    /// The last one that wrote something.
    pub written: Option<FinishedExport>,
}

/// What is brought up to date with an archive after each export.
#[async_trait]
pub trait Follower: Send + Sync {
    /// Brings it up to date.
    ///
    /// # Errors
    /// What could not be brought up to date, and why. The next export tries again.
    async fn follow(&self, stop: &CancellationToken) -> Result<(), String>;
}

impl WithdrawnPart {
    /// A part that the mirror doesn't know.
    pub fn unknown(id: &Id) -> Self {
        Self {
            id: id.clone(),
            name: String::new(),
            why: "it is not known any more".to_owned(),
        }
    }
}

impl ExportReport {
    pub(crate) const KEY: &[u8] = &[0, 5];

    /// The report of a mirror, or of a view of it; empty if another version wrote it.
    pub fn of<R: ReadRows>(rows: &R) -> Result<Self, R::Error> {
        let bytes = rows.value(Self::KEY)?;
        let report = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(report.unwrap_or_default())
    }

    /// The report with one more export.
    pub(crate) fn with(mut self, export: FinishedExport) -> Self {
        if export.outcome.as_ref().is_ok_and(|outcome| outcome.changed) {
            self.written = Some(export.clone());
        }
        self.last = Some(export);
        self
    }
}

/// Exports like [`export()`], logs which parts were withdrawn, and records the export. Then brings up to date
/// what follows the archive; if that fails, the export has succeeded all the same.
///
/// # Errors
/// As [`export()`], whose failures are recorded too; or the export can't be recorded.
pub async fn export_and_record(
    provider: &Arc<dyn Exports>,
    target: &ExportTarget,
    now: Millis,
    options: &ExportOptions,
) -> Result<Summary, ExportJobError> {
    let begun = Instant::now();
    let mut outcome = export(provider, target, now, options).await;
    let mut withdrawn = Vec::new();
    if let Ok(done) = &mut outcome
        && !done.withdrawn.is_empty()
    {
        let ids = mem::take(&mut done.withdrawn);
        let explained = ask(provider, move |provider| {
            let withdrawn = provider.explain(&ids)?;
            let lines = withdrawn.iter().map(|part| provider.describe(part));
            let lines: Vec<String> = lines.collect();
            Ok::<_, StoreError>((withdrawn, lines))
        });
        let (explained, lines) = explained.await??;
        if !lines.is_empty() {
            warn!("withdrawn from the archive: {}", lines.join(", "));
        }
        done.withdrawn = explained.iter().map(|part| part.id.clone()).collect();
        withdrawn = explained;
    }
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut finished = FinishedExport {
        at: Millis(now.0.saturating_add_unsigned(took_ms)),
        took_ms,
        outcome: outcome.as_ref().map_err(ToString::to_string).cloned(),
        withdrawn,
    };
    let recorded = record(provider, &finished).await;
    let mut done = outcome?;
    recorded?;
    if let Some(follower) = &target.follower
        && let Err(behind) = follower.follow(&options.stop).await
    {
        done.behind = Some(behind);
        finished.outcome = Ok(done.clone());
        record(provider, &finished).await?;
    }
    Ok(done)
}

async fn record(
    provider: &Arc<dyn Exports>,
    finished: &FinishedExport,
) -> Result<(), ExportJobError> {
    let finished = finished.clone();
    let recorded = ask(provider, |provider| provider.ledger().record(finished));
    Ok(recorded.await??)
}
