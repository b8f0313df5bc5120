//! Messages.

use serde::{Deserialize, Serialize};

use std::{collections::BTreeMap, mem};

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

    /// Of a message seen at `at`: what could not be read of it is as in another sighting.
    fn complete(&mut self, at: Stamp, other: &Self, other_at: Stamp) {
        let was_missing = self.text_is_missing();
        self.fill(at, other, other_at);
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
    fn first_mentions(&self) -> BTreeMap<UserId, Millis> {
        let earlier = self.earlier.iter().map(|it| (it.user_id, it.at));
        let mut first: BTreeMap<UserId, Millis> = earlier.collect();
        for mention in &self.mentions {
            let at = first.entry(mention.user_id).or_insert(Millis(i64::MAX));
            *at = self.written_at().min(*at);
        }
        first
    }

    /// Keeps of those what the message does not say by itself.
    fn remember(&mut self, first: BTreeMap<UserId, Millis>) {
        let written = self.written_at();
        let is_told = |user: UserId, at: Millis| {
            at >= written && self.mentions.iter().any(|it| it.user_id == user)
        };
        self.earlier = first
            .into_iter()
            .filter(|(user, at)| !is_told(*user, *at))
            .map(|(user_id, at)| EarlierMention { user_id, at })
            .collect();
    }

    /// When it was edited, as far as this or another sighting could read that.
    fn edited(&self, other: &Self) -> Option<Millis> {
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
                let told = self.command.as_ref().map(|it| it.user_id);
                told.or_else(|| Some(read_answer(&self.content)?.giver))
            }
        }
    }
}

/// What is known of a message: it, or that it was deleted.
///
/// A deletion erases what the message said. One that the gateway told is final: Discord never gives an
/// id again. One that follows from REST alone, which may show less than there is, ends with the next
/// time that the message is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// The message's id.
    pub id: MessageId,
    /// The message, or its tombstone.
    pub state: Life,
    /// When REST last showed that the message is gone, if nothing else tells so: whatever saw the
    /// message later brings it back. `None` for a tombstone that is final. A message that is back has it
    /// too: what it said before was erased, so that of it only the latest version is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<Stamp>,
}

/// A message or its tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// As last seen, and when that was.
    Alive(Stamp, Box<Message>),
    /// Deleted, and first known to be at this time.
    Deleted(Millis),
}

impl MessageState {
    /// A message that was there at `at`.
    pub fn alive(at: Stamp, message: Message) -> Self {
        Self {
            guild_id: message.guild_id,
            channel_id: message.channel_id,
            id: message.id,
            state: Life::Alive(at, Box::new(message)),
            unlisted: None,
        }
    }

    /// The message, unless it was deleted.
    pub fn message(&self) -> Option<&Message> {
        match &self.state {
            Life::Alive(_, message) => Some(message),
            Life::Deleted(_) => None,
        }
    }

