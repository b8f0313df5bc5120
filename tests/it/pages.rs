//! Incorrect pages of messages: missing messages aren't deleted, repeated ones aren't trusted, and
//! endless lists end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use propsbot_model::{ChannelId, Evidence, Fact, MessageId, Millis, Observation, Settings, Stamp};
use serde_json::{Value, json};
use simulator::discord::{Draft, Fault, Options, Overwrite, Seed, World, bit, kind};

use crate::{
    live::{SOON, settled, start, stop},
    mirror::{Ended, Mirror},
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";
const MEMBERS: &str = "GET /guilds/{guild_id}/members";
const REACTORS: &str = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
const CHANNELS: &str = "GET /guilds/{guild_id}/channels";
const ARCHIVED: &str = "GET /channels/{channel_id}/threads/archived/public";

/// An empty guild with a logical clock: ids a millisecond apart, starting this long ago.
async fn guild(ago: Duration) -> Mirror {
    let until = SystemTime::now() - ago;
    let until = until.duration_since(UNIX_EPOCH).unwrap().as_millis();
    Mirror::new(Options {
        world: World::Empty,
        seed: Seed {
            until: Some(i64::try_from(until).unwrap()),
            ..Seed::default()
        },
        ..Options::default()
    })
    .await
}

/// A guild with one channel of recent messages; returns the channel and their ids.
async fn talk(messages: usize) -> (Mirror, u64, Vec<u64>) {
    let mirror = guild(Duration::from_secs(10)).await;
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "general", vec![]);
    let ids = (0..messages).map(|n| mirror.discord.post(ana, channel, &n.to_string()));
    let ids = ids.collect();
    (mirror, channel, ids)
}

#[track_caller]
fn totals(status: &Value) -> (u64, u64) {
    let count = |name| status["totals"][name].as_u64().unwrap();
    (count("messages"), count("deleted"))
}

/// The last line of `sync --json`.
#[track_caller]
fn last_line(ended: &Ended) -> Value {
    serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_short_page_deletes_nothing() {
    for gap in [10..13, 30..70] {
        let (mirror, channel, _) = talk(250).await;
        let discord = &mirror.discord;
        mirror.sync().await.ok();
        discord.post(discord.owner_id(), channel, "new");
        discord.fail(MESSAGES, 1, Fault::Without(gap));
        mirror.sync().await.ok();
        assert_eq!(totals(&mirror.status().await), (251, 0));
        mirror.check_store();
    }
}

/// Nothing is known yet: a short page isn't necessarily the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detects_gaps_in_the_first_read() {
    for (messages, page) in [(250, 0), (250, 1), (250, 2), (130, 0), (130, 1)] {
        for gap in [0..40, 20..60] {
            let (mirror, _, _) = talk(messages).await;
            let fault = Fault::Without(gap.clone());
            mirror.discord.fail_after(MESSAGES, page, 1, fault);
            mirror.sync().await.ok();
            let found = totals(&mirror.status().await);
            assert_eq!(found, (messages as u64, 0), "page {page} without {gap:?}");
            mirror.check_store();
        }
    }
    // Nor is a channel's first page, if other channels have longer ones.
    let (mirror, _, _) = talk(250).await;
    let discord = &mirror.discord;
    let other = discord.create_channel(kind::TEXT, "other", vec![]);
    for n in 0..250 {
        discord.post(discord.owner_id(), other, &n.to_string());
    }
    discord.fail_after(MESSAGES, 1, 1, Fault::Without(20..60));
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A channel names its last message: a first page without it is incomplete, unless it was deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_an_unlisted_last_message() {
    let (mirror, channel, _) = talk(30).await;
    let discord = &mirror.discord;
    discord.fail(MESSAGES, usize::MAX, Fault::Without(0..10));
    let ended = mirror.sync().await;
    ended.failed(3, &[&format!("channel {channel}")]);
    assert_eq!(totals(&mirror.status().await), (20, 0));
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();

    let (mirror, channel, ids) = talk(30).await;
    let discord = &mirror.discord;
    discord.delete(channel, ids[29]);
    for _ in 0..2 {
        mirror.sync().await.ok();
        mirror.check_store();
        assert_eq!(discord.count(MESSAGE), 1);
    }
}

/// The list omits an existing message; deleted ones next to it are still recognized.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_deletions_next_to_an_unlisted_message() {
    for deleted in [3, 10] {
        let (mirror, channel, ids) = talk(90).await;
        let discord = &mirror.discord;
        mirror.sync().await.ok();
        discord.delete_bulk(channel, &ids[90 - deleted..]);
        // The first of the missing ones.
        discord.fail(MESSAGES, usize::MAX, Fault::Without(0..1));
        let ended = mirror.sync().await;
        ended.failed(3, &[&format!("channel {channel}")]);
        let deleted = deleted as u64;
        assert_eq!(totals(&mirror.status().await), (90 - deleted, deleted));
        discord.heal();
        mirror.sync().await.ok();
        mirror.check_store();
    }
}

