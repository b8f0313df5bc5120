//! Texts that Discord withholds.

use super::*;

/// A guild where the bot can't see message texts.
async fn without_texts() -> Mirror {
    Mirror::new(Options {
        world: World::Empty,
        privileged_intents: intent::PRIVILEGED & !intent::MESSAGE_CONTENT,
        ..Options::default()
    })
    .await
}

fn talk(mirror: &Mirror) -> u64 {
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    for n in 0..250 {
        discord.post(ana, channel, &format!("no. {n} <@{ben}>"));
    }
    channel
}

fn texts_missing(status: &Value) -> u64 {
    status["totals"]["texts_missing"].as_u64().unwrap()
}

/// Without the Message Content intent texts are missing and reported; with it, they are fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_missing_texts_and_fetches_them_later() {
    let mirror = without_texts().await;
    let channel = talk(&mirror);
    let remedy = ["Message Content intent is switched off", "developer portal"];
    let ended = mirror.sync().await;
    for words in remedy {
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 250, "{status}");
    assert!(status["synced"]["messages"].is_null(), "{status}");
    let failures = mirror.failures().await;
    let reason = &failures[&format!("texts of channel {channel}")];
    assert!(
        remedy.iter().all(|words| reason.contains(words)),
        "{reason}"
    );
    // Messages without their text aren't complete in the archive.
    mirror.export().await;
    // While the intent is off, nothing is read again.
    let asked = mirror.discord.count(MESSAGES);
    mirror.sync().await;
    let look_back = mirror.discord.count(MESSAGES) - asked;

    mirror.discord.privilege(intent::PRIVILEGED);
    mirror.sync().await.ok();
    mirror.check_store();
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 0, "{status}");
    assert!(status["synced"]["messages"].is_i64(), "{status}");
    assert_eq!(mirror.failures().await, [].into());
    // Once is enough.
    let asked = mirror.discord.count(MESSAGES);
    mirror.sync().await.ok();
    assert!(mirror.discord.count(MESSAGES) - asked <= look_back);
}

/// Known texts stay if the intent is switched off or Discord fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_texts_are_never_erased() {
    let mirror = Mirror::empty().await;
    let channel = talk(&mirror);
    mirror.sync().await.ok();
    mirror.check_store();
    let discord = &mirror.discord;
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(texts_missing(&mirror.status().await), 0);
    // New messages have no text yet, nor does any message requested individually.
    discord.mutate(MESSAGE, "/content", "\"\"");
    let ana = discord.people()[1];
    discord.post(ana, channel, "unseen");
    mirror.sync().await;
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 1, "{status}");
    let failures = mirror.failures().await;
    let reason = &failures[&format!("texts of channel {channel}")];
    assert!(
        reason.contains("although the Message Content intent is on"),
        "{reason}"
    );
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.failures().await, [].into());

    // The same for a message with more than text.
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    discord.mutate(MESSAGES, "/*/attachments", r#"[{"id": "1"}]"#);
    mirror.sync().await.ok();
    mirror.check_store();
    discord.heal();

    discord.privilege(intent::PRIVILEGED & !intent::MESSAGE_CONTENT);
    mirror.sync().await.ok();
    discord.privilege(intent::PRIVILEGED);
    mirror.check_store();
    assert_eq!(texts_missing(&mirror.status().await), 0);
}

/// Known texts of all kinds of messages stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_kinds_of_messages_keep_their_text() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let with = |field: &str| {
        let one = vec![serde_json::json!({"id": "1", "name": "x", "format_type": 1})];
        let mut extras = Extras::default();
        match field {
            "attachments" => extras.attachments = one,
            "embeds" => extras.embeds = one,
            _ => extras.stickers = one,
        }
        Some(extras)
    };
    for (author, kind, extras) in [
        (ana, 0, None),
        (ana, 0, with("attachments")),
        (ana, 0, with("embeds")),
        (ana, 0, with("stickers")),
        (ana, 7, None),
        (discord.bot_id(), 0, None),
        (discord.bot_id(), 20, None),
        (ana, 20, None),
        (ana, 23, with("embeds")),
    ] {
        let id = discord.post_draft(Draft {
            kind,
            extras,
            ..Draft::new(author, channel, format!("look at this <@{ben}>"))
        });
        discord.react(ben, channel, id, "👍", false);
    }
    mirror.sync().await.ok();
    mirror.check_store();
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.run(&["sync", "--recheck"]).await.ok();
    mirror.check_store();
    discord.heal();
    // But an edit removes the text.
    let last = discord.truth().messages.last().unwrap().id;
    discord.edit(channel, last, "");
    mirror.sync().await.ok();
    mirror.check_store();

    // Other bots' responses are withheld, too; its own aren't.
    let mirror = without_texts().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    for author in [ana, discord.bot_id()] {
        discord.post_draft(Draft {
            kind: 20,
            ..Draft::new(author, channel, "an answer")
        });
    }
    assert_ne!(mirror.sync().await.code, Some(0));
    assert_eq!(texts_missing(&mirror.status().await), 1);
    discord.privilege(intent::PRIVILEGED);
    mirror.sync().await.ok();
    mirror.check_store();
}
