//! What there is: the guild, its channels, threads and members, as Discord describes them now.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::{Backfill, BackfillError, Depth};
use crate::{
    discord::RestError,
    ingest::Described,
    model::{
        Channel, ChannelId, Class, Fact, FailureObject, GuildId, Listed, Millis, Part, UserId,
    },
};

/// Channels whose archived threads are listed at the same time.
const LISTS_AT_ONCE: usize = 16;
/// Members in one answer; fewer means that there are no more.
const MEMBERS_FULL: usize = 1000;

impl Backfill {
    /// Asks Discord what the guild is, records it, and returns it.
    pub(super) async fn describe(
        &self,
        guild: GuildId,
        depth: Depth,
    ) -> Result<Described, BackfillError> {
        let at = self.clock.stamp();
        let shape = self.history.guild(guild).await?;
        let mut facts = vec![Fact::Guild(shape.guild.clone())];
        facts.push(Fact::AllRoles(
            guild,
            shape.roles.iter().map(|it| it.id).collect(),
        ));
        facts.extend(shape.roles.iter().cloned().map(Fact::Role));
        facts.push(Fact::AllEmojis(guild, shape.emojis));
        facts.push(Fact::Synced(guild, Class::Guild));
        self.tell(at, facts).await?;

        let at = self.clock.stamp();
        let mut channels = self.history.channels(guild).await?;
        let mut facts: Vec<_> = channels
            .iter()
            .map(|it| Fact::Channel(it.channel.clone()))
            .collect();
        facts.push(Fact::AllChannels(
            guild,
            channels.iter().map(|it| it.channel.id).collect(),
        ));
        facts.push(Fact::Synced(guild, Class::Channels));
        self.tell(at, facts).await?;

        let at = self.clock.stamp();
        let mut whole = true;
        match self.history.active_threads(guild).await {
            Ok(threads) => {
                self.tell(
                    at,
                    threads
                        .iter()
                        .map(|it| Fact::Channel(it.channel.clone()))
                        .collect(),
                )
                .await?;
                channels.extend(threads);
            }
            Err(error) => {
                whole = false;
                self.fail(guild, FailureObject::Class(Class::Threads), error)
                    .await?;
            }
        }

        if depth == Depth::Whole {
            self.members(guild).await?;
            self.writer.write(Vec::new()).await?;
        }
        let bot = self.bot.id;
        let bot_roles = self.read(move |store| store.member(guild, bot)).await?;
        let mut described = Described {
            guild: shape.guild,
            roles: shape.roles,
            channels,
            bot,
            bot_roles: bot_roles
                .and_then(|it| it.presence.now().map(|presence| presence.roles.clone()))
                .unwrap_or_default(),
        };
        whole &= self.archived_threads(&mut described, depth).await?;
        if whole && depth == Depth::Whole {
            self.tell(
                self.clock.stamp(),
                vec![
                    Fact::Settled(guild, FailureObject::Class(Class::Threads)),
                    Fact::Synced(guild, Class::Threads),
                ],
            )
            .await?;
        }
        Ok(described)
    }

    /// Lists all members. Where that fails, the bot's own membership is known all the same if it was
    /// ever seen.
    async fn members(&self, guild: GuildId) -> Result<(), BackfillError> {
        let first = self.clock.stamp();
        let mut all = BTreeSet::new();
        loop {
            let at = self.clock.stamp();
            let after = all.last().copied().unwrap_or(UserId(0));
            let page = match self.history.members(guild, after).await {
                Ok(page) => page,
                Err(error) => {
                    return self
                        .fail(guild, FailureObject::Class(Class::Members), error)
                        .await;
                }
            };
            let full = page.len() >= MEMBERS_FULL;
            let before = all.len();
            all.extend(page.iter().map(|(user, _)| user.id));
            let facts = page
                .into_iter()
                .map(|(user, presence)| Fact::Member(guild, user, presence));
            self.tell(at, facts.collect()).await?;
            // A server that ignores `after` must not keep us here for ever.
            if !full || all.len() == before {
                break;
            }
        }
        self.tell(
            first,
            vec![
                Fact::AllMembers(guild, all),
                Fact::Settled(guild, FailureObject::Class(Class::Members)),
                Fact::Synced(guild, Class::Members),
            ],
        )
        .await?;
        Ok(())
    }

