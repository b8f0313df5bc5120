//! What the running bot can't hear: channels it can't see, and events that say too little.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use propsbot_discord::{DiscordApi, GatewayItem, Rest, Token};
use propsbot_jobs::{
    acknowledge::acknowledgements,
    backfill::{Backfill, Permit, Requests, supervise},
    clock::Clock,
    guilds::PerGuild,
    listener::listen,
    mirrored::{MirroredGuilds, Selection},
    progress::ProgressBoard,
    writer,
};
use propsbot_model::{Evidence, Fact, GuildId, Observation, Settings, Stamp};
use propsbot_network::Network;
use propsbot_store::Store;
use serde_json::json;
use simulator::discord::{Discord, Fault, Overwrite, bit, kind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    live::{SOON, settled, start, stop},
    mirror::Mirror,
};

const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";

/// How the bot loses and regains access to channels.
type Hiding = (&'static str, fn(&Discord, &[u64], bool));

fn hide(discord: &Discord, channels: &[u64], of: (u64, bool), hides: bool) {
    let (id, member) = of;
    let overwrite = Overwrite {
        id,
        member,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    for channel in channels {
        discord.update_channel(*channel, |discord| {
            discord.overwrites.retain(|overwrite| overwrite.id != id);
            discord.overwrites.extend(hides.then_some(overwrite));
        });
    }
}

const HIDINGS: [Hiding; 3] = [
    ("by an overwrite", |discord, channels, hides| {
        hide(discord, channels, (discord.bot_id(), true), hides);
    }),
    ("by a role's permissions", |discord, _, hides| {
        let truth = discord.truth();
        let bot = truth
            .members
            .iter()
            .find(|member| member.id == discord.bot_id());
        for role in [bot.unwrap().roles[0], discord.guild_id()] {
            discord.update_role(role, |discord| {
                discord.permissions &= !bit::VIEW_CHANNEL;
                if !hides {
                    discord.permissions |= bit::VIEW_CHANNEL;
                }
            });
        }
    }),
    ("by the bot's own roles", |discord, channels, hides| {
        let truth = discord.truth();
        let muted = truth.roles.iter().find(|role| role.name == "muted");
        let muted = muted.map_or_else(|| discord.create_role("muted", 0), |muted| muted.id);
        hide(discord, channels, (muted, false), true);
        discord.update_member(discord.bot_id(), |discord| {
            discord.roles.retain(|role| *role != muted);
            discord.roles.extend(hides.then_some(muted));
        });
    }),
];

/// Changes while a channel was hidden are found once it is visible, not only new messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_changes_made_while_hidden() {
    let mut mirror = Mirror::empty().await;
    for (name, value) in [("EXPORT_INTERVAL", "1s"), ("RUST_LOG", "propsbot=debug")] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let general = discord.create_channel(kind::TEXT, "general", vec![]);
    let forum = discord.create_channel(kind::FORUM, "forum", vec![]);
    let thread = discord.create_thread(general, ana, "a thread");
    let post = discord.create_post(forum, ana, "a question", "why?");
    discord.archive_thread(thread);
    discord.archive_thread(post);
    let said: Vec<u64> = (0..20)
        .map(|n| discord.post(ana, general, &format!("no. {n}")))
        .collect();
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    let ways = HIDINGS
        .iter()
        .flat_map(|tier| [(tier, true), (tier, false)]);
    for (((how, hide), noticed), said) in ways.zip(said.chunks(3)) {
        let looks = || running.stderr().matches("checked for changes").count();
        let (before, begun) = (looks(), Instant::now());
        hide(discord, &[general, forum], true);
        while noticed && looks() == before {
            assert!(begun.elapsed() < SOON, "{how}: {}", running.stderr());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        discord.edit(general, said[0], how);
        discord.delete(general, said[1]);
        discord.react(ben, general, said[2], "👍", false);
        discord.unarchive(thread);
        discord.post(ben, thread, how);
        discord.archive_thread(thread);
        let post = discord.create_post(forum, ben, how, "like this");
        discord.archive_thread(post);
        hide(discord, &[general, forum], false);
        settled(&mirror, &running).await;
    }
    stop(&mirror, running).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

/// A message with an unreadable event is fetched, even if that fails first, the bot is killed, and
/// no look-back covers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_messages_with_unreadable_events() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    mirror.sync().await.ok();
    let store = mirror.store();
    let settings = Settings {
        look_back_days: 0,
        ..store.settings(mirror.guild()).unwrap()
    };
    let chosen = Observation {
        at: Stamp(store.newest().unwrap().0 + 1),
        by: Evidence::Rest,
        fact: Fact::Settings(settings),
    };
    store.merge(&[vec![chosen]]).unwrap();
    drop(store);

    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    discord.fail(MESSAGE, usize::MAX, Fault::Status(500));
    let unheard = |words: &str| {
        discord.drop_events(true);
        let id = discord.post(ana, channel, words);
        discord.drop_events(false);
        let data = json!({
            "guild_id": discord.guild_id().to_string(), "channel_id": channel.to_string(),
            "id": id.to_string(), "content": 7, "author": null,
        });
        discord.dispatch_raw("MESSAGE_CREATE", data);
        id
    };
    let [kept, deleted] = ["unheard", "unheard, and gone"].map(unheard);
    discord.post(ana, channel, "heard");
    let tried = |discord: &Discord| discord.count(MESSAGE) >= 2;
    assert!(discord.wait(SOON, tried).await, "{}", running.stderr());
    let begun = Instant::now();
    while mirror.archive_differences().await.len() > 2 {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.kill().await;
    let failures = mirror.failures().await;
    for id in [kept, deleted] {
        assert!(
            failures.contains_key(&format!("message {channel}/{id}")),
            "{failures:?}"
        );
    }
    discord.delete(channel, deleted);
    discord.heal();

    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
    let failures = mirror.failures().await;
    assert!(failures.is_empty(), "{failures:?}");
}

/// If events were dropped, the bot may have joined or left a guild.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_guilds_joined_or_left_during_an_overflow() {
    let discord = Mirror::empty().await.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, _) = writer::start(Arc::clone(&store));
    let clock = Clock::after(Stamp(0));
    let token = Token::new(&discord.token()).unwrap();
    let history = DiscordApi::new(Rest::new(Some(&discord.url()), &token, &Network::default()));
    let bot = history.me().await.unwrap();
    let (bot_id, requests, stop) = (bot.id, Requests::default(), CancellationToken::new());
    let guilds = MirroredGuilds::new(Selection::Named(vec![GuildId(discord.guild_id())]), &[]);
    let backfill = Backfill {
        history,
        store: Arc::clone(&store),
        writer: writer.clone(),
        clock: clock.clone(),
        bot,
        guilds: guilds.clone(),
        boards: PerGuild::default(),
        progress: ProgressBoard::default(),
        page_sizes: Arc::default(),
        turns: PerGuild::default(),
        turn: Permit::default(),
    };
    let supervising = tokio::spawn(supervise(backfill, requests.clone(), stop.clone()));
    let (items, heard) = mpsc::unbounded_channel();
    let (acknowledgements, _thanks) = acknowledgements();
    let listening = listen(
        heard.into(),
        bot_id,
        Stamp(0),
        guilds,
        writer,
        requests,
        acknowledgements,
    );
    let listening = tokio::spawn(listening);
    let guild = GuildId(discord.guild_id());
    let is_in = |store: &Store| {
        let part = store.guild(guild).unwrap();
        part.is_some_and(|part| part.state.now().is_some())
    };
    let messages = |store: &Store| {
        store
            .tallies(guild)
            .unwrap()
            .iter()
            .map(|tally| tally.messages)
            .sum::<u64>()
    };
    for joined in [true, false] {
        if !joined {
            discord.kick_bot();
        }
        let lost = GatewayItem::Lost {
            at: clock.stamp(),
            shard: None,
        };
        items.send(lost).unwrap();
        let begun = Instant::now();
        while is_in(&store) != joined || messages(&store) != 1 {
            assert!(begun.elapsed() < SOON, "joined: {joined}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    drop(items);
    listening.await.unwrap().unwrap();
    stop.cancel();
    supervising.await.unwrap().unwrap();
}
