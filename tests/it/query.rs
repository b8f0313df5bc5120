//! `query` through the program: which rows, in which form, from which files, and what is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use propsbot_archive::Row;
use propsbot_model::Millis;
use propsbot_rows::{MessageRow, ReactionRow, Snapshot};
use serde_json::Value;
use simulator::{
    discord::{Channel, Overwrite, bit},
    github::{Github, Kind},
};

use crate::{
    archive::object_store::ObjectStore,
    mirror::{Ended, Mirror, spawn},
};

const FROM: &str = "dir:archive";
const DAY: i64 = 86_400_000;

/// A mirror with an archive, and all of its rows.
async fn archived(seed: u64) -> (Mirror, Snapshot) {
    let mirror = Mirror::seeded(seed).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let rows = mirror.archived().await;
    (mirror, rows)
}

async fn query(mirror: &Mirror, from: &str, table: &str, more: &[&str]) -> Ended {
    let query = ["query", "--from", from, "--table", table];
    mirror.run(&[&query[..], more].concat()).await
}

/// Rows of JSON lines, without what is null: that means the same as absent.
fn rows(ended: &Ended) -> Vec<Value> {
    let rows = ended.stdout.lines();
    rows.map(|row| said(serde_json::from_str(row).unwrap()))
        .collect()
}

