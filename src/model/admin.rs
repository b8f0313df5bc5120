//! The log of admin actions, and the registered commands.

use serde::{Deserialize, Serialize};

use super::{GuildId, InteractionId, Millis, UserId};

/// How many of the latest actions are kept per guild.
pub const KEPT_ACTIONS: usize = 500;

/// An admin's action. Never exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminAction {
    pub guild_id: GuildId,
    /// The id of the command's run.
    pub id: InteractionId,
    pub at: Millis,
    pub by: UserId,
    /// What changed, in words, with Discord's mention syntax.
    pub what: String,
}

/// The commands that Discord has registered for an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub application: UserId,
    /// A digest of the commands as sent.
    pub digest: String,
}
