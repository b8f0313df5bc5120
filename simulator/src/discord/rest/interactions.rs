//! Responses to interactions: Discord's "Receiving and Responding" page.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use super::messages::{apply, content};
use crate::discord::interactions::{self, Followup, allowed_mentions};
use crate::discord::message::{Message, flag};
use crate::discord::state::State;
use crate::discord::wire::{Id, MessageObject, View, tree};

/// Lifetime of an interaction's token.
const TOKEN_LIVES: Duration = Duration::from_mins(15);

fn flags(body: &Value) -> u32 {
    body["flags"]
        .as_u64()
        .and_then(|flags| u32::try_from(flags).ok())
        .unwrap_or(0)
}

/// The first response to an interaction: within three seconds, and only once.
pub(super) fn callback(state: &mut State, call: &Call) -> Answer {
    let (id, token) = (call.id(0)?, call.text(1));
    let deadline = state.interactions.deadline;
    let known = state
        .interactions
        .all
        .get(&id)
        .filter(|i| i.token == token && (i.answer.is_some() || i.at.elapsed() <= deadline));
    let Some(interaction) = known else {
        state.log.violation(format!(
            "interaction {id} is unknown or was answered too late"
        ));
        return Err(Problem::unknown(10062));
    };
    if interaction.answer.is_some() {
        if !interaction.is_unheard {
            state
                .log
                .violation(format!("interaction {id} was answered twice"));
        }
        return Err(Problem::new(
            400,
            40060,
            "Interaction has already been acknowledged.",
        ));
    }
    let (kind, data) = (
        call.body["type"].as_u64().unwrap_or(0),
        call.body["data"].clone(),
    );
    // Autocompletions take only choices, and only they do.
    let fits = (kind == 8) == (interaction.kind == 4);
    if !matches!(kind, 1 | 4..=9) || !fits {
        return Err(Problem::form("type: This field is required"));
    }
    let text = content(&data)?;
    if kind == 4
        && text.is_empty()
        && data["embeds"].as_array().is_none_or(Vec::is_empty)
        && data["components"].is_null()
        && call.files.is_empty()
    {
        return Err(Problem::new(400, 50006, "Cannot send an empty message"));
    }
    let mut answer = interactions::Answer {
        kind,
        content: text,
        embeds: data["embeds"].as_array().cloned().unwrap_or_default(),
        ephemeral: flags(&data) & flag::EPHEMERAL != 0,
        data,
        files: call.files.clone(),
        ..Default::default()
    };
    let mut message = None;
    if matches!(kind, 4 | 5) {
        let loading = if kind == 5 { flag::LOADING } else { 0 };
        message = state.answer_message(id, &answer.data.clone(), flags(&answer.data) | loading);
        answer.message_id = message.as_ref().map(|message| message.id);
    }
    let updated = state
        .interactions
        .all
        .get(&id)
        .and_then(|i| i.message)
        .filter(|_| kind == 7);
    let shown = message.clone();
    if let Some(interaction) = state.interactions.all.get_mut(&id) {
        interaction.thinking = kind == 5;
        interaction.answer = Some(answer);
        interaction.is_unheard = call.is_lost;
    }
    if let Some(message) = message {
        state.show(id, message);
    }
    if let Some(message) = updated {
        change(state, id, message, &call.body["data"])?;
    }
    if !call.flag("with_response") {
        return Ok(Reply::none());
    }
    let asked = state
        .interactions
        .all
        .get(&id)
        .map_or(2, |interaction| interaction.kind);
    let mut reply = json!({"interaction": {
        "id": Id(id), "type": asked, "response_message_loading": kind == 5,
        "response_message_ephemeral": shown.as_ref().is_some_and(|m| m.flags & flag::EPHEMERAL != 0),
    }});
    if let Some(message) = shown.as_ref().filter(|_| kind == 4) {
        reply["resource"] = json!({"type": kind, "message": object(state, message)});
    }
    if let Some(message) = &shown {
        reply["interaction"]["response_message_id"] = tree(Id(message.id));
    }
    Ok(Reply::json(&reply))
}

fn object<'a>(state: &'a State, message: &'a Message) -> MessageObject<'a> {
    MessageObject {
        guild: &state.guild,
        message,
        view: View::rest(true),
    }
}

/// The interaction of a valid token, once it was acknowledged.
fn opened(state: &mut State, call: &Call) -> Result<u64, Problem> {
    if call.id(0)? != state.guild.bot {
        return Err(Problem::unknown(10015));
    }
    let Some(interaction) = state.interactions.by_token(call.text(1)) else {
        return Err(Problem::unknown(10015));
    };
    if interaction.expired || interaction.at.elapsed() > TOKEN_LIVES {
        return Err(Problem::new(401, 50027, "Invalid Webhook Token"));
    }
    Ok(interaction.id)
}

/// Finds a message of an interaction, in its channel or ephemeral.
fn find(state: &State, interaction: u64, message: u64) -> Option<&Message> {
    let channel = state.interactions.all.get(&interaction)?.channel;
    // Buttons change ephemeral messages of earlier interactions.
    let mut all = state.interactions.all.values().rev();
    all.find_map(|interaction| interaction.private.get(&message))
        .or_else(|| state.guild.message(channel, message))
}

fn answer(state: &State, interaction: u64, message: u64) -> Answer {
    let message = find(state, interaction, message).ok_or_else(|| Problem::unknown(10008))?;
    Ok(Reply::json(&object(state, message)))
}

