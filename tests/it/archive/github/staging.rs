//! Exports that are too large for one commit: put together on a branch of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use propsbot_archive::{ArchiveReader, Bases, DataArchive, Depth, FILE_LIMIT, ROOT, verify};
use propsbot_backends::FolderArchive;
use propsbot_rows::SCHEMA;
use simulator::github::{Fault, Github, Kind, Limits, Options, What, world::Seed};

use super::{
    super::{
        assert_valid,
        bucket::{clean, first, second},
    },
    archive_in, commits, files, git, started, writes,
};
use crate::repositories::{Source, comment};

/// An archive whose exports are of several parts.
pub(super) fn in_parts(github: &Github, prefix: &str) -> propsbot_backends::GithubArchive {
    archive_in(github, prefix).with_part(300)
}

/// The branches besides the archive's.
fn stagings(github: &Github) -> Vec<String> {
    let mut branches = github.branches().unwrap();
    branches.retain(|branch| branch != "main");
    branches
}

/// Leaves the branch of an export that was cut off right before the archive's branch moved.
async fn cut_off(archive: &dyn DataArchive, github: &Github) -> String {
    let gone = Fault::Answer(401, "{}".to_owned());
    github.fail_after(Kind::Mutation, 1, usize::MAX / 2, gone);
    second(archive).await.unwrap_err();
    github.heal();
    let [left] = &stagings(github)[..] else {
        panic!("{:?}", stagings(github));
    };
    left.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_export_is_one_commit_and_leaves_no_branch() {
    let github = started().await;
    let archive = in_parts(&github, "");
    first(&archive).await;
    let before = github.head().unwrap().unwrap();
    let parts = github.count(Kind::CommitOnBranch);
    assert!(parts > 3, "{parts}");
    assert_eq!(second(&archive).await, Ok(2));
    assert!(github.count(Kind::CommitOnBranch) > parts + 1);
    let head = github.head().unwrap().unwrap();
    let parents = ["log", "-1", "--format=%P", &head];
    assert_eq!(git(github.repository_path(), &parents).trim(), before);
    let message = github.message_of(&head).unwrap();
    assert!(message.starts_with("Archive 20"), "{message}");
    assert_eq!(commits(&github), 3);
    assert_eq!(stagings(&github), [""; 0]);
    assert_valid(&archive).await;
    assert_eq!(github.violations(), [""; 0]);
}

/// It starts no workflows, readers see nothing of it, and it goes once the archive has another manifest.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_is_deleted_by_a_later_export() {
    let github = started().await;
    first(&in_parts(&github, "")).await;
    let (head, there) = (github.head().unwrap(), files(&github, ""));
    let left = cut_off(&in_parts(&github, ""), &github).await;
    assert_eq!(github.head().unwrap(), head);
    assert_eq!(files(&github, ""), there);
    let staged = github.history(&left).unwrap();
    let parts = staged
        .iter()
        .take_while(|commit| Some(*commit) != head.as_ref());
    for part in parts {
        let message = github.message_of(part).unwrap();
        assert!(message.contains("[skip ci]"), "{message}");
    }

    // Another archive in the same repository leaves it alone.
    first(&in_parts(&github, "other")).await;
    assert_eq!(stagings(&github), [left.as_str()]);
    // An export that fits into one commit moves the archive on, and the next one cleans up.
    let archive = archive_in(&github, "");
    assert_eq!(second(&archive).await, Ok(2));
    let made = commits(&github);
    assert_eq!(second(&archive).await, Ok(2));
    assert_eq!(commits(&github), made);
    assert_eq!(stagings(&github), [""; 0]);
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_of_the_same_base_is_begun_again() {
    let github = started().await;
    let archive = in_parts(&github, "");
    first(&archive).await;
    cut_off(&archive, &github).await;
    assert_eq!(second(&in_parts(&github, "")).await, Ok(2));
    assert_eq!((commits(&github), stagings(&github)), (3, Vec::new()));
    assert_eq!(files(&github, ""), clean_and_notes().await);
    assert_valid(&archive).await;
}

/// What the archive has when nothing was interrupted, and what was in the repository before.
async fn clean_and_notes() -> BTreeSet<String> {
    let mut clean = clean().await;
    clean.insert("notes.txt".to_owned());
    clean
}

/// Whenever somebody else commits, theirs stays, and the export is one commit after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_commit_meanwhile_stays() {
    for (prefix, is_raced) in [("in/here", false), ("", true)] {
        for step in 0.. {
            let github = started().await;
            let archive = in_parts(&github, prefix);
            first(&archive).await;
            let (made, before) = (writes(&github), commits(&github));
            let folder = if prefix.is_empty() { "" } else { "in/here/" };
            let theirs = ["theirs.txt".to_owned(), format!("{folder}theirs/too.txt")];
            let commit = theirs.clone().map(|path| (path, b"theirs".to_vec())).into();
            let fault = if is_raced {
                Fault::Raced(commit)
            } else {
                Fault::Overtaken(commit)
            };
            github.fail_after(What::Writes, step, 1, fault);
            assert_eq!(second(&archive).await, Ok(2), "{prefix} {step}");
            assert_valid(&archive).await;
            let there = github.files_at("main").unwrap();
            let struck = there.contains_key(&theirs[0]);
            for path in theirs.iter().filter(|_| struck) {
                assert_eq!(there[path], b"theirs", "{prefix} {step}");
            }
            let own = files(&github, prefix);
            for path in clean().await {
                assert!(own.contains(&path), "{path}: {prefix} {step}");
            }
            let strangers = own.iter().filter(|path| path.contains("rows/"));
            assert!(strangers.count() < clean().await.len());
            assert_eq!(commits(&github), before + 1 + usize::from(struck));
            assert_eq!(stagings(&github), [""; 0], "{prefix} {step}");
            git(github.repository_path(), &["fsck", "--strict"]);
            assert_eq!(github.violations(), [""; 0]);
            if writes(&github) - made <= step {
                // A branch, its parts, the commit, and the move.
                assert!(step > 4, "{step} requests are too few");
                break;
            }
        }
    }
}

