//! Recognizes this store's own claims on archives.
//!
//! Where an archive has no locks, a writer claims it under a name, and a killed process leaves its
//! claim behind. The store remembers the names of its processes, so that the next process takes
//! such a claim back at once. Only one process at a time has the store open.

use std::collections::BTreeSet;

/// The claim names of this process and of the same store's earlier processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// This process's unique claim name.
    pub name: String,
    /// The names of earlier processes.
    pub former: BTreeSet<String>,
    /// Whose spaces the store exports, if that is known: other providers' processes may write to the same archive.
    pub provider: Option<&'static str>,
}

impl Default for Claims {
    /// A new name, without earlier processes.
    fn default() -> Self {
        Self {
            name: format!("{:032x}", rand::random::<u128>()),
            former: BTreeSet::new(),
            provider: None,
        }
    }
}

impl Claims {
    /// Whether a claim with this name belongs to this store.
    pub(crate) fn has(&self, name: &str) -> bool {
        name == self.name || self.former.contains(name)
    }
}
