//! The queue of gateway events: ordered, and bounded in bytes.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Shard;
use propsbot_model::Stamp;

/// Bytes that an event takes in the queue besides its payload.
const OVERHEAD: usize = 200;

#[derive(Debug)]
pub enum GatewayItem {
    Event {
        /// When it was received: later than all earlier items.
        at: Stamp,
        shard: Shard,
        /// See [`translate`](crate::translate).
        event: GatewayEvent,
    },
    /// Earlier events never arrived, or the queue was full. Live coverage ends, as with a session
    /// that could not be resumed.
    Lost {
        /// Later than everything that was lost was sent.
        at: Stamp,
        /// The shard whose events are lost; `None` for all of them.
        shard: Option<Shard>,
    },
    /// The shard's connection ended. What happens now arrives late, if its session is resumed, or
    /// never.
    Disconnected { at: Stamp, shard: Shard },
}

pub struct GatewayEvent {
    pub(crate) name: String,
    pub(crate) data: Box<RawValue>,
    /// Its share of the queue, freed when dropped.
    room: Option<OwnedSemaphorePermit>,
}

/// Hides the payload: members wrote it.
impl fmt::Debug for GatewayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayEvent")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl GatewayEvent {
    pub(crate) fn new(name: String, data: Box<RawValue>) -> Self {
        Self {
            name,
            data,
            room: None,
        }
    }
}

/// How full a queue is, and what it lost. Doesn't keep the queue open.
pub(super) struct Load {
    room: Arc<Semaphore>,
    capacity: u32,
    losses: Arc<AtomicU64>,
}

impl Load {
    /// How many bytes are queued.
    pub(super) fn queued_bytes(&self) -> u64 {
        u64::from(self.capacity).saturating_sub(self.room.available_permits() as u64)
    }

    /// How often events were lost.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }
}

/// Puts events into the queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Intake {
    sender: mpsc::UnboundedSender<GatewayItem>,
    clock: Arc<dyn Fn() -> Stamp + Send + Sync>,
    /// Free bytes.
    room: Arc<Semaphore>,
    capacity: u32,
    /// Whether events are being dropped and the receiver hasn't been told. Locked while sending:
    /// events before the report are dropped, events after it are sent.
    overflows: Arc<Mutex<bool>>,
    /// How often a loss was reported.
    losses: Arc<AtomicU64>,
}

impl Intake {
    /// Creates a queue of `capacity` bytes.
    pub(super) fn new(
        capacity: u32,
        clock: Arc<dyn Fn() -> Stamp + Send + Sync>,
    ) -> (Self, mpsc::UnboundedReceiver<GatewayItem>) {
        let (sender, items) = mpsc::unbounded_channel();
        let intake = Self {
            sender,
            clock,
            room: Arc::new(Semaphore::new(
                usize::try_from(capacity).unwrap_or(usize::MAX),
            )),
            capacity,
            overflows: Arc::default(),
            losses: Arc::default(),
        };
        (intake, items)
    }

    pub(super) fn load(&self) -> Load {
        Load {
            room: Arc::clone(&self.room),
            capacity: self.capacity,
            losses: Arc::clone(&self.losses),
        }
    }

    /// Waits until the receiver is dropped.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Queues an event, or drops it if the queue is full.
    /// Waiting would make Discord close the connection, and lose more.
    pub(super) fn take(&self, shard: Shard, mut event: GatewayEvent) {
        let mut overflows = self.overflows();
        let at = (self.clock)();
        if *overflows {
            return;
        }
        // An event larger than the queue takes all of it.
        let size = event.data.get().len() + event.name.len() + OVERHEAD;
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.capacity);
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) {
            event.room = Some(room);
            // If the receiver is gone, the gateway stops: see `closed`.
            let _ = self.sender.send(GatewayItem::Event { at, shard, event });
            return;
        }
        *overflows = true;
        self.losses.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            capacity = self.capacity,
            "events arrive faster than they can be stored; dropping some, to be fetched later"
        );
        self.tell_overflow();
    }

    /// Reports that events of this shard are lost for good.
    pub(super) fn lose(&self, shard: Shard) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        let overflows = self.overflows();
        if !*overflows {
            let (at, shard) = ((self.clock)(), Some(shard));
            let _ = self.sender.send(GatewayItem::Lost { at, shard });
        }
    }

    /// Reports that the shard's connection ended, even if events are being dropped.
    pub(super) fn disconnected(&self, shard: Shard) {
        let _overflows = self.overflows();
        let at = (self.clock)();
        let _ = self.sender.send(GatewayItem::Disconnected { at, shard });
    }

    /// Reports the overflow once half of the queue is free, before any other item.
    fn tell_overflow(&self) {
        let intake = self.clone();
        // Ends with the queue: dropping the receiver frees its events' bytes.
        tokio::spawn(async move {
            let half = intake.room.acquire_many(intake.capacity.div_ceil(2)).await;
            drop(half);
            let mut overflows = intake.overflows();
            let at = (intake.clock)();
            let _ = intake.sender.send(GatewayItem::Lost { at, shard: None });
            *overflows = false;
        });
    }

    fn overflows(&self) -> MutexGuard<'_, bool> {
        self.overflows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    const SHARD: Shard = Shard { id: 0, count: 1 };

    fn event() -> GatewayEvent {
        let data = RawValue::from_string(format!("\"{}\"", "x".repeat(798))).unwrap();
        GatewayEvent::new(String::new(), data)
    }

    fn stamp_of(item: &GatewayItem) -> (bool, i64) {
        match item {
            GatewayItem::Event { at, .. } => (true, at.0),
            GatewayItem::Lost { at, .. } | GatewayItem::Disconnected { at, .. } => (false, at.0),
        }
    }

    fn intake(capacity: u32) -> (Intake, mpsc::UnboundedReceiver<GatewayItem>) {
        let time = AtomicI64::new(0);
        let clock = move || Stamp(time.fetch_add(1, Ordering::Relaxed));
        Intake::new(capacity, Arc::new(clock))
    }

    #[tokio::test]
    async fn a_full_queue_drops_events_and_reports_it_once() {
        let (intake, mut items) = intake(2_000);
        for _ in 0..5 {
            intake.take(SHARD, event());
        }
        assert_eq!(stamp_of(&items.recv().await.unwrap()), (true, 0));
        assert_eq!(stamp_of(&items.recv().await.unwrap()), (true, 1));
        let (is_event, told) = stamp_of(&items.recv().await.unwrap());
        assert!(!is_event && told >= 5, "after all that was dropped");
        intake.take(SHARD, event());
        assert!(
            stamp_of(&items.recv().await.unwrap()).0,
            "and then events again"
        );
        drop(intake);
        assert!(items.recv().await.is_none());
    }

    #[tokio::test]
    async fn passes_an_event_larger_than_the_queue_alone() {
        let (intake, mut items) = intake(500);
        for _ in 0..3 {
            intake.take(SHARD, event());
            assert!(stamp_of(&items.recv().await.unwrap()).0);
        }
        intake.lose(SHARD);
        assert!(!stamp_of(&items.recv().await.unwrap()).0);
    }
}
