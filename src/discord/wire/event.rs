use serde::Deserialize;

use super::{
    User,
    field::{Filled, Small, Time, lenient},
};
use propsbot_model::{
    ChannelId, EventDetails, EventId, EventStatus, Fact, GuildId, UserId, one_line,
};

/// The longest name, in characters; longer ones are cut.
const NAME: usize = 100;

/// The response of somebody who doesn't come to one occurrence.
const UNINTERESTED: u8 = 0;

/// A scheduled event. Source:
/// <https://discord.com/developers/docs/resources/guild-scheduled-event#guild-scheduled-event-object>.
#[derive(Deserialize)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    scheduled_start_time: Time,
    status: Small,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    creator_id: Option<UserId>,
    #[serde(default, deserialize_with = "lenient")]
    channel_id: Option<ChannelId>,
    #[serde(default, deserialize_with = "lenient")]
    scheduled_end_time: Option<Time>,
    #[serde(default, deserialize_with = "lenient")]
    user_count: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    recurrence_rule: Filled,
}

impl Event {
    pub(crate) fn into_fact(self, guild: GuildId) -> Fact {
        let Time(start) = self.scheduled_start_time;
        let details = EventDetails {
            name: one_line(&self.name).chars().take(NAME).collect(),
            status: EventStatus(self.status.0),
            creator_id: self.creator_id,
            channel_id: self.channel_id,
            end: self.scheduled_end_time.map(|Time(end)| end),
            user_count: self.user_count,
            recurring: self.recurrence_rule.0,
        };
        Fact::Event(guild, self.id, start, details)
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