    /// Adds the archived threads of every channel that can be read: freshly listed, or, at lesser
    /// depth, as they are known. Returns whether every list was complete.
    async fn archived_threads(
        &self,
        described: &mut Described,
        depth: Depth,
    ) -> Result<bool, BackfillError> {
        let guild = described.guild.id;
        let known: BTreeMap<ChannelId, Option<Millis>> = self
            .read(move |store| store.channels(guild))
            .await?
            .iter()
            .filter_map(known_archived)
            .collect();
        if depth != Depth::Whole {
            return Ok(true);
        }
        let permissions = described.permissions();
        let lists: Vec<(ChannelId, bool)> = described
            .channels
            .iter()
            .map(|it| &it.channel)
            .filter(|it| it.kind.has_threads() && described.reads(&permissions, it))
            .flat_map(|it| {
                let private = it.kind.has_private_threads()
                    && described.sees_private_threads(&permissions, it);
                [Some((it.id, false)), private.then_some((it.id, true))]
            })
            .flatten()
            .collect();
        let found: Vec<_> = stream::iter(lists)
            .map(|(channel, private)| self.archived_in(guild, channel, private, &known))
            .buffer_unordered(LISTS_AT_ONCE)
            .collect()
            .await;
        let mut complete = true;
        let mut seen: BTreeSet<ChannelId> =
            described.channels.iter().map(|it| it.channel.id).collect();
        for found in found {
            let (threads, whole) = found?;
            complete &= whole;
            described
                .channels
                .extend(threads.into_iter().filter(|it| seen.insert(it.channel.id)));
        }
        Ok(complete)
    }

    /// A channel's archived threads, newest first, until a page has only what is known already: an
    /// archived thread does not change before it is un-archived, and then it comes first again.
    async fn archived_in(
        &self,
        guild: GuildId,
        channel: ChannelId,
        private: bool,
        known: &BTreeMap<ChannelId, Option<Millis>>,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let mut threads = Vec::new();
        let mut before = None;
        loop {
            let at = self.clock.stamp();
            let answer = self
                .history
                .archived_threads(guild, channel, private, before)
                .await;
            let (page, more) = match answer {
                Ok(page) => page,
                Err(RestError::NotFound { code: 10003, .. }) => break,
                Err(error) => {
                    self.fail(guild, FailureObject::Threads(channel), error)
                        .await?;
                    return Ok((threads, false));
                }
            };
            self.tell(
                at,
                page.iter()
                    .map(|it| Fact::Channel(it.channel.clone()))
                    .collect(),
            )
            .await?;
            let timestamp = |it: &Listed| {
                it.channel
                    .thread
                    .as_ref()
                    .and_then(|thread| thread.archive_timestamp)
            };
            let oldest = page.iter().filter_map(timestamp).min();
            let news = page
                .iter()
                .any(|it| known.get(&it.channel.id) != Some(&timestamp(it)));
            threads.extend(page);
            if !more || !news || oldest.is_none() || oldest == before {
                break;
            }
            before = oldest;
        }
        let settled = Fact::Settled(guild, FailureObject::Threads(channel));
        self.tell(self.clock.stamp(), vec![settled]).await?;
        Ok((threads, true))
    }
}

fn known_archived(part: &Part<Channel>) -> Option<(ChannelId, Option<Millis>)> {
    let channel = part.state.now()?;
    let thread = channel.thread.as_ref().filter(|it| it.archived)?;
    Some((channel.id, thread.archive_timestamp))
}
