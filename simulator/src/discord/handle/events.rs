//! Acting in the world: scheduled events.

use std::collections::BTreeSet;

use crate::discord::Discord;
use crate::discord::events::{ScheduledEvent, event_status};

impl Discord {
    /// Announces an event of an hour, in a voice channel or elsewhere.
    pub fn schedule(&self, creator: u64, name: &str, start: i64, channel: Option<u64>) -> u64 {
        self.act(|state| {
            state.schedule(ScheduledEvent {
                id: 0,
                name: name.to_owned(),
                creator,
                channel,
                start,
                end: Some(start + 3_600_000),
                status: event_status::SCHEDULED,
                weekly: false,
                interested: BTreeSet::new(),
            })
        })
    }

    /// Changes an event; one that is over vanishes, or is scheduled again if it recurs.
    pub fn update_event(&self, event: u64, change: impl FnOnce(&mut ScheduledEvent)) -> bool {
        self.act(|state| state.update_event(event, change))
    }

    pub fn delete_event(&self, event: u64) -> bool {
        self.act(|state| state.delete_event(event))
    }

    /// Adds or removes a member's interest in an event.
    pub fn set_interest(&self, event: u64, user: u64, interested: bool) -> bool {
        self.act(|state| state.set_interest(event, user, interested))
    }
}
