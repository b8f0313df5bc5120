//! Guilds, channels, roles and emojis.

use serde::{Deserialize, Deserializer, de};

use super::field::{Bits, Small, Time, Told, lenient};
use crate::Items;
use propsbot_model::{
    self as model, ChannelId, ChannelKind, EmojiId, Field, GuildId, MessageId, OverwriteKind,
    RoleId, Unread, UserId,
};

/// A guild. Source: <https://discord.com/developers/docs/resources/guild#guild-object>.
#[derive(Deserialize)]
pub(crate) struct Guild {
    pub(crate) id: GuildId,
    #[serde(default)]
    name: Told<String>,
    #[serde(default)]
    owner_id: Told<UserId>,
    /// Only from REST, with `with_counts`.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) approximate_member_count: Option<u64>,
    #[serde(default)]
    pub(crate) roles: Items<Role>,
    #[serde(default)]
    pub(crate) emojis: Items<GuildEmoji>,
    /// Only in `GUILD_CREATE`.
    #[serde(default)]
    pub(crate) channels: Items<Channel>,
    /// Only in `GUILD_CREATE`.
    #[serde(default)]
    pub(crate) threads: Items<Channel>,
}

impl Guild {
    pub(crate) fn record(&self) -> model::Guild {
        let mut unread = Unread::default();
        model::Guild {
            id: self.id,
            name: self.name.clone().required(Field::Name, &mut unread),
            owner_id: self.owner_id.required(Field::Owner, &mut unread),
            unread,
        }
    }
}

/// A role. Source: <https://discord.com/developers/docs/topics/permissions#role-object>.
#[derive(Deserialize)]
pub(crate) struct Role {
    id: RoleId,
    #[serde(default)]
    name: Told<String>,
    #[serde(default)]
    position: Told<i64>,
    #[serde(default)]
    permissions: Told<Bits>,
    #[serde(default)]
    managed: Told<bool>,
}

impl Role {
    pub(crate) fn into_record(self, guild_id: GuildId) -> model::Role {
        let mut unread = Unread::default();
        model::Role {
            id: self.id,
            guild_id,
            name: self.name.required(Field::Name, &mut unread),
            position: self.position.optional(Field::Position, &mut unread),
            permissions: self
                .permissions
                .demanded_or(Bits(0), Field::Permissions, &mut unread)
                .0,
            managed: self.managed.optional(Field::Managed, &mut unread),
            unread,
        }
    }
}

/// A reaction's emoji. Source:
/// <https://discord.com/developers/docs/resources/emoji#emoji-object>.
#[derive(Deserialize)]
pub(crate) struct Emoji {
    #[serde(default)]
    id: Option<EmojiId>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    animated: bool,
}

impl Emoji {
    /// Returns the emoji; `None` if neither its id nor its text is readable.
    pub(crate) fn into_emoji(self) -> Option<model::Emoji> {
        match (self.id, self.name) {
            (Some(id), name) => Some(model::Emoji::custom(id, name, self.animated)),
            // A damaged emoji would be a different one.
            (None, Some(text)) if text.contains(char::REPLACEMENT_CHARACTER) => None,
            (None, Some(text)) => Some(model::Emoji::unicode(text)),
            (None, None) => None,
        }
    }
}

/// One of a guild's own emojis; source as for [`Emoji`].
#[derive(Deserialize)]
pub(crate) struct GuildEmoji {
    id: EmojiId,
    #[serde(default)]
    name: Told<Option<String>>,
    #[serde(default)]
    animated: Told<bool>,
}

impl GuildEmoji {
    pub(crate) fn into_record(self, guild_id: GuildId) -> model::GuildEmoji {
        let mut unread = Unread::default();
        model::GuildEmoji {
            id: self.id,
            guild_id,
            name: self.name.optional(Field::Name, &mut unread),
            animated: self.animated.optional(Field::Animated, &mut unread),
            own: true,
            unread,
        }
    }
}

/// A channel or thread. Source:
/// <https://discord.com/developers/docs/resources/channel#channel-object>.
#[derive(Deserialize)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    #[serde(rename = "type", default)]
    kind: Told<Small>,
    #[serde(default)]
    name: Told<String>,
    #[serde(default)]
    parent_id: Told<Option<ChannelId>>,
    #[serde(default)]
    position: Told<i64>,
    #[serde(default)]
    nsfw: Told<bool>,
    #[serde(default)]
    permission_overwrites: Told<Vec<Overwrite>>,
    #[serde(default)]
    owner_id: Told<Option<UserId>>,
    #[serde(default)]
    thread_metadata: Told<ThreadMetadata>,
    #[serde(default)]
    last_message_id: Told<Option<MessageId>>,
}

#[derive(Default, PartialEq, Deserialize)]
#[serde(default)]
struct ThreadMetadata {
    archived: Told<bool>,
    archive_timestamp: Told<Option<Time>>,
}

#[derive(Clone, Deserialize)]
struct Overwrite {
    id: RoleId,
    #[serde(rename = "type", deserialize_with = "overwrite_kind")]
    kind: OverwriteKind,
    allow: Bits,
    deny: Bits,
}

fn overwrite_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OverwriteKind, D::Error> {
    match Small::deserialize(deserializer)? {
        Small(0) => Ok(OverwriteKind::Role),
        Small(1) => Ok(OverwriteKind::Member),
        Small(other) => Err(de::Error::custom(format!(
            "{other} isn't an overwrite type"
        ))),
    }
}

impl Channel {
    pub(crate) fn last_message_id(&self) -> Option<MessageId> {
        match self.last_message_id {
            Told::As(last) => last,
            Told::Absent | Told::Odd => None,
        }
    }

