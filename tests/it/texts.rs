//! Messages without text: those that have none, and those whose text Discord withholds.

use serde_json::Value;
use simulator::discord::{Draft, Options, Seed, World, flag, intent, kind, snowflake::wall_clock};

use crate::mirror::Mirror;

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";

fn texts_missing(status: &Value) -> u64 {
    status["totals"]["texts_missing"].as_u64().unwrap()
}

/// A guild with or without message texts, and a channel where one person talks.
async fn talk(gives_texts: bool) -> (Mirror, u64, u64) {
    let kept = if gives_texts {
        0
    } else {
        intent::MESSAGE_CONTENT
    };
    let mirror = Mirror::new(Options {
        world: World::Empty,
        // A logical clock: no two messages share a millisecond.
        seed: Seed {
            until: Some(wall_clock() - 10_000),
            ..Seed::default()
        },
        privileged_intents: intent::PRIVILEGED & !kept,
        ..Options::default()
    })
    .await;
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "general", vec![]);
    mirror.discord.post(ana, channel, "hello");
    (mirror, channel, ana)
}

/// Posts by a person, a webhook and a command that lose everything but `content`.
fn without_embeds(mirror: &Mirror, channel: u64, author: u64, content: &str) {
    let discord = &mirror.discord;
    let answers = [20, 23].map(|kind| Draft {
        kind,
        ..Draft::new(author, channel, content)
    });
    let mut posted = discord.post_many(answers);
    posted.push(discord.post_as_webhook("news", channel, content));
    posted.push(discord.post(author, channel, content));
    for message in posted {
        discord.update_message(channel, message, |message| {
            message.flags |= flag::SUPPRESS_EMBEDS;
        });
    }
}

/// Messages that had only embeds, which were removed, have no text to miss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_messages_are_complete() {
    let (mirror, channel, ana) = talk(true).await;
    let discord = &mirror.discord;
    without_embeds(&mirror, channel, ana, "");
    mirror.sync().await.ok();
    mirror.check_store();
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 0, "{status}");
    assert!(status["synced"]["messages"].is_i64(), "{status}");
    // It is established once.
    let asked = discord.count(MESSAGE);
    mirror.sync().await.ok();
    mirror.run(&["sync", "--recheck"]).await.ok();
    assert_eq!(discord.count(MESSAGE), asked);
    assert_eq!(texts_missing(&mirror.status().await), 0);
}

/// While no message shows a text, none counts as empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_counts_as_empty_without_the_intent() {
    let (mirror, channel, ana) = talk(true).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    discord.mutate(MESSAGE, "/content", "\"\"");
    for text in ["look", "here", ""] {
        discord.post(ana, channel, text);
    }
    for _ in 0..2 {
        mirror.sync().await.failed(3, &["texts of channel"]);
        assert_eq!(texts_missing(&mirror.status().await), 3);
    }
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(texts_missing(&mirror.status().await), 0);

    // No known message has a text: all are empty.
    let (mirror, channel, ana) = talk(true).await;
    let discord = &mirror.discord;
    discord.post_many((0..20).map(|n| Draft::new(ana, channel, n.to_string())));
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    discord.mutate(MESSAGE, "/content", "\"\"");
    mirror.sync().await.failed(3, &["texts of channel"]);
    assert_eq!(texts_missing(&mirror.status().await), 21);
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A text that the list withholds but the message shows loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_texts_that_only_lists_withhold() {
    let (mirror, channel, ana) = talk(true).await;
    mirror.sync().await.ok();
    mirror.discord.post(ana, channel, "look");
    mirror.discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.check_store();
}

/// Without the intent, texts of messages with removed embeds are missing, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_texts_without_embeds_once_available() {
    let (mirror, channel, ana) = talk(false).await;
    without_embeds(&mirror, channel, ana, "https://example.org");
    for _ in 0..2 {
        mirror.sync().await.failed(3, &["Message Content intent"]);
        assert_eq!(texts_missing(&mirror.status().await), 5);
    }
    mirror.discord.privilege(intent::PRIVILEGED);
    mirror.sync().await.ok();
    mirror.check_store();
}
