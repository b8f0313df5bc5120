//! The gateway and the commands, with a Discord on loopback.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use propsbot_commands::Runner;
use propsbot_discord::{
    DiscordApi, Gateway, GatewayError, GatewayItem, GatewayOptions, MessageSender, Rest, RestError,
    Shards, Signal, Token, start, translate,
};
use propsbot_jobs::{
    backfill::Requests,
    clock::Clock,
    guilds::PerGuild,
    mirrored::{MirroredGuilds, Selection},
    writer,
};
use propsbot_model::{
    Evidence, Fact, Guild, GuildId, MessageId, Observation, Stamp, Unread, UserId, read_answer,
};
use propsbot_network::Network;
use propsbot_service::{Deps, Service};
use propsbot_store::Store;
use serde_json::json;
use simulator::discord::{Discord, Fault, Manners, Options, World, intent};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{canned, empty, history};

/// Options for a gateway to the Discord at `origin`, for a bot that mirrors this guild.
async fn options(
    origin: &str,
    token: &str,
    guild: GuildId,
    capacity: u32,
    folder: &TempDir,
) -> GatewayOptions {
    let store = Arc::new(Store::open(folder.path()).expect("a new store"));
    let (writer, _) = writer::start(Arc::clone(&store));
    let clock = Clock::after(Stamp(0));
    let seen = Observation {
        at: clock.stamp(),
        by: Evidence::Rest,
        fact: Fact::Guild(Guild {
            id: guild,
            name: "a guild".to_owned(),
            owner_id: UserId(1),
            unread: Unread::default(),
        }),
    };
    writer.write(vec![seen]).await.expect("the writer runs");
    let token = super::token(token);
    let rest = Rest::new(Some(origin), &token, &Network::default());
    let service = Service::new(Deps {
        store,
        writer,
        clock: clock.clone(),
        progress: PerGuild::default(),
        guilds: MirroredGuilds::new(Selection::Named(vec![guild]), &[]),
        shards: Shards::default(),
        requests: Requests::default(),
        sender: MessageSender::new(rest.clone()),
        discord: DiscordApi::new(rest.clone()),
        bot: token.bot().unwrap_or_default(),
        exports: None,
        cred: propsbot_jobs::cred::CredBoard::default(),
        comments: None,
    });
    let runner = Runner::new(&token, rest.clone(), service)
        .await
        .expect("loopback");
    GatewayOptions {
        rest,
        token,
        clock: Box::new({
            let clock = clock.clone();
            move || clock.stamp()
        }),
        capacity,
        interactions: Box::new(runner),
        shards: Shards::default(),
        stop: CancellationToken::new(),
    }
}

/// A connected bot, with its store's folder.
struct Bot {
    gateway: Gateway,
    stop: CancellationToken,
    guild: GuildId,
    user: UserId,
    _folder: TempDir,
}

impl Bot {
    async fn start(of: &Discord, capacity: u32) -> Result<Self, GatewayError> {
        Self::with(of, &of.token(), capacity).await
    }

    async fn with(of: &Discord, token: &str, capacity: u32) -> Result<Self, GatewayError> {
        let folder = tempfile::tempdir().expect("a folder");
        let guild = GuildId(of.guild_id());
        let options = options(&of.url(), token, guild, capacity, &folder).await;
        let stop = options.stop.clone();
        let gateway = start(options).await?;
        Ok(Self {
            gateway,
            stop,
            guild,
            user: UserId(of.bot_id()),
            _folder: folder,
        })
    }

    /// The next event with content, translated.
    async fn next(&mut self) -> (Vec<Observation>, Option<Signal>) {
        let patience = Duration::from_secs(20);
        loop {
            let item = tokio::time::timeout(patience, self.gateway.items.recv()).await;
            let (at, event) = match item.expect("an item in time") {
                Some(GatewayItem::Event { at, event, .. }) => (at, event),
                Some(GatewayItem::Disconnected { .. }) => continue,
                other => panic!("no event: {other:?}"),
            };
            let said = translate(&event, at, self.user);
            if !said.observations.is_empty() || said.signal.is_some() {
                return (said.observations, said.signal);
            }
        }
    }

