//! Exports to an object store by processes that are killed or stopped: whose claim on the archive it is.

use std::time::{Duration, Instant};

use crate::{
    archive::bucket::ObjectStore,
    live::SOON,
    mirror::{Mirror, Running},
};

const TO: [&str; 3] = ["export", "--to", "s3://props/a"];

/// A mirror that may write to the object store, and has something to export.
async fn mirror(objects: &ObjectStore, seed: u64) -> Mirror {
    let mut mirror = Mirror::seeded(seed).await;
    for (name, value) in objects.variables() {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror.sync().await.ok();
    mirror
}

/// An export that has claimed the archive, and whose blobs don't arrive.
async fn held(objects: &ObjectStore, mirror: &Mirror) -> Running {
    objects.hold_blobs(true);
    let before = objects.held();
    let running = mirror.start(&TO);
    let begun = Instant::now();
    while objects.held() == before {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(objects.objects("a").contains(".writing"));
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_export_is_taken_up_at_once_by_its_own_store_only() {
    let objects = ObjectStore::start().await;
    let mirror = mirror(&objects, 21).await;
    held(&objects, &mirror).await.kill().await;
    objects.hold_blobs(false);

    let other = self::mirror(&objects, 22).await;
    let busy = other.run(&TO).await;
    busy.failed(
        1,
        &["another process is writing to the archive in s3://props/a"],
    );
    for _ in 0..2 {
        mirror.run(&TO).await.ok();
    }
    assert!(!objects.objects("a").contains(".writing"));
    let verified = mirror.run(&["verify", "--from", "s3://props/a"]).await;
    assert!(verified.ok().stdout.contains("No fault"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_export_lets_go_of_the_archive() {
    let objects = ObjectStore::start().await;
    let mut mirror = mirror(&objects, 21).await;
    let log = ("RUST_LOG".to_owned(), "info".to_owned());
    mirror.variables.push(log);
    let running = held(&objects, &mirror).await;
    running.terminate();
    let begun = Instant::now();
    while !running.stderr().contains("stopping") {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    objects.hold_blobs(false);
    let ended = running.wait().await;
    ended.failed(1, &["stopped before anything was published"]);
    assert_eq!(objects.read("a/.writing"), "left");
    assert!(!objects.objects("a").contains("manifest.json"));

    // Nobody has to wait for it, another store included.
    let other = self::mirror(&objects, 22).await;
    other.run(&TO).await.ok();
    let verified = other.run(&["verify", "--from", "s3://props/a"]).await;
    assert!(verified.ok().stdout.contains("No fault"));
}
