//! What REST refuses: bad tokens, unknown routes, too many requests; and planned faults.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{ask_as, get};
use super::{empty, seeded};
use crate::discord::{Discord, Fault, Limits, Options, Rate, kind};

const LIST: &str = "GET /channels/{channel_id}/messages";

#[tokio::test]
async fn bad_tokens_and_unknown_routes_are_counted() {
    let discord = Discord::start(empty()).await.expect("starts");
    let answer = ask_as(&discord, "Bot wrong", "GET", "/users/@me", Value::Null)
        .await
        .expect("an answer");
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!(0)));
    assert_eq!(get(&discord, "/users/@me/nonsense").await.status, 404);
    assert_eq!(discord.violations().len(), 2);
    assert_eq!(
        (
            discord.counters().invalid,
            discord.counters().unknown_routes
        ),
        (1, 1)
    );
    assert_eq!(discord.requests()[1].route, "?");
}

#[tokio::test]
async fn sends_and_enforces_rate_limits() {
    let messages = Some(Rate::new(2, Duration::from_mins(1)));
    let limits = Limits {
        messages,
        ..Limits::none()
    };
    let discord = Discord::start(Options { limits, ..empty() })
        .await
        .expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let other = discord.create_channel(kind::TEXT, "other", vec![]);
    let path = format!("/channels/{channel}/messages");
    let first = get(&discord, &path).await;
    assert_eq!(
        (
            first.header("x-ratelimit-limit"),
            first.header("x-ratelimit-remaining")
        ),
        (Some("2"), Some("1"))
    );
    assert_eq!(get(&discord, &path).await.status, 200);
    assert_eq!(discord.violations().len(), 0);
    let refused = get(&discord, &path).await;
    assert_eq!(
        (refused.status, refused.header("x-ratelimit-scope")),
        (429, Some("user"))
    );
    assert!(
        refused.body["retry_after"]
            .as_f64()
            .is_some_and(|wait| wait > 50.0)
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        get(&discord, &format!("/channels/{other}/messages"))
            .await
            .status,
        200
    );
    assert_eq!(discord.violations().len(), 1);
    let free = get(&discord, "/users/@me").await;
    assert_eq!(free.header("x-ratelimit-limit"), None);

    discord.limit(Limits {
        global: Some(Rate::new(1, Duration::from_mins(1))),
        ..Limits::none()
    });
    assert_eq!(get(&discord, "/users/@me").await.status, 200);
    let refused = get(&discord, "/users/@me").await;
    assert_eq!(
        (
            refused.status,
            &refused.body["global"],
            refused.header("x-ratelimit-global")
        ),
        (429, &json!(true), Some("true"))
    );
}

#[tokio::test]
async fn planned_faults_occur() {
    let discord = Discord::start(seeded()).await.expect("starts");
    let path = format!(
        "/channels/{}/messages",
        discord.channel("props").expect("it is there")
    );
    discord.fail_after(
        "GET /channels/{channel.id}/messages",
        1,
        1,
        Fault::Status(500),
    );
    discord.fail(LIST, 1, Fault::Reset);
    let token = format!("Bot {}", discord.token());
    assert!(
        ask_as(&discord, &token, "GET", &path, Value::Null)
            .await
            .is_err()
    );
    assert_eq!(get(&discord, &path).await.status, 500);
    assert_eq!(get(&discord, &path).await.status, 200);
    discord.fail(
        LIST,
        1,
        Fault::RateLimited {
            retry_after: 0.25,
            global: false,
            shared: true,
        },
    );
    let refused = get(&discord, &path).await;
    assert_eq!(
        (refused.status, refused.header("x-ratelimit-scope")),
        (429, Some("shared"))
    );
    assert_eq!(discord.counters().invalid, 0, "shared limits do not count");
    discord.fail(LIST, 1, Fault::Malformed);
    let broken = get(&discord, &path).await;
    assert_eq!((broken.status, &broken.body), (200, &Value::Null));
    discord.fail("POST /channels/{}/messages", 1, Fault::Lost);
    let before = discord.truth().messages.len();
    assert!(
        ask_as(
            &discord,
            &token,
            "POST",
            &path,
            json!({"content": "done, though nobody heard"})
        )
        .await
        .is_err()
    );
    assert_eq!(discord.truth().messages.len(), before + 1);
    assert_eq!(discord.count(LIST), 5);
}
