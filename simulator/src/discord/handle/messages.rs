//! Acting in the world: messages and reactions.

use crate::discord::Discord;
use crate::discord::act::Draft;
use crate::discord::message::Message;

impl Discord {
    /// Writes a message.
    pub fn post(&self, author: u64, channel: u64, content: &str) -> u64 {
        self.act(|state| state.post(Draft::new(author, channel, content)))
    }

    /// Adds a message that was written at that time, in milliseconds since 1970, before anybody listened.
    pub fn post_past(&self, at: i64, author: u64, channel: u64, content: &str) -> u64 {
        self.act(|state| {
            let mut message = state.compose(Draft::new(author, channel, content));
            message.id = state.guild.clock.past_id(at);
            let id = message.id;
            state.guild.insert_message(message);
            id
        })
    }

    /// Writes a message of any kind.
    pub fn post_draft(&self, draft: Draft) -> u64 {
        self.act(|state| state.post(draft))
    }

    /// Writes many messages under one lock.
    pub fn post_many(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<u64> {
        // Collected first: creating the drafts may call this Discord.
        let drafts: Vec<Draft> = drafts.into_iter().collect();
        self.act(|state| drafts.into_iter().map(|draft| state.post(draft)).collect())
    }

    /// Writes many messages with ids of the same millisecond.
    pub fn post_at_once(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<u64> {
        let drafts: Vec<Draft> = drafts.into_iter().collect();
        self.act(|state| {
            let mut ids = Vec::new();
            for draft in drafts {
                ids.push(state.post(draft));
                state.guild.clock.hold(true);
            }
            state.guild.clock.hold(false);
            ids
        })
    }

    /// Replies to a message, pinging its author.
    pub fn reply(&self, author: u64, channel: u64, to: u64, content: &str) -> u64 {
        self.act(|state| {
            state.post(Draft {
                reply_to: Some(to),
                ..Draft::new(author, channel, content)
            })
        })
    }

    /// Writes as a webhook of this name.
    pub fn post_as_webhook(&self, name: &str, channel: u64, content: &str) -> u64 {
        self.act(|state| {
            let known = state
                .guild
                .users
                .values()
                .find(|user| user.webhook && user.username == name)
                .map(|user| user.id);
            let webhook = known.unwrap_or_else(|| {
                let id = state.guild.clock.next_id();
                state.guild.add_webhook(id, name);
                id
            });
            state.post(Draft::new(webhook, channel, content))
        })
    }

    /// Changes a message's text.
    pub fn edit(&self, channel: u64, message: u64, content: &str) -> bool {
        self.act(|state| state.edit(channel, message, content))
    }

    /// Changes anything in a message and sends `MESSAGE_UPDATE`, as when an embed is resolved.
    pub fn update_message(
        &self,
        channel: u64,
        message: u64,
        change: impl FnOnce(&mut Message),
    ) -> bool {
        self.act(|state| {
            let found = state
                .guild
                .message_mut(channel, message)
                .map(change)
                .is_some();
            state.announce("MESSAGE_UPDATE", channel, message);
            found
        })
    }

    pub fn delete(&self, channel: u64, message: u64) -> bool {
        self.act(|state| state.delete(channel, message))
    }

    pub fn delete_bulk(&self, channel: u64, messages: &[u64]) {
        self.act(|state| state.delete_bulk(channel, messages));
    }

    /// Reacts with `👍` or a custom emoji's `name:id`.
    pub fn react(&self, user: u64, channel: u64, message: u64, emoji: &str, burst: bool) -> bool {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            state.react(user, channel, message, &emoji, burst)
        })
    }

    /// Removes a reaction.
    pub fn unreact(&self, user: u64, channel: u64, message: u64, emoji: &str, burst: bool) -> bool {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            state.unreact(user, channel, message, &emoji, burst)
        })
    }

    /// Removes all reactions of a message.
    pub fn clear_reactions(&self, channel: u64, message: u64) -> bool {
        self.act(|state| state.clear_reactions(channel, message))
    }

    /// Removes all reactions with one emoji.
    pub fn clear_emoji(&self, channel: u64, message: u64, emoji: &str) -> bool {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            state.clear_emoji(channel, message, &emoji)
        })
    }
}
