//! Commits: force-pushes, merges off the default branch, and interruptions while they are read.

use simulator::github::{
    Fault, What,
    world::{Action, Seed},
};

use super::{Source, truth::archived};
use crate::store::copy;

fn commit(message: &str) -> Action {
    Action::Commit {
        repository: "octo-org/alpha".into(),
        message: message.to_owned(),
        by: Some("amara".to_owned()),
        name: None,
        at: None,
    }
}

fn force_push(drop: usize) -> Action {
    Action::ForcePush {
        repository: "octo-org/alpha".into(),
        drop,
    }
}

/// Merges a new pull request.
fn merge(source: &Source) {
    let pull = source.act(Action::Pull {
        repository: "octo-org/alpha".into(),
        by: Some("bram".to_owned()),
        title: "To be merged".to_owned(),
        body: String::new(),
        at: None,
    });
    source.act(Action::Merge {
        on: pull.into(),
        by: Some("bram".to_owned()),
        message: None,
    });
}

/// Merges a pull request that this many commits lead to, then takes all that off the default branch.
fn merge_elsewhere(source: &Source, commits: usize) {
    for number in 0..commits {
        source.act(commit(&format!("Leads to what is merged: {number}")));
    }
    merge(source);
    source.act(force_push(commits + 1));
}

/// Has a reading fail while it goes through this history, after so many of its pages.
async fn interrupt(source: &Source, history: &str, pages: usize) {
    let refused = Fault::Status(403);
    source
        .github
        .fail_after(What::Naming(history.to_owned()), pages, 1_000, refused);
    let synced = source.run(&["sync"]).await;
    synced.failed(3, &["octo-org/alpha: GitHub refused"]);
    source.github.heal();
    let status = source.run(&["status"]).await.ok().stdout;
    assert!(
        status.contains("its commits were never read to the end"),
        "{status}"
    );
}

/// Words of the query for the commits that lead to another one.
const OF_A_COMMIT: &str = "parents(first";

/// What was kept of the newer commits doesn't stand for the older ones, in this store and in a restored one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_on_after_an_interruption_what_led_to_a_merge() {
    let source = Source::seeded(&Seed::default()).await;
    merge_elsewhere(&source, 1_300);
    interrupt(&source, OF_A_COMMIT, 12).await;
    source.export().await;
    let kept = archived(&source.archive()).await;
    let leads = |line: &&String| line.contains("Leads to what is merged");
    let count = kept.iter().filter(leads).count();
    assert!((1..1_300).contains(&count), "{count}");
    let [data, archive, cut] = ["data", "archive", "cut"].map(|name| source.home.path().join(name));
    copy(&archive, &cut);
    source.run(&["sync"]).await.ok();
    source.check().await;
    for old in [&data, &archive] {
        std::fs::remove_dir_all(old).unwrap();
    }
    std::fs::rename(&cut, &archive).unwrap();
    source.run(&["restore", "--from", "dir:archive"]).await.ok();
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// The pull request is known by then, and nothing else changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_again_for_a_merge_that_could_not_be_read() {
    let source = Source::seeded(&Seed::default()).await;
    source.run(&["sync"]).await.ok();
    merge_elsewhere(&source, 150);
    for pages in [0, 1] {
        let refused = Fault::Status(403);
        source
            .github
            .fail_after(What::Naming(OF_A_COMMIT.to_owned()), pages, 1_000, refused);
        source.run(&["sync"]).await.failed(3, &["GitHub refused"]);
        source.github.heal();
    }
    source.run(&["sync"]).await.ok();
    source.check().await;
    let again = source.cost(&["sync"]).await;
    assert_eq!((again.requests, again.not_modified), (7, 6), "{again:?}");
}

/// A merge that was on the default branch at first is known without what led to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_what_led_to_a_merge_that_left_the_branch_meanwhile() {
    let source = Source::seeded(&Seed::default()).await;
    for number in 0..250 {
        source.act(commit(&format!("Leads to what is merged: {number}")));
    }
    merge(&source);
    interrupt(&source, "defaultBranchRef { target { ... on Commit", 1).await;
    source.act(force_push(251));
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// What a pull request was merged as stays with what led to it. After a restore nothing says which commits the branch
/// had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_pushes_take_commits_away_before_and_after_a_restore() {
    let source = Source::seeded(&Seed::default()).await;
    source.act(commit("Leads to what is merged"));
    merge(&source);
    for message in ["To stay", "To go", "To go, too"] {
        source.act(commit(message));
    }
    source.run(&["sync"]).await.ok();
    source.check().await;
    std::fs::remove_dir_all(source.home.path().join("data")).unwrap();
    source.run(&["restore", "--from", "dir:archive"]).await.ok();
    source.act(force_push(2));
    source.run(&["sync"]).await.ok();
    source.check().await;
    // To before what led to what is merged.
    source.act(force_push(3));
    source.run(&["sync"]).await.ok();
    source.check().await;
}
