//! Merges messages: posted, listed or deleted, and the coverage they imply.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Rows,
    boundaries::Boundaries,
    forgotten, guild,
    merge::{fail, link_props, mark_props_of, session, settle},
    privacy, reaction, reactors,
};
use propsbot_model::{
    ChannelId, Coverage, Drift, Evidence, FailureObject, GuildId, Interval, LeftOut, Life, Message,
    MessageId, MessageState, Page, Pending, Reaction, Scrub, Stamp, Tally, User, UserId,
};

/// A message's state before the change (`None`: unknown) and after.
type Change = (Option<MessageState>, MessageState);

/// Merges a message that exists; `replied` is the author of what it answers, if known.
/// Returns `None` and erases it if none of it may be kept.
pub(super) fn see<S: Rows>(
    rows: &mut S,
    at: Stamp,
    message: &Message,
    replied: Option<UserId>,
) -> Result<Option<Change>, S::Error> {
    let Some(kept) = privacy::allowed(rows, message, replied)? else {
        forgotten::erase(rows, message.guild_id, message.channel_id, message.id)?;
        return Ok(None);
    };
    let change = put(rows, MessageState::alive(at, kept))?;
    if change.1.message().is_some() {
        link_props(rows, message, change.0.is_none())?;
    }
    Ok(Some(change))
}

/// Records that some fields could not be read, so that the message is fetched again.
pub(super) fn note_odd<S: Rows>(
    rows: &mut S,
    at: Stamp,
    message: &Message,
) -> Result<(), S::Error> {
    let odd = message.odd();
    if odd.is_empty() {
        return Ok(());
    }
    let object = FailureObject::Message(message.channel_id, message.id);
    let reason = format!("unexpected data from Discord: {odd}").into();
    fail(rows, at, message.guild_id, &object, (&reason, true))
}

/// Merges a message received on its own; `false` if none of it may be kept.
/// If REST had taken it for deleted, its reactors have to be read again.
pub(super) fn tell<S: Rows>(rows: &mut S, at: Stamp, message: &Message) -> Result<bool, S::Error> {
    let Some((before, after)) = see(rows, at, message, None)? else {
        return Ok(false);
    };
    if before.is_some_and(|before| before.message().is_none()) && after.message().is_some() {
        let object = FailureObject::Message(message.channel_id, message.id);
        let reason = "taken for deleted, but it exists".into();
        fail(rows, at, message.guild_id, &object, (&reason, false))?;
    }
    note_odd(rows, at, message)?;
    Ok(true)
}

/// Marks a message as deleted and removes its text and reactions.
/// Only the gateway's word is final.
pub(super) fn delete<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    (guild_id, channel_id): (GuildId, ChannelId),
    id: MessageId,
) -> Result<(), S::Error> {
    if forgotten::is(rows, guild_id, channel_id, id)? {
        // A tombstone would reveal which message was deleted on request.
        return forgotten::erase(rows, guild_id, channel_id, id);
    }
    let tombstone = MessageState {
        guild_id,
        channel_id,
        id,
        state: Life::Deleted(at.millis()),
        unlisted: (by == Evidence::Rest).then_some(at),
    };
    let (before, after) = put(rows, tombstone)?;
    if after.message().is_some() {
        return Ok(());
    }
    if before.is_none() {
        mark_props_of(rows, channel_id, id)?;
    }
    settle(rows, guild_id, &FailureObject::Message(channel_id, id))?;
    reaction::forget(rows, guild_id, channel_id, id)
}

/// Merges a message's state and updates the channel's counts.
fn put<S: Rows>(rows: &mut S, new: MessageState) -> Result<Change, S::Error> {
    let (guild_id, channel_id) = (new.guild_id, new.channel_id);
    let (before, after) = rows.update(new.clone(), |row| row.merge(new))?;
    let was = before.as_ref().map(|before| before.message().is_some());
    let is = after.message().is_some();
    if was != Some(is) {
        tally(rows, guild_id, channel_id, |tally| {
            match was {
                Some(true) => tally.messages = tally.messages.saturating_sub(1),
                Some(false) => tally.deleted = tally.deleted.saturating_sub(1),
                None => {}
            }
            *(if is {
                &mut tally.messages
            } else {
                &mut tally.deleted
            }) += 1;
        })?;
    }
    // What belongs to a message is exported with it, so it is exported again where that may change.
    let shown = |row: &MessageState| {
        let message = row.message();
        message.map(|message| (message.author, message.mentions.is_empty()))
    };
    if is && before.as_ref().map(shown) != Some(shown(&after)) {
        reaction::mark_again(rows, channel_id, after.id)?;
    }
    let missing = |row: &MessageState| row.message().is_some_and(Message::text_is_missing);
    let (was, is) = (before.as_ref().is_some_and(missing), missing(&after));
    if was != is {
        tally(rows, guild_id, channel_id, |tally| {
            tally.texts_missing = if is {
                tally.texts_missing + 1
            } else {
                tally.texts_missing.saturating_sub(1)
            };
        })?;
    }
    Ok((before, after))
}

