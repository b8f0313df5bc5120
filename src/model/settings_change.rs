//! One change of a guild's settings. Changes are merged one by one, so that of two admins at once
//! neither undoes what the other chose elsewhere.

use super::{ChannelId, Language, Quota, RoleId, Settings, UserId};

/// What an admin changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsChange {
    /// The props channels; `None`: those with "props" in their name.
    PropsChannels(Option<Vec<ChannelId>>),
    /// A channel is exported, which not everyone may read if `private`.
    Include {
        /// The channel.
        channel: ChannelId,
        /// Whether not everyone may read it.
        private: bool,
    },
    /// A channel is not exported.
    Exclude(ChannelId),
    /// Which channels are exported is decided by who may read them, and by that alone.
    NoExceptions,
    /// How much a member may give.
    Quota(Option<Quota>),
    /// How long a member waits before thanking the same one again, in minutes.
    Cooldown(u32),
    /// Who may give; nobody named: everybody.
    GiverRoles(Vec<RoleId>),
    /// With what plain props are acknowledged.
    Acknowledge(Option<String>),
    /// Whether props hold although the message was deleted.
    KeepDeletedProps(bool),
    /// How long props may be taken back, in minutes.
    UndoMinutes(u16),
    /// How many days are read again after an outage.
    LookBackDays(u16),
    /// How much of all requests the audit takes, per mille.
    AuditShare(u16),
    /// How long the audit rests between its rounds, in hours.
    AuditRestHours(u16),
    /// How numbers and dates are written.
    Language(Language),
    /// Whether age-restricted channels are exported.
    AgeRestricted(bool),
    /// How often commands that give props may be run in a minute.
    PerMinute(u32),
    /// Whether members' plain messages are no props.
    CommandsOnly(bool),
    /// For how many minutes an edit may add thanks.
    EditMinutes(u32),
    /// The bots whose posts are props.
    PropsBots(Vec<UserId>),
}

/// What can be set back to how it was at first, by name.
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
    "audit_share",
    "audit_rest_hours",
    "language",
    "per_minute",
    "commands_only",
    "edit_minutes",
    "props_bots",
    "age_restricted",
];

impl SettingsChange {
    /// Back to how it was at first; nothing for a name that is not one of [`SETTINGS`].
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
            "audit_share" => Self::AuditShare(default.audit_share),
            "audit_rest_hours" => Self::AuditRestHours(default.audit_rest_hours),
            "language" => Self::Language(default.language),
            "age_restricted" => Self::AgeRestricted(default.age_restricted),
            "per_minute" => Self::PerMinute(default.per_minute),
            "commands_only" => Self::CommandsOnly(default.commands_only),
            "edit_minutes" => Self::EditMinutes(default.edit_minutes),
            "props_bots" => Self::PropsBots(default.props_bots.clone()),
            _ => return None,
        })
    }

    /// Makes the change.
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
            // Everyone has the role that has the guild's own id.
            Self::GiverRoles(roles) if roles.contains(&RoleId(to.guild_id.0)) => {
                to.giver_roles.clear();
            }
            Self::GiverRoles(roles) => to.giver_roles.clone_from(roles),
            Self::Acknowledge(emoji) => to.acknowledge.clone_from(emoji),
            Self::KeepDeletedProps(keep) => to.keep_deleted_props = *keep,
            Self::UndoMinutes(minutes) => to.undo_minutes = *minutes,
            Self::LookBackDays(days) => to.look_back_days = *days,
            Self::AuditShare(share) => to.audit_share = *share,
            Self::AuditRestHours(hours) => to.audit_rest_hours = *hours,
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
    fn every_setting_can_be_set_back() {
        let default = Settings::default_for(GuildId(1));
        let mut changed = Settings {
            props_channels: Some(vec![ChannelId(1)]),
            look_back_days: 1,
            audit_share: 1,
            audit_rest_hours: 1,
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
    fn the_role_that_everyone_has_stands_for_everyone() {
        let mut settings = Settings::default_for(GuildId(1));
        let roles = |ids: &[u64]| ids.iter().copied().map(RoleId).collect::<Vec<_>>();
        SettingsChange::GiverRoles(roles(&[4, 5])).apply(&mut settings);
        assert_eq!(settings.giver_roles, roles(&[4, 5]));
        SettingsChange::GiverRoles(roles(&[1, 4])).apply(&mut settings);
        assert_eq!(settings.giver_roles, []);
    }

    #[test]
    fn a_channel_is_included_or_excluded_but_never_both() {
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
