//! Every interaction gets an answer, whatever is odd in it, and costs nothing else.
//!
//! The interactions here have every field that Discord documents. Source:
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>.

use std::time::Duration;

use propsbot::{
    commands::Runner,
    discord::{GatewayOptions, Rest, Speech, Token, start as connect},
    jobs::{clock::Clock, guilds::PerGuild, mirrored::MirroredGuilds, writer},
    model::{Evidence, Fact, Guild, GuildId, Observation, Stamp, Unread, UserId},
    network::Network,
    service::{Parts, Service},
    store::Store,
};
use serde_json::{Value, json};
use simulator::discord::{Discord, InteractionId, Options, World, kind};
use tokio_util::sync::CancellationToken;

use crate::{
    live::{SOON, settled, start, stop},
    mirror::Mirror,
};

/// How many interactions are under way at once.
const AT_ONCE: usize = 100;

/// Ids of the world that interactions speak of.
struct Ids {
    guild: u64,
    channel: u64,
    ana: u64,
    ben: u64,
    message: u64,
}

fn user(id: u64, name: &str) -> Value {
    json!({
        "id": id.to_string(), "username": name, "discriminator": "0", "global_name": "A Name",
        "avatar": "a_b0932afbd3a624192b47596d66e5f15a", "bot": false, "system": false, "mfa_enabled": false,
        "banner": "b0932afbd3a624192b47596d66e5f15a", "accent_color": 16_711_680, "locale": "en-US", "flags": 64,
        "premium_type": 1, "public_flags": 64, "verified": true,
        "avatar_decoration_data": {"asset": "a_b0932afbd3a624192b47596d66e5f15a", "sku_id": "1144058844004233369"},
        "collectibles": {"nameplate": {"sku_id": "1144058844004233369", "asset": "nameplates/x/y/", "label": "",
            "palette": "cobalt"}},
        "primary_guild": {"identity_guild_id": "1234647491267808778", "identity_enabled": true, "tag": "DISC",
            "badge": "b0932afbd3a624192b47596d66e5f15a"},
    })
}

fn membership() -> Value {
    json!({
        "nick": "A Nick", "avatar": "a_b0932afbd3a624192b47596d66e5f15a",
        "banner": "b0932afbd3a624192b47596d66e5f15a", "roles": ["1234647491267808778"],
        "joined_at": "2020-01-01T00:00:00.000000+00:00", "premium_since": "2020-01-01T00:00:00.000000+00:00",
        "deaf": false, "mute": false, "flags": 1, "pending": false, "permissions": "562949953421311",
        "communication_disabled_until": null, "unusual_dm_activity_until": null,
        "avatar_decoration_data": {"asset": "a_b0932afbd3a624192b47596d66e5f15a", "sku_id": "1144058844004233369"},
    })
}

fn with(mut object: Value, changes: &Value) -> Value {
    let fields = changes.as_object().unwrap();
    object.as_object_mut().unwrap().extend(fields.clone());
    object
}

impl Ids {
    fn channel(&self) -> Value {
        json!({
            "id": self.channel.to_string(), "type": 0, "name": "general", "guild_id": self.guild.to_string(),
            "position": 1, "parent_id": null, "nsfw": false, "last_message_id": self.message.to_string(),
            "permissions": "562949953421311", "topic": "all", "rate_limit_per_user": 0, "flags": 0,
            "permission_overwrites": [{"id": self.guild.to_string(), "type": 0, "allow": "0", "deny": "0"}],
            "thread_metadata": {"archived": false, "auto_archive_duration": 60, "locked": false,
                "archive_timestamp": "2020-01-01T00:00:00.000000+00:00"},
        })
    }

