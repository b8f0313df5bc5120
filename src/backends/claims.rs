//! Which claims on an archive are this store's own.
//!
//! Where an archive has no locks, a writer claims it under a name. A process that was killed leaves its
//! claim behind. The store remembers the names under which its processes wrote, so the next process takes
//! such a claim back at once. Only one process at a time has the store open.

use std::collections::BTreeSet;

/// The name of this process's claims, and those of the same store's processes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The name of this process's claims. No other process has it.
    pub name: String,
    /// The names of processes that are gone.
    pub former: BTreeSet<String>,
}

impl Default for Claims {
    /// A new name, for a process without a past.
    fn default() -> Self {
        Self {
            name: format!("{:032x}", rand::random::<u128>()),
            former: BTreeSet::new(),
        }
    }
}

impl Claims {
    /// Whether a claim of this name is this store's.
    pub(crate) fn has(&self, name: &str) -> bool {
        name == self.name || self.former.contains(name)
    }
}
