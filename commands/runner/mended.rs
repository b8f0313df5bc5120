//! Converts interactions to the form that serenity can parse.
//!
//! serenity rejects an interaction for a single odd field, even one that no command uses. So this picks what
//! commands need from Discord's JSON, and fills in everything else that serenity requires. An interaction
//! that could only be understood by guessing isn't run, only answered. Source:
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>.

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use propsbot_discord::{json, low_bits};

/// The result of mending an interaction.
#[derive(Debug)]
pub(super) enum Mended {
    /// serenity can parse this.
    Readable {
        /// How to answer it if it can't be run.
        ticket: Ticket,
        interaction: Value,
    },
    /// It can't be run, only answered.
    Odd(Ticket),
    /// It lacks the id or token to answer it.
    Unanswerable,
}

/// The data needed to answer an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) token: String,
    pub(super) kind: Kind,
}

/// The kind of answer that an interaction needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ping,
    Autocomplete,
    /// A command, a component, a form, or a future kind.
    Any,
}

impl Ticket {
    /// Reads only these fields of an interaction.
    pub(super) fn read(event: &RawValue) -> Option<Self> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Head {
            id: Value,
            token: Value,
            r#type: Value,
        }
        let head: Head = json::read(event.get().as_bytes()).ok()?;
        Self::new(&head.id, &head.token, &head.r#type)
    }

    fn new(id: &Value, token: &Value, kind: &Value) -> Option<Self> {
        Some(Self {
            id: self::id(id)?,
            token: text(token)?,
            kind: match kind.as_u64() {
                Some(1) => Kind::Ping,
                Some(4) => Kind::Autocomplete,
                _ => Kind::Any,
            },
        })
    }
}

/// Components that carry values, by type: 3 is a list of texts, 5 to 8 are lists of ids.
const SELECTS: [u64; 5] = [3, 5, 6, 7, 8];

const TEXT_INPUT: u64 = 4;

pub(super) fn mend(event: &Value, application: u64) -> Mended {
    let Some(ticket) = Ticket::new(&event["id"], &event["token"], &event["type"]) else {
        return Mended::Unanswerable;
    };
    match readable(event, &ticket, application) {
        Some(interaction) => Mended::Readable {
            ticket,
            interaction,
        },
        None => Mended::Odd(ticket),
    }
}

fn readable(event: &Value, ticket: &Ticket, application: u64) -> Option<Value> {
    let kind = event["type"].as_u64()?;
    let channel_id = id(&event["channel_id"]).or_else(|| id(&event["channel"]["id"]))?;
    let mut interaction = json!({
        "id": ticket.id.to_string(),
        "token": ticket.token,
        "application_id": application.to_string(),
        "type": kind,
        "channel_id": channel_id.to_string(),
        "version": 1,
        "locale": text(&event["locale"]).unwrap_or_else(|| "en-US".to_owned()),
        "entitlements": [],
        "attachment_size_limit": 0,
        "app_permissions": bits(&event["app_permissions"]),
    });
    let object = interaction.as_object_mut()?;
    put(
        object,
        "guild_locale",
        text(&event["guild_locale"]).map(Value::from),
    );
    put(object, "guild_id", id_text(&event["guild_id"]));
    put(object, "channel", channel(&event["channel"]));
    match (member(&event["member"]), user(&event["user"])) {
        (Some(member), _) => put(object, "member", Some(member)),
        (None, Some(user)) => put(object, "user", Some(user)),
        (None, None) => return None,
    }
    let data = &event["data"];
    let data = match kind {
        2 | 4 => command(data, channel_id)?,
        3 => {
            let message = id(&event["message"]["id"]).unwrap_or(ticket.id);
            let author = json!({"id": application.to_string()});
            let of = json!({"id": message.to_string(), "author": author});
            put(object, "message", self::message(&of, channel_id));
            component(data)?
        }
        5 => form(data)?,
        _ => return None,
    };
    put(object, "data", Some(data));
    Some(interaction)
}

