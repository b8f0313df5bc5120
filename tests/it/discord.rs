//! Reading history from a Discord on loopback, and from servers that respond oddly.

mod gateway;

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use propsbot_discord::{DiscordApi, Rest, RestError, Token};
use propsbot_model::{ChannelId, Emoji, GuildId, MessageId, UserId};
use propsbot_network::Network;
use serde_json::json;
use simulator::discord::{Discord, Fault, Limits, Options, Seed, World};

async fn discord(options: Options) -> Discord {
    Discord::start(options).await.expect("a free port")
}

async fn empty() -> Discord {
    discord(Options {
        world: World::Empty,
        ..Options::default()
    })
    .await
}

fn token(text: &str) -> Token {
    Token::new(text).expect("a token")
}

fn rest(of: &Discord) -> Rest {
    Rest::new(Some(&of.url()), &token(&of.token()), &Network::default())
}

fn history(of: &Discord) -> DiscordApi {
    DiscordApi::new(rest(of))
}

/// Reads everything the bot can read; returns the number of messages and reactors.
async fn read_all(history: &DiscordApi, guild: GuildId) -> (usize, usize) {
    let mut places = history.channels(guild).await.expect("an answer").items;
    let threads = history.active_threads(guild).await.expect("an answer");
    places.extend(threads.items);
    let of_channel = |channel: ChannelId| async move {
        let (mut messages, mut reactors, mut before) = (0, 0, None);
        loop {
            let page = match history.messages(guild, channel, before).await {
                Ok(page) => page,
                Err(RestError::Forbidden { .. }) => break,
                Err(error) => panic!("{error}"),
            };
            messages += page.messages.len();
            for of in &page.messages {
                for count in &of.counts {
                    for (burst, n) in [(false, count.normal), (true, count.burst)] {
                        if n == 0 {
                            continue;
                        }
                        let id = of.message.id;
                        let list = history
                            .reactors(channel, id, &count.emoji, burst, None)
                            .await;
                        reactors += list.expect("an answer").len;
                    }
                }
            }
            before = page.oldest;
            if page.len < 100 {
                break;
            }
        }
        (messages, reactors)
    };
    stream::iter(
        places
            .iter()
            .filter(|place| place.channel.kind.has_messages()),
    )
    .map(|channel| of_channel(channel.channel.id))
    .buffer_unordered(8)
    .fold((0, 0), |(a, b), (c, d)| async move { (a + c, b + d) })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_unlimited_servers_at_full_speed() {
    let discord = discord(Options {
        seed: Seed {
            messages: 4_000,
            reactions: 0.2,
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let history = history(&discord);
    assert_eq!(history.me().await.unwrap().id, UserId(discord.bot_id()));
    let (guilds, unnamed) = history.guilds().await.unwrap();
    let guild = guilds[0].0;
    let own = GuildId(discord.guild_id());
    assert_eq!((guilds.len(), unnamed, guild), (1, 0, own));
    let start = Instant::now();
    let (messages, reactors) = read_all(&history, guild).await;
    let took = start.elapsed();
    let requests = discord.requests().len();
    println!("{messages} messages, {reactors} reactors, {requests} requests in {took:?}");
    assert!(messages > 3_000 && reactors > 0);
    assert!(
        took < Duration::from_secs(requests as u64 / 100 + 2),
        "{took:?} for {requests}"
    );
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_rate_limits_without_a_429() {
    let discord = discord(Options {
        seed: Seed {
            messages: 300,
            threads: 0,
            reactions: 0.1,
            ..Seed::default()
        },
        limits: Limits::discord(),
        ..Options::default()
    })
    .await;
    let history = history(&discord);
    let (messages, _) = read_all(&history, GuildId(discord.guild_id())).await;
    assert!(messages > 100);
    let refused = discord
        .requests()
        .iter()
        .filter(|request| request.status == 429)
        .count();
    assert_eq!(refused, 0);
}

#[tokio::test]
async fn retries_transient_faults_and_reports_final_ones() {
    let discord = empty().await;
    let ana = discord.join("ana");
    let channel = discord.create_channel(0, "general", vec![]);
    discord.post(ana, channel, "hello");
    let (history, guild) = (history(&discord), GuildId(discord.guild_id()));
    let route = "GET /channels/{channel_id}/messages";
    let page = |status| Fault::Answer(status, "\n<!DOCTYPE html><title>Sorry</title>".to_owned());
    let limited = |global, shared| Fault::RateLimited {
        retry_after: 0.2,
        global,
        shared,
    };
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Reset,
        Fault::Lost,
        Fault::Malformed,
        limited(false, false),
        limited(true, false),
        limited(false, true),
        page(401),
        page(403),
        page(404),
    ] {
        discord.fail(route, 2, fault.clone());
        let before = discord.count(route);
        let page = history.messages(guild, ChannelId(channel), None).await;
        assert_eq!(page.unwrap().messages.len(), 1, "{fault:?}");
        assert_eq!(discord.count(route) - before, 3, "{fault:?}");
    }
    for (status, times, matches) in [
        // The token is valid, as another request shows.
        (
            401,
            2,
            (|error| matches!(error, RestError::Failing { status: 401, .. }))
                as fn(&RestError) -> bool,
        ),
        (403, 2, |error| matches!(error, RestError::Forbidden { .. })),
        (404, 2, |error| matches!(error, RestError::NotFound { .. })),
        (400, 1, |error| matches!(error, RestError::Rejected { .. })),
    ] {
        discord.fail(route, times, Fault::Status(status));
        let before = discord.count(route);
        let error = history
            .messages(guild, ChannelId(channel), None)
            .await
            .unwrap_err();
        assert!(matches(&error), "{error:?}");
        assert_eq!(discord.count(route) - before, times, "{status} is final");
    }
    let none = history
        .message(guild, ChannelId(channel), MessageId(1))
        .await;
    assert_eq!(none.unwrap(), None);
}

#[tokio::test]
async fn fetches_a_member_or_none() {
    let discord = empty().await;
    let (history, guild) = (history(&discord), GuildId(discord.guild_id()));
    let bot = history.member(guild, UserId(discord.bot_id())).await;
    let (user, presence) = bot.unwrap().expect("the bot is a member");
    assert!(user.bot && presence.joined_at.is_some());
    assert_eq!(history.member(guild, UserId(1)).await.unwrap(), None);
}

/// A Discord-compatible server may give a guild's roles only on request.
#[tokio::test]
async fn fetches_roles_that_the_guild_omits() {
    let discord = empty().await;
    let guild = GuildId(discord.guild_id());
    let bare = json!({"id": guild, "name": "bare", "owner_id": "2", "emojis": []}).to_string();
    discord.fail("GET /guilds/{guild_id}", 2, Fault::Answer(200, bare));
    let history = history(&discord);
    let shape = history.guild(guild).await.expect("a guild");
    assert!(shape.roles.all_readable() && !shape.roles.items.is_empty());
    // If no request gives them, the guild is known anyway.
    let unknown = Fault::Answer(404, r#"{"code":0,"message":"404: Not Found"}"#.to_owned());
    discord.fail("GET /guilds/{guild_id}/roles", usize::MAX, unknown);
    let shape = history.guild(guild).await.expect("a guild");
    assert!(!shape.roles.all_named && shape.emojis.all_named);
    discord.stop().await;
}

/// Starts a server that gives this JSON to every request; returns its address.
pub(crate) async fn canned(json: serde_json::Value) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let body = json.to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n")
                && stream.read(&mut byte).await.is_ok_and(|n| n > 0)
            {
                request.push(byte[0]);
            }
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            let answer = [head.as_bytes(), body.as_bytes()].concat();
            // It doesn't matter if the client is gone.
            let _ = stream.write_all(&answer).await;
        }
    });
    address
}

async fn canned_history(json: serde_json::Value) -> DiscordApi {
    DiscordApi::new(Rest::new(
        Some(&canned(json).await),
        &token("a.b.c"),
        &Network::default(),
    ))
}

#[tokio::test]
async fn stops_at_a_repeated_page() {
    let page: Vec<_> = (1..=100)
        .map(|id| json!({"id": id, "name": null}))
        .collect();
    let history = canned_history(json!(page)).await;
    assert_eq!(history.guilds().await.unwrap().0.len(), 100);
}

#[tokio::test]
async fn lists_skip_and_report_odd_items() {
    let (guild, channel) = (GuildId(1), ChannelId(2));
    let people = canned_history(json!([
        {"user": {"id": "5", "bot": null}, "roles": null}, {"user": {"id": "6"}, "joined_at": 1}, 7,
    ]))
    .await;
    let members = people.members(guild, UserId(0)).await.unwrap();
    assert_eq!(
        (members.items.len(), members.len, members.all_named),
        (2, 3, false)
    );

    // A channel needs only an id.
    let places = canned_history(json!([{"id": "2", "type": "0"}, {"id": "3"}, {"id": "x"}])).await;
    let channels = places.channels(guild).await.unwrap();
    assert_eq!((channels.items.len(), channels.len), (2, 3));
    assert!(!channels.all_named);

    let threads = canned_history(json!({"threads": [{"id": "4", "type": 11}, {"id": "3"}, 7],
        "has_more": null}))
    .await;
    let active = threads.active_threads(guild).await.unwrap();
    assert_eq!((active.items.len(), active.all_named), (2, false));
    let (archived, more) = threads
        .archived_threads(guild, channel, false, None)
        .await
        .unwrap();
    assert_eq!(
        (archived.items.len(), archived.all_named, more),
        (2, false, None)
    );

    let odd = json!({"id": "1", "roles": [], "emojis": [{"id": "8"}, {"id": null}]});
    let guild = canned_history(odd).await;
    let shape = guild.guild(GuildId(1)).await.unwrap();
    assert_eq!((shape.emojis.items.len(), shape.emojis.len), (1, 2));

    let emoji = Emoji::unicode("🙏");
    let reactors = canned_history(json!([{"id": 5}, {"username": "nobody"}]))
        .await
        .reactors(channel, MessageId(1), &emoji, false, None)
        .await
        .unwrap();
    assert_eq!((reactors.items.len(), reactors.len), (1, 2));
}
