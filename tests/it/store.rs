//! The contract of the store's engine.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use memchr::memmem;
use propsbot_archive::{Hash, base};
use propsbot_mirror::Ledger as _;
use propsbot_model::{
    Author, AuthorKind, ChannelId, Evidence, Fact, Forget, GuildId, Message, MessageId,
    MessageKind, Observation, RoleId, Stamp, UserId, permissions::Permissions,
};
use propsbot_store::{Reader, Rewrite, SCHEMA, Store, StoreError};

use crate::mirror::{Mirror, open, propsbot, raw_store, start};

const GUILD: GuildId = GuildId(1_000_000_000_000_000_001);
const CHANNEL: ChannelId = ChannelId(1_000_000_000_000_000_002);
/// Messages per batch.
const BATCH: u64 = 10;
/// Variable that tells the process to be killed where to write.
const FOLDER: &str = "PROPSBOT_TEST_STORE";
const ACKNOWLEDGED: &str = "acknowledged";

/// A batch of messages, grouped as by the writer.
fn batch(number: u64, size: u64) -> Vec<Vec<Observation>> {
    let message = |n: u64| Message {
        id: MessageId(1_100_000_000_000_000_000 + number * size + n),
        channel_id: CHANNEL,
        guild_id: GUILD,
        author: Author {
            id: UserId(7),
            kind: AuthorKind::User,
        },
        kind: MessageKind::DEFAULT,
        content: format!("batch {number}: {}", "thanks ".repeat(30)),
        mentions: vec![],
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        unread: propsbot_model::Unread::default(),
        earlier: Vec::new(),
    };
    (0..size)
        .map(|n| {
            vec![Observation {
                at: Stamp(i64::try_from(number * size + n).unwrap() + 1),
                by: Evidence::Gateway,
                fact: Fact::Message(message(n)),
            }]
        })
        .collect()
}

fn count(store: &Reader) -> u64 {
    let all = store.messages(CHANNEL, 0..=u64::MAX);
    all.inspect(|row| assert!(row.as_ref().unwrap().message().is_some()))
        .count() as u64
}

/// All files of the store except its lock, with their contents.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "lock" {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// A closed store with this many batches.
fn filled(batches: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for number in 0..batches {
        store.merge(&batch(number, BATCH)).unwrap();
    }
    folder
}

#[test]
fn only_one_process_can_open_the_store() {
    let folder = filled(1);
    let store = open(folder.path()).unwrap();
    let second = Store::open(folder.path()).err();
    assert!(
        matches!(second, Some(StoreError::InUse { .. })),
        "{second:?}"
    );
    assert_eq!(count(&store), BATCH);
    drop(store);
    assert_eq!(count(&open(folder.path()).unwrap()), BATCH);
}

/// sled's threads may hold the file for a moment after the store is closed.
#[test]
fn waits_for_a_store_that_is_still_closing() {
    let folder = filled(3);
    let closing = fs::File::open(folder.path().join("sled/db")).unwrap();
    closing.lock().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            drop(closing);
        });
        assert_eq!(count(&open(folder.path()).unwrap()), 3 * BATCH);
    });
}

#[tokio::test]
async fn refuses_and_keeps_newer_schemas() {
    let folder = filled(1);
    {
        let db = raw_store(folder.path());
        db.insert([0], &(SCHEMA + 1).to_be_bytes()).unwrap();
        db.flush().unwrap();
    }
    for _ in 0..2 {
        let refused = open(folder.path()).err();
        assert!(
            matches!(
                refused,
                Some(StoreError::Newer { found, known, .. })
                    if (found, known) == (SCHEMA + 1, SCHEMA)
            ),
            "{refused:?}"
        );
    }
    // A service manager doesn't try it again and again.
    let path = folder.path().to_str().unwrap();
    let status = propsbot(folder.path(), &[("STORE_PATH", path)], &["status"]);
    let refused = start(status).wait().await;
    refused.failed(2, &["update propsbot, or restore"]);
}

/// sled never reopens a folder with such a file.
#[test]
fn removes_partial_snapshots() {
    let folder = filled(3);
    let left = folder.path().join("sled/snap.0000000000000ABC.generating");
    fs::write(&left, "half").unwrap();
    assert_eq!(count(&open(folder.path()).unwrap()), 3 * BATCH);
    assert!(!left.exists());
}

/// Damages the data file.
///
/// Partial damage of the log isn't always reported: sled may take it for the end of an interrupted
/// write and open without the rest.
type Damage = fn(&mut Vec<u8>);

const DAMAGES: [(&str, Damage); 4] = [
    ("cut to half", |file| file.truncate(file.len() / 2)),
    ("emptied", Vec::clear),
    ("all zeros", |file| file.fill(0)),
    ("something else", |file| file.fill(b'x')),
];

