//! Actions on messages and reactions. Each changes the guild and dispatches Discord's event for it.

use serde_json::{Value, json};

use super::guild::Channel;
use super::message::{
    Emoji, Extras, Message, Reaction, Reference, mentioned, mentioned_roles, message_type,
};
use super::permissions::may_open;
use super::sessions::{Event, Recipient, intent};
use super::state::{Presence, State};
use super::wire::{EmojiObject, Id, MemberObject, MessageObject, View, tree};

/// A message to be posted.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub author: u64,
    pub channel: u64,
    pub content: String,
    /// The type; a plain message with a reference becomes a reply.
    pub kind: u8,
    pub flags: u32,
    /// The message replied to, in the same channel.
    pub reply_to: Option<u64>,
    /// Users it mentions; by default, those in the text and the author replied to.
    pub mentions: Option<Vec<u64>>,
    /// Whether it pings everyone.
    pub mention_everyone: bool,
    /// Rarely used parts.
    pub extras: Option<Extras>,
}

impl Draft {
    /// A plain message.
    pub fn new(author: u64, channel: u64, content: impl Into<String>) -> Self {
        Self {
            author,
            channel,
            content: content.into(),
            ..Self::default()
        }
    }
}

impl State {
    pub(crate) fn channel(&self, id: u64) -> Option<&Channel> {
        self.guild.channels.get(&id)
    }

    /// Whether the bot receives a channel's events.
    pub(crate) fn hears(&self, channel: u64) -> bool {
        self.presence == Presence::Here
            && self
                .channel(channel)
                .is_some_and(|c| may_open(&self.guild, self.guild.bot, c))
    }

    pub(crate) fn dispatch(&mut self, name: &str, intents: u64, data: &Value) {
        if self.presence == Presence::Here {
            self.tell(Event::new(name, intents, data));
        }
    }

    /// Sends an event to all sessions that asked for it, with mutations applied.
    fn tell(&mut self, mut event: Event) {
        let mutated = self
            .faults
            .mutations
            .apply(&event.name, event.data.into_bytes());
        event.data = String::from_utf8(mutated).expect("both texts are UTF-8");
        event.to = Recipient::Guild(self.guild.id);
        self.sessions.dispatch(event);
    }

    /// The message of a draft, without posting it.
    pub(crate) fn compose(&mut self, draft: Draft) -> Message {
        let id = self.guild.clock.next_id();
        let mut message = Message::new(id, draft.channel, draft.author, draft.content);
        message.kind = draft.kind;
        message.flags = draft.flags;
        message.mention_everyone = draft.mention_everyone;
        message.extras = draft.extras.map(Box::new);
        if let Some(to) = draft.reply_to {
            message.kind = if draft.kind == 0 {
                message_type::REPLY
            } else {
                draft.kind
            };
            message.reference = Some(Reference {
                kind: 0,
                channel: draft.channel,
                message: Some(to),
            });
        }
        let replied = draft
            .reply_to
            .and_then(|to| self.guild.message(draft.channel, to))
            .map(|m| m.author);
        message.mentions = draft.mentions.unwrap_or_else(|| {
            let mut mentions = mentioned(&message.content);
            mentions.extend(replied.filter(|author| !mentions.contains(author)));
            mentions
        });
        message
            .mentions
            .retain(|id| self.guild.users.contains_key(id));
        let roles: Vec<u64> = mentioned_roles(&message.content)
            .into_iter()
            .filter(|id| self.guild.roles.contains_key(id))
            .collect();
        if !roles.is_empty() {
            message.extras.get_or_insert_default().mention_roles = roles;
        }
        message
    }

    /// Posts a message; an archived thread is unarchived.
    pub(crate) fn post(&mut self, draft: Draft) -> u64 {
        let (channel, author) = (draft.channel, draft.author);
        let message = self.compose(draft);
        let id = message.id;
        let now = self.guild.clock.now();
        if let Some(thread) = self
            .guild
            .channels
            .get_mut(&channel)
            .and_then(|c| c.thread.as_mut())
        {
            thread.members.entry(author).or_insert(now);
            if thread.archived {
                self.archive(channel, false);
            }
        }
        self.guild.insert_message(message);
        self.announce("MESSAGE_CREATE", channel, id);
        id
    }

    /// Dispatches `MESSAGE_CREATE` or `MESSAGE_UPDATE` with the whole message.
    pub(crate) fn announce(&mut self, name: &str, channel: u64, id: u64) {
        if !self.hears(channel) {
            return;
        }
        let Some(message) = self.guild.message(channel, id) else {
            return;
        };
        let render = |content| {
            let object = MessageObject {
                guild: &self.guild,
                message,
                view: View::event(content),
            };
            serde_json::to_string(&object).expect("messages are plain JSON")
        };
        let event = Event {
            name: name.to_owned(),
            intents: intent::GUILD_MESSAGES,
            data: render(self.content()),
            bare: Some(render(false)),
            to: Recipient::Guild(self.guild.id),
        };
        self.tell(event);
    }

