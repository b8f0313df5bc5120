//! Global and guild commands: Discord's "Application Commands" page.

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use crate::discord::state::State;
use crate::discord::wire::{Id, tree};

/// A command as Discord stores it: as sent, with ids and defaults.
fn registered(state: &mut State, sent: &Value, guild: bool) -> Result<Value, Problem> {
    let name = sent["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > 32 {
        return Err(Problem::form("name: Must be between 1 and 32 in length."));
    }
    let kind = sent["type"].as_u64().unwrap_or(1);
    if kind == 1 && sent["description"].as_str().unwrap_or_default().is_empty() {
        return Err(Problem::form("description: This field is required"));
    }
    let id = state.guild.clock.next_id();
    let mut command = json!({
        "id": Id(id), "application_id": Id(state.guild.bot), "version": Id(state.guild.clock.next_id()),
        "default_member_permissions": null, "type": kind, "name": name, "name_localizations": null, "description": "",
        "description_localizations": null, "dm_permission": true, "contexts": null, "integration_types": [0], "nsfw": false,
    });
    for (key, value) in sent
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !value.is_null() && *key != "id")
    {
        command[key] = value.clone();
    }
    normalize(&mut command);
    if guild {
        command["guild_id"] = tree(Id(state.guild.id));
    }
    Ok(command)
}

/// Discord returns a command without the empty and irrelevant fields that clients send: options keep only fields of
/// their type.
fn normalize(command: &mut Value) {
    let Some(fields) = command.as_object_mut() else {
        return;
    };
    for name in ["name_localizations", "description_localizations"] {
        if fields
            .get(name)
            .is_some_and(|value| value.as_object().is_some_and(serde_json::Map::is_empty))
        {
            fields.insert(name.to_owned(), Value::Null);
        }
    }
    if fields
        .get("options")
        .is_some_and(|options| options.as_array().is_none_or(Vec::is_empty))
    {
        fields.remove("options");
    }
    for option in fields
        .get_mut("options")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let kind = option["type"].as_u64().unwrap_or(0);
        let own: &[&str] = match kind {
            1 | 2 => &["options"],
            3 => &["autocomplete", "choices", "min_length", "max_length"],
            4 | 10 => &["autocomplete", "choices", "min_value", "max_value"],
            7 => &["channel_types"],
            _ => &[],
        };
        let common = [
            "type",
            "name",
            "name_localizations",
            "description",
            "description_localizations",
            "required",
        ];
        if let Some(fields) = option.as_object_mut() {
            fields.retain(|name, value| {
                let empty = value.is_null()
                    || value
                        .as_array()
                        .is_some_and(|list| list.is_empty() && name != "options");
                !empty && (common.contains(&name.as_str()) || own.contains(&name.as_str()))
            });
        }
        normalize(option);
    }
}

fn set(state: &mut State, call: &Call, guild: bool) -> Answer {
    let sent = call
        .body
        .as_array()
        .cloned()
        .ok_or_else(|| Problem::form("Only iterables may be used in an ArrayType"))?;
    let commands = sent
        .iter()
        .map(|command| registered(state, command, guild))
        .collect::<Result<Vec<_>, _>>()?;
    *list(state, guild) = commands;
    Ok(Reply::json(list(state, guild)))
}

fn add(state: &mut State, call: &Call, guild: bool) -> Answer {
    let command = registered(state, &call.body, guild)?;
    let all = list(state, guild);
    all.retain(|known| known["name"] != command["name"] || known["type"] != command["type"]);
    all.push(command.clone());
    Ok(Reply {
        status: 201,
        ..Reply::json(&command)
    })
}

fn remove(state: &mut State, call: &Call, guild: bool) -> Answer {
    let id = call.params.last().cloned().unwrap_or_default();
    let all = list(state, guild);
    let before = all.len();
    all.retain(|command| command["id"] != id.as_str());
    if all.len() == before {
        Err(Problem::unknown(10063))
    } else {
        Ok(Reply::none())
    }
}

fn list(state: &mut State, guild: bool) -> &mut Vec<Value> {
    if guild {
        &mut state.interactions.local
    } else {
        &mut state.interactions.global
    }
}

/// Only the bot's own application is accessible.
fn own(state: &State, call: &Call) -> Result<(), Problem> {
    if call.id(0)? == state.guild.bot {
        Ok(())
    } else {
        Err(Problem::new(
            403,
            20012,
            "You are not authorized to perform this action on this application",
        ))
    }
}

fn own_in_guild(state: &State, call: &Call) -> Result<(), Problem> {
    own(state, call)?;
    state.guild_for(call.id(1)?).map(|_| ())
}

pub(super) fn list_global(state: &mut State, call: &Call) -> Answer {
    own(state, call)?;
    Ok(Reply::json(&state.interactions.global))
}

pub(super) fn set_global(state: &mut State, call: &Call) -> Answer {
    own(state, call)?;
    set(state, call, false)
}

pub(super) fn add_global(state: &mut State, call: &Call) -> Answer {
    own(state, call)?;
    add(state, call, false)
}

pub(super) fn remove_global(state: &mut State, call: &Call) -> Answer {
    own(state, call)?;
    remove(state, call, false)
}

pub(super) fn list_local(state: &mut State, call: &Call) -> Answer {
    own_in_guild(state, call)?;
    Ok(Reply::json(&state.interactions.local))
}

pub(super) fn set_local(state: &mut State, call: &Call) -> Answer {
    own_in_guild(state, call)?;
    set(state, call, true)
}

pub(super) fn add_local(state: &mut State, call: &Call) -> Answer {
    own_in_guild(state, call)?;
    add(state, call, true)
}

pub(super) fn remove_local(state: &mut State, call: &Call) -> Answer {
    own_in_guild(state, call)?;
    remove(state, call, true)
}