fn command(data: &Value, channel_id: u64) -> Option<Value> {
    let kind = data["type"]
        .as_u64()
        .filter(|kind| (1..=3).contains(kind))?;
    let options = match &data["options"] {
        Value::Null => Vec::new(),
        list => options(list)?,
    };
    let resolved = &data["resolved"];
    let mut command = json!({
        "id": id(&data["id"]).unwrap_or(1).to_string(),
        "name": text(&data["name"])?,
        "type": kind,
        "options": options,
        "resolved": {
            "users": each(&resolved["users"], user),
            "members": each(&resolved["members"], membership),
            "roles": each(&resolved["roles"], role),
            "channels": each(&resolved["channels"], channel),
            "messages": each(&resolved["messages"], |of| message(of, channel_id)),
        },
    });
    let object = command.as_object_mut()?;
    put(object, "guild_id", id_text(&data["guild_id"]));
    put(object, "target_id", id_text(&data["target_id"]));
    Some(command)
}

/// The options of a command; `None` if any is unreadable, because the others alone may mean something else.
fn options(list: &Value) -> Option<Vec<Value>> {
    list.as_array()?.iter().map(option).collect()
}

fn option(of: &Value) -> Option<Value> {
    let kind = of["type"].as_u64().filter(|kind| (1..=11).contains(kind))?;
    let mut option = json!({"name": text(&of["name"])?, "type": kind});
    let value = &of["value"];
    if of["focused"] == true {
        // Half-typed input is text, whatever the option's type.
        option["focused"] = true.into();
        option["value"] = written(value).unwrap_or_default().into();
        return Some(option);
    }
    match kind {
        1 | 2 => {
            option["options"] = match &of["options"] {
                Value::Null => Value::Array(Vec::new()),
                list => options(list)?.into(),
            };
            return Some(option);
        }
        3 => option["value"] = written(value)?.into(),
        4 => option["value"] = value.as_i64()?.into(),
        5 => option["value"] = value.as_bool()?.into(),
        10 => option["value"] = value.as_f64()?.into(),
        _ => option["value"] = id_text(value)?,
    }
    Some(option)
}

/// The data of a pressed button or a used list.
fn component(data: &Value) -> Option<Value> {
    let kind = data["component_type"].as_u64()?;
    // Rows and text inputs are never used by themselves.
    let kind = u8::try_from(kind)
        .ok()
        .filter(|kind| ![1, 4].contains(kind))?;
    let mut component = json!({"custom_id": text(&data["custom_id"])?, "component_type": kind});
    if SELECTS.contains(&kind.into()) {
        let value = |value| match kind {
            3 => written(value).map(Value::from),
            _ => id_text(value),
        };
        let values = data["values"].as_array()?.iter().map(value);
        component["values"] = values.collect::<Option<Vec<_>>>()?.into();
    }
    Some(component)
}

/// The data of a submitted form: its texts, each in its own row.
fn form(data: &Value) -> Option<Value> {
    let mut rows = Vec::new();
    for row in data["components"].as_array()? {
        // A row has several components, a label has one.
        let several = row["components"].as_array().into_iter().flatten();
        let one = Some(&row["component"]).filter(|one| one.is_object());
        for part in several.chain(one) {
            if part["type"].as_u64() != Some(TEXT_INPUT) {
                return None;
            }
            let input = json!({
                "type": TEXT_INPUT, "custom_id": text(&part["custom_id"])?,
                "value": part["value"].as_str()?,
            });
            rows.push(json!({"type": 1, "components": [input]}));
        }
    }
    Some(json!({"custom_id": text(&data["custom_id"])?, "components": rows}))
}

fn user(of: &Value) -> Option<Value> {
    let mut user = json!({
        "id": id_text(&of["id"])?,
        "username": of["username"].as_str().unwrap_or_default(),
        "global_name": of["global_name"].as_str(),
        "bot": of["bot"] == true,
        "system": of["system"] == true,
    });
    let digits = of["discriminator"]
        .as_str()
        .filter(|digits| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()));
    put(
        user.as_object_mut()?,
        "discriminator",
        digits.map(Value::from),
    );
    Some(user)
}

fn member(of: &Value) -> Option<Value> {
    let mut member = membership(of)?;
    member["user"] = user(&of["user"])?;
    member["flags"] = 0.into();
    Some(member)
}

/// The member data of a user.
fn membership(of: &Value) -> Option<Value> {
    of.as_object()?;
    let roles = of["roles"].as_array().into_iter().flatten();
    Some(json!({
        "roles": roles.filter_map(id_text).collect::<Vec<_>>(),
        "nick": of["nick"].as_str(),
        "permissions": bits(&of["permissions"]),
        "deaf": false,
        "mute": false,
    }))
}

