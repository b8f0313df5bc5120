//! GitHub's refusals and their messages.

use std::sync::Arc;

use propsbot_archive::{
    ArchiveError, ArchiveReader, DataArchive, FILE_LIMIT, Hash, ROOT, base,
    contract::{blob, manifest, publish, write},
    export,
};
use propsbot_backends::{GithubAccess, GithubArchive};
use propsbot_network::Network;
use propsbot_rows::SCHEMA;
use simulator::github::{Access, Fault, Github, Kind, Role, Visibility, What};

use super::{
    super::{
        bucket::{first, second},
        community::{request, rows},
        damage::is_repaired,
        put_only,
    },
    access, archive_in, commits, files, place, started, writes,
};

/// Changes the simulated GitHub.
type Harm = fn(&Github);

/// What prevents an export, and the words of the error.
const REFUSALS: &[(Harm, &[&str])] = &[
    (
        |github| github.set_token("another"),
        &["GITHUB_TOKEN", "expired", "Contents: read and write"],
    ),
    (
        |github| github.set_access(Access::None),
        &["no such repository", "GITHUB_TOKEN was not given it"],
    ),
    (
        |github| github.set_access(Access::Read),
        &["GITHUB_TOKEN may not do that", "Contents: read and write"],
    ),
    (
        |github| github.set_role(Role::Read),
        &["GITHUB_TOKEN may not do that", "the right to write there"],
    ),
    (
        |github| github.set_protected("main", true),
        &[
            "the branch is protected",
            "bypass",
            "github:OWNER/REPO@BRANCH",
        ],
    ),
    (
        |github| github.set_archived(true),
        &["archived on GitHub", "unarchive it"],
    ),
    (|github| github.delete_repository(), &["no such repository"]),
    (
        |github| github.set_visibility(Visibility::Public),
        &[
            "the repository is public",
            "Make it private",
            "GITHUB_ALLOW_PUBLIC=yes",
        ],
    ),
    (
        |github| github.set_visibility(Visibility::Internal),
        &[
            "the repository is internal",
            "everyone in the enterprise",
            "GITHUB_ALLOW_PUBLIC=yes",
        ],
    ),
    (
        |github| {
            let limit = Fault::SecondaryLimit {
                status: 429,
                retry_after: Some(3_000),
            };
            github.fail(What::Writes, 1, limit);
        },
        &["GitHub limits our requests; try again in 3000 s"],
    ),
    (
        |github| github.fail(What::Writes, 1, Fault::Status(422)),
        &["GitHub refused (422): 422: planned fault"],
    ),
    (
        |github| github.fail(What::Any, 1, Fault::Answer(404, "<html>".to_owned())),
        &["no such repository"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_change() {
    for (harm, says) in REFUSALS {
        let github = started().await;
        let archive = archive_in(&github, "");
        first(&archive).await;
        let (made, head) = (writes(&github), github.head().unwrap());
        harm(&github);
        let error = second(&archive).await.unwrap_err();
        for part in *says {
            assert!(error.contains(part), "{error}\n\nlacks: {part}");
        }
        assert!(error.contains("github:octo-org/archive"), "{error}");
        assert!(!error.contains(&github.token()), "{error}");
        assert_eq!(github.head().unwrap(), head);
        // It isn't retried.
        assert!(writes(&github) <= made + 1, "{error}");
    }
}

#[tokio::test]
async fn names_hosts_that_are_not_github() {
    let nowhere = GithubAccess {
        token: Some("token".to_owned()),
        api_url: Some("not a URL".to_owned()),
        ..GithubAccess::default()
    };
    let github = started().await;
    let error = GithubArchive::new(place(&github, ""), &nowhere, &Network::default())
        .err()
        .unwrap();
    let error = error.to_string();
    assert!(
        error.contains("check the connection, and GITHUB_API_URL"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn public_repositories_need_consent_at_every_commit() {
    let github = started().await;
    github.set_visibility(Visibility::Public);
    let archive = archive_in(&github, "");
    let refused = put_only(&archive, None, [blob(b"one")]).await.unwrap_err();
    assert!(refused.to_string().contains("is public"), "{refused}");
    let allowed = GithubAccess {
        allow_public: true,
        ..access(&github)
    };
    let archive = GithubArchive::new(place(&github, ""), &allowed, &Network::default()).unwrap();
    first(&archive).await;

    // It becomes public between two parts of an export.
    github.set_visibility(Visibility::Private);
    let archive = archive_in(&github, "b").with_part(1);
    let made = commits(&github);
    let mut write = archive.write(base(None)).await.unwrap();
    write.put(blob(b"one")).await.unwrap();
    github.set_visibility(Visibility::Public);
    let refused = write.put(blob(b"two")).await.unwrap_err();
    assert!(refused.to_string().contains("is public"), "{refused}");
    assert_eq!(commits(&github), made);
    assert!(!files(&github, "b").contains(ROOT));
}

/// Someone changed a blob by hand.
#[tokio::test(flavor = "multi_thread")]
async fn repairs_files_changed_by_others() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let rows = rows();
    let everything = request(&rows);
    export(&archive, Arc::new(rows), everything).await.unwrap();
    let there = files(&github, "");
    let blob = there
        .iter()
        .find(|there| there.starts_with("rows/"))
        .unwrap();
    let spoilt = [(blob.clone(), b"spoilt".to_vec())];
    github.commit_as_somebody(spoilt).unwrap();
    is_repaired(&archive, &[blob]).await;
    assert_eq!(files(&github, ""), there);
    let head = github.head().unwrap().unwrap();
    let message = github.message_of(&head).unwrap();
    assert!(message.contains("1 damaged file recreated"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_writers_fails_cleanly() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    // Two bots export to the same branch at the same time, in parts.
    let (one, two) = (
        archive_in(&github, "").with_part(1),
        archive_in(&github, "").with_part(1),
    );
    let (a, b) = tokio::join!(second(&one), second(&two));
    assert!(a == Ok(2) || b == Ok(2), "{a:?} {b:?}");
    for lost in [a, b].into_iter().filter_map(Result::err) {
        let says = ["another process is writing", "the archive changed while"];
        assert!(says.iter().any(|say| lost.contains(say)), "{lost}");
    }
    super::assert_valid(&one).await;

    let reader = ArchiveReader::open(&one, &SCHEMA).await.unwrap();
    let expected = Some(reader.root());
    // Someone else publishes between our read and our commit.
    let other = manifest(9);
    let theirs = vec![(ROOT.to_owned(), other.clone())];
    github.fail(Kind::CommitOnBranch, 1, Fault::Overtaken(theirs));
    let lost = publish(manifest(1));
    let error = write(&one, base(expected), [blob(b"even more")], lost).await;
    let stale =
        matches!(error, Err(ArchiveError::Stale { found, .. }) if found == Some(Hash::of(&other)));
    assert!(stale, "{error:?}");
    assert_eq!(one.read(ROOT, FILE_LIMIT).await.unwrap().unwrap(), other);
}
