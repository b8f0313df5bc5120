//! Incorrect lists: with missing items, or endless.

use std::ops::Range;

use serde_json::{Value, json};

use super::call::{Call, Reply};
use crate::discord::snowflake::{at, iso, time_of};
use crate::discord::wire::Id;

/// The list without the items at these positions.
pub(super) fn without(reply: Reply, places: &Range<usize>) -> Reply {
    change(reply, |list, _| {
        let mut place = 0..;
        list.retain(|_| !place.next().is_some_and(|place| places.contains(&place)));
    })
}

/// The page filled up to its limit with made-up items, `step` apart.
pub(super) fn endless(reply: Reply, template: &str, call: &Call, step: u64, now: i64) -> Reply {
    let asked = |name| call.asked(name).and_then(|asked| asked.parse::<u64>().ok());
    let limit = asked("limit").unwrap_or(50);
    let limit = usize::try_from(limit).unwrap_or(50);
    let last = |list: &[Value], id: fn(&Value) -> &Value| {
        list.last()
            .and_then(|list| id(list).as_str()?.parse::<u64>().ok())
    };
    let channel = call.text(0).to_owned();
    change(reply, |list, whole| {
        if template.ends_with("/messages") {
            let from = last(list, |item| &item["id"]).or(asked("before"));
            let mut id = from.unwrap_or_else(|| at(now));
            while list.len() < limit {
                id = id.saturating_sub(step);
                list.push(json!({
                    "id": Id(id), "channel_id": channel, "type": 0, "content": "and on",
                    "author": {"id": "1", "username": "nobody"}, "timestamp": iso(time_of(id)),
                    "edited_timestamp": null, "mentions": [], "mention_roles": [], "attachments": [],
                    "embeds": [], "pinned": false, "tts": false, "mention_everyone": false,
                }));
            }
        } else if template.ends_with("/members") {
            let mut id = last(list, |item| &item["user"]["id"])
                .or(asked("after"))
                .unwrap_or(0);
            while list.len() < limit {
                id = id.saturating_add(step);
                let user = json!({"id": Id(id), "username": format!("user{id}")});
                list.push(json!({
                    "user": user, "roles": [], "joined_at": iso(now), "deaf": false, "mute": false,
                    "flags": 0,
                }));
            }
        } else if template.ends_with("/reactions/{emoji_name}") || template.ends_with("/guilds") {
            let from = last(list, |item| &item["id"]).max(asked("after"));
            let mut id = from.unwrap_or(0);
            while list.len() < limit {
                id = id.saturating_add(step);
                let name = format!("no. {id}");
                list.push(json!({"id": Id(id), "username": name, "name": name}));
            }
        } else if template.contains("/threads/archived/") {
            let before = call
                .asked("before")
                .and_then(|asked| asked.parse::<jiff::Timestamp>().ok());
            let mut id = last(list, |item| &item["id"])
                .unwrap_or_else(|| at(before.map_or(now, jiff::Timestamp::as_millisecond)));
            while list.len() < limit {
                id = id.saturating_sub(step);
                let archived = json!({
                    "archived": true, "auto_archive_duration": 60, "locked": false,
                    "archive_timestamp": iso(time_of(id)),
                });
                list.push(json!({
                    "id": Id(id), "type": 11, "parent_id": channel, "name": format!("thread {id}"),
                    "thread_metadata": archived,
                }));
            }
            if let Some(whole) = whole {
                whole["has_more"] = true.into();
            }
        }
    })
}

/// Changes a response's list: the body itself, or its `threads`.
fn change(reply: Reply, how: impl FnOnce(&mut Vec<Value>, Option<&mut Value>)) -> Reply {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
        return reply;
    };
    if let Value::Array(list) = &mut body {
        how(list, None);
    } else if let Value::Array(mut list) = body["threads"].take() {
        how(&mut list, Some(&mut body));
        body["threads"] = list.into();
    }
    Reply {
        status: reply.status,
        ..Reply::json(&body)
    }
}