pub(super) fn tally<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    channel_id: ChannelId,
    change: impl FnOnce(&mut Tally),
) -> Result<(), S::Error> {
    let unknown = Tally {
        guild_id,
        channel_id,
        messages: 0,
        deleted: 0,
        reactions: 0,
        props: 0,
        texts_missing: 0,
    };
    rows.update(unknown, change)?;
    Ok(())
}

/// Returns the newest message ever seen in a channel, deleted ones included.
pub(super) fn newest<S: Rows>(
    rows: &S,
    channel_id: ChannelId,
) -> Result<Option<MessageId>, S::Error> {
    let last: Option<MessageState> = rows.last(channel_id)?;
    Ok(last.map(|message| message.id))
}

/// Extends the coverage of a live channel to a posted message.
/// In a live session, nothing was posted between the last covered message and this one.
pub(super) fn extend_live<S: Rows>(rows: &mut S, message: &Message) -> Result<(), S::Error> {
    let coverage: Option<Coverage> = rows.get((message.guild_id, message.channel_id))?;
    if let Some(mut coverage) = coverage
        && let Some(live) = coverage.live
        && live.session == session(rows, message.guild_id)?.number
        && coverage.top() < message.id
    {
        coverage.add(Interval {
            after: live.after,
            to: message.id,
            by: Evidence::Gateway,
            since: live.since,
        });
        rows.put(&coverage)?;
    }
    Ok(())
}

/// A message was posted of which nothing may be kept: no coverage ends with it.
pub(super) fn pass_over<S: Rows>(rows: &mut S, message: &Message) -> Result<(), S::Error> {
    let coverage: Option<Coverage> = rows.get((message.guild_id, message.channel_id))?;
    if let Some(mut coverage) = coverage
        && coverage.top() < message.id
        && !coverage.is_cut
    {
        coverage.is_cut = true;
        rows.put(&coverage)?;
    }
    Ok(())
}

/// Counts drift for a re-read list whose users changed although its count did not.
/// One user took a reaction back and another gave one while we weren't listening.
pub(super) fn note_swap<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    channel_id: ChannelId,
    id: MessageId,
) -> Result<(), S::Error> {
    let coverage: Option<Coverage> = rows.get((guild_id, channel_id))?;
    if coverage.is_some_and(|coverage| coverage.covers(id)) {
        rows.update(Scrub::unknown(guild_id), |row| row.drift.reactions += 1)?;
    }
    Ok(())
}

/// Merges the users that a page names.
fn see_users<S: Rows>(rows: &mut S, at: Stamp, page: &Page) -> Result<(), S::Error> {
    let users: BTreeMap<UserId, &User> = page
        .messages
        .iter()
        .flat_map(|message| message.author.iter().chain(&message.mentioned))
        .map(|user| (user.id, user))
        .collect();
    for user in users.values() {
        guild::see_member(rows, at, page.guild_id, user, None)?;
    }
    Ok(())
}

/// Returns the id range of the page, extended by messages that two pages list.
fn borders(page: &Page, listed: &BTreeSet<MessageId>, end: u64) -> (MessageId, MessageId) {
    let first = listed.first().map(|id| MessageId(id.0.saturating_sub(1)));
    let last = listed.last().map_or(end, |id| id.0.max(end));
    (first.unwrap_or(page.after).min(page.after), MessageId(last))
}

