//! `/why` and "Why this cred?": nodes, edges and weights, and what doesn't count.

use serde_json::json;
use simulator::discord::{Options, kind};

use super::{Server, says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_lists_nodes_edges_and_weights() {
    let mut ids = [0; 4];
    let mut props = 0;
    let server = Server::with(Options::default(), |discord| {
        let named = |name: &str| {
            let members = discord.members();
            members.iter().find(|(_, member)| member == name).unwrap().0
        };
        let (ana, ben, cho) = (named("ana"), named("ben"), named("cho"));
        let general = discord.channel("general").unwrap();
        props = discord.create_channel(kind::TEXT, "props", vec![]);
        ids = [
            discord.post(ana, props, &format!("<@{ben}> <@{ben}> <@{ana}>")),
            discord.post(ana, general, &format!("<@{ben}>")),
            discord.post(ana, props, "nobody"),
            discord.post(ana, props, &format!("<@{cho}>")),
        ];
        discord.react(cho, props, ids[0], "🎉", false);
        discord.delete(props, ids[3]);
    })
    .await;
    let (ana, cho, general) = (server.ana, server.cho, server.general);
    let discord = server.discord();
    let guild = discord.guild_id();
    let link = |channel: u64, id: u64| json!({"message": format!("https://discord.com/channels/{guild}/{channel}/{id}")});

    let whole = [
        "mint **2**",
        "🎉 by **\u{2068}cho\u{2069}**: 1",
        "*authors props* the props: 0.25, 1",
        "ben\u{2069}**: 38, 0.0625",
        "members can't give props to themselves",
    ];
    says(&server.ask(ana, "why", link(props, ids[0])).await, &whole);
    let run = discord.message_command(cho, props, "Why this cred?", ids[0]);
    says(&discord.answer(run).await.unwrap(), &whole);
    // Within this channel, the id is enough.
    let id = json!({"message": format!(" {}", ids[0])});
    says(&server.ask_in(props, cho, "why", id.clone()).await, &whole);
    says(
        &server.ask(cho, "why", id).await,
        &["can't find that message"],
    );

    says(
        &server.ask(ana, "why", link(general, ids[1])).await,
        &["only in props channels"],
    );
    says(
        &server.ask(ana, "why", link(props, ids[2])).await,
        &["no one who can receive props"],
    );
    says(
        &server.ask(ana, "why", link(props, 5)).await,
        &["can't find that message"],
    );
    says(
        &server.ask(ana, "why", link(5, ids[0])).await,
        &["can't find that message"],
    );
    discord.delete(props, ids[0]);
    server
        .ask_until(ana, general, "why", link(props, ids[0]), "it was deleted")
        .await;
    let elsewhere = json!({"message": "https://discord.com/channels/5/6/7"});
    says(
        &server.ask(ana, "why", elsewhere).await,
        &["another server"],
    );
    for odd in [
        "`` ```@everyone",
        "https://discord.com/channels/1",
        "",
        "-5",
        &"9".repeat(60),
    ] {
        says(
            &server.ask(ana, "why", json!({"message": odd})).await,
            &["isn't a link", "You typed"],
        );
    }
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_finds_thanks_for_a_message() {
    let server = Server::start().await;
    let (ana, cho, general) = (server.ana, server.cho, server.general);
    let discord = server.discord();
    let guild = discord.guild_id();
    let link = |id: u64| json!({"message": format!("https://discord.com/channels/{guild}/{general}/{id}")});
    let work = discord.post(ana, general, "the work");
    let run = discord.message_command(cho, general, "Give props", work);
    let form = discord.answer(run).await.unwrap().data["custom_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = discord.submit(cho, general, &form, &[("reason", "the work")]);
    let given = discord.answer(run).await.unwrap().message_id.unwrap();
    let about = server
        .ask_until(ana, general, "why", link(work), "Props were given for it")
        .await;
    says(&about, &[&given.to_string()]);
    let thanks = server
        .ask_until(ana, general, "why", link(given), "mint **1**")
        .await;
    says(&thanks, &["ana\u{2069}**: 19"]);
    let run = discord.autocomplete(ana, general, "why", json!({"message": "WORK"}), "message");
    let choices = discord.answer(run).await.unwrap().data["choices"].clone();
    assert_eq!(choices[0]["name"], "cho → ana: the work");
    assert!(
        choices[0]["value"]
            .as_str()
            .unwrap()
            .ends_with(&given.to_string())
    );
    says(&server.ask(cho, "undo", json!({})).await, &["is deleted"]);
    server
        .ask_until(ana, general, "why", link(given), "took these props back")
        .await;
    server.check_manners();
}