#[test]
fn reports_damage_and_deletes_nothing() {
    for (name, damage) in DAMAGES {
        let folder = filled(300);
        let path = folder.path().join("sled/db");
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let before = files(folder.path());
        // However often it is opened, it doesn't turn into an empty store.
        for _ in 0..2 {
            match open(folder.path()).err() {
                Some(StoreError::Damaged { path, .. }) => assert_eq!(path, folder.path(), "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let after = files(folder.path());
        assert!(
            before.keys().all(|key| after.contains_key(key)),
            "{name}: a file is gone"
        );
    }
}

#[test]
fn later_changes_stay_marked_after_an_export() {
    let folder = filled(1);
    let manifest = base(Some(Hash::of(b"a manifest")));
    let store = open(folder.path()).unwrap();
    let first = store.dirty().unwrap();
    assert_eq!(first.len(), 1, "{first:?}");
    store.merge(&batch(1, BATCH)).unwrap();
    let second = store.dirty().unwrap();
    assert_eq!(second[0].mark, first[0].mark);
    assert!(second[0].generation > first[0].generation);
    // An export that read only the first batch.
    store
        .published("dir:archive", &manifest, 1, &first)
        .unwrap();
    assert_eq!(store.dirty().unwrap(), second);
    drop(store);
    let store = open(folder.path()).unwrap();
    store.merge(&batch(2, BATCH)).unwrap();
    assert!(
        store.dirty().unwrap()[0].generation > second[0].generation,
        "generations go on after a restart"
    );
    store
        .published("dir:archive", &manifest, 1, &second)
        .unwrap();
    assert_eq!(store.dirty().unwrap().len(), 1);
    store
        .published("dir:archive", &manifest, 1, &store.dirty().unwrap())
        .unwrap();
    assert_eq!(store.dirty().unwrap(), []);
    // Repeating known facts is no change.
    store.merge(&batch(2, BATCH)).unwrap();
    assert_eq!(store.dirty().unwrap(), []);
}

/// A deleted message has no missing text, so it doesn't make its guild incomplete.
#[test]
fn forgets_a_missing_text_with_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let mut groups = batch(0, 1);
    let Fact::Message(message) = &mut groups[0][0].fact else {
        panic!("a batch is messages");
    };
    message.content.clear();
    message.unread.add(propsbot_model::Field::Content);
    let id = message.id;
    store.merge(&groups).unwrap();
    let missing = || store.tallies(GUILD).unwrap()[0].texts_missing;
    assert_eq!(missing(), 1);
    let step = Fact::Forget(GUILD, Forget::Message(CHANNEL, id));
    let seen = Observation {
        at: Stamp(100),
        by: Evidence::Rest,
        fact: step,
    };
    store.merge(&[vec![seen]]).unwrap();
    assert_eq!(missing(), 0);
}

#[test]
fn readers_see_whole_batches() {
    const SIZE: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let (store, done) = (&*store, &AtomicBool::new(false));
    let torn = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let (mut looks, mut torn, mut counts) = (0, 0, 0);
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let view = store.view();
                // The fast query first: most batches arrive during the slow one.
                let (tally, all) = (view.tallies(GUILD).unwrap(), count(&view));
                drop(view);
                // Let the writer have the lock, which isn't fair.
                std::thread::sleep(Duration::from_millis(1));
                let told = tally.first().map_or(0, |first| first.messages);
                looks += 1;
                torn += u32::from(all % SIZE != 0 || told != all);
                counts += u32::from(all != last);
                last = all;
            }
            (looks, torn, counts)
        });
        for number in 0..60 {
            store.merge(&batch(number, SIZE)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        let (looks, torn, counts) = reader.join().unwrap();
        assert!(
            looks > 10 && counts > 5,
            "{looks} looks saw {counts} states"
        );
        torn
    });
    assert_eq!(torn, 0);
}

/// Not a test: a process that writes until it is killed or the store fails.
#[test]
#[ignore = "a process for the tests below"]
fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let store = Store::open(&folder.join("store")).unwrap();
    let mut acknowledged = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join(ACKNOWLEDGED))
        .unwrap();
    for number in count(&store) / BATCH.. {
        match store.merge(&batch(number, BATCH)) {
            Ok(_) => writeln!(acknowledged, "{number}").unwrap(),
            Err(error) => {
                assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
                assert!(error.to_string().contains("is the disk full?"), "{error}");
                // Half-written data is unreadable: nothing can be read at all.
                let refused = store.guilds().unwrap_err();
                assert!(
                    refused.to_string().contains("an earlier write failed"),
                    "{refused}"
                );
                return;
            }
        }
    }
}

fn as_writer(mut command: Command, home: &Path) -> Command {
    command
        .args(["--exact", "store::writer", "--ignored", "--nocapture"])
        .env(FOLDER, home)
        .current_dir(home);
    command
}

/// Number of acknowledged batches.
fn acknowledged(home: &Path) -> u64 {
    let text = fs::read_to_string(home.join(ACKNOWLEDGED)).unwrap_or_default();
    text.matches('\n').count() as u64
}

#[track_caller]
fn check(home: &Path) {
    let store = open(&home.join("store")).unwrap();
    let (there, told) = (count(&store), acknowledged(home));
    assert!(there >= told * BATCH, "{there} messages of {told} batches");
    assert_eq!(there % BATCH, 0, "half a batch is there");
    let tally = store.tallies(GUILD).unwrap();
    assert_eq!(tally[0].messages, there);
    assert!(!store.dirty().unwrap().is_empty());
}

