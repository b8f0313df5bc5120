//! Threads and forums: created, archived, unarchived and deleted while the bot is offline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{future::join_all, join};
use simulator::discord::{Fault, Options, Overwrite, Seed, World, bit, kind};

use crate::mirror::Mirror;

const ARCHIVED: &str = "GET /channels/{channel_id}/threads/archived/public";
const ACTIVE: &str = "GET /guilds/{guild_id}/threads/active";
const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";

/// Between two syncs, threads change in every way. Some are only visible in a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_thread_changes_made_while_away() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let [general, quiet] =
        ["general", "quiet"].map(|name| discord.create_channel(kind::TEXT, name, vec![]));
    let forum = discord.create_channel(kind::FORUM, "forum", vec![]);
    let media = discord.create_channel(kind::MEDIA, "media", vec![]);
    let said = |channel| (0..3).map(move |n| discord.post(ana, channel, &n.to_string()));
    let in_general: Vec<u64> = said(general).collect();
    let in_quiet: Vec<u64> = said(quiet).collect();
    let [archived, doomed, busy] =
        ["archived", "doomed", "busy"].map(|name| discord.create_thread(general, ana, name));
    for thread in [archived, doomed, busy] {
        discord.post(ana, thread, "first");
    }
    discord.archive_thread(archived);
    discord.create_post(forum, ana, "question", "how?");
    mirror.sync().await.ok();
    mirror.check_store();

    // In a channel without threads: on an old message and on the last one, both archived at once.
    let on_old = discord.create_thread_on(quiet, in_quiet[0], ana, "on an old message");
    discord.post(ana, on_old, "here");
    discord.archive_thread(on_old);
    let newest = discord.post(ana, quiet, "newest");
    let on_new = discord.create_thread_on(quiet, newest, ana, "on the newest");
    discord.post(ana, on_new, "there");
    discord.archive_thread(on_new);
    // Unarchived, used, archived again; or left active.
    discord.unarchive(archived);
    discord.post(ana, archived, "again");
    discord.archive_thread(archived);
    let back = discord.create_thread_on(general, in_general[1], ana, "back");
    discord.archive_thread(back);
    discord.unarchive(back);
    discord.delete_channel(doomed);
    discord.archive_thread(busy);
    let answer = discord.create_post(forum, ana, "answer", "so!");
    discord.archive_thread(answer);
    discord.create_post(media, ana, "picture", "look");
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(discord.violations(), Vec::<String>::new());

    // Everything is known now: no thread is requested individually.
    let before = discord.count("GET /channels/{channel_id}");
    mirror.sync().await.ok();
    assert_eq!(discord.count("GET /channels/{channel_id}"), before);
    mirror.check_store();
}

/// Thread lists without their fields, or without `has_more`, are incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_thread_lists_without_required_fields() {
    let lists = [("", "{}"), ("/threads", "null"), ("/has_more", "null")];
    // All at once: most of the time they wait for a retry.
    join_all(lists.map(async |(pointer, value)| {
        let mirror = Mirror::empty().await;
        let discord = &mirror.discord;
        let ana = discord.join("ana");
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        let thread = discord.create_thread(channel, ana, "archived");
        discord.post(ana, thread, "here");
        discord.archive_thread(thread);
        discord.mutate(ARCHIVED, pointer, value);
        let ended = mirror.sync().await;
        assert_eq!(ended.code, Some(3), "{pointer}: {ended:#?}");
        let failures = mirror.failures().await;
        let is_named = failures.keys().any(|object| object.contains("threads"));
        assert!(is_named, "{pointer}: {failures:?}");
        discord.heal();
        mirror.sync().await.ok();
        mirror.check_store();
        assert_eq!(mirror.failures().await, [].into(), "{pointer}");
    }))
    .await;
}

/// A response about another channel says nothing about the thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_responses_about_another_channel() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let message = discord.post(ana, channel, "hello");
    mirror.sync().await.ok();
    let thread = discord.create_thread_on(channel, message, ana, "on it");
    discord.post(ana, thread, "here");
    discord.archive_thread(thread);
    discord.mutate(ARCHIVED, "/threads", "[]");
    let id = format!("\"{channel}\"");
    discord.mutate("GET /channels/{channel_id}", "/id", &id);
    let ended = mirror.sync().await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    discord.heal();
    mirror.sync().await;
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A hidden channel shows none of its threads; once visible, all of them count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_threads_of_a_formerly_hidden_channel() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    mirror.sync().await.ok();
    let hidden = Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    discord.update_channel(channel, |discord| discord.overwrites.push(hidden));
    mirror.sync().await.ok();
    let thread = discord.create_thread(channel, ana, "unseen");
    discord.post(ana, thread, "unheard");
    discord.archive_thread(thread);
    discord.update_channel(channel, |discord| discord.overwrites.clear());
    mirror.sync().await.ok();
    mirror.check_store();
}