    /// Adds what another observation says: a final tombstone beats all else, one of REST's all that was
    /// seen before, the latest edit wins, and between equal edits the later observation. What could not
    /// be read of the one that wins is as in the other.
    pub fn merge(&mut self, mut other: Self) {
        let wins = match (&self.state, &other.state) {
            (Life::Deleted(mine), Life::Deleted(theirs)) => match (self.unlisted, other.unlisted) {
                (None, None) => theirs < mine,
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (Some(gone), Some(gone_too)) => (gone_too, theirs) > (gone, mine),
            },
            (Life::Deleted(_), Life::Alive(at, _)) => self.unlisted.is_some_and(|gone| gone < *at),
            (Life::Alive(at, _), Life::Deleted(_)) => other.unlisted.is_none_or(|gone| gone >= *at),
            (Life::Alive(at, mine), Life::Alive(other_at, theirs)) => {
                (theirs.edited(mine), other_at, theirs) > (mine.edited(theirs), at, mine)
            }
        };
        if wins {
            mem::swap(self, &mut other);
        }
        if let Life::Alive(at, known) = &mut self.state {
            self.unlisted = self.unlisted.max(other.unlisted);
            let mut first = known.first_mentions();
            if let Life::Alive(other_at, other) = &other.state {
                for (user, at) in other.first_mentions() {
                    let known = first.entry(user).or_insert(at);
                    *known = at.min(*known);
                }
                known.complete(*at, other, *other_at);
            }
            if self.unlisted.is_some() {
                first.clear();
            }
            known.remember(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told of a message at a time: that it is there, edited as often as it was until then;
    /// that REST does not show it; or that the gateway told of its deletion.
    fn told(at: i64, what: u8) -> MessageState {
        let message = Message {
            id: MessageId(3),
            channel_id: ChannelId(2),
            guild_id: GuildId(1),
            author: Author {
                id: UserId(4),
                kind: AuthorKind::User,
            },
            kind: MessageKind::DEFAULT,
            content: format!("as of {}", at / 4),
            // Some are taken out and put in again.
            mentions: (0..3_u64)
                .filter(|user| ((at / 4) >> user) & 1 == 0)
                .map(|user| Mention {
                    user_id: UserId(user),
                    count: 1,
                })
                .collect(),
            reply_to: None,
            command: None,
            edited_at: (at >= 4).then_some(Millis(at / 4)),
            by_webhook: None,
            unread: Unread::default(),
            earlier: Vec::new(),
        };
        let seen = MessageState::alive(Stamp(at), message);
        match what {
            0..4 => seen,
            4..7 => MessageState {
                state: Life::Deleted(Stamp(at).millis()),
                unlisted: Some(Stamp(at)),
                ..seen
            },
            _ => MessageState {
                state: Life::Deleted(Stamp(at).millis()),
                ..seen
            },
        }
    }

    /// A version of a message that was posted at 0 s: written and seen then, mentioning these.
    fn version(written: i64, seen: i64, mentions: &[u64]) -> MessageState {
        let mut state = told(0, 0);
        let Life::Alive(at, message) = &mut state.state else {
            panic!("it is there");
        };
        *at = Stamp(seen);
        message.id = MessageId::at(Millis(1_700_000_000_000));
        message.edited_at = (written > 0).then_some(Millis(1_700_000_000_000 + written));
        message.mentions = mentions
            .iter()
            .map(|id| Mention {
                user_id: UserId(*id),
                count: 1,
            })
            .collect();
        state
    }

    fn merged(states: &[MessageState]) -> MessageState {
        let mut states = states.iter().cloned();
        let mut first = states.next().unwrap();
        // As a message is put into the mirror: what is new is merged with itself.
        first.merge(first.clone());
        states.fold(first, |mut known, new| {
            known.merge(new);
            known
        })
    }

    #[test]
    fn whom_earlier_versions_mentioned_is_known_in_any_order() {
        let versions = [
            version(0, 1, &[5, 6]),
            version(10, 2, &[6]),
            version(20, 3, &[5, 6, 7]),
        ];
        let earlier = |state: &MessageState| {
            let message = state.message().unwrap();
            let earlier = message.earlier.iter();
            let since = earlier.map(|it| (it.user_id.0, it.at.0 - 1_700_000_000_000));
            since.collect::<Vec<_>>()
        };
        let all = merged(&versions);
        assert_eq!(earlier(&all), [(5, 0), (6, 0)]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(
                merged(&order.map(|n| versions[n].clone())),
                all,
                "{order:?}"
            );
        }
        // Not edited, or seen only once: nothing but what the message says.
        assert_eq!(earlier(&merged(&versions[..1])), []);
        assert_eq!(earlier(&merged(&versions[2..])), []);
        assert_eq!(earlier(&merged(&versions[1..])), [(6, 10)]);

        // What was erased is not known any more.
        let gone = MessageState {
            state: Life::Deleted(Millis(1)),
            unlisted: Some(Stamp(2)),
            ..versions[0].clone()
        };
        let back = merged(&[versions[0].clone(), gone.clone(), versions[2].clone()]);
        assert_eq!(earlier(&back), []);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let states = [&versions[0], &gone, &versions[2]];
            assert_eq!(merged(&order.map(|n| states[n].clone())), back, "{order:?}");
        }
    }

    proptest! {
        /// In whatever order, and however often it is told.
        #[test]
        fn the_order_of_what_is_told_of_a_message_does_not_matter(
            facts in proptest::collection::vec((0..20i64, 0..8u8), 1..8),
            other in any::<proptest::sample::Index>(),
        ) {
            let merged = |facts: &[(i64, u8)]| {
                let mut states = facts.iter().map(|(at, what)| told(*at, *what));
                let first = states.next().unwrap();
                states.fold(first, |mut known, new| {
                    known.merge(new);
                    known
                })
            };
            let mut turned = facts.clone();
            turned.rotate_left(other.index(facts.len()));
            turned.push(facts[other.index(facts.len())]);
            turned.reverse();
            prop_assert_eq!(merged(&facts), merged(&turned));
            let last = |of: fn(u8) -> bool| {
                facts.iter().filter(|(_, what)| of(*what)).map(|(at, _)| *at).max()
            };
            let is_there = last(|what| what > 6).is_none()
                && last(|what| what < 4) > last(|what| (4..7).contains(&what));
            prop_assert_eq!(merged(&facts).message().is_some(), is_there);
        }
    }
}
