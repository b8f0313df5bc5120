//! Which channels go out, decided anew for each export: those that everyone in the guild may read,
//! unless an admin says otherwise.

use propsbot_model::{
    Channel, ChannelId, Guild, GuildEntity, Role, Settings, Withheld, permissions::Permissions,
};
use propsbot_store::{Reader, StoreError};

/// A channel, and whether it is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The guild's name.
    pub guild: String,
    /// The channel.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Whether it is a thread: its name is then what a member wrote.
    pub is_thread: bool,
    /// Why it stays here; `None` if it goes out.
    pub withheld: Option<Withheld>,
}

/// All channels of all guilds.
pub(super) fn decisions(store: &Reader) -> Result<Vec<Decision>, StoreError> {
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
            is_thread: channel.is_thread(),
            withheld,
        }));
    }
    Ok(all)
}

/// Every channel, categories too, deleted ones as they last were, and why it is not exported.
pub(super) fn decided<'a>(
    guild: &'a Guild,
    settings: &Settings,
    roles: &'a [GuildEntity<Role>],
    channels: &'a [GuildEntity<Channel>],
) -> Vec<(&'a Channel, Option<Withheld>)> {
    let roles = roles.iter().filter_map(|role| role.state.now());
    let channels: Vec<&Channel> = channels
        .iter()
        .filter_map(|channel| channel.state.ever())
        .collect();
    let permissions = Permissions::new(guild, roles, channels.iter().copied());
    let why = |channel: &&'a Channel| settings.withheld(channel, &permissions);
    channels
        .iter()
        .map(|channel| (*channel, why(channel)))
        .collect()
}
