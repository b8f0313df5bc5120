//! Names that control a terminal, forge a log line or break a table, at every output: they have no
//! effect, and programs still read them unchanged.

use std::fs;

use propsbot_archive::{README, manifest::print_checked};
use serde_json::{Value, json};
use simulator::discord::{Channel, Options, Overwrite, Seed, bit, kind};

use crate::{
    commands::Server,
    mirror::{Ended, Mirror},
};

/// Sets a terminal's title, clears it, forges a line, breaks a table, ends markup, reverses text.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n| forged | `line`\u{85}\u{2028}more\u{202e}\u{2066}\u{7f}";
/// Its visible part.
const SEEN: &str = "]0;owned[2J31m | forged | `line` more";

/// Whether a terminal interprets the character instead of showing it.
fn steers(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".contains(letter)
}

#[track_caller]
fn is_harmless(text: &str) {
    assert!(!text.contains(steers), "{text:?}");
    let forged = |line: &&str| line.trim_start().starts_with("| forged");
    assert_eq!(text.lines().find(forged), None, "{text}");
}

#[track_caller]
fn shows(ended: &Ended) {
    is_harmless(&ended.stdout);
    is_harmless(&ended.stderr);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(text.contains(SEEN), "{text}");
}

/// A guild, a props channel, an unreadable channel and a member with this name.
async fn hostile() -> Mirror {
    let mirror = Mirror::new(Options {
        seed: Seed {
            messages: 60,
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let discord = &mirror.discord;
    discord.rename_guild(HOSTILE);
    let people = discord.people();
    assert!(discord.rename(people[0], HOSTILE, Some(HOSTILE)));
    let props = discord.create_channel(kind::TEXT, &format!("props{HOSTILE}"), vec![]);
    let thanks = format!("<@{}>", people[0]);
    discord.post(people[1], props, &thanks);
    let hidden = hidden_from(discord.bot_id(), true);
    discord.create_channel(kind::TEXT, HOSTILE, vec![hidden]);
    mirror
}

fn hidden_from(id: u64, member: bool) -> Overwrite {
    Overwrite {
        id,
        member,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_cannot_control_the_terminal() {
    let mirror = hostile().await;
    shows(&mirror.sync().await);
    shows(&mirror.run(&["sync", "--guild", "5"]).await);
    shows(&mirror.run(&["status"]).await);
    shows(&mirror.run(&["export", "--dry-run"]).await);
    mirror.export().await;
    is_harmless(
        &mirror
            .run(&["verify", "--from", "dir:archive"])
            .await
            .stdout,
    );

    for table in ["guilds", "channels", "members"] {
        let query = ["query", "--from", "dir:archive", "--table", table];
        is_harmless(&mirror.run(&query).await.ok().stdout);
    }
    shows(
        &mirror
            .run(&["query", "--from", "dir:archive", "--table", "roles"])
            .await
            .ok(),
    );

    let graph = ["graph", "--from", "dir:archive", "--out", "graph"];
    is_harmless(&mirror.run(&graph).await.ok().stdout);
    let weights = mirror.home.path().join("weights.json");
    fs::write(weights, r#"{"props": 3}"#).unwrap();
    let compared = ["--weights", "weights.json", "--diff", "graph"];
    let table = mirror
        .run(&[&graph[..], &compared].concat())
        .await
        .ok()
        .stdout;
    is_harmless(&table);
    assert!(table.contains("]0;owned[2J31m"), "{table}");

    // A channel that turns private is withdrawn and named, in the result and the log.
    let truth = mirror.discord.truth();
    let mut channels = truth.channels.iter();
    let props = channels.find(|channel| channel.name.starts_with("props\u{1b}"));
    let hidden = hidden_from(mirror.guild().0, false);
    let turned = |channel: &mut Channel| channel.overwrites.push(hidden);
    assert!(mirror.discord.update_channel(props.unwrap().id, turned));
    mirror.sync().await;
    shows(&mirror.run(&["export", "--dry-run"]).await.ok());
    let export = mirror.run(&["export"]).await.ok();
    shows(&export);
    let warned = export.stderr.lines().find(|line| line.contains("WARN"));
    assert!(warned.unwrap().contains(SEEN), "{export:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_archives_cannot_control_the_terminal() {
    let mirror = hostile().await;
    mirror.sync().await;
    mirror.export().await;
    let verify = ["verify", "--from", "dir:archive"];

    let path = mirror.manifest_path();
    let manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let write = |mut manifest: Value| {
        manifest.as_object_mut().unwrap().remove("checksum");
        fs::write(&path, print_checked(&manifest)).unwrap();
    };
    let mut incomplete = manifest.clone();
    incomplete["synced"] = json!({});
    write(incomplete);
    shows(&mirror.run(&verify).await);

    let mut broken = manifest;
    broken["rows"][HOSTILE] = json!(1);
    write(broken);
    let ended = mirror.run(&verify).await;
    ended.failed(1, &["]0;owned[2J31m"]);
    is_harmless(&ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_output_keeps_hostile_names() {
    let mirror = hostile().await;
    let lines = mirror.run(&["sync", "--json"]).await.stdout;
    is_harmless(&lines);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["name"], HOSTILE);
    let mut unreadable = last["unreadable"].as_array().unwrap().iter();
    assert!(unreadable.any(|row| row["name"] == HOSTILE), "{last}");

    let status = mirror.run(&["status", "--json"]).await.ok().stdout;
    is_harmless(&status);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status[0]["name"], HOSTILE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_stay_in_their_readme_cell() {
    let mirror = hostile().await;
    mirror.sync().await;
    mirror.export().await;
    let readme = fs::read_to_string(mirror.archive_path().join(README)).unwrap();
    is_harmless(&readme);
    let id = mirror.guild().to_string();
    let row = readme.lines().find(|line| line.contains(&id)).unwrap();
    let name = r"\]0;owned\[2J31m \| forged \| \`line\` more";
    assert!(row.starts_with(&format!("| {name} (`{id}`) | ")), "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_emoji_stay_in_their_markup() {
    let (mut props, mut thanks) = (0, 0);
    let server = Server::with(Options::default(), |discord| {
        let people = discord.people();
        props = discord.create_channel(kind::TEXT, "props", vec![]);
        thanks = discord.post(people[0], props, &format!("<@{}>", people[1]));
        let emoji = discord.create_emoji("wow> **@everyone** <#1", false);
        let emoji = format!("wow> **@everyone** <#1:{emoji}");
        assert!(discord.react(people[1], props, thanks, &emoji, false));
    })
    .await;
    let why = json!({"message": thanks.to_string()});
    let answer = server.ask_in(props, server.ana, "why", why).await;
    assert!(answer.content.contains("<:wow"), "{answer:?}");
    assert!(!answer.content.contains("**@everyone"), "{answer:?}");
}