/// Neither a last message nor a listed one is in the future.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_covers_future_ids() {
    let (mirror, channel, _) = talk(3).await;
    let discord = &mirror.discord;
    let top = || {
        let coverage = mirror
            .store()
            .coverage_of(mirror.guild(), ChannelId(channel))
            .unwrap();
        coverage.map(|coverage| coverage.top()).unwrap_or_default()
    };
    let tomorrow = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        MessageId::at(Millis(i64::try_from(now.as_millis()).unwrap() + 86_400_000))
    };
    let late = format!("\"{}\"", i64::MAX);
    discord.mutate(CHANNELS, "/*/last_message_id", &late);
    mirror.sync().await.ok();
    assert!(top() < tomorrow());
    mirror.check_store();
    discord.mutate(MESSAGES, "/0/id", &late);
    let ended = mirror.sync().await;
    ended.failed(3, &[&format!("channel {channel}")]);
    assert!(top() < tomorrow());
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
}

/// It is requested again a day later, and still malformed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_fields_are_reported_until_fixed() {
    let mirror = guild(Duration::from_hours(30 * 24)).await;
    let discord = &mirror.discord;
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let id = discord.post(discord.owner_id(), channel, "hello");
    discord.mutate(MESSAGES, "/*/webhook_id", "\"odd\"");
    discord.mutate(MESSAGE, "/webhook_id", "\"odd\"");
    let object = format!("message {channel}/{id}");
    for _ in 0..2 {
        mirror.sync().await.failed(3, &[&object]);
        assert!(mirror.failures().await.contains_key(&object));
        let store = mirror.store();
        let mut failures = store.failures(mirror.guild()).unwrap();
        for failure in &mut failures {
            failure.at = Millis(failure.at.0 - 25 * 3_600_000);
        }
        store.restore(&failures, store.newest().unwrap()).unwrap();
    }
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
}

/// Individual requests for it fail for a while, and are retried at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_failures_are_not_refusals() {
    let (mirror, _, ids) = talk(2).await;
    let discord = &mirror.discord;
    let odd = |id: &u64| json!({"id": id.to_string(), "type": "unheard of"});
    let page = json!([odd(&ids[1]), odd(&ids[0])]);
    discord.fail(MESSAGES, 1, Fault::Answer(200, page.to_string()));
    discord.fail(MESSAGE, 6, Fault::Status(503));
    mirror.sync().await.ok();
    mirror.check_store();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persistently_short_pages_are_not_covered() {
    for gap in [10..13, 30..70] {
        let (mirror, channel, _) = talk(250).await;
        let discord = &mirror.discord;
        mirror.sync().await.ok();
        discord.post(discord.owner_id(), channel, "new");
        discord.fail(MESSAGES, usize::MAX, Fault::Without(gap));
        let object = format!("channel {channel}");
        let ended = mirror.sync().await;
        ended.failed(3, &["incomplete", &object]);
        assert_eq!(totals(&mirror.status().await), (251, 0));
        let failures = mirror.failures().await;
        assert_eq!(failures.keys().collect::<Vec<_>>(), [&object]);
        discord.heal();
        mirror.sync().await.ok();
        assert!(mirror.failures().await.is_empty());
        mirror.check_store();
    }
}

/// Permanent deletions: a few are confirmed individually; of many, a sample.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_cost_few_requests_per_page() {
    let (mirror, channel, ids) = talk(90).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    for (gone, pages) in [(&ids[3..6], 1), (&ids[10..50], 2)] {
        let before = (discord.count(MESSAGES), discord.count(MESSAGE));
        discord.delete_bulk(channel, gone);
        mirror.sync().await.ok();
        mirror.check_store();
        assert!(discord.count(MESSAGES) - before.0 <= pages + 1);
        assert!(discord.count(MESSAGE) - before.1 <= 5);
    }
    assert_eq!(totals(&mirror.status().await), (47, 43));
}

/// Neither list nor request shows them for a while; later they return, with their reactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_deleted_by_rest_return_when_seen() {
    let (mirror, channel, ids) = talk(90).await;
    let discord = &mirror.discord;
    discord.react(discord.owner_id(), channel, ids[88], "👍", false);
    mirror.sync().await.ok();
    let unknown = r#"{"message": "Unknown Message", "code": 10008}"#.to_owned();
    discord.fail(MESSAGE, usize::MAX, Fault::Answer(404, unknown));
    discord.fail(MESSAGES, usize::MAX, Fault::Without(0..3));
    mirror.sync().await.ok();
    assert_eq!(totals(&mirror.status().await), (87, 3));
    discord.heal();
    mirror.sync().await.ok();
    assert_eq!(totals(&mirror.status().await), (90, 0));
    mirror.check_store();
}

