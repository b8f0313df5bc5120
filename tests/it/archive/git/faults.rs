//! Faults of the server, and kills, at every single request of an export.

use std::{collections::BTreeSet, path::PathBuf};

use futures::future::{Either, select};

use super::{
    super::{
        assert_valid,
        bucket::{clean, first, second},
    },
    host::{Fault, Host, git},
};

/// The head after the first export, to which the branch can be set back.
async fn begin(host: &Host) -> String {
    first(&host.local("")).await;
    git(&host.path(), &["rev-parse", "trunk"]).trim().to_owned()
}

fn set_back(host: &Host, head: &str) {
    git(&host.path(), &["update-ref", "refs/heads/trunk", head]);
}

/// Applies the fault to each request of an export in turn, and checks that it is written exactly once.
async fn nobody_notices(fault: &Fault, strangers: usize) {
    let clean = clean().await;
    let host = Host::start(None).await;
    let head = begin(&host).await;
    for step in 0.. {
        set_back(&host, &head);
        let before = host.requests();
        host.fail(step, 1, fault.clone());
        let archive = host.archive("");
        assert_eq!(second(&archive).await, Ok(2), "{fault:?} at {step}");
        let has_struck = host.requests() > before + step;
        let mut files = host.files("trunk", "");
        files.remove("theirs.txt");
        assert_eq!(files, clean, "{fault:?} at {step}");
        let most = 2 + if has_struck { strangers } else { 0 };
        assert!(
            (2..=most).contains(&host.commits("trunk")),
            "{fault:?} at {step}"
        );
        host.heal();
        if !has_struck {
            assert!(step > 6, "{step} requests are too few for an export");
            break;
        }
    }
    assert_valid(&host.local("")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_failing_hosts() {
    nobody_notices(&Fault::Status(503), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resolves_lost_answers_by_looking_at_the_branch() {
    nobody_notices(&Fault::DoneBut(502), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_commits_by_others() {
    nobody_notices(&Fault::Overtaken, 1).await;
}

/// Exports are given up before the host does what is asked, or right after.
#[tokio::test(flavor = "multi_thread")]
async fn exports_stopped_at_any_request_are_atomic() {
    let clean = clean().await;
    for fault in [Fault::Dead, Fault::Silent] {
        let host = Host::start(None).await;
        let head = begin(&host).await;
        let mut generations = BTreeSet::new();
        for step in 0.. {
            set_back(&host, &head);
            host.fail(step, usize::MAX, fault.clone());
            let reached = host.requests() + step + 1;
            let archive = host.archive("");
            let ended = {
                let exporting = Box::pin(second(&archive));
                let ended = select(exporting, Box::pin(host.reached(reached))).await;
                matches!(ended, Either::Left((Ok(_), _)))
            };
            host.heal();
            let later = host.local("");
            generations.insert(assert_valid(&later).await.manifests[0].generation);
            assert_eq!(second(&later).await, Ok(2), "{fault:?} at {step}");
            assert_eq!(host.files("trunk", ""), clean, "{fault:?} at {step}");
            assert_eq!(host.commits("trunk"), 2, "{fault:?} at {step}");
            // The same archive goes on, with another local copy.
            assert_eq!(second(&archive).await, Ok(2), "{fault:?} at {step}");
            if ended {
                assert!(step > 6, "{step} requests are too few for an export");
                break;
            }
        }
        let branches = git(&host.path(), &["for-each-ref", "--format=%(refname)"]);
        assert_eq!(branches.trim(), "refs/heads/trunk");
        assert_eq!(generations, BTreeSet::from([1, 2]), "{fault:?}");
    }
}

/// A stopped push to a path leaves no lock behind.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_exports_leave_local_repositories_usable() {
    let host = Host::start(None).await;
    let head = begin(&host).await;
    let locks = |host: &Host| -> Vec<PathBuf> {
        let lock = host.path().join("refs/heads/trunk.lock");
        [lock].into_iter().filter(|lock| lock.exists()).collect()
    };
    // How often the export gets on until it is dropped: each time a little further.
    for polls in 0..15 {
        set_back(&host, &head);
        let archive = host.local("");
        {
            let mut exporting = Box::pin(second(&archive));
            let mut left = polls;
            std::future::poll_fn(|context| {
                if left == 0 {
                    return std::task::Poll::Ready(());
                }
                left -= 1;
                exporting.as_mut().poll(context).map(drop)
            })
            .await;
        }
        assert_valid(&host.local("")).await;
        assert_eq!(second(&archive).await, Ok(2), "{polls}");
        assert_eq!(locks(&host), [] as [PathBuf; 0]);
    }
}
