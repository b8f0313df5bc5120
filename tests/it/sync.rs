//! `propsbot sync`: whatever the world, its changes and faults, the store ends up equal to Discord.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use propsbot_model::{Evidence, Fact, Millis, Observation, Session, Settings};
use serde_json::json;
use simulator::discord::{
    Discord, Draft, Fault, Limits, Options, Overwrite, Rate, Request, Seed, bit, kind,
};

use crate::mirror::{Mirror, holds};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const ARCHIVED: &str = "GET /channels/{channel_id}/threads/archived/public";
const REACTORS: &str = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";

/// Asserts that no request was wrong or exceeded a limit.
#[track_caller]
fn well_behaved(discord: &Discord) {
    assert_eq!(discord.violations(), Vec::<String>::new());
    let limited = |request: &Request| request.status == 429;
    assert_eq!(
        discord
            .requests()
            .into_iter()
            .find(limited)
            .map(|found| found.path),
        None
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_and_exports_seeded_worlds() {
    for seed in 1..=4 {
        let mut mirror = Mirror::seeded(seed).await;
        if seed % 2 == 0 {
            mirror.manage_threads();
        }
        mirror.sync().await.ok();
        mirror.check_store();
        mirror.export().await;
        mirror.check_archive().await;
        well_behaved(&mirror.discord);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_keeps_rate_limits() {
    let quick = |requests, ms| Some(Rate::new(requests, Duration::from_millis(ms)));
    let mirror = Mirror::new(Options {
        seed: Seed {
            messages: 250,
            ..Seed::default()
        },
        // Discord's limits, ten times as fast; the global one is the bot's own.
        limits: Limits {
            global: quick(50, 1000),
            messages: quick(5, 500),
            reactions: quick(1, 25),
            members: quick(10, 1000),
            threads: quick(5, 500),
            other: quick(10, 1000),
            ..Limits::discord()
        },
        ..Options::default()
    })
    .await;
    mirror.sync().await.ok();
    mirror.check_store();
    well_behaved(&mirror.discord);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unchanged_guilds_cost_few_requests() {
    let mirror = Mirror::seeded(5).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let manifest = || std::fs::read(mirror.manifest_path()).unwrap();
    let before = manifest();
    assert!(mirror.discord.count(REACTORS) > 0);

    let asked = mirror.discord.requests().len();
    mirror.sync().await.ok();
    let again = mirror.discord.requests().split_off(asked);
    let count = |routes: &[&str]| {
        let name = |request: &&Request| {
            routes.contains(&&*format!("{} {}", request.method, request.route))
        };
        again.iter().filter(name).count()
    };
    assert_eq!(count(&[REACTORS]), 0);
    // Only the last week is read again: a page or two per channel, and the last archived threads.
    let channels = mirror.discord.truth().channels.len();
    assert!(count(&[MESSAGES]) <= 2 * channels);
    let look_back = count(&[MESSAGES, ARCHIVED]);
    assert!(again.len() <= 6 + look_back, "{again:#?}");
    let said = mirror.export().await.stdout;
    assert!(said.contains("nothing changed"), "{said}");
    assert_eq!(manifest(), before);
    mirror.check_store();
}

/// After an outage of a month, syncs are killed before they complete the look-back. Changes in that
/// week are found anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_backs_stay_pending_until_done() {
    let month_ago = SystemTime::now() - Duration::from_hours(30 * 24);
    let month_ago = month_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let month_ago = i64::try_from(month_ago).unwrap();
    let mirror = Mirror::new(Options {
        seed: Seed {
            messages: 300,
            days: 6,
            until: Some(month_ago),
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    mirror.check_store();
    // As if it had been then.
    let store = mirror.store();
    let then = Session {
        unheard: Some(Millis(month_ago).into()),
        ..store.session(mirror.guild()).unwrap()
    };
    store.restore(&[then], store.newest().unwrap()).unwrap();
    drop(store);

    for message in discord.truth().messages {
        discord.edit(message.channel, message.id, "edited a month later");
    }
    discord.fail("*", usize::MAX, Fault::Delay(Duration::from_millis(5)));
    for more in [2, 6, 9, 12] {
        let asked = discord.counters().requests + more;
        let running = mirror.start(&["sync"]);
        let reached = |discord: &Discord| discord.counters().requests >= asked;
        assert!(discord.wait(Duration::from_secs(30), reached).await);
        running.kill().await;
    }
    discord.heal();
    // Writing to the store doesn't mean that Discord was reachable.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let chosen = Observation {
        at: Millis(i64::try_from(now.as_millis()).unwrap()).into(),
        by: Evidence::Gateway,
        fact: Fact::Settings(Settings::default_for(mirror.guild())),
    };
    mirror.store().merge(&[vec![chosen]]).unwrap();
    mirror.sync().await.ok();
    mirror.check_store();
    let again = discord.count(MESSAGES);
    // Once is enough.
    mirror.sync().await.ok();
    assert_eq!(discord.count(MESSAGES), again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_changes_made_while_away() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let [ana, ben, cho] = ["ana", "ben", "cho"].map(|name| discord.join(name));
    let general = discord.create_channel(kind::TEXT, "general", vec![]);
    let doomed = discord.create_channel(kind::TEXT, "doomed", vec![]);
    let forum = discord.create_channel(kind::FORUM, "forum", vec![]);
    let role = discord.create_role("makers", 0);
    let gone_role = discord.create_role("breakers", 0);
    let ids: Vec<u64> = (0..250)
        .map(|n| {
            discord.post(
                if n % 2 == 0 { ana } else { ben },
                general,
                &format!("no. {n}"),
            )
        })
        .collect();
    discord.post(ana, doomed, "soon gone");
    let custom = discord.create_emoji("hearth", false);
    let custom = format!("hearth:{custom}");
    for (user, emoji, burst) in [
        (ben, "👍", false),
        (cho, "👍", false),
        (cho, "👍", true),
        (ana, "#️⃣", false),
        (ben, &custom, false),
    ] {
        assert!(discord.react(user, general, ids[7], emoji, burst));
        assert!(discord.react(user, general, ids[8], emoji, burst));
    }
    let old_thread = discord.create_thread(general, ana, "old");
    discord.post(cho, old_thread, "in the old thread");
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;

    discord.edit(general, ids[0], "edited");
    discord.update_message(general, ids[5], |discord| discord.kind = 99);
    discord.delete(general, ids[1]);
    discord.delete_bulk(general, &ids[100..140]);
    assert!(discord.unreact(cho, general, ids[7], "👍", false));
    assert!(discord.unreact(cho, general, ids[7], "👍", true));
    assert!(discord.clear_reactions(general, ids[8]));
    assert!(discord.react(ana, general, ids[9], "🙏", true));
    discord.post_many((0..150).map(|n| Draft::new(cho, general, format!("new {n} <@{ana}>"))));
    discord.reply(ben, general, ids[3], "indeed");
    discord.post_as_webhook("releases", general, "1.0");
    discord.archive_thread(old_thread);
    let on = discord.create_thread_on(general, ids[20], ben, "on a message");
    discord.post(ben, on, "first");
    discord.create_post(forum, cho, "a question", "how?");
    discord.delete_channel(doomed);
    discord.update_channel(general, |discord| discord.name = "lounge".to_owned());
    discord.leave(ben);
    discord.join("dan");
    discord.rename(ana, "ana.b", Some("Ana"));
    discord.update_member(cho, |discord| discord.roles = vec![role]);
    discord.update_role(role, |discord| discord.name = "mentors".to_owned());
    discord.delete_role(gone_role);
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
    well_behaved(discord);

    // Deleted objects are known to have existed.
    let archive = mirror.archived().await;
    let left = archive
        .members
        .iter()
        .find(|member| member.user_id.0 == ben)
        .unwrap();
    assert!(!left.member && left.left_at.is_some());
    let tombstones = archive
        .messages
        .iter()
        .filter(|message| message.deleted_at.is_some());
    let tombstones: Vec<u64> = tombstones.map(|tombstone| tombstone.id.0).collect();
    let mut deleted = vec![ids[1]];
    deleted.extend(&ids[100..140]);
    assert_eq!(tombstones, deleted);
    assert!(
        archive
            .channels
            .iter()
            .any(|channel| channel.id.0 == doomed && channel.deleted_at.is_some())
    );
}

fn deny(discord: &Discord, bits: u64) -> Overwrite {
    Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: 0,
        deny: bits,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_permissions_delete_nothing() {
    for bits in [bit::VIEW_CHANNEL, bit::READ_MESSAGE_HISTORY] {
        let mirror = Mirror::empty().await;
        let discord = &mirror.discord;
        let ana = discord.join("ana");
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        let other = discord.create_channel(kind::TEXT, "other", vec![]);
        let ids: Vec<u64> = (0..30)
            .map(|n| discord.post(ana, channel, &n.to_string()))
            .collect();
        discord.react(ana, channel, ids[3], "👍", false);
        mirror.sync().await.ok();
        let denied = deny(discord, bits);
        discord.update_channel(channel, |discord| discord.overwrites.push(denied));
        discord.post(ana, other, "goes on");
        mirror.sync().await.ok();
        mirror.check_store();
        let status = mirror.status().await;
        let of = |id: u64| {
            let all = status["channels"].as_array().unwrap();
            let is = |value: &&serde_json::Value| value["id"].as_str() == Some(&id.to_string());
            all.iter().find(is).unwrap().clone()
        };
        assert_eq!(of(channel)["coverage"]["state"], "unreadable");
        assert_eq!(of(channel)["messages"], 30);
        assert_eq!(
            (
                of(channel)["deleted"].clone(),
                of(channel)["reactions"].clone()
            ),
            (0.into(), 1.into())
        );
        assert_eq!(of(other)["messages"], 1);

        discord.post(ana, channel, "unheard");
        discord.update_channel(channel, |discord| discord.overwrites.clear());
        mirror.sync().await.ok();
        mirror.check_store();
    }
}

/// Discord responds with an empty list if the permission was lost after it was checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_lost_between_requests_delete_nothing() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    for n in 0..250 {
        discord.post(ana, channel, &n.to_string());
    }
    mirror.sync().await.ok();
    // The lists are delayed; meanwhile the permission is revoked.
    discord.fail(MESSAGES, 100, Fault::Delay(Duration::from_millis(700)));
    let before = discord.count("GET /guilds/{guild_id}/threads/active");
    let running = mirror.start(&["sync"]);
    let described =
        |discord: &Discord| discord.count("GET /guilds/{guild_id}/threads/active") > before;
    assert!(discord.wait(Duration::from_secs(20), described).await);
    let denied = deny(discord, bit::READ_MESSAGE_HISTORY);
    discord.update_channel(channel, |discord| discord.overwrites.push(denied));
    running.wait().await;
    discord.heal();
    assert_eq!(mirror.status().await["totals"]["messages"], 250);
    assert_eq!(mirror.status().await["totals"]["deleted"], 0);
    discord.update_channel(channel, |discord| discord.overwrites.clear());
    mirror.sync().await.ok();
    mirror.check_store();
}

/// The permission is missing for the list, but back for the check. Or a response has only the first
/// of its messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_short_response_deletes_nothing() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let ids: Vec<u64> = (0..250)
        .map(|n| discord.post(ana, channel, &n.to_string()))
        .collect();
    mirror.sync().await.ok();
    let newest = |n: usize| {
        let message = |id: &u64| {
            json!({
                "id": id.to_string(), "channel_id": channel.to_string(), "type": 0,
                "author": {"id": ana.to_string(), "username": "ana"}, "content": "",
                "timestamp": "2026-11-23T21:00:00+00:00", "edited_timestamp": null, "mentions": [],
            })
        };
        let newest: Vec<_> = ids.iter().rev().take(n).map(message).collect();
        json!(newest).to_string()
    };
    for (page, len) in [("newest", 0), ("newest", 40), ("next", 0), ("next", 30)] {
        if page == "next" {
            discord.fail(MESSAGES, 1, Fault::Answer(200, newest(100)));
        }
        let list = if len == 30 {
            // Those before the newest hundred.
            let all: Vec<serde_json::Value> = serde_json::from_str(&newest(130)).unwrap();
            json!(all[100..]).to_string()
        } else {
            newest(len)
        };
        discord.fail(MESSAGES, 1, Fault::Answer(200, list));
        mirror.sync().await.ok();
        let totals = &mirror.status().await["totals"];
        assert_eq!(totals["deleted"], 0, "{len} of the {page}");
        assert_eq!(totals["messages"], 250, "{len} of the {page}");
    }
}

/// A channel deleted before it was read doesn't make the mirror incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_deleted_during_a_sync_are_not_missing() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let [kept, doomed] =
        ["kept", "doomed"].map(|name| discord.create_channel(kind::TEXT, name, vec![]));
    for channel in [kept, doomed] {
        discord.post(ana, channel, "hello");
    }
    discord.fail(MESSAGES, 100, Fault::Delay(Duration::from_millis(700)));
    let running = mirror.start(&["sync"]);
    let described = |discord: &Discord| discord.count("GET /guilds/{guild_id}/threads/active") > 0;
    assert!(discord.wait(Duration::from_secs(20), described).await);
    discord.delete_channel(doomed);
    let said = running.wait().await.ok().stdout;
    assert!(!said.contains("incomplete"), "{said}");
    mirror.check_store();
}

/// Ids that differ by one are equal as floats, but not as text or integers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distinguishes_ids_above_2_to_the_53() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let drafts = (0..20).map(|n| Draft::new(ana, channel, n.to_string()));
    let ids = discord.post_many(drafts);
    #[expect(
        clippy::cast_precision_loss,
        clippy::float_cmp,
        reason = "the loss is the point"
    )]
    let same = ids.windows(2).any(|two| two[0] as f64 == two[1] as f64);
    assert!(same, "{ids:?}");
    mirror.sync().await.ok();
    mirror.check_store();
    let to = &mirror.status().await["channels"][0]["coverage"]["to"];
    assert_eq!(to, &ids[19].to_string());
    mirror.export().await;
    mirror.check_archive().await;
    let guild = discord.guild_id().to_string();
    let manifest = std::fs::read_to_string(mirror.archive_path().join("manifest.json")).unwrap();
    assert!(manifest.contains(&format!("\"{guild}\"")), "{manifest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_guilds_are_complete_at_once() {
    let mirror = Mirror::empty().await;
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
    let status = mirror.status().await;
    assert!(
        status["synced"]
            .as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_i64)
    );
    mirror
        .run(&["graph", "--from", "dir:archive", "--out", "graph"])
        .await
        .ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_only_the_requested_guild() {
    let mirror = Mirror::empty().await;
    let known = mirror.guild().to_string();
    let ended = mirror.run(&["sync", "--guild", "123"]).await;
    ended.failed(1, &["123", "--guild", &known, "oauth2/authorize"]);
    mirror.run(&["sync", "--guild", &known]).await.ok();
    mirror.check_store();
}

/// Channels that `@everyone` can't read any more are withdrawn by the next export, to the last
/// byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdraws_channels_that_become_private() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let staff = discord.create_channel(kind::TEXT, "cellar", vec![]);
    let thread = discord.create_thread(staff, ana, "stairway");
    discord.post(ana, staff, "whispered");
    discord.post(ana, thread, "muttered");
    let open = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, open, "shouted");
    let archived = |words: &str| holds(&mirror.archive_path(), words.as_bytes());
    mirror.sync().await.ok();
    mirror.export().await;
    let private = ["whispered", "muttered", "cellar", "stairway"];
    assert!(private.iter().all(|private| archived(private)));

    let hidden = Overwrite {
        id: discord.guild_id(),
        member: false,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    let seen = Overwrite {
        allow: bit::VIEW_CHANNEL,
        ..deny(discord, 0)
    };
    discord.update_channel(staff, |discord| discord.overwrites = vec![hidden, seen]);
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
    let left: Vec<&&str> = private.iter().filter(|private| archived(private)).collect();
    assert_eq!(left, [&""; 0]);
    assert!(archived("shouted"));
}
