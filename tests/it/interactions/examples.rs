//! Interactions with every field that Discord documents, and malformed variants of each.
//!
//! The objects in them are examples from Discord's published schemas; `tests/contract` keeps
//! `objects.json` up to date.

use serde_json::{Value, json};

/// An example of a published object.
fn published(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("objects.json")).unwrap();
    let object = all[name].clone();
    assert!(object.is_object(), "{name}");
    object
}

/// Ids of the world that the interactions refer to.
pub(super) struct Ids {
    pub(super) guild: u64,
    pub(super) channel: u64,
    pub(super) ana: u64,
    pub(super) ben: u64,
    pub(super) message: u64,
}

fn user(id: u64, name: &str) -> Value {
    let own = json!({
        "id": id.to_string(), "username": name, "discriminator": "0", "global_name": "A Name",
        "avatar": "a_b0932afbd3a624192b47596d66e5f15a", "bot": false, "system": false, "mfa_enabled": false,
        "banner": "b0932afbd3a624192b47596d66e5f15a", "accent_color": 16_711_680, "locale": "en-US", "flags": 64,
        "premium_type": 1, "public_flags": 64, "verified": true,
        "avatar_decoration_data": {"asset": "a_b0932afbd3a624192b47596d66e5f15a", "sku_id": "1144058844004233369"},
        "collectibles": {"nameplate": {"sku_id": "1144058844004233369", "asset": "nameplates/x/y/", "label": "",
            "palette": "cobalt"}},
        "primary_guild": {"identity_guild_id": "1234647491267808778", "identity_enabled": true, "tag": "DISC",
            "badge": "b0932afbd3a624192b47596d66e5f15a"},
    });
    with(published("UserResponse"), &own)
}

fn membership() -> Value {
    let mut member = published("GuildMemberResponse");
    member.as_object_mut().unwrap().remove("user");
    let own = json!({
        "nick": "A Nick", "avatar": "a_b0932afbd3a624192b47596d66e5f15a",
        "banner": "b0932afbd3a624192b47596d66e5f15a", "roles": ["1234647491267808778"],
        "joined_at": "2020-01-01T00:00:00.000000+00:00", "premium_since": "2020-01-01T00:00:00.000000+00:00",
        "deaf": false, "mute": false, "flags": 1, "pending": false, "permissions": "562949953421311",
        "communication_disabled_until": null, "unusual_dm_activity_until": null,
        "avatar_decoration_data": {"asset": "a_b0932afbd3a624192b47596d66e5f15a", "sku_id": "1144058844004233369"},
    });
    with(member, &own)
}

fn with(mut object: Value, changes: &Value) -> Value {
    let fields = changes.as_object().unwrap();
    object.as_object_mut().unwrap().extend(fields.clone());
    object
}

impl Ids {
    fn channel(&self) -> Value {
        let all = with(
            published("ThreadResponse"),
            &published("GuildChannelResponse"),
        );
        let own = json!({
            "id": self.channel.to_string(), "type": 0, "name": "general", "guild_id": self.guild.to_string(),
            "position": 1, "parent_id": null, "nsfw": false, "last_message_id": self.message.to_string(),
            "permissions": "562949953421311", "topic": "all", "rate_limit_per_user": 0, "flags": 0,
            "permission_overwrites": [{"id": self.guild.to_string(), "type": 0, "allow": "0", "deny": "0"}],
            "thread_metadata": {"archived": false, "auto_archive_duration": 60, "locked": false,
                "archive_timestamp": "2020-01-01T00:00:00.000000+00:00"},
        });
        with(all, &own)
    }

    fn message(&self) -> Value {
        let own = json!({
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
        });
        let mut message = with(published("MessageResponse"), &own);
        // Messages by webhooks can't be thanked for.
        message.as_object_mut().unwrap().remove("webhook_id");
        message
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

    /// An interaction of this type with all fields.
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

    /// Command options of each type, and select menus of each type.
    pub(super) fn of_each_type(&self) -> Vec<Value> {
        let command = |name: &str, options: Value| {
            let data = json!({
                "id": "5", "name": name, "type": 1, "options": options, "resolved": self.resolved(),
            });
            self.interaction(2, &data)
        };
        let [guild, ben] = [self.guild, self.ben].map(|id| id.to_string());
        let set = [
            json!({"name": "quota", "type": 4, "value": 3}),
            json!({"name": "keep_deleted_props", "type": 5, "value": false}),
            json!({"name": "giver_roles", "type": 3, "value": "everyone"}),
        ];
        let none_of_ours = [
            json!({"name": "role", "type": 8, "value": &guild}),
            json!({"name": "somebody", "type": 9, "value": &ben}),
            json!({"name": "number", "type": 10, "value": 1.5}),
            json!({"name": "file", "type": 11, "value": "7"}),
        ];
        let member = json!({"name": "member", "type": 6, "value": &ben});
        let chosen = |kind: u8, value: &str| {
            let data = json!({
                "custom_id": "setup-channels", "component_type": kind, "values": [value], "id": 3,
                "resolved": self.resolved(),
            });
            let message = json!({"message": self.message()});
            with(self.interaction(3, &data), &message)
        };
        vec![
            command(
                "settings",
                json!([{"name": "set", "type": 1, "options": set}]),
            ),
            command("history", json!([member])),
            command("help", json!(none_of_ours)),
            chosen(3, "text"),
            chosen(5, &ben),
            chosen(6, &guild),
            chosen(7, &ben),
        ]
    }

    /// One of each kind of interaction that our commands, buttons and forms cause, and a ping.
    pub(super) fn interactions(&self) -> Vec<Value> {
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

/// JSON pointers to every field.
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

/// Malformed replacements for a value: nothing, another type, or too much.
fn odd(value: &Value) -> [Value; 3] {
    let (other_type, out_of_range) = match value {
        // Permissions can have any number of bits.
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

/// An interaction with one malformed field.
pub(super) struct Oddity {
    /// The field's JSON pointer.
    pub(super) path: String,
    pub(super) event: Value,
}

impl Oddity {
    /// Whether the member or the intent may be unclear.
    pub(super) fn is_unclear(&self) -> bool {
        const NOT_MEANT: [&str; 3] = ["/data/resolved", "/data/id", "/data/guild_id"];
        const WHO: [&str; 4] = ["/type", "/member", "/member/user", "/member/user/id"];
        let is_meant = self.path.starts_with("/data")
            && !NOT_MEANT.iter().any(|path| self.path.starts_with(path));
        is_meant || WHO.contains(&self.path.as_str())
    }
}

/// The interaction with each field below `within` once missing and once malformed in each way.
pub(super) fn oddities(of: &Value, within: &str) -> Vec<Oddity> {
    let mut all_paths = Vec::new();
    paths(of.pointer(within).unwrap(), within, &mut all_paths);
    let mut all = vec![Oddity {
        path: String::new(),
        event: of.clone(),
    }];
    for path in all_paths {
        let mut push = |event| {
            all.push(Oddity {
                path: path.clone(),
                event,
            });
        };
        for odd in odd(of.pointer(&path).unwrap()) {
            let mut changed = of.clone();
            *changed.pointer_mut(&path).unwrap() = odd;
            push(changed);
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
        push(changed);
    }
    all
}
