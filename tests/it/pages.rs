//! Pages of messages that are not what they should be: what they lack is not deleted, what they say
//! twice is not believed, and where they have no end, reading them has.

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

/// An empty guild whose clock is logical: ids are a millisecond apart, from so long ago on.
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

/// A guild with one channel of so many messages, all recent; the channel, and their ids.
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
async fn a_page_that_once_lacks_messages_deletes_none() {
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

/// Nothing is known yet: a page that is shorter than others is not the last for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_in_a_first_read_is_noticed() {
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
    // Nor is the first one of a channel, where others have longer ones.
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

/// A channel names its last message: a first page that lacks it is not whole, unless it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_message_that_is_not_listed_is_asked_for() {
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

/// The list never shows one that is there; those that were deleted beside it are, all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_beside_a_hidden_message_are_recorded() {
    for deleted in [3, 10] {
        let (mirror, channel, ids) = talk(90).await;
        let discord = &mirror.discord;
        mirror.sync().await.ok();
        discord.delete_bulk(channel, &ids[90 - deleted..]);
        // The first of those that the page lacks.
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

/// Neither a last message nor a listed one is of the future.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_future_is_covered() {
    let (mirror, channel, _) = talk(3).await;
    let discord = &mirror.discord;
    let top = || {
        let coverage = mirror.store().coverage_of(ChannelId(channel)).unwrap();
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

/// It is asked for again a day later, and as odd as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_field_is_missing_as_long_as_it_is_odd() {
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
        store.restore(&failures).unwrap();
    }
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
}

/// It fails for a while when it is asked for by itself: that is tried again at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_for_a_while_is_not_refused() {
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
async fn a_page_that_goes_on_lacking_messages_is_not_covered() {
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

/// Deleted for good: a few are asked for one by one, of many a few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_cost_a_handful_of_requests_a_page() {
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

/// Neither the list nor a request by id shows them, for a while: they come back, with who reacted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rest_took_for_deleted_comes_back_when_it_is_seen() {
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

/// At the border of a page, two messages of one millisecond are not listed by id; and more of one
/// millisecond than a page has are listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_millisecond_may_stand_in_any_order() {
    for (at_once, disorder) in [(2, true), (5, true), (130, false)] {
        let (mirror, channel, _) = talk(40).await;
        let discord = &mirror.discord;
        discord.disorder(disorder);
        let draft = |n: i32| Draft::new(discord.owner_id(), channel, n.to_string());
        discord.post_at_once((0..at_once).map(draft));
        // The last page's border lies between them.
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

/// Each page lists the last message of the one before again, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_overlap_by_one_message() {
    // The first end that is seen is asked for. Where messages may come before a short page, it is listed twice.
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

/// Without end, or older than the channel: it ends, and is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_without_end_are_given_up_and_named() {
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
    // Which guilds to mirror is not known then.
    let (mirror, _, _) = talk(1).await;
    let guilds = "GET /users/@me/guilds";
    mirror.discord.fail(guilds, usize::MAX, Fault::Endless(1));
    let ended = mirror.sync().await;
    assert_ne!(ended.code, Some(0), "{ended:#?}");
}

/// What refuses a page once, or all requests for a moment, is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stray_refusal_ends_nothing() {
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

/// A token that is good, though one route says otherwise all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_refused_only_if_it_is_nobodys() {
    let (mirror, channel, _) = talk(3).await;
    let discord = &mirror.discord;
    // Also where nothing tells whether it is good.
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

/// A message that cannot be read in a list is asked for by itself at once; as long as it cannot be
/// read at all, the mirror is not complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_message_is_asked_for_at_once() {
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

/// What permissions keep the bot out of is told by name, and makes nothing incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_permissions_hide_is_listed_and_not_missing() {
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

/// In no guild there is nothing to do: that is said, and how to change it. The bot itself waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_in_no_guild_says_how_to_invite_it_and_waits() {
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

/// The window in which old messages are read again.
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

/// On a message that is not read again, in a channel without threads, and archived at once: nothing
/// but the list of archived threads tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_on_an_old_message_is_found_by_the_next_sync() {
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

/// The gateway leaves a message out. Its channel's last message tells, and is fetched at once; nobody
/// is alarmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_gateway_left_out_is_fetched_at_once() {
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
    // Whatever makes the bot look at the guild's channels.
    discord.update_channel(channel, |discord| discord.name = "lounge".to_owned());
    settled(&mirror, &running).await;
    assert!(
        !running.stderr().contains("could not"),
        "{}",
        running.stderr()
    );
    stop(&mirror, running).await;
}
