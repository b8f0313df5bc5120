//! Counts of a mirror, for metrics. Each provider makes its own.

use std::collections::BTreeMap;

use propsbot_archive::Id;

use crate::ExportReport;

/// Counts of a whole mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The spaces that are mirrored.
    pub spaces: Vec<SpaceCensus>,
    /// The last exports.
    pub exports: ExportReport,
}

/// Counts of one space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceCensus {
    /// The space.
    pub space: Id,
    /// Its parts that can be read.
    pub parts: u64,
    /// Those that are mirrored whole.
    pub complete_parts: u64,
    /// What it has that isn't deleted, by kind: `messages`, `issues`.
    pub items: BTreeMap<&'static str, u64>,
    /// Reaction lists that are still to fetch; `None` if the provider keeps none of them waiting.
    pub pending_lists: Option<u64>,
    /// Objects that couldn't be fetched, by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// Missed changes that were found so far, by kind; empty if the provider doesn't count them.
    pub drift: BTreeMap<&'static str, u64>,
}

impl SpaceCensus {
    /// Nothing is counted yet.
    pub fn new(space: Id) -> Self {
        Self {
            space,
            parts: 0,
            complete_parts: 0,
            items: BTreeMap::new(),
            pending_lists: None,
            failures: BTreeMap::new(),
            drift: BTreeMap::new(),
        }
    }
}
