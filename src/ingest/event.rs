//! Merges scheduled events, if an admin wants them.

use std::collections::BTreeSet;

use super::{Rows, privacy};
use propsbot_model::{
    EventDetails, EventId, GuildId, Interest, Millis, Named, Occurrence, ScheduledEvent, Settings,
    Stamp, UserId, ids_in,
};

fn are_wanted<S: Rows>(rows: &S, guild: GuildId) -> Result<bool, S::Error> {
    let settings: Option<Settings> = rows.get(guild)?;
    Ok(settings.is_some_and(|settings| settings.meeting_events))
}

/// Merges what an event is announced with.
pub(super) fn see<S: Rows>(
    rows: &mut S,
    at: Stamp,
    (guild, id): (GuildId, EventId),
    start: Millis,
    details: &EventDetails,
) -> Result<(), S::Error> {
    if !are_wanted(rows, guild)? {
        return Ok(());
    }
    let details = allowed_details(rows, guild, id, details)?;
    rows.update(ScheduledEvent::unknown(guild, id), |event| {
        event.see(Occurrence::seen(start, at, details));
    })?;
    Ok(())
}

pub(super) fn miss<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild: GuildId,
    id: EventId,
) -> Result<(), S::Error> {
    if are_wanted(rows, guild)? {
        rows.update(ScheduledEvent::unknown(guild, id), |event| event.miss(at))?;
    }
    Ok(())
}

/// Merges whether a user is interested in an event.
pub(super) fn interest<S: Rows>(
    rows: &mut S,
    (guild, id): (GuildId, EventId),
    interest: Interest,
) -> Result<(), S::Error> {
    if are_wanted(rows, guild)? && !hides_from(rows, guild, id, interest.user_id)? {
        rows.update(ScheduledEvent::unknown(guild, id), |event| {
            event.interest(interest);
        })?;
    }
    Ok(())
}

/// Merges a complete list of those who are interested in an event.
pub(super) fn all_interested<S: Rows>(
    rows: &mut S,
    at: Stamp,
    (guild, id): (GuildId, EventId),
    users: &BTreeSet<UserId>,
) -> Result<(), S::Error> {
    if !are_wanted(rows, guild)? {
        return Ok(());
    }
    let mut shown = BTreeSet::new();
    for user in users {
        if !hides_from(rows, guild, id, *user)? {
            shown.insert(*user);
        }
    }
    rows.update(ScheduledEvent::unknown(guild, id), |event| {
        event.list(at, &shown);
    })?;
    Ok(())
}

/// Removes from an event what is no longer to be kept of members.
pub(super) fn forget<S: Rows>(rows: &mut S, guild: GuildId, id: EventId) -> Result<(), S::Error> {
    let Some(mut event) = rows.get::<ScheduledEvent>((guild, id))? else {
        return Ok(());
    };
    for occurrence in &mut event.occurrences {
        occurrence.details = allowed_details(rows, guild, id, &occurrence.details)?;
    }
    let mut kept = Vec::new();
    for interest in &event.interest {
        if !hides_from(rows, guild, id, interest.user_id)? {
            kept.push(*interest);
        }
    }
    event.interest = kept;
    rows.put(&event)
}

/// Whether nothing may be kept of a user's interest in an event: their data was deleted since it was announced.
fn hides_from<S: Rows>(
    rows: &S,
    guild: GuildId,
    id: EventId,
    user: UserId,
) -> Result<bool, S::Error> {
    let privacy = privacy::of(rows, guild, user)?;
    let hides = |of: propsbot_model::Privacy| of.is_gone() || of.forgets(id.created_at());
    Ok(privacy.is_some_and(hides))
}

/// What may be kept of an event. Its name counts as text of its creator, and may name others.
fn allowed_details<S: Rows>(
    rows: &S,
    guild: GuildId,
    id: EventId,
    details: &EventDetails,
) -> Result<EventDetails, S::Error> {
    let mut details = details.clone();
    let created = id.created_at();
    if let Some(creator) = details.creator_id
        && let Some(privacy) = privacy::of(rows, guild, creator)?
    {
        if !privacy.keeps_text(created) || privacy.forgets(created) {
            details.name.clear();
        }
        if privacy.is_gone() || privacy.forgets(created) {
            details.creator_id = None;
        }
    }
    let mut gone = Named::default();
    for user in ids_in(&details.name).into_iter().map(UserId) {
        if privacy::is_gone(rows, guild, user)? {
            gone.users.insert(user);
        }
    }
    gone.take_from_title(&mut details.name);
    Ok(details)
}
