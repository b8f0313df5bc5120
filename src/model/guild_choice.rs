//! What was decided of a guild where the operator names none.

use serde::{Deserialize, Serialize};

use super::GuildId;

/// Whether a guild is mirrored where the operator names none. Never exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildChoice {
    /// The guild.
    pub guild_id: GuildId,
    /// Its place among those that are mirrored, from 0; `None`: its data was deleted on request, and it
    /// is not mirrored unless it is named.
    pub place: Option<u32>,
}
