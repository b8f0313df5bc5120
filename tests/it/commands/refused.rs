//! Requests that Discord refuses, and things only Discord knows.

use std::time::Instant;

use serde_json::json;
use simulator::discord::{Discord, Fault, Options, kind};

use super::{SOON, Server, says};

const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";
const REACT: &str = "PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me";
const POST: &str = "POST /channels/{channel_id}/messages";

async fn with_quota_of_one() -> Server {
    let server = Server::start().await;
    says(
        &server.admin("settings set", json!({"quota": 1})).await,
        &["1 member a day"],
    );
    server
}

fn unknown_interaction() -> Fault {
    Fault::Answer(
        404,
        r#"{"code":10062,"message":"Unknown interaction"}"#.to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_responses_use_no_quota() {
    let mut server = with_quota_of_one().await;
    server.discord().fail(CALLBACK, 1, unknown_interaction());
    let refused = server.give(server.ana, &[server.ben], "the review").await;
    says(
        &refused,
        &["refused", "no props were given", "for:the review"],
    );
    let given = server.give(server.ana, &[server.ben], "the review").await;
    assert!(!given.ephemeral, "{given:?}");
    says(
        &server.give(server.ana, &[server.ben], "again").await,
        &["thank 1 member a day"],
    );
    let rows = server.recorded().await;
    let said: Vec<bool> = rows.iter().map(|row| row.message_id.is_some()).collect();
    let withdrawn: Vec<bool> = rows.iter().map(|row| row.withdrawn_at.is_some()).collect();
    assert_eq!((said, withdrawn), (vec![false, true], vec![true, false]));
}

/// Discord keeps an unanswered form open, and members submit it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_can_be_resubmitted_after_a_refusal() {
    let mut server = with_quota_of_one().await;
    let discord = server.discord();
    let (ana, general) = (server.ana, server.general);
    let run = discord.user_command(ana, general, "Give props", server.ben);
    let form = discord.answer(run).await.unwrap();
    let form = form.data["custom_id"].as_str().unwrap().to_owned();
    let fields = [("reason", "the review")];
    discord.fail(CALLBACK, 1, unknown_interaction());
    let run = discord.submit(ana, general, &form, &fields);
    says(
        &discord.answer(run).await.unwrap(),
        &["no props were given"],
    );
    let run = discord.submit(ana, general, &form, &fields);
    let given = discord.answer(run).await.unwrap();
    assert!(!given.ephemeral, "{given:?}");
    let rows = server.recorded().await;
    let said = rows.iter().filter(|row| row.message_id.is_some());
    assert_eq!(said.map(|row| row.withdrawn_at).collect::<Vec<_>>(), [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_refused_posts() {
    let mut server = with_quota_of_one().await;
    let thanks = server.choose_props_channel(vec![]).await;
    let invalid = r#"{"code":50035,"message":"Invalid Form Body"}"#.to_owned();
    server.discord().fail(POST, 1, Fault::Answer(400, invalid));
    let refused = server.give(server.ana, &[server.ben], "the review").await;
    says(
        &refused,
        &["refused", &format!("<#{thanks}>"), "no props were given"],
    );
    let given = server.give(server.ana, &[server.ben], "the review").await;
    says(&given, &["https://discord.com/channels/"]);
    assert_eq!(server.recorded().await.len(), 2);
    server.check_manners();
}

/// A proxy in front of Discord refuses: Discord never got the post.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_error_pages_mean_not_posted() {
    let server = with_quota_of_one().await;
    let thanks = server.choose_props_channel(vec![]).await;
    let page = Fault::Answer(403, "<html>no</html>".to_owned());
    let discord = server.discord();
    discord.fail(POST, 6, page);
    let to = format!("<@{}>", server.ben);
    let wish = json!({"to": to, "for": "the review"});
    let run = discord.slash(server.ana, server.general, "props", wish);
    let refused = discord.answer_within(run, SOON).await;
    says(
        &refused.expect("an answer"),
        &["refused", &format!("<#{thanks}>"), "no props were given"],
    );
    let given = server.give(server.ana, &[server.ben], "the review").await;
    says(&given, &["https://discord.com/channels/"]);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_commands_of_other_versions() {
    let server = Server::start().await;
    let (ana, general) = (server.ana, server.general);
    for command in ["kudos", "settings forget"] {
        let answer = server.ask(ana, command, json!({"to": "ben"})).await;
        says(&answer, &["no longer have this command", "`/help`"]);
    }
    let typing = json!({"to": "b"});
    let run = server
        .discord()
        .autocomplete(ana, general, "kudos", typing, "to");
    let answer = server.discord().answer(run).await.unwrap();
    assert_eq!((answer.kind, &answer.data["choices"]), (8, &json!([])));
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_invisible_reasons() {
    let mut server = Server::start().await;
    for reason in ["\u{200b}", " \u{200d}\u{feff}\n", "\u{2800}", "\u{1b}\0"] {
        let answer = server.give(server.ana, &[server.ben], reason).await;
        says(&answer, &["The reason is empty"]);
    }
    let given = server
        .give(server.ana, &[server.ben], "the\u{1b}[2J review\0")
        .await;
    assert!(!given.ephemeral, "{given:?}");
    let rows = server.recorded().await;
    assert_eq!(rows[0].reason, "the[2J review");
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_role_lets_everyone_give() {
    let server = Server::start().await;
    let guild = server.discord().guild_id();
    for everyone in ["@everyone", "everyone", &format!("<@&{guild}>")] {
        let wish = json!({"giver_roles": everyone});
        says(
            &server.admin("settings set", wish).await,
            &["**Who can give props with commands and reactions**: everyone"],
        );
        let given = server.give(server.ana, &[server.ben], "the review").await;
        assert!(!given.ephemeral, "{given:?}");
    }
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgement_emoji_must_exist() {
    let server = Server::start().await;
    let own = server.discord().create_emoji("wow", false);
    let begun = Instant::now();
    let wish = json!({"acknowledge": format!("<:wow:{own}>")});
    // Until the bot knows the emoji.
    while !server
        .admin("settings set", wish.clone())
        .await
        .content
        .starts_with("Done")
    {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }
    for none in [
        "thanks",
        "🙏🙏",
        "→",
        "é",
        "\u{fe0f}",
        "<:wow:1234567890123456>",
    ] {
        says(
            &server
                .admin("settings set", json!({"acknowledge": none}))
                .await,
            &["can't react", "Nothing was changed"],
        );
    }
    says(
        &server
            .admin("settings set", json!({"acknowledge": "❤"}))
            .await,
        &["plain props**: ❤\u{fe0f}"],
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_failing_acknowledgements_once_and_ignores_blocks() {
    let mut props = 0;
    let server = Server::with(Options::default(), |discord| {
        props = discord.create_channel(kind::TEXT, "props", vec![]);
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let discord = server.discord();
    discord.block_bot(ana);
    let acknowledged = |id: u64| {
        move |discord: &Discord| !discord.message(props, id).unwrap().reactions.is_empty()
    };
    // Later messages are handled later, so this one ends the wait.
    let thanks = |from, to: u64| discord.post(from, props, &format!("thanks <@{to}>"));
    thanks(ana, ben);
    let last = thanks(ben, cho);
    assert!(
        discord.wait(SOON, acknowledged(last)).await,
        "{}",
        server.log()
    );
    assert!(!server.log().contains("acknowledged"), "{}", server.log());

    let refused = r#"{"code":50013,"message":"Missing Permissions"}"#.to_owned();
    discord.fail(REACT, 3, Fault::Answer(403, refused));
    for _ in 0..3 {
        thanks(ben, cho);
    }
    let last = thanks(ben, cho);
    assert!(
        discord.wait(SOON, acknowledged(last)).await,
        "{}",
        server.log()
    );
    let log = server.log();
    assert_eq!(log.matches("can't acknowledge props").count(), 1, "{log}");
}
