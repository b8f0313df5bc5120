//! Reports on exports, kept in the store.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ExportJobError, Summary};
use propsbot_archive::Id;
use propsbot_model::{Millis, one_line};
use propsbot_store::{Reader, Store, StoreError};

/// What an export wrote, or why it failed.
pub type ExportOutcome = Result<Summary, String>;

/// A channel that an export withdrew from the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    pub id: Id,
    pub name: String,
    /// Why it is no longer exported.
    pub why: String,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, why } = self;
        // A guild that was deleted from the store has no name.
        match &*one_line(name) {
            "" => write!(f, "channel {id}: {why}"),
            name => write!(f, "#{name} ({id}): {why}"),
        }
    }
}

/// A finished export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExport {
    /// When it ended.
    pub at: Millis,
    /// The duration in ms.
    pub took_ms: u64,
    pub outcome: ExportOutcome,
    /// The channels that it withdrew from the archive.
    #[serde(default)]
    pub withdrawn: Vec<Withdrawn>,
}

/// The recorded exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The last one, successful or not.
    pub last: Option<LastExport>,
    /// The last one that wrote something.
    pub written: Option<LastExport>,
}

impl LastExport {
    /// An export that began at `begun` and took `took`.
    pub(super) fn new(
        begun: Millis,
        took: Duration,
        outcome: &Result<Summary, ExportJobError>,
        withdrawn: Vec<Withdrawn>,
    ) -> Self {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self {
            at: Millis(begun.0.saturating_add_unsigned(took_ms)),
            took_ms,
            outcome: outcome.as_ref().map_err(ToString::to_string).cloned(),
            withdrawn,
        }
    }
}

impl ExportReport {
    /// The store's report; empty if another version wrote it.
    pub fn of(store: &Reader) -> Result<Self, StoreError> {
        let text = store.export_report()?;
        let report = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(report.unwrap_or_default())
    }

    /// Records an export.
    pub(super) fn add(store: &Store, export: LastExport) -> Result<(), StoreError> {
        let mut report = Self::of(store)?;
        if export.outcome.as_ref().is_ok_and(|outcome| outcome.changed) {
            report.written = Some(export.clone());
        }
        report.last = Some(export);
        let text = serde_json::to_string(&report).expect("a report is JSON");
        store.keep_export_report(&text)
    }
}
