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
    /// An ordinary message.
    pub const DEFAULT: Self = Self(0);
    /// Discord's note that a thread was opened on an older message.
    pub const THREAD_CREATED: Self = Self(18);
    /// A type that could not be read.
    pub const UNKNOWN: Self = Self(u8::MAX);
    /// A reply to another.
    pub const REPLY: Self = Self(19);
    /// The answer to a slash command.
    pub const CHAT_INPUT_COMMAND: Self = Self(20);
    /// The answer to a user or message command.
    pub const CONTEXT_MENU_COMMAND: Self = Self(23);

    /// Whether it answers a command at once. Later answers are replies.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::CHAT_INPUT_COMMAND | Self::CONTEXT_MENU_COMMAND)
    }

    /// Whether a person wrote it, rather than Discord or a command.
    pub fn is_written(self) -> bool {
        matches!(self, Self::DEFAULT | Self::REPLY)
    }

    /// Whether it answers a command.
    pub fn is_command_answer(self) -> bool {
        matches!(self, Self::CHAT_INPUT_COMMAND | Self::CONTEXT_MENU_COMMAND)
    }
}

/// Who or what wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    /// A person.
    User,
    /// An application's user.
    Bot,
    /// A webhook: its "user" is nobody.
    Webhook,
}

/// The author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The user's id; for a webhook, the webhook's.
    pub id: UserId,
    /// What it is.
    pub kind: AuthorKind,
}

/// A user whom a message mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mention {
    /// The user.
    pub user_id: UserId,
    /// How often the text names them; 0 for somebody only pinged by a reply.
    pub count: u32,
}

/// The command that a message answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Command {
    /// The run.
    pub id: InteractionId,
    /// Who ran it.
    pub user_id: UserId,
    /// The command's name, where Discord still tells it.
    pub name: Option<String>,
}

/// A message as last seen.
///
/// Source: <https://discord.com/developers/docs/resources/message#message-object>. Attachments,
/// embeds and the like are not kept: their addresses expire and no plugin reads them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Message {
    /// Its id, which also tells when it was posted.
    pub id: MessageId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// The guild.
    pub guild_id: GuildId,
    /// Who wrote it.
    pub author: Author,
    /// Its type.
    pub kind: MessageKind,
    /// Its text.
    pub content: String,
    /// Whom it mentions, sorted by user.
    pub mentions: Vec<Mention>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The command that it answers.
    pub command: Option<Command>,
    /// When its text last changed.
    pub edited_at: Option<Millis>,
    /// Whether it came through a webhook although its author is no webhook: as answers to commands
    /// do. `None` for what answers none, and for what was stored before this was.
    #[serde(default)]
    pub by_webhook: Option<bool>,
    /// Which fields could not be read when it was last seen. A text that is not there although there
    /// must be one could not be read either.
    #[serde(default)]
    pub unread: Unread,
    /// Whom it was seen to mention before its latest edit, by user. One who is mentioned and not named
    /// here is so as of the latest edit, as far as is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierMention>,
}

/// A user whom an earlier version of a message mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EarlierMention {
    /// The user.
    pub user_id: UserId,
    /// When the first version known to mention them was written: the message's own time, or an edit's.
    pub at: Millis,
}

fields!(
    Message: Author => author, Kind => kind, Content => content, Mentions => mentions,
    ReplyTo => reply_to, Command => command, EditedAt => edited_at,
);

impl Message {
    /// Whether it has a text that we don't have: Discord kept it from us, or it could not be read.
    pub fn text_is_missing(&self) -> bool {
        self.unread.has(Field::Content)
    }

    /// Takes the text as it is: nothing is missing.
    pub fn has_no_text(&mut self) {
        self.unread.forget(Field::Content);
        self.unread.forget(Field::Mentions);
    }

    /// The fields that could not be read; a text that was kept from us is another matter.
    pub fn odd(&self) -> Unread {
        let mut odd = self.unread.odd();
        if self.content.is_empty() {
            odd.forget(Field::Content);
            odd.forget(Field::Mentions);
        }
        odd
    }

    /// Of a message seen at `at`: what could not be read of it is as in another sighting. So is its text
    /// where it shows none although it was not edited: Discord, or a missing intent, kept it from us.
    pub(super) fn complete(&mut self, at: Stamp, other: &Self, other_at: Stamp) {
        let was_missing = self.text_is_missing();
        self.fill(at, other, other_at);
        // One version has one text, whatever else it consists of: an empty one was kept from us.
        if self.content.is_empty() && self.edited_at == other.edited_at && !other.content.is_empty()
        {
            self.content.clone_from(&other.content);
            self.mentions.clone_from(&other.mentions);
            self.has_no_text();
        }
        if was_missing && !other.text_is_missing() {
            if other.edited_at == self.edited_at {
                // It is the text that it has.
                self.has_no_text();
            } else {
                self.unread.stands(Field::Content, other_at);
            }
        }
    }

    /// When the version that was seen was written.
    fn written_at(&self) -> Millis {
        self.edited_at.unwrap_or_else(|| self.id.created_at())
    }

    /// Everyone whom a version is known to mention, and when the first such version was written.
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

    /// Keeps of those what the message does not say by itself.
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

    /// When it was edited, as far as this or another sighting could read that.
    pub(super) fn edited(&self, other: &Self) -> Option<Millis> {
        if self.unread.never_read(Field::EditedAt) {
            other.edited_at
        } else {
            self.edited_at
        }
    }

    /// Whose words it has: its author's, or, where the bot says that somebody gave props, theirs.
    /// A webhook is nobody.
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