#[tokio::test]
async fn sigkill_loses_nothing_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let before = acknowledged(home.path());
        let command = Command::new(std::env::current_exe().unwrap());
        let running = start(as_writer(command, home.path()));
        let written = async {
            while acknowledged(home.path()) < before + 3 + round {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written)
            .await
            .unwrap();
        let killed = running.kill().await;
        assert_eq!(killed.code, None, "{killed:#?}");
        check(home.path());
    }
}

/// A file size limit simulates a full disk.
#[tokio::test]
async fn full_disks_lose_nothing_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 6000; exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().unwrap());
    start(as_writer(command, home.path())).wait().await.ok();
    assert!(acknowledged(home.path()) > 10);
    check(home.path());
}

/// NFS locks only files that are open for writing.
#[test]
fn locked_files_are_open_for_writing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let mut modes = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let Ok(path) = fs::read_link(entry.path()) else {
            continue;
        };
        let Ok(name) = path.strip_prefix(home.path()) else {
            continue;
        };
        let fd = entry.file_name().into_string().unwrap();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        let mode: &mut u32 = modes.entry(name.to_owned()).or_default();
        *mode = (flags & 3).max(*mode);
    }
    drop(store);
    for name in ["lock", "sled/db"] {
        assert!(modes[Path::new(name)] > 0, "{name} is read-only: {modes:?}");
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Removed data is gone from the files; everything else is there.
#[test]
fn rewrites_purge_removed_data() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    for number in 1..=20 {
        store.merge(&batch(number, BATCH)).unwrap();
    }
    assert!(!store.owes_rewrite().unwrap());
    store.owe_rewrite().unwrap();
    let erase = |n: u64| {
        let id = MessageId(1_100_000_000_000_000_000 + 7 * BATCH + n);
        vec![Observation {
            at: Stamp(1_000_000),
            by: Evidence::Rest,
            fact: Fact::Forget(GUILD, Forget::Message(CHANNEL, id)),
        }]
    };
    store
        .merge(&(0..BATCH).map(erase).collect::<Vec<_>>())
        .unwrap();
    let has = |text: &str| {
        let all = files(home.path());
        let found = |bytes: &Vec<u8>| memmem::find(bytes, text.as_bytes()).is_some();
        all.values().any(found)
    };
    drop(store);
    assert!(has("batch 7: "));
    let store = Store::open(home.path()).unwrap();
    assert!(store.owes_rewrite().unwrap());
    assert_eq!(store.rewrite().unwrap(), Rewrite::Done);
    assert!(!has("batch 7: ") && has("batch 8: "));
    let store = Store::open(home.path()).unwrap();
    assert!(!store.owes_rewrite().unwrap());
    assert_eq!(count(&store), 19 * BATCH);
}

/// Between any two steps of a rewrite there is a complete store, and leftovers are removed.
#[test]
fn interrupted_rewrites_lose_nothing() {
    let whole = tempfile::tempdir().unwrap();
    let store = open(whole.path()).unwrap();
    store.merge(&batch(1, BATCH)).unwrap();
    drop(store);
    for step in ["copying", "copied", "moved away", "moved in"] {
        let home = tempfile::tempdir().unwrap();
        copy(whole.path(), home.path());
        let [current, fresh, old] =
            ["sled", "sled.fresh", "sled.old"].map(|name| home.path().join(name));
        if step != "moved in" {
            copy(&current, &fresh);
        }
        match step {
            "copying" => fs::write(fresh.join("db"), [7; 99]).unwrap(),
            "moved away" => fs::rename(&current, &old).unwrap(),
            "moved in" => copy(&current, &old),
            _ => {}
        }
        let store = open(home.path()).unwrap();
        assert_eq!(count(&store), BATCH, "{step}");
        assert!(!fresh.exists() && !old.exists(), "{step}");
    }
}

/// A channel's permissions take few rows, and equal those computed from all of the guild's rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channel_permissions_need_only_the_parent() {
    let mirror = Mirror::seeded(8).await;
    mirror.sync().await.ok();
    let (store, guild) = (mirror.store(), mirror.guild());
    let mut public = 0;
    for part in store.channels(guild).unwrap() {
        let channel = part.state.now().unwrap();
        let of_all = |user: UserId, roles: &[RoleId]| {
            let ask = |all: &Permissions<'_>| {
                (
                    all.everyone_reads(channel),
                    all.of_member(user, roles, channel),
                )
            };
            store.with_permissions(guild, ask).unwrap().unwrap()
        };
        for member in store.members(guild).unwrap() {
            let Some(presence) = member.presence.now() else {
                continue;
            };
            let (reads, bits) = of_all(member.user_id, &presence.roles);
            assert_eq!(store.everyone_reads(guild, channel.id).unwrap(), reads);
            let found = store.bits_of(guild, member.user_id, channel).unwrap();
            assert_eq!(found, Some(bits), "{channel:?} {member:?}");
            public += u32::from(reads && channel.kind.is_thread());
        }
    }
    assert!(public > 0);
}
