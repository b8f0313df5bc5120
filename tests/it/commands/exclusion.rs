//! Excluding channels from exports, and what categories mean.

use std::time::Instant;

use serde_json::{Value, json};
use simulator::discord::{Discord, Options, Overwrite, bit, kind};

use super::{SOON, Server, says};

/// All channel types of a server, threads included.
const ALL: [u64; 10] = [0, 2, 4, 5, 10, 11, 12, 13, 15, 16];

/// A category with channels of several types, each with a distinct message.
#[derive(Default)]
struct Backstage {
    category: u64,
    plans: u64,
    thread: u64,
    media: u64,
}

impl Backstage {
    fn build(discord: &Discord) -> Self {
        let ana = discord.people()[0];
        let category = discord.create_channel(kind::CATEGORY, "backstage", vec![]);
        let plans = discord.create_channel_in(category, kind::TEXT, "props-plans", vec![]);
        discord.post(ana, plans, "said in plans");
        let thread = discord.create_thread(plans, ana, "details");
        discord.post(ana, thread, "said in details");
        let media = discord.create_channel_in(category, kind::MEDIA, "pictures", vec![]);
        discord.create_post(media, ana, "sunset", "said in pictures");
        Self {
            category,
            plans,
            thread,
            media,
        }
    }

    async fn server() -> (Server, Self) {
        let mut backstage = Self::default();
        let server = Server::with(Options::default(), |discord| {
            let general = discord.channel("general").unwrap();
            discord.post(discord.people()[0], general, "said in general");
            backstage = Self::build(discord);
        })
        .await;
        (server, backstage)
    }
}

