//! Limits: counting, refusals, and their messages.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Ask, ask, commit, error, get, headers, here, query};
use super::{Limits, Options, Rate, filled, head, start};

fn limited(limits: Limits) -> Options {
    Options { limits, ..filled() }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_remaining_requests_and_refuses_the_rest() {
    let hour = Duration::from_hours(1);
    let github = start(limited(Limits {
        core: Some(Rate::new(2, hour)),
        graphql: Some(Rate::new(1, hour)),
        ..Limits::github()
    }))
    .await;
    let first = get(&github, "").await;
    assert_eq!(first.header("x-ratelimit-limit"), Some("2"));
    assert_eq!(first.header("x-ratelimit-remaining"), Some("1"));
    assert_eq!(first.header("x-ratelimit-used"), Some("1"));
    assert_eq!(first.header("x-ratelimit-resource"), Some("core"));
    assert_eq!(
        get(&github, "/contents/absent")
            .await
            .header("x-ratelimit-remaining"),
        Some("0")
    );
    let refused = get(&github, "").await;
    assert_eq!(refused.status, 403);
    assert!(
        refused.message().starts_with("API rate limit exceeded"),
        "{}",
        refused.message()
    );
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(refused.header("retry-after"), None);
    // GraphQL has its own budget, and this query is free.
    assert_eq!(
        query(&github, "{ viewer { login } }", Value::Null)
            .await
            .get("errors"),
        None
    );
    assert_eq!(
        error(&query(&github, "{ viewer { login } }", Value::Null).await).0,
        "RATE_LIMITED"
    );
    let shown = ask(&github, "GET", "/rate_limit", Value::Null).await.json();
    assert_eq!(
        (
            &shown["rate"]["remaining"],
            &shown["resources"]["graphql"]["used"]
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(github.counters().rate_limited, 2);
    assert_eq!(github.violations().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn secondary_content_limits_expire() {
    let short = Duration::from_secs(2);
    let rate = Some(Rate::new(2, short));
    let github = start(limited(Limits {
        content_by_minute: rate,
        ..Limits::github()
    }))
    .await;
    let first = head(&github);
    let blob = || here(&github, "POST", "/git/blobs", json!({"content": "x"}));
    assert_eq!(blob().await.status, 201);
    // Failed requests count, too.
    assert_eq!(
        error(&commit(&github, &"1".repeat(40), &[], &[]).await).0,
        "STALE_DATA"
    );
    let refused = blob().await;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .message()
            .starts_with("You have exceeded a secondary rate limit")
    );
    let wait: u64 = refused
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(get(&github, "").await.status, 200);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(
        commit(&github, &first, &[("a", b"a")], &[])
            .await
            .get("errors"),
        None
    );
    let counters = github.counters();
    assert_eq!((counters.writes, counters.rate_limited), (4, 1));
    github.limit(Limits {
        rest_points: Some(Rate::new(6, short)),
        secondary_status: 429,
        says_retry_after: false,
        ..Limits::github()
    });
    assert_eq!(get(&github, "").await.status, 200);
    assert_eq!(blob().await.status, 201);
    let refused = get(&github, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_too_many_concurrent_requests() {
    let github = start(limited(Limits {
        concurrent: Some(1),
        ..Limits::github()
    }))
    .await;
    let (tried, slow) = (get(&github, ""), Duration::from_millis(300));
    github.fail(super::Kind::Account, 1, super::Fault::Delay(slow));
    let other = ask(&github, "GET", "/user", Value::Null);
    let later = async {
        assert!(
            github
                .wait(Duration::from_secs(5), |github| github.requests().len()
                    == 1)
                .await
        );
        tried.await
    };
    let (slow, refused) = tokio::join!(other, later);
    assert_eq!((slow.status, refused.status), (200, 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn enforces_size_limits() {
    let limits = Limits {
        body: 2000,
        posted_blob: 500,
        file: 800,
        posted_tree: 1,
        ..Limits::none()
    };
    let github = start(limited(limits)).await;
    let post = |size: usize| {
        here(
            &github,
            "POST",
            "/git/blobs",
            json!({"content": "x".repeat(size)}),
        )
    };
    assert_eq!(post(500).await.status, 201);
    let refused = post(501).await;
    assert_eq!(
        (refused.status, &refused.json()["errors"][0]["code"]),
        (422, &json!("too_large"))
    );
    assert_eq!(post(2000).await.status, 413);
    let (kind, _) = error(&commit(&github, &head(&github), &[("a", &[1; 801])], &[]).await);
    assert_eq!(kind, "UNPROCESSABLE");
    github
        .commit_as_somebody([("large", vec![1; 801])])
        .expect("git");
    assert_eq!(get(&github, "/contents/large").await.status, 403);
    let whole = Ask {
        method: "POST",
        path: "/graphql",
        headers: headers(&github),
        body: vec![b' '; 3000],
    };
    assert_eq!(whole.send(&github).await.expect("an answer").status, 413);
}
