//! What came of exports, kept in the store.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ExportJobError, Summary};
use propsbot_archive::Id;
use propsbot_model::{Millis, one_line};
use propsbot_store::{Reader, Store, StoreError};

/// What came of an export: what was written, or why nothing was.
pub type ExportOutcome = Result<Summary, String>;

/// A channel that an export has withdrawn from the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The channel.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// Why it is not exported any more.
    pub why: String,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, why } = self;
        // Of a guild that was deleted from the store, no name is left.
        match &*one_line(name) {
            "" => write!(f, "channel {id}: {why}"),
            name => write!(f, "#{name} ({id}): {why}"),
        }
    }
}

/// An export that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExport {
    /// When it ended.
    pub at: Millis,
    /// How long it took, in ms.
    pub took_ms: u64,
    /// What came of it.
    pub outcome: ExportOutcome,
    /// The channels that it has withdrawn from the archive.
    #[serde(default)]
    pub withdrawn: Vec<Withdrawn>,
}

/// The exports that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The last one, whatever came of it.
    pub last: Option<LastExport>,
    /// The last one that wrote something.
    pub written: Option<LastExport>,
}

impl LastExport {
    /// One that began at this time and took so long.
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
    /// What this store remembers. A report of another version's is none.
    pub fn of(store: &Reader) -> Result<Self, StoreError> {
        let text = store.export_report()?;
        let report = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(report.unwrap_or_default())
    }

    /// Remembers an export.
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
