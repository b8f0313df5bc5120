//! Lists that contradict what is known: asked for once more, and then believed only as far as what
//! they lack is gone when it is asked for by itself.

use std::collections::BTreeSet;

use tracing::warn;

use super::{Backfill, BackfillError, UNKNOWN_CHANNEL};
use propsbot_discord::{GuildSnapshot, Items, RestError};
use propsbot_model::{ChannelId, EmojiId, Fact, GuildId, Listed, Role, RoleId};

/// Of what a list lacks, how much is asked for by itself.
pub(super) const SINGLY: usize = 20;

/// What is known of a guild's lists.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Channels that are there, threads not among them.
    channels: BTreeSet<ChannelId>,
    roles: BTreeSet<RoleId>,
    /// The guild's own.
    emojis: BTreeSet<EmojiId>,
}

impl Known {
    /// Whether it takes another answer to believe this one.
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
    /// What is known of the guild's lists.
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

    /// The guild and its channels as REST tells them; told twice where the first answer
    /// contradicts what is known.
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
            warn!(%guild, "asking again: Discord's lists contradict what is known of the guild");
            told = ask().await?;
        }
        Ok(told)
    }

    /// Asks for the channels that a list lacks. Those that are there are added to it. Returns the
    /// facts of those that are gone, and how many are not.
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
        // Where all that were asked for are gone, so are the others.
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

/// Up to `most` of them, from first to last.
pub(super) fn sample<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let len = all.len().min(most);
    (0..len).map(move |index| &all[index * all.len() / len])
}

/// Whether a list of roles lacks the one that everyone has, which every guild has.
pub(super) fn lacks_everyone(guild: GuildId, roles: &Items<Role>) -> bool {
    let everyone = RoleId(guild.0);
    roles.all_named
        && roles.items.iter().all(|role| role.id != everyone)
        && !roles.unreadable.contains(&everyone.0)
}

/// Whether more than half of what is known is not listed.
pub(super) fn lacks_most<I: Ord>(known: &BTreeSet<I>, listed: &BTreeSet<I>) -> bool {
    known.difference(listed).count() * 2 > known.len()
}

/// The ids of all there are, those that could not be read among them; `None` if some are not told.
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
