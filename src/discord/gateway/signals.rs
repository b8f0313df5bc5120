//! What the gateway tells about itself: when each shard last heard Discord, and which events came.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Shard, Shards,
    intake::{Intake, Load},
};
use crate::convert;

/// How the gateway is. Clones share it and don't keep its connections open.
#[derive(Clone)]
pub struct GatewaySignals(Arc<Signals>);

struct Signals {
    shards: Shards,
    heard: Mutex<Heard>,
    heartbeat_ms: AtomicU64,
    events: Mutex<BTreeMap<&'static str, u64>>,
    queue: Load,
}

/// When the shards of a set were heard.
struct Heard {
    /// Since when there is this set.
    since: Instant,
    shards: u32,
    last: BTreeMap<u32, Instant>,
}

impl GatewaySignals {
    pub(super) fn new(intake: &Intake, shards: Shards) -> Self {
        Self(Arc::new(Signals {
            shards,
            heard: Mutex::new(Heard {
                since: Instant::now(),
                shards: 0,
                last: BTreeMap::new(),
            }),
            heartbeat_ms: AtomicU64::default(),
            events: Mutex::default(),
            queue: intake.load(),
        }))
    }

    /// When Discord last sent something in a session, such as an event or the answer to a heartbeat, to
    /// the shard that has waited longest. `None` until each shard had a session.
    pub fn heard(&self) -> Option<Instant> {
        let heard = self.shards_heard();
        let all = usize::try_from(heard.shards).is_ok_and(|shards| heard.last.len() >= shards);
        heard.last.values().min().copied().filter(|_| all)
    }

    /// Since when these shards try to connect.
    pub fn since(&self) -> Instant {
        self.shards_heard().since
    }

    /// The time between two heartbeats, as Discord last named it; zero before the first connection.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.0.heartbeat_ms.load(Ordering::Relaxed))
    }

    /// Whether each shard has a session that is connected.
    pub fn is_connected(&self) -> bool {
        let count = self.0.shards.count();
        count.all > 0 && usize::try_from(count.all).is_ok_and(|all| count.connected >= all)
    }

    /// The number of events by kind. Kinds that the mirror doesn't need count as `other`.
    pub fn events(&self) -> BTreeMap<&'static str, u64> {
        let events = self.0.events.lock();
        events.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many bytes of events wait to be processed.
    pub fn queued_bytes(&self) -> u64 {
        self.0.queue.queued_bytes()
    }

    /// How often events were lost, because the queue was full or because they never arrived.
    pub fn losses(&self) -> u64 {
        self.0.queue.losses()
    }

    /// Begins with this many shards, none of them heard.
    pub(super) fn begin(&self, shards: u32) {
        *self.shards_heard() = Heard {
            since: Instant::now(),
            shards,
            last: BTreeMap::new(),
        };
    }

    /// Discord sent something in a session of this shard.
    pub(super) fn hear(&self, shard: Shard) {
        self.shards_heard().last.insert(shard.id, Instant::now());
    }

    pub(super) fn set_heartbeat(&self, interval: Duration) {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.0.heartbeat_ms.store(millis, Ordering::Relaxed);
    }

    pub(super) fn count(&self, event: &str) {
        let events = self.0.events.lock();
        let mut events = events.unwrap_or_else(PoisonError::into_inner);
        *events.entry(convert::kind(event)).or_default() += 1;
    }

    fn shards_heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
