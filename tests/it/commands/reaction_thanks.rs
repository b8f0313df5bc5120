//! Thanks by reaction: the preview, the setting, and what every report says of them.

use propsbot_graph::standings;
use propsbot_model::{MessageId, UserId};
use serde_json::{Value, json};
use simulator::discord::{Options, kind};

use super::{SOON, Server, says};

const PRAY: &str = "🙏";

fn link(server: &Server, message: u64) -> Value {
    let (guild, channel) = (server.discord().guild_id(), server.general);
    json!({"message": format!("https://discord.com/channels/{guild}/{channel}/{message}")})
}

/// Repeats `/why` until it has these words.
async fn why(server: &Server, message: u64, words: &str) -> String {
    let (ana, general) = (server.ana, server.general);
    let asked = link(server, message);
    let answer = server.ask_until(ana, general, "why", asked, words).await;
    answer.content
}

async fn set(server: &Server, settings: Value) {
    let answer = server.admin("settings set", settings).await;
    says(&answer, &["Done"]);
}

/// Off by default: nothing counts, and `/setup` says what would have. Then it is switched on.
async fn switched_on(server: &Server, old: u64) {
    let setup = server.admin("setup", json!({})).await.content;
    let would = "would have thanked: 🙏 2 times from 2 members to 1 member; 🎉 1 time from 1 member to 1 member";
    assert!(setup.contains(would), "{setup}");
    assert!(
        why(server, old, "counts **0**")
            .await
            .contains("only in props channels")
    );

    let odd = json!({"thanks_emoji": ":pray:"});
    says(
        &server.admin("settings set", odd).await,
        &["Nothing was changed"],
    );
    set(server, json!({"thanks_emoji": PRAY})).await;
    let setup = server.admin("setup", json!({})).await.content;
    assert!(setup.contains("A reaction with 🙏 thanks"), "{setup}");
}

