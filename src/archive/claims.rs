//! Which claims on an archive are this store's own.
//!
//! Where an archive has no locks, a writer claims it under a name. A process that was killed leaves its
//! claim behind. The store remembers the names under which its processes wrote, so the next process knows
//! such a claim for its own and takes it back at once. Only one process at a time has the store open.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

/// The names of this process's claims, and of those of the same store before it.
#[derive(Debug)]
pub struct OwnClaims {
    name: String,
    former: Mutex<BTreeSet<String>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Default for OwnClaims {
    fn default() -> Self {
        Self {
            name: format!("{:032x}", rand::random::<u128>()),
            former: Mutex::default(),
            turn: Arc::default(),
        }
    }
}

impl OwnClaims {
    /// The name of this process's claims. No other process has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Claims of these names are this store's, too: nobody writes under them any more.
    pub fn add(&self, names: impl IntoIterator<Item = String>) {
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        former.extend(names);
    }

    /// Whether a claim of this name is this store's.
    pub fn has(&self, name: &str) -> bool {
        let former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        name == self.name || former.contains(name)
    }

    /// The right to write, for one at a time in this process; `None` if another has it.
    pub fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }
}
