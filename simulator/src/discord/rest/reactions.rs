//! Reactions: the second half of Discord's "Message Resource" page.

use super::call::{Answer, Call, Problem, Reply};
use crate::discord::message::Emoji;
use crate::discord::permissions::bit;
use crate::discord::state::State;
use crate::discord::wire::UserObject;

/// The message and emoji of a call. An impossible emoji is refused and counted.
fn subject(state: &mut State, call: &Call) -> Result<(u64, u64, Emoji), Problem> {
    let (channel, id) = (call.id(0)?, call.id(1)?);
    let message = state.message_for(channel, id)?;
    let emoji = state.guild.emoji(call.text(2));
    let used = message
        .reactions
        .iter()
        .any(|reaction| reaction.emoji.same(&emoji));
    let plausible = match emoji.id {
        Some(id) => state.guild.emojis.contains_key(&id),
        None => is_emoji(call.text(2)),
    };
    // Emoji can be deleted, and last reactions removed, between a client's requests.
    let once_used = emoji
        .id
        .is_some_and(|emoji| message.once_reacted.contains(&emoji));
    if !used && !plausible {
        if !once_used {
            state
                .log
                .violation(format!("unknown emoji: {:?} of message {id}", call.text(2)));
        }
        return Err(Problem::unknown(10014));
    }
    Ok((channel, id, emoji))
}

/// Whether this can be a Unicode emoji: one picture with modifiers, or several joined ones.
fn is_emoji(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let is_picture = |letter: char| matches!(letter, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{21aa}' | '\u{231a}'..='\u{2bff}' | '\u{3030}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}');
    let varies = |letter: char| matches!(letter, '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}');
    let is_flag = |letter: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&letter);
    match letters.as_slice() {
        [first, second] if is_flag(*first) => is_flag(*second),
        ['0'..='9' | '#' | '*', rest @ ..] => {
            matches!(rest, ['\u{fe0f}', '\u{20e3}'])
        }
        letters => letters.split(|letter| *letter == '\u{200d}').all(|part| {
            part.split_first().is_some_and(|(first, rest)| {
                is_picture(*first) && rest.iter().all(|letter| varies(*letter))
            })
        }),
    }
}

/// The users who reacted with an emoji, by id, paged with `after` and `limit`; `type` 1 for burst reactions.
pub(super) fn list(state: &mut State, call: &Call) -> Answer {
    let (channel, id, emoji) = subject(state, call)?;
    let limit = call.limit(1, 100, 25)?;
    let after = call.asked_id("after")?.unwrap_or(0);
    let burst = match call.asked("type") {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(Problem::form("type: Value must be one of {0, 1}.")),
    };
    let hidden = state.faults.hidden(id);
    let message = state.message_for(channel, id)?;
    let reaction = message
        .reactions
        .iter()
        .find(|reaction| reaction.emoji.same(&emoji));
    let users = reaction
        .map(|reaction| reaction.users(burst))
        .unwrap_or_default();
    let users = &users[users.partition_point(|user| *user <= after)..];
    let shown = users.len().min(limit).saturating_sub(hidden);
    let page = users
        .iter()
        .take(shown)
        .filter_map(|id| state.guild.users.get(id));
    Ok(Reply::json(&page.map(UserObject).collect::<Vec<_>>()))
}

pub(super) fn add(state: &mut State, call: &Call) -> Answer {
    let (channel, id, emoji) = subject(state, call)?;
    state.require(channel, bit::READ_MESSAGE_HISTORY)?;
    if !state
        .message_for(channel, id)?
        .reactions
        .iter()
        .any(|reaction| reaction.emoji.same(&emoji))
    {
        state.require(channel, bit::ADD_REACTIONS)?;
    }
    let author = state.message_for(channel, id)?.author;
    if state.blocking.contains(&author) {
        return Err(Problem::new(403, 90001, "Reaction was blocked"));
    }
    state.react(state.guild.bot, channel, id, &emoji, false);
    Ok(Reply::none())
}

pub(super) fn remove_own(state: &mut State, call: &Call) -> Answer {
    let (channel, id, emoji) = subject(state, call)?;
    state.unreact(state.guild.bot, channel, id, &emoji, false);
    Ok(Reply::none())
}

pub(super) fn remove(state: &mut State, call: &Call) -> Answer {
    let (channel, id, emoji) = subject(state, call)?;
    let user = call.id(3)?;
    if user != state.guild.bot {
        state.require(channel, bit::MANAGE_MESSAGES)?;
    }
    for burst in [false, true] {
        state.unreact(user, channel, id, &emoji, burst);
    }
    Ok(Reply::none())
}

pub(super) fn clear_emoji(state: &mut State, call: &Call) -> Answer {
    let (channel, id, emoji) = subject(state, call)?;
    state.require(channel, bit::MANAGE_MESSAGES)?;
    state.clear_emoji(channel, id, &emoji);
    Ok(Reply::none())
}

pub(super) fn clear(state: &mut State, call: &Call) -> Answer {
    let (channel, id) = (call.id(0)?, call.id(1)?);
    state.message_for(channel, id)?;
    state.require(channel, bit::MANAGE_MESSAGES)?;
    state.clear_reactions(channel, id);
    Ok(Reply::none())
}