    fn message(&self) -> Value {
        json!({
            "id": self.message.to_string(), "channel_id": self.channel.to_string(), "author": user(self.ben, "ben"),
            "content": "some work", "timestamp": "2024-01-01T00:00:00.000000+00:00",
            "edited_timestamp": "2024-01-01T00:00:00.000000+00:00", "tts": false, "mention_everyone": false,
            "mentions": [user(self.ana, "ana")], "mention_roles": ["1234647491267808778"], "pinned": false, "type": 0,
            "attachments": [{"id": "7", "filename": "a.png", "size": 1, "url": "https://a.b/c", "height": 1,
                "proxy_url": "https://a.b/c", "width": 1, "content_type": "image/png", "flags": 0}],
            "embeds": [{"type": "rich", "title": "a", "color": 255, "fields": [{"name": "a", "value": "b"}],
                "footer": {"text": "c"}, "timestamp": "2024-01-01T00:00:00.000000+00:00"}],
            "reactions": [{"count": 1, "count_details": {"burst": 0, "normal": 1}, "me": false, "me_burst": false,
                "emoji": {"id": null, "name": "🙏"}, "burst_colors": ["#ffffff"]}],
            "nonce": "1", "flags": 0, "application_id": "5", "position": 1,
            "message_reference": {"type": 0, "message_id": "5", "channel_id": "6", "guild_id": "7"},
            "interaction_metadata": {"id": "5", "type": 2, "user": user(self.ana, "ana"),
                "authorizing_integration_owners": {"0": "6"}, "original_response_message_id": "7"},
            "components": [{"type": 1, "id": 1, "components": [{"type": 2, "style": 1, "custom_id": "a", "id": 2}]}],
            "sticker_items": [{"id": "5", "name": "a", "format_type": 1}],
            "poll": {"question": {"text": "a"}, "answers": [{"answer_id": 1, "poll_media": {"text": "b"}}],
                "expiry": null, "allow_multiselect": false, "layout_type": 1},
        })
    }

    fn resolved(&self) -> Value {
        let (ben, guild) = (self.ben.to_string(), self.guild.to_string());
        json!({
            "users": {&ben: user(self.ben, "ben")}, "members": {&ben: membership()},
            "roles": {&guild: {"id": &guild, "name": "@everyone", "color": 0, "hoist": false, "position": 0,
                "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
                "permissions": "562949953421311", "managed": false, "mentionable": false, "flags": 0,
                "icon": "b0932afbd3a624192b47596d66e5f15a", "unicode_emoji": null, "tags": {"bot_id": "5"}}},
            "channels": {self.channel.to_string(): self.channel()},
            "messages": {self.message.to_string(): self.message()},
            "attachments": {"7": {"id": "7", "filename": "a.png", "size": 1, "url": "https://a.b/c",
                "proxy_url": "https://a.b/c"}},
        })
    }

    /// An interaction of this type with all of its fields.
    fn interaction(&self, kind: u8, data: &Value) -> Value {
        let guild = self.guild.to_string();
        json!({
            "application_id": "5", "type": kind, "data": data, "guild_id": &guild,
            "guild": {"id": &guild, "locale": "en-US", "features": ["COMMUNITY"]},
            "channel_id": self.channel.to_string(), "channel": self.channel(),
            "member": with(membership(), &json!({"user": user(self.ana, "ana")})),
            "version": 1, "locale": "en-US", "guild_locale": "en-US", "app_permissions": "562949953421311",
            "entitlements": [{"id": "5", "sku_id": "6", "application_id": "7", "type": 8, "deleted": false,
                "starts_at": null, "ends_at": null, "user_id": "8", "consumed": false}],
            "authorizing_integration_owners": {"0": &guild}, "context": 0, "attachment_size_limit": 10_485_760,
        })
    }

    /// One of each kind of interaction that our commands, buttons and forms make, and a ping.
    fn interactions(&self) -> Vec<Value> {
        let command = |kind: u8, name: &str, more: Value| {
            let data =
                json!({"id": "5", "name": name, "type": kind, "guild_id": self.guild.to_string()});
            with(data, &more)
        };
        let text = |name: &str, value: String| json!({"name": name, "type": 3, "value": value});
        let pressed = |custom_id: &str, kind: u8, values: Value| {
            let data =
                json!({"custom_id": custom_id, "component_type": kind, "values": values, "id": 3});
            with(
                self.interaction(3, &data),
                &json!({"message": self.message()}),
            )
        };
        let typed = json!({"type": 4, "id": 2, "custom_id": "reason", "value": "the review"});
        let form = json!({"custom_id": format!("props:{}:{}:0", self.message, self.ben), 
            "components": [{"type": 1, "id": 1, "components": [&typed]}]});
        let props = [
            text("to", format!("<@{}>", self.ben)),
            text("for", "the review".to_owned()),
        ];
        let channel = json!({"name": "channel", "type": 7, "value": self.channel.to_string()});
        let exclude = json!({"name": "exclude", "type": 1, "options": [channel]});
        let which = json!({"name": "which", "type": 3, "value": "a", "focused": true});
        vec![
            self.interaction(2, &command(1, "props", json!({"options": props}))),
            self.interaction(2, &command(1, "settings", json!({"options": [exclude], "resolved": {"channels": self.resolved()["channels"]}}))),
            self.interaction(2, &command(1, "help", json!({}))),
            self.interaction(
                2,
                &command(2, "Give props", json!({
                "target_id": self.ben.to_string(),
                "resolved": {"users": self.resolved()["users"], "members": self.resolved()["members"]},
            })),
            ),
            self.interaction(
                2,
                &command(
                    3,
                    "Why this cred?",
                    json!({
                "target_id": self.message.to_string(), "resolved": self.resolved(),
            }),
                ),
            ),
            self.interaction(4, &command(1, "undo", json!({"options": [which]}))),
            pressed("leaderboard:x", 2, json!([])),
            pressed("setup-channels", 8, json!([self.channel.to_string()])),
            with(
                self.interaction(5, &form),
                &json!({"message": self.message()}),
            ),
            json!({"application_id": "5", "type": 1, "version": 1}),
        ]
    }
}

