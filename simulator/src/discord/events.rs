//! Scheduled events: members announce, begin and end them, and say whether they are interested.
//!
//! A completed or canceled event vanishes from REST's list. A recurring one that ends is scheduled again, with the
//! same id and its next start.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::guild::Guild;
use super::permissions::may_view;
use super::sessions::intent;
use super::snowflake::iso;
use super::state::State;
use super::wire::{Id, UserObject, tree};

/// Statuses, as on Discord's "Guild Scheduled Event" page.
pub mod event_status {
    pub const SCHEDULED: u8 = 1;
    pub const ACTIVE: u8 = 2;
    pub const COMPLETED: u8 = 3;
    pub const CANCELED: u8 = 4;
}

const WEEK_MS: i64 = 7 * 86_400_000;

/// A scheduled event.
#[derive(Debug, Clone)]
pub struct ScheduledEvent {
    pub id: u64,
    pub name: String,
    pub creator: u64,
    /// The voice channel; `None` if it takes place elsewhere.
    pub channel: Option<u64>,
    /// In milliseconds, as is `end`.
    pub start: i64,
    pub end: Option<i64>,
    /// One of [`event_status`].
    pub status: u8,
    /// Whether it takes place every week.
    pub weekly: bool,
    pub interested: BTreeSet<u64>,
}

impl State {
    /// Announces an event; returns its id.
    pub(crate) fn schedule(&mut self, event: ScheduledEvent) -> u64 {
        let id = self.guild.clock.next_id();
        self.guild.events.insert(id, ScheduledEvent { id, ..event });
        self.announce_event("CREATE", id);
        id
    }

    /// Changes an event. If it is over then and recurs, it is scheduled again for a week later; if it doesn't, it
    /// vanishes.
    pub(crate) fn update_event(
        &mut self,
        id: u64,
        change: impl FnOnce(&mut ScheduledEvent),
    ) -> bool {
        let Some(event) = self.guild.events.get_mut(&id) else {
            return false;
        };
        change(event);
        let is_over = [event_status::COMPLETED, event_status::CANCELED].contains(&event.status);
        if is_over && event.weekly {
            event.status = event_status::SCHEDULED;
            event.start += WEEK_MS;
            event.end = event.end.map(|end| end + WEEK_MS);
        }
        let vanishes = is_over && !event.weekly;
        self.guild.clock.tick(1);
        self.announce_event("UPDATE", id);
        if vanishes {
            self.guild.events.remove(&id);
        }
        true
    }

    pub(crate) fn delete_event(&mut self, id: u64) -> bool {
        if !self.guild.events.contains_key(&id) {
            return false;
        }
        self.announce_event("DELETE", id);
        self.guild.events.remove(&id);
        true
    }

    /// Adds or removes a member's interest. False if nothing changes.
    pub(crate) fn set_interest(&mut self, id: u64, user: u64, interested: bool) -> bool {
        let Some(event) = self.guild.events.get_mut(&id) else {
            return false;
        };
        let changes = if interested {
            event.interested.insert(user)
        } else {
            event.interested.remove(&user)
        };
        if changes && self.guild.shows_event(id) {
            let name = if interested {
                "USER_ADD"
            } else {
                "USER_REMOVE"
            };
            let data = json!({
                "guild_scheduled_event_id": Id(id), "user_id": Id(user), "guild_id": Id(self.guild.id),
            });
            self.dispatch_event(name, &data);
        }
        changes
    }

    /// One of the things that happen to events: they are announced, wanted, begun, ended, called off. One always
    /// stays, once a second is announced.
    pub(crate) fn live_event(&mut self, step: u64) {
        let members: Vec<u64> = self.guild.members.keys().copied().collect();
        let at = usize::try_from(step).unwrap_or_default() % members.len().max(1);
        let Some(user) = members.get(at).copied() else {
            return;
        };
        let latest = self
            .guild
            .events
            .keys()
            .next_back()
            .copied()
            .unwrap_or_default();
        match step % 7 {
            0 => {
                let start = self.guild.clock.now() + 60_000;
                self.schedule(ScheduledEvent {
                    id: 0,
                    name: format!("Community call {step}"),
                    creator: user,
                    channel: None,
                    start,
                    end: Some(start + 3_600_000),
                    status: event_status::SCHEDULED,
                    weekly: step / 7 % 2 == 1,
                    interested: BTreeSet::new(),
                });
            }
            1 | 2 => drop(self.set_interest(latest, user, true)),
            3 => {
                let first = self.guild.events.get(&latest);
                if let Some(user) = first.and_then(|event| event.interested.first().copied()) {
                    self.set_interest(latest, user, false);
                }
            }
            4 => drop(self.update_event(latest, |event| event.status = event_status::ACTIVE)),
            5 => drop(self.update_event(latest, |event| event.status = event_status::COMPLETED)),
            _ => {
                let mut events = self.guild.events.keys();
                if let (Some(oldest), Some(_)) = (events.next().copied(), events.next()) {
                    self.delete_event(oldest);
                }
            }
        }
    }

    fn announce_event(&mut self, name: &str, id: u64) {
        if self.guild.shows_event(id)
            && let Some(data) = self.guild.event_object(id, false)
        {
            self.dispatch_event(name, &data);
        }
    }

    fn dispatch_event(&mut self, name: &str, data: &Value) {
        let name = format!("GUILD_SCHEDULED_EVENT_{name}");
        self.dispatch(&name, intent::GUILD_SCHEDULED_EVENTS, data);
    }
}

impl Guild {
    /// Whether the bot sees an event: those in channels only if it sees the channel.
    pub(crate) fn shows_event(&self, id: u64) -> bool {
        let event = self.events.get(&id);
        event.is_some_and(|event| {
            event.channel.is_none_or(|channel| {
                let channel = self.channels.get(&channel);
                channel.is_some_and(|channel| may_view(self, self.bot, channel))
            })
        })
    }

    /// An event object.
    pub(crate) fn event_object(&self, id: u64, with_count: bool) -> Option<Value> {
        let event = self.events.get(&id)?;
        let mut object = json!({
            "id": Id(id), "guild_id": Id(self.id), "name": event.name, "description": null,
            "channel_id": event.channel.map(Id), "creator_id": Id(event.creator), "image": null,
            "scheduled_start_time": iso(event.start), "scheduled_end_time": event.end.map(iso),
            "status": event.status, "entity_type": if event.channel.is_some() { 2 } else { 3 },
            "entity_id": null, "recurrence_rule": null, "privacy_level": 2,
            "guild_scheduled_event_exceptions": [], "entity_metadata": null,
        });
        if event.channel.is_none() {
            object["entity_metadata"] = json!({"location": "the park"});
        }
        if let Some(creator) = self.users.get(&event.creator) {
            object["creator"] = tree(UserObject(creator));
        }
        if event.weekly {
            object["recurrence_rule"] = json!({
                "start": iso(event.start), "end": null, "frequency": 2, "interval": 1, "by_weekday": [0],
                "by_n_weekday": null, "by_month": null, "by_month_day": null, "by_year_day": null, "count": null,
            });
        }
        if with_count {
            object["user_count"] = event.interested.len().into();
        }
        Some(object)
    }
}
