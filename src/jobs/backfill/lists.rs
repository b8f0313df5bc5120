//! Checks lists that contradict what is known.
//!
//! Such a list is fetched once more; then its missing items are fetched one by one to learn whether
//! they are gone.

use std::collections::BTreeSet;

use tracing::warn;

use super::{Backfill, BackfillError, UNKNOWN_CHANNEL};
use propsbot_discord::{GuildSnapshot, Items, RestError};
use propsbot_model::{ChannelId, EmojiId, Fact, GuildId, Listed, Role, RoleId};

/// Maximum number of missing items to fetch one by one.
pub(super) const SINGLY: usize = 20;

/// A guild's known channels, roles and emojis.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Existing channels, without threads.
    channels: BTreeSet<ChannelId>,
    roles: BTreeSet<RoleId>,
    emojis: BTreeSet<EmojiId>,
}

impl Known {
    /// Returns whether the snapshot contradicts this so much that a second answer is needed.
    pub(super) fn doubts(&self, guild: GuildId, told: &GuildSnapshot) -> bool {
        let shape = &told.shape;
        let roles = ids(&shape.roles, |role| role.id, RoleId);
        let emojis = ids(&shape.emojis, |emoji| emoji.id, EmojiId);
        let channels = ids(&told.channels, |listed| listed.channel.id, ChannelId);
        lacks_everyone(guild, &shape.roles)
            || roles.is_some_and(|listed| lacks_most(&self.roles, &listed))
            || emojis.is_some_and(|listed| lacks_most(&self.emojis, &listed))
            || channels.is_some_and(|listed| lacks_most(&self.channels, &listed))
    }
}

impl Backfill {
    pub(super) async fn known_lists(&self, guild: GuildId) -> Result<Known, BackfillError> {
        self.writer.write(Vec::new()).await?;
        self.read(move |store| {
            let channels = store.channels(guild)?;
            let channels = channels.iter().filter_map(|part| part.state.now());
            let channels = channels.filter(|channel| !channel.is_thread());
            let roles = store.roles(guild)?;
            let roles = roles.iter().filter_map(|part| part.state.now());
            let emojis = store.emojis(guild)?;
            let emojis = emojis.iter().filter_map(|part| part.state.now());
            Ok(Known {
                channels: channels.map(|channel| channel.id).collect(),
                roles: roles.map(|role| role.id).collect(),
                emojis: emojis
                    .filter(|emoji| emoji.own)
                    .map(|emoji| emoji.id)
                    .collect(),
            })
        })
        .await
    }

    /// Fetches the guild and its channels; twice if the first answer contradicts what is known.
    pub(super) async fn ask_shape(&self, guild: GuildId) -> Result<GuildSnapshot, BackfillError> {
        let known = self.known_lists(guild).await?;
        let ask = async || {
            Ok::<_, RestError>(GuildSnapshot {
                at: self.clock.stamp(),
                shape: self.history.guild(guild).await?,
                channels: self.history.channels(guild).await?,
            })
        };
        let mut told = ask().await?;
        if known.doubts(guild, &told) {
            warn!(%guild, "Discord's lists contradict what is known of the guild; fetching them again");
            told = ask().await?;
        }
        Ok(told)
    }

    /// Fetches channels missing from a list, and adds those that exist.
    /// Returns facts for the gone ones, and the number of those that exist.
    pub(super) async fn ask_for_channels(
        &self,
        guild: GuildId,
        list: &mut Items<Listed>,
    ) -> Result<(Vec<Fact>, usize), BackfillError> {
        let Some(listed) = ids(list, |listed| listed.channel.id, ChannelId) else {
            return Ok((Vec::new(), 0));
        };
        let known = self
            .read(move |store| {
                let parts = store.channels(guild)?.into_iter();
                let present =
                    parts.filter_map(|part| part.state.last.filter(|_| part.state.gone.is_none()));
                Ok(present.map(|seen| seen.value).collect::<Vec<_>>())
            })
            .await?;
        let lacking: Vec<ChannelId> = known
            .iter()
            .filter(|channel| !channel.is_thread() && !listed.contains(&channel.id))
            .map(|channel| channel.id)
            .collect();
        let (mut gone, mut there) = (Vec::new(), 0);
        for id in sample(&lacking, SINGLY) {
            match self.history.channel(guild, *id).await {
                Err(RestError::NotFound {
                    code: UNKNOWN_CHANNEL,
                    ..
                }) => gone.push(*id),
                Err(error @ RestError::BadToken) => return Err(error.into()),
                Err(_) => there += 1,
                Ok(found) => {
                    there += 1;
                    list.items.push(found);
                    list.len += 1;
                }
            }
        }
        // If all sampled ones are gone, so are the others.
        let asked = lacking.len().min(SINGLY);
        if there == 0 {
            gone = lacking;
        } else {
            there += lacking.len() - asked;
        }
        let gone = gone.into_iter().map(|id| Fact::ChannelGone(guild, id));
        Ok((gone.collect(), there))
    }
}

/// Returns up to `most` items, spread evenly.
pub(super) fn sample<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let len = all.len().min(most);
    (0..len).map(move |index| &all[index * all.len() / len])
}

/// Returns whether a list of roles lacks `@everyone`, which every guild has.
pub(super) fn lacks_everyone(guild: GuildId, roles: &Items<Role>) -> bool {
    let everyone = RoleId(guild.0);
    roles.all_named
        && roles.items.iter().all(|role| role.id != everyone)
        && !roles.unreadable.contains(&everyone.0)
}

/// Returns whether more than half of what is known is missing.
pub(super) fn lacks_most<I: Ord>(known: &BTreeSet<I>, listed: &BTreeSet<I>) -> bool {
    known.difference(listed).count() * 2 > known.len()
}

/// Returns all listed ids, unreadable items included; `None` if some ids are unreadable.
pub(super) fn ids<T, I: Ord>(
    listed: &Items<T>,
    id: fn(&T) -> I,
    named: fn(u64) -> I,
) -> Option<BTreeSet<I>> {
    let unreadable = listed.unreadable.iter().copied().map(named);
    listed
        .all_named
        .then(|| listed.items.iter().map(id).chain(unreadable).collect())
}
