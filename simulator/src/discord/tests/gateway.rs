//! The gateway: identifying, resuming, and filtering events.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Socket, id};
use super::{empty, seeded};
use crate::discord::{
    Discord, EventFault, Manners, Options, Overwrite, bit, event_status, intent, kind,
};

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn identify_gets_ready_and_the_guild_compressed_if_asked() {
    let discord = Discord::start(seeded()).await.expect("starts");
    let mut sockets = Vec::new();
    for compress in [false, true] {
        let mut socket = Socket::identified(&discord, intent::ALL, compress).await;
        let ready = socket.next().await.expect("ready");
        assert_eq!((&ready["t"], &ready["s"]), (&json!("READY"), &json!(1)));
        let guild = socket.next().await.expect("guild");
        assert_eq!(guild["t"], "GUILD_CREATE");
        assert_eq!(id(&guild["d"]["id"]), discord.guild_id());
        socket.send(&json!({"op": 1, "d": 2})).await;
        assert_eq!(socket.next().await.expect("ack")["op"], 11);
        sockets.push(socket);
    }
    assert_eq!(discord.connected(), 2, "several clients at once");
    discord.stop().await;
}

#[tokio::test]
async fn closes_invalid_identifies_with_discords_codes() {
    let options = Options {
        privileged_intents: intent::GUILD_MEMBERS,
        ..empty()
    };
    let discord = Discord::start(options).await.expect("starts");
    let token = discord.token();
    for (payload, code) in [
        (
            json!({"op": 2, "d": {"token": "wrong", "intents": 1}}),
            4004,
        ),
        (
            json!({"op": 2, "d": {"token": token, "intents": 1_u64 << 40}}),
            4013,
        ),
        (
            json!({"op": 2, "d": {"token": token, "intents": intent::MESSAGE_CONTENT}}),
            4014,
        ),
        (
            json!({"op": 2, "d": {"token": token, "intents": 1, "shard": [2, 2]}}),
            4010,
        ),
        (json!({"op": 3, "d": {}}), 4003),
        (json!({"op": 99, "d": {}}), 4001),
        (
            json!({"op": 6, "d": {"token": "wrong", "session_id": "x", "seq": 0}}),
            4004,
        ),
    ] {
        let mut socket = Socket::open(&discord).await;
        assert_eq!(socket.next().await.expect("hello")["op"], 10);
        socket.send(&payload).await;
        assert_eq!(socket.next().await, Err(code), "{payload}");
    }
    let mut socket = Socket::open(&discord).await;
    socket.next().await.expect("hello");
    socket
        .send(&json!({"op": 6, "d": {"token": token, "session_id": "unknown", "seq": 0}}))
        .await;
    assert_eq!(socket.next().await.expect("an answer")["op"], 9);
}

#[tokio::test]
async fn resume_replays_missed_events_in_order() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let owner = discord.owner_id();
    let mut socket = Socket::identified(&discord, intent::ALL, false).await;
    let session = socket.event("READY").await["d"]["session_id"].clone();
    let first = discord.post(owner, channel, "before");
    let seen = socket.event("MESSAGE_CREATE").await;
    assert_eq!(id(&seen["d"]["id"]), first);
    discord.cut_gateway();
    assert_eq!(socket.next().await, Err(0));
    assert!(discord.wait(LONG, |discord| discord.connected() == 0).await);
    let missed: Vec<u64> = (0..5)
        .map(|n| discord.post(owner, channel, &format!("missed {n}")))
        .collect();

    let mut socket = Socket::open(&discord).await;
    socket.next().await.expect("hello");
    socket.send(&json!({"op": 6, "d": {"token": discord.token(), "session_id": session, "seq": seen["s"]}})).await;
    let mut replayed = Vec::new();
    loop {
        let payload = socket.next().await.expect("a replay");
        if payload["t"] == "RESUMED" {
            break;
        }
        replayed.push(id(&payload["d"]["id"]));
    }
    assert_eq!(replayed, missed);
    let live = discord.post(owner, channel, "live again");
    assert_eq!(id(&socket.event("MESSAGE_CREATE").await["d"]["id"]), live);
    assert_eq!(discord.counters().resumes, 1);
}

#[tokio::test]
async fn reconnect_invalid_session_and_lost_sessions() {
    let discord = Discord::start(empty()).await.expect("starts");
    let mut socket = Socket::identified(&discord, intent::ALL, true).await;
    socket.event("GUILD_CREATE").await;
    discord.reconnect();
    assert_eq!(socket.next().await.expect("op 7")["op"], 7);
    discord.invalidate_session(true);
    assert_eq!(socket.next().await.expect("op 9")["d"], true);
    discord.invalidate_session(false);
    assert_eq!(socket.next().await.expect("op 9")["d"], false);
    socket
        .send(&json!({"op": 2, "d": {"token": discord.token(), "intents": 1}}))
        .await;
    socket.event("READY").await;
    discord.close_gateway(4009);
    loop {
        match socket.next().await {
            Ok(_) => {}
            Err(code) => break assert_eq!(code, 4009),
        }
    }
}

