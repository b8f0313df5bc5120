//! Objects written over the API form a valid git repository.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::client::{commit, get, here};
use super::{empty, filled, head, start};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("git");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_can_be_cloned_and_verified() {
    let github = start(filled()).await;
    let first = head(&github);
    let odd = "data/a \"quoted\" ünïcode\\name.bin";
    let made = commit(
        &github,
        &first,
        &[(odd, b"\x00\xff"), ("data/one.bin", b"new")],
        &["README.md"],
    )
    .await;
    let oid = made["data"]["createCommitOnBranch"]["commit"]["oid"].as_str();
    assert_eq!(oid, Some(head(&github).as_str()), "{made}");
    // The git database API writes objects one by one.
    let blob = here(&github, "POST", "/git/blobs", json!({"content": "loose"}))
        .await
        .json();
    let entry = json!({"path": "loose.txt", "mode": "100644", "type": "blob", "sha": blob["sha"]});
    let base = head(&github);
    let tree = json!({"base_tree": base, "tree": [entry]});
    let tree = here(&github, "POST", "/git/trees", tree).await.json();
    let object = json!({"message": "By hand", "tree": tree["sha"], "parents": [base]});
    let object = here(&github, "POST", "/git/commits", object).await.json();
    let moved = here(
        &github,
        "PATCH",
        "/git/refs/heads/main",
        json!({"sha": object["sha"]}),
    )
    .await;
    assert_eq!(moved.status, 200);

    let folder = tempfile::tempdir().expect("a folder");
    let from = github.repository_path().to_str().expect("a path");
    git(folder.path(), &["clone", "--quiet", from, "clone"]);
    let clone = folder.path().join("clone");
    assert_eq!(git(&clone, &["rev-parse", "HEAD"]), head(&github));
    assert_eq!(git(&clone, &["rev-list", "--count", "HEAD"]), "3");
    assert_eq!(
        git(&clone, &["log", "-1", "--skip=1", "--format=%B"]),
        "Change\n\nFor a reason."
    );
    assert_eq!(std::fs::read(clone.join(odd)).expect("a file"), b"\x00\xff");
    assert_eq!(
        std::fs::read(clone.join("loose.txt")).expect("a file"),
        b"loose"
    );
    assert!(!clone.join("README.md").exists());
    git(github.repository_path(), &["fsck", "--strict", "--full"]);
    let files = github.files_at(&head(&github)).expect("git");
    assert_eq!(files.len(), 3);
    assert_eq!(files["data/one.bin"], b"new");
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commits_leave_a_linear_history() {
    let github = start(filled()).await;
    let first = head(&github);
    let tries = (0..8).map(|n| {
        let (github, first) = (&github, &first);
        async move { commit(github, first, &[(&format!("{n}.txt"), b"x")], &[]).await }
    });
    let answers = futures::future::join_all(tries).await;
    let done = answers
        .iter()
        .filter(|answer| answer.get("errors").is_none());
    assert_eq!(done.count(), 1, "{answers:?}");
    assert_eq!(github.history("main").expect("git").len(), 2);
    git(github.repository_path(), &["fsck", "--strict", "--full"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_twenty_megabytes_quickly() {
    let github = start(filled()).await;
    let paths: Vec<_> = (0..300).map(|n| format!("blobs/{n}.bin")).collect();
    // Incompressible and all different.
    let content: Vec<u8> = (0..7_000_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(300 * 70_000)
        .collect();
    let files: Vec<_> = paths
        .iter()
        .map(String::as_str)
        .zip(content.chunks(70_000))
        .collect();
    let first = head(&github);
    let began = Instant::now();
    let answer = commit(&github, &first, &files, &[]).await;
    let took = began.elapsed();
    assert_eq!(answer.get("errors"), None);
    // Seconds, in a debug build; more on a busy machine.
    assert!(took.as_secs() < 30, "{took:?}");
    let kept = github.files_at("main").expect("git");
    assert_eq!(kept.len(), 302);
    assert_eq!(kept["blobs/299.bin"], content[299 * 70_000..]);
    let requests = github.requests();
    assert!(requests[0].sent > 27_000_000 && requests[0].writes);
    assert_eq!(requests[0].fields, ["createCommitOnBranch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_at_a_path_persist() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept.git");
    let mut options = empty();
    options.path = Some(path.clone());
    let github = start(options.clone()).await;
    let oid = github.commit_as_somebody([("a.txt", "a")]).expect("git");
    github.stop().await;
    options.files = filled().files;
    let github = start(options).await;
    assert_eq!(github.repository_path(), path);
    assert_eq!(head(&github), oid);
    assert_eq!(get(&github, "/contents/a.txt").await.status, 200);
}
