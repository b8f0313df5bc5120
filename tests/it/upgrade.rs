//! Stores of earlier schemas are upgraded when they are opened, and mean the same.

use std::{collections::BTreeMap, fs, path::Path};

use propsbot_archive::Hash;
use serde_json::Value;

use crate::{
    mirror::{open, propsbot, start},
    store::copy,
};

/// All entries of a store of schema 1, as hexadecimal keys and values. The last version with that
/// schema made it of a small community: after an export, more happened, somebody had their data
/// deleted, and lists of reactors failed.
const ROWS: &str = include_str!("../fixtures/store-1/rows.txt");
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

/// The store of schema 1.
fn store_1(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("lock"), "used\n").unwrap();
    let db = sled::open(path.join("sled")).unwrap();
    for line in ROWS.lines() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_1_means_the_same_after_its_upgrade() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    store_1(&path);
    {
        let store = open(&path).unwrap();
        let ledger = store.exports().unwrap();
        assert!(ledger.last.is_some() && ledger.rules.is_some());
        assert!(ledger.has_published("dir:./archive"));
        assert!(!store.dirty().unwrap().is_empty());
        assert!(store.newest().unwrap() >= store.heard().unwrap());
        assert!(store.heard().unwrap().0 > 0);
    }
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    assert_eq!(told(home.path()).await, expected);
}

/// Between any two steps of an upgrade there is a whole store, of one schema or the other.
#[test]
fn interrupted_upgrades_lose_nothing() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for home in [&old, &new] {
        store_1(home.path());
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
    assert_eq!(expected.3.len(), 125);
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
