//! Stores of every schema so far open, are upgraded, and mean the same; and earlier archives are read.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path, process::Command};

use flate2::read::GzDecoder;
use propsbot_archive::{Hash, ROOT};
use propsbot_backends::FolderArchive;
use propsbot_model::{ChannelId, GuildId, MessageState, Millis, Props, Reaction, tables};
use propsbot_rows::Snapshot;
use propsbot_store::{LastExport, SCHEMA, Store};
use serde_json::Value;

use crate::{
    mirror::{open, propsbot, raw_store, spawn, start},
    store::copy,
};

/// All entries of a store of each schema, as hexadecimal keys and values. The last version with
/// schema 1 made it of a small community: after an export, more happened, somebody had their data
/// deleted, and lists of reactors failed. The last version with schema 2 upgraded that store, the last
/// one with schema 3 upgraded the second, and those with schema 4 and 5 did so, too.
const ROWS: [&[u8]; 5] = [
    include_bytes!("../fixtures/store-1/rows.txt.gz"),
    include_bytes!("../fixtures/store-2/rows.txt.gz"),
    include_bytes!("../fixtures/store-3/rows.txt.gz"),
    include_bytes!("../fixtures/store-4/rows.txt.gz"),
    include_bytes!("../fixtures/store-5/rows.txt.gz"),
];
/// What that version's `status --json` and `graph` said.
const EXPECTED: &str = include_str!("../fixtures/store-1/expected.json");

/// The parts of the status that depend on neither the time nor the version.
const STATUS: [&str; 7] = [
    "members",
    "totals",
    "channels",
    "failures",
    "pending_lists",
    "contradictions",
    "synced",
];

const TOKEN: (&str, &str) = ("DISCORD_TOKEN", "none");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// A store of this schema.
pub(crate) fn old_store(schema: usize, path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("lock"), "used\n").unwrap();
    let db = raw_store(path);
    let mut rows = String::new();
    GzDecoder::new(ROWS[schema - 1])
        .read_to_string(&mut rows)
        .unwrap();
    for line in rows.lines() {
        let (key, value) = line.split_once(' ').unwrap();
        db.insert(bytes(key), bytes(value)).unwrap();
    }
    db.flush().unwrap();
}

async fn run(home: &Path, arguments: &[&str]) -> String {
    start(propsbot(home, &[TOKEN], arguments))
        .wait()
        .await
        .ok()
        .stdout
}

/// What must be the same before and after: parts of the status, and hashes of the graph's files.
async fn told(home: &Path) -> Value {
    let status: Value = serde_json::from_str(&run(home, &["status", "--json"]).await).unwrap();
    let mut guild = status[0].as_object().unwrap().clone();
    guild.retain(|field, _| STATUS.contains(&field.as_str()));
    run(home, &["export"]).await;
    run(home, &["verify", "--from", "dir:archive"]).await;
    run(home, &["graph", "--from", "dir:archive", "--out", "graph"]).await;
    let files = fs::read_dir(home.join("graph")).unwrap();
    let hash = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap();
        let hash = Hash::of(&fs::read(file.path()).unwrap()).to_string();
        (file.file_name().into_string().unwrap(), hash)
    };
    let files: BTreeMap<String, String> = files.map(hash).collect();
    serde_json::json!({ "status": guild, "graph": files })
}

/// The number, the message and the time of each row of the guild's channels, by time.
fn rows_of_channels(store: &Store, guild: GuildId) -> Vec<(Millis, u8, u64)> {
    let mut rows = Vec::new();
    for channel in store.channels(guild).unwrap() {
        let channel = ChannelId(channel.id);
        for row in store.messages(channel, 0..=u64::MAX) {
            let id = row.unwrap().id;
            rows.push((id.created_at(), tables::MESSAGES.number, id.0));
        }
        for row in store.reactions(channel, 0..=u64::MAX) {
            let row = row.unwrap();
            rows.push((row.row_time(), tables::REACTIONS.number, row.message_id.0));
        }
        for row in store.props(channel, 0..=u64::MAX) {
            let id = row.unwrap().id;
            rows.push((id.created_at(), tables::PROPS.number, id.0));
        }
    }
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_of_every_schema_mean_the_same() {
    assert_eq!(usize::try_from(SCHEMA).unwrap(), ROWS.len(), "add a store");
    let mut exported: Option<Snapshot> = None;
    for schema in 1..=ROWS.len() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        old_store(schema, &path);
        {
            let store = open(&path).unwrap();
            let ledger = store.exports().unwrap();
            let last = ledger.last.get(ROOT).unwrap();
            assert!(matches!(last, LastExport::Published { rules: 1.., .. }));
            assert!(ledger.has_published("dir:./archive"));
            let marks = store.dirty().unwrap();
            assert!(
                marks
                    .iter()
                    .any(|dirty| dirty.mark.is_of(tables::REACTIONS))
            );
            assert!(marks.iter().all(|dirty| dirty.mark.period.is_none()));
            assert!(store.newest().unwrap() >= store.heard().unwrap());
            assert!(store.heard().unwrap().0 > 0);

            let guild = store.guilds().unwrap()[0].guild_id;
            let recent_from = store.recent_from().unwrap();
            let recent = store.recent(guild, recent_from..=Millis(i64::MAX));
            let recent = recent.map(|row| {
                let row = row.unwrap();
                if row.is_of(tables::MESSAGES) {
                    let id = row.read::<MessageState>().unwrap().id;
                    (row.time, tables::MESSAGES.number, id.0)
                } else if row.is_of(tables::REACTIONS) {
                    let id = row.read::<Reaction>().unwrap().message_id;
                    (row.time, tables::REACTIONS.number, id.0)
                } else {
                    let id = row.read::<Props>().unwrap().id;
                    (row.time, tables::PROPS.number, id.0)
                }
            });
            let mut expected = rows_of_channels(&store, guild);
            let all = expected.len();
            expected.retain(|(time, ..)| *time >= recent_from);
            assert!((1..all).contains(&expected.len()));
            let mut recent: Vec<_> = recent.collect();
            assert!(recent.is_sorted_by_key(|(time, ..)| *time));
            recent.sort_unstable();
            assert_eq!(recent, expected);
        }
        let expected: Value = serde_json::from_str(EXPECTED).unwrap();
        assert_eq!(told(home.path()).await, expected, "schema {schema}");
        let archive = FolderArchive::new(home.path().join("archive"));
        let rows = Snapshot::read(&archive).await.unwrap();
        assert!(!rows.messages.is_empty() && !rows.reactions.is_empty());
        assert!(
            exported.get_or_insert_with(|| rows.clone()) == &rows,
            "a store of schema {schema} exports other rows"
        );
    }
}

