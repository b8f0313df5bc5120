//! How a running provider is, for health checks and metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{DiscordProvider, mirror};
use crate::{census::census, writer::WriterSignals};
use propsbot_discord::{GatewaySignals, Rest};
use propsbot_mirror::{Census, ProviderError, Pulse};
use propsbot_model::Millis;
use propsbot_store::Store;

/// Where the parts of a running provider tell how they are. Keeps none of them running.
#[derive(Default)]
pub(super) struct Signals(Mutex<Sources>);

#[derive(Default)]
struct Sources {
    writer: Option<WriterSignals>,
    rest: Option<Rest>,
    gateway: Option<(GatewaySignals, Pulse)>,
}

impl Signals {
    /// A writer was started. What was connected before no longer counts.
    pub(super) fn begin(&self, writer: WriterSignals) {
        let writer = Some(writer);
        *self.sources() = Sources {
            writer,
            ..Sources::default()
        };
    }

    /// The gateway was started; `events` beats where its events are taken.
    pub(super) fn connect(&self, rest: Rest, gateway: GatewaySignals, events: Pulse) {
        let mut sources = self.sources();
        sources.rest = Some(rest);
        sources.gateway = Some((gateway, events));
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a running provider is at one instant. Taking it reads neither the store nor the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// `None` while the store is not open.
    pub writer: Option<WriterVitals>,
    /// `None` before the gateway is connected for the first time.
    pub gateway: Option<GatewayVitals>,
    /// Requests to Discord's REST API since the start.
    pub rest_requests: u64,
    /// How many of them Discord rate-limited.
    pub rest_limited: u64,
}

/// How the writer of the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterVitals {
    /// When its loop last came around.
    pub beat: Option<Instant>,
    /// Whether it waits for room on the disk.
    pub is_disk_full: bool,
    /// How many bytes wait to be written.
    pub queued_bytes: u64,
}

/// How the gateway and the queue of its events are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayVitals {
    /// When Discord last sent anything in a session, to the shard that has waited longest; `None` until
    /// each shard had a session.
    pub heard: Option<Instant>,
    /// Since when the shards try to connect.
    pub since: Option<Instant>,
    /// The time between two heartbeats; zero before the first connection.
    pub heartbeat: Duration,
    /// Whether all shards are connected.
    pub is_connected: bool,
    /// Events since the start, by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// How often events were lost and had to be fetched.
    pub losses: u64,
    /// When the loop that takes the events last came around.
    pub events_beat: Option<Instant>,
    /// How many bytes of events wait.
    pub queued_bytes: u64,
}

impl GatewayVitals {
    /// When Discord last sent anything, by the clock that shows `wall` at the instant `now`.
    pub fn heard_at(&self, now: Instant, wall: Millis) -> Option<Millis> {
        let ago = now.saturating_duration_since(self.heard?).as_millis();
        let ago = u64::try_from(ago).unwrap_or(u64::MAX);
        Some(Millis(wall.0.saturating_sub_unsigned(ago)))
    }
}

impl DiscordProvider {
    /// Counts of what the store, which must exist, holds.
    pub async fn census(&self) -> Result<Census, ProviderError> {
        mirror::read(self.existing_store().await?, census).await
    }

    /// How many bytes the contents of the store have. Reads all of it.
    pub async fn store_logical_bytes(&self) -> Result<u64, ProviderError> {
        mirror::read(self.existing_store().await?, Store::logical_bytes).await
    }

    /// How the running provider is now.
    pub fn vitals(&self) -> Vitals {
        let sources = self.signals.sources();
        let rest = sources.rest.as_ref();
        Vitals {
            writer: sources.writer.as_ref().map(|writer| WriterVitals {
                beat: writer.pulse.last(),
                is_disk_full: writer.is_disk_full(),
                queued_bytes: writer.queued_bytes(),
            }),
            gateway: sources
                .gateway
                .as_ref()
                .map(|(gateway, events)| GatewayVitals {
                    heard: gateway.heard(),
                    since: Some(gateway.since()),
                    heartbeat: gateway.heartbeat(),
                    is_connected: gateway.is_connected(),
                    events: gateway.events(),
                    losses: gateway.losses(),
                    events_beat: events.last(),
                    queued_bytes: gateway.queued_bytes(),
                }),
            rest_requests: rest.map_or(0, Rest::requests),
            rest_limited: rest.map_or(0, Rest::limited),
        }
    }
}