fn role(of: &Value) -> Option<Value> {
    Some(json!({
        "id": id_text(&of["id"])?,
        "name": of["name"].as_str().unwrap_or_default(),
        "permissions": bits(&of["permissions"]),
        "position": of["position"].as_u64().and_then(|at| u16::try_from(at).ok()).unwrap_or(0),
        "managed": of["managed"] == true,
        "mentionable": of["mentionable"] == true,
        "hoist": false,
        "color": 0,
        "colors": {"primary_color": 0},
    }))
}

fn channel(of: &Value) -> Option<Value> {
    Some(json!({
        "id": id_text(&of["id"])?,
        "name": of["name"].as_str(),
        "type": u8::try_from(of["type"].as_u64()?).ok()?,
        "permissions": bits(&of["permissions"]),
        "parent_id": id_text(&of["parent_id"]),
    }))
}

/// A message, without what only the mirror reads.
fn message(of: &Value, channel_id: u64) -> Option<Value> {
    let channel = id(&of["channel_id"]).unwrap_or(channel_id);
    let mut message = json!({
        "id": id_text(&of["id"])?,
        "channel_id": channel.to_string(),
        "author": user(&of["author"])?,
        "content": of["content"].as_str().unwrap_or_default(),
        "type": of["type"].as_u64().and_then(|kind| u8::try_from(kind).ok()).unwrap_or(0),
        "timestamp": "1970-01-01T00:00:00Z",
        "tts": false,
        "mention_everyone": false,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": false,
    });
    let object = message.as_object_mut()?;
    put(object, "webhook_id", id_text(&of["webhook_id"]));
    // Only whether it answers a command matters, not which.
    let answers = &of["interaction_metadata"];
    if let Some(user) = user(&answers["user"]) {
        let id = id_text(&answers["id"]).unwrap_or_else(|| "1".into());
        let metadata = json!({
            "id": id, "type": 2, "user": user, "authorizing_integration_owners": {},
        });
        put(object, "interaction_metadata", Some(metadata));
    }
    Some(message)
}

/// Discord's response to a posted message, in the form that serenity can parse: the message's id.
pub(super) fn posted(answer: &[u8]) -> Vec<u8> {
    let told: Value = json::read(answer).unwrap_or_default();
    let id = id(&told["id"]).unwrap_or(1).to_string();
    let which = json!({"id": id, "channel_id": told["channel_id"], "author": {"id": "1"}});
    let message = message(&which, 1).unwrap_or_default();
    message.to_string().into_bytes()
}

/// The readable objects of a map keyed by id.
fn each(map: &Value, read: impl Fn(&Value) -> Option<Value>) -> Map<String, Value> {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter_map(|(id, object)| {
            id.parse::<u64>().ok().filter(|id| *id != 0)?;
            Some((id.clone(), read(object)?))
        })
        .collect()
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}

/// An id, which is never 0.
fn id(value: &Value) -> Option<u64> {
    let id = match value {
        Value::String(digits) => digits.parse().ok(),
        number => number.as_u64(),
    };
    id.filter(|id| *id != 0)
}

fn id_text(value: &Value) -> Option<Value> {
    id(value).map(|id| id.to_string().into())
}

/// A non-empty text.
fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// A typed or chosen value as text, even if it's a number.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The low 64 permission bits; 0 if they can't be read.
fn bits(value: &Value) -> Value {
    let bits = value.as_u64().or_else(|| low_bits(value.as_str()?));
    bits.unwrap_or(0).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_above_64_bits_keep_the_low_ones() {
        // 2^64 + 2^5, and 2^200.
        assert_eq!(bits(&json!("18446744073709551648")), json!("32"));
        let large = "1606938044258990275541962092341162602522202993782792835301376";
        assert_eq!(bits(&json!(large)), json!("0"));
        for odd in [json!(null), json!("-1"), json!("1e3"), json!([1])] {
            assert_eq!(bits(&odd), json!("0"));
        }
    }

    #[test]
    fn never_guesses_what_a_member_meant() {
        for odd in [
            json!({"name": "a", "type": 4, "value": "7"}),
            json!({"name": "a", "type": 7, "value": "x"}),
            json!({"name": "a", "type": 99, "value": "x"}),
            json!({"name": null, "type": 3, "value": "x"}),
        ] {
            let data = json!({"name": "settings", "type": 1, "options": [odd]});
            assert!(command(&data, 1).is_none(), "{data}");
        }
        assert!(component(&json!({"custom_id": "a", "component_type": 8})).is_none());
        assert!(component(&json!({"custom_id": "a", "component_type": 2})).is_some());
    }
}
