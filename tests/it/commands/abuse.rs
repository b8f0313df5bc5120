//! Hostile members: what one of them can make the bot do, and what counts.

use std::time::Duration;

use propsbot_graph::standings;
use serde_json::json;
use simulator::discord::{Discord, Fault, InteractionId, Options, kind};

use super::{SOON, Server, says};

const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";
const EDIT: &str = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original";
const FOLLOW_UP: &str = "POST /webhooks/{webhook_id}/{webhook_token}";

/// The type of a callback that only says that an answer will come.
const DEFERRED: u8 = 5;

impl Server {
    /// How many props each member received, according to the current archive's graph.
    async fn received(&mut self) -> Vec<(u64, usize)> {
        self.stop().await;
        self.mirror.export().await;
        let standings = standings(&self.mirror.archived().await);
        let received = standings
            .iter()
            .map(|standing| (standing.member.0, standing.received));
        received.filter(|(_, received)| *received > 0).collect()
    }

    fn link(&self, channel: u64, message: u64) -> serde_json::Value {
        let guild = self.discord().guild_id();
        json!({"message": format!("https://discord.com/channels/{guild}/{channel}/{message}")})
    }

    async fn why(&self, channel: u64, message: u64, words: &str) {
        let link = self.link(channel, message);
        self.ask_until(self.cho, self.general, "why", link, words)
            .await;
    }
}

/// With default settings, 200 commands at once thank 20 members each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_floods_ping_few_members() {
    let mut others = Vec::new();
    let server = Server::with(Options::default(), |discord| {
        others = (0..20).map(|n| discord.join(&format!("m{n}"))).collect();
    })
    .await;
    let to: Vec<String> = others.iter().map(|id| format!("<@{id}>")).collect();
    let wish = json!({"to": to.join(" "), "for": "nothing"});
    let discord = server.discord();
    let runs: Vec<InteractionId> = (0..200)
        .map(|_| discord.slash(server.ana, server.general, "props", wish.clone()))
        .collect();
    let mut pinged = 0;
    for run in runs {
        let answer = discord.answer(run).await.unwrap();
        if let Some(message) = answer.message_id.filter(|_| !answer.ephemeral) {
            let message = discord.message(server.general, message).unwrap();
            pinged += message.mentions.len();
        }
    }
    // As many as the quota allows.
    assert_eq!(pinged, 40);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_returns_quota_but_not_cooldown() {
    let mut server = Server::start().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let limits = json!({"quota": 2, "per_minute": 3});
    says(
        &server.admin("settings set", limits).await,
        &["thank 2 members a day", "3 times a minute"],
    );
    for _ in 0..3 {
        assert!(!server.give(ana, &[ben], "x").await.ephemeral);
        says(&server.ask(ana, "undo", json!({})).await, &["taken back"]);
    }
    says(
        &server.give(ana, &[ben], "x").await,
        &["3 times a minute", "more <t:", "You typed"],
    );
    // Cooldowns apply per giver.
    assert!(!server.give(cho, &[ben], "x").await.ephemeral);

    let often = json!({"per_minute": 0});
    server.admin("settings set", often).await;
    // Twice as many pings as the quota.
    assert!(!server.give(ana, &[ben], "x").await.ephemeral);
    says(&server.ask(ana, "undo", json!({})).await, &["taken back"]);
    says(
        &server.give(ana, &[ben], "x").await,
        &["taken back so many", "<t:"],
    );

    let wait = json!({"quota": 0, "cooldown_minutes": 60});
    says(
        &server.admin("settings set", wait).await,
        &["**Props quota**: none"],
    );
    assert!(!server.give(cho, &[ana], "x").await.ephemeral);
    says(&server.ask(cho, "undo", json!({})).await, &["taken back"]);
    says(
        &server.give(cho, &[ana], "x").await,
        &["only a short while ago"],
    );
    assert_eq!(server.received().await, [(ben, 1)]);
    server.check_manners();
}

