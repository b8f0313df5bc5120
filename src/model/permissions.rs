//! Computes permissions the way Discord does.
//!
//! Source: <https://discord.com/developers/docs/topics/permissions#permission-hierarchy>.

use std::collections::HashMap;

use super::{
    Channel, ChannelId, ChannelKind, Field, Guild, Overwrite, OverwriteKind, Role, RoleId, UserId,
};

/// All permissions at once.
pub const ADMINISTRATOR: u64 = 1 << 3;
/// Changing the guild's settings.
pub const MANAGE_GUILD: u64 = 1 << 5;
/// Adding the first reaction with an emoji.
pub const ADD_REACTIONS: u64 = 1 << 6;
pub const VIEW_CHANNEL: u64 = 1 << 10;
pub const SEND_MESSAGES: u64 = 1 << 11;
pub const ATTACH_FILES: u64 = 1 << 15;
pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
/// Joining a voice channel; also required to read its messages.
pub const CONNECT: u64 = 1 << 20;
/// Includes access to every private thread.
pub const MANAGE_THREADS: u64 = 1 << 34;
pub const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;

/// Permissions that decide whether a member can read a channel and its threads.
pub const READING: u64 =
    ADMINISTRATOR | VIEW_CHANNEL | READ_MESSAGE_HISTORY | CONNECT | MANAGE_THREADS;

/// A guild's permissions.
pub struct Permissions<'a> {
    guild: &'a Guild,
    roles: HashMap<RoleId, &'a Role>,
    channels: HashMap<ChannelId, &'a Channel>,
}

impl<'a> Permissions<'a> {
    pub fn new(
        guild: &'a Guild,
        roles: impl IntoIterator<Item = &'a Role>,
        channels: impl IntoIterator<Item = &'a Channel>,
    ) -> Self {
        Self {
            guild,
            roles: roles.into_iter().map(|role| (role.id, role)).collect(),
            channels: channels
                .into_iter()
                .map(|channel| (channel.id, channel))
                .collect(),
        }
    }

    /// The permission bits of a member with these roles in the channel; threads use their parent's.
    pub fn of_member(&self, user: UserId, roles: &[RoleId], channel: &Channel) -> u64 {
        if user == self.guild.owner_id {
            return u64::MAX;
        }
        self.compute(Some(user), roles, channel)
    }

    /// The permission bits of `@everyone` in the channel.
    pub fn of_everyone(&self, channel: &Channel) -> u64 {
        self.compute(None, &[], channel)
    }

    /// Whether everyone in the guild can read the channel. False for private threads, unknown
    /// thread types, and channels whose type or category was never read.
    pub fn everyone_reads(&self, channel: &Channel) -> bool {
        let is_unknown = |field| channel.unread.never_read(field);
        !channel.is_private_thread()
            && !is_unknown(Field::Parent)
            && !is_unknown(Field::Kind)
            && can_read(channel, self.of_everyone(channel))
    }

    /// Whether every single member can read the channel: everyone can, and it is denied to no role and no
    /// member.
    pub fn every_member_reads(&self, channel: &Channel) -> bool {
        let everyone = self.guild.id.0;
        let is_denied = |overwrite: &Overwrite| {
            overwrite.id != everyone && overwrite.deny & needed_to_read(channel) != 0
        };
        let governing = self.governing(channel);
        self.everyone_reads(channel)
            && self.are_known(&[], channel)
            && governing.is_some_and(|governing| !governing.overwrites.iter().any(is_denied))
    }

    /// Whether the channel or, for a thread, its parent is age-restricted.
    pub fn is_age_restricted(&self, channel: &Channel) -> bool {
        channel.nsfw || self.governing(channel).is_some_and(|home| home.nsfw)
    }

    /// Whether every input to reading the channel was read at least once: the permissions of these
    /// roles and `@everyone`, and the channel's overwrites.
    pub fn are_known(&self, roles: &[RoleId], channel: &Channel) -> bool {
        let everyone = RoleId(self.guild.id.0);
        let is_known = |role: &RoleId| {
            let role = self.roles.get(role);
            role.is_none_or(|role| !role.unread.never_read(Field::Permissions))
        };
        let governing = self.governing(channel).unwrap_or(channel);
        self.roles.contains_key(&everyone)
            && roles.iter().chain([&everyone]).all(is_known)
            && !governing.unread.never_read(Field::Overwrites)
            && !channel.unread.never_read(Field::Parent)
            && !channel.unread.never_read(Field::Kind)
    }

    /// The channel whose overwrites apply: a thread's parent. `None` if unknown.
    fn governing<'b>(&'b self, channel: &'b Channel) -> Option<&'b Channel> {
        match channel.parent_id {
            Some(parent) if channel.is_thread() => self.channels.get(&parent).copied(),
            _ => Some(channel),
        }
    }

    pub fn member_reads(&self, user: UserId, roles: &[RoleId], channel: &Channel) -> bool {
        let bits = self.of_member(user, roles, channel);
        can_read(channel, bits)
            && (channel.kind != ChannelKind::PRIVATE_THREAD || bits & MANAGE_THREADS != 0)
    }

    /// Whether an overwrite names a deleted user, so that it is unknown whom it lets read.
    pub fn names_nobody(&self, channel: &Channel) -> bool {
        let governing = self.governing(channel);
        governing.is_some_and(|governing| {
            governing.overwrites.iter().any(|overwrite| {
                overwrite.kind == OverwriteKind::Member && UserId(overwrite.id).is_anonymous()
            })
        })
    }

