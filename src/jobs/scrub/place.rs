//! Finds the places to scrub: readable channels and threads, according to the store.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_ingest::Described;
use propsbot_model::{Channel, ChannelId, GuildId, Listed, MessageId, Stamp, UserId};
use propsbot_store::{Store, StoreError};

pub(super) struct Place {
    pub(super) channel: Channel,
    pub(super) private_threads: bool,
    /// The last known message; `None` if not fetched yet, or if it only has threads.
    pub(super) top: Option<MessageId>,
}

/// Returns the guild's existing channels and threads.
pub(super) fn channels(
    store: &Store,
    guild: GuildId,
) -> Result<BTreeMap<ChannelId, Channel>, StoreError> {
    let parts = store.channels(guild)?;
    let known = parts.iter().filter_map(|part| part.state.now());
    Ok(known.map(|known| (known.id, known.clone())).collect())
}

/// Counts listed threads that are unknown, or whose archived state changed.
pub(super) fn differ(known: &BTreeMap<ChannelId, Channel>, listed: &[Listed]) -> u64 {
    let archived = |channel: &Channel| channel.thread.as_ref().map(|thread| thread.archived);
    let differs = |listed: &&Listed| {
        let known = known.get(&listed.channel.id);
        known.is_none_or(|known| archived(known) != archived(&listed.channel))
    };
    listed.iter().filter(differs).count() as u64
}

/// Returns the first readable place with this id or a greater one.
pub(super) fn place(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    from: ChannelId,
) -> Result<Option<Place>, StoreError> {
    let part = store.guild(guild)?;
    let Some(shape) = part.as_ref().and_then(|part| part.state.now()) else {
        return Ok(None);
    };
    let member = store.member(guild, bot)?;
    let presence = member.as_ref().and_then(|member| member.presence.now());
    let roles = store.roles(guild)?;
    let described = Described {
        at: Stamp::default(),
        guild: shape.clone(),
        roles: roles
            .iter()
            .filter_map(|role| role.state.now().cloned())
            .collect(),
        channels: channels(store, guild)?
            .into_values()
            .map(|channel| Listed {
                channel,
                last_message_id: None,
            })
            .collect(),
        bot,
        bot_roles: presence
            .map(|presence| presence.roles.clone())
            .unwrap_or_default(),
        kept_threads: BTreeSet::new(),
    };
    let permissions = described.permissions();
    let mut readable = described
        .channels
        .iter()
        .map(|listed| &listed.channel)
        .filter(|channel| {
            channel.id >= from && (channel.kind.has_messages() || channel.holds_threads())
        })
        .filter(|channel| described.reads(&permissions, channel));
    let Some(channel) = readable.next() else {
        return Ok(None);
    };
    let coverage = store.coverage_of(guild, channel.id)?;
    Ok(Some(Place {
        channel: channel.clone(),
        private_threads: channel.kind.has_private_threads()
            && described.sees_private_threads(&permissions, channel),
        top: coverage
            .filter(|_| channel.kind.has_messages())
            .map(|coverage| coverage.top()),
    }))
}