    /// Waits until the guild is available.
    async fn ready(&mut self) {
        let (_, signal) = self.next().await;
        assert_eq!(
            signal,
            Some(Signal::SessionStarted {
                guilds: vec![self.guild]
            })
        );
        let (_, signal) = self.next().await;
        assert!(matches!(signal, Some(Signal::GuildAvailable(guild, _)) if guild == self.guild));
    }

    async fn stop(self) {
        let start = Instant::now();
        self.stop.cancel();
        self.gateway.ended.wait().await.expect("a clean end");
        assert!(
            start.elapsed() < Duration::from_secs(4),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_keep_discords_order() {
    let discord = empty().await;
    let people: Vec<u64> = ["ana", "ben"]
        .iter()
        .map(|name| discord.join(name))
        .collect();
    let channel = discord.create_channel(0, "general", vec![]);
    let mut bot = Bot::start(&discord, 100 << 20).await.unwrap();
    bot.ready().await;
    let mut expected = Vec::new();
    for n in 0..4_000 {
        let message = discord.post(people[n % 2], channel, "hello");
        expected.push((message, 0));
        discord.react(people[0], channel, message, "🙏", false);
        discord.unreact(people[0], channel, message, "🙏", false);
        discord.edit(channel, message, "hello again");
        expected.extend([(message, 1), (message, 2), (message, 3)]);
    }
    let mut seen = Vec::new();
    let mut last = Stamp(0);
    while seen.len() < expected.len() {
        let (observations, _) = bot.next().await;
        let at = observations[0].at;
        assert!(at > last, "stamps only go up");
        last = at;
        seen.push(match &observations.last().unwrap().fact {
            Fact::Posted(message) => (message.id.0, 0),
            Fact::Reacted(event) => (event.message_id.0, 1),
            Fact::Unreacted(event) => (event.message_id.0, 2),
            Fact::Message(message) => (message.id.0, 3),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, expected);
    bot.stop().await;
}

#[tokio::test]
async fn resumes_sessions_and_restarts_lost_ones() {
    let discord = empty().await;
    let ana = discord.join("ana");
    let channel = discord.create_channel(0, "general", vec![]);
    let mut bot = Bot::start(&discord, 1 << 20).await.unwrap();
    bot.ready().await;
    discord.cut_gateway();
    let message = discord.post(ana, channel, "while away");
    let mut said = Vec::new();
    loop {
        let (observations, signal) = bot.next().await;
        said.extend(observations.into_iter().map(|observation| observation.fact));
        if signal == Some(Signal::Resumed) {
            break;
        }
    }
    let posted = |fact: &Fact| matches!(fact, Fact::Posted(it) if it.id == MessageId(message));
    assert!(said.iter().any(posted), "{said:?}");
    discord.lose_sessions();
    bot.ready().await;
    bot.stop().await;
}

#[tokio::test]
async fn reports_overflow_instead_of_growing() {
    let discord = empty().await;
    let ana = discord.join("ana");
    let channel = discord.create_channel(0, "general", vec![]);
    let mut bot = Bot::start(&discord, 50_000).await.unwrap();
    bot.ready().await;
    for _ in 0..500 {
        discord.post(ana, channel, "many");
    }
    // Interactions share the queue: once this one is answered, all earlier events have arrived.
    let ping = discord.interact_raw(json!({"type": 1}));
    assert_eq!(discord.answer(ping).await.expect("an answer").kind, 1);
    let mut events = 0;
    while let GatewayItem::Event { .. } = bot.gateway.items.recv().await.unwrap() {
        events += 1;
    }
    assert!((10..250).contains(&events), "{events}");
    discord.post(ana, channel, "afterwards");
    assert!(matches!(
        bot.next().await.0.last().unwrap().fact,
        Fact::Posted(_)
    ));
    bot.stop().await;
}

#[tokio::test]
async fn fatal_errors_end_the_gateway_with_a_clear_error() {
    let discord = empty().await;
    let wrong = Bot::with(&discord, "wrong.to.ken", 1 << 20).await;
    assert!(matches!(wrong.err(), Some(GatewayError::BadToken(_))));

    discord.privilege(intent::GUILD_MEMBERS);
    let bot = Bot::start(&discord, 1 << 20).await.unwrap();
    let end = bot.gateway.ended.wait().await;
    assert!(matches!(end, Err(GatewayError::MissingIntents)), "{end:?}");

    let gone = discord.url();
    discord.stop().await;
    let token = Token::new("a.b.c").unwrap();
    let nobody = DiscordApi::new(Rest::new(Some(&gone), &token, &Network::default()))
        .me()
        .await;
    assert!(
        matches!(nobody, Err(RestError::Unreachable { .. })),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn props_from_commands_can_be_read_back() {
    let discord = empty().await;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(0, "general", vec![]);
    let mut bot = Bot::start(&discord, 1 << 20).await.unwrap();
    bot.ready().await;
    assert!(
        discord
            .wait(Duration::from_secs(5), |discord| discord.commands().len()
                >= 11)
            .await
    );

    let reason = "the *review* of @everyone's `PR`\nand more";
    let options = json!({"to": format!("<@{ben}>"), "for": reason});
    let run = discord.slash(ana, channel, "props", options);
    let answer = discord.answer(run).await.expect("an answer in time");
    assert!(!answer.ephemeral, "{}", answer.content);
    let said = read_answer(&answer.content).expect("props");
    assert_eq!(
        (said.giver, said.receivers),
        (UserId(ana), vec![UserId(ben)])
    );
    assert_eq!(said.reason, reason);
    let posted = discord
        .message(channel, answer.message_id.unwrap())
        .unwrap();
    assert_eq!(posted.mentions, [ben]);
    assert!(!posted.mention_everyone);

    for (to, words) in [
        (format!("<@{ana}>"), "give props to yourself"),
        ("@everyone".to_owned(), "not to roles or to everyone"),
        ("ben".to_owned(), "who “ben” is"),
    ] {
        let run = discord.slash(ana, channel, "props", json!({"to": to, "for": "fun"}));
        let answer = discord.answer(run).await.expect("an answer in time");
        assert!(answer.ephemeral);
        assert!(answer.content.contains(words), "{}", answer.content);
        assert!(answer.content.contains(&format!("/props to:{to} for:fun")));
    }

    for (user, command, options, words) in [
        (discord.owner_id(), "sync-status", json!({}), "Mirror of"),
        (ana, "sync-status", json!({}), "Manage Server"),
        (
            discord.owner_id(),
            "settings show",
            json!({}),
            "the default",
        ),
        (
            discord.owner_id(),
            "settings set",
            json!({"props_channels": "default"}),
            "Done",
        ),
        (
            ana,
            "settings set",
            json!({"props_channels": "default"}),
            "Manage Server",
        ),
    ] {
        let run = discord.slash(user, channel, command, options);
        let answer = discord.answer(run).await.expect("an answer in time");
        assert!(
            answer.ephemeral && answer.content.contains(words),
            "{}",
            answer.content
        );
    }
    assert_eq!(discord.violations(), Vec::<String>::new());
    bot.stop().await;
}

/// A Discord-compatible server may only have the endpoint that serenity uses.
#[tokio::test]
async fn finds_the_gateway_without_session_limits() {
    let discord = empty().await;
    let unknown = Fault::Answer(404, r#"{"code":0,"message":"404: Not Found"}"#.to_owned());
    discord.fail("GET /gateway/bot", usize::MAX, unknown);
    let address = history(&discord).gateway().await.expect("an address");
    assert!(address.url.starts_with("ws://127.0.0.1:"), "{address:?}");
    assert_eq!(address.shards, 1);
    assert_eq!(discord.count("GET /gateway"), 1);
    discord.stop().await;
}

#[tokio::test]
async fn stops_before_discord_responds() {
    // It accepts connections and never responds.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let options = options(&origin, "a.b.c", GuildId(1), 1 << 20, &folder).await;
    let stop = options.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let began = Instant::now();
    let mut gateway = start(options).await.unwrap();
    assert!(gateway.items.recv().await.is_none());
    gateway.ended.wait().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{began:?}");
}

#[tokio::test]
async fn stops_while_it_cannot_connect() {
    // The gateway URL points to a silent server.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    let origin = canned(json!({"url": url, "shards": 1})).await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(&origin, "a.b.c", GuildId(1), 1 << 20, &folder).await;
    let stop = options.stop.clone();
    let gateway = start(options).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    stop.cancel();
    gateway.ended.wait().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{began:?}");
}

/// A close code, and the error it must cause.
type Final = (u16, fn(&GatewayError) -> bool);

const FINAL: [Final; 7] = [
    (4003, |error| {
        matches!(error, GatewayError::NotAuthenticated)
    }),
    (4004, |error| matches!(error, GatewayError::BadToken(_))),
    (4010, |error| matches!(error, GatewayError::InvalidShard(_))),
    (4011, |error| {
        matches!(error, GatewayError::ShardingRequired(1))
    }),
    (4012, |error| matches!(error, GatewayError::InvalidVersion)),
    (4013, |error| matches!(error, GatewayError::UnknownIntents)),
    (4014, |error| matches!(error, GatewayError::MissingIntents)),
];

#[tokio::test]
async fn fatal_close_codes_end_the_gateway_at_once() {
    for (code, is_it) in FINAL {
        let discord = empty().await;
        discord.manners(Manners {
            refuses_identify: Some(code),
            ..Manners::default()
        });
        let bot = Bot::start(&discord, 1 << 20).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), bot.gateway.ended.wait());
        let error = ended.await.expect("an end").expect_err("an error");
        assert!(is_it(&error), "{code}: {error}");
        assert_eq!(discord.counters().identify_attempts, 1);
    }
}

type Break = (&'static str, fn(&Discord));

/// Every kind of disconnect that keeps the session alive.
#[tokio::test]
async fn sessions_outlive_connections() {
    let discord = super::discord(Options {
        world: World::Empty,
        heartbeat: Duration::from_millis(300),
        ..Options::default()
    })
    .await;
    // Nothing listens there, so sessions resume at the original URL.
    discord.resume_at("ws://127.0.0.1:9");
    let ana = discord.join("ana");
    let channel = discord.create_channel(0, "general", vec![]);
    let mut bot = Bot::start(&discord, 1 << 20).await.unwrap();
    bot.ready().await;
    let breaks: [Break; 4] = [
        ("no acknowledgement", |discord| {
            discord.manners(Manners {
                deaf: true,
                ..Manners::default()
            });
        }),
        ("no code", Discord::close_gateway_without_code),
        ("going away", |discord| discord.close_gateway(1001)),
        ("rate limited", |discord| discord.close_gateway(4008)),
    ];
    for (name, break_it) in breaks {
        let before = discord.counters().resumes;
        break_it(&discord);
        let resumed = |discord: &Discord| discord.counters().resumes > before;
        assert!(
            discord.wait(Duration::from_secs(20), resumed).await,
            "{name}"
        );
        discord.manners(Manners::default());
        let message = MessageId(discord.post(ana, channel, name));
        let is_it = |observation: &Observation| matches!(&observation.fact, Fact::Posted(of) if of.id == message);
        while !bot.next().await.0.iter().any(is_it) {}
    }
    assert_eq!(discord.counters().identify_attempts, 1);
    bot.stop().await;
}

/// A gateway that starts a session and then stays silent.
#[tokio::test]
async fn abandons_sessions_that_do_not_resume() {
    let discord = empty().await;
    let mut bot = Bot::start(&discord, 1 << 20).await.unwrap();
    bot.ready().await;
    discord.manners(Manners {
        refuses_resume: Some(4000),
        ..Manners::default()
    });
    discord.cut_gateway();
    bot.ready().await;
    assert_eq!(discord.counters().identifies, 2);
    bot.stop().await;
}

#[tokio::test]
async fn gateway_ends_without_a_listener() {
    let discord = empty().await;
    let mut bot = Bot::start(&discord, 1 << 20).await.unwrap();
    bot.ready().await;
    drop(bot.gateway.items);
    let end = tokio::time::timeout(Duration::from_secs(4), bot.gateway.ended.wait()).await;
    assert!(matches!(end, Ok(Err(GatewayError::Unheard))), "{end:?}");
}

#[test]
fn errors_name_their_cause_once() {
    let cause = RestError::Failing {
        what: "gateway/bot".to_owned(),
        status: 500,
    };
    let told = format!("{:#}", anyhow::Error::new(GatewayError::NoAddress(cause)));
    assert_eq!(told.matches("gateway/bot").count(), 1, "{told}");
    let bad_token = GatewayError::BadToken(RestError::BadToken);
    let told = format!("{:#}", anyhow::Error::new(bad_token));
    assert_eq!(told.matches("developer portal").count(), 1, "{told}");
}