/// At a page border, two messages of one millisecond are listed out of order; and one millisecond
/// has more messages than a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepts_any_order_within_a_millisecond() {
    for (at_once, disorder) in [(2, true), (5, true), (130, false)] {
        let (mirror, channel, _) = talk(40).await;
        let discord = &mirror.discord;
        discord.disorder(disorder);
        let draft = |n: i32| Draft::new(discord.owner_id(), channel, n.to_string());
        discord.post_at_once((0..at_once).map(draft));
        // The last page's border is between them.
        for n in 0..99 {
            discord.post_draft(draft(n));
        }
        for _ in 0..2 {
            mirror.sync().await.ok();
            mirror.check_store();
            assert_eq!(totals(&mirror.status().await).1, 0);
        }
    }
}

/// Each page repeats exactly the last message of the previous one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consecutive_pages_overlap_by_one_message() {
    // The first end is confirmed. Where a short page may not be the last, it is requested twice.
    for (pause, messages, pages) in [
        (0, 99, 2),
        (0, 198, 2),
        (0, 199, 3),
        (0, 495, 5),
        (20, 198, 3),
        (20, 495, 6),
    ] {
        let mirror = guild(Duration::from_hours(300 * 24)).await;
        let discord = &mirror.discord;
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        for n in 0..pause {
            discord.join(&format!("member{n}"));
        }
        for n in 0..messages {
            discord.post(discord.owner_id(), channel, &n.to_string());
        }
        mirror.sync().await.ok();
        mirror.check_store();
        let asked = discord.count(MESSAGES);
        assert_eq!(asked, pages, "{messages} messages after {pause} ms");
    }
}

/// Endless, or older than the channel: it ends, and is reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_lists_are_abandoned_and_reported() {
    let millisecond = 1 << 22;
    let cases = [
        (MESSAGES, 1, "channel "),
        (MESSAGES, millisecond, "channel "),
        (MESSAGES, millisecond * 3_600_000, "channel "),
        (MEMBERS, 1, "members"),
        (REACTORS, 1, "reactions 👍 on message "),
        (ARCHIVED, 1, "archived threads of channel "),
        (
            ARCHIVED,
            millisecond * 3_600_000,
            "archived threads of channel ",
        ),
    ];
    let work = cases.map(|(route, step, object)| {
        tokio::spawn(async move {
            let (mirror, channel, ids) = talk(30).await;
            let owner = mirror.discord.owner_id();
            mirror.discord.react(owner, channel, ids[9], "👍", false);
            mirror.discord.fail(route, usize::MAX, Fault::Endless(step));
            let ended = mirror.sync().await;
            assert_eq!(ended.code, Some(3), "{route} {step}: {ended:#?}");
            let failures = mirror.failures().await;
            assert!(
                failures.keys().any(|key| key.starts_with(object)),
                "{route} {step}: {failures:?}"
            );
        })
    });
    for done in work {
        done.await.unwrap();
    }
    // Then it is unknown which guilds to mirror.
    let (mirror, _, _) = talk(1).await;
    let guilds = "GET /users/@me/guilds";
    mirror.discord.fail(guilds, usize::MAX, Fault::Endless(1));
    let ended = mirror.sync().await;
    assert_ne!(ended.code, Some(0), "{ended:#?}");
}

/// A single refusal of a page, or a brief one of all requests, isn't trusted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_refusal_ends_nothing() {
    let unknown = r#"{"message": "Unknown Channel", "code": 10003}"#.to_owned();
    let faults = [
        (MESSAGES, 1, 1, Fault::Status(403)),
        (MESSAGES, 1, 2, Fault::Status(403)),
        (MESSAGES, 2, 3, Fault::Answer(404, unknown)),
        (MESSAGES, 1, 1, Fault::Status(401)),
        (MEMBERS, 0, 1, Fault::Status(403)),
        (ARCHIVED, 0, 1, Fault::Status(404)),
        ("*", 4, 1, Fault::Status(401)),
    ];
    let work = faults.map(|(route, skip, times, fault)| {
        tokio::spawn(async move {
            let (mirror, _, _) = talk(250).await;
            let what = format!("{route}, {times} times: {fault:?}");
            mirror.discord.fail_after(route, skip, times, fault);
            let ended = mirror.sync().await;
            assert_eq!(ended.code, Some(0), "{what}: {ended:#?}");
            mirror.check_store();
        })
    });
    for done in work {
        done.await.unwrap();
    }
}

