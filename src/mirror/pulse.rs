//! Signs of life of a loop, for health checks and watchdogs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a loop that has nothing to do may wait before it beats again.
pub const IDLE: Duration = Duration::from_secs(5);

/// When a loop last came around. Clones share it.
///
/// The loop itself beats, each time that it takes up work or finds none. So a loop that is stuck is
/// silent, even while the rest of the process goes on.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Mutex<Option<Instant>>>);

impl Pulse {
    /// Records that the loop came around.
    pub fn beat(&self) {
        *self.last_beat() = Some(Instant::now());
    }

    /// The last beat; `None` before the first one.
    pub fn last(&self) -> Option<Instant> {
        *self.last_beat()
    }

    fn last_beat(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
