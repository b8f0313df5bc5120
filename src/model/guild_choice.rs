//! Which guilds are mirrored if the operator doesn't name them.

use serde::{Deserialize, Serialize};

use super::GuildId;

/// Whether a guild is mirrored if the operator doesn't name it. Never exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildChoice {
    pub guild_id: GuildId,
    /// Its position among the mirrored guilds, from 0. `None` if its data was deleted on request:
    /// then it is mirrored only if the operator names it, or an admin switches its mirror on.
    pub place: Option<u32>,
    /// An admin switched its mirror off. Its data stays.
    #[serde(default)]
    pub is_off: bool,
}
