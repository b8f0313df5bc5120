//! Messages: Discord's "Message Resource" page.

use serde_json::Value;

use super::call::{Answer, Call, Problem, Reply};
use crate::discord::act::Draft;
use crate::discord::interactions::{allowed_mentions, extras};
use crate::discord::message::Message;
use crate::discord::permissions::bit;
use crate::discord::snowflake::{at, time_of};
use crate::discord::state::State;
use crate::discord::wire::{Id, MessageObject, View};

impl State {
    fn shown<'a>(&'a self, message: &'a Message) -> MessageObject<'a> {
        MessageObject {
            guild: &self.guild,
            message,
            view: View::rest(self.content()),
        }
    }

    fn show_message(&self, channel: u64, id: u64) -> Answer {
        let message = self
            .guild
            .message(channel, id)
            .ok_or_else(|| Problem::unknown(10008))?;
        Ok(Reply::json(&self.shown(message)))
    }
}

/// A page of messages, newest first. Without `READ_MESSAGE_HISTORY` it is empty, not an error.
pub(super) fn list(state: &mut State, call: &Call) -> Answer {
    let limit = call.limit(1, 100, 50)?;
    let channel = state.messages_for(call.id(0)?)?;
    if state.faults.refused.contains(&channel.id) {
        return Err(Problem::missing_access());
    }
    if !state.bot_may(channel.id, bit::READ_MESSAGE_HISTORY) {
        return Ok(Reply::json(&[(); 0]));
    }
    let all = &channel.messages;
    let page: Vec<&Message> = if let Some(around) = call.asked_id("around")? {
        let newer: Vec<_> = all
            .range(around.saturating_add(1)..)
            .take(limit / 2)
            .map(|(_, m)| m)
            .collect();
        let older = all
            .range(..=around)
            .rev()
            .take(limit - newer.len())
            .map(|(_, m)| m);
        newer.iter().rev().copied().chain(older).collect()
    } else if let Some(after) = call.asked_id("after")? {
        let mut page: Vec<_> = all
            .range(after.saturating_add(1)..)
            .take(limit)
            .map(|(_, m)| m)
            .collect();
        page.reverse();
        page
    } else {
        let before = call.asked_id("before")?.unwrap_or(u64::MAX);
        let mut older = all.range(..before).rev().map(|(_, m)| m);
        if state.disorder {
            // Newest first, but in ascending id order within a millisecond.
            let mut older: Vec<_> = older.collect();
            older.sort_by_key(|older| (std::cmp::Reverse(time_of(older.id)), older.id));
            older.truncate(limit);
            older
        } else {
            older.by_ref().take(limit).collect()
        }
    };
    Ok(Reply::json(
        &page
            .into_iter()
            .map(|message| state.shown(message))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn get(state: &mut State, call: &Call) -> Answer {
    let channel = call.id(0)?;
    state.messages_for(channel)?;
    if !state.bot_may(channel, bit::READ_MESSAGE_HISTORY) {
        return Err(Problem::missing_access());
    }
    Ok(Reply::json(
        &state.shown(state.message_for(channel, call.id(1)?)?),
    ))
}

pub(super) fn create(state: &mut State, call: &Call) -> Answer {
    let channel = state.messages_for(call.id(0)?)?;
    let (id, in_thread) = (channel.id, channel.thread.is_some());
    state.require(
        id,
        if in_thread {
            bit::SEND_MESSAGES_IN_THREADS
        } else {
            bit::SEND_MESSAGES
        },
    )?;
    if !call.files.is_empty() {
        state.require(id, bit::ATTACH_FILES)?;
    }
    let body = &call.body;
    let content = content(body)?;
    let nonce = body["nonce"]
        .as_str()
        .map(str::to_owned)
        .filter(|_| body["enforce_nonce"] == true);
    if let Some(nonce) = &nonce {
        if nonce.chars().count() > 25 {
            return Err(Problem::form("nonce: Must be 25 or fewer in length."));
        }
        // Discord checks nonces "in the past few minutes"; here they last forever.
        if let Some((channel, known)) = state.interactions.nonces.get(nonce).copied() {
            return state.show_message(channel, known);
        }
    }
    let mut extras = extras(body);
    for (index, (name, bytes)) in call.files.iter().enumerate() {
        let file = state.guild.clock.next_id();
        let url = format!("https://cdn.discordapp.com/attachments/{id}/{file}/{name}");
        extras.attachments.push(serde_json::json!({
            "id": Id(file + index as u64), "filename": name, "size": bytes.len(), "url": url, "proxy_url": url,
        }));
    }
    if content.is_empty()
        && extras.embeds.is_empty()
        && extras.attachments.is_empty()
        && extras.components.is_empty()
    {
        return Err(Problem::new(400, 50006, "Cannot send an empty message"));
    }
    let reply_to = body["message_reference"]["message_id"]
        .as_str()
        .and_then(|id| id.parse::<u64>().ok());
    let replied = reply_to
        .and_then(|to| state.guild.message(id, to))
        .map(|m| m.author);
    if reply_to.is_some()
        && replied.is_none()
        && body["message_reference"]["fail_if_not_exists"] != false
    {
        return Err(Problem::form("message_reference: Unknown message"));
    }
    let (mentions, mention_everyone) = allowed_mentions(body, &content, replied);
    let flags = body["flags"]
        .as_u64()
        .and_then(|flags| u32::try_from(flags).ok())
        .unwrap_or(0);
    let reply_to = reply_to.filter(|_| replied.is_some());
    let author = state.guild.bot;
    let mentions = Some(mentions);
    let extras = Some(extras);
    let message = state.post(Draft {
        author,
        channel: id,
        content,
        kind: 0,
        flags,
        reply_to,
        mentions,
        mention_everyone,
        extras,
    });
    if let Some(nonce) = nonce {
        state.interactions.nonces.insert(nonce, (id, message));
    }
    state.show_message(id, message)
}

/// The text of a body, if Discord accepts it.
pub(super) fn content(body: &Value) -> Result<String, Problem> {
    let content = body["content"].as_str().unwrap_or_default();
    if content.chars().count() > 2000 {
        return Err(Problem::form("content: Must be 2000 or fewer in length."));
    }
    Ok(content.to_owned())
}

pub(super) fn edit(state: &mut State, call: &Call) -> Answer {
    let (channel, id) = (call.id(0)?, call.id(1)?);
    if state.message_for(channel, id)?.author != state.guild.bot {
        return Err(Problem::new(
            403,
            50005,
            "Cannot edit a message authored by another user",
        ));
    }
    state.rewrite(channel, id, &call.body)?;
    state.show_message(channel, id)
}

impl State {
    /// Applies an edit to one of the bot's messages in a channel.
    pub(super) fn rewrite(&mut self, channel: u64, id: u64, body: &Value) -> Result<(), Problem> {
        let now = self.guild.clock.now();
        self.guild.clock.tick(1);
        let known = |id: &u64| self.guild.users.contains_key(id);
        let mentions = allowed_mentions(body, &content(body)?, None)
            .0
            .into_iter()
            .filter(known)
            .collect();
        let Some(message) = self.guild.message_mut(channel, id) else {
            return Err(Problem::unknown(10008));
        };
        apply(message, body, now, mentions)?;
        self.announce("MESSAGE_UPDATE", channel, id);
        Ok(())
    }
}

/// Changes the fields in an edit's body, and keeps the rest.
pub(super) fn apply(
    message: &mut Message,
    body: &Value,
    now: i64,
    mentions: Vec<u64>,
) -> Result<(), Problem> {
    if !body["content"].is_null() {
        message.content = content(body)?;
        message.mentions = mentions;
    }
    let new = extras(body);
    let kept = message.extras.get_or_insert_default();
    if body["embeds"].is_array() {
        kept.embeds = new.embeds;
    }
    if body["components"].is_array() {
        kept.components = new.components;
    }
    message.edited = Some(now);
    Ok(())
}

pub(super) fn delete(state: &mut State, call: &Call) -> Answer {
    let (channel, id) = (call.id(0)?, call.id(1)?);
    if state.message_for(channel, id)?.author != state.guild.bot {
        state.require(channel, bit::MANAGE_MESSAGES)?;
    }
    state.delete(channel, id);
    Ok(Reply::none())
}

pub(super) fn bulk_delete(state: &mut State, call: &Call) -> Answer {
    let channel = state.messages_for(call.id(0)?)?.id;
    state.require(channel, bit::MANAGE_MESSAGES)?;
    let ids: Vec<u64> = call.body["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str()?.parse().ok())
        .collect();
    if !(2..=100).contains(&ids.len()) {
        return Err(Problem::new(
            400,
            50016,
            "Provided too few or too many messages to delete.",
        ));
    }
    let two_weeks_ago = at(state.guild.clock.now() - 14 * 86_400_000);
    if ids.iter().any(|id| time_of(*id) < time_of(two_weeks_ago)) {
        return Err(Problem::new(
            400,
            50034,
            "You can only bulk delete messages that are under 14 days old.",
        ));
    }
    state.delete_bulk(channel, &ids);
    Ok(Reply::none())
}
