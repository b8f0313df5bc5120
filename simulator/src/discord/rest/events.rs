//! Scheduled events: Discord's "Guild Scheduled Event" page.

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use crate::discord::state::State;
use crate::discord::wire::{Id, UserObject};

/// The events that aren't over, by id.
pub(super) fn list(state: &mut State, call: &Call) -> Answer {
    state.guild_for(call.id(0)?)?;
    let with_count = call.flag("with_user_count");
    let events = state.guild.events.keys();
    let shown = events.filter(|id| state.guild.shows_event(**id));
    let objects: Vec<Value> = shown
        .filter_map(|id| state.guild.event_object(*id, with_count))
        .collect();
    Ok(Reply::json(&objects))
}

/// Who is interested in an event, by id, paged with `after` and `limit`.
pub(super) fn users(state: &mut State, call: &Call) -> Answer {
    let guild = state.guild_for(call.id(0)?)?;
    let id = call.id(1)?;
    let event = guild
        .events
        .get(&id)
        .filter(|_| state.guild.shows_event(id));
    let event = event.ok_or_else(|| Problem::unknown(10070))?;
    let (limit, after) = (
        call.limit(1, 100, 100)?,
        call.asked_id("after")?.unwrap_or(0),
    );
    let later = event.interested.range(after.saturating_add(1)..);
    let page: Vec<Value> = later
        .take(limit)
        .map(|user| {
            json!({
                "guild_scheduled_event_id": Id(id), "user_id": Id(*user), "response": 1,
                "user": guild.users.get(user).map(UserObject),
            })
        })
        .collect();
    Ok(Reply::json(&page))
}
