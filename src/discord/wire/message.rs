//! Messages.

use serde::Deserialize;

use super::{
    Emoji, Membership, User,
    field::{Number, each, lenient, nullable, small, time},
};
use crate::model::{
    self, Author, AuthorKind, ChannelId, Command, GuildId, InteractionId, Mention, MessageId,
    MessageKind, Millis, PagedMessage, ReactionCount, UserId,
};

/// The flag of a message that only one member sees. Source:
/// <https://discord.com/developers/docs/resources/message#message-object-message-flags>.
const EPHEMERAL: u64 = 1 << 6;

/// The flag of a message that a thread was opened on; the thread has the message's id. Source: as
/// above.
const HAS_THREAD: u64 = 1 << 5;

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
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::discord) content: String,
    #[serde(default, deserialize_with = "each")]
    pub(in crate::discord) mentions: Vec<User>,
    #[serde(rename = "message_reference", default, deserialize_with = "lenient")]
    pub(in crate::discord) reference: Option<Reference>,
    #[serde(default)]
    pub(in crate::discord) interaction_metadata: Option<Interaction>,
    /// What `interaction_metadata` replaced; it alone tells the command's name.
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) interaction: Option<Interaction>,
    #[serde(default)]
    pub(in crate::discord) webhook_id: Option<UserId>,
    #[serde(default)]
    pub(in crate::discord) application_id: Option<UserId>,
    #[serde(default, deserialize_with = "time")]
    pub(in crate::discord) edited_timestamp: Option<Millis>,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::discord) flags: Number,
    #[serde(default, deserialize_with = "nullable")]
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
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    pub(in crate::discord) kind: Number,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) message_id: Option<MessageId>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) channel_id: Option<ChannelId>,
}

#[derive(Deserialize)]
pub(in crate::discord) struct Interaction {
    pub(in crate::discord) id: InteractionId,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) name: Option<String>,
    pub(in crate::discord) user: User,
}

#[derive(Deserialize)]
pub(in crate::discord) struct Reaction {
    emoji: Emoji,
    #[serde(default, deserialize_with = "nullable")]
    count: Number,
    #[serde(default, deserialize_with = "lenient")]
    count_details: Option<CountDetails>,
}

/// Both or none: what is left out is not 0.
#[derive(Deserialize)]
struct CountDetails {
    normal: Number,
    burst: Number,
}

impl Message {
    /// Whether only one member sees it: such a message is in no list, and is nobody else's matter.
    pub(in crate::discord) fn is_ephemeral(&self) -> bool {
        self.flags.0 & EPHEMERAL != 0
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
        let thread = if kind == MessageKind::THREAD_CREATED {
            self.reference.as_ref().and_then(|it| it.channel_id)
        } else {
            (self.flags.0 & HAS_THREAD != 0).then_some(ChannelId(self.id.0))
        };
        let reply_to = self
            .reference
            .filter(|it| kind == MessageKind::REPLY && it.kind.0 == REFERENCE_DEFAULT)
            .and_then(|it| it.message_id);
        let command = command(self.interaction_metadata, self.interaction);
        let came_by_webhook = self.webhook_id.is_some();
        let by_webhook = (!is_webhook && (kind.is_answer() || answers_command || came_by_webhook))
            .then_some(came_by_webhook);
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
                by_webhook,
            },
            author: (!is_webhook).then(|| self.author.into()),
            mentioned: self.mentions.into_iter().map(Into::into).collect(),
            counts,
            thread,
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
            burst: Number(0),
        });
        Some(ReactionCount {
            emoji: self.emoji.into_emoji()?,
            normal: details.normal.0,
            burst: details.burst.0,
        })
    }
}

/// The mentioned users, sorted, each with how often the text names them.
fn mentions(content: &str, users: &[User]) -> Vec<Mention> {
    if users.is_empty() {
        return Vec::new();
    }
    // As texts: `<@07>` is nobody.
    let named: Vec<&str> = content
        .split("<@")
        .skip(1)
        .filter_map(|rest| {
            let (id, _) = rest.split_once('>')?;
            Some(id.strip_prefix('!').unwrap_or(id))
        })
        .collect();
    let times = |user: UserId| {
        let id = user.to_string();
        let count = named.iter().filter(|named| **named == id).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let mut mentions: Vec<_> = users
        .iter()
        .map(|user| Mention {
            user_id: user.id,
            count: times(user.id),
        })
        .collect();
    mentions.sort_unstable();
    mentions.dedup_by_key(|mention| mention.user_id);
    mentions
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{discord::Items, model::EmojiId};

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
            "content": "<@5> <@!5> <@6 <@&5> <@7> <@05>", "mentions": [user(9), user(5), user(5)],
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
        assert_eq!(paged.message.by_webhook, Some(true));
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
        assert_eq!((paged.author, paged.message.by_webhook), (None, None));
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
        let page = Items::<Message>::read(page.to_string().as_bytes()).unwrap();
        assert_eq!((page.unreadable, page.len), (vec![2], 3));
        let [message] = page.items.as_slice() else {
            panic!("one can be read")
        };
        assert_eq!(message.kind, 255);
    }

    #[test]
    fn odd_fields_that_have_a_default_cost_nothing_else() {
        let odd_user = json!({"id": 3, "username": null, "global_name": 7, "bot": null,
            "discriminator": [], "member": 1});
        let paged = read(json!({
            "id": 100, "channel_id": 2, "author": odd_user, "type": "0", "flags": "0",
            "content": null, "mentions": [7, user(5), {"id": []}], "message_reference": 1,
            "interaction": [], "interaction_metadata": null, "webhook_id": null,
            "edited_timestamp": 17, "member": "none",
            "reactions": [{"emoji": {"name": "🙏", "animated": null}, "count": "2",
                "count_details": []}],
        }));
        assert_eq!(
            (paged.message.id, paged.message.kind.0),
            (MessageId(100), 0)
        );
        assert_eq!(
            (paged.message.content.as_str(), paged.message.edited_at),
            ("", None)
        );
        assert_eq!(paged.message.author.kind, AuthorKind::User);
        assert_eq!(paged.author.unwrap().discriminator, None);
        assert_eq!(paged.mentioned.len(), 1);
        assert_eq!((paged.counts[0].normal, paged.counts[0].burst), (2, 0));
        let nothing = read(json!({"mentions": null, "reactions": null, "flags": null}));
        assert!(nothing.mentioned.is_empty() && nothing.counts.is_empty());
    }

    #[test]
    fn what_a_message_is_is_never_guessed() {
        for odd in [
            json!({"flags": [64]}),
            json!({"webhook_id": "odd"}),
            json!({"interaction_metadata": 7}),
            json!({"content": 7}),
            json!({"reactions": [{"emoji": {"id": [], "name": "props"}, "count": 1}]}),
        ] {
            let mut message = json!({"id": "1", "channel_id": "2", "author": user(3), "type": 0});
            let Value::Object(odd) = odd else {
                panic!("changes are an object")
            };
            message.as_object_mut().unwrap().extend(odd);
            let page = json!([message]).to_string();
            let page = Items::<Message>::read(page.as_bytes()).unwrap();
            assert_eq!(page.unreadable, [1], "{message}");
        }
    }
}