/// Exports until exactly these channels are in the archive.
async fn exports(server: &Server, expected: &[&str]) {
    let begun = Instant::now();
    loop {
        says(
            &server.admin("archive now", json!({})).await,
            &["generation"],
        );
        let archived = format!("{:?}", server.mirror.archived().await);
        let places = ["general", "plans", "details", "pictures", "later"];
        let found: Vec<&str> = places
            .into_iter()
            .filter(|place| archived.contains(&format!("said in {place}")))
            .collect();
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < SOON, "{found:?}, not {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excluding_a_category_excludes_its_channels() {
    let (mut server, backstage) = Backstage::server().await;
    let ana = server.ana;
    let category = json!({"channel": backstage.category});
    let all = ["general", "plans", "details", "pictures"];
    exports(&server, &all).await;

    says(
        &server.admin("settings exclude", category.clone()).await,
        &["Done", &format!("<#{}>", backstage.category)],
    );
    exports(&server, &["general"]).await;
    let setup = server.admin("setup", json!({})).await.content;
    assert!(
        setup.contains(&format!("Not exported: <#{}>", backstage.plans)),
        "{setup}"
    );
    let general = server.general;
    let thanks = format!("thank you <@{}>", server.ben);
    let thanks = server.discord().post(ana, backstage.plans, &thanks);
    let guild = server.discord().guild_id();
    let url = format!(
        "https://discord.com/channels/{guild}/{}/{thanks}",
        backstage.plans
    );
    server
        .ask_until(
            ana,
            general,
            "why",
            json!({"message": url}),
            "isn't exported",
        )
        .await;

    // Later: a channel created in it, and one moved into it.
    let later = server
        .discord()
        .create_channel_in(backstage.category, kind::TEXT, "later", vec![]);
    server.discord().post(ana, later, "said in later");
    server
        .discord()
        .update_channel(general, |channel| channel.parent = Some(backstage.category));
    exports(&server, &[]).await;

    // A single channel can't be included separately.
    says(
        &server
            .admin("settings include", json!({"channel": backstage.thread}))
            .await,
        &[
            "excluded",
            &format!("<#{}>", backstage.category),
            "Nothing was changed",
        ],
    );
    server.stop().await;
    let dry = server
        .mirror
        .run(&["export", "--to", "dir:archive", "--dry-run"])
        .await
        .ok();
    for name in ["plans", "details", "later", "general"] {
        let mut told = dry.stdout.lines().filter(|told| told.contains(name));
        let excluded = told.any(|told| told.contains("an admin excluded it"));
        assert!(excluded, "{name} in {}", dry.stdout);
    }
    server.run().await;
    says(&server.admin("settings include", category).await, &["Done"]);
    exports(
        &server,
        &["general", "plans", "details", "pictures", "later"],
    )
    .await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excludes_forums_and_media_channels() {
    let (server, backstage) = Backstage::server().await;
    says(
        &server
            .admin("settings exclude", json!({"channel": backstage.media}))
            .await,
        &["Done", &format!("<#{}>", backstage.media)],
    );
    exports(&server, &["general", "plans", "details"]).await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn includes_private_categories_by_name() {
    let mut backstage = Backstage::default();
    let server = Server::with(Options::default(), |discord| {
        backstage = Backstage::build(discord);
        // The category itself is public; one of its channels isn't.
        let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
        let bot = Overwrite::member(discord.bot_id(), bit::VIEW_CHANNEL, 0);
        discord.update_channel(backstage.plans, |channel| {
            channel.overwrites = vec![hidden, bot];
        });
    })
    .await;
    exports(&server, &["pictures"]).await;
    let category = backstage.category;
    says(
        &server
            .admin("settings include", json!({"channel": category}))
            .await,
        &[
            "everything in its channels",
            "backstage",
            "Nothing was changed",
        ],
    );
    let confirmed = json!({"channel": category, "confirm": "backstage"});
    says(
        &server.admin("settings include", confirmed).await,
        &[&format!("restricted**: <#{category}>")],
    );
    exports(&server, &["plans", "details", "pictures"]).await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn props_categories_stand_for_their_channels() {
    let (server, backstage) = Backstage::server().await;
    let (ana, ben) = (server.ana, server.ben);
    let wish = json!({"props_channels": format!("<#{}>", backstage.category)});
    says(
        &server.admin("settings set", wish).await,
        &["Done", &format!("<#{}>", backstage.category)],
    );
    let thanks = server
        .discord()
        .create_thread(backstage.plans, ana, "praise");
    for channel in [backstage.plans, thanks] {
        let id = server
            .discord()
            .post(ana, channel, &format!("thank you <@{ben}>"));
        let acknowledged = |discord: &Discord| {
            let (bot, truth) = (discord.bot_id(), discord.truth());
            let message = truth.messages.iter().find(|message| message.id == id);
            let mut reactions = message.iter().flat_map(|message| &message.reactions);
            reactions.any(|reaction| reaction.users.contains(&bot))
        };
        assert!(
            server.discord().wait(SOON, acknowledged).await,
            "{}",
            server.log()
        );
    }
    // `/props` elsewhere posts in its first channel.
    let given = server.give(ana, &[ben], "the plans").await;
    says(&given, &[&format!("<#{}>", backstage.plans)]);
    says(
        &server
            .admin(
                "settings set",
                json!({"props_channels": format!("<#{thanks}>")}),
            )
            .await,
        &["can't be a props channel", "Nothing was changed"],
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channel_options_offer_only_usable_types() {
    let server = Server::start().await;
    let commands = server.discord().commands();
    let mut seen = Vec::new();
    let mut open: Vec<(String, Value)> = commands
        .into_iter()
        .map(|command| (command["name"].as_str().unwrap().to_owned(), command))
        .collect();
    while let Some((path, command)) = open.pop() {
        for option in command["options"].as_array().into_iter().flatten() {
            let path = format!("{path} {}", option["name"].as_str().unwrap());
            if option["type"] == 7 {
                let types = option["channel_types"].as_array().unwrap();
                let types: Vec<u64> = types.iter().filter_map(Value::as_u64).collect();
                seen.push((path, types));
            } else {
                open.push((path, option.clone()));
            }
        }
    }
    seen.sort();
    let with_messages = vec![0, 2, 5, 10, 11, 12, 13, 15, 16];
    assert_eq!(
        seen,
        [
            ("settings exclude channel".to_owned(), ALL.to_vec()),
            ("settings include channel".to_owned(), ALL.to_vec()),
            ("settings set recap_channel".to_owned(), vec![0, 5]),
            ("sync-status channel".to_owned(), with_messages),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_restricted_channels_need_opt_in() {
    let (mut server, backstage) = Backstage::server().await;
    let all = ["general", "plans", "details", "pictures"];
    exports(&server, &all).await;
    // An archive that contains it already: it is withdrawn with its thread, and named.
    let restrict = |nsfw| {
        let changed = server
            .discord()
            .update_channel(backstage.plans, |channel| channel.nsfw = nsfw);
        assert!(changed);
    };
    restrict(true);
    exports(&server, &["general", "pictures"]).await;
    let setup = server.admin("setup", json!({})).await.content;
    let line = format!(
        "Not exported because they're age-restricted: <#{}>.",
        backstage.plans
    );
    assert!(setup.contains(&line), "{setup}");
    assert!(setup.contains("age_restricted"), "{setup}");
    let status = server.admin("archive status", json!({})).await.content;
    let log = server.log();
    assert!(log.contains("withdrawn") && log.contains("plans"), "{log}");
    assert!(log.contains("it is age-restricted"), "{log}");
    assert!(!status.is_empty());

    let wish = json!({"age_restricted": true});
    says(
        &server.admin("settings set", wish).await,
        &["Done", "exported if everyone can read them"],
    );
    exports(&server, &all).await;
    let back = json!({"setting": "age_restricted"});
    says(&server.admin("settings reset", back).await, &["Done"]);
    exports(&server, &["general", "pictures"]).await;

    // This one alone, by an explicit inclusion.
    let plans = json!({"channel": backstage.plans});
    says(
        &server.admin("settings include", plans).await,
        &["age-restricted", "Nothing was changed"],
    );
    let word = json!({"channel": backstage.plans, "confirm": "props-plans"});
    says(&server.admin("settings include", word).await, &["Done"]);
    exports(&server, &all).await;
    server.stop().await;
    server.check_manners();
}
