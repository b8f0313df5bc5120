//! Messages.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::{
    ChannelId, Field, Fields as _, GuildId, InteractionId, MessageId, Millis, Stamp, Unread,
    UserId, read_answer, unread::fields,
};

/// A message's type. Source:
/// <https://discord.com/developers/docs/resources/message#message-object-message-types>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageKind(pub u8);

impl MessageKind {
    pub const DEFAULT: Self = Self(0);
    /// Discord's system message about a thread started from an older message.
    pub const THREAD_CREATED: Self = Self(18);
    /// The type couldn't be read.
    pub const UNKNOWN: Self = Self(u8::MAX);
    /// A reply to another message.
    pub const REPLY: Self = Self(19);
    /// The first response to a slash command.
    pub const CHAT_INPUT_COMMAND: Self = Self(20);
    /// The first response to a user or message command.
    pub const CONTEXT_MENU_COMMAND: Self = Self(23);

    /// Whether it is the first response to a command. Later ones are replies.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::CHAT_INPUT_COMMAND | Self::CONTEXT_MENU_COMMAND)
    }

    /// Whether a person wrote it, rather than Discord or a command.
    pub fn is_written(self) -> bool {
        matches!(self, Self::DEFAULT | Self::REPLY)
    }

    pub fn is_command_answer(self) -> bool {
        matches!(self, Self::CHAT_INPUT_COMMAND | Self::CONTEXT_MENU_COMMAND)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    User,
    Bot,
    /// A webhook, which is no user.
    Webhook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The user's id; for a webhook, the webhook's.
    pub id: UserId,
    pub kind: AuthorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mention {
    pub user_id: UserId,
    /// Number of mentions in the text; 0 if only the reply pings them.
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Command {
    pub id: InteractionId,
    pub user_id: UserId,
    /// The command's name, if Discord still gives it.
    pub name: Option<String>,
}

/// A message as last seen.
///
/// Source: <https://discord.com/developers/docs/resources/message#message-object>. Attachments and
/// embeds are omitted: their URLs expire, and no plugin reads them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    pub guild_id: GuildId,
    pub author: Author,
    pub kind: MessageKind,
    pub content: String,
    /// Sorted by user.
    pub mentions: Vec<Mention>,
    pub reply_to: Option<MessageId>,
    pub command: Option<Command>,
    /// Time of the last edit.
    pub edited_at: Option<Millis>,
    /// Whether it has a `webhook_id` although its author isn't a webhook, as command responses do.
    /// `None` if it isn't a response, or the store predates this field.
    #[serde(default)]
    pub by_webhook: Option<bool>,
    /// Fields that couldn't be read when last seen, including a text that must exist but is empty.
    #[serde(default)]
    pub unread: Unread,
    /// Mentions first seen in versions before the latest edit, by user. Other mentions date from
    /// the latest edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierMention>,
}

/// A mention from an earlier version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EarlierMention {
    pub user_id: UserId,
    /// When the first version known to mention them was written: at posting or at an edit.
    pub at: Millis,
}

fields!(
    Message: Author => author, Kind => kind, Content => content, Mentions => mentions,
    ReplyTo => reply_to, Command => command, EditedAt => edited_at,
);

impl Message {
    /// Whether its text exists but is unknown: withheld by Discord or unreadable.
    pub fn text_is_missing(&self) -> bool {
        self.unread.has(Field::Content)
    }

    /// Treats the text as complete.
    pub fn has_no_text(&mut self) {
        self.unread.forget(Field::Content);
        self.unread.forget(Field::Mentions);
    }

    /// The malformed fields, except a withheld text.
    pub fn odd(&self) -> Unread {
        let mut odd = self.unread.odd();
        if self.content.is_empty() {
            odd.forget(Field::Content);
            odd.forget(Field::Mentions);
        }
        odd
    }

    /// Fills the fields that couldn't be read at `at` from another sighting. Also fills an empty
    /// text of the same edit, because Discord withheld it.
    pub(super) fn complete(&mut self, at: Stamp, other: &Self, other_at: Stamp) {
        let was_missing = self.text_is_missing();
        self.fill(at, other, other_at);
        // An edit has one text: if one sighting has it, Discord withheld it from the other.
        if self.content.is_empty() && self.edited_at == other.edited_at && !other.content.is_empty()
        {
            self.content.clone_from(&other.content);
            self.mentions.clone_from(&other.mentions);
            self.has_no_text();
        }
        if was_missing && !other.text_is_missing() {
            if other.edited_at == self.edited_at {
                // The same edit, so the known text is current.
                self.has_no_text();
            } else {
                self.unread.stands(Field::Content, other_at);
            }
        }
    }

    fn written_at(&self) -> Millis {
        self.edited_at.unwrap_or_else(|| self.id.created_at())
    }

    /// Each mentioned user with the time of the first known version that mentions them.
    pub(super) fn first_mentions(&self) -> BTreeMap<UserId, Millis> {
        let earlier = self
            .earlier
            .iter()
            .map(|mention| (mention.user_id, mention.at));
        let mut first: BTreeMap<UserId, Millis> = earlier.collect();
        for mention in &self.mentions {
            let at = first.entry(mention.user_id).or_insert(Millis(i64::MAX));
            *at = self.written_at().min(*at);
        }
        first
    }

    /// Stores the mentions whose time doesn't follow from the message itself.
    pub(super) fn remember(&mut self, first: BTreeMap<UserId, Millis>) {
        let written = self.written_at();
        let is_told = |user: UserId, at: Millis| {
            at >= written && self.mentions.iter().any(|mention| mention.user_id == user)
        };
        self.earlier = first
            .into_iter()
            .filter(|(user, at)| !is_told(*user, *at))
            .map(|(user_id, at)| EarlierMention { user_id, at })
            .collect();
    }

    /// The edit time, taken from the other sighting if unreadable in this one.
    pub(super) fn edited(&self, other: &Self) -> Option<Millis> {
        if self.unread.never_read(Field::EditedAt) {
            other.edited_at
        } else {
            self.edited_at
        }
    }

    /// The author, or the giver if it is one of our props messages. `None` for webhooks.
    pub fn speaker(&self) -> Option<UserId> {
        match self.author.kind {
            AuthorKind::User => Some(self.author.id),
            AuthorKind::Webhook => None,
            AuthorKind::Bot => {
                let told = self.command.as_ref().map(|command| command.user_id);
                told.or_else(|| Some(read_answer(&self.content)?.giver))
            }
        }
    }
}
