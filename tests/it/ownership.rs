//! Archive ownership: a store replaces only what it has written itself, and nothing newer.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use propsbot_archive::{ArchiveError, ArchiveWrite, Bases, DataArchive, ExportProgressBoard};
use propsbot_backends::FolderArchive;
use propsbot_jobs::export::exports;
use propsbot_mirror::{ExportOptions, ExportTarget, export_and_record};
use propsbot_model::{Evidence, Fact, Millis, Observation, Privacy, Stamp, Tier};
use propsbot_rows::Snapshot;
use propsbot_store::Store;
use simulator::discord::kind;

use crate::{
    live::SOON,
    mirror::{Mirror, spawn},
};

/// Posts a public message by a member.
fn post(mirror: &Mirror, text: &str) {
    let truth = mirror.discord.truth();
    let open = |truth_channel: &&simulator::discord::TruthChannel| {
        truth_channel.public && truth_channel.kind == kind::TEXT
    };
    let channel = truth.channels.iter().find(open).unwrap();
    mirror.discord.post(truth.members[0].id, channel.id, text);
}

/// Replaces a folder with a copy of another.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let mut copying = Command::new("cp");
    copying.arg("-a").args([from, to]);
    assert!(spawn(&mut copying).wait().unwrap().success());
}

fn manifest(mirror: &Mirror) -> Vec<u8> {
    fs::read(mirror.manifest_path()).unwrap()
}

/// Everything the archive has gained since would be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_stores_do_not_replace_newer_archives() {
    let mirror = Mirror::seeded(3).await;
    mirror.sync().await.ok();
    mirror.run(&["export", "--to", "dir:older"]).await.ok();
    post(&mirror, "later");
    mirror.sync().await.ok();
    mirror.export().await;
    let exported = manifest(&mirror);

    fs::remove_dir_all(mirror.store_path()).unwrap();
    let older = ["restore", "--from", "dir:older"];
    mirror.run(&older).await.ok();
    for refused in [&["export"][..], &["export", "--dry-run"], &["export"]] {
        let told = mirror.run(refused).await;
        told.failed(1, &["holds generation 1", "another store", "--replace"]);
        assert!(manifest(&mirror) == exported, "{refused:?}");
    }
    let running = mirror.start(&["run"]);
    let begun = Instant::now();
    // It warns at the start, not after the first interval.
    while !running.stderr().contains("exports are going to fail") {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
    assert!(manifest(&mirror) == exported);
    mirror.sync().await.ok();
    mirror.run(&["export", "--replace"]).await.ok();
    mirror.check_archive().await;
    let again = mirror.export().await;
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
}

/// A backup of the store is older than the archive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_store_copies_do_not_replace_newer_archives() {
    let mirror = Mirror::seeded(3).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let backup = mirror.home.path().join("backup");
    copy(&mirror.store_path(), &backup);
    post(&mirror, "later");
    mirror.sync().await.ok();
    mirror.export().await;
    let exported = manifest(&mirror);

    copy(&backup, &mirror.store_path());
    let refused = mirror.run(&["export"]).await;
    refused.failed(1, &["holds generation 2", "older copy", "restore"]);
    assert!(manifest(&mirror) == exported);
    mirror.run(&["export", "--replace"]).await.ok();
    assert!(manifest(&mirror) != exported);
    mirror.export().await;
}

/// Members deleted since then don't come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_privacy_choices_outlive_older_store_copies() {
    wish_outlives_an_older_copy(None).await;
}

/// The same for members with an earlier, milder choice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_outlive_older_choices_in_store_copies() {
    wish_outlives_an_older_copy(Some(Tier::Content)).await;
}