    /// The channel and its ancestors: a thread's channel, a channel's category.
    pub fn outwards(&self, channel: &Channel) -> impl Iterator<Item = ChannelId> {
        let channels = &self.channels;
        let parent = |id: ChannelId| channels.get(&id).and_then(|channel| channel.parent_id);
        let category = channel.thread_parent();
        let places = [
            Some(channel.id),
            channel.parent_id,
            category.and_then(parent),
        ];
        places.into_iter().flatten()
    }

    fn compute(&self, user: Option<UserId>, roles: &[RoleId], channel: &Channel) -> u64 {
        let everyone = RoleId(self.guild.id.0);
        let bits_of = |role: &RoleId| self.roles.get(role).map_or(0, |role| role.permissions);
        let base = roles
            .iter()
            .fold(bits_of(&everyone), |bits, role| bits | bits_of(role));
        if base & ADMINISTRATOR != 0 {
            return u64::MAX;
        }
        // The thread's parent is unknown, so grant nothing.
        let Some(governing) = self.governing(channel) else {
            return 0;
        };
        let find = |kind, id| {
            governing
                .overwrites
                .iter()
                .filter(move |overwrite| overwrite.kind == kind && overwrite.id == id)
        };
        let mut bits = base;
        for it in find(OverwriteKind::Role, everyone.0) {
            bits = bits & !it.deny | it.allow;
        }
        let (allow, deny) = roles
            .iter()
            .filter(|role| **role != everyone)
            .flat_map(|role| find(OverwriteKind::Role, role.0))
            .fold((0, 0), |(allow, deny), overwrite| {
                (allow | overwrite.allow, deny | overwrite.deny)
            });
        bits = bits & !deny | allow;
        if let Some(user) = user {
            for it in find(OverwriteKind::Member, user.0) {
                bits = bits & !it.deny | it.allow;
            }
        }
        bits
    }
}

fn can_read(channel: &Channel, bits: u64) -> bool {
    let needed = needed_to_read(channel);
    bits & needed == needed
}

fn needed_to_read(channel: &Channel) -> u64 {
    let connect = if channel.kind.is_voice() { CONNECT } else { 0 };
    VIEW_CHANNEL | READ_MESSAGE_HISTORY | connect
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuildId, Unread};

    const EVERYONE: u64 = 1;
    const SOME: u64 = 2;

    fn role(id: u64, permissions: u64) -> Role {
        Role {
            id: RoleId(id),
            guild_id: GuildId(EVERYONE),
            name: String::new(),
            position: 0,
            permissions,
            managed: false,
            unread: Unread::default(),
        }
    }

    /// A channel with overwrites: of what, whose, what they allow and deny.
    fn channel(kind: ChannelKind, overwrites: &[(OverwriteKind, u64, u64, u64)]) -> Channel {
        let overwrites = overwrites.iter().map(|(kind, id, allow, deny)| Overwrite {
            kind: *kind,
            id: *id,
            allow: *allow,
            deny: *deny,
        });
        Channel {
            id: ChannelId(10),
            guild_id: GuildId(EVERYONE),
            kind,
            name: String::new(),
            parent_id: None,
            position: 0,
            nsfw: false,
            overwrites: overwrites.collect(),
            thread: None,
            unread: Unread::default(),
        }
    }

    #[test]
    fn every_member_reads_only_what_nobody_is_denied() {
        use OverwriteKind::{Member, Role};
        const HISTORY: u64 = READ_MESSAGE_HISTORY;
        let guild = Guild {
            id: GuildId(EVERYONE),
            name: String::new(),
            owner_id: UserId(9),
            unread: Unread::default(),
        };
        let roles = [
            role(EVERYONE, VIEW_CHANNEL | HISTORY | CONNECT),
            role(SOME, 0),
        ];
        let (text, voice) = (ChannelKind::TEXT, ChannelKind::VOICE);
        for (channel, expected) in [
            (channel(text, &[]), true),
            (channel(text, &[(Role, EVERYONE, 0, VIEW_CHANNEL)]), false),
            (
                channel(text, &[(Role, SOME, VIEW_CHANNEL, SEND_MESSAGES)]),
                true,
            ),
            (channel(text, &[(Role, SOME, 0, VIEW_CHANNEL)]), false),
            (channel(text, &[(Role, SOME, 0, HISTORY)]), false),
            (channel(text, &[(Member, 7, 0, VIEW_CHANNEL)]), false),
            (channel(text, &[(Role, SOME, 0, CONNECT)]), true),
            (channel(voice, &[(Role, SOME, 0, CONNECT)]), false),
            (channel(ChannelKind::PRIVATE_THREAD, &[]), false),
        ] {
            // A thread is as its channel.
            let thread = Channel {
                id: ChannelId(11),
                kind: ChannelKind::PUBLIC_THREAD,
                parent_id: Some(channel.id),
                overwrites: Vec::new(),
                ..channel.clone()
            };
            let permissions = Permissions::new(&guild, &roles, [&channel, &thread]);
            assert_eq!(
                permissions.every_member_reads(&channel),
                expected,
                "{channel:?}"
            );
            if channel.kind == text {
                assert_eq!(
                    permissions.every_member_reads(&thread),
                    expected,
                    "{channel:?}"
                );
            }
            let unread = Permissions::new(&guild, [&roles[1]], [&channel]);
            assert!(!unread.every_member_reads(&channel));
        }
    }
}
