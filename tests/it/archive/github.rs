//! Archives on GitHub: a simulated GitHub on loopback, over a real git repository.

mod cache;
mod faults;
mod history;
mod limits;
mod refusals;
mod staging;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use propsbot_archive::{
    ArchiveReader, DataArchive, FORMAT_MD, Mark, README, ROOT, contract, export,
};
use propsbot_backends::{FolderArchive, GithubAccess, GithubArchive, GithubPlace};
use propsbot_network::Network;
use propsbot_rows::SCHEMA;
use simulator::github::{Github, Kind, Limits, Options};

use super::{
    assert_valid,
    bucket::{first, second},
    community::{GENERAL, mark, message, message_id, request, rows},
};
use crate::mirror::spawn;

/// Keeps git from changing line endings.
const ATTRIBUTES: &str = ".gitattributes";

/// A repository with one commit, without rate limits: tests act as many bots at once.
async fn started() -> Github {
    let options = Options {
        files: vec![("notes.txt".to_owned(), b"ours\n".to_vec())],
        limits: Limits::none(),
        ..Options::default()
    };
    Github::start(options).await.unwrap()
}

fn access(github: &Github) -> GithubAccess {
    GithubAccess {
        token: Some(github.token()),
        api_url: Some(github.url()),
        ..GithubAccess::default()
    }
}

fn place(github: &Github, prefix: &str) -> GithubPlace {
    GithubPlace {
        owner: github.owner(),
        repo: github.repo(),
        branch: None,
        prefix: prefix.to_owned(),
    }
}

fn archive_in(github: &Github, prefix: &str) -> GithubArchive {
    GithubArchive::new(place(github, prefix), &access(github), &Network::default()).unwrap()
}

/// Number of content-creating requests so far.
fn writes(github: &Github) -> usize {
    github
        .requests()
        .iter()
        .filter(|request| request.writes)
        .count()
}

fn commits(github: &Github) -> usize {
    match github.head().unwrap() {
        Some(head) => github.history(&head).unwrap().len(),
        None => 0,
    }
}

