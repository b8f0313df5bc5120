//! `propsbot run` with a gateway that loses events, sends malformed ones, or is down.

use std::time::{Duration, Instant};

use serde_json::json;
use simulator::discord::{Discord, EventFault, Fault, Manners, kind};
use tokio::net::TcpListener;

use crate::{
    live::{SOON, settled, start, stop},
    mirror::Mirror,
};

const MEMBERS: &str = "GET /guilds/{guild_id}/members";
const COMMANDS: &str = "PUT /applications/{application_id}/commands";

async fn exporting_mirror() -> Mirror {
    let mut mirror = Mirror::empty().await;
    for (name, value) in [("EXPORT_INTERVAL", "1s"), ("RUST_LOG", "propsbot=debug")] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror
}

/// Damaged events are replayed by resuming, without REST. If Discord repeats the damage, the
/// session's claim ends, and the loss is fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_events_still_reach_the_mirror() {
    let mirror = exporting_mirror().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    let faults = [
        (EventFault::Lost, false),
        (EventFault::Cut, false),
        (EventFault::BrokenZlib, false),
        (EventFault::Oversize(17 << 20), false),
        (EventFault::Bomb(33 << 20), false),
        (EventFault::Lost, true),
        (EventFault::Cut, true),
        (EventFault::BrokenZlib, true),
        (EventFault::Oversize(17 << 20), true),
    ];
    for (fault, again) in faults {
        let (before, members) = (discord.counters(), discord.count(MEMBERS));
        discord.break_event(fault, again);
        let lost = discord.post(ana, channel, &format!("{fault:?}"));
        discord.react(ana, channel, lost, "🙏", false);
        let dealt_with = |discord: &Discord| {
            let read_again = discord.count(MEMBERS) > members;
            discord.counters().resumes > before.resumes && (read_again || !again)
        };
        let done = discord.wait(SOON, dealt_with).await;
        assert!(done, "{fault:?}, {again}: {}", running.stderr());
        settled(&mirror, &running).await;
        let read_again = discord.count(MEMBERS) > members;
        assert_eq!(read_again, again, "{fault:?}: {}", running.stderr());
    }
    stop(&mirror, running).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

/// Discord resets the token of a bot that starts too many sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_session_start_limit() {
    let mirror = exporting_mirror().await;
    let discord = &mirror.discord;
    discord.manners(Manners {
        refuses_identify: Some(4000),
        ..Manners::default()
    });
    discord.limit_session_starts(2, 2_000);
    let begun = Instant::now();
    let running = mirror.start(&["run"]);
    let attempts = |discord: &Discord| discord.counters().identify_attempts;
    assert!(discord.wait(SOON, |discord| attempts(discord) == 1).await);
    assert!(discord.wait(SOON, |discord| attempts(discord) == 2).await);
    assert!(
        begun.elapsed() >= Duration::from_secs(5),
        "not at once again"
    );
    let asked = discord.count("GET /gateway/bot");
    // It polls while the limit is used up, and does nothing else.
    let asks = |discord: &Discord| discord.count("GET /gateway/bot") > asked + 1;
    assert!(discord.wait(SOON, asks).await, "{}", running.stderr());
    assert_eq!(attempts(discord), 2);
    assert!(running.stderr().contains("session start limit is used up"));
    discord.manners(Manners::default());
    discord.limit_session_starts(1_000, 2_000);
    let connected = |discord: &Discord| discord.connected() > 0;
    assert!(discord.wait(SOON, connected).await, "{}", running.stderr());
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

/// A gateway state, and how to tell that the bot has reached it.
type State = (&'static str, fn(&Discord), fn(&Discord) -> bool);

const STATES: [State; 5] = [
    (
        "no hello",
        |discord| {
            discord.manners(Manners {
                silent: true,
                ..Manners::default()
            });
        },
        |discord| discord.count("GET /gateway/bot") > 0,
    ),
    (
        "no answer",
        |discord| {
            discord.manners(Manners {
                ignores_identify: true,
                ..Manners::default()
            });
        },
        |discord| discord.counters().identify_attempts > 0,
    ),
    (
        "refused, and waiting to try again",
        |discord| {
            discord.manners(Manners {
                refuses_identify: Some(4000),
                ..Manners::default()
            });
        },
        |discord| discord.counters().identify_attempts > 0,
    ),
    (
        "no session left to start",
        |discord| discord.limit_session_starts(0, 86_400_000),
        |discord| discord.count("GET /gateway/bot") > 0,
    ),
    (
        "waiting to register the commands",
        |discord| {
            let limited = Fault::RateLimited {
                retry_after: 200.0,
                global: false,
                shared: false,
            };
            discord.fail(COMMANDS, 1, limited);
        },
        |discord| discord.count(COMMANDS) > 0,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_in_every_gateway_state() {
    for (name, behave, has_met) in STATES {
        let mirror = Mirror::empty().await;
        behave(&mirror.discord);
        let running = mirror.start(&["run"]);
        assert!(mirror.discord.wait(SOON, has_met).await, "{name}");
        running.terminate();
        let ended = running.wait_for(Duration::from_secs(10)).await;
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
    }
}

/// It accepts connections and stays silent: no WebSocket, no TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_while_a_handshake_hangs() {
    for scheme in ["ws", "wss"] {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}", silent.local_addr().unwrap());
        let mirror = Mirror::empty().await;
        let url = json!(url).to_string();
        mirror.discord.mutate("GET /gateway/bot", "/url", &url);
        let running = mirror.start(&["run"]);
        // The connection shows that it was reached.
        let connection = tokio::time::timeout(SOON, silent.accept()).await;
        let connection = connection.expect("a connection").unwrap();
        running.terminate();
        let ended = running.wait_for(Duration::from_secs(10)).await;
        assert_eq!(ended.code, Some(0), "{scheme}: {}", ended.stderr);
        drop(connection);
    }
}
