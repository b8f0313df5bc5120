//! Removes a guild, except for its members' privacy choices.

use std::collections::BTreeSet;

use super::{Store, StoreError};
use propsbot_mirror::{Mark, Record as _};
use propsbot_model::{
    AdminAction, Channel, ChannelId, Coverage, Failure, Guild, GuildEmoji, GuildEntity, GuildId,
    LeftOut, Link, Member, MessageState, Pending, Privacy, Props, Reaction, ReactionMarks, Recap,
    Role, ScheduledEvent, Scrub, Session, Settings, Synced, Tally,
};

/// Removes a guild's rows, except its members' privacy choices, and marks it for export.
///
/// There must be no other writer. If this is interrupted, call it again.
///
/// Choices outlive the guild: if it is mirrored again, members who opted out or had their data
/// deleted stay hidden. Until then their choices still apply in other guilds that name them.
pub fn purge(store: &Store, guild: GuildId) -> Result<(), StoreError> {
    let channels = store.channels(guild)?;
    let mut channels: BTreeSet<ChannelId> =
        channels.iter().map(|part| ChannelId(part.id)).collect();
    channels.extend(store.tallies(guild)?.iter().map(|tally| tally.channel_id));
    let pending = store.pending(guild)?;
    channels.extend(pending.iter().map(|list| list.channel_id));
    for channel in channels {
        store.remove::<MessageState>(channel)?;
        store.remove::<Reaction>(channel)?;
        store.remove::<Props>(channel)?;
        store.remove::<ReactionMarks>(channel)?;
        store.remove::<LeftOut>(channel)?;
    }
    for choice in store.privacy(guild)? {
        if !choice.hides_anything() {
            store.remove::<Privacy>(choice.key())?;
        }
    }
    store.remove::<GuildEntity<Guild>>(guild)?;
    store.remove::<GuildEntity<Role>>(guild)?;
    store.remove::<GuildEntity<GuildEmoji>>(guild)?;
    store.remove::<Member>(guild)?;
    store.remove::<Settings>(guild)?;
    store.remove::<Coverage>(guild)?;
    store.remove::<Pending>(guild)?;
    store.remove::<Session>(guild)?;
    store.remove::<Synced>(guild)?;
    store.remove::<Failure>(guild)?;
    store.remove::<Scrub>(guild)?;
    store.remove::<AdminAction>(guild)?;
    store.remove::<Recap>(guild)?;
    store.remove::<Link>(guild)?;
    store.remove::<ScheduledEvent>(guild)?;
    // These rows list the guild's channels, so they are removed last.
    store.remove::<Tally>(guild)?;
    store.remove::<GuildEntity<Channel>>(guild)?;
    store.mark_only(Mark::of_space(guild, Privacy::TABLE))
}
