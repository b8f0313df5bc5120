//! Commands and responses.

use serde_json::{Value, json};

use super::client::{Socket, ask, get, id};
use super::empty;
use crate::discord::{Discord, intent, kind, message_type};

/// A Discord with `/props` and `/settings set`, a client on its gateway, and a channel.
async fn ready() -> (Discord, Socket, u64) {
    let discord = Discord::start(empty()).await.expect("starts");
    let text = |name: &str| json!({"type": 3, "name": name, "description": name, "choices": [], "min_value": null});
    let set = json!({"type": 1, "name": "set", "description": "set", "options": [
        {"type": 4, "name": "quota", "description": "quota"}, {"type": 6, "name": "who", "description": "who"}]});
    let commands = json!([
        {"name": "props", "description": "thanks", "options": [text("to"), text("for")]},
        {"name": "settings", "description": "settings", "options": [set]},
        {"name": "Thank", "type": 3},
    ]);
    let path = format!("/applications/{}/commands", discord.bot_id());
    let registered = ask(&discord, "PUT", &path, commands).await;
    assert_eq!(
        (registered.status, registered.body.as_array().map(Vec::len)),
        (200, Some(3))
    );
    assert_eq!(
        discord.commands()[0]["options"][0],
        json!({"type": 3, "name": "to", "description": "to"})
    );
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let mut socket = Socket::identified(&discord, intent::ALL, false).await;
    socket.event("GUILD_CREATE").await;
    (discord, socket, channel)
}

async fn call_back(discord: &Discord, event: &Value, body: Value) -> u16 {
    let (id, token) = (
        event["id"].as_str().expect("id"),
        event["token"].as_str().expect("token"),
    );
    ask(
        discord,
        "POST",
        &format!("/interactions/{id}/{token}/callback"),
        body,
    )
    .await
    .status
}

#[tokio::test]
async fn responses_become_messages_of_the_bot() {
    let (discord, mut socket, channel) = ready().await;
    let (owner, to) = (discord.owner_id(), discord.join("Amara"));
    let asked = discord.slash(
        owner,
        channel,
        "props",
        json!({"to": format!("<@{to}>"), "for": "soup"}),
    );
    let event = socket.event("INTERACTION_CREATE").await["d"].clone();
    assert_eq!(
        event["data"]["options"][1],
        json!({"name": "to", "type": 3, "value": format!("<@{to}>")})
    );
    assert_eq!(id(&event["member"]["user"]["id"]), owner);
    let content = format!("<@{owner}> thanks <@{to}>");
    let body = json!({"type": 4, "data": {"content": content, "allowed_mentions": {"users": [to.to_string()]}}});
    assert_eq!(call_back(&discord, &event, body.clone()).await, 204);
    assert_eq!(call_back(&discord, &event, body).await, 400, "only once");
    let answer = discord.answer(asked).await.expect("an answer");
    assert_eq!((answer.kind, answer.ephemeral), (4, false));
    let shown = socket.event("MESSAGE_CREATE").await["d"].clone();
    assert_eq!(
        (shown["type"].as_u64(), Some(id(&shown["id"]))),
        (Some(20), answer.message_id)
    );
    assert_eq!(
        shown["mentions"].as_array().map(Vec::len),
        Some(1),
        "only whom allowed_mentions let through"
    );
    assert_eq!(id(&shown["interaction_metadata"]["user"]["id"]), owner);
    assert_eq!(shown["interaction"]["name"], "props");
    let truth = discord.truth();
    assert_eq!(
        (truth.messages[0].kind, truth.messages[0].invoker),
        (message_type::CHAT_INPUT_COMMAND, Some(owner))
    );
}

