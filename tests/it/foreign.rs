//! A third-party Discord-compatible server: plain REST from a table, minimal objects, no rate
//! limits, and un-Discord-like behaviour. `propsbot` mirrors it, or says what is missing.

mod server;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use propsbot_model::GuildId;
use serde_json::{Value, json};

use crate::mirror::{open, whole};
use server::*;

type Quirk = fn(&mut World);

/// Odd, but everything is available.
const HARMLESS: &[(&str, Quirk)] = &[
    ("no last_message_id at all", |_| ()),
    ("a true last_message_id", |server| server.lag = Some(0)),
    ("a stale last_message_id", |server| server.lag = Some(5)),
    ("small pages", |server| server.largest_page = 50),
    ("no roles", |server| {
        server.guild.as_object_mut().unwrap().remove("roles");
    }),
    ("types as texts", |server| {
        server.channels[0]["type"] = json!("0");
        server.active[0]["type"] = json!("11");
        server.message(7)["type"] = json!("0");
    }),
    ("a null for content", |server| {
        server.message(7)["content"] = Value::Null;
        server.message(7)["attachments"] = json!([{"id": "1"}]);
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn harmless_quirks_lose_nothing() {
    let work = HARMLESS.iter().map(|(what, quirk)| {
        tokio::spawn(async move {
            let foreign = Foreign::new(quirk).await;
            foreign.completes(what).await;
            // Later, too, and in the formerly empty channel.
            foreign.change(|foreign| {
                foreign.post(GENERAL, 1000..1003);
                foreign.post(QUIET, 1003..1160);
                foreign.post(ACTIVE, 1160..1161);
                foreign.react(BEGIN + 1150, 100..102);
            });
            foreign.completes(what).await;
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// The sync ends, and doesn't claim to be complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detects_servers_that_ignore_before() {
    let foreign = Foreign::new(|server| server.knows_before = false).await;
    let ended = foreign.run(&["sync"]).await;
    ended.failed(3, &["not everything could be fetched", "propsbot status"]);
    let failures = foreign.failures().await;
    for channel in [GENERAL, ACTIVE] {
        assert!(
            failures.contains(&format!("channel {channel}")),
            "{failures:?}"
        );
    }
    // What the server did return is there.
    let lines = foreign.lines();
    let newest = format!("{}: \"no. 249 in {GENERAL}\"", BEGIN + 249);
    assert!(lines.contains(&newest));
    foreign.change(|foreign| foreign.knows_before = true);
    foreign.completes("knows it now").await;
}

/// Unavailable or malformed data, the exit code, and the object that is named.
const NAMED: &[(&str, Quirk, i32, &str)] = &[
    (
        "no members",
        |server| server.fail("/members?", 0, 403),
        3,
        "members",
    ),
    (
        "overwrites that are null",
        |server| server.channels[0]["permission_overwrites"] = Value::Null,
        3,
        "channels",
    ),
    (
        "a channel without an id",
        |server| server.channels.push(json!({"name": "x"})),
        3,
        "channels",
    ),
    (
        "a role without an id",
        |server| {
            server.guild["roles"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "x"}));
        },
        3,
        "guild",
    ),
    (
        "a message that is garbage",
        |server| *server.message(7) = json!({"id": (BEGIN + 7).to_string(), "type": []}),
        3,
        "message 10/",
    ),
    (
        "a message that is nothing",
        |server| *server.message(7) = json!({}),
        3,
        "channel 10",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_unavailable_objects_and_fetches_the_rest() {
    let work = NAMED.iter().map(|(what, quirk, code, object)| {
        tokio::spawn(async move {
            let sound = World::new();
            let foreign = Foreign::new(quirk).await;
            for round in 1..=2 {
                let what = format!("{what}, round {round}");
                foreign.sync(&what, *code).await;
                foreign.check(&what);
                let failures = foreign.failures().await;
                assert_eq!(failures.len(), 1, "{what}: {failures:?}");
                assert!(failures[0].starts_with(object), "{what}: {failures:?}");
            }
            foreign.change(|foreign| *foreign = sound);
            // Old messages aren't read again automatically.
            if !object.starts_with("message") {
                foreign.completes(what).await;
            }
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// A mirrored message that later comes malformed and without an id wasn't deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_are_not_deleted() {
    let foreign = Foreign::new(|_| ()).await;
    foreign.completes("before").await;
    let before = foreign.lines();
    foreign.change(|foreign| {
        *foreign.message(249) = json!({});
        foreign.post(GENERAL, 1000..1001);
    });
    foreign.sync("garbage", 3).await;
    let after = foreign.lines();
    let lost: Vec<_> = before
        .iter()
        .filter(|before| !after.contains(before))
        .collect();
    assert_eq!(lost, [""; 0]);
}

/// A server without last message ids that hides all history behind empty lists, as Discord does
/// without the permission to read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_empty_lists_of_known_messages() {
    let foreign = Foreign::new(|server| server.lag = None).await;
    foreign.completes("before").await;
    let before = foreign.lines();
    foreign.change(|foreign| {
        foreign.largest_page = 0;
        foreign.fail("/messages/", 0, 403);
    });
    foreign.sync("hidden", 3).await;
    assert_eq!(foreign.lines(), before);
}

/// Single faults that the next sync makes up for: route, skip, status, exit code.
const ONCE: &[(&str, usize, u16, i32, &str)] = &[
    ("/channels/10/messages?", 2, 403, 3, "channel 10"),
    ("/channels/10/messages?", 2, 500, 3, "channel 10"),
    ("/channels/12/messages?", 0, 403, 3, "channel 12"),
    ("/channels/12/messages?", 1, 404, 3, "channel 12"),
    ("/channels/13/messages?", 0, 403, 3, "channel 13"),
    (
        "archived/public?limit=100&before=",
        0,
        403,
        3,
        "archived threads of channel 10",
    ),
    (
        "archived/public?limit=100&before=",
        0,
        500,
        3,
        "archived threads of channel 10",
    ),
    ("/reactions/", 1, 403, 3, "reactions"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_sync_fetches_what_failed_once() {
    let work = ONCE.iter().map(|(at, skip, status, code, object)| {
        tokio::spawn(async move {
            let foreign = Foreign::new(|server| {
                for n in 0..150 {
                    let id = 2000 + n;
                    let list = server.archived.get_mut(&GENERAL).unwrap();
                    // Listed first: archived last.
                    list.insert(0, thread(id, Some(60 + n)));
                    server.post(id, 2 * id..2 * id + 2);
                }
                server.fail(at, *skip, *status);
            })
            .await;
            let what = format!("{at} after {skip}: {status}");
            foreign.sync(&what, *code).await;
            let failures = foreign.failures().await;
            assert!(
                failures.iter().any(|failure| failure.starts_with(object)),
                "{what}: {failures:?}"
            );
            let found = foreign.lines();
            assert!(found.len() > 200, "{what}: {}", found.len());
            assert_ne!(found, lock(&foreign.world).lines(), "{what}");
            foreign.completes(&what).await;
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// A thread whose messages failed is read even if the next list omits it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_failed_threads_missing_from_later_lists() {
    let foreign = Foreign::new(|server| server.fail("/channels/12/messages?", 0, 403)).await;
    foreign.sync("its messages fail", 3).await;
    foreign.heal();
    foreign.change(|foreign| foreign.fail("/threads/active", 0, 403));
    foreign.sync("its list fails", 3).await;
    foreign.check("its list fails");
    foreign.completes("nothing fails").await;
}

/// All files of a folder, with their contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.insert(path, bytes);
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_stores_do_not_replace_foreign_archives() {
    let first = Foreign::new(|_| ()).await;
    let second = Foreign::new(|server| server.post(QUIET, 5000..5010)).await;
    let place = tempfile::tempdir().unwrap();
    let spec = format!("dir:{}", place.path().display());
    let rows = async |foreign: &Foreign| {
        let verified = foreign.run(&["verify", "--from", &spec]).await.ok();
        let (_, rest) = verified.stdout.split_once("messages ").unwrap();
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap();
        rest[..digits].parse::<usize>().unwrap()
    };
    for foreign in [&first, &second] {
        foreign.completes("synced").await;
    }
    let export = ["export", "--to", &spec];
    first.run(&export).await.ok();
    let before = files(place.path());

    for _ in 0..2 {
        let refused = second.run(&export).await;
        refused.failed(1, &["another store", "--replace"]);
        assert_eq!(files(place.path()), before);
        // Exports elsewhere don't change whose archive this is.
        second.run(&["export", "--to", "dir:elsewhere"]).await.ok();
    }

    let taken = [&export[..], &["--replace"]].concat();
    second.run(&taken).await.ok();
    assert_eq!(rows(&second).await, 383);
    let said = second.run(&export).await.ok().stdout;
    assert!(said.contains("nothing changed"), "{said}");

    // The first store finds that the archive isn't its own any more.
    let refused = first.run(&export).await;
    refused.failed(1, &["generation 2", "another store", "--replace"]);
    assert_eq!(rows(&first).await, 383);
}

/// Mirrors two servers into one store; the bot is removed from one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_two_guilds_and_keeps_one_that_was_left() {
    let foreign = Foreign::new(|server| {
        server.neighbour = true;
        server.post(NEIGHBOUR_CHANNEL, 9000..9130);
        server.react(BEGIN + 9001, 100..103);
    })
    .await;
    // The first one is chosen; the other is named by the operator.
    foreign.sync("the first", 0).await;
    let second = NEIGHBOUR.to_string();
    foreign.run(&["sync", "--guild", &second]).await.ok();
    let ended = foreign.sync("two guilds", 0).await;
    assert_eq!(ended.stdout.matches("complete").count(), 2, "{ended:#?}");
    foreign.check("the first of two");
    let messages = |guild| {
        let store = open(&foreign.home.path().join("data")).unwrap();
        let all = whole(&store, GuildId(guild));
        (all.messages.len(), all.reactions.len())
    };
    assert_eq!(messages(NEIGHBOUR), (130, 3));
    // A fault in one doesn't affect the other.
    foreign.change(|foreign| {
        foreign.post(GENERAL, 9200..9210);
        foreign.post(NEIGHBOUR_CHANNEL, 9300..9310);
        foreign.fail("guilds/2", 0, 500);
    });
    let ended = foreign.sync("one fails", 1).await;
    assert!(ended.stderr.contains("not synced"), "{ended:#?}");
    foreign.check("beside one that fails");
    // After leaving: the data stays, and nothing new is requested.
    foreign.heal();
    foreign.change(|foreign| foreign.neighbour = false);
    foreign.sync("left", 0).await;
    assert_eq!(messages(NEIGHBOUR), (130, 3));
    foreign.change(|foreign| foreign.neighbour = true);
    foreign.sync("back", 0).await;
    assert_eq!(messages(NEIGHBOUR), (140, 3));
}
