//! Planned faults hit only their targets, and leave the repository as documented.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{COMMIT, HOME, ask, commit, commit_input, error, get, here, raw, try_ask};
use super::{Fault, Github, Kind, What, filled, head, start};

fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), b"theirs".to_vec())]
}

async fn try_commit(github: &Github) -> anyhow::Result<super::client::Answered> {
    let variables = commit_input(&head(github), &[("ours", b"ours")], &[]);
    let body = json!({"query": COMMIT, "variables": variables});
    try_ask(github, "POST", "/graphql", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_requests_are_done_and_reset_ones_are_not() {
    let github = start(filled()).await;
    let first = head(&github);
    github.fail(Kind::CommitOnBranch, 1, Fault::Reset);
    assert!(try_commit(&github).await.is_err());
    assert_eq!(head(&github), first);
    github.fail(Kind::CommitOnBranch, 1, Fault::Lost);
    assert!(try_commit(&github).await.is_err());
    assert_ne!(head(&github), first);
    let second = head(&github);
    github.fail(Kind::CommitOnBranch, 1, Fault::DoneBut(502));
    assert_eq!(try_commit(&github).await.expect("an answer").status, 502);
    assert_ne!(head(&github), second);
    let statuses: Vec<_> = github
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [0, 0, 502]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_pick_their_requests() {
    let github = start(filled()).await;
    github.fail_after(Kind::ReadContents, 1, 1, Fault::Status(503));
    github.fail(What::Naming("one.bin".to_owned()), 1, Fault::Status(500));
    github.fail(What::Writes, 1, Fault::Status(502));
    let read = || get(&github, "/contents/README.md");
    assert_eq!(read().await.status, 200);
    assert_eq!(read().await.status, 503);
    assert_eq!(read().await.status, 200);
    assert_eq!(get(&github, "/contents/data/one.bin").await.status, 500);
    assert_eq!(try_commit(&github).await.expect("an answer").status, 502);
    github.fail([Kind::Repository, Kind::Query], 9, Fault::Status(500));
    assert_eq!(get(&github, "").await.status, 500);
    github.heal();
    assert_eq!(get(&github, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_can_commit_first() {
    let github = start(filled()).await;
    let first = head(&github);
    github.fail(Kind::CommitOnBranch, 1, Fault::Overtaken(files("a")));
    assert_eq!(
        error(&commit(&github, &first, &[], &[]).await).0,
        "STALE_DATA"
    );
    let second = head(&github);
    assert!(github.files_at("main").expect("git").contains_key("a"));
    github.fail(Kind::CommitOnBranch, 1, Fault::Raced(files("b")));
    let (_, message) = error(&commit(&github, &second, &[], &[]).await);
    let third = head(&github);
    assert_eq!(
        message,
        format!("Ref refs/heads/main is at {third} but expected {second}")
    );
    github.fail(Kind::WriteContents, 1, Fault::Raced(files("c")));
    let put = json!({"message": "x", "content": ""});
    assert_eq!(here(&github, "PUT", "/contents/new", put).await.status, 409);
    assert_eq!(github.history("main").expect("git").len(), 4);
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn simulates_limits_and_delays() {
    let github = start(filled()).await;
    github.fail(
        What::Any,
        1,
        Fault::SecondaryLimit {
            status: 429,
            retry_after: Some(7),
        },
    );
    let refused = get(&github, "").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("7"))
    );
    github.fail(
        What::Reads,
        1,
        Fault::PrimaryLimit {
            reset_in: Duration::from_mins(1),
        },
    );
    let refused = get(&github, "").await;
    assert_eq!(
        (refused.status, refused.header("x-ratelimit-remaining")),
        (403, Some("0"))
    );
    let reset: i64 = refused
        .header("x-ratelimit-reset")
        .expect("a time")
        .parse()
        .expect("seconds");
    let left = reset - jiff::Timestamp::now().as_second();
    assert!((59..=61).contains(&left), "{left}");
    github.fail(What::Any, 1, Fault::Delay(Duration::from_millis(200)));
    let began = Instant::now();
    assert_eq!(get(&github, "").await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(200));
    github.fail(What::Any, 1, Fault::Answer(200, "<html>".to_owned()));
    assert_eq!(get(&github, "").await.body, b"<html>");
}

#[tokio::test(flavor = "multi_thread")]
async fn truncates_responses_and_flips_bits() {
    let github = start(filled()).await;
    let blob = get(&github, "/contents/README.md").await.json()["sha"].clone();
    let blob = format!("/git/blobs/{}", blob.as_str().expect("sha"));
    github.fail(Kind::ReadBlob, 1, Fault::Truncated);
    let cut = try_ask(&github, "GET", &format!("{HOME}{blob}"), Value::Null).await;
    assert!(cut.is_err(), "{cut:?}");
    github.fail(Kind::ReadBlob, 2, Fault::FlippedBit);
    let bytes = raw(&github, &blob).await.body;
    let wrong = |bytes: &[u8]| {
        let pairs = bytes.iter().zip(b"# archive\n");
        pairs.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()
    };
    assert_eq!((bytes.len(), wrong(&bytes)), (10, 1));
    let shown = ask(&github, "GET", &format!("{HOME}{blob}"), Value::Null)
        .await
        .json();
    let bytes = STANDARD
        .decode(shown["content"].as_str().expect("content"))
        .expect("base64");
    assert_eq!((bytes.len(), wrong(&bytes)), (10, 1));
    assert_eq!(raw(&github, &blob).await.body, b"# archive\n");
}
