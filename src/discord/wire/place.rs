//! Guilds, and the channels, roles and emojis in them.

use serde::Deserialize;
use serde_json::Value;

use super::field::{lenient, small, time};
use crate::{
    discord::Items,
    model::{
        self, ChannelId, ChannelKind, EmojiId, GuildId, MessageId, Millis, OverwriteKind, RoleId,
        UserId, wide,
    },
};

/// A guild. Source: <https://discord.com/developers/docs/resources/guild#guild-object>.
#[derive(Deserialize)]
pub(in crate::discord) struct Guild {
    pub(in crate::discord) id: GuildId,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) owner_id: UserId,
    /// Only REST has it, if it is asked to count.
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) approximate_member_count: Option<u64>,
    #[serde(default)]
    pub(in crate::discord) roles: Items<Role>,
    #[serde(default)]
    pub(in crate::discord) emojis: Items<GuildEmoji>,
    /// Only `GUILD_CREATE` has them.
    #[serde(default)]
    pub(in crate::discord) channels: Items<Channel>,
    /// Only `GUILD_CREATE` has them.
    #[serde(default)]
    pub(in crate::discord) threads: Items<Channel>,
}

/// A role. Source: <https://discord.com/developers/docs/topics/permissions#role-object>.
#[derive(Deserialize)]
pub(in crate::discord) struct Role {
    id: RoleId,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    position: i64,
    #[serde(default, deserialize_with = "lenient")]
    permissions: Bits,
    #[serde(default, deserialize_with = "lenient")]
    managed: bool,
}

impl Role {
    pub(in crate::discord) fn into_record(self, guild_id: GuildId) -> model::Role {
        model::Role {
            id: self.id,
            guild_id,
            name: self.name,
            position: self.position,
            permissions: self.permissions.0,
            managed: self.managed,
        }
    }
}

