//! Messages.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Emoji, Membership, User,
    field::{lenient, small, time},
};
use crate::model::{
    self, Author, AuthorKind, ChannelId, Command, GuildId, InteractionId, Mention, MessageId,
    MessageKind, Millis, PagedMessage, ReactionCount, UserId,
};

/// The flag of a message that only one member sees. Source:
/// <https://discord.com/developers/docs/resources/message#message-object-message-flags>.
const EPHEMERAL: u64 = 1 << 6;

/// The reference of a reply or a command's target, rather than of a forwarded message. Source:
/// <https://discord.com/developers/docs/resources/message#message-reference-types>.
const REFERENCE_DEFAULT: u64 = 0;

/// A message. Source: <https://discord.com/developers/docs/resources/message#message-object>.
#[derive(Deserialize)]
pub(in crate::discord) struct Message {
    pub(in crate::discord) id: MessageId,
    pub(in crate::discord) channel_id: ChannelId,
    pub(in crate::discord) author: User,
    #[serde(rename = "type", deserialize_with = "small")]
    pub(in crate::discord) kind: u8,
    #[serde(default)]
    pub(in crate::discord) content: String,
    #[serde(default)]
    pub(in crate::discord) mentions: Vec<User>,
    #[serde(rename = "message_reference", default)]
    pub(in crate::discord) reference: Option<Reference>,
    #[serde(default)]
    pub(in crate::discord) interaction_metadata: Option<Interaction>,
    /// What `interaction_metadata` replaced; it alone tells the command's name.
    #[serde(default)]
    pub(in crate::discord) interaction: Option<Interaction>,
    #[serde(default)]
    pub(in crate::discord) webhook_id: Option<UserId>,
    #[serde(default)]
    pub(in crate::discord) application_id: Option<UserId>,
    #[serde(default, deserialize_with = "time")]
    pub(in crate::discord) edited_timestamp: Option<Millis>,
    #[serde(default)]
    pub(in crate::discord) flags: u64,
    #[serde(default)]
    pub(in crate::discord) reactions: Vec<Reaction>,
    /// Only gateway events say it.
    #[serde(default)]
    pub(in crate::discord) guild_id: Option<GuildId>,
    /// Only gateway events have it: the author's membership, without the user.
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) member: Option<Membership>,
}

#[derive(Deserialize)]
pub(in crate::discord) struct Reference {
    #[serde(rename = "type", default)]
    pub(in crate::discord) kind: u64,
    #[serde(default)]
    pub(in crate::discord) message_id: Option<MessageId>,
}

#[derive(Deserialize)]
pub(in crate::discord) struct Interaction {
    pub(in crate::discord) id: InteractionId,
    #[serde(default)]
    pub(in crate::discord) name: Option<String>,
    pub(in crate::discord) user: User,
}

#[derive(Deserialize)]
pub(in crate::discord) struct Reaction {
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
    pub(in crate::discord) fn is_ephemeral(&self) -> bool {
        self.flags & EPHEMERAL != 0
    }

    /// The message, with what was told beside it.
    pub(in crate::discord) fn into_paged(self, guild_id: GuildId) -> PagedMessage {
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
            .reference
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
pub(in crate::discord) fn messages(
    json: &[u8],
) -> serde_json::Result<(Vec<Message>, Vec<MessageId>, usize)> {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::EmojiId;

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
}
