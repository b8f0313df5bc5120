//! Every interaction gets a response, however malformed, and affects nothing else.
//!
//! Source:
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>.

mod examples;

use std::time::Duration;

use propsbot_commands::{Runner, wording::unreadable_interaction};
use propsbot_discord::{
    DiscordApi, GatewayOptions, MessageSender, Rest, Shards, Token, start as connect,
};
use propsbot_jobs::{
    backfill::Requests,
    clock::Clock,
    guilds::PerGuild,
    mirrored::{MirroredGuilds, Selection},
    writer,
};
use propsbot_model::{Evidence, Fact, Guild, GuildId, Observation, Stamp, Unread, UserId};
use propsbot_network::Network;
use propsbot_service::{Deps, Service};
use propsbot_store::Store;
use serde_json::{Value, json};
use simulator::discord::{Discord, InteractionId, Options, World, kind};
use tokio_util::sync::CancellationToken;

use self::examples::{Ids, Oddity, oddities};
use crate::{
    live::{SOON, settled, start, stop},
    mirror::Mirror,
};

/// The most interactions in flight.
const AT_ONCE: usize = 100;

/// A Discord that waits for responses as long as a busy machine needs.
async fn patient_discord() -> Discord {
    let options = Options {
        world: World::Empty,
        interaction_deadline: Duration::from_mins(5),
        ..Options::default()
    };
    Discord::start(options).await.expect("a free port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_malformed_interactions() {
    let discord = patient_discord().await;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let world = Ids {
        guild: discord.guild_id(),
        channel,
        ana,
        ben,
        message: discord.post(ben, channel, "some work"),
    };
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Store::open(folder.path()).unwrap());
    let (writer, _) = writer::start(std::sync::Arc::clone(&store));
    let clock = Clock::after(Stamp(0));
    // Commands run only in guilds that the bot is in.
    let guild = Fact::Guild(Guild {
        id: GuildId(world.guild),
        name: "a guild".to_owned(),
        owner_id: UserId(discord.owner_id()),
        unread: Unread::default(),
    });
    let seen = Observation {
        at: clock.stamp(),
        by: Evidence::Rest,
        fact: guild,
    };
    writer.write(vec![seen]).await.unwrap();
    let token = Token::new(&discord.token()).unwrap();
    let rest = Rest::new(Some(&discord.url()), &token, &Network::default());
    let stop = CancellationToken::new();
    let service = Service::new(Deps {
        store,
        writer,
        clock: clock.clone(),
        progress: PerGuild::default(),
        guilds: MirroredGuilds::new(Selection::Named(vec![GuildId(world.guild)]), &[]),
        shards: Shards::default(),
        requests: Requests::default(),
        sender: MessageSender::new(rest.clone()),
        discord: DiscordApi::new(rest.clone()),
        bot: token.bot().unwrap(),
        exports: None,
        cred: propsbot_jobs::cred::CredBoard::default(),
        comments: None,
    });
    let runner = Runner::new(&token, rest.clone(), service).await.unwrap();
    let gateway = connect(GatewayOptions {
        rest,
        clock: Box::new({
            let clock = clock.clone();
            move || clock.stamp()
        }),
        capacity: 1 << 20,
        interactions: Box::new(runner),
        shards: Shards::default(),
        token,
        stop: stop.clone(),
    })
    .await
    .unwrap();
    let (mut items, ended) = (gateway.items, gateway.ended);
    tokio::spawn(async move { while items.recv().await.is_some() {} });
    assert!(discord.wait(SOON, |discord| discord.connected() > 0).await);
    let whole = world.interactions();
    let more = world.of_each_type();
    let whole = whole.iter().flat_map(|event| oddities(event, ""));
    let more = more
        .iter()
        .flat_map(|event| oddities(event, "/data"))
        .filter(|oddity| !oddity.path.starts_with("/data/resolved"));
    let all: Vec<Oddity> = whole.chain(more).collect();
    assert!(all.len() > 5_000, "{}", all.len());
    let (mut unanswered, mut unread) = (Vec::new(), Vec::new());
    for some in all.chunks(AT_ONCE) {
        let sent: Vec<(InteractionId, &Oddity)> = some
            .iter()
            .map(|oddity| (discord.interact_raw(oddity.event.clone()), oddity))
            .collect();
        let all_answered = |discord: &Discord| {
            sent.iter()
                .all(|(id, _)| discord.answer_so_far(*id).is_some())
        };
        if !discord.wait(SOON, all_answered).await {
            let missing = sent
                .iter()
                .filter(|(id, _)| discord.answer_so_far(*id).is_none());
            unanswered.extend(missing.map(|(_, oddity)| oddity.event.to_string()));
        }
        let apology = unreadable_interaction();
        let clear = sent.iter().filter(|(_, oddity)| !oddity.is_unclear());
        let apologized = clear.filter(|(id, _)| {
            let answer = discord.answer_so_far(*id);
            answer.is_some_and(|answer| answer.content == apology)
        });
        unread.extend(apologized.map(|(_, oddity)| (&oddity.path, &oddity.event["data"]["name"])));
    }
    assert_eq!(unanswered, Vec::<String>::new());
    assert!(unread.is_empty(), "{unread:?}");
    assert_eq!(discord.violations(), Vec::<String>::new());
    stop.cancel();
    ended.wait().await.unwrap();
}

/// Real data that serenity can't parse: the commands run anyway, and nothing is fetched again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_commands_that_serenity_cannot_parse() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let world = Ids {
        guild: discord.guild_id(),
        channel,
        ana,
        ben,
        message: discord.post(ben, channel, "some work"),
    };
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    let requests = || {
        discord
            .requests()
            .iter()
            .filter(|request| request.method == "GET")
            .count()
    };
    let before = requests();
    let decoration = json!({
        "sku_id": "1144058844004233369", "asset": "v2_a_624192b47596d66e5f15a6b0932afbd3", "expires_at": null,
    });
    let help = || world.interactions()[2].clone();
    let why = || world.interactions()[4].clone();
    let message = format!("/data/resolved/messages/{}", world.message);
    for (mut event, path, odd) in [
        (
            help(),
            "/member/avatar_decoration_data".to_owned(),
            decoration.clone(),
        ),
        (
            help(),
            "/member/user/avatar_decoration_data".to_owned(),
            decoration,
        ),
        (
            help(),
            "/member/user/public_flags".to_owned(),
            json!(1_u64 << 33),
        ),
        (
            help(),
            "/member/permissions".to_owned(),
            json!("36893488147419103231"),
        ),
        (
            help(),
            "/app_permissions".to_owned(),
            json!("36893488147419103231"),
        ),
        (help(), "/channel/type".to_owned(), json!(16)),
        (
            why(),
            message.clone() + "/reactions/0/me_burst",
            Value::Null,
        ),
        (why(), message + "/embeds/0/color", json!(-1)),
    ] {
        *event.pointer_mut(&path).unwrap() = odd;
        let answer = discord.answer(discord.interact_raw(event)).await;
        let text = answer.expect("an answer").content;
        assert!(!text.contains("can't read"), "{path}: {text}");
    }
    assert_eq!(requests(), before, "{}", running.stderr());
    stop(&mirror, running).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}
