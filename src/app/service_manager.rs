//! What systemd is told of a running bot: that it is ready, that it lives, and that it stops.
//!
//! Without systemd, no one is told. Source: <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.

use std::time::Instant;

use propsbot_jobs::provider::{DiscordProvider, Vitals};
use sd_notify::NotifyState;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Tells that the store is open, and that the bot may be left to itself.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// Tells that the bot is shutting down.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells that the bot lives, as often as its loops come around, until it is stopped.
///
/// The loops of the store's writer and of the event queue have to beat between two signs of life. So
/// systemd restarts a bot in which one of them is stuck, even if everything else goes on.
pub(super) async fn keep_alive(provider: Option<&DiscordProvider>, stop: &CancellationToken) {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut told = Instant::now();
    while stop
        .run_until_cancelled(sleep(patience / 6))
        .await
        .is_some()
    {
        // What reads GitHub has no loop that could get stuck: each request has a time limit.
        if provider.is_none_or(|provider| beats_since(&provider.vitals(), told)) {
            told = Instant::now();
            tell(NotifyState::Watchdog);
        }
    }
}

/// Whether every loop that runs came around since then.
fn beats_since(vitals: &Vitals, then: Instant) -> bool {
    let writer = vitals.writer.as_ref().map(|writer| writer.beat);
    // The event queue runs once Discord has answered.
    let events = vitals.gateway.as_ref().map(|gateway| gateway.events_beat);
    let mut beats = [writer, events].into_iter().flatten();
    beats.all(|beat| beat.is_some_and(|beat| beat >= then))
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "could not tell systemd how the bot is");
    }
}
