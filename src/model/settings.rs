//! What a guild's admins have chosen.

use serde::{Deserialize, Serialize};

use super::{Channel, ChannelId, ChannelKind, GuildId};

/// A guild's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The guild.
    pub guild_id: GuildId,
    /// The channels whose messages are props, sorted. `None` until an admin chose:
    /// then every text channel whose name contains "props" is one.
    pub props_channels: Option<Vec<ChannelId>>,
}

impl Settings {
    /// What holds until an admin chooses otherwise.
    pub fn default_for(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            props_channels: None,
        }
    }

    /// Whether plain messages in `channel` that mention somebody are props.
    pub fn is_props_channel(&self, channel: &Channel) -> bool {
        self.is_props_channel_named(channel.id, channel.kind, &channel.name)
    }

    /// As [`Self::is_props_channel`], from a channel's parts.
    pub fn is_props_channel_named(&self, id: ChannelId, kind: ChannelKind, name: &str) -> bool {
        match &self.props_channels {
            Some(chosen) => chosen.contains(&id),
            None => kind == ChannelKind::TEXT && name.to_lowercase().contains("props"),
        }
    }
}