/// Merges a page of a channel's history; returns the lists of reactors to fetch.
/// Differences from what was covered count as drift. A page that lacks a known message which isn't
/// known to be gone covers nothing, and removes the coverage it contradicts.
pub(super) fn page<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    page: &Page,
) -> Result<Vec<Pending>, S::Error> {
    let end = if page.newest { u64::MAX } else { page.to.0 };
    let channel = page.channel_id;
    let key = |id| (channel, id);
    let first = MessageId(page.after.0.saturating_add(1));
    let known: Vec<MessageState> = rows.range(key(first)..=key(MessageId(end)))?;
    let listed: BTreeSet<MessageId> = page
        .messages
        .iter()
        .map(|message| message.message.id)
        .chain(page.unreadable.iter().chain(&page.told).copied())
        .collect();
    // A message seen after the list was requested isn't missing from it.
    let alive_before = known.iter().filter_map(|known| match known.state {
        Life::Alive(seen, _) if seen < at => Some(known.id),
        Life::Alive(..) | Life::Deleted(_) => None,
    });
    let coverage: Option<Coverage> = rows.get((page.guild_id, page.channel_id))?;
    let was_covered = |id: MessageId| coverage.as_ref().is_some_and(|known| known.covers(id));
    let mut drift = Drift::default();
    let ids = borders(page, &listed, end);
    let mut reactions = reaction::of_page(rows, key, ids, |row: &Reaction| row.message_id)?;
    let mut left_out = reaction::of_page(rows, key, ids, |row: &LeftOut| row.message_id)?;
    let key = |id| (page.guild_id, channel, id);
    let mut lists = reaction::of_page(rows, key, ids, |row: &Pending| row.message_id)?;
    // For some messages, only reactions are known.
    let reacted_before = reactions
        .iter()
        .filter(|(_, of)| {
            of.iter()
                .all(|reaction| reaction.confirmed.is_none_or(|seen| seen < at))
        })
        .map(|(id, _)| *id)
        .filter(|id| *id > page.after && id.0 <= end)
        .filter(|id| known.iter().all(|known| known.id != *id));
    // Messages known before the request and newer than everything listed are gone.
    let to = page.to.max(alive_before.clone().max().unwrap_or_default());
    let there_before: BTreeSet<MessageId> = alive_before.chain(reacted_before).collect();
    let missing: BTreeSet<MessageId> = there_before.difference(&listed).copied().collect();
    let lacks_any = page.lacks_some || !missing.is_subset(&page.gone);
    for id in missing.intersection(&page.gone) {
        let was_known = known.iter().any(|known| known.id == *id);
        drift.deleted += u64::from(was_known && was_covered(*id));
        if !was_known && forgotten::may_be(rows, page.guild_id, page.channel_id, *id)? {
            reaction::forget(rows, page.guild_id, page.channel_id, *id)?;
            continue;
        }
        delete(rows, at, by, (page.guild_id, page.channel_id), *id)?;
    }
    see_users(rows, at, page)?;
    let mut pending = Vec::new();
    for it in &page.messages {
        let change = see(rows, at, &it.message, it.replied)?;
        if let Some(thread) = it.thread {
            guild::hear_of_thread(rows, page.guild_id, thread)?;
        }
        settle(
            rows,
            page.guild_id,
            &FailureObject::Message(page.channel_id, it.message.id),
        )?;
        let Some((before, after)) = change else {
            continue;
        };
        note_odd(rows, at, &it.message)?;
        let Some(now) = after.message() else { continue };
        let known = reactors::Known {
            reactions: reactions.remove(&now.id).unwrap_or_default(),
            lists: lists.remove(&now.id).unwrap_or_default(),
            left_out: left_out.remove(&now.id).unwrap_or_default(),
        };
        let found = reactors::compare(rows, at, now, &it.counts, known, page.lists)?;
        pending.extend(found.missing);
        if was_covered(now.id) {
            match before.as_ref().and_then(MessageState::message) {
                Some(before) => {
                    let is_read = before.unread.is_empty() && now.unread.is_empty();
                    drift.edited += u64::from(is_read && before != now);
                    drift.reactions += found.drift;
                }
                None => drift.found += 1,
            }
        }
    }
    if drift != Drift::default() {
        rows.update(Scrub::unknown(page.guild_id), |row| {
            row.drift = row.drift.and(drift);
        })?;
    }
    cover(rows, at, by, page, (!lacks_any).then_some(to))?;
    Ok(pending)
}

/// What a page says of coverage: everything up to `to` is known; or, without one, nothing of what the page
/// spans.
fn cover<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    page: &Page,
    to: Option<MessageId>,
) -> Result<(), S::Error> {
    let boundaries = Boundaries::of(rows, page.guild_id, page.channel_id)?;
    let known: Option<Coverage> = rows.get((page.guild_id, page.channel_id))?;
    let mut known = known.unwrap_or_else(|| Coverage::unknown(page.guild_id, page.channel_id));
    if let Some(to) = to {
        let newest = match page.before {
            Some(before) => before.newest,
            None => page.newest.then_some(at),
        };
        // The boundaries of the pages before may have been moved; together with them, all is known.
        let mut to = page.before.map_or(to, |before| before.to.max(to));
        if let (Some(boundaries), Some(asked)) = (&boundaries, newest) {
            to = boundaries.end_of_newest(to, asked)?;
        }
        known.add(Interval {
            after: page.after,
            to,
            by,
            since: at,
        });
    } else {
        known.remove(page.after, page.to, at);
    }
    if let Some(boundaries) = boundaries {
        boundaries.settle(&mut known)?;
    }
    rows.update(Coverage::unknown(page.guild_id, page.channel_id), |row| {
        *row = known;
    })?;
    Ok(())
}
