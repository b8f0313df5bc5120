//! Archives in git repositories: a bare one by its path, and over http from `git http-backend`.

mod faults;
pub(crate) mod host;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use propsbot_archive::{ArchiveError, DataArchive, FORMAT_MD, README, ROOT, contract, export};
use propsbot_backends::{FolderArchive, GitAccess, History};

use super::{
    assert_valid,
    bucket::{first, second},
    community::{request, rows},
};
use host::{Host, git, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_repository_keeps_the_contract() {
    let host = Host::start(None).await;
    let mut made = 0;
    contract::check(&mut || {
        made += 1;
        Box::new(host.local(&format!(":archive-{made}")))
    })
    .await;
    let listed = host.local(":listed").list_spaces().await.unwrap();
    assert_eq!(listed, Some(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn git_over_http_keeps_the_contract() {
    let host = Host::start(Some("hidden")).await;
    git(&host.path(), &["config", "uploadpack.allowFilter", "true"]);
    let mut made = 0;
    contract::check(&mut || {
        made += 1;
        Box::new(host.archive(&format!("@data/new:archive-{made}")))
    })
    .await;
    let listed = host
        .archive("@data/new:listed")
        .list_spaces()
        .await
        .unwrap();
    assert_eq!(listed, Some(Vec::new()));
}

/// The archive, as it is after two exports.
async fn exported(archive: &dyn DataArchive) {
    first(archive).await;
    assert_eq!(second(archive).await, Ok(2));
    assert_valid(archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_one_commit_or_none_without_changes() {
    let host = Host::start(None).await;
    let theirs = [("notes.txt".to_owned(), b"ours\r\n".to_vec())];
    host.commit_as_somebody("trunk", &theirs.into());
    let archive = host.local(":in/here");
    let rows = rows();
    let everything = request(&rows);
    let done = export(&archive, Arc::new(rows.clone()), everything.clone())
        .await
        .unwrap();
    assert_eq!(host.commits("trunk"), 2);
    let shown = git(
        &host.path(),
        &[
            "show",
            "--no-patch",
            "--format=%H%n%an <%ae>%n%cn <%ce>%n%B",
            "trunk",
        ],
    );
    let wanted = format!(
        "{}\npropsbot <propsbot@localhost>\npropsbot <propsbot@localhost>\nArchive 2025-12-06 05:46 UTC: 305 \
         messages, 6 reactions, 1 props message, 4 channels and 1 server added",
        done.commit.unwrap()
    );
    assert_eq!(shown.trim(), wanted);
    let again = export(&archive, Arc::new(rows), everything).await.unwrap();
    assert!(!again.changed);
    assert_eq!(host.commits("trunk"), 2);
    assert_eq!(second(&archive).await, Ok(2));
    assert_valid(&archive).await;
    assert_eq!(host.commits("trunk"), 3);
    let kept = git(&host.path(), &["show", "trunk:notes.txt"]);
    assert_eq!(kept, "ours\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_empty_repositories_and_new_branches() {
    for format in ["sha1", "sha256"] {
        let host = Host::with_format(Some("hidden"), format).await;
        // The default branch of an empty repository.
        exported(&host.archive("")).await;
        assert_eq!(host.commits("trunk"), 2, "{format}");
        let main = git(&host.path(), &["rev-parse", "trunk"]);
        // A branch of its own has nothing of another.
        exported(&host.archive("@data/new:in/here")).await;
        exported(&host.local("@by-path")).await;
        assert_eq!(git(&host.path(), &["rev-parse", "trunk"]), main);
        assert_eq!((host.commits("data/new"), host.commits("by-path")), (2, 2));
        let listed = git(&host.path(), &["ls-tree", "-r", "--name-only", "data/new"]);
        assert!(
            listed.lines().all(|path| path.starts_with("in/here/")),
            "{listed}"
        );
        git(&host.path(), &["fsck", "--strict"]);
    }
}

/// On a machine where git converts line endings.
#[tokio::test(flavor = "multi_thread")]
async fn clones_are_sound_and_valid_archives() {
    let host = Host::start(None).await;
    exported(&host.archive(":props")).await;
    let home = tempfile::tempdir().unwrap();
    let url = host.url();
    git(
        home.path(),
        &[
            "clone",
            "--config=core.autocrlf=true",
            "--quiet",
            url,
            "clone",
        ],
    );
    let clone = home.path().join("clone");
    git(&clone, &["fsck", "--strict"]);
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    let archive = FolderArchive::new(clone.join("props"));
    assert_eq!(assert_valid(&archive).await.manifests[0].generation, 2);
    let beside: BTreeSet<String> = host.files("trunk", "props");
    let beside: BTreeSet<String> = beside
        .into_iter()
        .filter(|file| !file.contains('/'))
        .collect();
    assert_eq!(
        beside,
        BTreeSet::from([ROOT, README, FORMAT_MD].map(str::to_owned))
    );
}

/// Reading one file of an archive fetches neither its others nor what else is in the repository.
#[tokio::test(flavor = "multi_thread")]
async fn fetches_only_what_is_read() {
    let host = Host::start(None).await;
    git(&host.path(), &["config", "uploadpack.allowFilter", "true"]);
    let noise: Vec<u8> = (0..2_000_000).map(|_| rand::random()).collect();
    host.commit_as_somebody("trunk", &[("noise".to_owned(), noise)].into());
    exported(&host.archive(":in/here")).await;
    let before = host.sent();
    let archive = host.archive(":in/here");
    archive.read(ROOT, 1 << 20).await.unwrap().unwrap();
    assert!(archive.read(README, 1 << 20).await.unwrap().is_some());
    let few = host.sent() - before;
    let requests = host.requests();
    assert_valid(&archive).await;
    assert!(
        host.sent() - before < 200_000,
        "{} bytes",
        host.sent() - before
    );
    assert!(few < 20_000, "{few} bytes");
    // All at once, however many files there are.
    assert!(
        host.requests() - requests < 20,
        "{} requests",
        host.requests() - requests
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_kept_or_squashed() {
    let host = Host::start(None).await;
    let path = host.path().display().to_string();
    let with = |history| {
        open(
            &format!("{path}:a"),
            &GitAccess {
                history,
                ..GitAccess::default()
            },
        )
    };
    let keep = with(History::Keep);
    exported(&keep).await;
    keep.forget_history().await.unwrap();
    assert_eq!(host.commits("trunk"), 2);

    let later = with(History::SquashAfterDeletion);
    assert_eq!(second(&later).await, Ok(2));
    assert_eq!(host.commits("trunk"), 2);
    let files = host.files("trunk", "");
    later.forget_history().await.unwrap();
    assert_eq!((host.commits("trunk"), host.files("trunk", "")), (1, files));
    assert_valid(&later).await;
    let head = git(&host.path(), &["rev-parse", "trunk"]);
    later.forget_history().await.unwrap();
    assert_eq!(git(&host.path(), &["rev-parse", "trunk"]), head);

    let host = Host::start(None).await;
    let squash = open(
        host.url(),
        &GitAccess {
            history: History::Squash,
            ..GitAccess::default()
        },
    );
    host.commit_as_somebody("trunk", &[("theirs".to_owned(), b"theirs".to_vec())].into());
    exported(&squash).await;
    assert_eq!(host.commits("trunk"), 1);
    // A fresh commit takes no more than what is new, whatever is known here.
    let all = host.received();
    for archive in [
        &squash,
        &open(
            host.url(),
            &GitAccess {
                history: History::Squash,
                ..GitAccess::default()
            },
        ),
    ] {
        let root = archive.read(ROOT, 1 << 20).await.unwrap().unwrap();
        let next = contract::manifest(rand::random());
        let before = host.received();
        let replaced = contract::replace(archive, [(ROOT, Some(&root), Some(&next))]);
        replaced.await.unwrap();
        let sent = host.received() - before;
        assert!(sent < all / 4, "{sent} of {all}");
    }
    assert!(host.files("trunk", "").contains("theirs"));
    git(&host.path(), &["fsck", "--strict"]);
}

/// The error of an export.
async fn refusal(archive: &dyn DataArchive) -> String {
    second(archive).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do() {
    let host = Host::start(Some("hidden")).await;
    let access = GitAccess {
        token: Some("wrong".to_owned()),
        ..GitAccess::default()
    };
    let told = refusal(&open(host.url(), &access)).await;
    assert!(
        told.contains("refused the login") && told.contains("GIT_TOKEN"),
        "{told}"
    );
    let told = refusal(&open(host.url(), &GitAccess::default())).await;
    assert!(told.contains("refused the login"), "{told}");
    // A password in the URL is used, and not shown.
    let inside = host.url().replace("http://", "http://me:hidden@");
    let archive = open(&inside, &GitAccess::default());
    exported(&archive).await;
    let wrong = open(&inside.replace("hidden", "w%3Arong"), &access);
    let told = refusal(&wrong).await;
    assert!(told.contains("refused the login"), "{told}");
    assert!(!told.contains("rong") && !told.contains("me:"), "{told}");

    let told = refusal(&host.archive("/missing")).await;
    assert!(told.contains("no such repository"), "{told}");
    let told = refusal(&open("/nowhere/archive.git", &GitAccess::default())).await;
    assert!(
        told.contains("no such repository") && told.contains("git init --bare"),
        "{told}"
    );

    host.fail(0, usize::MAX, host::Fault::Status(403));
    let told = refusal(&host.archive("")).await;
    assert!(
        told.contains("the host refused") && told.contains("403"),
        "{told}"
    );
    host.heal();

    host.commit_as_somebody(
        "trunk",
        &[("in/file".to_owned(), b"theirs".to_vec())].into(),
    );
    let told = refusal(&host.archive(":in/file/deeper")).await;
    assert!(told.contains("in/file is a file"), "{told}");
    assert_eq!(git(&host.path(), &["show", "trunk:in/file"]), "theirs");

    let before = git(&host.path(), &["rev-parse", "trunk"]);
    host.protect();
    for archive in [host.archive(":other"), host.local(":other")] {
        let told = refusal(&archive).await;
        assert!(told.contains("refused the push"), "{told}");
        assert!(
            told.contains("You are not allowed to push to protected branches"),
            "{told}"
        );
    }
    assert_eq!(git(&host.path(), &["rev-parse", "trunk"]), before);
}

/// A branch that this store published to doesn't come back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_gone_is_named() {
    let host = Host::start(None).await;
    let archive = host.local("@exports");
    archive.check_place(false).await.unwrap();
    exported(&archive).await;
    archive.check_place(true).await.unwrap();
    git(&host.path(), &["branch", "-D", "exports"]);
    archive.check_place(false).await.unwrap();
    let gone = archive.check_place(true).await.unwrap_err().to_string();
    assert!(
        gone.contains("the branch exports") && gone.contains("--replace"),
        "{gone}"
    );
}

/// Another store's export is a lost race, whatever lies between.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_is_stale() {
    let host = Host::start(None).await;
    let (one, two) = (host.archive(""), host.local(""));
    let [first, other] = [1, 2].map(contract::manifest);
    let begin = contract::replace(&one, [(ROOT, None, Some(&first))]);
    begin.await.unwrap();
    let bases = propsbot_archive::base(Some(propsbot_archive::Hash::of(&first)));
    let mut write = one.write(bases).await.unwrap();
    write.put(contract::blob(b"late")).await.unwrap();
    let overtaking = contract::replace(&two, [(ROOT, Some(&first), Some(&other))]);
    overtaking.await.unwrap();
    let lost = write
        .publish(contract::publish(contract::manifest(3)))
        .await;
    assert!(matches!(lost, Err(ArchiveError::Stale { .. })), "{lost:?}");
    assert_eq!(host.files("trunk", ""), BTreeSet::from([ROOT.to_owned()]));
    // Other files are no race.
    let theirs = BTreeMap::from([("theirs".to_owned(), b"theirs".to_vec())]);
    host.commit_as_somebody("trunk", &theirs);
    let next = contract::manifest(4);
    let kept = contract::replace(&two, [(ROOT, Some(&other), Some(&next))]);
    kept.await.unwrap();
    assert!(host.files("trunk", "").contains("theirs"));
}
