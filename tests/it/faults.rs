//! Faults during `propsbot sync` affect only their object, are recorded, and are made up for later.

use std::time::{Duration, Instant};

use serde_json::json;
use simulator::discord::{Fault, Options, Seed, World, kind, snowflake::wall_clock};

use crate::{
    live::{SOON, start},
    mirror::{Mirror, Running},
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const REACTORS: &str = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
const MEMBERS: &str = "GET /guilds/{guild_id}/members";
const ACTIVE: &str = "GET /guilds/{guild_id}/threads/active";
const ARCHIVED: &str = "GET /channels/{channel_id}/threads/archived/public";

/// A fault, where it occurs, and how the first sync ends.
struct Case {
    route: &'static str,
    skip: usize,
    times: usize,
    fault: Fault,
    /// `None` if it passes; otherwise the exit code and an object that `status --json` names.
    recorded: Option<(i32, &'static str)>,
}

fn faults() -> Vec<Case> {
    let case = |route, skip, times, fault, recorded| Case {
        route,
        skip,
        times,
        fault,
        recorded,
    };
    let limited = |global, shared| Fault::RateLimited {
        retry_after: 0.1,
        global,
        shared,
    };
    let gone = r#"{"message": "Unknown Emoji", "code": 10014}"#.to_owned();
    vec![
        case(MESSAGES, 0, 1, Fault::Status(500), None),
        case(MESSAGES, 3, 3, Fault::Status(503), None),
        case(REACTORS, 5, 3, Fault::Status(500), None),
        case("GET /guilds/{guild_id}", 0, 2, Fault::Status(502), None),
        case("*", 4, 3, limited(false, false), None),
        case("*", 9, 2, limited(true, false), None),
        case(REACTORS, 2, 4, limited(false, true), None),
        case("*", 6, 5, Fault::Delay(Duration::from_millis(300)), None),
        case(MESSAGES, 1, 3, Fault::Reset, None),
        case(REACTORS, 1, 3, Fault::Lost, None),
        case(MEMBERS, 0, 2, Fault::Malformed, None),
        case(MESSAGES, 2, 2, Fault::Malformed, None),
        case(
            REACTORS,
            3,
            1,
            Fault::Answer(404, gone),
            Some((3, "reactions")),
        ),
        // One 403 isn't enough.
        case(MESSAGES, 2, 1, Fault::Status(403), None),
        case(MEMBERS, 0, 1, Fault::Status(403), None),
        case(MEMBERS, 0, 2, Fault::Status(403), Some((3, "members"))),
        case(ACTIVE, 0, 1, Fault::Status(403), None),
        case(ACTIVE, 0, 2, Fault::Status(403), Some((3, "threads"))),
        case(ARCHIVED, 0, 1, Fault::Status(403), None),
    ]
}

/// Only the failing object is lost; it is named, and the next sync completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_affect_only_their_object() {
    let work = faults().into_iter().map(|case| tokio::spawn(fault(case)));
    // All at once: most of the time they wait for a retry.
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

async fn fault(case: Case) {
    let Case {
        route,
        skip,
        times,
        fault,
        recorded,
    } = case;
    let what = format!("{route} after {skip}, {times} times: {fault:?}");
    let mirror = Mirror::new(Options {
        seed: Seed {
            messages: 150,
            members: 20,
            days: 5,
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    mirror.discord.fail_after(route, skip, times, fault);
    let first = mirror.sync().await;
    mirror.discord.heal();
    let failures = mirror.failures().await;
    match recorded {
        None => {
            assert_eq!(
                (first.code, failures.len()),
                (Some(0), 0),
                "{what}: {first:#?}"
            );
            mirror.check_store();
        }
        Some((code, object)) => {
            assert_eq!(first.code, Some(code), "{what}: {first:#?}");
            assert_eq!(failures.len(), 1, "{what}: {failures:?}");
            let (named, reason) = failures.first_key_value().unwrap();
            assert!(
                named.contains(object) && !reason.is_empty(),
                "{what}: {failures:?}"
            );
            // Everything that doesn't depend on the failing object is there.
            let truth = mirror.discord.truth().messages.len() as u64;
            let status = mirror.status().await;
            let kept = status["totals"]["messages"].as_u64().unwrap();
            assert!(kept * 2 > truth, "{what}: {kept} of {truth} messages");
        }
    }
    mirror.sync().await.ok();
    mirror.check_store();
    let failures = mirror.failures().await;
    assert!(failures.is_empty(), "{what}: {failures:?}");
}

/// Persistent failures are recorded, and fetched by the next sync.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persistent_failures_are_named_and_retried() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let ids = ["one", "two"].map(|text| discord.post(ana, channel, text));
    discord.react(ana, channel, ids[0], "👍", false);
    discord.react(ana, channel, ids[1], "#️⃣", true);
    // The newest come first: in each of three rounds, all six attempts fail.
    discord.fail(REACTORS, 6, Fault::Status(500));
    discord.fail_after(REACTORS, 1, 12, Fault::Status(500));
    let ended = mirror.sync().await;
    ended.failed(
        3,
        &[
            "not everything could be fetched",
            "incomplete",
            "propsbot status",
        ],
    );
    discord.heal();
    let failures = mirror.failures().await;
    let (named, reason) = failures.first_key_value().unwrap();
    let object = format!("burst reactions #️⃣ on message {channel}/{}", ids[1]);
    assert_eq!((failures.len(), named), (1, &object));
    assert!(reason.contains("500"), "{reason}");
    let status = mirror.status().await;
    assert_eq!(status["totals"]["messages"], 2);
    assert_eq!(status["totals"]["reactions"], 1);
    assert_eq!(status["pending_lists"], 1);
    mirror.sync().await.ok();
    mirror.check_store();
    assert!(mirror.failures().await.is_empty());
    assert_eq!(mirror.status().await["pending_lists"], 0);
}

/// Permanent refusals are named and not waited for; the rest is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_do_not_delay_the_rest() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("RUST_LOG".to_owned(), "propsbot=info".to_owned()));
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    discord.fail(MESSAGES, usize::MAX, Fault::Status(403));
    let running = start(&mirror).await;
    let begun = Instant::now();
    while !running
        .stderr()
        .contains("all readable history is complete")
    {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop_at_once(running).await;
    let status = mirror.status().await;
    // It doesn't claim to have them.
    assert!(status["synced"]["messages"].is_null(), "{status}");
    let failures = mirror.failures().await;
    let named: Vec<&String> = failures.keys().collect();
    assert_eq!(named, [&format!("channel {channel}")]);
    // An explicit request reports that it is missing.
    mirror.sync().await.failed(3, &["incomplete"]);
}

async fn stop_at_once(running: Running) {
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
}

/// A refused reactor list is retried once, then left alone until something about it changes. A
/// deleted one is no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_lists_are_not_fetched_in_every_run() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let doomed = discord.create_channel(kind::TEXT, "doomed", vec![]);
    let ids = ["more", "cleared", "deleted"].map(|text| discord.post(ana, channel, text));
    for id in ids {
        discord.react(ana, channel, id, "👍", false);
    }
    let in_doomed = discord.post(ana, doomed, "soon gone");
    discord.react(ana, doomed, in_doomed, "👍", false);
    let unknown = r#"{"message": "Unknown Emoji", "code": 10014}"#.to_owned();
    discord.fail(REACTORS, usize::MAX, Fault::Answer(404, unknown));
    for _ in 0..2 {
        mirror.sync().await.failed(3, &["incomplete"]);
    }
    assert_eq!(mirror.failures().await.len(), 4);
    assert_eq!(mirror.status().await["pending_lists"], 0);
    let asked = discord.count(REACTORS);
    mirror
        .sync()
        .await
        .failed(3, &["incomplete", "reactions 👍"]);
    assert_eq!(discord.count(REACTORS), asked);

    discord.heal();
    discord.react(ben, channel, ids[0], "👍", false);
    discord.clear_reactions(channel, ids[1]);
    discord.delete(channel, ids[2]);
    discord.delete_channel(doomed);
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(discord.count(REACTORS), asked + 1);
    let failures = mirror.failures().await;
    assert!(failures.is_empty(), "{failures:?}");
}

/// If a request fails until it is abandoned, it is retried before the sync ends: channels, reactor
/// lists, and their prerequisites. Nothing is fetched twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_failures_are_fetched_in_the_same_sync() {
    let routes = [
        MESSAGES,
        REACTORS,
        MEMBERS,
        "GET /guilds/{guild_id}",
        "GET /channels/{channel_id}/threads/archived/public",
    ];
    let work = routes.map(|route| {
        tokio::spawn(async move {
            let mirror = Mirror::empty().await;
            let discord = &mirror.discord;
            let ana = discord.join("ana");
            let channel = discord.create_channel(kind::TEXT, "general", vec![]);
            let message = discord.post(ana, channel, "one");
            discord.react(ana, channel, message, "👍", false);
            let thread = discord.create_thread(channel, ana, "a thread");
            discord.post(ana, thread, "two");
            discord.archive_thread(thread);
            discord.fail(route, 12, Fault::Status(503));
            let ended = mirror.sync().await;
            assert_eq!(ended.code, Some(0), "{route}: {ended:#?}");
            assert!(!ended.stdout.contains("incomplete"), "{route}: {ended:#?}");
            assert!(mirror.failures().await.is_empty(), "{route}");
            mirror.check_store();
            // Two pages each: the second overlaps with the end of the first.
            let pages = if route == MESSAGES { 4 + 12 } else { 4 };
            assert_eq!(discord.count(MESSAGES), pages, "{route}");
        })
    });
    for done in work {
        done.await.unwrap();
    }
}

/// A malformed message affects only itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_affect_only_themselves() {
    // A logical clock: no two messages share a millisecond.
    let mirror = Mirror::new(Options {
        world: World::Empty,
        seed: Seed {
            until: Some(wall_clock() - 10_000),
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let [first, odd] = ["one", "two"].map(|text| discord.post(ana, channel, text));
    let page = json!([
        {"id": odd.to_string(), "type": "unheard of"},
        {
            "id": first.to_string(), "channel_id": channel.to_string(), "type": 0,
            "author": {"id": ana.to_string(), "username": "ana"}, "content": "one",
            "timestamp": "2026-11-23T21:00:00+00:00", "edited_timestamp": null, "mentions": [],
        },
    ]);
    discord.fail(MESSAGES, 1, Fault::Answer(200, page.to_string()));
    // Requested individually, it is malformed, too.
    let alone = Fault::Answer(200, page[0].to_string());
    discord.fail("GET /channels/{channel_id}/messages/{message_id}", 1, alone);
    mirror.sync().await.failed(3, &["incomplete"]);
    let failures = mirror.failures().await;
    let named: Vec<&String> = failures.keys().collect();
    assert_eq!(named, [&format!("message {channel}/{odd}")]);
    assert_eq!(mirror.status().await["totals"]["messages"], 1);
    mirror.sync().await.ok();
    mirror.check_store();
    assert!(mirror.failures().await.is_empty());
}

/// `status --check`, for cron: silent while the mirror is complete and current, otherwise 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_check_tells_what_is_missing_or_old() {
    let mirror = Mirror::seeded(9).await;
    let guild = mirror.guild();
    mirror.discord.fail(MEMBERS, 2, Fault::Status(403));
    mirror.sync().await.failed(3, &["incomplete"]);
    let missing = format!("({guild}): 1 object that could not be fetched");
    let checked = mirror.run(&["status", "--check"]).await;
    checked.failed(
        3,
        &["the mirror is incomplete or out of date:\n  ", &missing],
    );
    mirror.sync().await.ok();
    let checked = mirror.run(&["status", "--check"]).await.ok();
    assert_eq!((&*checked.stdout, &*checked.stderr), ("", ""));
    let old = format!("({guild}): it was last up to date ");
    let checked = mirror.run(&["status", "--check", "--max-age", "1ms"]).await;
    checked.failed(3, &[&old, " ago, which is more than 1ms"]);
}
