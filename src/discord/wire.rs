//! Discord's JSON objects, as far as we read them, and what they are in our words.
//!
//! Read tolerantly: unknown fields are ignored, missing ones have a meaning, and where a field is
//! odd the object is kept without it, unless that could make something public: permissions that
//! cannot be read are taken as none. Only an object without its id is unreadable.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::model::{
    self, Author, AuthorKind, ChannelId, ChannelKind, Command, EmojiId, GuildId, InteractionId,
    Mention, MessageId, MessageKind, Millis, OverwriteKind, PagedMessage, Presence, ReactionCount,
    RoleId, UserId, wide,
};

/// The flag of a message that only one member sees. Source:
/// <https://discord.com/developers/docs/resources/message#message-object-message-flags>.
const EPHEMERAL: u64 = 1 << 6;

/// The reference of a reply or a command's target, rather than of a forwarded message. Source:
/// <https://discord.com/developers/docs/resources/message#message-reference-types>.
const REFERENCE_DEFAULT: u64 = 0;

/// A user. Source: <https://discord.com/developers/docs/resources/user#user-object>.
#[derive(Deserialize)]
pub(super) struct User {
    pub(super) id: UserId,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) global_name: Option<String>,
    #[serde(default, deserialize_with = "digits")]
    pub(super) discriminator: Option<u16>,
    #[serde(default)]
    pub(super) bot: bool,
    /// In gateway events, mentioned users carry their membership.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) member: Option<Box<Membership>>,
}

impl From<User> for model::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            global_name: user.global_name,
            discriminator: user.discriminator,
            bot: user.bot,
        }
    }
}

/// What a user is in a guild. Source:
/// <https://discord.com/developers/docs/resources/guild#guild-member-object>.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Membership {
    #[serde(deserialize_with = "lenient")]
    pub(super) nick: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) roles: Vec<RoleId>,
    #[serde(deserialize_with = "time")]
    pub(super) joined_at: Option<Millis>,
}

impl From<Membership> for Presence {
    fn from(of: Membership) -> Self {
        let mut roles = of.roles;
        roles.sort_unstable();
        Self {
            nick: of.nick,
            roles,
            joined_at: of.joined_at,
        }
    }
}

/// A member with the user it is.
#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) user: User,
    #[serde(flatten)]
    pub(super) membership: Membership,
}

/// A guild. Source: <https://discord.com/developers/docs/resources/guild#guild-object>.
#[derive(Deserialize)]
pub(super) struct Guild {
    pub(super) id: GuildId,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) owner_id: UserId,
    #[serde(default)]
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) emojis: Vec<Emoji>,
    /// Only GUILD_CREATE has them.
    #[serde(default)]
    pub(super) channels: Vec<Channel>,
    /// Only GUILD_CREATE has them.
    #[serde(default)]
    pub(super) threads: Vec<Channel>,
}

