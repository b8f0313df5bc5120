//! Sends the bot's messages that aren't answers to interactions, and its reactions.
//!
//! Keeps Discord's limits; callers decide what to send.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Rest, RestError, Route};
use propsbot_model::{ChannelId, Emoji, InteractionId, MessageId, UserId};

/// Discord's code for "Unknown Message".
const UNKNOWN_MESSAGE: u64 = 10_008;

/// Posts messages and reactions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MessageSender {
    rest: Rest,
}

#[derive(Deserialize)]
struct Posted {
    id: MessageId,
}

impl MessageSender {
    pub fn new(rest: Rest) -> Self {
        Self { rest }
    }

    /// Returns how long Discord wants no requests at all, if it does.
    pub fn paused(&self) -> Option<Duration> {
        self.rest.paused()
    }

    /// Posts a text that pings only these users.
    /// Repeating it with the same `once` posts nothing new for some minutes, so a lost answer is
    /// harmless. Source: <https://discord.com/developers/docs/resources/message#create-message>
    /// (`enforce_nonce`).
    pub async fn post(
        &self,
        channel: ChannelId,
        text: &str,
        pinged: &[UserId],
        once: InteractionId,
    ) -> Result<MessageId, RestError> {
        let pinged: Vec<String> = pinged.iter().map(ToString::to_string).collect();
        let body = json!({
            "content": text,
            "allowed_mentions": {"parse": [], "users": pinged},
            "nonce": once.to_string(),
            "enforce_nonce": true,
        });
        let body = body.to_string().into_bytes();
        let read = |json: &[u8]| serde_json::from_slice::<Posted>(json);
        let posted = self.rest.post(&Route::Post(channel), body, read).await?;
        Ok(posted.id)
    }

    /// Replaces the text of one of the bot's messages. Of those whom it names, Discord takes these for
    /// mentioned, without pinging them. Idempotent.
    pub async fn change(
        &self,
        channel: ChannelId,
        message: MessageId,
        text: &str,
        mentioned: &[UserId],
    ) -> Result<(), RestError> {
        let mentioned: Vec<String> = mentioned.iter().map(ToString::to_string).collect();
        let body = json!({
            "content": text,
            "allowed_mentions": {"parse": [], "users": mentioned},
        });
        let route = Route::Message(channel, message);
        self.rest.patch(&route, body.to_string().into_bytes()).await
    }

    /// Deletes one of the bot's messages; succeeds if it is already gone.
    pub async fn delete(&self, channel: ChannelId, message: MessageId) -> Result<(), RestError> {
        match self.rest.delete(&Route::Message(channel, message)).await {
            Err(RestError::NotFound { code, .. }) if code == UNKNOWN_MESSAGE => Ok(()),
            answer => answer,
        }
    }

    /// Adds the bot's reaction to a message. Idempotent.
    pub async fn react(
        &self,
        channel: ChannelId,
        message: MessageId,
        emoji: &Emoji,
    ) -> Result<(), RestError> {
        let route = Route::OwnReaction {
            channel,
            message,
            emoji,
        };
        self.rest.touch(&route).await
    }
}
