//! Discord's provider, used as a library.

use std::fs;

use propsbot_archive::Id;
use propsbot_discord::Token;
use propsbot_jobs::{
    mirrored::Selection,
    provider::{DiscordOptions, DiscordProvider, Login},
};
use propsbot_mirror::{DataProvider as _, ForgetRequest, Outcome, SyncRequest, SyncedState};
use propsbot_network::Network;
use simulator::discord::{Discord, Options, World, intent, kind};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

fn provider(discord: &Discord, token: &str, home: &TempDir) -> DiscordProvider {
    DiscordProvider::new(DiscordOptions {
        store_path: home.path().join("data"),
        login: Some(Login {
            token: Token::new(token).unwrap(),
            api_url: Some(discord.url()),
        }),
        network: Network::default(),
        guilds: Selection::First,
        operators: Vec::new(),
    })
}

async fn start(privileged_intents: u64) -> Discord {
    let options = Options {
        world: World::Empty,
        privileged_intents,
        ..Options::default()
    };
    Discord::start(options).await.unwrap()
}

/// What is not as it should be.
async fn faults(provider: &DiscordProvider) -> Vec<(&'static str, Outcome, String)> {
    let findings = provider.check().await.into_iter();
    let faults = findings.filter(|found| found.outcome != Outcome::Ok);
    faults
        .map(|found| (found.check, found.outcome, found.sentence()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_what_the_developer_portal_lacks() {
    let home = TempDir::new().unwrap();
    let discord = start(intent::PRIVILEGED).await;
    discord.create_channel(kind::TEXT, "general", vec![]);
    let sound = provider(&discord, &discord.token(), &home);
    assert_eq!(faults(&sound).await, []);
    discord.make_public(true);
    let found = faults(&sound).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1), ("public-bot", Outcome::Warning));
    assert!(found[0].2.contains("Public Bot"), "{found:?}");
    let store = home.path().join("data");
    assert!(!store.exists(), "a check leaves the store alone");

    let discord = start(0).await;
    discord.create_channel(kind::TEXT, "general", vec![]);
    let provider = provider(&discord, &discord.token(), &TempDir::new().unwrap());
    let found = faults(&provider).await;
    assert_eq!(found.len(), 2, "{found:?}");
    for ((check, outcome, text), intent) in found.iter().zip(["Message Content", "Server Members"])
    {
        assert_eq!((*check, *outcome), ("intents", Outcome::Wrong));
        assert!(text.contains(intent), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_reports_and_forgets_through_one_store() {
    let home = TempDir::new().unwrap();
    let discord = start(intent::PRIVILEGED).await;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    let mut provider = provider(&discord, &discord.token(), &home);
    let never = CancellationToken::new();
    let spaces = provider
        .sync(&SyncRequest::default(), &never)
        .await
        .unwrap();
    assert_eq!(spaces[0].state, SyncedState::Complete, "{}", spaces[0].text);
    assert!(provider.progress()[0].is_done);
    let space = spaces[0].space.clone();
    let status = provider.status().await.unwrap();
    assert_eq!(status[0].space, space);
    assert_eq!(status[0].details["totals"]["messages"], 1);
    let request = ForgetRequest::User {
        user: Id::new(ana),
        space: Some(space),
    };
    // A killed export leaves its new objects.
    let spool = home.path().join("data/spool");
    fs::create_dir(&spool).unwrap();
    fs::write(spool.join("0"), "hello").unwrap();
    let done = provider.forget(&request).await.unwrap();
    assert!(!spool.exists());
    assert!(done[0].contains("deleted 1 message"), "{done:?}");
    let status = provider.status().await.unwrap();
    assert_eq!(status[0].details["totals"]["messages"], 0);
}
