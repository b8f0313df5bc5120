//! Messages without a text: those that have none, and those whose text Discord keeps from us.

use serde_json::Value;
use simulator::discord::{Draft, Options, Seed, World, flag, intent, kind, snowflake::wall_clock};

use crate::mirror::Mirror;

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";

fn texts_missing(status: &Value) -> u64 {
    status["totals"]["texts_missing"].as_u64().unwrap()
}

/// A guild in which the bot gets texts, or not; and a channel where one person talks.
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

/// Posts what somebody, a webhook and a command said; then nothing of it is left but what `content` is.
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

/// Messages whose embeds were taken away, and that had nothing else, have no text that could be missing.
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
    // That is found out once.
    let asked = discord.count(MESSAGE);
    mirror.sync().await.ok();
    mirror.run(&["sync", "--recheck"]).await.ok();
    assert_eq!(discord.count(MESSAGE), asked);
    assert_eq!(texts_missing(&mirror.status().await), 0);
}

/// Where no message shows a text, none is taken for empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_taken_for_empty_while_discord_gives_no_texts() {
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

    // Nothing is known that has a text: all that there is has none.
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

/// A list that keeps a text back, which the message itself shows, costs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_only_a_list_keeps_back_is_asked_for() {
    let (mirror, channel, ana) = talk(true).await;
    mirror.sync().await.ok();
    mirror.discord.post(ana, channel, "look");
    mirror.discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.check_store();
}

/// Without the intent, the text of a message whose embeds were taken away is missing as any other is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_without_embeds_are_fetched_once_they_are_to_be_had() {
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
