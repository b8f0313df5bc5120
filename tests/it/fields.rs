//! What Discord tells in a form that it does not document, or so that it contradicts itself: one odd
//! field costs only itself, and no list is believed that cannot be true.

use propsbot_model::{ChannelId, Field, GuildId, MessageId, UserId};
use serde_json::Value;
use simulator::discord::{
    Discord, Draft, Extras, Fault, Options, Overwrite, World, bit, intent, kind,
};

use crate::{
    live::{settled, start, stop},
    mirror::Mirror,
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";
const CHANNELS: &str = "GET /guilds/{guild_id}/channels";
const GUILD: &str = "GET /guilds/{guild_id}";
const MEMBERS: &str = "GET /guilds/{guild_id}/members";
const ACTIVE: &str = "GET /guilds/{guild_id}/threads/active";

/// What stands in a field's place, as JSON; nothing where it is left out.
const ODD: [Option<&str>; 8] = [
    Some("null"),
    None,
    Some(r#"{"odd": []}"#),
    Some("[7.5]"),
    Some("1e999"),
    Some("99999999999999999999999999"),
    Some("-1"),
    Some(r#""\ud800 half a pair""#),
];

/// These are documented to mean something else than that the field is unknown.
const MEANS_NONE: [(&str, usize); 12] = [
    // Not there, or null.
    ("parent_id", 2),
    ("last_message_id", 2),
    ("global_name", 2),
    ("nick", 2),
    ("joined_at", 2),
    ("message_reference", 2),
    ("edited_timestamp", 2),
    // Not there.
    ("bot", 0),
    ("nsfw", 0),
    ("position", 0),
    ("reactions", 0),
    ("0", 0),
];

/// Texts, of which all but what is no text can be read.
const TEXTS: [&str; 5] = ["content", "name", "username", "global_name", "nick"];

/// A world in which each field of each kind of object is odd once in each way.
struct Odd {
    mirror: Mirror,
    /// Route, pointer, and what stands there.
    mutations: Vec<(&'static str, String, Option<&'static str>)>,
    /// Every odd object: what it is, and the field.
    objects: Vec<(u64, &'static str)>,
}

impl Odd {
    /// Those fields that tell something else than what is known are left out where `kept`.
    async fn world(kept: bool) -> Self {
        let mirror = Mirror::empty().await;
        let mut odd = Self {
            mirror,
            mutations: Vec::new(),
            objects: Vec::new(),
        };
        odd.messages(kept);
        odd.members(kept);
        odd.roles(kept);
        odd.channels(kept);
        odd
    }

    fn each(
        &mut self,
        kept: bool,
        fields: &[&'static str],
        make: impl Fn(&Discord, usize) -> (&'static str, u64, String),
    ) {
        let mut number = 0;
        for field in fields {
            let name = field.rsplit('/').next().unwrap_or(field);
            let means_none = MEANS_NONE.iter().find(|value| value.0 == name);
            for (index, by) in ODD.iter().enumerate() {
                let is_told = match means_none {
                    Some((_, 2)) => index < 2,
                    Some(_) => index == 1,
                    None => false,
                };
                // Half a pair in a text is a text.
                let is_text = TEXTS.contains(&name) && index == ODD.len() - 1;
                // Without a last message, nothing was ever posted.
                let is_empty = name == "last_message_id" && is_told;
                if kept && (is_told || is_text) || is_empty {
                    continue;
                }
                number += 1;
                let (route, id, prefix) = make(&self.mirror.discord, number);
                self.objects.push((id, field));
                self.mutations
                    .push((route, format!("{prefix}/{field}"), *by));
            }
        }
    }

    fn messages(&mut self, kept: bool) {
        let discord = &self.mirror.discord;
        let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        let first = discord.post(ana, channel, "first");
        let fields = [
            "type",
            "content",
            "mentions",
            "message_reference",
            "interaction_metadata",
            "interaction",
            "webhook_id",
            "application_id",
            "edited_timestamp",
            "flags",
            "reactions",
            "channel_id",
            "attachments",
            "embeds",
            "author/username",
            "author/global_name",
            "author/bot",
            "author/discriminator",
            "author/system",
            "mentions/0/global_name",
            "reactions/0/count",
            "reactions/0/count_details",
            "reactions/0/emoji/name",
        ];
        self.each(kept, &fields, |discord, number| {
            let id = discord.reply(ben, channel, first, &format!("no. {number} <@{ana}>"));
            if number % 2 == 0 {
                discord.edit(channel, id, &format!("no. {number}, edited <@{ana}>"));
            }
            assert!(discord.react(ana, channel, id, "👍", false));
            assert!(discord.react(ben, channel, id, "🙏", true));
            (MESSAGES, id, format!("/id={id}"))
        });
    }

    fn members(&mut self, kept: bool) {
        let role = self.mirror.discord.create_role("makers", 0);
        let fields = [
            "nick",
            "roles",
            "joined_at",
            "user/username",
            "user/global_name",
            "user/discriminator",
            "user/bot",
            "user/system",
            "roles/0",
        ];
        self.each(kept, &fields, |discord, number| {
            let id = discord.join(&format!("member{number}"));
            discord.update_member(id, |member| {
                member.roles = vec![role];
                member.nick = Some(format!("Nick {number}"));
            });
            (MEMBERS, id, format!("/id={id}"))
        });
    }

    fn roles(&mut self, kept: bool) {
        let fields = ["name", "position", "permissions", "managed"];
        self.each(kept, &fields, |discord, number| {
            let id = discord.create_role(&format!("role{number}"), bit::VIEW_CHANNEL);
            (GUILD, id, format!("/roles/id={id}"))
        });
        let fields = ["name", "animated"];
        self.each(kept, &fields, |discord, number| {
            let id = discord.create_emoji(&format!("emoji{number}"), false);
            (GUILD, id, format!("/emojis/id={id}"))
        });
    }

    fn channels(&mut self, kept: bool) {
        let discord = &self.mirror.discord;
        let ana = discord.join("ana2");
        let category = discord.create_channel(kind::CATEGORY, "rooms", vec![]);
        let fields = [
            "type",
            "name",
            "parent_id",
            "position",
            "nsfw",
            "permission_overwrites",
            "last_message_id",
            "permission_overwrites/0/allow",
            "permission_overwrites/0/id",
        ];
        self.each(kept, &fields, |discord, number| {
            let overwrite = Overwrite {
                id: ana,
                member: true,
                allow: bit::VIEW_CHANNEL,
                deny: 0,
            };
            let name = format!("room{number}");
            let id = discord.create_channel_in(category, kind::TEXT, &name, vec![overwrite]);
            discord.post(ana, id, &format!("in room {number}"));
            (CHANNELS, id, format!("/id={id}"))
        });
        let parent = discord_channel(&self.mirror.discord, ana);
        let fields = [
            "type",
            "name",
            "owner_id",
            "thread_metadata",
            "thread_metadata/archived",
            "thread_metadata/archive_timestamp",
        ];
        self.each(kept, &fields, |discord, number| {
            let id = discord.create_thread(parent, ana, &format!("thread{number}"));
            discord.post(ana, id, &format!("in thread {number}"));
            (ACTIVE, id, format!("/threads/id={id}"))
        });
    }

    fn mutate(&self) {
        for (route, pointer, by) in &self.mutations {
            match by {
                Some(json) => self.mirror.discord.mutate(route, pointer, json),
                None => self.mirror.discord.leave_out(route, pointer),
            }
        }
    }
}

fn discord_channel(discord: &Discord, author: u64) -> u64 {
    let channel = discord.create_channel(kind::TEXT, "threads", vec![]);
    discord.post(author, channel, "threads are here");
    channel
}

/// What is known of any object stays, whichever field of it is odd; and all others are looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_field_never_replaces_what_is_known() {
    let odd = Odd::world(true).await;
    let mirror = &odd.mirror;
    mirror.sync().await.ok();
    mirror.check_store();
    odd.mutate();
    mirror.sync().await;
    mirror.check_store();
    let failures = mirror.failures().await;
    for object in ["guild", "channels", "members"] {
        assert!(failures.contains_key(object), "{object}: {failures:?}");
    }
    assert!(failures["guild"].contains("role"), "{failures:?}");
    mirror.discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.failures().await, [].into());
}

/// Seen for the first time with an odd field, an object is there, and so are all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_field_costs_only_itself() {
    let odd = Odd::world(false).await;
    odd.mutate();
    let mirror = &odd.mirror;
    let ended = mirror.sync().await;
    let truth = mirror.discord.truth();
    {
        let (store, guild) = (mirror.store(), mirror.guild());
        for message in &truth.messages {
            let id = MessageId(message.id);
            let mut known = store.messages(ChannelId(message.channel), id.0..=id.0);
            let of = |id: u64| {
                let found = odd.objects.iter().find(|(odd, _)| *odd == id);
                found.map_or("", |(_, field)| *field)
            };
            let (field, of_channel) = (of(message.id), of(message.channel));
            let state = known
                .next()
                .unwrap_or_else(|| {
                    panic!("{field} of a message, {of_channel} of its channel: not mirrored: {ended:#?}")
                })
                .unwrap();
            let known = state.message().unwrap();
            assert_eq!(known.author.id.0, message.author, "{field}");
            if field != "content" {
                assert_eq!(known.content, message.content, "{field}");
            }
            if !field.starts_with("mentions") && field != "content" {
                let mentioned: Vec<u64> = known
                    .mentions
                    .iter()
                    .map(|mention| mention.user_id.0)
                    .collect();
                assert_eq!(mentioned, message.mentions, "{field}");
            }
            if field != "message_reference" && field != "type" {
                assert_eq!(
                    known.reply_to.map(|reply_to| reply_to.0),
                    message.reply_to,
                    "{field}"
                );
            }
            if field != "edited_timestamp" {
                assert_eq!(
                    known.edited_at.map(|edited_at| edited_at.0),
                    message.edited,
                    "{field}"
                );
            }
            let reactions = store.reactions(ChannelId(message.channel), id.0..=id.0);
            let reactions = reactions
                .filter(|reaction| reaction.as_ref().unwrap().is_present())
                .count();
            let expected: usize = message
                .reactions
                .iter()
                .map(|reaction| reaction.users.len())
                .sum();
            if field == "reactions" {
                assert!(reactions <= expected, "{field}");
            } else if field.starts_with("reactions/") {
                assert!(reactions >= expected - 1, "{field}");
            } else {
                assert_eq!(reactions, expected, "{field}");
            }
        }
        check_shape(&odd, &store, guild);
    }
    mirror.discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.failures().await, [].into());
}

fn check_shape(odd: &Odd, store: &propsbot_store::Store, guild: GuildId) {
    let truth = odd.mirror.discord.truth();
    let field = |id: u64| {
        let found = odd.objects.iter().find(|(odd, _)| *odd == id);
        found.map_or("", |(_, field)| *field)
    };
    let channels = store.channels(guild).unwrap();
    for channel in &truth.channels {
        let field = field(channel.id);
        let known = channels.iter().find(|part| part.id == channel.id);
        let known = known.and_then(|part| part.state.now());
        let known = known.unwrap_or_else(|| panic!("{field}: not mirrored"));
        if field != "name" {
            assert_eq!(known.name, channel.name, "{field}");
        }
        if field != "type" {
            assert_eq!(known.kind.0, channel.kind, "{field}");
        }
        if field != "parent_id" {
            assert_eq!(known.parent_id.map(|id| id.0), channel.parent, "{field}");
        }
    }
    let roles = store.roles(guild).unwrap();
    for role in &truth.roles {
        let field = field(role.id);
        let known = roles.iter().find(|part| part.id == role.id);
        let known = known.and_then(|part| part.state.now()).unwrap();
        if field != "name" {
            assert_eq!(known.name, role.name, "{field}");
        }
        if field != "permissions" {
            assert_eq!(known.permissions, role.permissions, "{field}");
        }
    }
    for member in &truth.members {
        let field = field(member.id);
        let known = store.member(guild, UserId(member.id)).unwrap().unwrap();
        let presence = known
            .presence
            .now()
            .unwrap_or_else(|| panic!("{field}: has left"));
        let user = known.user.as_ref().unwrap();
        if field != "user/username" {
            assert_eq!(user.value.username, member.username, "{field}");
        }
        if field != "nick" {
            assert_eq!(presence.nick, member.nick, "{field}");
        }
        let roles: Vec<u64> = presence.roles.iter().map(|role| role.0).collect();
        if !field.starts_with("roles") {
            assert_eq!(roles, member.roles, "{field}");
        } else if presence.unread.has(Field::Roles) {
            // Unknown is not "none".
            let told = known
                .history
                .spans()
                .iter()
                .any(|span| span.roles.is_some());
            assert!(!told, "{field}: {:?}", known.history);
        }
    }
}

/// Half a surrogate pair in the guild's own fields, and other odd ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_guild_is_mirrored() {
    for (pointer, json) in [
        ("/name", r#""\ud800 guild""#),
        ("/name", "null"),
        ("/owner_id", "[]"),
        ("/approximate_member_count", "-1"),
    ] {
        let mirror = Mirror::empty().await;
        let discord = &mirror.discord;
        let ana = discord.join("ana");
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        discord.post(ana, channel, "hello");
        discord.mutate(GUILD, pointer, json);
        mirror.sync().await;
        mirror.check_store();
        mirror.export().await;
        assert_eq!(
            mirror.archived().await.messages.len(),
            1,
            "{pointer} {json}"
        );
    }
}

/// Half a surrogate pair in a name costs that half, and goes when the name is told whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_surrogate_pair_costs_itself() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    mirror.sync().await.ok();
    let user = format!("/id={ana}/user/global_name");
    let author = "/*/author/global_name";
    for (route, pointer) in [(MEMBERS, user.as_str()), (MESSAGES, author)] {
        discord.mutate(route, pointer, r#""\ud83dna \ud83d\ude4f""#);
    }
    discord.mutate(MESSAGES, "/0/content", r#""he\udc00llo""#);
    discord.mutate(GUILD, "/name", r#""\ud800 guild""#);
    let names = || {
        let (store, guild) = (mirror.store(), mirror.guild());
        let member = store.member(guild, UserId(ana)).unwrap().unwrap();
        let all = store.guilds().unwrap();
        let guild = all[0].state.now().unwrap().name.clone();
        (member.user.unwrap().value.global_name, guild)
    };
    mirror.sync().await.ok();
    let (member, guild) = names();
    assert_eq!(member.as_deref(), Some("\u{fffd}na 🙏"));
    assert_eq!(guild, "\u{fffd} guild");
    let text = || {
        let store = mirror.store();
        let mut messages = store.messages(ChannelId(channel), 0..=u64::MAX);
        let state = messages.next().unwrap().unwrap();
        state.message().unwrap().content.clone()
    };
    assert_eq!(text(), "he\u{fffd}llo");
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A guild whose id cannot be read in the list of guilds is asked for by the id that is known, and is
/// never left out without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guild_whose_id_cannot_be_read_is_not_left_out() {
    const GUILDS: &str = "GET /users/@me/guilds";
    let mut mirror = Mirror::empty().await;
    let channel = general(&mirror);
    // Nothing is mirrored yet, and nothing tells which guild it is.
    mirror.discord.mutate(GUILDS, "/0/id", "\"odd\"");
    let ended = mirror.sync().await;
    ended.failed(1, &["readable id", "DISCORD_GUILDS"]);
    assert!(!ended.stderr.contains("in no guild"), "{ended:#?}");
    // It is named: by `--guild`, and by the configuration.
    let id = mirror.guild().to_string();
    mirror.run(&["sync", "--guild", &id]).await.ok();
    mirror.check_store();
    let ana = mirror.discord.people()[1];
    mirror.discord.post(ana, channel, "again");
    // Or it was mirrored before.
    let ended = mirror.sync().await.ok();
    assert!(ended.stderr.contains("1 of the bot's guilds"), "{ended:#?}");
    mirror.check_store();
    mirror.discord.post(ana, channel, "once more");
    let named = ("DISCORD_GUILDS".to_owned(), format!("{id},7"));
    mirror.variables.push(named);
    let ended = mirror.sync().await;
    ended.failed(1, &["guild 7: not synced"]);
    mirror.check_store();
}

/// The name of @everyone's permissions in a guild.
fn everyone(mirror: &Mirror) -> String {
    format!("/roles/id={}/permissions", mirror.discord.guild_id())
}

fn general(mirror: &Mirror) -> u64 {
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    channel
}

/// Permissions are texts of any length; what lies above 64 bits is none of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_above_64_bits_withdraw_nothing() {
    let mirror = Mirror::empty().await;
    general(&mirror);
    mirror.sync().await.ok();
    mirror.export().await;
    let truth = mirror.discord.truth();
    let role = truth
        .roles
        .iter()
        .find(|role| role.id == truth.guild)
        .unwrap();
    for above in [64, 100] {
        let wide = u128::from(role.permissions) + (1 << above);
        let wide = format!("\"{wide}\"");
        mirror.discord.mutate(GUILD, &everyone(&mirror), &wide);
        mirror.sync().await.ok();
        let said = mirror.export().await.stdout;
        assert!(said.contains("nothing changed"), "{said}");
        mirror.discord.heal();
    }
    mirror.check_archive().await;
}

/// Where @everyone's permissions cannot be read, what was known holds; and of a guild of which they
/// never could be, all is mirrored and nothing exported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_permissions_neither_withdraw_nor_expose() {
    let mirror = Mirror::empty().await;
    general(&mirror);
    mirror.sync().await.ok();
    mirror.export().await;
    for odd in ["null", "\"many\"", "[]", "1e999"] {
        mirror.discord.mutate(GUILD, &everyone(&mirror), odd);
        mirror.sync().await;
        let said = mirror.export().await.stdout;
        assert!(said.contains("nothing changed"), "{odd}: {said}");
        let failures = mirror.failures().await;
        assert!(
            failures["guild"].contains("permissions"),
            "{odd}: {failures:?}"
        );
        mirror.discord.heal();
    }

    let new = Mirror::empty().await;
    general(&new);
    new.discord.mutate(GUILD, &everyone(&new), "null");
    new.sync().await;
    assert_eq!(new.status().await["totals"]["messages"], 1);
    new.export().await;
    assert_eq!(new.archived().await.messages.len(), 0);
    new.discord.heal();
    new.sync().await.ok();
    new.check_store();
    new.export().await;
    new.check_archive().await;
}

/// A channel that turned private is withdrawn, and by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_is_said_by_name() {
    let mirror = Mirror::empty().await;
    let channel = general(&mirror);
    mirror.sync().await.ok();
    mirror.export().await;
    let discord = &mirror.discord;
    let hidden = Overwrite {
        id: discord.guild_id(),
        member: false,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    let own = Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: bit::VIEW_CHANNEL,
        deny: 0,
    };
    discord.update_channel(channel, |discord| discord.overwrites = vec![hidden, own]);
    mirror.sync().await.ok();
    let ended = mirror.export().await;
    let name = format!("#general ({channel}): not everyone in the guild may read it");
    assert!(ended.stdout.contains(&name), "{ended:#?}");
    assert!(
        ended.stderr.contains("withdrawn") && ended.stderr.contains(&name),
        "{ended:#?}"
    );
    let status = mirror.status().await;
    assert_eq!(
        status["export"]["withdrawn"][0]["name"], "general",
        "{status}"
    );
}

/// Lists that cannot be true are asked for again, and otherwise named, not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impossible_lists_are_not_believed() {
    let work = [
        "members",
        "members but the bot",
        "most members",
        "many members",
        "channels",
        "most channels",
        "roles",
        "@everyone",
    ];
    let work = work.map(|case| tokio::spawn(impossible(case)));
    for done in work {
        done.await.unwrap();
    }
}

