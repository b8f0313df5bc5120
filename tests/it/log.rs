//! What the log says at its default level: what an operator has to know, once, in our words.

use std::time::{Duration, Instant};

use serde_json::json;
use simulator::discord::{Fault, Overwrite, kind};

use crate::{
    commands::Server,
    live::{SOON, start},
    mirror::{Mirror, Running},
};

/// Waits until the log has these words.
async fn until(running: &Running, words: &str) {
    let begun = Instant::now();
    while !running.stderr().contains(words) {
        assert!(
            begun.elapsed() < 2 * SOON,
            "no {words:?} in {}",
            running.stderr()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[track_caller]
fn has_once(log: &str, words: &str) {
    assert_eq!(log.matches(words).count(), 1, "{words:?} in {log}");
}

/// REST breaks off for a while, and everything that is tried meanwhile fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_once_and_its_end_once() {
    outage(Fault::Reset, |host| {
        format!("the connection to {host} broke")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_is_answered_with_errors_names_its_host_too() {
    outage(Fault::Status(503), |host| {
        format!("{host}: Discord failed at")
    })
    .await;
}

async fn outage(fault: Fault, told: impl Fn(&str) -> String) {
    let mirror = Mirror::seeded(11).await;
    let running = start(&mirror).await;
    until(&running, "all readable history is complete").await;
    let discord = &mirror.discord;
    discord.fail("*", 100_000, fault);
    for name in ["first", "second"] {
        // The guild has to be looked at.
        discord.create_channel(kind::TEXT, name, Vec::<Overwrite>::new());
        until(&running, "Discord does not answer").await;
    }
    discord.heal();
    discord.create_channel(kind::TEXT, "third", Vec::<Overwrite>::new());
    until(&running, "Discord answers again").await;
    running.terminate();
    let log = running.wait_for(Duration::from_secs(10)).await.stderr;
    has_once(&log, "WARN");
    let host = discord.url().replace("http://", "");
    has_once(&log, &told(&host));
    has_once(&log, "Discord answers again");
    for inside in ["serenity", "shard", "Shard", "poise", "tungstenite"] {
        assert!(!log.contains(inside), "{inside:?} in {log}");
    }
}

/// The token tells who the bot is, and Discord was not asked yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_logged_in_before_discord_was_asked() {
    let mut mirror = Mirror::empty().await;
    mirror.sync().await.ok();
    let nowhere = (
        "DISCORD_API_URL".to_owned(),
        "http://127.0.0.1:1".to_owned(),
    );
    mirror.variables.push(nowhere);
    let run = mirror.run(&["run"]).await;
    run.failed(1, &["can't connect to 127.0.0.1:1", "refused"]);
    assert!(!run.stderr.contains("logged in"), "{run:?}");
}

/// Names with letters that no font has are drawn without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_drawn_in_silence() {
    let server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let odd = server.discord().join("\u{1F9CC} \u{A9C1}\u{16A0}");
    let begun = Instant::now();
    // Until the bot has heard of the new member, and then of its own message.
    while server.give(ana, &[ben, odd], "the review").await.ephemeral {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }
    while server
        .ask(ana, "leaderboard", json!({}))
        .await
        .files
        .is_empty()
    {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }
    let log = server.log();
    assert!(!log.contains("WARN") && !log.contains("font"), "{log}");
}

/// The archive cannot be written for a while: each export fails for the same reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_that_fail_are_told_once_and_their_end_once() {
    let mut mirror = Mirror::empty().await;
    let every = ("EXPORT_INTERVAL".to_owned(), "1s".to_owned());
    let level = (
        "RUST_LOG".to_owned(),
        "info,propsbot_jobs::export=debug".to_owned(),
    );
    mirror.variables.extend([every, level]);
    // A file is where the archive's folder is to be.
    std::fs::write(mirror.archive_path(), "").unwrap();
    let running = start(&mirror).await;
    let begun = Instant::now();
    while running
        .stderr()
        .matches("nothing was exported again")
        .count()
        < 3
    {
        assert!(begun.elapsed() < 2 * SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::remove_file(mirror.archive_path()).unwrap();
    until(&running, "exported to the archive").await;
    running.terminate();
    let log = running.wait_for(Duration::from_secs(10)).await.stderr;
    has_once(&log, "ERROR");
    has_once(&log, "exports work again");
}