/// A role. Source: <https://discord.com/developers/docs/topics/permissions#role-object>.
#[derive(Deserialize)]
pub(super) struct Role {
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
    pub(super) fn into_record(self, guild_id: GuildId) -> model::Role {
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

/// An emoji, of the guild or in a reaction. Source:
/// <https://discord.com/developers/docs/resources/emoji#emoji-object>.
#[derive(Deserialize)]
pub(super) struct Emoji {
    #[serde(default)]
    id: Option<EmojiId>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    animated: bool,
}

impl Emoji {
    /// The emoji; nothing where Discord says neither which nor what it is.
    pub(super) fn into_emoji(self) -> Option<model::Emoji> {
        match (self.id, self.name) {
            (Some(id), name) => Some(model::Emoji::custom(id, name, self.animated)),
            (None, Some(text)) => Some(model::Emoji::unicode(text)),
            (None, None) => None,
        }
    }

    /// One of the guild's own.
    pub(super) fn into_record(self, guild_id: GuildId) -> Option<model::GuildEmoji> {
        Some(model::GuildEmoji {
            id: self.id?,
            guild_id,
            name: self.name,
            animated: self.animated,
            own: true,
        })
    }
}

/// A channel or thread. Source:
/// <https://discord.com/developers/docs/resources/channel#channel-object>.
#[derive(Deserialize)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
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
    pub(super) last_message_id: Option<MessageId>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ThreadMetadata {
    archived: bool,
    #[serde(deserialize_with = "time")]
    archive_timestamp: Option<Millis>,
}

#[derive(Deserialize)]
struct Overwrite {
    id: RoleId,
    #[serde(rename = "type")]
    kind: u8,
    allow: Bits,
    deny: Bits,
}

impl Channel {
    pub(super) fn into_record(self, guild_id: GuildId) -> model::Channel {
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

/// A message. Source: <https://discord.com/developers/docs/resources/message#message-object>.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) channel_id: ChannelId,
    pub(super) author: User,
    #[serde(rename = "type", deserialize_with = "small")]
    pub(super) kind: u8,
    #[serde(default)]
    pub(super) content: String,
    #[serde(default)]
    pub(super) mentions: Vec<User>,
    #[serde(default)]
    pub(super) message_reference: Option<Reference>,
    #[serde(default)]
    pub(super) interaction_metadata: Option<Interaction>,
    /// What `interaction_metadata` replaced; it alone tells the command's name.
    #[serde(default)]
    pub(super) interaction: Option<Interaction>,
    #[serde(default)]
    pub(super) webhook_id: Option<UserId>,
    #[serde(default)]
    pub(super) application_id: Option<UserId>,
    #[serde(default, deserialize_with = "time")]
    pub(super) edited_timestamp: Option<Millis>,
    #[serde(default)]
    pub(super) flags: u64,
    #[serde(default)]
    reactions: Vec<Reaction>,
    /// Only gateway events say it.
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
    /// Only gateway events have it: the author's membership, without the user.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) member: Option<Membership>,
}

#[derive(Deserialize)]
pub(super) struct Reference {
    #[serde(rename = "type", default)]
    pub(super) kind: u64,
    #[serde(default)]
    pub(super) message_id: Option<MessageId>,
}

#[derive(Deserialize)]
pub(super) struct Interaction {
    pub(super) id: InteractionId,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) user: User,
}

#[derive(Deserialize)]
struct Reaction {
    emoji: Emoji,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    count_details: Option<CountDetails>,
}

#[derive(Deserialize)]
struct CountDetails {
    #[serde(default)]
    normal: u64,
    #[serde(default)]
    burst: u64,
}

impl Message {
    /// Whether only one member sees it: such a message is in no list, and is nobody else's matter.
    pub(super) fn is_ephemeral(&self) -> bool {
        self.flags & EPHEMERAL != 0
    }

    /// The message, with what was told beside it.
    pub(super) fn into_paged(self, guild_id: GuildId) -> PagedMessage {
        let kind = MessageKind(self.kind);
        let answers_command = self.interaction_metadata.is_some() || self.interaction.is_some();
        // The answer to a command comes through a webhook too: the application's own.
        let is_webhook = !answers_command
            && self
                .webhook_id
                .is_some_and(|webhook| Some(webhook) != self.application_id);
        let author = Author {
            id: self.author.id,
            kind: if is_webhook {
                AuthorKind::Webhook
            } else if self.author.bot {
                AuthorKind::Bot
            } else {
                AuthorKind::User
            },
        };
        let mentions = mentions(&self.content, &self.mentions);
        let reply_to = self
            .message_reference
            .filter(|it| kind == MessageKind::REPLY && it.kind == REFERENCE_DEFAULT)
            .and_then(|it| it.message_id);
        let command = command(self.interaction_metadata, self.interaction);
        let counts = self
            .reactions
            .into_iter()
            .filter_map(Reaction::into_count)
            .collect();
        PagedMessage {
            message: model::Message {
                id: self.id,
                channel_id: self.channel_id,
                guild_id,
                author,
                kind,
                content: self.content,
                mentions,
                reply_to,
                command,
                edited_at: self.edited_timestamp,
            },
            author: (!is_webhook).then(|| self.author.into()),
            mentioned: self.mentions.into_iter().map(Into::into).collect(),
            counts,
        }
    }
}

fn command(metadata: Option<Interaction>, legacy: Option<Interaction>) -> Option<Command> {
    let name = legacy.as_ref().and_then(|it| it.name.clone());
    let of = metadata.or(legacy)?;
    Some(Command {
        id: of.id,
        user_id: of.user.id,
        name,
    })
}

impl Reaction {
    fn into_count(self) -> Option<ReactionCount> {
        let details = self.count_details.unwrap_or(CountDetails {
            normal: self.count,
            burst: 0,
        });
        Some(ReactionCount {
            emoji: self.emoji.into_emoji()?,
            normal: details.normal,
            burst: details.burst,
        })
    }
}

/// The mentioned users, sorted, each with how often the text names them.
fn mentions(content: &str, users: &[User]) -> Vec<Mention> {
    if users.is_empty() {
        return Vec::new();
    }
    let named: Vec<UserId> = content
        .split("<@")
        .skip(1)
        .filter_map(|rest| {
            let (id, _) = rest.split_once('>')?;
            id.strip_prefix('!').unwrap_or(id).parse().ok()
        })
        .collect();
    let mut mentions: Vec<_> = users
        .iter()
        .map(|user| Mention {
            user_id: user.id,
            count: u32::try_from(named.iter().filter(|id| **id == user.id).count())
                .unwrap_or(u32::MAX),
        })
        .collect();
    mentions.sort_unstable();
    mentions.dedup_by_key(|mention| mention.user_id);
    mentions
}

/// What of a message can be read when it as a whole cannot.
#[derive(Deserialize)]
struct OnlyId {
    id: MessageId,
}

/// A list of messages: those that can be read, the ids of those that cannot, and how many there
/// are, be their id readable or not.
pub(super) fn messages(json: &[u8]) -> serde_json::Result<(Vec<Message>, Vec<MessageId>, usize)> {
    // Nearly always all are fine, and reading them at once is twice as quick.
    if let Ok(all) = serde_json::from_slice::<Vec<Message>>(json) {
        let len = all.len();
        return Ok((all, Vec::new(), len));
    }
    let all = serde_json::from_slice::<Vec<&RawValue>>(json)?;
    let len = all.len();
    let mut messages = Vec::new();
    let mut unreadable = Vec::new();
    for raw in all {
        match serde_json::from_str(raw.get()) {
            Ok(message) => messages.push(message),
            Err(_) => {
                unreadable.extend(serde_json::from_str(raw.get()).map(|OnlyId { id }| id).ok());
            }
        }
    }
    Ok((messages, unreadable, len))
}

/// Reads a field, or takes it as absent where it is not what it should be.
fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Reads an ISO 8601 time; what is none is taken as absent.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Option<Millis>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an ISO 8601 time, or null")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let time = text.parse::<Timestamp>().ok();
            Ok(time.map(|time| Millis(time.as_millisecond())))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Visitor)
}