/// The archive's files at the head, without git's own.
fn files(github: &Github, prefix: &str) -> BTreeSet<String> {
    let head = github.head().unwrap().expect("a commit");
    let listed = ["ls-tree", "-r", "--name-only", "--full-tree", &head];
    let folder = format!("{prefix}/");
    let prefix = if prefix.is_empty() { "" } else { &folder };
    git(github.repository_path(), &listed)
        .lines()
        .filter_map(|line| line.strip_prefix(prefix))
        .filter(|strip_prefix| *strip_prefix != ATTRIBUTES)
        .map(str::to_owned)
        .collect()
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn github_satisfies_the_archive_contract() {
    // So many tests in a minute would exceed those limits.
    let github = Github::start(Options {
        limits: Limits::none(),
        ..Options::default()
    });
    let github = github.await.unwrap();
    let mut made = 0;
    contract::check(&mut || {
        made += 1;
        Box::new(archive_in(&github, &format!("archive-{made}")))
    })
    .await;
    let listed = archive_in(&github, "listed").list_spaces().await.unwrap();
    assert_eq!(listed, Some(Vec::new()));
    assert_eq!(github.violations(), [""; 0]);
}

/// Makes the next export's changes.
async fn message_more(archive: &dyn DataArchive, marks: Vec<Mark>) -> bool {
    let mut rows = rows();
    let id = message_id(40, 0);
    rows.messages.push(message(GENERAL, id, "one more"));
    rows.messages
        .sort_by_key(|message| (message.channel_id, message.id));
    let mut change = request(&rows);
    let reader = ArchiveReader::open(archive, &SCHEMA).await.unwrap();
    let since = reader.origins().into_iter();
    change.since = since.map(|(path, (hash, _))| (path, hash)).collect();
    change.marks = marks;
    export(archive, Arc::new(rows), change)
        .await
        .unwrap()
        .changed
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_one_commit_or_none_without_changes() {
    let github = started().await;
    let archive = archive_in(&github, "");
    let rows = rows();
    let everything = request(&rows);
    export(&archive, Arc::new(rows), everything).await.unwrap();
    assert_eq!((writes(&github), commits(&github)), (1, 2));
    let head = github.head().unwrap().unwrap();
    assert_eq!(
        github.message_of(&head).unwrap().trim(),
        "Archive 2025-12-06 05:46 UTC: 305 messages, 6 reactions, 1 props message, 4 channels and 1 server added"
    );
    assert_valid(&archive).await;

    assert!(message_more(&archive, vec![mark(GENERAL, 40)]).await);
    assert_eq!((writes(&github), commits(&github)), (2, 3));
    let head = github.head().unwrap().unwrap();
    let message = github.message_of(&head).unwrap();
    assert!(message.trim().ends_with(": 1 message added"), "{message}");
    let changed = git(
        github.repository_path(),
        &[
            "show",
            "--format=",
            "--name-status",
            "-M10%",
            "--diff-filter=AMR",
            &head,
        ],
    );
    let changed: Vec<&str> = changed.lines().collect();
    assert!(changed.len() <= 3, "{changed:?}");

    assert!(!message_more(&archive, Vec::new()).await);
    assert_eq!((writes(&github), commits(&github)), (2, 3));
    assert_eq!(github.violations(), [""; 0]);
}

/// Spaces that come, change and go with the root are one commit.
#[tokio::test(flavor = "multi_thread")]
async fn several_spaces_change_in_one_commit() {
    let github = started().await;
    let archive = archive_in(&github, "in/here");
    let [one, two, three] = ["spaces/1.json", "spaces/2.json", "spaces/3.json"];
    let mut now: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for changes in [
        [(ROOT, Some("1 2")), (one, Some("a")), (two, Some("b"))],
        [(ROOT, Some("2 3")), (one, None), (three, Some("c"))],
        [(ROOT, Some("2 3")), (two, Some("d")), (three, Some("e"))],
    ] {
        let before = commits(&github);
        let step = |(path, after): (&'static str, Option<&'static str>)| {
            (path, now.get(path).copied(), after.map(str::as_bytes))
        };
        let receipt = contract::replace(&archive, changes.map(step)).await;
        assert_eq!(receipt.unwrap().published.len(), 3);
        assert_eq!(commits(&github), before + 1);
        for (path, after) in changes {
            match after {
                Some(after) => now.insert(path, after.as_bytes()),
                None => now.remove(path),
            };
        }
        assert!(files(&github, "in/here").iter().eq(now.keys()));
    }
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_empty_repositories_and_new_branches() {
    let github = Github::start(Options::default()).await.unwrap();
    let archive = archive_in(&github, "");
    first(&archive).await;
    assert_eq!((writes(&github), commits(&github)), (2, 2));
    assert_valid(&archive).await;

    let named = GithubPlace {
        branch: Some("data/new".to_owned()),
        ..place(&github, "in/here")
    };
    let main = github.head().unwrap();
    let archive = GithubArchive::new(named, &access(&github), &Network::default()).unwrap();
    first(&archive).await;
    second(&archive).await.unwrap();
    assert_valid(&archive).await;
    assert_eq!(github.head().unwrap(), main);
    // It contains nothing of the other branch.
    let head = github.head_of("data/new").unwrap().unwrap();
    assert_eq!(github.history(&head).unwrap().len(), 3);
    let strangers = github.files_at(&head).unwrap().into_keys();
    assert!(
        strangers
            .into_iter()
            .all(|stranger| stranger.starts_with("in/here/"))
    );
    assert_eq!(github.violations(), [""; 0]);
}

/// Uses git itself, on a machine where it converts line endings.
#[tokio::test(flavor = "multi_thread")]
async fn clones_are_sound_and_valid_archives() {
    let github = started().await;
    let archive = archive_in(&github, "props").with_part(1_000);
    first(&archive).await;
    let rows = rows();
    let everything = request(&rows);
    export(&archive, Arc::new(rows), everything).await.unwrap();
    assert!(github.count(Kind::CommitOnBranch) > 3 && commits(&github) == 3);

    let home = tempfile::tempdir().unwrap();
    let path = github.repository_path().to_str().unwrap();
    let clone = [
        "clone",
        "--config=core.autocrlf=true",
        "--quiet",
        path,
        "clone",
    ];
    git(home.path(), &clone);
    let clone = home.path().join("clone");
    git(&clone, &["fsck", "--strict"]);
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    let archive = FolderArchive::new(clone.join("props"));
    assert_eq!(assert_valid(&archive).await.manifests[0].generation, 2);
    let reader = ArchiveReader::open(&archive, &SCHEMA).await.unwrap();
    assert_eq!(reader.manifests()[0].name, "The Community");
    let beside: BTreeSet<String> = files(&github, "props")
        .into_iter()
        .filter(|file| !file.contains('/'))
        .collect();
    assert_eq!(
        beside,
        BTreeSet::from([ROOT, README, FORMAT_MD].map(str::to_owned))
    );
}
