//! What systemd is told of a running bot. Without systemd, no one is told. Source:
//! <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.

use sd_notify::NotifyState;

/// Tells that the store is open, so that what waits for the bot may start.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// Tells that the bot is shutting down.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "could not tell systemd how the bot is");
    }
}
