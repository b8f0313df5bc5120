//! Individual settings changes. They are merged one by one so that two admins can change settings
//! concurrently.

use super::{ChannelId, Language, Quota, RecapSetting, RoleId, Settings, UserId};

/// Defines the changes of single settings, named as in [`Settings`], and the numbers each can have.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $change:ident($value:ty): $name:ident $(in 0..=$most:literal)?;)*) => {
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum SettingsChange {
            $($(#[doc = $doc])* $change($value),)*
            /// Exports a channel; `private` if not everyone can read it.
            Include {
                channel: ChannelId,
                private: bool,
            },
            Exclude(ChannelId),
            /// Removes all inclusions and exclusions.
            NoExceptions,
        }

        /// Settings that can be reset, by name.
        pub const SETTINGS: [&str; 20] = [$(stringify!($name),)* EXCEPTIONS];

        impl SettingsChange {
            /// The change that resets a setting; `None` for a name not in [`SETTINGS`].
            pub fn reset(name: &str, default: Settings) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$change(default.$name)),)*
                    EXCEPTIONS => Some(Self::NoExceptions),
                    _ => None,
                }
            }

            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$change(_) => stringify!($name),)*
                    Self::Include { .. } | Self::Exclude(_) | Self::NoExceptions => EXCEPTIONS,
                }
            }

            /// The number that the setting is changed to, if it is larger than allowed, and what is allowed.
            pub fn beyond(&self) -> Option<(u64, u64)> {
                match self {
                    $($(Self::$change(value) if *value > $most => Some((u64::from(*value), $most)),)?)*
                    _ => None,
                }
            }

            pub fn apply(self, to: &mut Settings) {
                match self {
                    $(Self::$change(value) => to.$name = value,)*
                    Self::Include { channel, private } => {
                        to.excluded_channels.retain(|excluded| *excluded != channel);
                        if private {
                            insert(&mut to.included_channels, channel);
                        }
                    }
                    Self::Exclude(channel) => {
                        to.included_channels.retain(|included| *included != channel);
                        insert(&mut to.excluded_channels, channel);
                    }
                    Self::NoExceptions => {
                        to.included_channels.clear();
                        to.excluded_channels.clear();
                    }
                }
                // The guild's own id is the `@everyone` role.
                if to.giver_roles.contains(&RoleId(to.guild_id.0)) {
                    to.giver_roles.clear();
                }
            }
        }
    };
}

const EXCEPTIONS: &str = "exceptions";

settings! {
    /// `None`: channels with "props" in their name.
    PropsChannels(Option<Vec<ChannelId>>): props_channels;
    AgeRestricted(bool): age_restricted;
    Quota(Option<Quota>): quota;
    /// Props commands per member and minute.
    PerMinute(u32): per_minute in 0..=60;
    /// Up to 30 days.
    Cooldown(u32): cooldown_minutes in 0..=43_200;
    /// Whether plain messages don't count as props.
    CommandsOnly(bool): commands_only;
    /// Minutes within which an edit can add recipients: up to a year.
    EditMinutes(u32): edit_minutes in 0..=525_600;
    /// Bots whose posts count as props.
    PropsBots(Vec<UserId>): props_bots;
    /// Roles that may give props; empty: everyone.
    GiverRoles(Vec<RoleId>): giver_roles;
    /// The emoji that acknowledges plain props.
    Acknowledge(Option<String>): acknowledge;
    /// Whether props outlive the bot's message.
    KeepDeletedProps(bool): keep_deleted_props;
    /// How long props can be taken back: up to a day.
    UndoMinutes(u16): undo_minutes in 0..=1_440;
    /// Days to read again after an outage.
    LookBackDays(u16): look_back_days in 0..=365;
    /// The scrub's share of all requests, per mille.
    ScrubShare(u16): scrub_share in 0..=1_000;
    /// The time between scrub rounds.
    ScrubRestHours(u16): scrub_rest_hours in 0..=720;
    /// The emoji whose reactions are thanks.
    ThanksEmoji(Option<String>): thanks_emoji;
    /// Where and how often the recap is posted.
    Recap(Option<RecapSetting>): recap;
    /// Whether scheduled events are mirrored and exported.
    MeetingEvents(bool): meeting_events;
    /// Format of numbers and dates.
    Language(Language): language;
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
            thanks_emoji: Some("🙏".to_owned()),
            recap: Some(RecapSetting {
                channel_id: ChannelId(6),
                every: crate::RecapPeriod::Week,
            }),
            meeting_events: true,
            ..default.clone()
        };
        for name in SETTINGS {
            let change = SettingsChange::reset(name, default.clone()).unwrap();
            assert_eq!(change.name(), name);
            let before = changed.clone();
            change.apply(&mut changed);
            assert_ne!(changed, before, "{name}");
        }
        assert_eq!(changed, default);
        let beyond = |minutes| SettingsChange::UndoMinutes(minutes).beyond();
        assert_eq!((beyond(1_440), beyond(1_441)), (None, Some((1_441, 1_440))));
        assert_eq!(SettingsChange::reset("guild_id", default), None);
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