#[tokio::test]
async fn events_respect_intents_and_permissions() {
    let discord = Discord::start(empty()).await.expect("starts");
    let open = discord.create_channel(kind::TEXT, "open", vec![]);
    let everyone = discord.guild_id();
    let hidden = discord.create_channel(
        kind::TEXT,
        "hidden",
        vec![Overwrite::role(everyone, 0, bit::VIEW_CHANNEL)],
    );
    let owner = discord.owner_id();
    let mut bare =
        Socket::identified(&discord, intent::GUILDS | intent::GUILD_MESSAGES, false).await;
    let mut deaf = Socket::identified(&discord, intent::GUILDS, false).await;
    for socket in [&mut bare, &mut deaf] {
        socket.event("GUILD_CREATE").await;
    }
    discord.post(owner, hidden, "secret");
    let message = discord.post(owner, open, "content");
    discord.react(owner, open, message, "👍", false);
    discord.post(owner, open, &format!("hello <@{}>", discord.bot_id()));
    discord.rename_guild("Renamed");
    let first = bare.next().await.expect("an event");
    assert_eq!(
        (id(&first["d"]["id"]), &first["d"]["content"]),
        (message, &json!("")),
        "no MESSAGE_CONTENT, no content"
    );
    let second = bare.next().await.expect("an event");
    assert_ne!(
        second["d"]["content"], "",
        "a message that mentions the bot has content"
    );
    assert_eq!(bare.next().await.expect("an event")["t"], "GUILD_UPDATE");
    assert_eq!(deaf.next().await.expect("an event")["t"], "GUILD_UPDATE");

    discord.update_channel(hidden, |channel| channel.overwrites.clear());
    assert_eq!(deaf.next().await.expect("an event")["t"], "CHANNEL_UPDATE");
    assert_eq!(
        deaf.next().await.expect("an event")["t"],
        "THREAD_LIST_SYNC"
    );
}

#[tokio::test]
async fn events_can_be_held_dropped_and_injected() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let mut socket = Socket::identified(&discord, intent::ALL, false).await;
    socket.event("GUILD_CREATE").await;
    let post = |text: &str| discord.post(discord.owner_id(), channel, text);
    discord.drop_events(true);
    post("lost");
    discord.drop_events(false);
    discord.hold_events(true);
    let late = post("late");
    discord.hold_events(false);
    assert_eq!(id(&socket.next().await.expect("an event")["d"]["id"]), late);
    discord.dispatch_raw("MESSAGE_CREATE", json!({"id": 5}));
    assert_eq!(
        socket.next().await.expect("an event")["d"],
        json!({"id": 5})
    );
    discord.unavailable(true);
    assert_eq!(
        socket.next().await.expect("an event")["d"]["unavailable"],
        true
    );
    discord.unavailable(false);
    assert_eq!(socket.next().await.expect("an event")["t"], "GUILD_CREATE");
    discord.kick_bot();
    assert_eq!(
        socket.next().await.expect("an event")["d"]["unavailable"],
        Value::Null
    );
}

#[tokio::test]
async fn lost_events_keep_their_number_and_are_replayed() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let post = |text: &str| discord.post(discord.owner_id(), channel, text);
    for again in [false, true] {
        let mut socket = Socket::identified(&discord, intent::ALL, false).await;
        let session = socket.event("READY").await["d"]["session_id"].clone();
        let guild = socket.event("GUILD_CREATE").await;
        discord.break_event(EventFault::Lost, again);
        let (lost, next) = (post("lost"), post("next"));
        let event = socket.event("MESSAGE_CREATE").await;
        assert_eq!(id(&event["d"]["id"]), next);
        assert_eq!(
            event["s"],
            json!(guild["s"].as_u64().expect("a number") + 2)
        );
        discord.cut_gateway();
        assert_eq!(socket.next().await, Err(0));
        let mut socket = Socket::open(&discord).await;
        socket.next().await.expect("hello");
        let resume = json!({"token": discord.token(), "session_id": session, "seq": guild["s"]});
        socket.send(&json!({"op": 6, "d": resume})).await;
        let first = id(&socket.event("MESSAGE_CREATE").await["d"]["id"]);
        assert_eq!(first, if again { next } else { lost });
        discord.lose_sessions();
    }
}

#[tokio::test]
async fn gateway_can_ignore_heartbeats_and_refuse_sessions() {
    let discord = Discord::start(empty()).await.expect("starts");
    discord.manners(Manners {
        deaf: true,
        refuses_identify: Some(4000),
        ..Manners::default()
    });
    let mut socket = Socket::open(&discord).await;
    assert_eq!(socket.next().await.expect("hello")["op"], 10);
    socket.send(&json!({"op": 1, "d": null})).await;
    socket
        .send(&json!({"op": 2, "d": {"token": discord.token(), "intents": 1}}))
        .await;
    assert_eq!(socket.next().await, Err(4000), "and no acknowledgement");
    let counters = discord.counters();
    assert_eq!((counters.identifies, counters.identify_attempts), (0, 1));

    discord.manners(Manners::default());
    discord.limit_session_starts(0, 1_000);
    Socket::identified(&discord, 1, false).await;
    let refused = |discord: &Discord| !discord.violations().is_empty();
    assert!(discord.wait(LONG, refused).await);
}

