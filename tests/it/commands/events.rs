//! Scheduled events: from Discord through the mirror and the archive to the meetings plugin.

use std::{
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use propsbot_backends::FolderArchive;
use propsbot_model::{ChannelId, EventId, EventStatus, UserId};
use propsbot_rows::{EventRow, Snapshot};
use serde_json::{Value, json};
use simulator::discord::{Discord, Fault, Options, Overwrite, bit, event_status, kind};

use super::{SOON, Server, says};

const LIST: &str = "GET /guilds/{guild_id}/scheduled-events";
const USERS: &str = "GET /guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/users";
const HOUR: i64 = 3_600_000;

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A server with a voice channel that everybody sees, and one that only the bot does.
async fn server(prepare: impl FnOnce(&Discord, u64)) -> Server {
    Server::with(Options::default(), |discord| {
        let hall = discord.create_channel(kind::VOICE, "hall", vec![]);
        let view = bit::VIEW_CHANNEL;
        let hidden = Overwrite::role(discord.guild_id(), 0, view);
        let shown = Overwrite::member(discord.bot_id(), view, 0);
        discord.create_channel(kind::VOICE, "board", vec![hidden, shown]);
        prepare(discord, hall);
    })
    .await
}

fn named(discord: &Discord, name: &str) -> u64 {
    let members = discord.members();
    members.iter().find(|(_, member)| member == name).unwrap().0
}

impl Server {
    async fn keep_events(&self) {
        let set = json!({"meeting_events": true});
        let set = self.admin("settings set", set).await;
        says(
            &set,
            &["**Scheduled events**: kept and exported, with who is interested"],
        );
    }

    /// The archive's events, once they are like this.
    async fn exported(&self, holds: impl Fn(&[EventRow]) -> bool) -> Vec<EventRow> {
        let begun = Instant::now();
        loop {
            // Until the first export, there is no archive.
            let archive = FolderArchive::new(self.mirror.archive_path());
            let read = Snapshot::read(&archive).await;
            let rows = read.map(|snapshot| snapshot.events).unwrap_or_default();
            if holds(&rows) {
                return rows;
            }
            assert!(begun.elapsed() < SOON, "{rows:#?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// To whom the edges of the meetings' graph lead, sorted.
    async fn hosts_drawn(&self) -> Vec<String> {
        let edges = self.edges_of_meetings(self.general).await;
        let mut hosts: Vec<String> = edges
            .iter()
            .map(|edge| {
                assert_eq!(edge["address"][2], "HOSTED_EVENT");
                edge["address"]
                    .as_array()
                    .unwrap()
                    .last()
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        hosts.sort_unstable();
        hosts
    }

    /// The events that a store exports which was restored from the archive.
    async fn restored(&self) -> Vec<EventRow> {
        fs::remove_dir_all(self.mirror.store_path()).unwrap();
        let restore = ["restore", "--from", "dir:archive"];
        self.mirror.run(&restore).await.ok();
        let export = ["export", "--to", "dir:again"];
        self.mirror.run(&export).await.ok();
        let again = FolderArchive::new(self.mirror.home.path().join("again"));
        Snapshot::read(&again).await.unwrap().events
    }
}

fn interested(row: &EventRow) -> Vec<u64> {
    row.interested_ids.iter().map(|user| user.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_kept_if_an_admin_wants_them() {
    let mut call = 0;
    let mut server = server(|discord, hall| {
        let (ana, ben) = (named(discord, "ana"), named(discord, "ben"));
        call = discord.schedule(ana, "Community call", now() + HOUR, Some(hall));
        discord.set_interest(call, ben, true);
    })
    .await;
    let discord = server.discord();
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let (hall, board) = (
        discord.channel("hall").unwrap(),
        discord.channel("board").unwrap(),
    );
    assert_eq!(discord.count(LIST), 0, "nobody asked for them");
    discord.set_interest(call, cho, true);
    let setup = server.admin("setup", json!({})).await;
    says(&setup, &["I don't keep them. 1 is announced, by 1 member."]);
    server.keep_events().await;
    let rows = server.exported(|rows| rows.len() == 1).await;
    assert_eq!(rows[0].id, EventId(call));
    assert_eq!(rows[0].name, "Community call");
    assert_eq!(rows[0].creator_id, Some(UserId(ana)));
    assert_eq!(rows[0].channel_id, Some(ChannelId(hall)));
    assert_eq!(rows[0].user_count, Some(2));
    let both = [ben, cho];
    server.exported(|rows| interested(&rows[0]) == both).await;

    // What the gateway tells: a recurring one, one that is moved, one that is called off, two that take place
    // elsewhere, and one in a channel that isn't exported.
    let discord = server.discord();
    discord.set_interest(call, cho, false);
    let start = now() + HOUR;
    let weekly = discord.schedule(ana, "Sync", start, Some(hall));
    discord.update_event(weekly, |event| event.weekly = true);
    discord.update_event(weekly, |event| event.status = event_status::ACTIVE);
    discord.update_event(weekly, |event| event.status = event_status::COMPLETED);
    let moved = discord.schedule(ben, "Workshop", start, None);
    discord.update_event(moved, |event| event.start += HOUR);
    let off = discord.schedule(ben, "Hike", start, None);
    discord.delete_event(off);
    let picnic = discord.schedule(cho, "Picnic", start, None);
    discord.update_event(picnic, |event| event.status = event_status::ACTIVE);
    discord.update_event(picnic, |event| event.status = event_status::COMPLETED);
    let secret = discord.schedule(ben, "Board meeting", start, Some(board));
    discord.update_event(secret, |event| event.status = event_status::ACTIVE);
    let rows = server
        .exported(|rows| {
            rows.iter()
                .any(|row| row.id.0 == picnic && row.status == EventStatus::COMPLETED)
        })
        .await;
    let of = |id: u64| {
        let own = rows.iter().filter(move |row| row.id.0 == id);
        own.collect::<Vec<_>>()
    };
    assert_eq!(interested(of(call)[0]), [ben]);
    let [held, next] = <[&EventRow; 2]>::try_from(of(weekly)).unwrap();
    assert_eq!((held.start.0, held.status), (start, EventStatus::ACTIVE));
    assert_eq!(next.status, EventStatus::SCHEDULED);
    assert_eq!(next.start.0, start + 7 * 24 * HOUR);
    assert!(held.recurring && next.recurring);
    assert_eq!(of(moved).len(), 1);
    assert_eq!(of(moved)[0].start.0, start + HOUR);
    assert!(of(off)[0].deleted_at.is_some());
    assert!(of(secret).is_empty(), "it isn't for everyone");
    let setup = server.admin("setup", json!({})).await;
    says(&setup, &["2 events took place, by 2 hosts"]);

    // What is over vanishes from Discord's list, and stays here.
    server.stop().await;
    server.mirror.run(&["export"]).await.ok();
    let uncounted = |rows: &[EventRow]| -> Vec<EventRow> {
        let rows = rows.iter().cloned();
        rows.map(|row| EventRow {
            user_count: None,
            ..row
        })
        .collect()
    };
    let kept = server.mirror.archived().await.events;
    assert_eq!(uncounted(&kept), uncounted(&rows));
    server.mirror.verified().await;

    // Those who scheduled what took place hosted it, and nobody attended.
    let hosts = server.hosts_drawn().await;
    let mut expected = [ana, cho].map(|user| user.to_string());
    expected.sort();
    assert_eq!(hosts, expected);

    assert_eq!(
        server.restored().await,
        kept,
        "a restored store exports the same"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hide_what_members_hide() {
    let server = server(|discord, hall| {
        let [ana, ben, cho] = ["ana", "ben", "cho"].map(|name| named(discord, name));
        let text = discord.schedule(ana, "Ana's words", now() + HOUR, Some(hall));
        discord.schedule(ben, "Ben's words", now() + HOUR, None);
        discord.schedule(cho, "Cho's words", now() + HOUR, None);
        for user in [ana, ben, cho] {
            discord.set_interest(text, user, true);
        }
    })
    .await;
    server.keep_events().await;
    server
        .exported(|rows| rows.len() == 3 && rows[0].interested_ids.len() == 3)
        .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    for (user, tier) in [(ana, 0), (ben, 2)] {
        let out = server.ask(user, "privacy opt-out", json!({"what": tier}));
        assert!(out.await.ephemeral);
    }
    let asked = server.ask(cho, "privacy delete", json!({})).await;
    let button = asked.message_id.unwrap();
    let pressed = server
        .discord()
        .click(cho, server.general, button, "privacy-delete", &[]);
    says(&server.discord().answer(pressed).await.unwrap(), &[]);
    let rows = server
        .exported(|rows| rows.iter().all(|row| row.name.is_empty()))
        .await;
    assert_eq!(rows[0].creator_id, Some(UserId(ana)));
    assert_eq!(rows[1].creator_id, None);
    assert_eq!(rows[2].creator_id, None);
    assert_eq!(interested(&rows[0]), [ana]);
    // Their data doesn't come back.
    let discord = server.discord();
    let wrapped = discord.schedule(ana, "Ana's words", now() + HOUR, None);
    discord.set_interest(wrapped, cho, true);
    let rows = server.exported(|rows| rows.len() == 4).await;
    assert_eq!(rows[3].name, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_odd_ones_and_errors_the_rest_is_kept() {
    let server = server(|discord, hall| {
        let ana = named(discord, "ana");
        discord.schedule(ana, "One", now() + HOUR, Some(hall));
        discord.schedule(ana, "Two", now() + HOUR, Some(hall));
        discord.mutate(LIST, "/0/scheduled_start_time", "5");
        discord.mutate(LIST, "/1/user_count", "\"many\"");
    })
    .await;
    server.keep_events().await;
    let rows = server.exported(|rows| rows.len() == 1).await;
    assert_eq!((&*rows[0].name, rows[0].user_count), ("Two", None));
    server
        .until("the odd one is told", |status| {
            status.contains("scheduled events")
        })
        .await;
    // An error holds up nothing else.
    let discord = server.discord();
    discord.fail(LIST, 1_000, Fault::Status(403));
    let posted = discord.post(server.ana, server.general, "hello");
    server.keep_events().await;
    let begun = Instant::now();
    loop {
        let archived = server.mirror.archived().await;
        if archived.messages.iter().any(|row| row.id.0 == posted) {
            break;
        }
        assert!(begun.elapsed() < SOON, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_fails_holds_up_nothing_else() {
    let mut server = server(|discord, hall| {
        let [ana, ben] = ["ana", "ben"].map(|name| named(discord, name));
        for name in ["One", "Two"] {
            let event = discord.schedule(ana, name, now() + HOUR, Some(hall));
            discord.set_interest(event, ben, true);
        }
        discord.fail(USERS, 1, Fault::Status(403));
    })
    .await;
    server.keep_events().await;
    let is_known = |rows: &[EventRow]| rows.len() == 2 && !rows[1].interested_ids.is_empty();
    server.exported(is_known).await;
    server.stop().await;
    let before = server.mirror.status().await["synced"]["messages"].as_i64();
    server.discord().fail(LIST, usize::MAX, Fault::Status(500));
    let ended = server.mirror.sync().await;
    ended.failed(3, &["missing: scheduled events"]);
    let failures = server.mirror.failures().await;
    assert_eq!(
        failures.keys().collect::<Vec<_>>(),
        ["scheduled events"],
        "{failures:?}"
    );
    let after = server.mirror.status().await["synced"]["messages"].as_i64();
    assert!(before.is_some() && after > before, "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_members_data_hidden_channels_stay_hidden() {
    let server = server(|discord, _| {
        let [ana, ben] = ["ana", "ben"].map(|name| named(discord, name));
        let board = discord.channel("board").unwrap();
        for (name, place) in [("Board meeting", Some(board)), ("Hike", None)] {
            let event = discord.schedule(ben, name, now() + HOUR, place);
            discord.set_interest(event, ana, true);
        }
    })
    .await;
    server.keep_events().await;
    server
        .exported(|rows| rows.len() == 1 && !rows[0].interested_ids.is_empty())
        .await;
    let answer = server.ask(server.ana, "privacy export", json!({})).await;
    let data: Value = serde_json::from_slice(&answer.files[0].1).unwrap();
    let [hike, hidden] = data["events"].as_array().unwrap().as_slice() else {
        panic!("{data}");
    };
    assert_eq!(
        (&hike["name"], &hike["creator_id"]),
        (&json!("Hike"), &json!(null))
    );
    assert_eq!(hidden["hidden"], "it is in a channel that you can't read");
    assert!(!data.to_string().contains("Board meeting"), "{data}");
}