    /// Edits a message's text. False if it doesn't exist.
    pub(crate) fn edit(&mut self, channel: u64, id: u64, content: &str) -> bool {
        let now = self.guild.clock.now();
        self.guild.clock.tick(1);
        let replied = self
            .guild
            .message(channel, id)
            .and_then(|m| m.reference)
            .filter(|r| r.kind == 0);
        let replied = replied
            .and_then(|r| self.guild.message(r.channel, r.message?))
            .map(|m| m.author);
        let known: Vec<u64> = mentioned(content)
            .into_iter()
            .filter(|id| self.guild.users.contains_key(id))
            .collect();
        let Some(message) = self.guild.message_mut(channel, id) else {
            return false;
        };
        let pinged =
            replied.filter(|author| message.mentions.contains(author) && !known.contains(author));
        message.mentions = known.into_iter().chain(pinged).collect();
        content.clone_into(&mut message.content);
        message.edited = Some(now);
        self.announce("MESSAGE_UPDATE", channel, id);
        true
    }

    /// Deletes a message. False if it doesn't exist.
    pub(crate) fn delete(&mut self, channel: u64, id: u64) -> bool {
        let removed = self
            .guild
            .channels
            .get_mut(&channel)
            .and_then(|c| c.messages.remove(&id))
            .is_some();
        if removed && self.hears(channel) {
            let data =
                json!({"id": Id(id), "channel_id": Id(channel), "guild_id": Id(self.guild.id)});
            self.dispatch("MESSAGE_DELETE", intent::GUILD_MESSAGES, &data);
        }
        removed
    }

    pub(crate) fn delete_bulk(&mut self, channel: u64, ids: &[u64]) {
        let Some(messages) = self
            .guild
            .channels
            .get_mut(&channel)
            .map(|c| &mut c.messages)
        else {
            return;
        };
        let removed: Vec<Id> = ids
            .iter()
            .filter(|id| messages.remove(id).is_some())
            .copied()
            .map(Id)
            .collect();
        if !removed.is_empty() && self.hears(channel) {
            let data =
                json!({"ids": removed, "channel_id": Id(channel), "guild_id": Id(self.guild.id)});
            self.dispatch("MESSAGE_DELETE_BULK", intent::GUILD_MESSAGES, &data);
        }
    }

    fn reaction(&self, channel: u64, message: u64) -> Value {
        json!({"channel_id": Id(channel), "message_id": Id(message), "guild_id": Id(self.guild.id)})
    }

    fn dispatch_reaction(&mut self, name: &str, channel: u64, data: &Value) {
        if self.hears(channel) {
            self.dispatch(name, intent::GUILD_MESSAGE_REACTIONS, data);
        }
    }

    /// Adds a reaction. False if the message doesn't exist or has it already.
    pub(crate) fn react(
        &mut self,
        user: u64,
        channel: u64,
        id: u64,
        emoji: &Emoji,
        burst: bool,
    ) -> bool {
        let Some(message) = self.guild.message_mut(channel, id) else {
            return false;
        };
        let author = message.author;
        if !message.react(user, emoji.clone(), burst) {
            return false;
        }
        self.guild.clock.tick(1);
        let mut data = self.reaction(channel, id);
        data["user_id"] = tree(Id(user));
        data["message_author_id"] = tree(Id(author));
        data["emoji"] = tree(EmojiObject(emoji));
        data["burst"] = burst.into();
        data["type"] = u8::from(burst).into();
        if burst {
            data["burst_colors"] = json!(["#f9af40"]);
        }
        if let Some(member) = self.guild.members.get(&user) {
            data["member"] = tree(MemberObject {
                member,
                user: self.guild.users.get(&user),
            });
        }
        self.dispatch_reaction("MESSAGE_REACTION_ADD", channel, &data);
        true
    }

    /// Removes a reaction. False if it doesn't exist.
    pub(crate) fn unreact(
        &mut self,
        user: u64,
        channel: u64,
        id: u64,
        emoji: &Emoji,
        burst: bool,
    ) -> bool {
        let Some(message) = self.guild.message_mut(channel, id) else {
            return false;
        };
        if !message.unreact(user, emoji, burst) {
            return false;
        }
        let mut data = self.reaction(channel, id);
        data["user_id"] = tree(Id(user));
        data["emoji"] = tree(EmojiObject(emoji));
        data["burst"] = burst.into();
        data["type"] = u8::from(burst).into();
        self.dispatch_reaction("MESSAGE_REACTION_REMOVE", channel, &data);
        true
    }

    /// Removes all reactions of a message.
    pub(crate) fn clear_reactions(&mut self, channel: u64, id: u64) -> bool {
        let Some(message) = self.guild.message_mut(channel, id) else {
            return false;
        };
        message.reactions.clear();
        let data = self.reaction(channel, id);
        self.dispatch_reaction("MESSAGE_REACTION_REMOVE_ALL", channel, &data);
        true
    }

    /// Removes all reactions with one emoji.
    pub(crate) fn clear_emoji(&mut self, channel: u64, id: u64, emoji: &Emoji) -> bool {
        let Some(message) = self.guild.message_mut(channel, id) else {
            return false;
        };
        let before = message.reactions.len();
        message
            .reactions
            .retain(|reaction: &Reaction| !reaction.emoji.same(emoji));
        if message.reactions.len() == before {
            return false;
        }
        let mut data = self.reaction(channel, id);
        data["emoji"] = tree(EmojiObject(emoji));
        self.dispatch_reaction("MESSAGE_REACTION_REMOVE_EMOJI", channel, &data);
        true
    }
}