fn said(row: Value) -> Value {
    match row {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (name, said(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(said).collect(),
        value => value,
    }
}

/// The same rows of a snapshot, the newest first.
fn newest_first<'a, R: Row>(rows: impl IntoIterator<Item = &'a R>) -> Vec<Value> {
    let mut rows: Vec<&R> = rows.into_iter().collect();
    rows.sort_by_key(|row| row.key());
    let rows = rows.into_iter().rev();
    rows.map(|row| said(serde_json::to_value(row).unwrap()))
        .collect()
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(ToString::to_string);
    rows
}

/// A time, as arguments have it.
fn at(time: Millis) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .unwrap()
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_those_that_are_asked_for() {
    let (mirror, all) = archived(31).await;
    let ended = query(&mirror, FROM, "messages", &[]).await.ok();
    assert!(
        ended.stderr.contains(": generation 1, exported "),
        "{ended:?}"
    );
    assert_eq!(sorted(rows(&ended)), sorted(newest_first(&all.messages)));
    let guilds = query(
        &mirror,
        FROM,
        "guilds",
        &["--guild", &mirror.guild().to_string()],
    )
    .await;
    assert_eq!(rows(&guilds.ok()), newest_first(&all.guilds));

    // A channel, an author and a time, which all leave out some of the rest.
    let channel = all.messages[all.messages.len() / 2].channel_id;
    let here: Vec<&MessageRow> = all
        .messages
        .iter()
        .filter(|row| row.channel_id == channel)
        .collect();
    let user = here.iter().find_map(|row| row.author_id).unwrap();
    let (since, until) = (
        here[here.len() / 4].id.created_at(),
        here.last().unwrap().id.created_at(),
    );
    let (part, author) = (channel.to_string(), user.to_string());
    let (from, to) = (at(since), at(until));
    let narrow = ["--part", &part, "--since", &from, "--until", &to];
    let wanted = here
        .iter()
        .copied()
        .filter(|row| (since..until).contains(&row.id.created_at()));
    let found = rows(&query(&mirror, FROM, "messages", &narrow).await.ok());
    assert_eq!(found, newest_first(wanted.clone()));
    assert!(!found.is_empty() && found.len() < here.len());
    let of_user = [&narrow[..], &["--user", &author]].concat();
    let is_of_user = |row: &&MessageRow| {
        let is_named = row.mentions.iter().any(|mention| mention.user_id == user);
        let has_run = row
            .command
            .as_ref()
            .is_some_and(|command| command.user_id == user);
        row.author_id == Some(user) || is_named || has_run
    };
    let found = rows(&query(&mirror, FROM, "messages", &of_user).await.ok());
    assert_eq!(found, newest_first(wanted.clone().filter(is_of_user)));

    // Reactions by the time of their message.
    let narrow = ["--message-since", &from, "--message-until", &to];
    let is_wanted = |row: &&ReactionRow| (since..until).contains(&row.message_id.created_at());
    let found = rows(&query(&mirror, FROM, "reactions", &narrow).await.ok());
    let wanted = newest_first(all.reactions.iter().filter(is_wanted));
    assert!(!wanted.is_empty() && wanted.len() < all.reactions.len());
    assert_eq!(sorted(found), sorted(wanted));

    // Columns, in the order that is asked for.
    let columns = ["--channel", &part, "--columns", "id,content"];
    let found = query(&mirror, FROM, "messages", &columns).await.ok();
    let last = here.last().unwrap();
    let line = format!("{{\"id\":\"{}\",\"content\":", last.id);
    assert!(found.stdout.starts_with(&line), "{}", found.stdout);
}

/// Python's own reader gets back from CSV what JSON has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_says_what_json_says() {
    const PROGRAM: &str = "
import csv, json, sys
with open('rows.csv', encoding='utf-8', newline='') as file:
    rows = list(csv.DictReader(file, strict=True))
lines = [json.loads(line) for line in open('rows.jsonl', encoding='utf-8')]
assert rows and len(rows) == len(lines)
for row, line in zip(rows, lines):
    assert list(row) == list(line)
    for name, value in line.items():
        text = row[name]
        if isinstance(value, str):
            assert (text[1:] if text.startswith(chr(39)) else text) == value, (text, value)
            assert not text.startswith(('=', '+', '-', '@', chr(9), chr(13)))
        elif value is None:
            assert text == ''
        else:
            assert json.loads(text) == value
";
    let mirror = Mirror::seeded(32).await;
    let general = mirror.discord.channel("general").unwrap();
    let author = mirror.discord.people()[0];
    for text in [
        "=1+1",
        "+1",
        "-1",
        "@here",
        "'quoted'",
        "a, \"b\"\r\nc",
        "\ttab",
        "\u{ff1d}1",
    ] {
        mirror.discord.post(author, general, text);
    }
    mirror.sync().await.ok();
    mirror.export().await;
    for table in ["messages", "members", "channels"] {
        for (format, file) in [("csv", "rows.csv"), ("jsonl", "rows.jsonl")] {
            let ended = query(&mirror, FROM, table, &["--format", format])
                .await
                .ok();
            fs::write(mirror.home.path().join(file), ended.stdout).unwrap();
        }
        let mut python = Command::new("python3");
        python.args(["-c", PROGRAM]).current_dir(mirror.home.path());
        assert!(spawn(&mut python).wait().unwrap().success(), "{table}");
    }
    let csv = fs::read(mirror.home.path().join("rows.csv")).unwrap();
    assert!(csv.ends_with(b"\r\n") && csv.starts_with(b"id,guild_id,kind,name,"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_say_what_there_is() {
    let (mirror, all) = archived(33).await;
    let (channel, guild) = (all.channels[0].id.to_string(), mirror.guild().to_string());
    let cases: [(&str, &[&str], &[&str]); 12] = [
        (
            "posts",
            &[],
            &["no table \"posts\"; it has guilds, channels, roles,"],
        ),
        (
            "messages",
            &["--columns", "id,text"],
            &["messages has no column \"text\"; it has guild_id, channel_id,"],
        ),
        (
            "messages",
            &["--columns", "id,id"],
            &["names a column twice"],
        ),
        (
            "messages",
            &["--part", "5"],
            &["the archive has no part 5; it has ", " (general)"],
        ),
        (
            "messages",
            &["--space", "5"],
            &["the archive has no space 5; it has ", &guild],
        ),
        (
            "messages",
            &["--part", "general"],
            &["\"general\" is no id of discord"],
        ),
        (
            "members",
            &["--part", &channel],
            &["leave out --part, which is for messages, reactions, props"],
        ),
        (
            "roles",
            &["--user", "5"],
            &["--user is for guilds, channels, members, messages, reactions, props"],
        ),
        (
            "messages",
            &["--message-since", "2026-01-01"],
            &["are for reactions"],
        ),
        (
            "messages",
            &["--since", "2026-01-02", "--until", "2026-01-02"],
            &["--since has to be before --until"],
        ),
        (
            "messages",
            &["--since", "yesterday"],
            &["yesterday", "2026-03-01T12:00:00Z"],
        ),
        ("messages", &["--format", "xml"], &["xml", "jsonl, csv"]),
    ];
    for (table, arguments, says) in cases {
        query(&mirror, FROM, table, arguments).await.failed(2, says);
    }
    let nowhere = query(&mirror, "dir:nowhere", "messages", &[]).await;
    nowhere.failed(
        1,
        &[
            "could not query dir:nowhere",
            "nothing was exported here yet",
        ],
    );
}

/// The paths that `--explain` lists.
fn paths(explained: &Ended) -> BTreeSet<String> {
    let files = explained.stdout.lines();
    let files = files.map(|file| serde_json::from_str::<Value>(file).unwrap());
    files
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect()
}

/// A part and a day of it that lies before the newest month.
fn old_day(all: &Snapshot) -> [String; 6] {
    let newest = all
        .messages
        .iter()
        .map(|row| row.id.created_at())
        .max()
        .unwrap();
    let day_after = |row: &MessageRow| Millis(row.id.created_at().0 + DAY);
    // Within a month: a file has no more than one.
    let month = |time: Millis| at(time)[.."2026-03".len()].to_owned();
    let is_old = |row: &&MessageRow| {
        let time = row.id.created_at();
        time.0 < newest.0 - 40 * DAY && month(time) == month(day_after(row))
    };
    let row = all.messages.iter().find(is_old).unwrap();
    let (from, to) = (row.id.created_at(), day_after(row));
    let part = row.channel_id.to_string();
    ["--part", &part, "--since", &at(from), "--until", &at(to)].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_named_if_a_query_reads_it() {
    let (mirror, all) = archived(34).await;
    let narrow = old_day(&all);
    let narrow: Vec<&str> = narrow.iter().map(String::as_str).collect();
    let explain = [&narrow[..], &["--explain"]].concat();
    let explained = query(&mirror, FROM, "messages", &explain).await.ok();
    let needed = paths(&explained);
    let rows: Vec<&String> = needed
        .iter()
        .filter(|path| path.starts_with("rows/"))
        .collect();
    // The root, the manifest, the list of parts, an index, and one file of rows.
    assert_eq!((rows.len(), needed.len()), (1, 5), "{explained:?}");
    assert!(explained.stderr.contains("5 files: "), "{explained:?}");
    assert!(!self::rows(&query(&mirror, FROM, "messages", &narrow).await.ok()).is_empty());

    let path = |name: &str| mirror.archive_path().join(name);
    let sound = fs::read(path(rows[0])).unwrap();
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(path(rows[0]), damaged).unwrap();
    let refused = query(&mirror, FROM, "messages", &narrow).await;
    refused.failed(1, &[rows[0].as_str(), "is damaged"]);
    fs::write(path(rows[0]), sound).unwrap();

    // It reads no other file: they may be gone.
    let mut folders = vec![mirror.archive_path()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = file
                .strip_prefix(mirror.archive_path())
                .unwrap()
                .to_str()
                .unwrap();
            if file.is_dir() {
                folders.push(file);
            } else if !needed.contains(name) {
                fs::remove_file(file).unwrap();
            }
        }
    }
    query(&mirror, FROM, "messages", &narrow).await.ok();
    query(&mirror, FROM, "messages", &[])
        .await
        .failed(1, &["is missing"]);
}

/// The reader of a pipe may have enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_pipe_ends_it_quietly() {
    let (mirror, _) = archived(35).await;
    for format in ["jsonl", "csv"] {
        let mut command = mirror.command(&[
            "query", "--from", FROM, "--table", "messages", "--format", format,
        ]);
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(!line.is_empty());
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{told}");
        assert!(
            told.lines().count() == 1 && told.contains("generation 1"),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_on_github_fetches_only_the_files_that_it_names() {
    const ARCHIVE: &str = "github:octo-org/archive";
    let github = Github::start(simulator::github::Options::default())
        .await
        .unwrap();
    let mut mirror = Mirror::seeded(36).await;
    for (name, value) in [
        ("GITHUB_TOKEN", github.token()),
        ("GITHUB_API_URL", github.url()),
    ] {
        mirror.variables.push((name.to_owned(), value));
    }
    mirror.sync().await.ok();
    mirror.run(&["export", "--to", ARCHIVE]).await.ok();
    mirror.export().await;
    let narrow = old_day(&mirror.archived().await);
    let narrow: Vec<&str> = narrow.iter().map(String::as_str).collect();
    let explain = [&narrow[..], &["--explain"]].concat();
    keep_copies_in(&mut mirror, "explained");
    let needed = paths(&query(&mirror, ARCHIVE, "messages", &explain).await.ok());

    keep_copies_in(&mut mirror, "cache");
    let before = github.requests().len();
    let found = query(&mirror, ARCHIVE, "messages", &narrow).await.ok();
    assert_eq!(
        found.stdout,
        query(&mirror, FROM, "messages", &narrow).await.ok().stdout
    );
    let requests = github.requests();
    let files = requests[before..]
        .iter()
        .filter(|request| request.kind == Kind::ReadContents);
    let files: Vec<&str> = files
        .map(|request| {
            let (_, path) = request.path.split_once("/contents/").unwrap();
            path.split('?').next().unwrap()
        })
        .collect();
    let once: BTreeSet<String> = files.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(once, needed);
    assert_eq!(files.len(), needed.len());
    assert_eq!(github.count(Kind::Codeload), 0);
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_in_an_object_store_makes_one_request_for_each_file() {
    const ARCHIVE: &str = "s3://props/a";
    let objects = ObjectStore::start().await;
    let mut mirror = Mirror::seeded(37).await;
    for (name, value) in objects.variables() {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror.sync().await.ok();
    mirror.run(&["export", "--to", ARCHIVE]).await.ok();
    mirror.export().await;
    let narrow = old_day(&mirror.archived().await);
    let narrow: Vec<&str> = narrow.iter().map(String::as_str).collect();
    let explain = [&narrow[..], &["--explain"]].concat();
    keep_copies_in(&mut mirror, "explained");
    let needed = paths(&query(&mirror, ARCHIVE, "messages", &explain).await.ok());
    keep_copies_in(&mut mirror, "cache");
    let before = objects.requests();
    let found = query(&mirror, ARCHIVE, "messages", &narrow).await.ok();
    assert!(!rows(&found).is_empty());
    // The root also tells the provider, before all else.
    assert_eq!(objects.requests() - before, needed.len() + 1);
}

/// The root, again for its provider, and the server's manifest.
const MANIFESTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_again_takes_only_what_is_new() {
    const ARCHIVE: &str = "s3://props/a";
    let objects = ObjectStore::start().await;
    let mut mirror = Mirror::seeded(37).await;
    for (name, value) in objects.variables() {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    keep_copies_in(&mut mirror, "cache");
    mirror.sync().await.ok();
    mirror.run(&["export", "--to", ARCHIVE]).await.ok();
    mirror.export().await;
    let all = mirror.archived().await;
    let narrow = old_day(&all);
    let narrow: Vec<&str> = narrow.iter().map(String::as_str).collect();
    let first = query(&mirror, ARCHIVE, "messages", &narrow).await.ok();
    let kept = copies(&mirror);
    assert_eq!(kept.len(), 5, "only what it read: {kept:?}");
    let before = objects.requests();
    let again = query(&mirror, ARCHIVE, "messages", &narrow).await.ok();
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(objects.requests() - before, MANIFESTS);

    // What another command kept is used: all of it.
    let all_of_it = ["car", "--from", ARCHIVE, "--out", "archive.car"];
    mirror.run(&all_of_it).await.ok();
    let before = objects.requests();
    query(&mirror, ARCHIVE, "reactions", &narrow).await.ok();
    assert_eq!(objects.requests() - before, MANIFESTS);

    // A damaged copy is fetched again.
    let rows: Vec<_> = copies(&mirror)
        .into_iter()
        .filter(|path| path.to_str().unwrap().contains("/rows/"))
        .collect();
    for path in &rows {
        fs::write(path, "damaged").unwrap();
    }
    let again = query(&mirror, ARCHIVE, "messages", &narrow).await.ok();
    assert_eq!(again.stdout, first.stdout);

    // A channel that is withdrawn leaves the copies with the next query of the server.
    let channel = narrow[1];
    let mut rows = all.channels.iter();
    let row = rows.find(|row| row.id.to_string() == channel).unwrap();
    let place = row.parent_id.filter(|_| row.kind.is_thread());
    let everyone = Overwrite {
        id: mirror.guild().0,
        member: false,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    let hide = |channel: &mut Channel| channel.overwrites.push(everyone);
    let place = place.unwrap_or(row.id);
    assert!(mirror.discord.update_channel(place.0, hide));
    mirror.sync().await;
    mirror.run(&["export", "--to", ARCHIVE]).await.ok();
    let refused = query(&mirror, ARCHIVE, "messages", &narrow).await;
    refused.failed(2, &[channel]);
    let left = copies(&mirror);
    let is_of_channel = |path: &&PathBuf| {
        let path = path.to_str().unwrap();
        path.contains("/rows/") || path.contains("/indexes/")
    };
    let withdrawn: Vec<&PathBuf> = kept.iter().filter(is_of_channel).collect();
    assert_eq!(withdrawn.len(), 2, "its index and a month: {kept:?}");
    assert!(
        !withdrawn.iter().any(|path| left.contains(path)),
        "{left:?}"
    );
}

/// Names the folder in which the program keeps copies.
fn keep_copies_in(mirror: &mut Mirror, folder: &str) {
    let variable = ("CACHE_PATH".to_owned(), folder.to_owned());
    mirror.variables.push(variable);
}

/// The files that are kept.
fn copies(mirror: &Mirror) -> Vec<PathBuf> {
    let mut folders = vec![mirror.home.path().join("cache")];
    let mut copies = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                copies.push(path);
            }
        }
    }
    copies
}

/// The program in the docs is run as it stands there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_in_the_docs_counts_reactions() {
    let (mirror, all) = archived(38).await;
    let page = include_str!("../../docs/query.md");
    let (_, program) = page.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    let times = all.messages.iter().map(|row| row.id.created_at());
    let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
    let middle = Millis(i64::midpoint(first.0, last.0));
    let folder = Path::new(env!("CARGO_BIN_EXE_propsbot")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let mut python = Command::new("python3");
    python.args(["-c", program, &at(first), &at(middle)]);
    python
        .current_dir(mirror.home.path())
        .env("PATH", path)
        .stdout(Stdio::piped());
    let ended = spawn(&mut python).wait_with_output().unwrap();
    assert!(ended.status.success());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let is_counted = |row: &&ReactionRow| {
        row.removed_at.is_none() && (first..middle).contains(&row.message_id.created_at())
    };
    for reaction in all.reactions.iter().filter(is_counted) {
        *counts.entry(reaction.message_id.to_string()).or_default() += 1;
    }
    let most: BTreeSet<usize> = counts.values().copied().collect();
    let told = String::from_utf8(ended.stdout).unwrap();
    for line in told.lines() {
        let (message, count) = line.split_once(' ').unwrap();
        assert_eq!(counts[message].to_string(), count);
    }
    assert_eq!(told.lines().count(), counts.len().min(10));
    assert!(
        told.lines()
            .next()
            .unwrap()
            .ends_with(&format!(" {}", most.last().unwrap()))
    );
}
