use serde::Deserialize;

use super::{
    User,
    field::{Filled, Small, Time, lenient},
};
use propsbot_model::{
    ChannelId, EventDetails, EventId, EventStatus, Fact, GuildId, Millis, UserId, is_row_time,
    one_line,
};

/// The longest name, in characters; longer ones are cut.
const NAME: usize = 100;

/// The type of events that take place elsewhere than in a channel. Source:
/// <https://discord.com/developers/docs/resources/guild-scheduled-event#guild-scheduled-event-object-guild-scheduled-event-entity-types>.
const EXTERNAL: Small = Small(3);

/// The response of somebody who doesn't come to one occurrence.
const UNINTERESTED: u8 = 0;

/// A scheduled event. Source:
/// <https://discord.com/developers/docs/resources/guild-scheduled-event#guild-scheduled-event-object>.
#[derive(Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Event {
    pub(crate) id: EventId,
    start: Millis,
    name: String,
    status: EventStatus,
    creator_id: Option<UserId>,
    channel_id: Option<ChannelId>,
    end: Option<Millis>,
    user_count: Option<u32>,
    recurring: bool,
}

/// An event's fields.
#[derive(Deserialize)]
struct Unchecked {
    id: EventId,
    scheduled_start_time: Time,
    status: Small,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    creator_id: Option<UserId>,
    #[serde(default)]
    channel_id: Option<ChannelId>,
    #[serde(default, deserialize_with = "lenient")]
    entity_type: Option<Small>,
    #[serde(default, deserialize_with = "lenient")]
    scheduled_end_time: Option<Time>,
    #[serde(default, deserialize_with = "lenient")]
    user_count: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    recurrence_rule: Filled,
}

impl TryFrom<Unchecked> for Event {
    type Error = &'static str;

    fn try_from(of: Unchecked) -> Result<Self, Self::Error> {
        // Those that take place elsewhere are for everyone, so a channel must not be missed.
        if of.channel_id.is_none() && of.entity_type != Some(EXTERNAL) {
            return Err("an event has a channel or takes place elsewhere");
        }
        let Time(start) = of.scheduled_start_time;
        if !is_row_time(start) {
            return Err("no calendar has the time of an event");
        }
        let end = of.scheduled_end_time.map(|Time(end)| end);
        Ok(Self {
            id: of.id,
            start,
            name: one_line(&of.name).chars().take(NAME).collect(),
            status: EventStatus(of.status.0),
            creator_id: of.creator_id,
            channel_id: of.channel_id,
            end: end.filter(|end| is_row_time(*end)),
            user_count: of.user_count,
            recurring: of.recurrence_rule.0,
        })
    }
}

impl Event {
    pub(crate) fn into_fact(self, guild: GuildId) -> Fact {
        let details = EventDetails {
            name: self.name,
            status: self.status,
            creator_id: self.creator_id,
            channel_id: self.channel_id,
            end: self.end,
            user_count: self.user_count,
            recurring: self.recurring,
        };
        Fact::Event(guild, self.id, self.start, details)
    }
}

/// Somebody who is interested in an event. Source:
/// <https://discord.com/developers/docs/resources/guild-scheduled-event#guild-scheduled-event-user-object>.
#[derive(Deserialize)]
pub(crate) struct EventUser {
    user_id: UserId,
    #[serde(default, deserialize_with = "lenient")]
    user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    response: Option<u8>,
}

impl EventUser {
    /// The id, the account if it is known, and whether they are interested.
    pub(crate) fn into_parts(self) -> (UserId, Option<propsbot_model::User>, bool) {
        let is_interested = self.response != Some(UNINTERESTED);
        (self.user_id, self.user.map(Into::into), is_interested)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn with(field: &str, value: Value) -> Result<Event, serde_json::Error> {
        let mut event = json!({
            "id": "7", "scheduled_start_time": "2026-01-01T00:00:00Z", "status": 1, "entity_type": 2,
            "channel_id": "8", "scheduled_end_time": "2026-01-01T01:00:00Z",
        });
        event[field] = value;
        serde_json::from_value(event)
    }

    #[test]
    fn only_an_external_event_has_no_channel() {
        let channel = |field, value| with(field, value).map(|event| event.channel_id).ok();
        assert_eq!(channel("status", json!(2)), Some(Some(ChannelId(8))));
        for odd in [json!(null), json!("hall"), json!({}), json!(-8)] {
            assert_eq!(channel("channel_id", odd.clone()), None, "{odd}");
        }
        let elsewhere = json!({
            "id": "7", "scheduled_start_time": "2026-01-01T00:00:00Z", "status": 1, "entity_type": 3,
            "channel_id": null,
        });
        let elsewhere: Event = serde_json::from_value(elsewhere).unwrap();
        assert_eq!(elsewhere.channel_id, None);
    }

    #[test]
    fn times_have_a_calendar() {
        let far = || json!("9999-06-01T00:00:00Z");
        assert!(with("scheduled_start_time", far()).is_err());
        assert_eq!(with("scheduled_end_time", far()).unwrap().end, None);
        assert!(with("status", json!(1)).unwrap().end.is_some());
    }
}