fn original(state: &State, interaction: u64) -> Result<u64, Problem> {
    let known = state.interactions.all.get(&interaction);
    let answered = known.and_then(|i| Some((i, i.answer.as_ref()?)));
    answered
        .filter(|(_, answer)| !answer.deleted)
        .and_then(|(i, answer)| {
            // A button's response changes the message with the button.
            let changes = matches!(answer.kind, 6 | 7);
            answer.message_id.or(i.message.filter(|_| changes))
        })
        .ok_or_else(|| Problem::unknown(10008))
}

/// Stores the files that come with an edit of the response.
fn keep_files(state: &mut State, interaction: u64, call: &Call) {
    let known = state.interactions.all.get_mut(&interaction);
    if let Some(answer) = known.and_then(|known| known.answer.as_mut()) {
        answer.files.clone_from(&call.files);
    }
}

/// A follow-up message; the first one after a deferral replaces "thinking".
pub(super) fn follow_up(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    let known = state.interactions.all.get(&id).and_then(|i| {
        i.answer
            .as_ref()
            .map(|answer| (i.thinking, answer.message_id))
    });
    let Some((thinking, first)) = known else {
        return Err(Problem::unknown(10015));
    };
    content(&call.body)?;
    if let (true, Some(first)) = (thinking, first) {
        change(state, id, first, &call.body)?;
        keep_files(state, id, call);
        return answer(state, id, first);
    }
    let Some(message) = state.answer_message(id, &call.body, flags(&call.body)) else {
        return Err(Problem::unknown(10015));
    };
    let (message_id, ephemeral) = (message.id, message.flags & flag::EPHEMERAL != 0);
    state.show(id, message);
    if let Some(answer) = state
        .interactions
        .all
        .get_mut(&id)
        .and_then(|i| i.answer.as_mut())
    {
        answer.followups.push(Followup {
            message_id,
            ephemeral,
            data: call.body.clone(),
        });
    }
    answer(state, id, message_id)
}

/// Applies an edit to a message of an interaction.
fn change(state: &mut State, id: u64, message: u64, body: &Value) -> Result<(), Problem> {
    let now = state.guild.clock.now();
    let text = content(body)?;
    let known: Vec<u64> = allowed_mentions(body, &text, None)
        .0
        .into_iter()
        .filter(|id| state.guild.users.contains_key(id))
        .collect();
    let Some(interaction) = state.interactions.all.get(&id) else {
        return Err(Problem::unknown(10015));
    };
    let first = interaction.answer.as_ref().and_then(|answer| {
        // A button's late response changes the message with the button.
        let changes = answer.kind == 6;
        answer
            .message_id
            .or(interaction.message.filter(|_| changes))
    });
    let is_first = first == Some(message);
    let was_thinking = is_first && interaction.thinking;
    let channel = interaction.channel;
    // An ephemeral message belongs to the interaction that showed it, perhaps an earlier one.
    let mut private = state.interactions.all.values_mut().rev();
    if let Some(shown) = private.find_map(|other| other.private.get_mut(&message)) {
        apply(shown, body, now, known)?;
        shown.flags &= !flag::LOADING;
    } else {
        let Some(shown) = state.guild.message_mut(channel, message) else {
            return Err(Problem::unknown(10008));
        };
        apply(shown, body, now, known)?;
        if was_thinking {
            shown.flags &= !flag::LOADING;
            shown.edited = None;
        }
        state.announce("MESSAGE_UPDATE", channel, message);
    }
    let Some(interaction) = state.interactions.all.get_mut(&id) else {
        return Ok(());
    };
    if is_first {
        interaction.thinking = false;
        if let Some(answer) = &mut interaction.answer {
            if !body["content"].is_null() {
                answer.content = text;
            }
            if let Some(embeds) = body["embeds"].as_array() {
                answer.embeds.clone_from(embeds);
            }
            answer.edits.push(body.clone());
        }
    }
    Ok(())
}

fn erase(state: &mut State, id: u64, message: u64) -> Answer {
    let Some(interaction) = state.interactions.all.get_mut(&id) else {
        return Err(Problem::unknown(10015));
    };
    if let Some(answer) = interaction
        .answer
        .as_mut()
        .filter(|answer| answer.message_id == Some(message))
    {
        answer.deleted = true;
        interaction.thinking = false;
    }
    let channel = interaction.channel;
    if interaction.private.remove(&message).is_some() || state.delete(channel, message) {
        Ok(Reply::none())
    } else {
        Err(Problem::unknown(10008))
    }
}

pub(super) fn get_original(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    answer(state, id, original(state, id)?)
}

pub(super) fn edit_original(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    let message = original(state, id)?;
    change(state, id, message, &call.body)?;
    keep_files(state, id, call);
    answer(state, id, message)
}

pub(super) fn delete_original(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    let message = original(state, id)?;
    erase(state, id, message)
}

pub(super) fn get_follow_up(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    answer(state, id, call.id(2)?)
}

pub(super) fn edit_follow_up(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    let message = call.id(2)?;
    own_message(state, id, message)?;
    change(state, id, message, &call.body)?;
    answer(state, id, message)
}

pub(super) fn delete_follow_up(state: &mut State, call: &Call) -> Answer {
    let id = opened(state, call)?;
    let message = call.id(2)?;
    own_message(state, id, message)?;
    erase(state, id, message)
}

fn own_message(state: &State, interaction: u64, message: u64) -> Result<(), Problem> {
    let found = find(state, interaction, message).ok_or_else(|| Problem::unknown(10008))?;
    if found.author == state.guild.bot {
        Ok(())
    } else {
        Err(Problem::unknown(10008))
    }
}
