//! Absurd numbers from Discord neither hang nor end the bot.

use std::time::{Duration, Instant};

use serde_json::json;
use simulator::discord::{Discord, Fault};

use crate::{
    commands::{Server, says},
    live::SOON,
    mirror::Mirror,
};

const GUILDS: &str = "GET /users/@me/guilds";
const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";
const FOLLOW_UP: &str = "POST /webhooks/{webhook_id}/{webhook_token}";
const POST: &str = "POST /channels/{channel_id}/messages";
const DELETE: &str = "DELETE /channels/{channel_id}/messages/{message_id}";
const ME: &str = "GET /users/@me";

fn limited(retry_after: &str, header: &str, global: bool) -> Fault {
    let body = format!(
        r#"{{"message": "You are being rate limited.", "retry_after": {retry_after}, "global": {global}}}"#
    );
    let scope = if global { "global" } else { "user" };
    let headers = vec![
        ("retry-after", header.to_owned()),
        ("x-ratelimit-scope", scope.to_owned()),
    ];
    Fault::AnswerWith(429, headers, body)
}

/// Waits too long to add to a clock, or to sit out, are reported and end the command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_route_limits_end_the_command() {
    let waits = [
        ("1e9", "1e9"),
        ("1e19", "1e19"),
        ("1e300", "1e300"),
        ("0.1", "inf"),
        ("1e9", "NaN"),
    ];
    for (body, header) in waits {
        let mirror = Mirror::empty().await;
        mirror
            .discord
            .fail_after(GUILDS, 0, 1, limited(body, header, false));
        let begun = Instant::now();
        let sync = mirror.sync().await;
        sync.failed(1, &["try again in 3600 s"]);
        assert!(begun.elapsed() < Duration::from_secs(30), "{body} {header}");
        mirror.sync().await.ok();
    }
    for (body, header) in [("-5", "-1e19"), ("null", "soon"), ("0", "NaN")] {
        let mirror = Mirror::empty().await;
        mirror
            .discord
            .fail_after(GUILDS, 0, 1, limited(body, header, false));
        mirror.sync().await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignores_malformed_rate_limit_headers() {
    let odd = [
        ("x-ratelimit-reset-after", "1e9"),
        ("x-ratelimit-reset-after", "1e19"),
        ("x-ratelimit-reset-after", "-1"),
        ("x-ratelimit-limit", "99999999999"),
        ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ];
    for (name, value) in odd {
        let mirror = Mirror::seeded(8).await;
        let usual = [
            ("x-ratelimit-bucket", "abc"),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "0.1"),
        ];
        let headers = usual.into_iter().filter(|(usual, _)| *usual != name);
        let headers = headers.chain([(name, value)]);
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        let fault = Fault::Headers(headers.collect());
        mirror.discord.fail_after(GUILDS, 0, 1, fault);
        mirror.sync().await.ok();
        mirror.check_store();
    }
}

/// 31 years: reported once, probed now and then, and ended by a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_31_year_pause_ends_with_the_first_success() {
    let mirror = Mirror::seeded(9).await;
    mirror
        .discord
        .fail_after("*", 6, 1, limited("1e9", "1e9", true));
    let sync = mirror.sync().await;
    let told = sync
        .stderr
        .matches("Discord wants no requests for 1h")
        .count();
    assert_eq!(told, 1, "{sync:#?}");
    assert!(
        sync.stderr.contains("Discord takes requests again"),
        "{sync:#?}"
    );
    mirror.sync().await.ok();
    mirror.check_store();
}

/// Meanwhile `/sync-status` reports it, and `/props` refuses what couldn't be posted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_report_a_long_pause() {
    let server = Server::start().await;
    server.choose_props_channel(vec![]).await;
    server
        .discord()
        .fail_after(POST, 0, 1, limited("1e9", "1e9", true));
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    server.give(ana, &[ben], "first").await;
    let refused = server.give(ben, &[cho], "second").await;
    says(&refused, &["Discord", "try again", "second"]);
    let status = server.admin("sync-status", json!({})).await;
    assert!(status.content.contains("paused: Discord"), "{status:?}");
    // It probes even without other requests.
    let begun = Instant::now();
    while server
        .admin("sync-status", json!({}))
        .await
        .content
        .contains("paused")
    {
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let given = server.give(ben, &[cho], "third").await;
    assert!(given.content.contains("discord.com/channels/"), "{given:?}");
}

/// Props are withdrawn; only their message stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_works_during_a_long_pause() {
    let server = Server::start().await;
    server.choose_props_channel(vec![]).await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    server.give(ana, &[ben], "first").await;
    let discord = server.discord();
    for route in [POST, DELETE, ME] {
        discord.fail(route, 100, limited("1e9", "1e9", true));
    }
    server.give(ben, &[cho], "second").await;
    let undone = server.ask(ana, "undo", json!({})).await;
    says(&undone, &["no longer count", "may still be there"]);
    assert_eq!(discord.count(DELETE), 0);
}

/// After a 429 on a response, it is retried for as long as Discord waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_rate_limited_responses() {
    let server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let wait = Duration::from_millis(900);
    server
        .discord()
        .fail_after(CALLBACK, 0, 1, limited("0.9", "0.9", false));
    server.give(ana, &[ben], "first").await;
    let times = sent(server.discord(), CALLBACK);
    let [.., limited_at, again_at] = times[..] else {
        panic!("{times:?}");
    };
    assert!(again_at - limited_at >= wait, "{:?}", again_at - limited_at);
    server.check_manners();

    // Later responses have more than the first one's 3 s.
    server.choose_props_channel(vec![]).await;
    server
        .discord()
        .fail_after(POST, 0, 1, Fault::Delay(Duration::from_millis(2_500)));
    server
        .discord()
        .fail_after(FOLLOW_UP, 0, 1, limited("4", "4.0", false));
    let given = server.give(ana, &[ben], "second").await;
    assert!(given.content.contains("discord.com/channels/"), "{given:?}");

    // One that can't be waited for is dropped, and affects nothing else.
    server
        .discord()
        .fail_after(CALLBACK, 0, 1, limited("1e9", "1e9", false));
    let asked = sent(server.discord(), CALLBACK).len();
    let run = server
        .discord()
        .slash(ana, server.general, "help", json!({}));
    let came = |discord: &Discord| sent(discord, CALLBACK).len() > asked;
    assert!(
        server.discord().wait(SOON, came).await,
        "{run:?} {}",
        server.log()
    );
    server.give(ana, &[ben], "third").await;
}

fn sent(discord: &Discord, route: &str) -> Vec<Instant> {
    let requests = discord.requests();
    let of_route = requests
        .iter()
        .filter(|request| format!("{} {}", request.method, request.route) == route);
    of_route.map(|of_route| of_route.arrived).collect()
}
