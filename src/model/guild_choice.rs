//! Which guilds are mirrored if the operator names none.

use serde::{Deserialize, Serialize};

use super::GuildId;

/// Whether a guild is mirrored if the operator names none. Never exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildChoice {
    pub guild_id: GuildId,
    /// Its place among the mirrored guilds, from 0. `None`: its data was deleted on request, so it
    /// is mirrored only if named.
    pub place: Option<u32>,
}
