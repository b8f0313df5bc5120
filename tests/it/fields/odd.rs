//! A malformed field affects only itself.

use super::*;

/// The malformed JSON values; `None` omits the field.
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

/// Fields for which some of these values have a documented meaning.
const MEANS_NONE: [(&str, usize); 12] = [
    // Absent or null.
    ("parent_id", 2),
    ("last_message_id", 2),
    ("global_name", 2),
    ("nick", 2),
    ("joined_at", 2),
    ("message_reference", 2),
    ("edited_timestamp", 2),
    // Absent.
    ("bot", 0),
    ("nsfw", 0),
    ("position", 0),
    ("reactions", 0),
    ("0", 0),
];

/// Text fields: any text is readable.
const TEXTS: [&str; 5] = ["content", "name", "username", "global_name", "nick"];

/// A world where every field of every kind of object is malformed once in every way.
struct Odd {
    mirror: Mirror,
    /// Route, pointer, value.
    mutations: Vec<(&'static str, String, Option<&'static str>)>,
    /// Every malformed object, with the field.
    objects: Vec<(u64, &'static str)>,
}

impl Odd {
    /// With `kept`, omits fields whose value would change what is known.
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
                // A lone surrogate is still text.
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

/// Known data stays whichever field is malformed, and all other objects are updated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_fields_keep_known_values() {
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

/// New objects with a malformed field exist, and so do all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_fields_affect_only_themselves() {
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
            // Unknown isn't "none".
            let told = known
                .history
                .spans()
                .iter()
                .any(|span| span.roles.is_some());
            assert!(!told, "{field}: {:?}", known.history);
        }
    }
}

/// Lone surrogates and other malformed values in the guild's own fields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_guilds_with_malformed_fields() {
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

/// A lone surrogate affects only itself, and disappears once the name is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lone_surrogates_affect_only_themselves() {
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

/// A guild with an unreadable id in the guild list is requested by its known id, and never silently
/// omitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guilds_with_unreadable_ids_are_fetched_by_known_id() {
    const GUILDS: &str = "GET /users/@me/guilds";
    let mut mirror = Mirror::empty().await;
    let channel = general(&mirror);
    // Nothing is mirrored yet, and nothing tells which guild it is.
    mirror.discord.mutate(GUILDS, "/0/id", "\"odd\"");
    let ended = mirror.sync().await;
    ended.failed(1, &["readable id", "DISCORD_GUILDS"]);
    assert!(!ended.stderr.contains("in no guild"), "{ended:#?}");
    // Its id is given: by `--guild`, and by the configuration.
    let id = mirror.guild().to_string();
    mirror.run(&["sync", "--guild", &id]).await.ok();
    mirror.check_store();
    let ana = mirror.discord.people()[1];
    mirror.discord.post(ana, channel, "again");
    // It was mirrored before.
    let ended = mirror.sync().await.ok();
    assert!(
        ended.stderr.contains("no readable id for 1 guild"),
        "{ended:#?}"
    );
    mirror.check_store();
    mirror.discord.post(ana, channel, "once more");
    let named = ("DISCORD_GUILDS".to_owned(), format!("{id},7"));
    mirror.variables.push(named);
    let ended = mirror.sync().await;
    ended.failed(1, &["guild 7: not synced"]);
    mirror.check_store();
}
