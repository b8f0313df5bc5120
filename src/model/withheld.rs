//! Decides which channels are withheld from the archive.
//!
//! Exports, dry runs, the archive's graph, reports and `/setup` all use it.

use std::fmt;

use super::{Channel, ChannelId, Settings, permissions::Permissions};

/// Why a channel isn't exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Not everyone in the guild can read it.
    NotForEveryone,
    /// Only invited members can read the thread.
    PrivateThread,
    /// An admin excluded it, its channel or its category.
    Excluded,
    /// It, or a thread's channel, is age-restricted.
    AgeRestricted,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotForEveryone => "not everyone in the guild can read it",
            Self::PrivateThread => "it is a private thread",
            Self::Excluded => "an admin excluded it",
            Self::AgeRestricted => "it is age-restricted",
        })
    }
}

impl Settings {
    /// Why a channel or thread isn't exported; `None` if it is.
    ///
    /// Exclusion wins. Threads follow their channel, channels their category, but a private thread
    /// must be included by its own id. Included channels are exported even if age-restricted.
    pub fn withheld(&self, channel: &Channel, permissions: &Permissions<'_>) -> Option<Withheld> {
        if self.excluded_by(channel, permissions).is_some() {
            return Some(Withheld::Excluded);
        }
        let is_included = |id: ChannelId| self.included_channels.contains(&id);
        if channel.is_private_thread() {
            return (!is_included(channel.id)).then_some(Withheld::PrivateThread);
        }
        if permissions.outwards(channel).any(is_included) {
            return None;
        }
        if !permissions.everyone_reads(channel) {
            return Some(Withheld::NotForEveryone);
        }
        let left_out = !self.age_restricted && permissions.is_age_restricted(channel);
        left_out.then_some(Withheld::AgeRestricted)
    }

    /// The excluded channel that withholds this one: itself or an ancestor.
    pub fn excluded_by(
        &self,
        channel: &Channel,
        permissions: &Permissions<'_>,
    ) -> Option<ChannelId> {
        let mut places = permissions.outwards(channel);
        places.find(|id| self.excluded_channels.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ChannelKind, Guild, GuildId, Overwrite, OverwriteKind, Role, RoleId, UserId,
        permissions::{READ_MESSAGE_HISTORY, VIEW_CHANNEL},
    };

    const TEXT: ChannelKind = ChannelKind::TEXT;
    const THREAD: ChannelKind = ChannelKind::PUBLIC_THREAD;
    const PRIVATE: ChannelKind = ChannelKind::PRIVATE_THREAD;

    /// A channel. Ids above 100 are hidden from everyone.
    fn channel(id: u64, kind: ChannelKind, parent: Option<u64>) -> Channel {
        let hidden = Overwrite {
            kind: OverwriteKind::Role,
            id: 1,
            allow: 0,
            deny: VIEW_CHANNEL,
        };
        Channel {
            id: ChannelId(id),
            guild_id: GuildId(1),
            kind,
            name: String::new(),
            parent_id: parent.map(ChannelId),
            position: 0,
            nsfw: false,
            overwrites: (id > 100).then_some(hidden).into_iter().collect(),
            thread: None,
            unread: crate::Unread::default(),
        }
    }

    #[test]
    fn withholds_age_restricted_channels_and_their_threads() {
        let guild = Guild {
            id: GuildId(1),
            name: String::new(),
            owner_id: UserId(9),
            unread: crate::Unread::default(),
        };
        let everyone = Role {
            id: RoleId(1),
            guild_id: GuildId(1),
            name: String::new(),
            position: 0,
            permissions: VIEW_CHANNEL | READ_MESSAGE_HISTORY,
            managed: false,
            unread: crate::Unread::default(),
        };
        let restricted = |id, parent| Channel {
            nsfw: true,
            ..channel(id, TEXT, parent)
        };
        let all = [
            (restricted(10, None), Some(Withheld::AgeRestricted)),
            (channel(11, THREAD, Some(10)), Some(Withheld::AgeRestricted)),
            (restricted(20, None), None),
            (channel(21, THREAD, Some(20)), None),
            (channel(30, ChannelKind::CATEGORY, None), None),
            (restricted(31, Some(30)), None),
            (restricted(140, None), Some(Withheld::NotForEveryone)),
            (restricted(50, None), Some(Withheld::Excluded)),
        ];
        let mut settings = Settings {
            included_channels: [20, 30].map(ChannelId).into(),
            excluded_channels: [50].map(ChannelId).into(),
            ..Settings::default_for(GuildId(1))
        };
        let permissions =
            Permissions::new(&guild, [&everyone], all.iter().map(|(channel, _)| channel));
        for (channel, why) in &all {
            assert_eq!(
                settings.withheld(channel, &permissions),
                *why,
                "{channel:?}"
            );
        }
        settings.age_restricted = true;
        for (channel, _) in &all[..2] {
            assert_eq!(settings.withheld(channel, &permissions), None);
        }
    }

    #[test]
    fn threads_follow_channels_and_channels_follow_categories() {
        let guild = Guild {
            id: GuildId(1),
            name: String::new(),
            owner_id: UserId(9),
            unread: crate::Unread::default(),
        };
        let everyone = Role {
            id: RoleId(1),
            guild_id: GuildId(1),
            name: String::new(),
            position: 0,
            permissions: VIEW_CHANNEL | READ_MESSAGE_HISTORY,
            managed: false,
            unread: crate::Unread::default(),
        };
        let category = |id| channel(id, ChannelKind::CATEGORY, None);
        let cases = [
            (category(10), Some(Withheld::Excluded)),
            (channel(11, TEXT, Some(10)), Some(Withheld::Excluded)),
            (channel(12, THREAD, Some(11)), Some(Withheld::Excluded)),
            // Included, but in an excluded category.
            (channel(113, TEXT, Some(10)), Some(Withheld::Excluded)),
            (channel(20, TEXT, None), None),
            (channel(21, THREAD, Some(20)), None),
            (
                channel(22, PRIVATE, Some(20)),
                Some(Withheld::PrivateThread),
            ),
            (channel(23, PRIVATE, Some(20)), None),
            (channel(120, TEXT, None), Some(Withheld::NotForEveryone)),
            (
                channel(121, THREAD, Some(120)),
                Some(Withheld::NotForEveryone),
            ),
            (category(30), None),
            (channel(131, TEXT, Some(30)), None),
            (channel(132, THREAD, Some(131)), None),
            (
                channel(133, PRIVATE, Some(131)),
                Some(Withheld::PrivateThread),
            ),
            // Excluded, in an included category.
            (channel(34, TEXT, Some(30)), Some(Withheld::Excluded)),
            // In a category that no longer exists.
            (channel(41, TEXT, Some(40)), Some(Withheld::Excluded)),
            // A thread of an unknown channel.
            (
                channel(51, THREAD, Some(50)),
                Some(Withheld::NotForEveryone),
            ),
        ];
        let settings = Settings {
            excluded_channels: [10, 34, 40].map(ChannelId).into(),
            included_channels: [23, 30, 113].map(ChannelId).into(),
            ..Settings::default_for(GuildId(1))
        };
        let channels = cases.iter().map(|(channel, _)| channel);
        let permissions = Permissions::new(&guild, [&everyone], channels);
        for (channel, why) in &cases {
            assert_eq!(
                settings.withheld(channel, &permissions),
                *why,
                "{channel:?}"
            );
        }
    }
}