/// Reads a discriminator: `"0"`, and `"0000"` of webhooks, mean none.
fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Option<u16>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("four digits, or null")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.parse().ok().filter(|digits| *digits != 0))
        }

        fn visit_u64<E: de::Error>(self, digits: u64) -> Result<Self::Value, E> {
            Ok(u16::try_from(digits).ok().filter(|digits| *digits != 0))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Visitor)
}

/// Reads a type's number; one too large for any type we know becomes 255.
fn small<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    u64::deserialize(deserializer).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GUILD: GuildId = GuildId(1);

    fn user(id: u64) -> Value {
        json!({"id": id.to_string(), "username": format!("user{id}"), "discriminator": "0"})
    }

    /// A message as Discord sends it, with these fields changed.
    fn read(changes: Value) -> PagedMessage {
        let mut message = json!({
            "id": "100", "channel_id": "2", "author": user(3), "type": 0, "content": "hi",
            "mentions": [], "timestamp": "2024-01-01T00:00:00.000000+00:00",
            "edited_timestamp": null, "flags": 0, "unheard_of": {"a": [1]},
        });
        let Value::Object(changes) = changes else {
            panic!("changes are an object")
        };
        message.as_object_mut().unwrap().extend(changes);
        serde_json::from_value::<Message>(message)
            .unwrap()
            .into_paged(GUILD)
    }

    #[test]
    fn a_plain_message() {
        let paged = read(json!({"edited_timestamp": "2016-04-30T11:18:25.796000+00:00"}));
        assert_eq!(paged.message.author.kind, AuthorKind::User);
        assert_eq!(paged.message.edited_at, Some(Millis(1_462_015_105_796)));
        let author = paged.author.unwrap();
        assert_eq!(
            (author.username.as_str(), author.discriminator),
            ("user3", None)
        );
    }

    #[test]
    fn a_mention_is_counted_as_often_as_the_text_names_the_user() {
        let paged = read(json!({
            "content": "<@5> <@!5> <@6 <@&5> <@7>", "mentions": [user(9), user(5), user(5)],
        }));
        let mention = |id, count| Mention {
            user_id: UserId(id),
            count,
        };
        // 9 is only pinged by a reply; 7 is no user that exists.
        assert_eq!(paged.message.mentions, [mention(5, 2), mention(9, 0)]);
    }

    #[test]
    fn an_answer_to_a_command_is_the_bots_although_it_came_by_webhook() {
        let bot = json!({"id": "50", "username": "propsbot", "discriminator": "1234", "bot": true});
        let interaction = json!({"id": "77", "type": 2, "name": "props", "user": user(3)});
        let paged = read(json!({
            "type": 20, "author": bot, "webhook_id": "50", "application_id": "50",
            "interaction_metadata": {"id": "77", "type": 2, "user": user(3)},
            "interaction": interaction,
        }));
        assert_eq!(paged.message.author.kind, AuthorKind::Bot);
        assert_eq!(paged.author.unwrap().discriminator, Some(1234));
        let command = paged.message.command.unwrap();
        assert_eq!(
            (command.id, command.user_id),
            (InteractionId(77), UserId(3))
        );
        assert_eq!(command.name.as_deref(), Some("props"));
    }

    #[test]
    fn a_webhooks_author_is_no_user() {
        let paged = read(json!({"webhook_id": "60", "application_id": "50"}));
        assert_eq!(paged.message.author.kind, AuthorKind::Webhook);
        assert_eq!(paged.author, None);
    }

    #[test]
    fn only_a_reply_answers_another_message() {
        let reference = json!({"type": 0, "message_id": "99", "channel_id": "2"});
        let reply = read(json!({"type": 19, "message_reference": reference}));
        assert_eq!(reply.message.reply_to, Some(MessageId(99)));
        let pin = read(json!({"type": 6, "message_reference": reference}));
        assert_eq!(pin.message.reply_to, None);
    }

    #[test]
    fn reactions_count_normal_and_burst_apart() {
        let paged = read(json!({"reactions": [
            {"emoji": {"id": null, "name": "🙏"}, "count": 3, "count_details": {"normal": 1, "burst": 2}},
            {"emoji": {"id": "8", "name": null}, "count": 4},
            {"emoji": {"id": null, "name": null}, "count": 1},
        ]}));
        let count = |emoji, normal, burst| ReactionCount {
            emoji,
            normal,
            burst,
        };
        assert_eq!(
            paged.counts,
            [
                count(model::Emoji::unicode("🙏"), 1, 2),
                count(model::Emoji::custom(EmojiId(8), None, false), 4, 0),
            ]
        );
    }

    #[test]
    fn one_odd_message_does_not_fail_the_page() {
        let page = json!([
            {"id": "3", "channel_id": "2", "author": user(1), "type": 9999},
            {"id": "2", "channel_id": "2", "author": 7, "type": 0},
            {"id": [], "channel_id": "2"},
        ]);
        let (read, unreadable, len) = messages(page.to_string().as_bytes()).unwrap();
        assert_eq!((read.len(), unreadable, len), (1, vec![MessageId(2)], 3));
        assert_eq!(read[0].kind, 255);
    }

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
}