/// The files below a folder, by path, except for hidden ones.
fn below(folder: &Path, at: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            below(&path, &format!("{at}{name}/"), found);
        } else if !name.starts_with('.') {
            found.insert(format!("{at}{name}"), fs::read(&path).unwrap());
        }
    }
}

/// Whenever another provider's process exports to the same archive meanwhile, its export stays, and ours is one commit
/// after it: neither begins again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_providers_export_meanwhile_stays() {
    let source = Source::seeded(&Seed {
        issues: 4,
        comments: 8,
        commits: 4,
        ..Seed::default()
    })
    .await;
    let folder = source.home.path().join("archive");
    let exported = || {
        let mut files = BTreeMap::new();
        below(&folder, "", &mut files);
        files
    };
    source.run(&["sync"]).await.ok();
    first(&FolderArchive::new(folder.clone())).await;
    source.export().await;
    let shared = exported();
    source.act(comment("octo-org/alpha#1", "Meanwhile"));
    source.run(&["sync"]).await.ok();
    source.export().await;
    let mut theirs = exported();
    theirs.retain(|path, bytes| shared.get(path) != Some(bytes));
    assert!(theirs.keys().any(|path| path.starts_with("spaces/")));
    for step in 0.. {
        let options = Options {
            files: shared.clone().into_iter().collect(),
            limits: Limits::none(),
            ..Options::default()
        };
        let github = Github::start(options).await.unwrap();
        let archive = in_parts(&github, "");
        let (made, before) = (writes(&github), commits(&github));
        let commit = theirs.clone().into_iter().collect();
        github.fail_after(What::Writes, step, 1, Fault::Overtaken(commit));
        assert_eq!(second(&archive).await, Ok(2), "{step}");
        assert_valid(&archive).await;
        let of_github = &propsbot_github::SCHEMA;
        let found = verify(&archive, of_github, Depth::Whole).await.unwrap();
        assert_eq!(found.faults, [""; 0], "{step}");
        let there = github.files_at("main").unwrap();
        let is_there = |(path, bytes): (&String, &Vec<u8>)| there.get(path) == Some(bytes);
        let struck = theirs.iter().all(is_there);
        assert_eq!(commits(&github), before + 1 + usize::from(struck), "{step}");
        assert_eq!(stagings(&github), [""; 0], "{step}");
        git(github.repository_path(), &["fsck", "--strict"]);
        assert_eq!(github.violations(), [""; 0]);
        if writes(&github) - made <= step {
            assert!(step > 4 && !struck, "{step} requests are too few");
            break;
        }
        assert!(struck, "{step}");
    }
}

