//! How much of an export is made, told while it is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an export has made so far. How much it will be is known only when all of it is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportProgress {
    /// New files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Where it is told. Cheap to clone; clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct ExportProgressBoard(Arc<Mutex<ExportProgress>>);

impl ExportProgressBoard {
    /// What was made so far of the export that is under way, or by the last one.
    pub fn look(&self) -> ExportProgress {
        *self.lock()
    }

    /// An export begins.
    pub(super) fn begin(&self) {
        *self.lock() = ExportProgress::default();
    }

    /// A file of so many bytes goes out.
    pub(super) fn add(&self, bytes: usize) {
        let mut made = self.lock();
        made.files += 1;
        made.bytes += bytes as u64;
    }

    fn lock(&self) -> MutexGuard<'_, ExportProgress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