async fn impossible(case: &'static str) {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let people: Vec<u64> = (0..60)
        .map(|n| discord.join(&format!("member{n}")))
        .collect();
    let channels: Vec<u64> = (0..5)
        .map(|n| {
            let channel = discord.create_channel(kind::TEXT, &format!("channel{n}"), vec![]);
            discord.post(people[n], channel, "hello");
            channel
        })
        .collect();
    discord.create_role("makers", 0);
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    let bot = format!("/id={}", discord.bot_id());
    let everyone = format!("/roles/id={}", discord.guild_id());
    let (route, named) = match case {
        "members" | "members but the bot" | "most members" | "many members" => (MEMBERS, "members"),
        "channels" | "most channels" => (CHANNELS, "channels"),
        _ => (GUILD, "guild"),
    };
    let lie = || match case {
        "members" => discord.mutate(MEMBERS, "", "[]"),
        "members but the bot" => discord.leave_out(MEMBERS, &bot),
        "most members" | "many members" => {
            let left = if case == "most members" { 1 } else { 38 };
            for member in &people[left..] {
                discord.leave_out(MEMBERS, &format!("/id={member}"));
            }
        }
        "channels" => discord.mutate(CHANNELS, "", "[]"),
        "most channels" => {
            for channel in &channels[..3] {
                discord.leave_out(CHANNELS, &format!("/id={channel}"));
            }
        }
        "roles" => discord.mutate(GUILD, "/roles", "[]"),
        _ => discord.leave_out(GUILD, &everyone),
    };
    lie();
    let before = discord.count(route);
    let synced = mirror.status().await["synced"][named].clone();
    mirror.sync().await;
    mirror.check_store();
    assert!(discord.count(route) >= before + 2, "{case}: asked once");
    let failures = mirror.failures().await;
    assert!(failures.contains_key(named), "{case}: {failures:?}");
    let status = mirror.status().await;
    assert_eq!(status["synced"][named], synced, "{case}: {status}");
    mirror.export().await;
    mirror.check_archive().await;
    discord.heal();

    // What is gone is found to be, all the same.
    discord.leave(people[0]);
    discord.delete_channel(channels[0]);
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.failures().await, [].into(), "{case}");
}

