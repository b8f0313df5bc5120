//! What the developer portal lets the bot see.

use serde::Deserialize;

use super::wire::{Number, Told};

/// The flags that tell that the Guild Members intent is on: verified, or in a small bot. Source:
/// <https://discord.com/developers/docs/resources/application#application-object-application-flags>.
const MEMBERS: u64 = 1 << 14 | 1 << 15;

/// The same of the Message Content intent.
const MESSAGE_CONTENT: u64 = 1 << 18 | 1 << 19;

/// The privileged intents of the bot's application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// Whether it is given the texts of messages.
    pub message_content: bool,
    /// Whether it may list members.
    pub members: bool,
}

/// The application as Discord tells it.
#[derive(Deserialize)]
pub(super) struct OfFlags {
    #[serde(default)]
    flags: Told<Number>,
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
        })
    }
}
