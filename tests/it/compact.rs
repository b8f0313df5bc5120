//! `propsbot compact`: the store means the same, takes less room, and survives kills at every step.

use std::{fs, path::Path};

use simulator::discord::kind;

use crate::{
    live,
    mirror::{Mirror, Running},
    store::copy,
};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Everything that the store has: rows, indexes, marks, the ledger, the settings.
fn entries(mirror: &Mirror) -> Entries {
    let store = mirror.raw_store();
    let entries = store.iter().map(|entry| {
        let (key, value) = entry.unwrap();
        (key.to_vec(), value.to_vec())
    });
    entries.collect()
}

fn bytes(mirror: &Mirror) -> u64 {
    let files = fs::read_dir(mirror.store_path().join("sled")).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

/// A store that has been written to again and again, with something that isn't exported yet.
async fn grown(seed: u64) -> Mirror {
    let mirror = Mirror::seeded(seed).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "props", vec![]);
    for round in 0..3 {
        mirror.discord.post(ana, channel, &format!("round {round}"));
        mirror.run(&["sync", "--recheck"]).await.ok();
    }
    mirror
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_store_means_the_same() {
    let mirror = grown(5).await;
    let (before, size) = (entries(&mirror), bytes(&mirror));
    assert!(!mirror.store().dirty().unwrap().is_empty());
    let ended = mirror.run(&["compact"]).await.ok();
    assert!(ended.stdout.contains("MB before"), "{ended:#?}");
    assert!(bytes(&mirror) < size, "{} of {size}", bytes(&mirror));
    assert_eq!(entries(&mirror), before);
    mirror.export().await;
    mirror.check_archive().await;
    mirror.run(&["compact"]).await.ok();
    let again = mirror.run(&["export"]).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:#?}");
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A running bot keeps its store, and a folder without a store stays one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compacts_only_a_store_that_nothing_uses() {
    let mirror = Mirror::empty().await;
    let none = mirror.run(&["compact"]).await;
    none.failed(2, &["there is no store at ./data", "STORE_PATH"]);
    assert!(!mirror.store_path().exists());
    let running = live::start(&mirror).await;
    let refused = mirror.run(&["compact"]).await;
    refused.failed(1, &["in use"]);
    running.terminate();
    running.wait().await.ok();
    mirror.run(&["compact"]).await.ok();
}

/// Where a rewrite is, as its folders tell.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Copying,
    MovedAway,
    MovedIn,
}

fn step(store: &Path) -> Option<Step> {
    let [current, fresh, old] =
        ["sled", "sled.fresh", "sled.old"].map(|name| store.join(name).exists());
    match (current, fresh, old) {
        (true, true, false) => Some(Step::Copying),
        (false, true, true) => Some(Step::MovedAway),
        (true, false, true) => Some(Step::MovedIn),
        _ => None,
    }
}

/// Kills it as soon as it is seen at this step; the step that it was stopped at.
async fn killed_at(store: &Path, mut running: Running, wanted: Step) -> Option<Step> {
    while step(store) != Some(wanted) && !running.has_ended() {
        std::hint::spin_loop();
    }
    running.kill().await;
    step(store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_every_step_lose_nothing() {
    let mirror = grown(6).await;
    let before = entries(&mirror);
    let whole = tempfile::tempdir().unwrap();
    copy(&mirror.store_path(), whole.path());
    for wanted in [Step::Copying, Step::MovedAway, Step::MovedIn] {
        // A step may be over before the kill arrives.
        let mut stopped_at = None;
        for _ in 0..30 {
            fs::remove_dir_all(mirror.store_path()).unwrap();
            copy(whole.path(), &mirror.store_path());
            let running = mirror.start(&["compact"]);
            stopped_at = killed_at(&mirror.store_path(), running, wanted).await;
            // Whatever it was: opening the store settles it.
            mirror.run(&["status"]).await.ok();
            assert_eq!(step(&mirror.store_path()), None);
            assert_eq!(entries(&mirror), before, "{stopped_at:?}");
            if stopped_at == Some(wanted) {
                break;
            }
        }
        assert_eq!(stopped_at, Some(wanted));
        mirror.run(&["compact"]).await.ok();
        assert_eq!(entries(&mirror), before);
    }
}

/// A restore leaves a store that compacting doesn't make much smaller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_is_compact() {
    let mirror = grown(7).await;
    mirror.export().await;
    fs::remove_dir_all(mirror.store_path()).unwrap();
    mirror.run(&["restore", "--from", "dir:archive"]).await.ok();
    let restored = bytes(&mirror);
    mirror.run(&["compact"]).await.ok();
    // sled's files grow by half a MiB at a time. Two of those aren't much of a real store, but of this one.
    let ready = 1 << 20;
    assert!(
        restored <= bytes(&mirror) * 3 / 2 + ready,
        "{restored} of {}",
        bytes(&mirror)
    );
}