    pub(crate) fn into_record(self, guild_id: GuildId) -> model::Channel {
        let mut unread = Unread::default();
        self.last_message_id
            .optional(Field::LastMessage, &mut unread);
        let unknown = Small(ChannelKind::UNKNOWN.0);
        let kind = self.kind.demanded_or(unknown, Field::Kind, &mut unread).0;
        let kind = ChannelKind(kind);
        // For an unknown type, only the metadata shows whether it is a thread.
        let is_thread = kind.is_thread() || self.thread_metadata != Told::Absent;
        let thread = is_thread.then(|| {
            let metadata = match self.thread_metadata {
                Told::As(metadata) => metadata,
                Told::Absent => ThreadMetadata::default(),
                Told::Odd => ThreadMetadata {
                    archived: Told::Odd,
                    archive_timestamp: Told::Odd,
                },
            };
            let archived_at = metadata
                .archive_timestamp
                .required(Field::ArchiveTimestamp, &mut unread);
            model::Thread {
                owner_id: self.owner_id.optional(Field::Owner, &mut unread),
                archived: metadata.archived.required(Field::Archived, &mut unread),
                archive_timestamp: archived_at.map(|Time(at)| at),
            }
        });
        model::Channel {
            id: self.id,
            guild_id,
            kind,
            name: self.name.required(Field::Name, &mut unread),
            parent_id: self.parent_id.optional(Field::Parent, &mut unread),
            position: self.position.optional(Field::Position, &mut unread),
            // An unreadable field must not make a channel public.
            nsfw: self.nsfw.optional_or(true, Field::Nsfw, &mut unread),
            overwrites: overwrites(self.permission_overwrites, guild_id, &mut unread),
            thread,
            unread,
        }
    }
}

/// Returns a channel's overwrites, sorted.
/// If unreadable, hides the channel from everyone until they are known.
fn overwrites(
    told: Told<Vec<Overwrite>>,
    guild_id: GuildId,
    unread: &mut Unread,
) -> Vec<model::Overwrite> {
    let hidden = Overwrite {
        kind: OverwriteKind::Role,
        id: RoleId(guild_id.0),
        allow: Bits(0),
        deny: Bits(u64::MAX),
    };
    let list = told.optional_or(vec![hidden], Field::Overwrites, unread);
    let mut overwrites: Vec<_> = list
        .into_iter()
        .map(|overwrite| model::Overwrite {
            kind: overwrite.kind,
            id: overwrite.id.0,
            allow: overwrite.allow.0,
            deny: overwrite.deny.0,
        })
        .collect();
    overwrites.sort_unstable();
    overwrites
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use propsbot_model::Millis;

    const GUILD: GuildId = GuildId(1);

    #[test]
    fn hides_a_channel_with_unreadable_overwrites() {
        let read = |overwrites: Value| {
            let channel = json!({
                "id": "2", "type": 0, "name": "x", "parent_id": null, "position": "odd",
                "permission_overwrites": overwrites,
            });
            let channel = serde_json::from_value::<Channel>(channel).unwrap();
            channel.into_record(GUILD).overwrites
        };
        let hidden = |overwrites: Vec<model::Overwrite>| {
            (overwrites[0].id, overwrites[0].deny) == (GUILD.0, u64::MAX)
        };
        assert_eq!(read(json!([])), []);
        assert!(hidden(read(Value::Null)));
        let fine = read(json!([{"id": "9", "type": 1, "allow": "1024", "deny": "0"}]));
        assert_eq!((fine[0].kind, fine[0].allow), (OverwriteKind::Member, 1024));
        let odd = read(json!([{"id": "9", "type": 1, "allow": "many", "deny": "0"}]));
        assert!(hidden(odd));
        assert!(hidden(read(
            json!([{"id": "9", "type": 7, "allow": "0", "deny": "0"}])
        )));
    }

    #[test]
    fn a_thread_has_its_archive_timestamp() {
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
    fn recognises_a_thread_of_an_unknown_type() {
        let read = |channel: Value| {
            let channel = serde_json::from_value::<Channel>(channel).unwrap();
            channel.into_record(GUILD)
        };
        let thread = json!({"id": "2", "type": 21, "name": "t", "thread_metadata": {
            "archived": false, "archive_timestamp": "2016-04-30T11:18:25+00:00"}});
        assert!(read(thread).is_thread());
        assert!(!read(json!({"id": "2", "type": 21, "name": "c"})).is_thread());
        let odd = read(json!({"id": "2", "type": 11, "name": "t", "thread_metadata": 7}));
        let unread = [Field::Archived, Field::ArchiveTimestamp];
        assert!(unread.iter().all(|field| odd.unread.has(*field)), "{odd:?}");
    }

    #[test]
    fn reads_a_guild_with_odd_parts() {
        let guild = json!({
            "id": 1, "name": null, "owner_id": "7",
            "roles": [{"id": "1", "name": 3, "managed": null}, {"id": []}],
            "emojis": [{"id": "8", "name": null, "animated": null}, {"id": null}],
            "channels": [{"id": "2", "type": "0"}, {"id": "3", "type": null}],
        });
        let guild = serde_json::from_value::<Guild>(guild).unwrap();
        assert_eq!((guild.roles.items.len(), guild.roles.all_named), (1, false));
        assert_eq!((guild.emojis.items.len(), guild.emojis.len), (1, 2));
        let kinds = guild.channels.items.into_iter();
        let kinds: Vec<_> = kinds
            .map(|channel| channel.into_record(GUILD).kind)
            .collect();
        assert_eq!(kinds, [ChannelKind::TEXT, ChannelKind::UNKNOWN]);
        assert_eq!((guild.threads.len, guild.threads.all_named), (0, false));
    }
}
