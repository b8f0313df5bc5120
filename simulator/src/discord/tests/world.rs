//! The seeded world, its activity, and its truth.

use super::client::{get, id};
use super::seeded;
use crate::discord::{Action, Discord, Options, Seed, Truth, message_type};

async fn truth_after(options: Options, steps: usize) -> Truth {
    let discord = Discord::start(options).await.expect("starts");
    discord.step(steps);
    let truth = discord.truth();
    discord.stop().await;
    truth
}

#[tokio::test]
async fn equal_seeds_give_equal_worlds() {
    let (one, two) = (
        truth_after(seeded(), 500).await,
        truth_after(seeded(), 500).await,
    );
    assert!(one == two);
    let other = Options {
        seed: Seed {
            seed: 8,
            ..seeded().seed
        },
        ..seeded()
    };
    assert!(one != truth_after(other, 500).await);
}

#[tokio::test]
async fn the_world_contains_difficult_cases() {
    let discord = Discord::start(seeded()).await.expect("starts");
    let truth = discord.truth();
    assert_eq!(
        truth
            .channels
            .iter()
            .filter(|c| !(10..=12).contains(&c.kind))
            .count(),
        12
    );
    let seen = |kind: u8| truth.messages.iter().any(|message| message.kind == kind);
    for kind in [
        message_type::DEFAULT,
        message_type::REPLY,
        message_type::CHAT_INPUT_COMMAND,
        message_type::THREAD_STARTER_MESSAGE,
    ] {
        assert!(seen(kind), "type {kind}");
    }
    let member = |id: u64| truth.members.iter().any(|member| member.id == id);
    assert!(
        truth
            .messages
            .iter()
            .any(|m| m.webhook.is_none() && !member(m.author)),
        "some authors left"
    );
    assert!(truth.messages.iter().any(|m| m.webhook.is_some()));
    assert!(truth.messages.iter().any(|m| m.edited.is_some()));
    let reactions: Vec<_> = truth.messages.iter().flat_map(|m| &m.reactions).collect();
    assert!(reactions.iter().any(|r| r.burst));
    assert!(
        reactions
            .iter()
            .any(|r| r.emoji_id.is_some() && r.emoji_name.is_none()),
        "a deleted custom emoji"
    );
    assert!(
        reactions
            .iter()
            .any(|r| r.emoji_name.as_deref() == Some("#️⃣"))
    );
    let props = discord.channel("props").expect("every world has it");
    let thanks = truth
        .messages
        .iter()
        .filter(|m| m.channel == props && !m.mentions.is_empty());
    assert!(thanks.filter(|m| !m.reactions.is_empty()).count() > 50);
    let threads = |archived| {
        truth
            .channels
            .iter()
            .filter(|c| c.kind == 11 && c.archived == archived)
            .count()
    };
    assert!(threads(true) > 0 && threads(false) > 0);
    for hidden in ["council", "time-capsule"] {
        assert!(
            truth
                .channels
                .iter()
                .any(|c| c.name == hidden && !c.readable),
            "{hidden}"
        );
    }
    assert!(
        truth
            .channels
            .iter()
            .any(|c| c.name == "stewards" && c.readable && !c.public)
    );
    assert!(truth.messages.iter().all(|m| m.id.to_string().len() == 19));
}

#[tokio::test]
async fn truth_equals_rest_in_a_busy_world() {
    let discord = Discord::start(seeded()).await.expect("starts");
    let happened = discord.step(2000);
    assert!(
        happened
            .iter()
            .any(|action| matches!(action, Action::Delete { .. }))
    );
    assert!(
        happened
            .iter()
            .any(|action| matches!(action, Action::Thread { .. }))
    );
    let truth = discord.truth();
    for channel in truth.channels.iter().filter(|channel| channel.readable) {
        let mut shown = Vec::new();
        loop {
            let before = shown
                .last()
                .map_or(u64::MAX, |message: &serde_json::Value| id(&message["id"]));
            let page = get(
                &discord,
                &format!(
                    "/channels/{}/messages?limit=100&before={before}",
                    channel.id
                ),
            )
            .await
            .body;
            let page = page.as_array().expect("a list").clone();
            if page.is_empty() {
                break;
            }
            shown.extend(page);
        }
        let expected: Vec<_> = truth
            .messages
            .iter()
            .filter(|m| m.channel == channel.id)
            .rev()
            .collect();
        assert_eq!(shown.len(), expected.len(), "{}", channel.name);
        for (shown, expected) in shown.iter().zip(expected) {
            assert_eq!(
                (id(&shown["id"]), shown["content"].as_str()),
                (expected.id, Some(expected.content.as_str()))
            );
            let count: u64 = shown["reactions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|r| r["count"].as_u64())
                .sum();
            assert_eq!(
                count,
                expected
                    .reactions
                    .iter()
                    .map(|r| r.users.len() as u64)
                    .sum::<u64>()
            );
        }
    }
    assert_eq!(discord.violations(), [""; 0]);
}

#[tokio::test]
async fn traffic_is_recorded_as_json_lines() {
    let path = std::env::temp_dir().join(format!("simulator-record-{}.jsonl", std::process::id()));
    let discord = Discord::start(Options {
        record: Some(path.clone()),
        ..seeded()
    })
    .await
    .expect("starts");
    get(&discord, "/users/@me").await;
    let mut socket = super::client::Socket::identified(&discord, 1, true).await;
    socket.event("GUILD_CREATE").await;
    let token = discord.token();
    discord.stop().await;
    let text = std::fs::read_to_string(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it was there");
    assert!(!text.contains(&token), "a record holds no token");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (&lines[0]["type"], &lines[0]["route"]),
        (&"rest".into(), &"/users/@me".into())
    );
    assert_eq!(lines[0]["response"]["username"], "propsbot");
    let directions: Vec<_> = lines[1..]
        .iter()
        .map(|line| line["direction"].as_str().expect("gateway"))
        .collect();
    assert_eq!(
        directions[..4],
        ["to_client", "from_client", "to_client", "to_client"]
    );
}
