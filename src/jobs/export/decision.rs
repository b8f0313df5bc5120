//! Decides for each export which channels are exported: by default those that everyone in the guild
//! can read, unless an admin chose otherwise.

use std::collections::BTreeSet;

use super::bot_posts::bot_posts;
use propsbot_model::{
    Channel, ChannelId, Guild, GuildEntity, GuildId, Role, Settings, Withheld, one_line,
    permissions::Permissions,
};
use propsbot_store::{Reader, StoreError};

pub(super) struct Decision {
    guild: String,
    pub(super) id: ChannelId,
    pub(super) name: String,
    /// Whether it is a thread, so its name was written by a member.
    pub(super) is_thread: bool,
    /// Why it isn't exported; `None` if it is.
    pub(super) withheld: Option<Withheld>,
}

/// For people: a line about each channel, then one about each bot whose posts aren't props.
pub(super) fn lines(store: &Reader) -> Result<Vec<String>, StoreError> {
    let line = |decision: Decision| {
        let (guild, name) = (one_line(&decision.guild), one_line(&decision.name));
        match decision.withheld {
            None => format!("exported:  {guild}, {name} ({})", decision.id),
            Some(why) => format!("kept back: {guild}, {name} ({}): {why}", decision.id),
        }
    };
    let mut lines: Vec<String> = decisions(store)?.into_iter().map(line).collect();
    let bot_posts = bot_posts(store)?.into_iter();
    lines.extend(bot_posts.map(|posts| format!("no props:  {posts}")));
    Ok(lines)
}

pub(super) fn decisions(store: &Reader) -> Result<Vec<Decision>, StoreError> {
    let mut all = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        let (roles, channels) = (store.roles(guild.id)?, exported_channels(store, guild.id)?);
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

/// The guild's channels and threads, without some empty threads.
///
/// An empty thread is left out if a member whose data was deleted may have started it, because its
/// id may be that of the member's message.
pub(super) fn exported_channels(
    store: &Reader,
    guild: GuildId,
) -> Result<Vec<GuildEntity<Channel>>, StoreError> {
    let mut channels = store.channels(guild)?;
    let wishes = store.privacy(guild)?;
    let Some(until) = wishes.iter().filter_map(|wish| wish.forgotten).max() else {
        return Ok(channels);
    };
    let mut empty = BTreeSet::new();
    for part in &channels {
        let id = ChannelId(part.id);
        let is_old_thread = |channel: &Channel| channel.is_thread() && id.created_at() <= until;
        if part.state.ever().is_some_and(is_old_thread)
            && store.messages(id, 0..=u64::MAX).next().is_none()
            && store.props(id, 0..=u64::MAX).next().is_none()
        {
            empty.insert(part.id);
        }
    }
    channels.retain(|part| !empty.contains(&part.id));
    Ok(channels)
}

/// All channels with the reason if they aren't exported. Includes categories, and deleted channels
/// in their last state.
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
