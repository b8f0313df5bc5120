//! Permissions, computed as on Discord's "Permissions" page.

use super::guild::{Channel, Guild, kind};

/// Discord's permission bits that the simulator checks.
pub mod bit {
    pub const ADMINISTRATOR: u64 = 1 << 3;
    pub const MANAGE_CHANNELS: u64 = 1 << 4;
    pub const MANAGE_GUILD: u64 = 1 << 5;
    pub const ADD_REACTIONS: u64 = 1 << 6;
    pub const VIEW_CHANNEL: u64 = 1 << 10;
    pub const SEND_MESSAGES: u64 = 1 << 11;
    pub const MANAGE_MESSAGES: u64 = 1 << 13;
    pub const EMBED_LINKS: u64 = 1 << 14;
    pub const ATTACH_FILES: u64 = 1 << 15;
    pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
    pub const MENTION_EVERYONE: u64 = 1 << 17;
    pub const USE_EXTERNAL_EMOJIS: u64 = 1 << 18;
    pub const CONNECT: u64 = 1 << 20;
    pub const SPEAK: u64 = 1 << 21;
    pub const CHANGE_NICKNAME: u64 = 1 << 26;
    pub const MANAGE_ROLES: u64 = 1 << 28;
    pub const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
    pub const MANAGE_THREADS: u64 = 1 << 34;
    pub const CREATE_PUBLIC_THREADS: u64 = 1 << 35;
    pub const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;
    /// All documented bits.
    pub const ALL: u64 = (1 << 52) - 1;
    /// Roughly the default permissions of @everyone in a new server.
    pub const EVERYONE: u64 = ADD_REACTIONS
        | VIEW_CHANNEL
        | SEND_MESSAGES
        | EMBED_LINKS
        | ATTACH_FILES
        | READ_MESSAGE_HISTORY
        | USE_EXTERNAL_EMOJIS
        | CONNECT
        | SPEAK
        | CHANGE_NICKNAME
        | USE_APPLICATION_COMMANDS
        | CREATE_PUBLIC_THREADS
        | SEND_MESSAGES_IN_THREADS;
}

/// A permission overwrite for a role or a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overwrite {
    /// The role or member.
    pub id: u64,
    /// Whether it is for a member.
    pub member: bool,
    /// Bits granted.
    pub allow: u64,
    /// Bits denied.
    pub deny: u64,
}

impl Overwrite {
    /// An overwrite for a role.
    pub fn role(id: u64, allow: u64, deny: u64) -> Self {
        Self {
            id,
            member: false,
            allow,
            deny,
        }
    }

    /// An overwrite for a member.
    pub fn member(id: u64, allow: u64, deny: u64) -> Self {
        Self {
            id,
            member: true,
            allow,
            deny,
        }
    }
}

/// A member's guild permissions, before channel overwrites. None for non-members.
pub(crate) fn in_guild(guild: &Guild, user: u64) -> u64 {
    let Some(member) = guild.members.get(&user) else {
        return 0;
    };
    if guild.owner == user {
        return bit::ALL;
    }
    let granted = std::iter::once(&guild.id)
        .chain(&member.roles)
        .filter_map(|role| guild.roles.get(role))
        .fold(0, |granted, role| granted | role.permissions);
    if granted & bit::ADMINISTRATOR != 0 {
        bit::ALL
    } else {
        granted
    }
}

/// A member's permissions in a channel; threads use their parent's.
pub(crate) fn in_channel(guild: &Guild, user: u64, channel: &Channel) -> u64 {
    let base = in_guild(guild, user);
    if base == 0 || base & bit::ADMINISTRATOR != 0 {
        return base;
    }
    let Some(place) = guild.place(channel) else {
        return 0;
    };
    let apply = |granted: u64, allow: u64, deny: u64| (granted & !deny) | allow;
    let mut granted = base;
    if let Some(everyone) = place
        .overwrites
        .iter()
        .find(|o| !o.member && o.id == guild.id)
    {
        granted = apply(granted, everyone.allow, everyone.deny);
    }
    let roles = guild
        .members
        .get(&user)
        .map(|member| member.roles.as_slice())
        .unwrap_or_default();
    let (allow, deny) = place
        .overwrites
        .iter()
        .filter(|o| !o.member && o.id != guild.id && roles.contains(&o.id))
        .fold((0, 0), |(allow, deny), o| (allow | o.allow, deny | o.deny));
    granted = apply(granted, allow, deny);
    if let Some(own) = place.overwrites.iter().find(|o| o.member && o.id == user) {
        granted = apply(granted, own.allow, own.deny);
    }
    if granted & bit::VIEW_CHANNEL == 0 {
        0
    } else {
        granted
    }
}

/// Whether a member can see the channel. Private threads are for their members and for those who manage threads.
pub(crate) fn may_view(guild: &Guild, user: u64, channel: &Channel) -> bool {
    let granted = in_channel(guild, user, channel);
    let invited = match &channel.thread {
        Some(thread) if channel.kind == kind::PRIVATE_THREAD => {
            granted & bit::MANAGE_THREADS != 0 || thread.members.contains_key(&user)
        }
        _ => true,
    };
    granted & bit::VIEW_CHANNEL != 0 && invited
}

/// Whether a member can open the channel: see it and, for a voice channel, join it.
pub(crate) fn may_open(guild: &Guild, user: u64, channel: &Channel) -> bool {
    let voice = guild
        .place(channel)
        .is_some_and(|place| matches!(place.kind, kind::VOICE | kind::STAGE));
    may_view(guild, user, channel)
        && (!voice || in_channel(guild, user, channel) & bit::CONNECT != 0)
}

/// Whether a member can read the channel's history.
pub(crate) fn may_read(guild: &Guild, user: u64, channel: &Channel) -> bool {
    may_open(guild, user, channel)
        && in_channel(guild, user, channel) & bit::READ_MESSAGE_HISTORY != 0
}
