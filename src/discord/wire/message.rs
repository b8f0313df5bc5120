use serde::Deserialize;

use super::{
    Emoji, Membership, User,
    field::{Each, Filled, Number, Small, Time, Told, lenient},
};
use propsbot_model::{
    self as model, Author, AuthorKind, ChannelId, Command, Field, GuildId, InteractionId, Mention,
    MessageId, MessageKind, PagedMessage, ReactionCount, Unread, UserId,
};

/// Flag of a message that only one member sees. Source:
/// <https://discord.com/developers/docs/resources/message#message-object-message-flags>.
const EPHEMERAL: u64 = 1 << 6;

/// Flag of a message with a thread, which has the message's id. Source: as above.
const HAS_THREAD: u64 = 1 << 5;

/// Flag of a deferred answer, which has no content yet.
const LOADING: u64 = 1 << 7;

/// Reference type of a reply or a command's target, unlike a forwarded message. Source:
/// <https://discord.com/developers/docs/resources/message#message-reference-types>.
const REFERENCE_DEFAULT: u64 = 0;

/// A message. Source: <https://discord.com/developers/docs/resources/message#message-object>.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    /// The message that it answers, if that still exists.
    #[serde(rename = "referenced_message", default, deserialize_with = "lenient")]
    pub(crate) replied: Option<Quoted>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) channel_id: Option<ChannelId>,
    pub(crate) author: User,
    #[serde(rename = "type", default)]
    pub(crate) kind: Told<Small>,
    #[serde(default)]
    pub(crate) content: Told<Option<String>>,
    #[serde(default = "Each::untold")]
    pub(crate) mentions: Each<User>,
    #[serde(rename = "message_reference", default)]
    pub(crate) reference: Told<Option<Reference>>,
    #[serde(default)]
    pub(crate) interaction_metadata: Told<Option<Interaction>>,
    /// The predecessor of `interaction_metadata`; only it has the command's name.
    #[serde(default)]
    pub(crate) interaction: Told<Option<Interaction>>,
    #[serde(default)]
    pub(crate) webhook_id: Told<Option<UserId>>,
    #[serde(default)]
    pub(crate) application_id: Told<Option<UserId>>,
    #[serde(default)]
    pub(crate) edited_timestamp: Told<Option<Time>>,
    #[serde(default)]
    pub(crate) flags: Told<Option<Number>>,
    #[serde(default)]
    pub(crate) reactions: Each<Reaction>,
    /// Content besides the text.
    #[serde(flatten)]
    pub(crate) extras: Extras,
    /// The author's membership without the user; only in gateway events.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) member: Option<Membership>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "type", default)]
    pub(crate) kind: Told<Option<Number>>,
    #[serde(default)]
    pub(crate) message_id: Told<Option<MessageId>>,
    #[serde(default)]
    pub(crate) channel_id: Told<Option<ChannelId>>,
}

#[derive(Deserialize)]
pub(crate) struct Quoted {
    author: QuotedAuthor,
}

#[derive(Deserialize)]
struct QuotedAuthor {
    id: UserId,
}

#[derive(Deserialize)]
pub(crate) struct Interaction {
    pub(crate) id: InteractionId,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
    pub(crate) user: User,
}

#[derive(Deserialize)]
pub(crate) struct Reaction {
    emoji: Emoji,
    #[serde(default)]
    count: Told<Number>,
    #[serde(default)]
    count_details: Told<Option<CountDetails>>,
}

/// All or nothing: an absent count isn't 0.
#[derive(Deserialize)]
struct CountDetails {
    normal: Number,
    burst: Number,
}

impl Message {
    /// Returns whether only one member sees it; `None` if unreadable. No list shows such messages.
    pub(crate) fn is_ephemeral(&self) -> Option<bool> {
        match self.flags {
            Told::Absent | Told::As(None) => Some(false),
            Told::As(Some(Number(flags))) => Some(flags & EPHEMERAL != 0),
            Told::Odd => None,
        }
    }

