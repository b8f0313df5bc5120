//! Props posted by other bots.

use propsbot_graph::standings;
use serde_json::json;
use simulator::discord::{Options, kind};

use super::{SOON, Server, says};

/// A meeting bot and a webhook post the participants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bot_posts_count_if_configured() {
    let (mut meet, mut posts) = (0, Vec::new());
    let mut server = Server::with(Options::default(), |discord| {
        let props = discord.create_channel(kind::TEXT, "props", vec![]);
        let members = discord.members();
        let named = |name: &str| members.iter().find(|(_, member)| member == name).unwrap().0;
        let (ana, ben, cho) = (named("ana"), named("ben"), named("cho"));
        meet = discord.join_bot("meet");
        let text = format!("Hosts: <@{ana}> Participants: <@{ben}> <@{cho}>");
        posts = vec![
            discord.post(meet, props, &text),
            discord.post(meet, props, &text),
            discord.post(meet, props, "nobody came"),
            discord.post_as_webhook("calendar", props, &text),
        ];
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let props = server.discord().channel("props").unwrap();
    let why = |server: &Server, message: u64| {
        let guild = server.discord().guild_id();
        json!({"message": format!("https://discord.com/channels/{guild}/{props}/{message}")})
    };
    let ignored = server.ask(ana, "why", why(&server, posts[0])).await;
    says(&ignored, &["a bot posted it", "props_bots"]);
    // The bot's own props posts don't count as another bot's.
    let given = json!({"to": format!("<@{ben}>"), "for": "x"});
    assert!(!server.ask_in(props, cho, "props", given).await.ephemeral);

    server.stop().await;
    let dry = ["export", "--dry-run"];
    let said = server.mirror.run(&dry).await.ok().stdout;
    let of_bot = format!("2 posts in props channels by the bot meet ({meet})");
    assert!(said.contains(&of_bot), "{said}");
    assert!(
        said.contains("1 post in props channels by the webhook"),
        "{said}"
    );
    assert_eq!(said.matches("no props:").count(), 2, "{said}");

    server.run().await;
    let bot = server.discord().bot_id();
    for (wrong, words) in [
        (format!("<@{ana}>"), "isn't a bot in this server"),
        (format!("<@{bot}>"), "isn't a bot in this server"),
        ("meet".to_owned(), "I don't know the bot"),
    ] {
        let set = json!({"props_bots": wrong});
        says(
            &server.admin("settings set", set).await,
            &[words, "Nothing was changed"],
        );
    }
    let set = json!({"props_bots": format!("<@{meet}>")});
    let begun = std::time::Instant::now();
    loop {
        // Until the bot knows the other bot.
        let answer = server.admin("settings set", set.clone()).await;
        if answer
            .content
            .contains(&format!("posts count as props**: <@{meet}>"))
        {
            break;
        }
        assert!(begun.elapsed() < SOON, "{answer:?}");
    }
    let counted = server.ask(ana, "why", why(&server, posts[0])).await;
    says(&counted, &["mint **1**", "cho"]);
    let webhook = server.ask(ana, "why", why(&server, posts[3])).await;
    says(&webhook, &["an integration posted it"]);

    server.stop().await;
    let said = server.mirror.run(&dry).await.ok().stdout;
    assert!(!said.contains("meet"), "{said}");
    server.mirror.export().await;
    server.mirror.check_archive().await;
    let received: Vec<_> = standings(&server.mirror.archived().await)
        .into_iter()
        .map(|standing| (standing.member.0, standing.received, standing.given))
        .filter(|(member, ..)| *member != cho)
        .collect();
    assert_eq!(received, [(ben, 3, 0), (ana, 2, 0), (meet, 0, 2)]);
    server.check_manners();
}
