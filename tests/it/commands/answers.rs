//! Responses that get lost, are rejected, or come back in a form that serenity can't parse.

use std::time::Duration;

use serde_json::json;
use simulator::discord::{Discord, Fault};

use super::{SOON, Server, says};

const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";
const FOLLOW_UP: &str = "POST /webhooks/{webhook_id}/{webhook_token}";
const POST: &str = "POST /channels/{channel_id}/messages";

/// Long enough for the bot to defer its response.
const SLOW: Fault = Fault::Delay(Duration::from_millis(2_500));

/// An avatar decoration that Discord has and serenity rejects.
pub(super) const DECORATION: &str =
    r#"{"asset": "v2_a_624192b47596d66e5f15a6b0932afbd3", "sku_id": "1144058844004233369"}"#;

/// Asserts that the bot stops in time and logged no errors.
async fn ends_without_errors(mut server: Server) {
    server.check_manners();
    let running = server.running.take().unwrap();
    running.terminate();
    let ended = running.wait_for(Duration::from_secs(10)).await.ok();
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_deferrals_are_followed_by_the_response() {
    let server = Server::start().await;
    server.choose_props_channel(vec![]).await;
    server.discord().fail(POST, 1, SLOW);
    server.discord().fail(CALLBACK, 1, Fault::Lost);
    let given = server.give(server.ana, &[server.ben], "the review").await;
    says(&given, &["https://discord.com/channels/"]);
    ends_without_errors(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_odd_message_objects_in_responses() {
    let server = Server::start().await;
    server.choose_props_channel(vec![]).await;
    server.discord().fail(POST, 1, SLOW);
    let author = "/interaction_metadata/user/avatar_decoration_data";
    server.discord().mutate(FOLLOW_UP, author, DECORATION);
    let given = server.give(server.ana, &[server.ben], "the review").await;
    says(&given, &["https://discord.com/channels/"]);
    assert_eq!(server.discord().count(FOLLOW_UP), 1);
    ends_without_errors(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_while_discord_rejects_responses() {
    let mut server = Server::start().await;
    let discord = server.discord();
    let before = discord.count(CALLBACK);
    discord.fail(CALLBACK, 1, Fault::Delay(Duration::from_mins(1)));
    discord.slash(server.ana, server.general, "help", json!({}));
    let came = |discord: &Discord| discord.count(CALLBACK) > before;
    assert!(discord.wait(SOON, came).await, "{}", server.log());
    let running = server.running.take().unwrap();
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
}

/// Larger than anything Discord sends: reading it would leave no memory for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_huge_interactions_with_a_response() {
    let server = Server::start().await;
    let discord = server.discord();
    let guild = discord.guild_id().to_string();
    let interaction = json!({
        "application_id": "5", "type": 2, "guild_id": &guild, "channel_id": server.general.to_string(),
        "member": {"user": {"id": server.ana.to_string(), "username": "ana"}, "roles": []},
        "data": {"id": "5", "name": "help", "type": 1, "odd": "x".repeat(17 << 20)},
    });
    let answer = discord.answer(discord.interact_raw(interaction)).await;
    says(&answer.expect("an answer"), &["Try again in a minute"]);
    let help = server.ask(server.ana, "help", json!({})).await;
    assert!(!help.content.contains("Try again"), "{help:?}");
    server.check_manners();
}
