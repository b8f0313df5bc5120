//! GitHub's limits on size and rate.

use std::time::{Duration, Instant};

use propsbot_archive::{
    ArchiveError, DOCUMENT_LIMIT, DataArchive, FILE_LIMIT, Hash, Object, Publish, README, ROOT,
    SOURCECRED, base,
    contract::{blob, manifest, publish, write},
};
use propsbot_backends::{GithubAccess, GithubArchive};
use propsbot_network::Network;
use propsbot_rows::Snapshot;
use simulator::github::{Fault, Kind, Limits, Rate, Visibility};

use super::{
    super::{
        assert_valid,
        bucket::{first, second, terse},
        put_only,
    },
    access, archive_in, commits, files, place, started,
};

const MEGABYTE: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn obeys_github_limits_to_the_second() {
    let github = started().await;
    let archive = archive_in(&github, "");
    first(&archive).await;
    for (status, told) in [(403, 1), (429, 2)] {
        let limit = Fault::SecondaryLimit {
            status,
            retry_after: Some(told),
        };
        github.fail(Kind::CommitOnBranch, 1, limit);
    }
    let reset_in = Duration::from_millis(500);
    github.fail(Kind::ReadRef, 1, Fault::PrimaryLimit { reset_in });
    let begun = Instant::now();
    assert_eq!(second(&archive).await, Ok(2));
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert_eq!(commits(&github), 3);
    assert_eq!(github.violations(), [""; 0]);
}

/// A client that waits before exceeding its budget is never rejected.
#[tokio::test(flavor = "multi_thread")]
async fn waits_for_a_new_budget() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let few = Limits {
        core: Some(Rate::new(4, Duration::from_secs(1))),
        ..Limits::none()
    };
    github.limit(few);
    first(&archive).await;
    assert!(github.requests().len() > 8);
    assert_eq!(github.counters().rate_limited, 0);
    assert_eq!(github.violations(), [""; 0]);
}

/// Incompressible bytes.
fn noise(megabytes: usize, seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..megabytes * MEGABYTE).map(|_| next()).collect()
}

fn generation(number: u32) -> Publish {
    publish(manifest(number))
}

/// No commit exceeds GitHub's limits, even with many documents next to the manifest.
#[tokio::test(flavor = "multi_thread")]
async fn splits_large_exports_into_commits() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let [graph, ..] = SOURCECRED;
    let objects = (0..8).map(|n| blob(&noise(2, n)));
    let documents = [
        (graph, Some(noise(15, 9))),
        (README, Some(b"Read".to_vec())),
    ];
    let first = Publish {
        documents: documents.into(),
        ..generation(1)
    };
    let receipt = write(&archive, base(None), objects, first).await.unwrap();
    assert_eq!(github.count(Kind::CommitOnBranch), 2);
    assert_eq!(commits(&github), 2);
    assert_eq!(receipt.too_large, [""; 0]);
    assert!(archive.read(graph, DOCUMENT_LIMIT).await.unwrap() == Some(noise(15, 9)));
    assert_eq!(github.violations(), [""; 0]);
}

/// GitHub reports an excessive commit with status 200; it is split.
#[tokio::test(flavor = "multi_thread")]
async fn splits_commits_beyond_github_resource_limits() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let said = r#"{"data":null,"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"Resource limits for this query exceeded."}]}"#;
    github.fail(Kind::CommitOnBranch, 1, Fault::Answer(200, said.to_owned()));
    let objects = (0..8).map(|n| blob(&noise(2, n)));
    write(&archive, base(None), objects, generation(1))
        .await
        .unwrap();
    assert!(github.count(Kind::CommitOnBranch) > 2);
    assert_eq!(github.violations(), [""; 0]);
}