/// Told once, an impossible list costs a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impossible_list_that_is_told_once_costs_nothing() {
    let mirror = Mirror::empty().await;
    let channel = general(&mirror);
    mirror.sync().await.ok();
    for route in [MEMBERS, CHANNELS] {
        mirror
            .discord
            .fail(route, 1, Fault::Answer(200, "[]".to_owned()));
        mirror.sync().await.ok();
        mirror.check_store();
        assert_eq!(mirror.failures().await, [].into(), "{route}");
    }
    assert!(mirror.discord.delete_channel(channel));
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A type of channels that we don't know is read, exported and restored; what cannot be read of it
/// is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_of_unknown_types_are_read() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let [known, unknown] =
        [kind::TEXT, 21].map(|value| discord.create_channel(value, "room", vec![]));
    discord.post_many((0..150).map(|n| Draft::new(ana, unknown, n.to_string())));
    discord.post(ana, known, "hello");
    let thread = discord.create_thread(unknown, ana, "in it");
    discord.post(ana, thread, "archived");
    discord.archive_thread(thread);
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
    let archived = mirror.archived().await;
    let row = archived
        .channels
        .iter()
        .find(|row| row.id.0 == unknown)
        .unwrap();
    assert_eq!(row.kind.0, 21);
    std::fs::remove_dir_all(mirror.store_path()).unwrap();
    let archive = format!("dir:{}", mirror.archive_path().display());
    mirror.run(&["restore", "--from", &archive]).await.ok();
    mirror.sync().await.ok();
    mirror.check_store();

    let mirror = Mirror::empty().await;
    let mute = mirror.discord.create_channel(22, "mute", vec![]);
    let refused = r#"{"message": "Cannot execute action on this channel type", "code": 50024}"#;
    let refused = Fault::Answer(400, refused.to_owned());
    mirror.discord.fail(MESSAGES, usize::MAX, refused);
    let ended = mirror.sync().await;
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    let failures = mirror.failures().await;
    let named: Vec<&String> = failures.keys().collect();
    assert_eq!(named, [&format!("channel {mute}")], "{failures:?}");
}