/// The archive counts what the bot says.
async fn archived(server: &mut Server, work: u64) {
    let (ana, ben) = (server.ana, server.ben);
    let board = server.ask(ben, "leaderboard", json!({})).await.content;
    assert!(board.contains("ana\u{2069}**: 2"), "{board}");
    server.stop().await;
    server.mirror.export().await;
    let archived = server.mirror.archived().await;
    let told: Vec<_> = standings(&archived)
        .into_iter()
        .map(|one| (one.member, one.received, one.given))
        .filter(|(_, received, given)| received + given > 0)
        .collect();
    assert_eq!(
        told,
        [(UserId(ana), 2, 0), (UserId(ben), 0, 2)],
        "{archived:#?}"
    );
    let states = &archived.guilds[0].reaction_thanks;
    assert_eq!(
        states
            .iter()
            .map(|state| (state.emoji.as_deref(), state.cooldown_minutes))
            .collect::<Vec<_>>(),
        [(Some(PRAY), 0), (Some(PRAY), 60), (None, 0)]
    );
    assert!(
        archived
            .messages
            .iter()
            .any(|row| row.id == MessageId(work))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_with_the_chosen_emoji_is_thanks_while_it_is_there() {
    let mut old = [0; 2];
    let mut server = Server::with(Options::default(), |discord| {
        let general = discord.channel("general").unwrap();
        let members = discord.members();
        let named = |name: &str| members.iter().find(|(_, member)| member == name).unwrap().0;
        let (ana, ben, cho) = (named("ana"), named("ben"), named("cho"));
        old = ["old", "older"].map(|text| discord.post(ana, general, text));
        discord.react(ben, general, old[0], PRAY, false);
        discord.react(cho, general, old[0], PRAY, false);
        discord.react(ana, general, old[0], PRAY, false);
        discord.react(ben, general, old[1], "🎉", false);
    })
    .await;
    let (ana, ben, cho, general) = (server.ana, server.ben, server.cho, server.general);
    let bot = server.discord().join_bot("meet");

    switched_on(&server, old[0]).await;
    // What was there before doesn't become thanks.
    let before = why(&server, old[0], "counts **0**").await;
    assert!(!before.contains("ben"), "{before}");

    // The author, bots, and another emoji add nothing.
    let work = server.discord().post(ana, general, "the work");
    for (user, emoji) in [
        (ana, PRAY),
        (bot, PRAY),
        (cho, "👍"),
        (ben, PRAY),
        (cho, PRAY),
    ] {
        assert!(server.discord().react(user, general, work, emoji, false));
    }
    let counted = why(&server, work, "thank its author mint **2**").await;
    for words in [
        "thanks 🙏 by **\u{2068}ben\u{2069}**: 1",
        "*gives props to* **\u{2068}ana\u{2069}**: 19, 0.0625",
        "members can't thank themselves",
        "bots' reactions don't count",
    ] {
        assert!(counted.contains(words), "no {words:?} in {counted}");
    }
    // An old message can be thanked for from now on.
    assert!(server.discord().react(cho, general, old[1], PRAY, false));
    why(&server, old[1], "mint **1**").await;
    let board = server.ask(ben, "leaderboard", json!({})).await.content;
    assert!(board.contains("ana\u{2069}**: 3"), "{board}");
    let history = server.ask(ben, "history", json!({})).await.content;
    assert_eq!(history.matches("→ **\u{2068}ana").count(), 3, "{history}");

    // Taken back with the reaction.
    assert!(server.discord().unreact(cho, general, work, PRAY, false));
    let counted = why(&server, work, "mint **1**").await;
    assert!(counted.contains("taken back"), "{counted}");

    // The quota is one for reactions, commands and messages.
    set(&server, json!({"quota": 3})).await;
    let more = server.discord().post(cho, general, "more work");
    assert!(server.discord().react(ben, general, more, PRAY, false));
    why(&server, more, "mint **1**").await;
    assert!(!server.give(ben, &[ana], "one more").await.ephemeral);
    says(
        &server.give(ben, &[ana], "too much").await,
        &["3 members a day"],
    );
    let over = server.discord().post(cho, general, "still more");
    assert!(server.discord().react(ben, general, over, PRAY, false));
    why(&server, over, "over the quota").await;

    // A cooldown, roles, and who opted out.
    set(&server, json!({"quota": 0, "cooldown_minutes": 60})).await;
    let again = server.discord().post(cho, general, "and again");
    assert!(server.discord().react(ben, general, again, PRAY, false));
    why(&server, again, "less than 60 minutes before").await;
    let out = server.ask(cho, "privacy opt-out", json!({"what": 2}));
    says(&out.await, &["Nothing of yours is exported"]);
    why(&server, more, "opted out of everything").await;
    why(&server, old[1], "counts **0**").await;

    // Off again, from now on.
    set(
        &server,
        json!({"thanks_emoji": "off", "cooldown_minutes": 0}),
    )
    .await;
    let late = server.discord().post(ana, general, "late");
    assert!(server.discord().react(ben, general, late, PRAY, false));
    let last = server.discord().post(ana, general, "last");
    why(&server, last, "counts **0**").await;
    why(&server, late, "counts **0**").await;
    why(&server, work, "mint **1**").await;

    archived(&mut server, work).await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_missed_in_an_outage_are_thanks_if_their_message_came_while_it_was_on() {
    let mut server = Server::start().await;
    let (ana, ben, cho, general) = (server.ana, server.ben, server.cho, server.general);
    let before = server.discord().post(ana, general, "before");
    why(&server, before, "counts **0**").await;
    set(
        &server,
        json!({"thanks_emoji": PRAY, "giver_roles": "everyone"}),
    )
    .await;
    let during = server.discord().post(ana, general, "during");
    why(&server, during, "counts **0**").await;
    server.stop().await;
    for message in [before, during] {
        assert!(server.discord().react(ben, general, message, PRAY, false));
    }
    let unseen = server.discord().post(ben, general, "in the outage");
    assert!(server.discord().react(cho, general, unseen, PRAY, false));
    server.run().await;
    why(&server, during, "mint **1**").await;
    why(&server, unseen, "mint **1**").await;
    why(&server, before, "counts **0**").await;

    // A restored store goes on with the setting, and with when it was on.
    server.stop().await;
    server.mirror.export().await;
    let exported = server.mirror.archived().await;
    std::fs::remove_dir_all(server.mirror.store_path()).unwrap();
    let restored = ["restore", "--from", "dir:archive"];
    server.mirror.run(&restored).await.ok();
    server.run().await;
    why(&server, during, "mint **1**").await;
    let next = server.discord().post(ana, general, "next");
    assert!(server.discord().react(cho, general, next, PRAY, false));
    why(&server, next, "mint **1**").await;
    let shown = server.admin("settings show", json!({})).await.content;
    assert!(shown.contains("🙏 thanks the message's author"), "{shown}");
    server.stop().await;
    server.mirror.export().await;
    let again = server.mirror.archived().await;
    assert_eq!(
        again.guilds[0].reaction_thanks,
        exported.guilds[0].reaction_thanks
    );
    assert!(server.discord().wait(SOON, |_| true).await);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_to_props_agree_with_them() {
    let server = Server::start().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    set(&server, json!({"thanks_emoji": PRAY})).await;
    let props = server.discord().create_channel(kind::TEXT, "props", vec![]);
    let said = server
        .discord()
        .post(ana, props, &format!("thanks <@{ben}>"));
    assert!(server.discord().react(cho, props, said, PRAY, false));
    let guild = server.discord().guild_id();
    let asked = json!({"message": format!("https://discord.com/channels/{guild}/{props}/{said}")});
    let told = server
        .ask_until(ana, props, "why", asked, "mint **2**")
        .await;
    assert!(told.content.contains("🙏 by **\u{2068}cho"), "{told:?}");
    assert!(!told.content.contains("thanks 🙏 by"), "{told:?}");
    server.check_manners();
}