/// The path of every field, as JSON pointers.
fn paths(of: &Value, at: &str, into: &mut Vec<String>) {
    let mut inside = |name: &str, value: &Value| {
        let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        paths(value, &path, into);
        into.push(path);
    };
    match of {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inside(name, value)),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(n, item)| inside(&n.to_string(), item));
        }
        _ => {}
    }
}

/// What may stand in the place of a value: nothing, another type, or more than there should be.
fn odd(value: &Value) -> [Value; 3] {
    let (other_type, out_of_range) = match value {
        // Permissions have no bound on their bits.
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            (json!(["x"]), json!("36893488147419103231"))
        }
        Value::String(_) => (json!(7), json!("v2_a_624192b47596d66e5f15a6b0932afbd3")),
        Value::Number(_) => (json!({"a": "b"}), json!(1_u64 << 33)),
        Value::Bool(_) => (json!("x"), json!(2)),
        _ => (json!("x"), json!(-1)),
    };
    [Value::Null, other_type, out_of_range]
}

/// The interaction, once with each field missing and once with each odd value of it.
fn oddities(of: &Value) -> Vec<Value> {
    let mut all_paths = Vec::new();
    paths(of, "", &mut all_paths);
    let mut all = vec![of.clone()];
    for path in all_paths {
        for odd in odd(of.pointer(&path).unwrap()) {
            let mut changed = of.clone();
            *changed.pointer_mut(&path).unwrap() = odd;
            all.push(changed);
        }
        let (parent, name) = path.rsplit_once('/').unwrap();
        let mut changed = of.clone();
        match changed.pointer_mut(parent).unwrap() {
            Value::Object(fields) => {
                fields.remove(&name.replace("~1", "/").replace("~0", "~"));
            }
            Value::Array(items) => {
                items.remove(name.parse().unwrap());
            }
            _ => unreachable!("only these have fields"),
        }
        all.push(changed);
    }
    all
}

/// A Discord that waits for answers as long as a busy machine needs.
async fn patient_discord() -> Discord {
    let options = Options {
        world: World::Empty,
        interaction_deadline: Duration::from_mins(5),
        ..Options::default()
    };
    Discord::start(options).await.expect("a free port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_odd_in_an_interaction_it_is_answered() {
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
    // Commands are run only where the bot is.
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
    let service = Service::new(Parts {
        store,
        writer,
        clock: clock.clone(),
        progress: PerGuild::default(),
        guilds: MirroredGuilds::new(&[GuildId(world.guild)], &[]),
        speech: Speech::new(rest.clone()),
        bot: token.bot().unwrap(),
        exports: None,
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
        token,
        stop: stop.clone(),
    })
    .await
    .unwrap();
    let (mut items, ended) = (gateway.items, gateway.ended);
    tokio::spawn(async move { while items.recv().await.is_some() {} });
    assert!(discord.wait(SOON, |it| it.connected() > 0).await);
    let all: Vec<Value> = world.interactions().iter().flat_map(oddities).collect();
    assert!(all.len() > 2_000, "{}", all.len());
    let mut unanswered = Vec::new();
    for some in all.chunks(AT_ONCE) {
        let sent: Vec<(InteractionId, &Value)> = some
            .iter()
            .map(|event| (discord.interact_raw(event.clone()), event))
            .collect();
        let all_answered =
            |it: &Discord| sent.iter().all(|(id, _)| it.answer_so_far(*id).is_some());
        if !discord.wait(SOON, all_answered).await {
            let missing = sent
                .iter()
                .filter(|(id, _)| discord.answer_so_far(*id).is_none());
            unanswered.extend(missing.map(|(_, event)| event.to_string()));
        }
    }
    assert_eq!(unanswered, Vec::<String>::new());
    assert_eq!(discord.violations(), Vec::<String>::new());
    stop.cancel();
    ended.wait().await.unwrap();
}

/// What serenity cannot read, as members really have it: the commands are run all the same, and nothing
/// is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_run_although_serenity_cannot_read_them() {
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
            .filter(|it| it.method == "GET")
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