/// The graph and the reports apply the quota, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn props_over_quota_do_not_count() {
    let mut before = 0;
    let mut server = Server::with(Options::default(), |discord| {
        let channel = discord.create_channel(kind::TEXT, "props", vec![]);
        let members = discord.members();
        let named = |name: &str| members.iter().find(|(_, member)| member == name).unwrap().0;
        let (ben, cho) = (named("ben"), named("cho"));
        // Before the bot joined, there was no quota.
        for _ in 0..4 {
            before = discord.post(ben, channel, &format!("<@{cho}>"));
        }
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let props = server.discord().channel("props").unwrap();
    server.admin("settings set", json!({"quota": 3})).await;
    let thanks = format!("thanks <@{ben}>");
    let post = |text: &str| server.discord().post(ana, props, text);
    let first = post(&thanks);
    let second = post(&thanks);
    server.why(props, second, "mint **1**").await;
    assert!(!server.give(ana, &[ben], "the third").await.ephemeral);
    says(
        &server.give(ana, &[ben], "the fourth").await,
        &["thank 3 members a day, with commands and plain messages"],
    );
    let fourth = post(&thanks);
    server.why(props, fourth, "over the quota").await;
    server.why(props, before, "mint **1**").await;
    let acknowledged = |id: u64| {
        !server
            .discord()
            .message(props, id)
            .unwrap()
            .reactions
            .is_empty()
    };
    // Later messages are judged later.
    let last = server.discord().post(cho, props, &format!("<@{ana}>"));
    assert!(
        server.discord().wait(SOON, |_| acknowledged(last)).await,
        "{}",
        server.log()
    );
    assert!(acknowledged(second) && !acknowledged(fourth));
    let history = json!({"member": ana.to_string()});
    let history = server.ask(cho, "history", history).await;
    says(&history, &[&first.to_string(), &second.to_string()]);
    assert!(
        !history.content.contains(&fourth.to_string()),
        "{history:?}"
    );
    let board = server.ask(ana, "leaderboard", json!({})).await;
    assert!(board.content.contains("ben\u{2069}**: 3"), "{board:?}");

    // Deleted props use no quota: the fourth becomes the third.
    server.discord().delete(props, first);
    server.why(props, fourth, "mint **1**").await;
    assert_eq!(server.received().await, [(cho, 4), (ben, 3), (ana, 1)]);
    // The archive alone is enough for the graph.
    let guild = &server.mirror.archived().await.guilds[0];
    let quotas: Vec<_> = guild
        .limits
        .iter()
        .map(|limits| limits.quota.map(|quota| quota.count))
        .collect();
    assert_eq!(quotas, [Some(50), Some(3)]);

    // A store rebuilt from the archive continues with the same limits.
    std::fs::remove_dir_all(server.mirror.store_path()).unwrap();
    server
        .mirror
        .run(&["restore", "--from", "dir:archive"])
        .await
        .ok();
    server.run().await;
    let fifth = server.discord().post(ana, props, &thanks);
    server.why(props, fifth, "over the quota").await;
    assert_eq!(server.received().await, [(cho, 4), (ben, 3), (ana, 1)]);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_edits_add_no_recipients() {
    let mut server = Server::with(Options::default(), |discord| {
        discord.create_channel(kind::TEXT, "props", vec![]);
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let props = server.discord().channel("props").unwrap();
    let both = format!("<@{ben}> and <@{cho}>");
    let post = |server: &Server, text: &str| server.discord().post(ana, props, text);
    // Within the default time.
    let soon = post(&server, &format!("<@{ben}>"));
    server.why(props, soon, "mint **1**").await;
    server.discord().edit(props, soon, &both);
    server.why(props, soon, "cho").await;

    let never = json!({"edit_minutes": 0});
    says(&server.admin("settings set", never).await, &["never count"]);
    let heard = post(&server, &format!("<@{ben}>"));
    server.why(props, heard, "mint **1**").await;
    server.discord().edit(props, heard, &both);
    server.why(props, heard, "mentioned in an edit").await;
    // Recipients who stay mentioned count, however often the text changes.
    server.discord().edit(props, heard, &format!("{both}!"));

    // Props first seen after an edit count as late.
    server.stop().await;
    let unheard = post(&server, &format!("<@{ben}>"));
    server.discord().edit(props, unheard, &both);
    // Later than the same millisecond.
    server.discord().update_message(props, unheard, |message| {
        message.edited = message.edited.map(|at| at + 1);
    });
    server.run().await;
    server
        .why(props, unheard, "I only know the edited text")
        .await;
    server
        .why(props, unheard, "no one who can receive props")
        .await;
    assert_eq!(server.received().await, [(ben, 2), (cho, 1)]);
    server.mirror.check_archive().await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_can_restrict_props_to_commands() {
    let mut server = Server::with(Options::default(), |discord| {
        discord.create_channel(kind::TEXT, "props", vec![]);
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let props = server.discord().channel("props").unwrap();
    let thanks = format!("<@{ben}>");
    let before = server.discord().post(ana, props, &thanks);
    server.why(props, before, "mint **1**").await;
    let reacted = |id: u64| {
        move |discord: &Discord| !discord.message(props, id).unwrap().reactions.is_empty()
    };
    assert!(
        server.discord().wait(SOON, reacted(before)).await,
        "{}",
        server.log()
    );
    let only = json!({"commands_only": true});
    says(
        &server.admin("settings set", only).await,
        &["not props; only commands give props"],
    );
    let after = server.discord().post(ana, props, &thanks);
    server
        .why(props, after, "only commands give props here")
        .await;
    assert!(!server.give(ana, &[cho], "x").await.ephemeral);
    assert_eq!(server.received().await, [(ben, 1), (cho, 1)]);
    assert!(!reacted(after)(server.discord()), "it was acknowledged");
    server.check_manners();
}

/// A personal-data file takes memory until it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serializes_heavy_commands_per_member() {
    let server = Server::start().await;
    let discord = server.discord();
    server.give(server.ana, &[server.ben], "x").await;
    let message = discord.post(server.ana, server.general, "hello");
    server.why(server.general, message, "plain messages").await;
    let message = json!({"message": message.to_string()});
    let late = Duration::from_millis(1_500);
    for (command, options, answer) in [
        ("privacy export", json!({}), "what I keep about you"),
        ("why", message, "plain messages"),
        ("history", json!({}), "> x"),
        ("leaderboard", json!({}), "ben"),
    ] {
        discord.fail(CALLBACK, 1, Fault::Delay(late));
        // On a busy machine the bot defers an answer, which then follows.
        for later in [EDIT, FOLLOW_UP] {
            discord.fail(later, 1, Fault::Delay(late));
        }
        let begun = discord.requests().len();
        let run = || discord.slash(server.ana, server.general, command, options.clone());
        for run in [run(), run(), run()] {
            let content = discord.answer(run).await.unwrap().content;
            assert!(content.contains(answer), "no {answer:?} in {content:?}");
        }
        let requests = discord.requests();
        let mut answers = requests[begun..].iter().filter(|request| {
            match format!("{} {}", request.method, request.route) {
                route if route == CALLBACK => {
                    let body = request.body.as_ref();
                    body.is_none_or(|body| body["type"] != DEFERRED)
                }
                route => route == EDIT || route == FOLLOW_UP,
            }
        });
        let (first, second) = (answers.next().unwrap(), answers.next().unwrap());
        let between = second.arrived - first.arrived;
        assert!(between >= late, "{command}: {between:?}");
    }
    server.check_manners();
}
