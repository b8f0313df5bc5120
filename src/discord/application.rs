//! What the developer portal lets the bot see, and who may add it.

use serde::Deserialize;

use super::wire::{self, Number, Told};

/// The flags that tell that the Guild Members intent is on: verified, or in a small bot. Source:
/// <https://discord.com/developers/docs/resources/application#application-object-application-flags>.
const MEMBERS: u64 = 1 << 14 | 1 << 15;

/// The same of the Message Content intent.
const MESSAGE_CONTENT: u64 = 1 << 18 | 1 << 19;

/// The bot's application: its privileged intents, and who may add it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// Whether it is given the texts of messages.
    pub message_content: bool,
    /// Whether it may list members.
    pub members: bool,
    /// Whether anybody may add the bot to a guild of theirs.
    pub is_public: bool,
}

/// The application as Discord tells it.
#[derive(Deserialize)]
pub(super) struct OfFlags {
    #[serde(default)]
    flags: Told<Number>,
    #[serde(default, deserialize_with = "wire::lenient")]
    bot_public: bool,
}

impl OfFlags {
    /// The intents; `None` where the flags are not told.
    pub(super) fn application(self) -> Option<Application> {
        let Told::As(Number(flags)) = self.flags else {
            return None;
        };
        Some(Application {
            message_content: flags & MESSAGE_CONTENT != 0,
            members: flags & MEMBERS != 0,
            is_public: self.bot_public,
        })
    }
}