/// An archive from before a server's own tables had periods of more than a year.
const YEARS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/archive-2/years.tar.gz"
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_with_files_of_years_are_read_and_go_on() {
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let mut unpack = Command::new("tar");
    unpack.args(["-xzf", YEARS, "-C"]).arg(&archive);
    assert!(spawn(&mut unpack).wait().unwrap().success());
    let read = async || {
        run(home.path(), &["verify", "--from", "dir:archive"]).await;
        let archive = FolderArchive::new(&archive);
        Snapshot::read(&archive).await.unwrap()
    };
    let rows = read().await;
    let counts = [
        rows.channels.len(),
        rows.members.len(),
        rows.messages.len(),
        rows.reactions.len(),
    ];
    assert_eq!(counts, [17, 47, 585, 855]);

    run(home.path(), &["restore", "--from", "dir:archive"]).await;
    // A member's row changes.
    let member = rows.members[0].user_id.to_string();
    run(home.path(), &["forget", "--user", &member]).await;
    run(home.path(), &["export"]).await;
    // What is left of the member is apart from the one who is still there, whom no row names.
    assert_eq!(read().await.members.len(), rows.members.len() + 1);
    let query = [
        "query",
        "--from",
        "dir:archive",
        "--table",
        "members",
        "--explain",
    ];
    let needed = run(home.path(), &query).await;
    assert_eq!(
        needed.lines().count(),
        4,
        "all members are in one file: {needed}"
    );
}

/// Between any two steps of an upgrade there is a whole store, of one schema or the other.
#[test]
fn interrupted_upgrades_lose_nothing() {
    for schema in [1, 2] {
        interrupt_upgrades(schema);
    }
}

fn interrupt_upgrades(schema: usize) {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for home in [&old, &new] {
        old_store(schema, home.path());
    }
    let rows = |path: &Path| {
        let store = open(path).unwrap();
        let guild = store.guilds().unwrap()[0].guild_id;
        (
            store.coverage(guild).unwrap(),
            store.pending(guild).unwrap(),
            store.failures(guild).unwrap(),
            store.dirty().unwrap(),
            store.exports().unwrap(),
        )
    };
    let expected = rows(new.path());
    assert_eq!(
        (expected.0.len(), expected.1.len(), expected.2.len()),
        (7, 11, 12)
    );
    assert_eq!(expected.3.len(), 15);
    for step in ["copying", "copied", "moved away", "moved in"] {
        let home = tempfile::tempdir().unwrap();
        let folder = |name| home.path().join(name);
        fs::write(folder("lock"), "used\n").unwrap();
        let (before, after) = (old.path().join("sled"), new.path().join("sled"));
        match step {
            "copying" => {
                copy(&before, &folder("sled"));
                copy(&after, &folder("sled.fresh"));
                fs::write(folder("sled.fresh/db"), [7; 99]).unwrap();
            }
            "copied" => {
                copy(&before, &folder("sled"));
                copy(&after, &folder("sled.fresh"));
            }
            "moved away" => {
                copy(&before, &folder("sled.old"));
                copy(&after, &folder("sled.fresh"));
            }
            _ => {
                copy(&before, &folder("sled.old"));
                copy(&after, &folder("sled"));
            }
        }
        assert_eq!(rows(home.path()), expected, "{step}");
        assert!(
            !folder("sled.fresh").exists() && !folder("sled.old").exists(),
            "{step}"
        );
    }
}
