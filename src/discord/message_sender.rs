//! What the bot itself says in channels: the few messages that are no answers, and reactions.
//!
//! Owns how they are sent, within Discord's limits: who says many things in one channel waits.
//! Refuses to know what is said, and why.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Rest, RestError, Route};
use propsbot_model::{ChannelId, Emoji, InteractionId, MessageId, UserId};

/// Discord's code for "Unknown Message".
const UNKNOWN_MESSAGE: u64 = 10_008;

/// The bot's voice. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MessageSender {
    rest: Rest,
}

#[derive(Deserialize)]
struct Posted {
    id: MessageId,
}

impl MessageSender {
    /// Speaks over this client.
    pub fn new(rest: Rest) -> Self {
        Self { rest }
    }

    /// How long nothing can be said, because Discord wants a pause of all requests.
    pub fn paused(&self) -> Option<Duration> {
        self.rest.paused()
    }

    /// Posts a text that pings these users, and nobody else. The same `once` posts it once, even if
    /// it is sent again since an answer was lost: Discord remembers it for some minutes. Source:
    /// <https://discord.com/developers/docs/resources/message#create-message> (`enforce_nonce`).
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

    /// Deletes a message of the bot's own; one that is not there is deleted.
    pub async fn delete(&self, channel: ChannelId, message: MessageId) -> Result<(), RestError> {
        match self.rest.delete(&Route::Message(channel, message)).await {
            Err(RestError::NotFound { code, .. }) if code == UNKNOWN_MESSAGE => Ok(()),
            answer => answer,
        }
    }

    /// Adds the bot's reaction to a message; again changes nothing.
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
