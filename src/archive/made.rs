//! How much of an export is made, told while it is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an export has made so far. How much it will be is known only when all of it is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// New files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Where it is told. Cheap to clone; clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct MadeBoard(Arc<Mutex<Made>>);

impl MadeBoard {
    /// What was made so far of the export that is under way, or by the last one.
    pub fn look(&self) -> Made {
        *self.lock()
    }

    /// An export begins.
    pub(super) fn begin(&self) {
        *self.lock() = Made::default();
    }

    /// A file of so many bytes goes out.
    pub(super) fn add(&self, bytes: usize) {
        let mut made = self.lock();
        made.files += 1;
        made.bytes += bytes as u64;
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
