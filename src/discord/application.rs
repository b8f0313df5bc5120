//! Reads the bot's application: its privileged intents, and who may add it.

use serde::Deserialize;

use super::wire::{self, Number, Told};

/// Flags for the Guild Members intent: approved, or in fewer than 100 guilds. Source:
/// <https://discord.com/developers/docs/resources/application#application-object-application-flags>.
const MEMBERS: u64 = 1 << 14 | 1 << 15;

/// The same for the Message Content intent.
const MESSAGE_CONTENT: u64 = 1 << 18 | 1 << 19;

/// The bot's privileged intents, and who may add it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    pub message_content: bool,
    pub members: bool,
    /// Whether anyone may add the bot to their guild.
    pub is_public: bool,
}

#[derive(Deserialize)]
pub(super) struct OfFlags {
    #[serde(default)]
    flags: Told<Number>,
    #[serde(default, deserialize_with = "wire::lenient")]
    bot_public: bool,
}

impl OfFlags {
    /// Returns the application; `None` if Discord omits the flags.
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