/// A guild in which the bot may not see texts.
async fn without_texts() -> Mirror {
    Mirror::new(Options {
        world: World::Empty,
        privileged_intents: intent::PRIVILEGED & !intent::MESSAGE_CONTENT,
        ..Options::default()
    })
    .await
}

fn talk(mirror: &Mirror) -> u64 {
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    for n in 0..250 {
        discord.post(ana, channel, &format!("no. {n} <@{ben}>"));
    }
    channel
}

fn texts_missing(status: &Value) -> u64 {
    status["totals"]["texts_missing"].as_u64().unwrap()
}

/// Without the Message Content intent texts are missing, which is said; with it, they are fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_texts_are_named_and_fetched_once_they_are_to_be_had() {
    let mirror = without_texts().await;
    let channel = talk(&mirror);
    let remedy = ["Message Content intent is switched off", "developer portal"];
    let ended = mirror.sync().await;
    for words in remedy {
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 250, "{status}");
    assert!(status["synced"]["messages"].is_null(), "{status}");
    let failures = mirror.failures().await;
    let reason = &failures[&format!("texts of channel {channel}")];
    assert!(
        remedy.iter().all(|words| reason.contains(words)),
        "{reason}"
    );
    // What lacks its text is not called complete in the archive.
    mirror.export().await;
    // As long as it is off, nothing is read again for it.
    let asked = mirror.discord.count(MESSAGES);
    mirror.sync().await;
    let look_back = mirror.discord.count(MESSAGES) - asked;

    mirror.discord.privilege(intent::PRIVILEGED);
    mirror.sync().await.ok();
    mirror.check_store();
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 0, "{status}");
    assert!(status["synced"]["messages"].is_i64(), "{status}");
    assert_eq!(mirror.failures().await, [].into());
    // Done once, it is done.
    let asked = mirror.discord.count(MESSAGES);
    mirror.sync().await.ok();
    assert!(mirror.discord.count(MESSAGES) - asked <= look_back);
}