/// A file that fits into no commit doesn't block the rest.
#[tokio::test(flavor = "multi_thread")]
async fn omits_oversized_documents_and_rejects_oversized_objects() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let [graph, types, _] = SOURCECRED;
    let with = |number, bytes: &[u8]| Publish {
        documents: [(graph, Some(bytes.to_vec())), (types, Some(b"{}".to_vec()))].into(),
        ..generation(number)
    };
    write(&archive, base(None), [], with(1, b"small"))
        .await
        .unwrap();
    assert!(files(&github, "").contains(graph));
    let bases = base(Some(Hash::of(&manifest(1))));
    let receipt = write(&archive, bases, [], with(2, &noise(23, 1))).await;
    assert_eq!(receipt.unwrap().too_large, [graph]);
    // A stale version would be taken for the current one.
    let there = files(&github, "");
    assert!(!there.contains(graph) && there.contains(types));

    let bytes = noise(23, 2);
    let refused = put_only(&archive, None, [blob(&bytes)]).await;
    assert!(
        matches!(refused, Err(ArchiveError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(github.violations(), [""; 0]);
}

/// Files are added and removed in parts, which readers don't notice.
#[tokio::test(flavor = "multi_thread")]
async fn removes_many_files_in_parts() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let objects: Vec<Object> = (0..2_100_u32).map(|n| blob(&n.to_be_bytes())).collect();
    write(&archive, base(None), objects.clone(), generation(1))
        .await
        .unwrap();
    assert_eq!(github.count(Kind::CommitOnBranch), 3);

    let second = Publish {
        remove: objects.iter().map(|object| object.path.clone()).collect(),
        ..generation(2)
    };
    let bases = base(Some(Hash::of(&manifest(1))));
    write(&archive, bases, [], second).await.unwrap();
    assert_eq!(github.count(Kind::CommitOnBranch), 6);
    assert_eq!(commits(&github), 3);
    let left = files(&github, "");
    assert_eq!(
        left,
        ["manifest.json", "notes.txt"].map(str::to_owned).into()
    );
    assert_eq!(
        archive.read(ROOT, FILE_LIMIT).await.unwrap(),
        Some(manifest(2))
    );
    assert_eq!(github.violations(), [""; 0]);
}

/// If GitHub fails on a commit, smaller ones are tried.
#[tokio::test(flavor = "multi_thread")]
async fn shrinks_parts_that_fail() {
    let github = started().await;
    let archive = archive_in(&github, "");
    github.limit(Limits {
        body: 8 * MEGABYTE,
        ..Limits::none()
    });
    let objects = (0..16).map(|n| blob(&noise(1, n)));
    write(&archive, base(None), objects, generation(1))
        .await
        .unwrap();
    for n in 0..16 {
        let path = blob(&noise(1, n)).path;
        assert!(
            archive.read(&path, FILE_LIMIT).await.unwrap().is_some(),
            "{n}"
        );
    }
    let made = github.count(Kind::CommitOnBranch);
    assert!((5..9).contains(&made), "{made}");
    assert_eq!(commits(&github), 2);
}

/// GitHub redirects reads to the new name, but not writes.
#[tokio::test(flavor = "multi_thread")]
async fn follows_renames_for_reads_only() {
    let github = started().await;
    let before = place(&github, "");
    github.rename_repository("renamed");
    let access = GithubAccess {
        history: propsbot_backends::History::Squash,
        ..access(&github)
    };
    let archive = GithubArchive::new(before, &access, &Network::default()).unwrap();
    first(&archive).await;
    assert_eq!(second(&archive).await, Ok(2));
    assert_valid(&archive).await;
    assert_eq!(commits(&github), 1);
    assert_eq!(github.violations(), [""; 0]);
}

/// Public data is read without a token.
#[tokio::test(flavor = "multi_thread")]
async fn reads_public_archives_without_a_token() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    let nobody = GithubAccess {
        token: None,
        ..access(&github)
    };
    let archive = GithubArchive::new(place(&github, ""), &nobody, &Network::default()).unwrap();
    let refused = archive
        .read(ROOT, FILE_LIMIT)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("no such repository"), "{refused}");
    github.set_visibility(Visibility::Public);
    assert_eq!(Snapshot::read(&archive).await.unwrap(), terse());
    assert_eq!(github.violations(), [""; 0]);
}