/// Of two who begin at the same manifest, the one that began later goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_whose_staging_was_taken_over_gives_up() {
    let github = started().await;
    let (one, two) = (in_parts(&github, ""), in_parts(&github, ""));
    first(&one).await;
    let reader = ArchiveReader::open(&one, &SCHEMA).await.unwrap();
    let origins = reader.origins().into_iter();
    let mut bases: Bases = origins
        .map(|(path, (hash, _))| (path, Some(hash)))
        .collect();
    bases.insert(ROOT.to_owned(), Some(reader.root()));
    let mut slow = one.write(bases).await.unwrap();
    for n in 0..40_u32 {
        let object = propsbot_archive::contract::blob(&n.to_be_bytes());
        slow.put(object).await.unwrap();
    }
    assert_eq!(stagings(&github).len(), 1);
    assert_eq!(second(&two).await, Ok(2));
    let head = github.head().unwrap();
    let publish = propsbot_archive::contract::publish(propsbot_archive::contract::manifest(9));
    let lost = slow.publish(publish).await.unwrap_err().to_string();
    assert!(lost.contains("the archive changed while"), "{lost}");
    assert_eq!(
        (github.head().unwrap(), stagings(&github)),
        (head, Vec::new())
    );

    // While the other has not published yet.
    let mut slow = one.write(one_base(&one).await).await.unwrap();
    for n in 0..40_u32 {
        let object = propsbot_archive::contract::blob(&n.to_be_bytes());
        slow.put(object).await.unwrap();
    }
    let staging = stagings(&github).remove(0);
    let main = github.head().unwrap();
    github.push_as_somebody(&staging, main.as_deref()).unwrap();
    let mut lost = Ok(());
    for n in 40..80_u32 {
        let object = propsbot_archive::contract::blob(&n.to_be_bytes());
        lost = lost.and(slow.put(object).await);
    }
    let lost = lost.unwrap_err().to_string();
    assert!(lost.contains("another process is writing"), "{lost}");
    slow.abandon().await.unwrap();
    // It is the other's.
    assert_eq!(stagings(&github), [staging]);
}

async fn one_base(archive: &dyn DataArchive) -> Bases {
    let manifest = archive.read(ROOT, FILE_LIMIT).await.unwrap().unwrap();
    propsbot_archive::base(Some(propsbot_archive::Hash::of(&manifest)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_forbids_branches_is_named() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    let head = github.head().unwrap();
    github.set_creations_restricted(true);
    let error = second(&in_parts(&github, "")).await.unwrap_err();
    for says in [
        "could not write to github:octo-org/archive",
        "propsbot-staging/",
        "Cannot create ref due to creations being restricted",
        "Rulesets",
    ] {
        assert!(error.contains(says), "{error}\n\nlacks: {says}");
    }
    assert_eq!(
        (github.head().unwrap(), stagings(&github)),
        (head, Vec::new())
    );
    // What fits into one commit needs no branch.
    assert_eq!(second(&archive_in(&github, "")).await, Ok(2));
}