    /// Converts to a record of this channel, with the users and counts it came with.
    pub(crate) fn into_paged(self, guild_id: GuildId, channel_id: ChannelId) -> PagedMessage {
        let mut unread = Unread::default();
        let unknown = Small(MessageKind::UNKNOWN.0);
        let kind = self.kind.demanded_or(unknown, Field::Kind, &mut unread).0;
        let kind = MessageKind(kind);
        let answers_command = self.interaction_metadata.is_there() || self.interaction.is_there();
        let came_by_webhook = self.webhook_id.is_there();
        // Answers to commands use the application's own webhook.
        let is_webhook =
            !answers_command && came_by_webhook && self.webhook_id != self.application_id;
        if self.webhook_id == Told::Odd || self.application_id == Told::Odd {
            unread.add(Field::Author);
        }
        let user = model::User::from(self.author);
        if user.unread.has(Field::Bot) {
            unread.add(Field::Author);
        }
        let author = Author {
            id: user.id,
            kind: if is_webhook {
                AuthorKind::Webhook
            } else if user.bot {
                AuthorKind::Bot
            } else {
                AuthorKind::User
            },
        };
        let content = self.content.optional(Field::Content, &mut unread);
        let content = content.unwrap_or_default();
        let mentioned = self.mentions.readable(Field::Mentions, &mut unread);
        let mentions = mentions(&content, &mentioned);
        let flags = match self.flags {
            Told::As(Some(Number(flags))) => flags,
            _ => 0,
        };
        // A deferred answer has no text yet.
        let has_text = kind.is_written() || kind.is_answer() && flags & LOADING == 0;
        if content.is_empty() && has_text && !self.extras.any() {
            unread.add(Field::Content);
        }
        if unread.has(Field::Content) {
            // Mentions are counted in the text.
            unread.add(Field::Mentions);
        }
        let reference = self.reference.optional(Field::ReplyTo, &mut unread);
        let thread = if kind == MessageKind::THREAD_CREATED {
            let reference = reference.clone();
            reference.and_then(|of| of.channel_id.optional(Field::ReplyTo, &mut unread))
        } else {
            (flags & HAS_THREAD != 0).then_some(ChannelId(self.id.0))
        };
        let is_reply = |of: &Reference| match of.kind {
            Told::As(Some(Number(kind))) => kind == REFERENCE_DEFAULT,
            _ => true,
        };
        let reply_to = reference
            .filter(|of| kind == MessageKind::REPLY && is_reply(of))
            .and_then(|of| of.message_id.required(Field::ReplyTo, &mut unread));
        if unread.has(Field::Kind) {
            // Only the type shows whether it is a reply.
            unread.add_untold(Field::ReplyTo);
        }
        let command = command(self.interaction_metadata, self.interaction, &mut unread);
        let by_webhook = (!is_webhook && (kind.is_answer() || answers_command || came_by_webhook))
            .then_some(came_by_webhook);
        let edited_at = self
            .edited_timestamp
            .optional(Field::EditedAt, &mut unread)
            .map(|Time(at)| at);
        let reactions = self.reactions.readable(Field::Reactions, &mut unread);
        let mut counts = Vec::with_capacity(reactions.len());
        for reaction in reactions {
            match reaction.into_count() {
                Some(count) => counts.push(count),
                None => unread.add(Field::Reactions),
            }
        }
        PagedMessage {
            message: model::Message {
                id: self.id,
                channel_id,
                guild_id,
                author,
                kind,
                content,
                mentions,
                reply_to,
                command,
                edited_at,
                by_webhook,
                unread,
                earlier: Vec::new(),
            },
            author: (!is_webhook).then_some(user),
            mentioned: mentioned.into_iter().map(Into::into).collect(),
            counts,
            thread,
            replied: self.replied.map(|replied| replied.author.id),
        }
    }
}

/// Content of a message besides its text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Extras {
    attachments: Filled,
    embeds: Filled,
    components: Filled,
    poll: Filled,
    sticker_items: Filled,
    message_snapshots: Filled,
    activity: Filled,
}

impl Extras {
    fn any(&self) -> bool {
        let all = [
            self.attachments,
            self.embeds,
            self.components,
            self.poll,
            self.sticker_items,
            self.message_snapshots,
            self.activity,
        ];
        all.iter().any(|extra| extra.0)
    }
}

fn command(
    metadata: Told<Option<Interaction>>,
    legacy: Told<Option<Interaction>>,
    unread: &mut Unread,
) -> Option<Command> {
    let mut odd = false;
    let mut told = |of| match of {
        Told::As(of) => of,
        Told::Absent => None,
        Told::Odd => {
            odd = true;
            None
        }
    };
    let (metadata, legacy) = (told(metadata), told(legacy));
    let name = legacy.as_ref().and_then(|of| of.name.clone());
    let of = metadata.or(legacy);
    if odd && of.is_none() {
        unread.add(Field::Command);
    }
    let of = of?;
    Some(Command {
        id: of.id,
        user_id: of.user.id,
        name,
    })
}

impl Reaction {
    /// Returns the counts of an emoji; `None` if the emoji or the count is unreadable.
    fn into_count(self) -> Option<ReactionCount> {
        let details = match (self.count_details, self.count) {
            (Told::As(Some(details)), _) => details,
            (_, Told::As(normal)) => CountDetails {
                normal,
                burst: Number(0),
            },
            _ => return None,
        };
        Some(ReactionCount {
            emoji: self.emoji.into_emoji()?,
            normal: details.normal.0,
            burst: details.burst.0,
        })
    }
}

/// Returns the mentioned users, sorted, with how often the text names each.
fn mentions(content: &str, users: &[User]) -> Vec<Mention> {
    if users.is_empty() {
        return Vec::new();
    }
    // Compare as text: `<@07>` mentions no user.
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
mod tests;