/// A text that is known stays, whether the intent was switched off or Discord is at fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_never_wiped() {
    let mirror = Mirror::empty().await;
    let channel = talk(&mirror);
    mirror.sync().await.ok();
    mirror.check_store();
    let discord = &mirror.discord;
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(texts_missing(&mirror.status().await), 0);
    // What is new has no text yet, nor has any other message that is asked for by itself.
    discord.mutate(MESSAGE, "/content", "\"\"");
    let ana = discord.people()[1];
    discord.post(ana, channel, "unseen");
    mirror.sync().await;
    let status = mirror.status().await;
    assert_eq!(texts_missing(&status), 1, "{status}");
    let failures = mirror.failures().await;
    let reason = &failures[&format!("texts of channel {channel}")];
    assert!(
        reason.contains("although the Message Content intent is on"),
        "{reason}"
    );
    discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.failures().await, [].into());

    // Neither of a message that has more than its text.
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    discord.mutate(MESSAGES, "/*/attachments", r#"[{"id": "1"}]"#);
    mirror.sync().await.ok();
    mirror.check_store();
    discord.heal();

    discord.privilege(intent::PRIVILEGED & !intent::MESSAGE_CONTENT);
    mirror.sync().await.ok();
    discord.privilege(intent::PRIVILEGED);
    mirror.check_store();
    assert_eq!(texts_missing(&mirror.status().await), 0);
}

