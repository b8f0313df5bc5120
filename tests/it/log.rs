//! The log at its default level: what operators need to know, once, in our words.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simulator::discord::{Fault, Overwrite, kind};

use crate::{
    commands::Server,
    live::{SOON, start},
    mirror::{Mirror, Running},
};

/// Waits until the log contains these words.
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

/// REST is down for a while, and every attempt fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_an_outage_and_its_end_once() {
    outage(Fault::Reset, |host| {
        format!("the connection to {host} broke")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_logs_name_the_host() {
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
        // Makes the bot look at the guild.
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

/// The bot starts while Discord is down: it says so once, and logs in when Discord is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_discord_at_the_start() {
    let mut mirror = Mirror::empty().await;
    let level = ("RUST_LOG".to_owned(), "info,propsbot_jobs=debug".to_owned());
    mirror.variables.push(level);
    // With an empty store, and with one that knows the bot.
    for _ in 0..2 {
        let discord = &mirror.discord;
        discord.fail("*", usize::MAX, Fault::Reset);
        let running = mirror.start(&["run"]);
        until(&running, "Discord still does not answer").await;
        assert!(
            !running.stderr().contains("logged in"),
            "{}",
            running.stderr()
        );
        discord.heal();
        until(&running, "logged in").await;
        running.terminate();
        let log = running.wait_for(Duration::from_secs(10)).await.ok().stderr;
        has_once(&log, "WARN");
        let place = format!("could not log in at {} (DISCORD_API_URL)", discord.url());
        has_once(&log, &place);
    }
}

/// A bot that waits for Discord stops when it is told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_while_discord_is_down() {
    let mut mirror = Mirror::empty().await;
    mirror.sync().await.ok();
    let nowhere = (
        "DISCORD_API_URL".to_owned(),
        "http://127.0.0.1:1".to_owned(),
    );
    mirror.variables.push(nowhere);
    let running = mirror.start(&["run"]);
    until(&running, "trying again until Discord answers").await;
    let log = running.stderr();
    assert!(log.contains("can't connect to 127.0.0.1:1"), "{log}");
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
}

/// Each line is an object that programs can read and that steers no terminal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_json_lines() {
    let mut mirror = Mirror::empty().await;
    for (name, value) in [("LOG_FORMAT", "json"), ("RUST_LOG", "trace")] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    let log = mirror.sync().await.ok().stderr;
    assert!(log.lines().count() > 20, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for field in ["timestamp", "level"] {
            assert!(line[field].is_string(), "{line}");
        }
    }
    assert!(log.contains("\"message\":\"asked Discord\""), "{log}");
    let secret = mirror.discord.token();
    assert!(!log.contains(secret.rsplit('.').next().unwrap()));
}

/// A terminal gets colours, unless its user wants none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn colours_a_terminal_unless_told_not_to() {
    let mirror = Mirror::empty().await;
    for (no_color, has_colours) in [(None, true), (Some("1"), false), (Some(""), true)] {
        let sync = mirror.command(&["sync"]);
        let mut terminal = Command::new("script");
        let line = format!("{} sync", sync.get_program().display());
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        terminal.current_dir(mirror.home.path()).env_clear();
        let variables = sync.get_envs();
        terminal.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        terminal.env("RUST_LOG", "trace");
        terminal.envs(no_color.map(|value| ("NO_COLOR", value)));
        let shown = crate::mirror::start(terminal).wait().await.ok().stdout;
        assert!(shown.contains("asked Discord"), "{shown}");
        assert_eq!(
            shown.contains("\u{1b}["),
            has_colours,
            "{no_color:?}: {shown}"
        );
    }
}

/// Names with letters that no font has are drawn without log lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drawing_pictures_logs_nothing() {
    let server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let odd = server.discord().join("\u{1F9CC} \u{A9C1}\u{16A0}");
    let begun = Instant::now();
    // Until the bot knows the new member, and then its own message.
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

/// The archive can't be written for a while; every export fails for the same reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_failing_exports_and_recovery_once() {
    let mut mirror = Mirror::empty().await;
    let every = ("EXPORT_INTERVAL".to_owned(), "1s".to_owned());
    let level = (
        "RUST_LOG".to_owned(),
        "info,propsbot_mirror=debug".to_owned(),
    );
    mirror.variables.extend([every, level]);
    // A file blocks the archive's folder.
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
