//! What admins did, and which commands Discord was told of.

use serde::{Deserialize, Serialize};

use super::{GuildId, InteractionId, Millis, UserId};

/// How many actions of a guild's admins are remembered, the latest.
pub const KEPT_ACTIONS: usize = 500;

/// Something that an admin did. Never exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminAction {
    /// The guild.
    pub guild_id: GuildId,
    /// The command's run.
    pub id: InteractionId,
    /// When.
    pub at: Millis,
    /// Who.
    pub by: UserId,
    /// What changed, in words, mentions in Discord's spelling.
    pub what: String,
}

/// The commands that Discord knows of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The application.
    pub application: UserId,
    /// A digest of the commands as they were sent.
    pub digest: String,
}