/// Whatever else a message has, and whoever wrote it: a text that is known stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kind_of_message_loses_its_text() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let with = |field: &str| {
        let one = vec![serde_json::json!({"id": "1", "name": "x", "format_type": 1})];
        let mut extras = Extras::default();
        match field {
            "attachments" => extras.attachments = one,
            "embeds" => extras.embeds = one,
            _ => extras.stickers = one,
        }
        Some(extras)
    };
    for (author, kind, extras) in [
        (ana, 0, None),
        (ana, 0, with("attachments")),
        (ana, 0, with("embeds")),
        (ana, 0, with("stickers")),
        (ana, 7, None),
        (discord.bot_id(), 0, None),
        (discord.bot_id(), 20, None),
        (ana, 20, None),
        (ana, 23, with("embeds")),
    ] {
        let id = discord.post_draft(Draft {
            kind,
            extras,
            ..Draft::new(author, channel, format!("look at this <@{ben}>"))
        });
        discord.react(ben, channel, id, "👍", false);
    }
    mirror.sync().await.ok();
    mirror.check_store();
    discord.mutate(MESSAGES, "/*/content", "\"\"");
    mirror.sync().await.ok();
    mirror.run(&["sync", "--recheck"]).await.ok();
    mirror.check_store();
    discord.heal();
    // An edit takes the text away, all the same.
    let last = discord.truth().messages.last().unwrap().id;
    discord.edit(channel, last, "");
    mirror.sync().await.ok();
    mirror.check_store();

    // What others answer is kept from the bot as well, its own answers are not.
    let mirror = without_texts().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    for author in [ana, discord.bot_id()] {
        discord.post_draft(Draft {
            kind: 20,
            ..Draft::new(author, channel, "an answer")
        });
    }
    assert_ne!(mirror.sync().await.code, Some(0));
    assert_eq!(texts_missing(&mirror.status().await), 1);
    discord.privilege(intent::PRIVILEGED);
    mirror.sync().await.ok();
    mirror.check_store();
}

