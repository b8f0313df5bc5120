//! Detects outages of Discord; each is reported once, however many requests fail.
//!
//! Pure, except for the channel that reports them.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct Outage {
    answered: Mutex<Option<Instant>>,
    /// Why Discord doesn't answer; `None` while it does.
    down: watch::Sender<Option<String>>,
}

impl Outage {
    pub(super) fn new() -> Self {
        Self {
            answered: Mutex::default(),
            down: watch::Sender::new(None),
        }
    }

    pub(super) fn answered(&self, now: Instant) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.down.send_if_modified(|down| down.take().is_some());
    }

    /// Records that a request first sent at `begun` failed its last attempt.
    /// It is an outage if no other request was answered since.
    pub(super) fn failed(&self, begun: Instant, why: &dyn std::fmt::Display) {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.is_none_or(|answered| answered < begun) {
            self.down.send_if_modified(|down| {
                let is_new = down.is_none();
                down.get_or_insert_with(|| why.to_string());
                is_new
            });
        }
    }

    /// Watches why Discord doesn't answer; `None` while it does.
    pub(super) fn watch(&self) -> watch::Receiver<Option<String>> {
        self.down.subscribe()
    }
}

/// Logs the start and end of each outage until stopped.
pub async fn log_outages(mut outages: watch::Receiver<Option<String>>, stop: CancellationToken) {
    while let Some(Ok(())) = stop.run_until_cancelled(outages.changed()).await {
        let down = outages.borrow_and_update().clone();
        if let Some(why) = down {
            tracing::warn!("Discord does not answer: {why}; retrying until it does");
        } else {
            tracing::info!("Discord answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn begins_without_answers_and_ends_with_one() {
        let (outage, now) = (Outage::new(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut seen = outage.watch();
        outage.answered(later(5));
        outage.failed(later(1), &"one route fails");
        assert!(!seen.has_changed().unwrap());
        outage.failed(later(6), &"no connection");
        outage.failed(later(6), &"no connection either");
        assert_eq!(seen.borrow_and_update().as_deref(), Some("no connection"));
        outage.failed(later(7), &"still none");
        assert!(!seen.has_changed().unwrap(), "it is told once");
        outage.answered(later(9));
        assert_eq!(*seen.borrow_and_update(), None);
    }
}