/// Threads that permissions explain aren't requested; temporary failures are retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_threads_only_where_permitted() {
    const CHANNEL: &str = "GET /channels/{channel_id}";
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let [general, quiet] =
        ["general", "quiet"].map(|name| discord.create_channel(kind::TEXT, name, vec![]));
    for n in 0..20 {
        discord.create_thread(general, ana, &format!("thread {n}"));
    }
    let said = discord.post(ana, quiet, "said");
    mirror.sync().await.ok();
    let asked = discord.count(CHANNEL);
    let hidden = Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    discord.update_channel(general, |discord| discord.overwrites.push(hidden));
    mirror.sync().await.ok();
    assert_eq!(discord.count(CHANNEL), asked);

    // Only a message reveals this thread.
    let thread = discord.create_thread_on(quiet, said, ana, "on a message");
    discord.post(ana, thread, "here");
    discord.archive_thread(thread);
    discord.fail(ARCHIVED, usize::MAX, Fault::Without(0..100));
    discord.fail(CHANNEL, 18, Fault::Status(500));
    mirror.sync().await.failed(3, &["incomplete"]);
    assert_eq!(discord.count(CHANNEL), asked + 18);
    let failures = mirror.failures().await;
    assert!(
        failures.contains_key(&format!("channel {thread}")),
        "{failures:?}"
    );
    discord.update_channel(general, |discord| discord.overwrites.clear());
    mirror.sync().await.ok();
    mirror.check_store();
    assert!(mirror.failures().await.is_empty());
    assert_eq!(discord.violations(), Vec::<String>::new());
}

/// Many archived threads: each is listed once, read once, then left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_archived_threads_are_listed_once() {
    const THREADS: usize = 1_200;
    let month_ago = SystemTime::now() - Duration::from_hours(30 * 24);
    let month_ago = month_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mirror = Mirror::new(Options {
        world: World::Empty,
        seed: Seed {
            until: Some(i64::try_from(month_ago).unwrap()),
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let forum = discord.create_channel(kind::FORUM, "forum", vec![]);
    for n in 0..THREADS {
        let post = discord.create_post(forum, ana, &format!("question {n}"), "how?");
        discord.archive_thread(post);
    }
    mirror.sync().await.ok();
    mirror.check_store();
    // Pages overlap by the threads of one millisecond.
    assert!(discord.count(ARCHIVED) <= THREADS.div_ceil(100) + 1);
    // Only lists requested before it was known that short pages are complete are repeated, with
    // three requests each.
    let under_way = 100;
    let looks = discord.count(MESSAGES) + discord.count(MESSAGE);
    assert!(looks <= THREADS + 4 * under_way, "{looks}");
    let asked = discord.requests().len();
    mirror.sync().await.ok();
    let again = discord.requests().len() - asked;
    assert!(again <= 6 + 1, "{again}");
    mirror.check_store();
}

/// A response without threads isn't a list, and one without `has_more` is incomplete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incomplete_thread_lists_are_not_trusted() {
    let month_ago = SystemTime::now() - Duration::from_hours(30 * 24);
    let month_ago = month_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let world = async || {
        let mirror = Mirror::new(Options {
            world: World::Empty,
            seed: Seed {
                until: Some(i64::try_from(month_ago).unwrap()),
                ..Seed::default()
            },
            ..Options::default()
        })
        .await;
        let ana = mirror.discord.join("ana");
        let forum = mirror.discord.create_channel(kind::FORUM, "forum", vec![]);
        for n in 0..120 {
            let post = mirror
                .discord
                .create_post(forum, ana, &format!("no. {n}"), "how?");
            if n > 0 {
                mirror.discord.archive_thread(post);
            }
        }
        mirror
    };
    // Once: it is requested again.
    let once = async |route, answer: &str| {
        let mirror = world().await;
        let fault = Fault::Answer(200, answer.to_owned());
        mirror.discord.fail(route, 1, fault);
        mirror.sync().await.ok();
        mirror.check_store();
    };
    // Always: the threads are there, but it is unknown whether these are all.
    let always = async |odd| {
        let mirror = world().await;
        mirror.discord.mutate(ARCHIVED, "/has_more", odd);
        for _ in 0..2 {
            mirror.sync().await.failed(3, &["incomplete"]);
            assert!(mirror.failures().await.contains_key("threads"), "{odd}");
            mirror.check_store();
        }
        mirror.discord.heal();
        mirror.sync().await.ok();
        mirror.check_store();
    };
    // All at once: most of the time they wait for a retry.
    let nothing = ["{}", r#"{"threads": null, "has_more": false}"#];
    let lists = [ARCHIVED, ACTIVE].map(|route| join_all(nothing.map(|answer| once(route, answer))));
    join!(join_all(lists), join_all(["null", "\"odd\""].map(always)));
}