/// What a `GUILD_CREATE` lacks is asked for over REST.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateways_lists_lack_is_not_gone() {
    let mut mirror = Mirror::empty().await;
    let second = ("EXPORT_INTERVAL".to_owned(), "1s".to_owned());
    mirror.variables.push(second);
    let discord = &mirror.discord;
    general(&mirror);
    let roles = ["makers", "mentors", "more"].map(|name| discord.create_role(name, 0));
    let ana = discord.people()[1];
    discord.update_member(ana, |member| member.roles = roles.to_vec());
    discord.create_emoji("props", false);
    mirror.sync().await.ok();
    let truth = discord.truth();
    for role in truth.roles.iter().filter(|role| role.id != truth.guild) {
        discord.leave_out("GUILD_CREATE", &format!("/roles/id={}", role.id));
    }
    discord.mutate("GUILD_CREATE", "/emojis", "[]");
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
    mirror.check_store();
}

/// Discord's own accounts are known as such, in the archive too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_users_are_told_from_people() {
    let mirror = Mirror::empty().await;
    general(&mirror);
    let [clyde, dan] = ["clyde", "dan"].map(|name| mirror.discord.join(name));
    let pointer = format!("/id={clyde}/user/system");
    mirror.discord.mutate(MEMBERS, &pointer, "true");
    mirror.sync().await.ok();
    mirror.export().await;
    let archived = mirror.archived().await;
    let of = |id: u64| {
        let row = archived.members.iter().find(|row| row.user_id.0 == id);
        row.unwrap().system
    };
    assert_eq!((of(clyde), of(dan)), (Some(true), None));
}