/// A valid token, although one route keeps rejecting it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_invalid_only_if_discord_knows_none() {
    let (mirror, channel, _) = talk(3).await;
    let discord = &mirror.discord;
    // Also if nothing shows whether it is valid.
    for (times, fault) in [
        (0, Fault::Reset),
        (usize::MAX, Fault::Status(503)),
        (usize::MAX, Fault::Reset),
    ] {
        discord.fail(MESSAGES, usize::MAX, Fault::Status(401));
        discord.fail_after("GET /users/@me", 1, times, fault.clone());
        let ended = mirror.sync().await;
        ended.failed(3, &[&format!("channel {channel}")]);
        assert!(!ended.stderr.contains("token"), "{fault:?}: {ended:#?}");
        discord.heal();
    }
    mirror.sync().await.ok();
    discord.fail("*", usize::MAX, Fault::Status(401));
    mirror.sync().await.failed(2, &["token"]);
}

/// An unreadable message in a list is requested individually; while it is unreadable, the mirror is
/// incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_unreadable_messages_individually() {
    let (mirror, channel, ids) = talk(1).await;
    let discord = &mirror.discord;
    let odd = json!({"id": ids[0].to_string(), "type": "unheard of"});
    let page = || Fault::Answer(200, json!([odd]).to_string());
    discord.fail(MESSAGES, usize::MAX, page());
    discord.fail(MESSAGE, usize::MAX, Fault::Answer(200, odd.to_string()));
    let ended = mirror.run(&["sync", "--json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let object = format!("message {channel}/{}", ids[0]);
    let last = last_line(&ended);
    assert_eq!(
        (&last["complete"], &last["missing"]),
        (&false.into(), &json!([object]))
    );
    assert!(mirror.failures().await.contains_key(&object));

    discord.heal();
    discord.fail(MESSAGES, usize::MAX, page());
    let ended = mirror.run(&["sync", "--json"]).await.ok();
    assert_eq!(last_line(&ended)["complete"], true);
    mirror.check_store();
}

/// Channels hidden by permissions are named, and don't make anything incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_channels_are_listed_but_not_missing() {
    let (mirror, channel, _) = talk(3).await;
    let discord = &mirror.discord;
    let hidden = Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    discord.update_channel(channel, |discord| discord.overwrites.push(hidden));
    let last = last_line(&mirror.run(&["sync", "--json"]).await.ok());
    assert_eq!(last["complete"], true);
    let named = json!([{"id": channel.to_string(), "name": "general"}]);
    assert_eq!(last["unreadable"], named);
    let said = mirror.sync().await.ok().stdout;
    assert!(said.contains("no permission to read #general"), "{said}");
}

/// A bot in no guild says so, and how to invite it. `propsbot run` waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_guild_shows_the_invite_and_waits() {
    let (mut mirror, _, _) = talk(30).await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    mirror.discord.kick_bot();
    let bot = mirror.discord.bot_id();
    let link = format!("oauth2/authorize?client_id={bot}&scope=bot+applications.commands");
    let guild = mirror.guild().to_string();
    for arguments in [&["sync"][..], &["sync", "--guild", &guild]] {
        mirror.run(arguments).await.failed(1, &["no guild", &link]);
    }
    let running = start(&mirror).await;
    let begun = std::time::Instant::now();
    while !running.stderr().contains(&link) {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mirror.discord.invite_bot();
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
}

/// Sets the window in which old messages are read again.
fn look_back(mirror: &Mirror, days: u16) {
    let store = mirror.store();
    let settings = Settings {
        look_back_days: days,
        ..store.settings(mirror.guild()).unwrap()
    };
    let chosen = Observation {
        at: Stamp(store.newest().unwrap().0 + 1),
        by: Evidence::Rest,
        fact: Fact::Settings(settings),
    };
    store.merge(&[vec![chosen]]).unwrap();
}

/// On a message that isn't read again, in a channel without threads, archived at once: only the
/// list of archived threads shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_sync_finds_threads_on_old_messages() {
    let (mirror, channel, ids) = talk(3).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    look_back(&mirror, 0);
    let thread = discord.create_thread_on(channel, ids[0], discord.owner_id(), "late");
    discord.post(discord.owner_id(), thread, "in it");
    discord.archive_thread(thread);
    mirror.sync().await.ok();
    mirror.check_store();
}

/// The gateway omits a message. The channel's last message id reveals it; it is fetched at once,
/// without a warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_messages_missing_from_the_gateway() {
    let (mut mirror, channel, _) = talk(3).await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    discord.drop_events(true);
    discord.post(discord.owner_id(), channel, "unheard");
    discord.drop_events(false);
    // Makes the bot look at the guild's channels.
    discord.update_channel(channel, |discord| discord.name = "lounge".to_owned());
    settled(&mirror, &running).await;
    assert!(
        !running.stderr().contains("could not"),
        "{}",
        running.stderr()
    );
    stop(&mirror, running).await;
}
