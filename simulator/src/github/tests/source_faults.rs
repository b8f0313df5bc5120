//! What can go wrong between the world and a reader; and webhooks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::client::{ask, error, query};
use super::{filled, start};
use crate::github::world::{Action, Seed, World};
use crate::github::{Fate, Fault, Github, Kind, Limits, Options, What};

async fn seeded() -> Github {
    start(Options {
        source: World::seeded(&Seed::default()),
        limits: Limits::github(),
        ..filled()
    })
    .await
}

fn comment(body: &str) -> Action {
    Action::Comment {
        on: "octo-org/alpha#1".into(),
        by: Some("amara".to_owned()),
        body: body.to_owned(),
        at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_fail_as_github_s_do() {
    let github = seeded().await;
    let large = "{ repository(owner: \"octo-org\", name: \"alpha\") { issues(first: 100) { nodes { comments(first: 10) { totalCount } } } } }";
    let small = "{ viewer { login } }";
    github.fail(What::LargerThan(1000), 1, Fault::ResourceLimits);
    assert_eq!(query(&github, small, Value::Null).await.get("errors"), None);
    let refused = query(&github, large, Value::Null).await;
    assert_eq!(error(&refused).0, "RESOURCE_LIMITS_EXCEEDED");
    github.fail(Kind::Query, 1, Fault::QueryTimeout(502));
    let answer = ask(&github, "POST", "/graphql", json!({"query": small})).await;
    assert_eq!(answer.status, 502);
    assert!(
        error(&answer.json())
            .1
            .starts_with("Something went wrong while executing your query")
    );
    github.fail(Kind::Query, 1, Fault::Html(502));
    let answer = ask(&github, "POST", "/graphql", json!({"query": small})).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(answer.body.starts_with(b"<!DOCTYPE html>"));
}

/// A query costs its points, all of which must be left.
#[tokio::test(flavor = "multi_thread")]
async fn queries_cost_their_points() {
    let github = seeded().await;
    let cost = "rateLimit { cost remaining nodeCount }";
    let inner = "issues(first: 100) { nodes { comments(first: 10) { totalCount } reactions(first: 1) { totalCount } } }";
    let text =
        format!("{{ {cost} repository(owner: \"octo-org\", name: \"alpha\") {{ {inner} }} }}");
    let shown = query(&github, &text, Value::Null).await["data"]["rateLimit"].clone();
    assert_eq!(
        shown,
        json!({"cost": 2, "remaining": 4998, "nodeCount": 1200})
    );
    assert_eq!(github.counters().graphql_points, 2);
    github.limit(Limits {
        graphql: Some(crate::github::Rate::new(1, Duration::from_hours(1))),
        ..Limits::github()
    });
    let refused = query(&github, &text, Value::Null).await;
    assert_eq!(error(&refused).0, "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_can_be_stale() {
    let github = seeded().await;
    github.fail(Kind::ReadIssues, 1, Fault::StaleTag);
    let path = "/repos/octo-org/alpha/issues/comments";
    let mut headers = super::client::headers(&github);
    headers.push(("if-none-match", "W/\"old\"".to_owned()));
    let ask = super::client::Ask {
        method: "GET",
        path,
        headers,
        body: Vec::new(),
    };
    assert_eq!(ask.send(&github).await.expect("an answer").status, 304);
    let counters = github.counters();
    assert_eq!((counters.not_modified, counters.rest_points), (1, 0));
}

/// A receiver of webhooks: its address, and the headers and bodies that came.
async fn receiver() -> (String, Arc<Mutex<Vec<(HeaderMap, String)>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let kept = Arc::clone(&got);
    let receive = move |headers: HeaderMap, body: String| {
        let kept = Arc::clone(&kept);
        async move {
            kept.lock().expect("a list").push((headers, body));
            StatusCode::ACCEPTED
        }
    };
    let app = Router::new().route("/hook", post(receive));
    tokio::spawn(async { axum::serve(listener, app).await });
    (format!("http://{address}/hook"), got)
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_signed_and_may_be_lost_late_or_doubled() {
    let (url, got) = receiver().await;
    let github = seeded().await;
    github.set_webhook(&url, "secret");
    let act = |body: &str| github.act_on_world(comment(body)).expect("possible");
    act("first");
    github.fate(Fate::Dropped, 1);
    act("lost");
    github.fate(Fate::Late, 1);
    act("late");
    act("before");
    github.fate(Fate::Twice, 1);
    act("twice");
    let all = github.wait(Duration::from_secs(20), |github| {
        github.deliveries().len() == 6
    });
    assert!(all.await);
    let got = got.lock().expect("a list").clone();
    let bodies: Vec<Value> = got
        .iter()
        .map(|(_, body)| serde_json::from_str(body).expect("JSON"))
        .collect();
    let texts: Vec<_> = bodies
        .iter()
        .map(|body| body["comment"]["body"].as_str().expect("a text"))
        .collect();
    assert_eq!(texts, ["first", "before", "late", "twice", "twice"]);
    let header = |at: usize, name: &str| got[at].0[name].to_str().expect("text").to_owned();
    assert_eq!(header(0, "x-github-event"), "issue_comment");
    assert_eq!(
        header(3, "x-github-delivery"),
        header(4, "x-github-delivery")
    );
    assert_ne!(
        header(0, "x-github-delivery"),
        header(1, "x-github-delivery")
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").expect("a key");
    mac.update(got[0].1.as_bytes());
    let hex = u128::from_str_radix(&header(0, "x-hub-signature-256")[7..39], 16);
    let start = &mac.finalize().into_bytes()[..16];
    assert_eq!(hex.expect("hex").to_be_bytes(), start);
    assert_eq!(bodies[0]["action"], "created");
    assert_eq!(bodies[0]["repository"]["full_name"], "octo-org/alpha");
    assert_eq!(bodies[0]["sender"]["login"], "amara");
}
