//! Kills at any moment: acknowledged data exists, nothing is duplicated, the archive is valid.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use simulator::discord::{Discord, Fault, Options, Seed};

use crate::mirror::Mirror;

/// Enough history for many writes.
async fn community(seed: u64) -> Mirror {
    let options = Options {
        seed: Seed {
            seed,
            messages: 1500,
            reactions: 0.3,
            days: 60,
            ..Seed::default()
        },
        ..Options::default()
    };
    let mut mirror = Mirror::new(options).await;
    mirror.manage_threads();
    mirror
}

/// Waits until Discord got this many more requests.
async fn asked(discord: &Discord, more: u64) {
    let until = discord.counters().requests + more;
    let reached = |discord: &Discord| discord.counters().requests >= until;
    assert!(discord.wait(Duration::from_secs(30), reached).await);
}

/// Kills each run after a seeded number of requests; the next run resumes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatedly_killed_sync_completes() {
    const KILLS: usize = 15;
    let mirror = community(11).await;
    let discord = &mirror.discord;
    // Delay every response, so that kills hit between two of them.
    discord.fail("*", usize::MAX, Fault::Delay(Duration::from_millis(2)));
    let mut random = StdRng::seed_from_u64(11);
    let mut lists = Vec::new();
    for _ in 0..KILLS {
        let mut running = mirror.start(&["sync"]);
        // Past the initial requests, in the middle of the work.
        asked(discord, random.random_range(5..80)).await;
        tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
        assert!(
            !running.has_ended(),
            "killed too late to interrupt anything"
        );
        running.kill().await;
        lists.push(
            mirror
                .store()
                .tallies(mirror.guild())
                .unwrap()
                .iter()
                .map(|tally| tally.messages)
                .sum::<u64>(),
        );
    }
    // Nothing is lost, and runs make progress.
    assert!(lists.is_sorted(), "{lists:?}");
    assert!(lists.last() > lists.first(), "{lists:?}");
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

/// A killed export leaves the previous archive or the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_export_leaves_a_valid_archive() {
    let mirror = community(12).await;
    let discord = &mirror.discord;
    mirror.sync().await.ok();
    let channel = discord.channel("general").unwrap();
    let ana = discord.people()[0];
    // The duration of an export here, including opening the store.
    let begun = Instant::now();
    let elsewhere = mirror.run(&["export", "--to", "dir:elsewhere"]).await;
    elsewhere.ok();
    let whole = begun.elapsed();
    let mut random = StdRng::seed_from_u64(12);
    let mut generations = Vec::new();
    for round in 0..10 {
        if round > 0 {
            discord.post(ana, channel, &format!("round {round}"));
            mirror.sync().await.ok();
        }
        let running = mirror.start(&["export"]);
        tokio::time::sleep(whole.mul_f64(random.random_range(0.3..1.1))).await;
        running.kill().await;
        if mirror.archive_path().join("manifest.json").exists() {
            let found = mirror.verified().await;
            assert!(found.is_valid(), "{:#?}", found.faults);
            generations.push(found.manifests[0].generation);
        }
    }
    assert!(generations.is_sorted(), "{generations:?}");
    mirror.export().await;
    mirror.check_archive().await;
    // Leftovers of killed exports are removed: only what the manifest names and the lock remain.
    let found = mirror.verified().await;
    let mut files = 0;
    for kind in ["days", "indexes", "parts", "rows"] {
        let Ok(folders) = std::fs::read_dir(mirror.archive_path().join(kind)) else {
            continue;
        };
        for folder in folders {
            files += std::fs::read_dir(folder.unwrap().path()).unwrap().count();
        }
    }
    assert_eq!(files as u64, found.read.files);
}
