//! Which channels go out, decided anew for each export: those that everyone in the guild may read,
//! unless an admin says otherwise.

use std::fmt;

use crate::{
    model::{
        Channel, ChannelId, ChannelKind, Guild, Part, Role, Settings, permissions::Permissions,
    },
    store::{Store, StoreError},
};

/// Why a channel is not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Not everyone in the guild may read it.
    NotForEveryone,
    /// Only those who were invited may read the thread.
    PrivateThread,
    /// An admin has excluded it.
    Excluded,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotForEveryone => "not everyone in the guild may read it",
            Self::PrivateThread => "it is a private thread",
            Self::Excluded => "an admin has excluded it",
        })
    }
}

/// A channel, and whether it is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The guild's name.
    pub guild: String,
    /// The channel.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Why it stays here; `None` if it goes out.
    pub withheld: Option<Withheld>,
}

/// All channels of all guilds.
pub(super) fn decisions(store: &Store) -> Result<Vec<Decision>, StoreError> {
    let _reading = store.reading();
    let mut all = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        let (roles, channels) = (store.roles(guild.id)?, store.channels(guild.id)?);
        let settings = store.settings(guild.id)?;
        let decided = decided(guild, &settings, &roles, &channels);
        all.extend(decided.into_iter().map(|(channel, withheld)| Decision {
            guild: guild.name.clone(),
            id: channel.id,
            name: channel.name.clone(),
            withheld,
        }));
    }
    Ok(all)
}

/// Every channel, categories too, deleted ones as they last were, and why it is not exported.
pub(super) fn decided<'a>(
    guild: &'a Guild,
    settings: &Settings,
    roles: &'a [Part<Role>],
    channels: &'a [Part<Channel>],
) -> Vec<(&'a Channel, Option<Withheld>)> {
    let roles = roles.iter().filter_map(|it| it.state.now());
    let channels: Vec<&Channel> = channels.iter().filter_map(|it| it.state.ever()).collect();
    let permissions = Permissions::new(guild, roles, channels.iter().copied());
    let why = |channel: &Channel| {
        let everyone_reads = permissions.everyone_reads(channel);
        if settings.exports(channel, everyone_reads) {
            None
        } else if everyone_reads {
            Some(Withheld::Excluded)
        } else if channel.kind == ChannelKind::PRIVATE_THREAD {
            Some(Withheld::PrivateThread)
        } else {
            Some(Withheld::NotForEveryone)
        }
    };
    channels.into_iter().map(|it| (it, why(it))).collect()
}
