//! Texts that Discord keeps from the bot.

use super::*;

/// A guild in which the bot may not see texts.
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

/// Without the Message Content intent texts are missing, which is said; with it, they are fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_texts_are_named_and_fetched_once_they_are_to_be_had() {
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
    // What lacks its text is not called complete in the archive.
    mirror.export().await;
    // As long as it is off, nothing is read again for it.
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
    // Done once, it is done.
    let asked = mirror.discord.count(MESSAGES);
    mirror.sync().await.ok();
    assert!(mirror.discord.count(MESSAGES) - asked <= look_back);
}

/// A text that is known stays, whether the intent was switched off or Discord is at fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_never_wiped() {
    let mirror = Mirror::empty().await;
    let channel = talk(&mirror);
    mirror.sync().await.ok();
    mirror.check_store();
    let discord = &mirror.discord;
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(texts_missing(&mirror.status().await), 0);
    // What is new has no text yet, nor has any other message that is asked for by itself.
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

    // Neither of a message that has more than its text.
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

/// Whatever else a message has, and whoever wrote it: a text that is known stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kind_of_message_loses_its_text() {
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
    // An edit takes the text away, all the same.
    let last = discord.truth().messages.last().unwrap().id;
    discord.edit(channel, last, "");
    mirror.sync().await.ok();
    mirror.check_store();

    // What others answer is kept from the bot as well, its own answers are not.
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