#[tokio::test]
async fn deferred_ephemeral_responses_are_in_no_channel() {
    let (discord, mut socket, channel) = ready().await;
    let who = discord.join("Amara");
    let asked = discord.slash(
        discord.owner_id(),
        channel,
        "settings set",
        json!({"quota": 5, "who": who.to_string()}),
    );
    let event = socket.event("INTERACTION_CREATE").await["d"].clone();
    let set = &event["data"]["options"][0];
    assert_eq!(
        (
            &set["type"],
            &set["options"][0]["type"],
            &set["options"][1]["type"]
        ),
        (&json!(1), &json!(4), &json!(6))
    );
    assert_eq!(
        event["data"]["resolved"]["users"][who.to_string()]["username"],
        "amara"
    );
    assert_eq!(
        call_back(&discord, &event, json!({"type": 5, "data": {"flags": 64}})).await,
        204
    );
    assert!(
        discord
            .answer_so_far(asked)
            .is_some_and(|answer| answer.content.is_empty())
    );
    let hook = format!(
        "/webhooks/{}/{}",
        discord.bot_id(),
        event["token"].as_str().expect("token")
    );
    let first = ask(&discord, "POST", &hook, json!({"content": "done"}))
        .await
        .body;
    let answer = discord.answer(asked).await.expect("an answer");
    assert_eq!(
        (answer.content.as_str(), answer.ephemeral, answer.message_id),
        ("done", true, Some(id(&first["id"])))
    );
    let second = ask(&discord, "POST", &hook, json!({"content": "and public"}))
        .await
        .body;
    ask(
        &discord,
        "PATCH",
        &format!("{hook}/messages/@original"),
        json!({"content": "mended"}),
    )
    .await;
    assert_eq!(
        get(&discord, &format!("{hook}/messages/@original"))
            .await
            .body["content"],
        "mended"
    );
    assert_eq!(
        ask(
            &discord,
            "DELETE",
            &format!("{hook}/messages/@original"),
            Value::Null
        )
        .await
        .status,
        204
    );
    let answer = discord.answer(asked).await.expect("an answer");
    assert_eq!(
        (
            answer.content.as_str(),
            answer.deleted,
            answer.followups.len()
        ),
        ("mended", true, 1)
    );
    assert_eq!(
        discord
            .truth()
            .messages
            .iter()
            .map(|m| m.id)
            .collect::<Vec<_>>(),
        [id(&second["id"])]
    );
    assert_eq!(discord.violations(), [""; 0]);
}

#[tokio::test]
async fn context_menus_buttons_modals_and_autocompletion() {
    let (discord, mut socket, channel) = ready().await;
    let owner = discord.owner_id();
    let message = discord.post(owner, channel, "hello");
    discord.message_command(owner, channel, "Thank", message);
    let event = socket.event("INTERACTION_CREATE").await["d"].clone();
    assert_eq!(
        event["data"]["resolved"]["messages"][message.to_string()]["content"],
        "hello"
    );
    let row = json!([{"type": 1, "components": [{"type": 2, "style": 1, "label": "ok", "custom_id": "ok"}]}]);
    let shown = json!({"type": 4, "data": {"content": "sure?", "components": row}});
    assert_eq!(call_back(&discord, &event, shown).await, 204);
    let asked = id(&socket.event("MESSAGE_CREATE").await["d"]["id"]);
    discord.click(owner, channel, asked, "ok", &[]);
    let event = socket.event("INTERACTION_CREATE").await["d"].clone();
    assert_eq!(
        (event["type"].as_u64(), id(&event["message"]["id"])),
        (Some(3), asked)
    );
    assert_eq!(
        call_back(
            &discord,
            &event,
            json!({"type": 7, "data": {"content": "done", "components": []}})
        )
        .await,
        204
    );
    assert_eq!(
        discord
            .message(channel, asked)
            .expect("it is there")
            .content,
        "done"
    );
    discord.submit(owner, channel, "why", &[("reason", "kindness")]);
    assert_eq!(socket.event("INTERACTION_CREATE").await["d"]["type"], 5);
    let typing = discord.autocomplete(owner, channel, "props", json!({"to": "am"}), "to");
    let event = socket.event("INTERACTION_CREATE").await["d"].clone();
    assert_eq!(
        (&event["type"], &event["data"]["options"][0]["focused"]),
        (&json!(4), &json!(true))
    );
    assert_eq!(
        call_back(
            &discord,
            &event,
            json!({"type": 8, "data": {"choices": []}})
        )
        .await,
        204
    );
    assert_eq!(
        discord.answer(typing).await.map(|answer| answer.kind),
        Some(8)
    );
}