async fn identified(discord: &Discord, shard: [u64; 2]) -> Socket {
    let mut socket = Socket::open(discord).await;
    socket.next().await.expect("hello");
    let data = json!({"token": discord.token(), "intents": intent::ALL, "shard": shard});
    socket.send(&json!({"op": 2, "d": data})).await;
    socket
}

#[tokio::test]
async fn each_shard_gets_the_events_of_its_guilds() {
    let discord = Discord::start(empty()).await.expect("starts");
    let own = discord.guild_id();
    let other = (0..100)
        .map(|ms| discord.found_guild("other", 1_700_000_000_000 + ms))
        .find(|id| (id >> 22) % 2 != (own >> 22) % 2)
        .expect("every other guild is on the other shard");
    for guild in [own, other] {
        let mut socket = identified(&discord, [(guild >> 22) % 2, 2]).await;
        let told = socket.event("GUILD_CREATE").await;
        assert_eq!((id(&told["d"]["id"]) >> 22) % 2, (guild >> 22) % 2);
        let (mut seen, before) = (Vec::new(), discord.visit(own));
        for place in [own, other] {
            discord.visit(place);
            let channel = discord.create_channel(kind::TEXT, "props", vec![]);
            discord.post(discord.owner_id(), channel, "hello");
        }
        discord.visit(guild);
        let channel = discord.create_channel(kind::TEXT, "last", vec![]);
        discord.visit(before);
        loop {
            let event = socket.next().await.expect("an event");
            if event["t"] == "MESSAGE_CREATE" {
                seen.push(id(&event["d"]["guild_id"]));
            }
            if id(&event["d"]["id"]) == channel {
                break;
            }
        }
        assert_eq!(seen, [guild]);
    }
}

#[tokio::test]
async fn refuses_identifies_that_come_too_soon_or_with_too_few_shards() {
    let discord = Discord::start(empty()).await.expect("starts");
    discord.recommend_shards(4, 2);
    discord.require_shards(4);
    discord.pace_identifies(Duration::from_mins(1));
    for (shard, accepted) in [([0, 4], true), ([1, 4], true), ([2, 4], false)] {
        let answer = identified(&discord, shard).await.next().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer["op"] == 0, accepted, "{shard:?}: {answer}");
        assert_eq!(answer["op"] == 9, !accepted, "{shard:?}: {answer}");
    }
    assert_eq!(discord.violations().len(), 1);
    discord.pace_identifies(Duration::ZERO);
    for (shard, code) in [([0, 2], 4011), ([4, 4], 4010)] {
        assert_eq!(identified(&discord, shard).await.next().await, Err(code));
    }
    let shards: Vec<[u64; 2]> = discord.identify_log().iter().map(|log| log.shard).collect();
    assert_eq!(shards, [[0, 4], [1, 4], [2, 4], [0, 2]]);
}

#[tokio::test]
async fn events_are_told_only_with_their_intent() {
    let discord = Discord::start(empty()).await.expect("starts");
    let owner = discord.owner_id();
    let mut with = Socket::identified(&discord, intent::GUILD_SCHEDULED_EVENTS, false).await;
    let mut without = Socket::identified(
        &discord,
        intent::ALL & !intent::GUILD_SCHEDULED_EVENTS,
        false,
    )
    .await;
    let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
    let secret = discord.create_channel(kind::VOICE, "secret", vec![hidden]);
    discord.schedule(owner, "hidden", 1_800_000_000_000, Some(secret));
    let event = discord.schedule(owner, "call", 1_800_000_000_000, None);
    discord.set_interest(event, owner, true);
    discord.update_event(event, |event| event.weekly = true);
    discord.update_event(event, |event| event.status = event_status::COMPLETED);
    discord.delete_event(event);
    let told = |name: &str| format!("GUILD_SCHEDULED_EVENT_{name}");
    let created = with.event(&told("CREATE")).await;
    assert_eq!(created["d"]["name"], "call", "the other one is hidden");
    let added = with.event(&told("USER_ADD")).await;
    assert_eq!(id(&added["d"]["user_id"]), owner);
    with.event(&told("UPDATE")).await;
    let again = with.event(&told("UPDATE")).await;
    assert_eq!(again["d"]["status"], event_status::SCHEDULED);
    assert_eq!(
        again["d"]["scheduled_start_time"],
        "2027-01-22T08:00:00.000000+00:00"
    );
    assert_eq!(id(&with.event(&told("DELETE")).await["d"]["id"]), event);
    let channel = discord.create_channel(kind::TEXT, "last", vec![]);
    loop {
        let payload = without.next().await.expect("a payload");
        let name = payload["t"].as_str().unwrap_or_default();
        assert!(!name.starts_with("GUILD_SCHEDULED_EVENT"), "{payload}");
        if name == "CHANNEL_CREATE" && id(&payload["d"]["id"]) == channel {
            break;
        }
    }
}
