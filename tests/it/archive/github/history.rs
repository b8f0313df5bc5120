//! What happens to earlier exports.

use propsbot_archive::DataArchive;
use propsbot_backends::{GithubAccess, GithubArchive, History};
use propsbot_network::Network;
use simulator::github::{Fault, Github, Kind, What};

use super::{
    super::{
        assert_valid,
        bucket::{first, second},
    },
    access, commits, git, place, started,
};

fn archive(github: &Github, history: History) -> GithubArchive {
    let access = GithubAccess {
        history,
        ..access(github)
    };
    GithubArchive::new(place(github, ""), &access, &Network::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_history_unless_squashing() {
    let github = started().await;
    let keep = archive(&github, History::Keep);
    first(&keep).await;
    second(&keep).await.unwrap();
    keep.forget_history().await.unwrap();
    assert_eq!(commits(&github), 3);

    let later = archive(&github, History::SquashAfterDeletion);
    second(&later).await.unwrap();
    assert_eq!(commits(&github), 3);
    let files = github.files_at("main").unwrap();
    later.forget_history().await.unwrap();
    assert_eq!(commits(&github), 1);
    assert_eq!(github.files_at("main").unwrap(), files);
    assert_valid(&later).await;
    // There is nothing left to squash.
    let made = super::writes(&github);
    later.forget_history().await.unwrap();
    assert_eq!(super::writes(&github), made);
    git(github.repository_path(), &["fsck", "--strict"]);
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn can_squash_every_export() {
    let github = started().await;
    let squashed = archive(&github, History::Squash);
    first(&squashed).await;
    assert_eq!(commits(&github), 1);
    second(&squashed).await.unwrap();
    assert_eq!(commits(&github), 1);
    assert_eq!(assert_valid(&squashed).await.manifests[0].generation, 2);
    let made = super::writes(&github);
    second(&squashed).await.unwrap();
    assert_eq!(super::writes(&github), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn squashing_survives_faults_and_keeps_other_commits() {
    for fault in [Fault::Reset, Fault::Lost, Fault::DoneBut(502)] {
        for step in 0..4 {
            let github = started().await;
            let archive = archive(&github, History::SquashAfterDeletion);
            first(&archive).await;
            github.fail_after(What::Any, step, 1, fault.clone());
            archive.forget_history().await.unwrap();
            assert_eq!(commits(&github), 1, "{fault:?} at {step}");
            assert_valid(&archive).await;
        }
    }
    let theirs = || vec![("theirs.txt".to_owned(), b"theirs".to_vec())];
    for fault in [Fault::Overtaken(theirs()), Fault::Raced(theirs())] {
        let github = started().await;
        let archive = archive(&github, History::SquashAfterDeletion);
        first(&archive).await;
        github.fail(Kind::Mutation, 1, fault);
        archive.forget_history().await.unwrap();
        assert!(github.files_at("main").unwrap().contains_key("theirs.txt"));
        assert_eq!(commits(&github), 1);
        assert_valid(&archive).await;
    }
}
