//! What there is: the guild and its channels, as Discord describes them now, and with them the
//! threads and members that `threads.rs` and `members.rs` find.

use std::collections::BTreeSet;

use super::{Backfill, BackfillError, Depth};
use crate::{
    discord::{GuildTold, Items, RestError},
    ingest::Described,
    model::{ChannelId, Class, Fact, FailureObject, GuildId, Listed, RoleId},
};

impl Backfill {
    /// Finds out what the guild is, as far as the gateway has not told, records it, and returns it.
    pub(super) async fn describe(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildTold>,
    ) -> Result<Described, BackfillError> {
        let GuildTold {
            at,
            shape,
            channels,
        } = match told {
            Some(told) if self.tells_all(guild, &told.channels.items).await? => told,
            _ => GuildTold {
                at: self.clock.stamp(),
                shape: self.history.guild(guild).await?,
                channels: self.history.channels(guild).await?,
            },
        };
        self.note_odd(guild, Class::Guild, shape.roles.odd() + shape.emojis.odd())
            .await?;
        self.note_odd(guild, Class::Channels, channels.odd())
            .await?;
        let mut facts = vec![Fact::Guild(shape.guild.clone())];
        let all_roles = ids(&shape.roles, |it| it.id, RoleId);
        facts.extend(all_roles.map(|all| Fact::AllRoles(guild, all)));
        facts.extend(shape.roles.items.iter().cloned().map(Fact::Role));
        if shape.emojis.all_readable() {
            facts.push(Fact::AllEmojis(guild, shape.emojis.items));
        } else {
            facts.extend(shape.emojis.items.into_iter().map(Fact::Emoji));
        }
        facts.extend(seen(&channels.items));
        let all_channels = ids(&channels, |it| it.channel.id, ChannelId);
        facts.extend(all_channels.map(|all| Fact::AllChannels(guild, all)));
        facts.push(Fact::Synced(guild, Class::Guild));
        facts.push(Fact::Synced(guild, Class::Channels));
        self.tell(at, facts).await?;
        let mut channels = channels.items;
        let described_at = at;

        let at = self.clock.stamp();
        let mut whole = true;
        match self.history.active_threads(guild).await {
            Ok(threads) => {
                whole &= self.threads_are_whole(guild, &threads).await?;
                self.tell(at, seen(&threads.items)).await?;
                channels.extend(threads.items);
            }
            Err(error) => {
                whole = false;
                self.fail(guild, FailureObject::Class(Class::Threads), error)
                    .await?;
            }
        }

        let listed = match depth {
            Depth::Whole | Depth::Recheck => self.members(guild, shape.members).await?,
            Depth::Channels => None,
        };
        let bot_roles = match listed {
            Some(roles) => roles,
            None => self.bot_roles(guild).await?,
        };
        let mut described = Described {
            at: described_at,
            guild: shape.guild,
            roles: shape.roles.items,
            channels,
            bot: self.bot.id,
            bot_roles,
            kept_threads: BTreeSet::new(),
        };
        whole &= self.archived_threads(&mut described, depth).await?;
        if whole && depth >= Depth::Whole {
            self.tell(
                self.clock.stamp(),
                vec![
                    Fact::Settled(guild, FailureObject::Class(Class::Threads)),
                    Fact::Synced(guild, Class::Threads),
                ],
            )
            .await?;
        }
        self.find_threads(&mut described).await?;
        self.keep_threads(&mut described).await?;
        Ok(described)
    }

    /// Whether the gateway told of all channels, as far as is known. serenity leaves those out that it
    /// cannot read, without a word: which channels are gone, or never were, only Discord can tell.
    async fn tells_all(&self, guild: GuildId, told: &[Listed]) -> Result<bool, BackfillError> {
        let told: BTreeSet<ChannelId> = told.iter().map(|it| it.channel.id).collect();
        self.read(move |store| {
            let present = store.channels(guild)?.into_iter().filter_map(|part| {
                let last = part.state.last.filter(|_| part.state.gone.is_none())?;
                (!last.value.is_thread()).then_some(ChannelId(part.id))
            });
            let present: BTreeSet<ChannelId> = present.collect();
            Ok(!present.is_empty() && present.is_subset(&told))
        })
        .await
    }

    /// Records how many of a class could not be read; or, if all could, that this is no failure.
    pub(super) async fn note_odd(
        &self,
        guild: GuildId,
        class: Class,
        count: usize,
    ) -> Result<(), BackfillError> {
        let object = FailureObject::Class(class);
        if count == 0 {
            let settled = Fact::Settled(guild, object);
            return Ok(self.tell(self.clock.stamp(), vec![settled]).await?);
        }
        self.progress.update(|it| it.refused += count as u64);
        let reason = format!("{count} of them are not as Discord documents them");
        let refused = Fact::Refused(guild, object, reason);
        Ok(self.tell(self.clock.stamp(), vec![refused]).await?)
    }

    /// The bot's own roles: as Discord tells them now, else as they are known.
    async fn bot_roles(&self, guild: GuildId) -> Result<Vec<RoleId>, BackfillError> {
        let bot = self.bot.id;
        match self.history.member(guild, bot).await {
            Ok(Some((user, presence))) => {
                let roles = presence.roles.clone();
                let member = Fact::Member(guild, user, presence);
                self.tell(self.clock.stamp(), vec![member]).await?;
                return Ok(roles);
            }
            Err(error @ RestError::BadToken) => return Err(error.into()),
            Ok(None) | Err(_) => {}
        }
        self.writer.write(Vec::new()).await?;
        let known = self.read(move |store| store.member(guild, bot)).await?;
        let presence = known.and_then(|it| it.presence.now().map(|it| it.roles.clone()));
        Ok(presence.unwrap_or_default())
    }
}

/// Channels that were listed, as facts.
pub(super) fn seen(listed: &[Listed]) -> Vec<Fact> {
    listed
        .iter()
        .map(|it| Fact::Channel(it.channel.clone()))
        .collect()
}

/// The ids of all there are, those that could not be read among them; `None` if some are not told.
fn ids<T, I: Ord>(listed: &Items<T>, id: fn(&T) -> I, named: fn(u64) -> I) -> Option<BTreeSet<I>> {
    let unreadable = listed.unreadable.iter().copied().map(named);
    listed
        .all_named
        .then(|| listed.items.iter().map(id).chain(unreadable).collect())
}
