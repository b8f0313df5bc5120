//! Individual settings changes. They are merged one by one so that two admins can change settings
//! concurrently.

use super::{ChannelId, Language, Quota, RoleId, Settings, UserId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsChange {
    /// `None`: channels with "props" in their name.
    PropsChannels(Option<Vec<ChannelId>>),
    /// Exports a channel; `private` if not everyone can read it.
    Include {
        channel: ChannelId,
        private: bool,
    },
    Exclude(ChannelId),
    /// Removes all inclusions and exclusions.
    NoExceptions,
    Quota(Option<Quota>),
    Cooldown(u32),
    /// Roles that may give props; empty: everyone.
    GiverRoles(Vec<RoleId>),
    /// The emoji that acknowledges plain props.
    Acknowledge(Option<String>),
    /// Whether props outlive the bot's message.
    KeepDeletedProps(bool),
    /// How long props can be taken back, in minutes.
    UndoMinutes(u16),
    /// Days to read again after an outage.
    LookBackDays(u16),
    /// The scrub's share of all requests, per mille.
    ScrubShare(u16),
    /// The time between scrub rounds, in hours.
    ScrubRestHours(u16),
    /// Format of numbers and dates.
    Language(Language),
    AgeRestricted(bool),
    /// Props commands per member and minute.
    PerMinute(u32),
    /// Whether plain messages don't count as props.
    CommandsOnly(bool),
    /// Minutes within which an edit can add recipients.
    EditMinutes(u32),
    /// Bots whose posts count as props.
    PropsBots(Vec<UserId>),
}

/// Settings that can be reset, by name.
pub const SETTINGS: [&str; 17] = [
    "props_channels",
    "exceptions",
    "quota",
    "cooldown_minutes",
    "giver_roles",
    "acknowledge",
    "keep_deleted_props",
    "undo_minutes",
    "look_back_days",
    "scrub_share",
    "scrub_rest_hours",
    "language",
    "per_minute",
    "commands_only",
    "edit_minutes",
    "props_bots",
    "age_restricted",
];

impl SettingsChange {
    /// The change that resets a setting; `None` for a name not in [`SETTINGS`].
    pub fn reset(name: &str, default: &Settings) -> Option<Self> {
        Some(match name {
            "props_channels" => Self::PropsChannels(default.props_channels.clone()),
            "exceptions" => Self::NoExceptions,
            "quota" => Self::Quota(default.quota),
            "cooldown_minutes" => Self::Cooldown(default.cooldown_minutes),
            "giver_roles" => Self::GiverRoles(default.giver_roles.clone()),
            "acknowledge" => Self::Acknowledge(default.acknowledge.clone()),
            "keep_deleted_props" => Self::KeepDeletedProps(default.keep_deleted_props),
            "undo_minutes" => Self::UndoMinutes(default.undo_minutes),
            "look_back_days" => Self::LookBackDays(default.look_back_days),
            "scrub_share" => Self::ScrubShare(default.scrub_share),
            "scrub_rest_hours" => Self::ScrubRestHours(default.scrub_rest_hours),
            "language" => Self::Language(default.language),
            "age_restricted" => Self::AgeRestricted(default.age_restricted),
            "per_minute" => Self::PerMinute(default.per_minute),
            "commands_only" => Self::CommandsOnly(default.commands_only),
            "edit_minutes" => Self::EditMinutes(default.edit_minutes),
            "props_bots" => Self::PropsBots(default.props_bots.clone()),
            _ => return None,
        })
    }

    pub fn apply(&self, to: &mut Settings) {
        match self {
            Self::PropsChannels(channels) => to.props_channels.clone_from(channels),
            Self::Include { channel, private } => {
                to.excluded_channels
                    .retain(|excluded_channel| excluded_channel != channel);
                if *private {
                    insert(&mut to.included_channels, *channel);
                }
            }
            Self::Exclude(channel) => {
                to.included_channels
                    .retain(|included_channel| included_channel != channel);
                insert(&mut to.excluded_channels, *channel);
            }
            Self::NoExceptions => {
                to.included_channels.clear();
                to.excluded_channels.clear();
            }
            Self::Quota(quota) => to.quota = *quota,
            Self::Cooldown(minutes) => to.cooldown_minutes = *minutes,
            // The guild's own id is the `@everyone` role.
            Self::GiverRoles(roles) if roles.contains(&RoleId(to.guild_id.0)) => {
                to.giver_roles.clear();
            }
            Self::GiverRoles(roles) => to.giver_roles.clone_from(roles),
            Self::Acknowledge(emoji) => to.acknowledge.clone_from(emoji),
            Self::KeepDeletedProps(keep) => to.keep_deleted_props = *keep,
            Self::UndoMinutes(minutes) => to.undo_minutes = *minutes,
            Self::LookBackDays(days) => to.look_back_days = *days,
            Self::ScrubShare(share) => to.scrub_share = *share,
            Self::ScrubRestHours(hours) => to.scrub_rest_hours = *hours,
            Self::Language(language) => to.language = *language,
            Self::AgeRestricted(export) => to.age_restricted = *export,
            Self::PerMinute(times) => to.per_minute = *times,
            Self::CommandsOnly(only) => to.commands_only = *only,
            Self::EditMinutes(minutes) => to.edit_minutes = *minutes,
            Self::PropsBots(bots) => to.props_bots.clone_from(bots),
        }
    }
}

fn insert(list: &mut Vec<ChannelId>, channel: ChannelId) {
    if let Err(at) = list.binary_search(&channel) {
        list.insert(at, channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GuildId;

    #[test]
    fn resets_every_setting() {
        let default = Settings::default_for(GuildId(1));
        let mut changed = Settings {
            props_channels: Some(vec![ChannelId(1)]),
            look_back_days: 1,
            scrub_share: 1,
            scrub_rest_hours: 1,
            excluded_channels: vec![ChannelId(2)],
            included_channels: vec![ChannelId(3)],
            quota: Some(Quota {
                count: 1,
                period: crate::QuotaPeriod::Day,
            }),
            cooldown_minutes: 1,
            giver_roles: vec![RoleId(4)],
            acknowledge: None,
            keep_deleted_props: true,
            undo_minutes: 1,
            language: Language::German,
            per_minute: 1,
            commands_only: true,
            edit_minutes: 1,
            props_bots: vec![UserId(5)],
            age_restricted: true,
            ..default.clone()
        };
        for name in SETTINGS {
            let change = SettingsChange::reset(name, &default).unwrap();
            let before = changed.clone();
            change.apply(&mut changed);
            assert_ne!(changed, before, "{name}");
        }
        assert_eq!(changed, default);
        assert_eq!(SettingsChange::reset("guild_id", &default), None);
    }

    #[test]
    fn everyone_role_clears_giver_roles() {
        let mut settings = Settings::default_for(GuildId(1));
        let roles = |ids: &[u64]| ids.iter().copied().map(RoleId).collect::<Vec<_>>();
        SettingsChange::GiverRoles(roles(&[4, 5])).apply(&mut settings);
        assert_eq!(settings.giver_roles, roles(&[4, 5]));
        SettingsChange::GiverRoles(roles(&[1, 4])).apply(&mut settings);
        assert_eq!(settings.giver_roles, []);
    }

    #[test]
    fn channels_are_included_or_excluded_never_both() {
        let mut settings = Settings::default_for(GuildId(1));
        let channel = ChannelId(5);
        let include = |private| SettingsChange::Include { channel, private };
        SettingsChange::Exclude(channel).apply(&mut settings);
        SettingsChange::Exclude(channel).apply(&mut settings);
        assert_eq!(settings.excluded_channels, [channel]);
        include(true).apply(&mut settings);
        assert_eq!(settings.included_channels, [channel]);
        assert!(settings.excluded_channels.is_empty());
        SettingsChange::Exclude(channel).apply(&mut settings);
        include(false).apply(&mut settings);
        assert!(settings.included_channels.is_empty() && settings.excluded_channels.is_empty());
    }
}
