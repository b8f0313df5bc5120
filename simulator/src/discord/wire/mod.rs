//! The guild as JSON: objects as in Discord's reference, with every field that its official `OpenAPI` requires.

mod message;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::guild::{Channel, CustomEmoji, Guild, Member, Role, User, kind};
use super::permissions::{Overwrite, in_guild};
use super::snowflake::iso;

pub(crate) use message::{EmojiObject, MessageObject, View};

/// An id as Discord writes it: a string.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) u64);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// Serializes into a JSON tree.
pub(crate) fn tree(of: impl Serialize) -> Value {
    serde_json::to_value(of).expect("wire objects are plain JSON")
}

pub(crate) struct UserObject<'a>(pub(crate) &'a User);

impl Serialize for UserObject<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let user = self.0;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &Id(user.id))?;
        map.serialize_entry("username", &user.username)?;
        map.serialize_entry("avatar", &())?;
        map.serialize_entry(
            "discriminator",
            if user.webhook {
                "0000"
            } else {
                &user.discriminator
            },
        )?;
        map.serialize_entry("public_flags", &0)?;
        map.serialize_entry("flags", &0)?;
        if user.bot || user.webhook {
            map.serialize_entry("bot", &true)?;
        }
        map.serialize_entry("global_name", &user.global_name)?;
        map.serialize_entry("primary_guild", &())?;
        map.end()
    }
}

pub(crate) struct MemberObject<'a> {
    pub(crate) member: &'a Member,
    /// The account; `None` if a user object accompanies the member.
    pub(crate) user: Option<&'a User>,
}

impl Serialize for MemberObject<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let member = self.member;
        let roles: Vec<Id> = member.roles.iter().copied().map(Id).collect();
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("avatar", &())?;
        map.serialize_entry("banner", &())?;
        map.serialize_entry("communication_disabled_until", &())?;
        map.serialize_entry("flags", &0)?;
        map.serialize_entry("joined_at", &iso(member.joined))?;
        map.serialize_entry("nick", &member.nick)?;
        map.serialize_entry("pending", &false)?;
        map.serialize_entry("premium_since", &())?;
        map.serialize_entry("roles", &roles)?;
        if let Some(user) = self.user {
            map.serialize_entry("user", &UserObject(user))?;
        }
        map.serialize_entry("mute", &false)?;
        map.serialize_entry("deaf", &false)?;
        map.end()
    }
}

pub(crate) fn role(role: &Role) -> Value {
    let mut object = json!({
        "id": Id(role.id), "name": role.name, "permissions": role.permissions.to_string(), "position": role.position,
        "color": role.color, "colors": {"primary_color": role.color, "secondary_color": null, "tertiary_color": null},
        "hoist": role.color != 0, "managed": role.managed_by.is_some(), "mentionable": false,
        "icon": null, "unicode_emoji": null, "flags": 0,
    });
    if let Some(bot) = role.managed_by {
        object["tags"] = json!({"bot_id": Id(bot)});
    }
    object
}

pub(crate) fn custom_emoji(emoji: &CustomEmoji) -> Value {
    json!({
        "id": Id(emoji.id), "name": emoji.name, "roles": [], "require_colons": true,
        "managed": false, "animated": emoji.animated, "available": true,
    })
}

fn overwrite(overwrite: &Overwrite) -> Value {
    json!({
        "id": Id(overwrite.id), "type": u8::from(overwrite.member),
        "allow": overwrite.allow.to_string(), "deny": overwrite.deny.to_string(),
    })
}

/// A channel object; threads have additional fields.
pub(crate) fn channel(guild: &Guild, channel: &Channel) -> Value {
    let mut object = json!({
        "id": Id(channel.id), "type": channel.kind, "flags": 0, "guild_id": Id(guild.id), "name": channel.name,
        "parent_id": channel.parent.map(Id),
    });
    if channel.holds_messages() || channel.kind == kind::FORUM {
        object["last_message_id"] = tree(channel.last_message.map(Id));
        object["rate_limit_per_user"] = 0.into();
    }
    if let Some(thread) = &channel.thread {
        object["owner_id"] = tree(Id(thread.owner));
        object["thread_metadata"] = json!({
            "archived": thread.archived, "archive_timestamp": iso(thread.archived_at), "auto_archive_duration": 4320,
            "locked": thread.locked, "create_timestamp": iso(super::snowflake::time_of(channel.id)),
        });
        if channel.kind == kind::PRIVATE_THREAD {
            object["thread_metadata"]["invitable"] = true.into();
        }
        object["message_count"] = tree(channel.messages.len());
        object["member_count"] = tree(thread.members.len().min(50));
        object["total_message_sent"] = tree(thread.sent);
        if let Some(&joined) = thread.members.get(&guild.bot) {
            object["member"] = thread_member(channel.id, guild.bot, joined);
        }
        return object;
    }
    object["position"] = channel.position.into();
    object["nsfw"] = channel.nsfw.into();
    object["permission_overwrites"] = channel.overwrites.iter().map(overwrite).collect();
    match channel.kind {
        kind::VOICE | kind::STAGE => {
            object["bitrate"] = 64000.into();
            object["user_limit"] = 0.into();
            object["rtc_region"] = Value::Null;
        }
        kind::CATEGORY => {}
        _ => object["topic"] = tree(&channel.topic),
    }
    if matches!(channel.kind, kind::FORUM | kind::MEDIA) {
        object["available_tags"] = json!([]);
        object["default_reaction_emoji"] = Value::Null;
        object["default_sort_order"] = Value::Null;
        object["default_forum_layout"] = 0.into();
    }
    object
}