/// Permission bits, which Discord writes as text.
#[derive(Clone, Copy, Default, Deserialize)]
struct Bits(#[serde(deserialize_with = "wide::deserialize")] u64);

/// A reaction's emoji. Source:
/// <https://discord.com/developers/docs/resources/emoji#emoji-object>.
#[derive(Deserialize)]
pub(in crate::discord) struct Emoji {
    #[serde(default)]
    id: Option<EmojiId>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    animated: bool,
}

impl Emoji {
    /// The emoji; nothing where Discord says neither which nor what it is.
    pub(in crate::discord) fn into_emoji(self) -> Option<model::Emoji> {
        match (self.id, self.name) {
            (Some(id), name) => Some(model::Emoji::custom(id, name, self.animated)),
            (None, Some(text)) => Some(model::Emoji::unicode(text)),
            (None, None) => None,
        }
    }
}

/// One of a guild's own emojis, as [`Emoji`] otherwise.
#[derive(Deserialize)]
pub(in crate::discord) struct GuildEmoji {
    id: EmojiId,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    animated: bool,
}

impl GuildEmoji {
    pub(in crate::discord) fn into_record(self, guild_id: GuildId) -> model::GuildEmoji {
        model::GuildEmoji {
            id: self.id,
            guild_id,
            name: self.name,
            animated: self.animated,
            own: true,
        }
    }
}

/// A channel or thread. Source:
/// <https://discord.com/developers/docs/resources/channel#channel-object>.
#[derive(Deserialize)]
pub(in crate::discord) struct Channel {
    pub(in crate::discord) id: ChannelId,
    #[serde(rename = "type", deserialize_with = "small")]
    kind: u8,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    parent_id: Option<ChannelId>,
    #[serde(default, deserialize_with = "lenient")]
    position: i64,
    #[serde(default, deserialize_with = "lenient")]
    nsfw: bool,
    #[serde(default)]
    permission_overwrites: Value,
    #[serde(default, deserialize_with = "lenient")]
    owner_id: Option<UserId>,
    #[serde(default, deserialize_with = "lenient")]
    thread_metadata: ThreadMetadata,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) last_message_id: Option<MessageId>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ThreadMetadata {
    #[serde(deserialize_with = "lenient")]
    archived: bool,
    #[serde(deserialize_with = "time")]
    archive_timestamp: Option<Millis>,
}

#[derive(Deserialize)]
struct Overwrite {
    id: RoleId,
    #[serde(rename = "type", deserialize_with = "small")]
    kind: u8,
    allow: Bits,
    deny: Bits,
}

impl Channel {
    pub(in crate::discord) fn into_record(self, guild_id: GuildId) -> model::Channel {
        let kind = ChannelKind(self.kind);
        model::Channel {
            id: self.id,
            guild_id,
            kind,
            name: self.name,
            parent_id: self.parent_id,
            position: self.position,
            nsfw: self.nsfw,
            overwrites: overwrites(self.permission_overwrites, guild_id),
            thread: kind.is_thread().then_some(model::Thread {
                owner_id: self.owner_id,
                archived: self.thread_metadata.archived,
                archive_timestamp: self.thread_metadata.archive_timestamp,
            }),
        }
    }
}

/// A channel's overwrites, sorted. Where they cannot be read, the channel is taken to be hidden
/// from everyone: a private channel must never become public by a mistake of ours.
fn overwrites(value: Value, guild_id: GuildId) -> Vec<model::Overwrite> {
    if value.is_null() {
        return Vec::new();
    }
    let hidden = model::Overwrite {
        kind: OverwriteKind::Role,
        id: guild_id.0,
        allow: 0,
        deny: u64::MAX,
    };
    let Ok(list) = serde_json::from_value::<Vec<Overwrite>>(value) else {
        return vec![hidden];
    };
    let mut overwrites: Vec<_> = list
        .into_iter()
        .map(|it| model::Overwrite {
            kind: match it.kind {
                0 => OverwriteKind::Role,
                _ => OverwriteKind::Member,
            },
            id: it.id.0,
            allow: it.allow.0,
            deny: it.deny.0,
        })
        .collect();
    overwrites.sort_unstable();
    overwrites
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GUILD: GuildId = GuildId(1);

    #[test]
    fn a_channel_whose_overwrites_cannot_be_read_is_hidden() {
        let read = |overwrites: Value| {
            let channel = json!({
                "id": "2", "type": 0, "name": "x", "parent_id": null, "position": "odd",
                "permission_overwrites": overwrites,
            });
            let channel = serde_json::from_value::<Channel>(channel).unwrap();
            channel.into_record(GUILD).overwrites
        };
        assert_eq!(read(Value::Null), []);
        let fine = read(json!([{"id": "9", "type": 1, "allow": "1024", "deny": "0"}]));
        assert_eq!((fine[0].kind, fine[0].allow), (OverwriteKind::Member, 1024));
        let odd = read(json!([{"id": "9", "type": 1, "allow": "many", "deny": "0"}]));
        assert_eq!((odd[0].id, odd[0].deny), (GUILD.0, u64::MAX));
    }

    #[test]
    fn a_thread_tells_when_it_was_archived() {
        let thread = json!({"id": "2", "type": 11, "name": "t", "thread_metadata": {
            "archived": true, "archive_timestamp": "2016-04-30T11:18:25.796312+00:00"}});
        let thread = serde_json::from_value::<Channel>(thread)
            .unwrap()
            .into_record(GUILD);
        let of = thread.thread.unwrap();
        assert!(of.archived);
        assert_eq!(of.archive_timestamp, Some(Millis(1_462_015_105_796)));
    }

    #[test]
    fn a_guild_is_read_although_something_in_it_is_odd() {
        let guild = json!({
            "id": 1, "name": null, "owner_id": "7",
            "roles": [{"id": "1", "name": 3, "managed": null}, {"id": []}],
            "emojis": [{"id": "8", "name": null, "animated": null}, {"id": null}],
            "channels": [{"id": "2", "type": "0"}, {"id": "3", "type": null}],
        });
        let guild = serde_json::from_value::<Guild>(guild).unwrap();
        assert_eq!((guild.roles.items.len(), guild.roles.all_named), (1, false));
        assert_eq!((guild.emojis.items.len(), guild.emojis.len), (1, 2));
        assert_eq!(guild.channels.unreadable, [3]);
        assert_eq!(guild.channels.items[0].kind, 0);
        assert_eq!((guild.threads.len, guild.threads.all_named), (0, false));
    }
}
