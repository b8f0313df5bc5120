//! What a guild's admins have chosen.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Channel, ChannelId, ChannelKind, GuildId};

/// What [`Settings::look_back_days`] may be.
pub const LOOK_BACK_DAYS: RangeInclusive<u16> = 0..=365;
/// What [`Settings::audit_share`] may be.
pub const AUDIT_SHARE: RangeInclusive<u16> = 0..=1000;
/// What [`Settings::audit_rest_hours`] may be.
pub const AUDIT_REST_HOURS: RangeInclusive<u16> = 0..=720;

/// A guild's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The guild.
    pub guild_id: GuildId,
    /// The channels whose messages are props, sorted. `None` until an admin chose:
    /// then every text channel whose name contains "props" is one.
    pub props_channels: Option<Vec<ChannelId>>,
    /// Messages that were this many days old or younger when we last heard are read again after an
    /// outage.
    #[serde(default = "look_back_days")]
    pub look_back_days: u16,
    /// The audit of older history takes this much of the guild's part of all requests, per mille;
    /// 0: none is made.
    #[serde(default = "audit_share")]
    pub audit_share: u16,
    /// A round of the audit begins this long after the last one began, or later.
    #[serde(default = "audit_rest_hours")]
    pub audit_rest_hours: u16,
}

fn look_back_days() -> u16 {
    7
}

fn audit_share() -> u16 {
    20
}

fn audit_rest_hours() -> u16 {
    6
}

impl Settings {
    /// What holds until an admin chooses otherwise.
    pub fn default_for(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            props_channels: None,
            look_back_days: look_back_days(),
            audit_share: audit_share(),
            audit_rest_hours: audit_rest_hours(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_before_have_the_defaults_of_today() {
        let before = (GuildId(1), Some(vec![ChannelId(2)]));
        let bytes = rmp_serde::to_vec(&before).unwrap();
        let read: Settings = rmp_serde::from_slice(&bytes).unwrap();
        let expected = Settings {
            props_channels: Some(vec![ChannelId(2)]),
            ..Settings::default_for(GuildId(1))
        };
        assert_eq!(read, expected);
        assert!(LOOK_BACK_DAYS.contains(&read.look_back_days));
        assert!(AUDIT_SHARE.contains(&read.audit_share));
        assert!(AUDIT_REST_HOURS.contains(&read.audit_rest_hours));
    }
}