pub(crate) fn thread_member(thread: u64, user: u64, joined: i64) -> Value {
    json!({"id": Id(thread), "user_id": Id(user), "join_timestamp": iso(joined), "flags": 0})
}

/// A guild object, as in REST.
pub(crate) fn guild(guild: &Guild) -> Value {
    json!({
        "id": Id(guild.id), "name": guild.name, "icon": null, "description": null, "home_header": null, "splash": null,
        "discovery_splash": null, "features": ["COMMUNITY", "NEWS"], "banner": null, "owner_id": Id(guild.owner),
        "application_id": null, "region": "us-west", "afk_channel_id": null, "afk_timeout": 300,
        "system_channel_id": null, "system_channel_flags": 0, "widget_enabled": false, "widget_channel_id": null,
        "verification_level": 1, "roles": guild.roles.values().map(role).collect::<Vec<_>>(),
        "default_message_notifications": 1, "mfa_level": 0, "explicit_content_filter": 2, "max_presences": null,
        "max_members": 500_000, "max_stage_video_channel_users": 50, "max_video_channel_users": 25,
        "vanity_url_code": null, "premium_tier": 1, "premium_subscription_count": 3, "preferred_locale": "en-US",
        "rules_channel_id": null, "safety_alerts_channel_id": null, "public_updates_channel_id": null,
        "premium_progress_bar_enabled": false, "nsfw": false, "nsfw_level": 0,
        "emojis": guild.emojis.values().map(custom_emoji).collect::<Vec<_>>(), "stickers": [], "incidents_data": null,
    })
}

/// The data of `GUILD_CREATE`: without the presences intent, its only member is the bot, and its threads are the
/// active ones the bot can see.
pub(crate) fn guild_create(of: &Guild) -> Value {
    let mut object = guild(of);
    let bot = of.members.get(&of.bot);
    object["joined_at"] = iso(bot.map_or(0, |member| member.joined)).into();
    object["large"] = (of.members.len() > 250).into();
    object["unavailable"] = false.into();
    object["member_count"] = of.members.len().into();
    object["members"] = bot
        .map(|member| {
            tree(MemberObject {
                member,
                user: of.users.get(&member.user),
            })
        })
        .into_iter()
        .collect();
    object["channels"] = of
        .channels
        .values()
        .filter(|c| c.thread.is_none())
        .map(|c| channel(of, c))
        .collect();
    object["threads"] = active_threads(of).map(|c| channel(of, c)).collect();
    let events = of.events.keys().filter(|id| of.shows_event(**id));
    let events = events.filter_map(|id| of.event_object(*id, false));
    object["guild_scheduled_events"] = events.collect();
    for empty in [
        "voice_states",
        "presences",
        "stage_instances",
        "soundboard_sounds",
    ] {
        object[empty] = json!([]);
    }
    object
}

/// Active threads that the bot can see.
pub(crate) fn active_threads(guild: &Guild) -> impl Iterator<Item = &Channel> {
    guild.channels.values().filter(|channel| {
        channel
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.archived)
            && super::permissions::may_view(guild, guild.bot, channel)
    })
}

/// The bot's application, as in `/applications/@me`.
pub(crate) fn application(guild: &Guild, flags: u64, guilds: usize, is_public: bool) -> Value {
    json!({
        "id": Id(guild.bot), "name": "propsbot", "icon": null, "description": "Mirrors thanks and turns them into props.",
        "type": null, "flags": flags, "flags_new": flags.to_string(), "bot": guild.users.get(&guild.bot).map(UserObject),
        "bot_public": is_public, "bot_require_code_grant": false, "verify_key": "0".repeat(64), "redirect_uris": [],
        "interactions_endpoint_url": null, "role_connections_verification_url": null,
        "owner": guild.users.get(&guild.owner).map(UserObject), "approximate_guild_count": guilds,
        "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0, "team": null, "eligible_oauth2_scopes": [],
    })
}

/// A partial guild, as in `/users/@me/guilds`.
pub(crate) fn my_guild(guild: &Guild) -> Value {
    json!({
        "id": Id(guild.id), "name": guild.name, "icon": null, "banner": null, "owner": false,
        "permissions": in_guild(guild, guild.bot).to_string(), "features": ["COMMUNITY", "NEWS"],
    })
}
