//! Commands beside a running bot: they go through its socket, with the same results as without it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use propsbot_model::{Evidence, Fact, Observation, Stamp};
use serde_json::{Value, json};
use simulator::{
    discord::{Fault, Options, Seed},
    github::{self, Github, Kind},
};

use crate::{
    live::{SOON, start},
    mirror::{Ended, Mirror, Running},
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";

/// A small community. The bot doesn't export or re-read anything by itself.
async fn community() -> Mirror {
    let mut mirror = Mirror::new(Options {
        seed: Seed {
            seed: 16,
            messages: 120,
            members: 12,
            days: 5,
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    for (name, value) in [("EXPORT_INTERVAL", "10h"), ("RUST_LOG", "propsbot=info")] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn socket(mirror: &Mirror) -> PathBuf {
    mirror.store_path().join("control/socket")
}

/// Starts the bot, and waits until it has fetched everything.
async fn settled(mirror: &Mirror) -> Running {
    let bot = start(mirror).await;
    until("all history", || {
        bot.stderr().contains("history is complete")
    })
    .await;
    bot
}

async fn stop(bot: Running) -> Ended {
    bot.terminate();
    bot.wait_for(Duration::from_secs(10)).await.ok()
}

/// Turns the scrub off, which would change what `status` tells.
fn without_scrub(mirror: &Mirror) {
    let store = mirror.store();
    let mut settings = store.settings(mirror.guild()).unwrap();
    settings.scrub_share = 0;
    let chosen = Observation {
        at: Stamp(store.newest().unwrap().0 + 1),
        by: Evidence::Gateway,
        fact: Fact::Settings(settings),
    };
    store.merge(&[vec![chosen]]).unwrap();
}

/// Text in which times are all the same.
fn timeless(text: &str) -> String {
    let mut words = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() || "-:".contains(letter) && !digits.is_empty() {
            digits.push(letter);
            continue;
        }
        // Dates, clock times, and times in milliseconds.
        let is_time = digits.contains(['-', ':']) || digits.len() == 13;
        words.push_str(if is_time { "TIME" } else { &digits });
        digits.clear();
        words.push(letter);
    }
    words
}

/// What a command leaves: exit code, stdout, and stderr without the log.
fn outcome(arguments: &[&str], ended: &Ended) -> (Option<i32>, String, String) {
    let mut stdout = ended.stdout.clone();
    if arguments == ["status", "--json"] {
        let mut status: Value = serde_json::from_str(&stdout).unwrap();
        // How long the last export took.
        status[0]["export"] = Value::Null;
        stdout = status.to_string();
    }
    if arguments == ["sync", "--recheck", "--json"] {
        let last = stdout.lines().last().unwrap();
        let mut last: BTreeMap<String, Value> = serde_json::from_str(last).unwrap();
        // The bot's requests of its own count, too.
        last.remove("requests");
        stdout = json!(last).to_string();
    }
    // How long ago the export was.
    let lines = stdout.lines();
    let lines = lines.filter(|line| !line.contains(", exported "));
    let stdout = lines.collect::<Vec<_>>().join("\n");
    let errors = ended.stderr.lines();
    let errors: Vec<&str> = errors
        .filter(|line| line.starts_with("propsbot: "))
        .collect();
    (ended.code, timeless(&stdout), errors.join("\n"))
}

/// The subcommands that the help lists.
fn listed(help: &str) -> BTreeSet<&str> {
    let commands = help.split_once("Commands:\n").unwrap().1;
    let lines = commands.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

const APPLY: [&str; 6] = [
    "ledger",
    "apply",
    "--instance",
    "nowhere",
    "--from",
    "dir:archive",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_gives_the_same_with_and_without_a_running_bot() {
    let mirror = community().await;
    mirror.sync().await.ok();
    without_scrub(&mirror);
    let unknown = "12345678901234567";
    // What is done only once, with other words than the next time.
    for arguments in [
        &["sync", "--recheck"][..],
        &["export"],
        &["export", "--to", "dir:copy"],
        &["graph", "--from", "dir:archive", "--out", "graph"],
        &["forget", "--user", unknown],
    ] {
        mirror.run(arguments).await.ok();
    }
    let reading: &[&[&str]] = &[
        &["status"],
        &["status", "--json"],
        &["status", "--check"],
        &["export"],
        &["export", "--dry-run"],
        &["export", "--repair"],
        &["export", "--to", "dir:copy"],
        &["export", "--to", "dir:copy", "--dry-run"],
        &["export", "--to", "nowhere"],
        &["verify", "--from", "dir:archive"],
        &["verify", "--from", "dir:copy", "--structure-only"],
        &["query", "--from", "dir:archive", "--table", "channels"],
        &["graph", "--from", "dir:archive", "--out", "graph"],
        &["graph", "--from", "dir:archive", "--diff", "graph"],
        &["car", "--from", "dir:archive", "--out", "car", "--replace"],
        &["tables", "--from", "dir:archive", "--out", "tables"],
        &["cred", "--from", "dir:archive"],
        &["plugins"],
        &["openrank", "--from", "dir:archive"],
        &APPLY,
        &["site", "--from", "dir:archive", "--out", "site"],
        &["completions", "bash"],
        &["man"],
        &["help"],
        &["export", "--replace"],
    ];
    // These leave something to export.
    let writing: &[&[&str]] = &[
        &["forget", "--user", unknown],
        &["forget", "--user", unknown, "--guild", unknown],
        &["forget", "--guild", unknown],
        &["forget"],
        &["sync", "--recheck", "--guild", unknown],
        &["sync", "--recheck", "--json"],
        &["sync", "--recheck"],
    ];
    // These need the store for themselves.
    let refused: &[&[&str]] = &[
        &["run"],
        &["sync"],
        &["restore", "--from", "dir:archive"],
        &["compact"],
    ];
    let tried: BTreeSet<&str> = [reading, writing, refused]
        .concat()
        .iter()
        .map(|arguments| arguments[0])
        // It tells more without a bot: `check.rs` has its tests.
        .chain(["check"])
        .collect();
    assert_eq!(
        listed(&mirror.run(&["help"]).await.ok().stdout),
        tried,
        "subcommands that the help lists, and those tried"
    );
    for commands in [reading, writing] {
        let bot = settled(&mirror).await;
        // What the start of the bot has changed.
        mirror.run(&["export"]).await.ok();
        mirror.run(&["export", "--to", "dir:copy"]).await.ok();
        for made in ["tables", "site"] {
            let arguments = [made, "--from", "dir:archive", "--out", made];
            mirror.run(&arguments).await.ok();
        }
        let mut beside = Vec::new();
        for arguments in commands {
            beside.push(mirror.run(arguments).await);
        }
        mirror.run(&["check"]).await.ok();
        for arguments in refused {
            let ended = mirror.run(arguments).await;
            let words = [
                "./data (STORE_PATH) is in use",
                "Wait until that one has ended",
            ];
            ended.failed(1, &words);
        }
        // It mustn't export once more.
        bot.kill().await;
        for (arguments, beside) in commands.iter().zip(beside) {
            let alone = mirror.run(arguments).await;
            assert_eq!(
                outcome(arguments, &beside),
                outcome(arguments, &alone),
                "{arguments:?}"
            );
        }
    }
}

/// What a deletion through the bot deletes is gone from the store and, after an export, from the archive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_bot_forgets_users_and_guilds() {
    let mirror = community().await;
    let bot = settled(&mirror).await;
    mirror.run(&["export"]).await.ok();
    let truth = mirror.discord.truth();
    let public = |id: u64| {
        truth
            .channels
            .iter()
            .any(|channel| channel.id == id && channel.public)
    };
    let mut messages = truth.messages.iter();
    let author = messages
        .find(|message| public(message.channel))
        .unwrap()
        .author;
    let rows = mirror.archived().await.messages.into_iter();
    let mut rows = rows.filter(|row| row.author_id.is_some_and(|id| id.0 == author));
    assert!(rows.next().is_some());

    let forgot = mirror.run(&["forget", "--user", &author.to_string()]).await;
    let forgot = forgot.ok();
    assert!(
        forgot.stdout.contains(&format!("of user {author}, and")),
        "{forgot:?}"
    );
    assert!(
        forgot
            .stderr
            .contains("until propsbot starts the next time")
    );
    let exported = mirror.run(&["export"]).await.ok();
    assert!(exported.stdout.contains("at generation 2"), "{exported:?}");
    let rows = mirror.archived().await.messages.into_iter();
    assert_eq!(
        rows.filter(|row| row.author_id.is_some_and(|id| id.0 == author))
            .count(),
        0
    );

    let guild = mirror.guild().to_string();
    let forgot = mirror.run(&["forget", "--guild", &guild]).await.ok();
    assert!(forgot.stdout.contains("deleted all its data"), "{forgot:?}");
    let empty = mirror.run(&["status"]).await.ok();
    assert!(empty.stdout.contains("The store is empty"), "{empty:?}");
    let again = mirror.run(&["forget", "--guild", &guild]).await.ok();
    assert!(
        again.stdout.contains("nothing is left to delete"),
        "{again:?}"
    );
    // What happens there now isn't mirrored.
    let channel = mirror.discord.channel("general").unwrap();
    mirror
        .discord
        .post(mirror.discord.owner_id(), channel, "later");
    mirror.run(&["export"]).await.ok();
    stop(bot).await;
    assert!(mirror.store().guilds().unwrap().is_empty());
    assert!(!mirror.manifest_path().exists());
}

/// A bot killed with `kill -9` leaves its socket; the next one replaces it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_left_by_a_killed_bot_is_in_nobodys_way() {
    let mirror = community().await;
    let bot = settled(&mirror).await;
    mirror.run(&["status"]).await.ok();
    bot.kill().await;
    assert!(socket(&mirror).exists());
    mirror.run(&["status"]).await.ok();
    let bot = settled(&mirror).await;
    mirror.run(&["status"]).await.ok();
    stop(bot).await;
    assert!(!socket(&mirror).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_may_have_a_path_of_200_characters() {
    let mut mirror = community().await;
    let home = mirror.home.path().to_str().unwrap();
    let mut store = format!("{home}/long");
    while store.len() < 199 {
        store.push_str("/long");
    }
    store.truncate(200);
    assert_eq!(store.len(), 200);
    mirror
        .variables
        .push(("STORE_PATH".to_owned(), store.clone()));
    let bot = settled(&mirror).await;
    assert!(fs::exists(format!("{store}/control/socket")).unwrap());
    mirror.run(&["status"]).await.ok();
    bot.kill().await;
    let bot = settled(&mirror).await;
    let status = mirror.run(&["status"]).await.ok();
    assert!(status.stdout.contains("115 messages"), "{status:?}");
    stop(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_does_not_cancel_its_export() {
    let github = Github::start(github::Options::default()).await.unwrap();
    let mut mirror = community().await;
    for (name, value) in [
        ("GITHUB_TOKEN", github.token()),
        ("GITHUB_API_URL", github.url()),
    ] {
        mirror.variables.push((name.to_owned(), value));
    }
    let bot = settled(&mirror).await;
    let delay = github::Fault::Delay(Duration::from_secs(2));
    github.fail(Kind::CommitOnBranch, 1, delay);
    let client = mirror.start(&["export", "--to", "github:octo-org/archive"]);
    until("the commit", || github.count(Kind::CommitOnBranch) > 0).await;
    client.kill().await;
    let verify = ["verify", "--from", "github:octo-org/archive"];
    let begun = Instant::now();
    while mirror.run(&verify).await.code != Some(0) {
        assert!(begun.elapsed() < SOON, "{}", bot.stderr());
    }
    // The bot knows that the archive is its own.
    let export = ["export", "--to", "github:octo-org/archive"];
    let exported = mirror.run(&export).await.ok();
    assert!(exported.stdout.contains("nothing changed"), "{exported:?}");
    stop(bot).await;
}

/// A client gets an answer when the bot stops, and the bot waits for no client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_bot_ends_its_clients() {
    let mirror = community().await;
    let bot = settled(&mirror).await;
    let asked = mirror.discord.count(MESSAGES);
    mirror
        .discord
        .fail(MESSAGES, usize::MAX, Fault::Delay(SOON));
    let client = mirror.start(&["sync", "--recheck"]);
    until("the recheck", || mirror.discord.count(MESSAGES) > asked).await;
    // Says nothing, and reads nothing.
    let _silent = UnixStream::connect(socket(&mirror)).unwrap();
    stop(bot).await;
    client
        .wait()
        .await
        .failed(1, &["propsbot: the running propsbot is stopping"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_bot_ends_its_clients() {
    let mirror = community().await;
    let bot = settled(&mirror).await;
    let asked = mirror.discord.count(MESSAGES);
    mirror
        .discord
        .fail(MESSAGES, usize::MAX, Fault::Delay(SOON));
    let client = mirror.start(&["sync", "--recheck"]);
    until("the recheck", || mirror.discord.count(MESSAGES) > asked).await;
    bot.kill().await;
    client.wait().await.failed(
        1,
        &["lost the running propsbot before the command was done"],
    );
}

/// Reads a line of JSON; `None` if the connection was closed instead.
fn line(from: &UnixStream) -> Option<Value> {
    let mut line = String::new();
    let read = BufReader::new(from)
        .read_line(&mut line)
        .unwrap_or_default();
    (read > 0).then(|| serde_json::from_str(&line).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_versions_of_the_protocol_are_refused() {
    let mirror = community().await;
    let bot = settled(&mirror).await;
    // A newer or older command asks this bot.
    for version in [1, 3] {
        let mut client = UnixStream::connect(socket(&mirror)).unwrap();
        let hello = json!({"propsbot_control": version, "release": "9.0.0", "more": [1]});
        writeln!(client, "{hello}").unwrap();
        assert_eq!(line(&client).unwrap()["propsbot_control"], 2);
        assert_eq!(line(&client), None, "it went on with version {version}");
    }
    stop(bot).await;

    // This command asks a newer or older bot.
    for version in [1, 3] {
        let listener = UnixListener::bind(socket(&mirror)).unwrap();
        let asking = mirror.start(&["status"]);
        let (mut client, _) = listener.accept().unwrap();
        let hello = json!({"propsbot_control": version, "release": "9.0.0", "more": [1]});
        writeln!(client, "{hello}").unwrap();
        let words = format!("the running propsbot has version {version} of the control protocol");
        let ended = asking.wait().await;
        ended.failed(
            2,
            &[&words, "(release 9.0.0)", "Use the same release for both"],
        );
        fs::remove_file(socket(&mirror)).unwrap();
    }
}

/// Clients that say nothing, too much, or nonsense keep nobody else from asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rude_clients_are_bounded() {
    let mirror = community().await;
    let bot = settled(&mirror).await;
    let connect = || UnixStream::connect(socket(&mirror)).unwrap();
    let silent: Vec<UnixStream> = (0..20).map(|_| connect()).collect();
    let status = mirror.run(&["status"]).await.ok();
    assert!(status.stdout.contains("115 messages"), "{status:?}");
    drop(silent);

    let mut endless = connect();
    let written = (0..1024).try_for_each(|_| endless.write_all(&[b'a'; 1 << 12]));
    assert!(written.is_err(), "4 MB of a first line were taken");

    let mut odd = connect();
    writeln!(odd, "{}", json!({"propsbot_control": 2, "release": ""})).unwrap();
    writeln!(odd, "{}", json!({"command": {"dance": {}}, "archive": ""})).unwrap();
    let mut said = String::new();
    odd.read_to_string(&mut said).unwrap();
    assert!(said.contains("could not understand the command"), "{said}");
    stop(bot).await;
}

/// A first sync takes hours. Meanwhile the same commands work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_work_during_a_sync() {
    let mirror = community().await;
    mirror
        .discord
        .fail_after(MESSAGES, 2, usize::MAX, Fault::Delay(SOON));
    let sync = mirror.start(&["sync"]);
    until("some pages", || mirror.discord.count(MESSAGES) > 2).await;
    let status = mirror.run(&["status"]).await.ok();
    assert!(status.stdout.contains("not fetched yet"), "{status:?}");
    mirror.run(&["export"]).await.ok();
    mirror
        .run(&["sync"])
        .await
        .failed(1, &["./data (STORE_PATH) is in use"]);
    sync.terminate();
    sync.wait_for(Duration::from_secs(10))
        .await
        .failed(1, &["what was fetched is saved"]);
    mirror.discord.heal();
    mirror.sync().await.ok();
    mirror.export().await;
}

/// `ARCHIVE` and its login are the running bot's, whatever the command's environment says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_go_to_the_archive_of_the_running_bot() {
    let mut mirror = community().await;
    let bot = settled(&mirror).await;
    mirror.run(&["export"]).await.ok();
    mirror
        .variables
        .push(("ARCHIVE".to_owned(), "dir:other".to_owned()));
    let exported = mirror.run(&["export"]).await.ok();
    assert!(
        exported.stdout.contains("dir:./archive is at generation 1"),
        "{exported:?}"
    );
    assert!(
        exported
            .stderr
            .contains("the ARCHIVE of the running propsbot"),
        "{exported:?}"
    );
    let to = [
        "export",
        "--to",
        "git:https://ana:secret@example.org/archive",
    ];
    let refused = mirror.run(&to).await;
    refused.failed(2, &["the password in the URL", "isn't sent"]);
    assert!(!refused.stderr.contains("secret"), "{refused:?}");
    stop(bot).await;
}
