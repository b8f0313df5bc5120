//! `sync --recheck`: re-reads all history, to find unheard changes older than the look-back.
//! Without it, nothing claims to know such changes.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use propsbot_model::{ChannelId, MessageId};
use serde_json::Value;
use simulator::discord::{Fault, Options, Seed, TruthMessage, World, kind};

use crate::mirror::Mirror;

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const REACTORS: &str = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
const DAY_MS: i64 = 86_400_000;

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A community that has been silent for a month.
async fn silent(messages: usize) -> Mirror {
    let mut mirror = Mirror::new(Options {
        seed: Seed {
            seed: 51,
            messages,
            days: 300,
            until: Some(now() - 30 * DAY_MS),
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    mirror.manage_threads();
    mirror
}

/// Messages in channels that the bot can read.
fn messages(mirror: &Mirror) -> Vec<TruthMessage> {
    let truth = mirror.discord.truth();
    let readable = |id: u64| {
        truth
            .channels
            .iter()
            .any(|channel| channel.id == id && channel.readable)
    };
    let messages = truth.messages.iter();
    messages
        .filter(|message| readable(message.channel))
        .cloned()
        .collect()
}

/// One member removes a reaction and another adds the same: counts don't change. Returns the
/// message.
fn swap(mirror: &Mirror) -> u64 {
    let all = messages(mirror);
    let people = mirror.discord.people();
    let found = all.iter().find_map(|message| {
        let of = message.reactions.iter().find(|reaction| !reaction.burst)?;
        let emoji = of.emoji_name.clone().filter(|_| of.emoji_id.is_none())?;
        let other = people.iter().find(|id| !of.users.contains(id))?;
        Some((message, emoji, of.users[0], *other))
    });
    let (message, emoji, one, other) = found.unwrap();
    let (channel, id) = (message.channel, message.id);
    assert!(mirror.discord.unreact(one, channel, id, &emoji, false));
    assert!(mirror.discord.react(other, channel, id, &emoji, false));
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recheck_finds_changes_older_than_the_look_back() {
    let mirror = silent(600).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    mirror.check_store();
    let first = mirror.status().await;
    assert_eq!(first["history"]["reread"], Value::Null);
    let known = |status: &Value| status["history"]["known_until"].as_i64().unwrap();
    let changed = now();

    let swapped = swap(&mirror);
    let mut plain = messages(&mirror);
    plain.retain(|plain| {
        plain.reactions.is_empty() && plain.webhook.is_none() && plain.id != swapped
    });
    let [edited, deleted, ..] = &*plain else {
        panic!("{plain:?}")
    };
    assert!(discord.edit(edited.channel, edited.id, "said otherwise"));
    assert!(discord.delete(deleted.channel, deleted.id));
    let none = vec![0; 4];
    let drift = |status: &Value| -> Vec<u64> {
        let of = |name| status["scrub"]["drift"][name].as_u64().unwrap();
        ["edited", "deleted", "found", "reactions"].map(of).into()
    };

    // A plain sync doesn't find them, and doesn't claim to.
    mirror.sync().await.ok();
    let plain = mirror.status().await;
    assert_eq!(drift(&plain), none);
    assert!(known(&plain) < changed, "{:#}", plain["history"]);
    for class in ["messages", "reactions"] {
        assert!(
            plain["synced"][class].as_i64().unwrap() < changed,
            "{class}"
        );
    }
    assert!(plain["synced"]["channels"].as_i64().unwrap() > changed);
    let text = mirror.run(&["status"]).await.ok().stdout;
    assert!(text.contains("propsbot sync --recheck"), "{text}");
    mirror.export().await;
    let history = |mirror: &Mirror| {
        let manifest = std::fs::read(mirror.manifest_path()).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        manifest["history"].clone()
    };
    assert_eq!(history(&mirror)["known_until"], known(&plain));

    let lists = discord.count(REACTORS);
    let said = mirror.run(&["sync", "--recheck"]).await.ok().stdout;
    assert!(
        said.contains("1 edit, 1 deletion, 0 messages, 1 reaction"),
        "{said}"
    );
    mirror.check_store();
    assert!(discord.count(REACTORS) > lists, "every list is asked for");
    let status = mirror.status().await;
    assert_eq!(drift(&status), [1, 1, 0, 1]);
    assert!(known(&status) > changed);
    assert!(status["history"]["reread"].as_i64().unwrap() > changed);
    for class in ["messages", "reactions"] {
        assert!(
            status["synced"][class].as_i64().unwrap() > changed,
            "{class}"
        );
    }
    mirror.export().await;
    mirror.check_archive().await;
    assert_eq!(history(&mirror)["known_until"], known(&status));
    assert_eq!(history(&mirror)["reread_at"], status["history"]["reread"]);

    // It is complete: the next sync has nothing left to do.
    let lists = discord.count(REACTORS);
    mirror.sync().await.ok();
    assert_eq!(discord.count(REACTORS), lists);
    assert_eq!(discord.violations(), [""; 0]);
    assert_eq!(
        known(&mirror.status().await),
        known(&status),
        "as of the recheck"
    );

    // A store rebuilt from the archive knows it, too.
    std::fs::remove_dir_all(mirror.store_path()).unwrap();
    mirror.run(&["restore", "--from", "dir:archive"]).await.ok();
    let restored = mirror.status().await;
    assert_eq!(restored["history"]["reread"], status["history"]["reread"]);
    assert!(known(&restored) <= known(&status));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_rechecks_resume() {
    let mirror = silent(3000).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    let swapped = swap(&mirror);
    for message in messages(&mirror)
        .iter()
        .filter(|message| message.id != swapped)
    {
        discord.edit(message.channel, message.id, "said otherwise");
    }
    discord.fail("*", usize::MAX, Fault::Delay(Duration::from_millis(5)));
    // The newest message of each channel that is still to be read, as stored.
    let left = || -> BTreeMap<u64, u64> {
        let store = mirror.store();
        let all = store.coverage(mirror.guild()).unwrap().into_iter();
        let left = all.filter_map(|(id, known)| Some((id.0, known.reread?.left.0)));
        left.collect()
    };
    let mut partly = 0;
    for more in [40, 90, 150] {
        let before = left();
        let asked = discord.requests().len();
        let running = mirror.start(&["sync", "--recheck"]);
        let reached =
            |server: &simulator::discord::Discord| server.requests().len() >= asked + more;
        assert!(discord.wait(Duration::from_mins(1), reached).await);
        running.kill().await;
        for request in discord.requests().split_off(asked) {
            let mut parts = request
                .path
                .split(['/', '?', '&', '='])
                .skip_while(|part| *part != "channels");
            let channel = parts.nth(1).and_then(|id| id.parse::<u64>().ok());
            let page = request.path.split_once("before=");
            if let (Some((_, page)), Some(left)) = (page, channel.and_then(|id| before.get(&id)))
                && request.route == "/channels/{channel_id}/messages"
            {
                let page: String = page.chars().take_while(char::is_ascii_digit).collect();
                let page: u64 = page.parse().unwrap();
                // Pages overlap by a millisecond.
                let next_ms = ((left >> 22) + 1) << 22;
                assert!(page <= next_ms, "read twice: {}", request.path);
            }
        }
        partly += left().values().filter(|left| **left > 0).count();
    }
    assert!(partly > 0, "no kill met a channel that was partly read");
    discord.heal();
    mirror.run(&["sync", "--recheck"]).await.ok();
    mirror.check_store();
    assert!(left().values().all(|left| *left == 0));
    assert!(mirror.status().await["history"]["reread"].is_i64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_channels_leave_a_recheck_unfinished() {
    let mirror = silent(300).await;
    mirror.sync().await.ok();
    swap(&mirror);
    let messages = "GET /channels/{channel_id}/messages";
    mirror
        .discord
        .fail_after(messages, 3, usize::MAX, Fault::Status(500));
    let ended = mirror.run(&["sync", "--recheck"]).await;
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(mirror.status().await["history"]["reread"], Value::Null);
    mirror.discord.heal();
    mirror.run(&["sync", "--recheck"]).await.ok();
    mirror.check_store();
    assert!(mirror.status().await["history"]["reread"].is_i64());
}

/// A guild that has been silent for a month; returns its channels, which have these many messages.
async fn channels(sizes: &[usize]) -> (Mirror, Vec<u64>) {
    let mirror = Mirror::new(Options {
        world: World::Empty,
        seed: Seed {
            until: Some(now() - 30 * DAY_MS),
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channels = sizes.iter().map(|size| {
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        for n in 0..*size {
            discord.post(ana, channel, &n.to_string());
        }
        channel
    });
    let channels = channels.collect();
    (mirror, channels)
}

/// Each recheck reads everything available, although one channel stays refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_channels_do_not_end_later_rechecks() {
    let (mirror, channels) = channels(&[3, 3]).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    discord.refuse(channels[1]);
    let open = messages(&mirror);
    let open: Vec<_> = open
        .iter()
        .filter(|open| open.channel == channels[0])
        .collect();
    for (n, message) in open.iter().enumerate() {
        discord.edit(message.channel, message.id, &format!("said otherwise {n}"));
        let ended = mirror.run(&["sync", "--recheck"]).await;
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        let drift = mirror.status().await["scrub"]["drift"]["edited"].clone();
        assert_eq!(drift, n + 1);
    }
    assert_eq!(mirror.status().await["history"]["reread"], Value::Null);
    discord.heal();
    mirror.run(&["sync", "--recheck"]).await.ok();
    mirror.check_store();
    assert!(mirror.status().await["history"]["reread"].is_i64());
}

/// If a recheck gets only part of a list, that range isn't covered until it is listed completely.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rechecks_revoke_contradicted_coverage() {
    let (mirror, channels) = channels(&[250]).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    let covers = |n: usize| {
        let id = MessageId(messages(&mirror)[n].id);
        let coverage = mirror
            .store()
            .coverage_of(mirror.guild(), ChannelId(channels[0]))
            .unwrap();
        coverage.is_some_and(|coverage| coverage.covers(id))
    };
    assert!(covers(200));
    discord.fail_after(MESSAGES, 0, usize::MAX, Fault::Without(30..70));
    for arguments in [&["sync", "--recheck"][..], &["sync"], &["sync"]] {
        let ended = mirror.run(arguments).await;
        assert_eq!(ended.code, Some(3), "{arguments:?}: {ended:#?}");
        assert!(!covers(200), "{arguments:?}");
    }
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    assert!(covers(200));
}