async fn wish_outlives_an_older_copy(earlier: Option<Tier>) {
    let mirror = Mirror::seeded(3).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let user = mirror.archived().await.reactions[0].user_id;
    if let Some(tier) = earlier {
        let store = mirror.store();
        let chosen = Observation {
            at: Stamp(store.newest().unwrap().0 + 1),
            by: Evidence::Rest,
            fact: Fact::Privacy(Privacy {
                tier,
                since: Millis(1),
                ..Privacy::unchosen(mirror.guild(), user)
            }),
        };
        store.merge(&[vec![chosen]]).unwrap();
    }
    let backup = mirror.home.path().join("backup");
    copy(&mirror.store_path(), &backup);
    mirror
        .run(&["forget", "--user", &user.to_string()])
        .await
        .ok();
    mirror.export().await;
    let shown = async || {
        let rows = mirror.archived().await;
        let member = rows
            .members
            .into_iter()
            .find(|member| member.user_id == user)
            .unwrap();
        let reacted = rows
            .reactions
            .iter()
            .any(|reaction| reaction.user_id == user);
        (member.username, member.forgotten_at.is_some(), reacted)
    };
    assert_eq!(shown().await, (String::new(), true, false));

    copy(&backup, &mirror.store_path());
    let replaced = mirror.run(&["export", "--replace"]).await.ok();
    assert!(
        replaced.stdout.contains("1 privacy choice that"),
        "{replaced:?}"
    );
    assert_eq!(shown().await, (String::new(), true, false));
    let again = mirror.run(&["export", "--replace"]).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
}

/// A backup of the archive is older than its own store, so it is updated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_older_archive_copies() {
    let mirror = Mirror::seeded(3).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let backup = mirror.home.path().join("backup");
    copy(&mirror.archive_path(), &backup);
    post(&mirror, "later");
    mirror.sync().await.ok();
    mirror.export().await;
    let rows = mirror.archived().await;

    copy(&backup, &mirror.archive_path());
    assert_ne!(mirror.archived().await, rows);
    mirror.export().await;
    assert_eq!(mirror.archived().await, rows);
}

/// An archive, and what happens during the first two exports to it.
struct Meanwhile {
    archive: FolderArchive,
    happens: Box<dyn Fn() + Send + Sync>,
    writes: AtomicUsize,
}

#[async_trait]
impl DataArchive for Meanwhile {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.archive.read(path, longest).await
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        // The export has decided what to write.
        if self.writes.fetch_add(1, Ordering::Relaxed) < 2 {
            (self.happens)();
        }
        self.archive.write(bases).await
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.archive.sweep().await
    }
}

/// A member who hides everything before an export is published isn't in it, however late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_omit_data_withdrawn_meanwhile() {
    let mirror = Mirror::seeded(3).await;
    mirror.sync().await.ok();
    mirror.run(&["export", "--to", "dir:other"]).await.ok();
    let other = FolderArchive::new(mirror.home.path().join("other"));
    let shown = Snapshot::read(&other).await.unwrap();
    let (guild_id, user_id) = (mirror.guild(), shown.reactions[0].user_id);
    let store = Arc::new(Store::open(&mirror.store_path()).unwrap());
    let wish = {
        let store = Arc::clone(&store);
        let now = AtomicUsize::new(1);
        move || {
            let now = i64::try_from(now.fetch_add(1, Ordering::Relaxed)).unwrap();
            let tier = [Tier::Content, Tier::Everything][usize::from(now > 1)];
            let chosen = Privacy {
                tier,
                since: Millis(now),
                ..Privacy::unchosen(guild_id, user_id)
            };
            let seen = Observation {
                at: Stamp(now),
                by: Evidence::Gateway,
                fact: Fact::Privacy(chosen),
            };
            store.merge(&[vec![seen]]).unwrap();
        }
    };
    let archive = FolderArchive::new(mirror.archive_path());
    let target = ExportTarget {
        name: "dir:archive".to_owned(),
        archive: Arc::new(Meanwhile {
            archive: archive.clone(),
            happens: Box::new(wish),
            writes: AtomicUsize::new(0),
        }),
        others: &[],
        beside: None,
        follower: None,
        made: ExportProgressBoard::default(),
        spool: mirror.home.path().join("spool"),
        drop_copies: None,
    };
    let options = ExportOptions::default();
    let done = export_and_record(&exports(&store), &target, Millis(1), &options).await;
    let done = done.unwrap();
    // Nothing was published before.
    assert_eq!(done.generation, 1);
    let rows = Snapshot::read(&archive).await.unwrap();
    assert!(!rows.reactions.is_empty());
    assert!(
        rows.reactions
            .iter()
            .all(|reaction| reaction.user_id != user_id)
    );
}
