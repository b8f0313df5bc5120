//! What there is: the guild, its channels, threads and members, as Discord describes them now.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use super::{Backfill, BackfillError, Depth};
use crate::{
    discord::{Items, RestError},
    ingest::Described,
    model::{ChannelId, Class, Fact, FailureObject, GuildId, Listed, RoleId, UserId},
};

/// Channels whose archived threads are listed at the same time.
const LISTS_AT_ONCE: usize = 16;

impl Backfill {
    /// Asks Discord what the guild is, records it, and returns it.
    pub(super) async fn describe(
        &self,
        guild: GuildId,
        depth: Depth,
    ) -> Result<Described, BackfillError> {
        let at = self.clock.stamp();
        let shape = self.history.guild(guild).await?;
        self.note_odd(guild, Class::Guild, shape.roles.odd() + shape.emojis.odd())
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
        facts.push(Fact::Synced(guild, Class::Guild));
        self.tell(at, facts).await?;

        let at = self.clock.stamp();
        let listed = self.history.channels(guild).await?;
        self.note_odd(guild, Class::Channels, listed.odd()).await?;
        let mut facts = seen(&listed.items);
        let all_channels = ids(&listed, |it| it.channel.id, ChannelId);
        facts.extend(all_channels.map(|all| Fact::AllChannels(guild, all)));
        facts.push(Fact::Synced(guild, Class::Channels));
        self.tell(at, facts).await?;
        let mut channels = listed.items;

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

        let everything = matches!(depth, Depth::Whole { .. });
        if everything {
            self.members(guild).await?;
        }
        let mut described = Described {
            guild: shape.guild,
            roles: shape.roles.items,
            channels,
            bot: self.bot.id,
            bot_roles: self.bot_roles(guild).await?,
            kept_threads: BTreeSet::new(),
        };
        if everything {
            whole &= self.archived_threads(&mut described).await?;
            if whole {
                self.tell(
                    self.clock.stamp(),
                    vec![
                        Fact::Settled(guild, FailureObject::Class(Class::Threads)),
                        Fact::Synced(guild, Class::Threads),
                    ],
                )
                .await?;
            }
        }
        self.writer.write(Vec::new()).await?;
        self.keep_threads(&mut described).await?;
        Ok(described)
    }

    /// Records how many of a class could not be read; or, if all could, that this is no failure.
    async fn note_odd(
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
        let failed = Fact::Failed(guild, object, reason);
        Ok(self.tell(self.clock.stamp(), vec![failed]).await?)
    }

    /// Whether all of these threads could be read; if not, that is recorded. One list of threads
    /// says nothing of the others.
    async fn threads_are_whole(
        &self,
        guild: GuildId,
        threads: &Items<Listed>,
    ) -> Result<bool, BackfillError> {
        let odd = threads.odd();
        if odd > 0 {
            self.note_odd(guild, Class::Threads, odd).await?;
        }
        Ok(odd == 0)
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

    /// Adds the threads that are known but were not listed now, since their list failed or was not
    /// asked for: something of them may still be missing.
    async fn keep_threads(&self, described: &mut Described) -> Result<(), BackfillError> {
        let guild = described.guild.id;
        let listed: BTreeSet<ChannelId> =
            described.channels.iter().map(|it| it.channel.id).collect();
        for part in self.read(move |store| store.channels(guild)).await? {
            if let Some(thread) = part.state.now()
                && thread.kind.is_thread()
                && !listed.contains(&thread.id)
            {
                described.kept_threads.insert(thread.id);
                described.channels.push(Listed {
                    channel: thread.clone(),
                    last_message_id: None,
                });
            }
        }
        Ok(())
    }

    /// Lists all members, until there are no more.
    async fn members(&self, guild: GuildId) -> Result<(), BackfillError> {
        let first = self.clock.stamp();
        let object = FailureObject::Class(Class::Members);
        let mut all = BTreeSet::new();
        let (mut odd, mut all_named) = (0, true);
        loop {
            let at = self.clock.stamp();
            let after = all.last().copied().unwrap_or(UserId(0));
            let page = match self.history.members(guild, after).await {
                Ok(page) => page,
                Err(error) => return self.fail(guild, object, error).await,
            };
            let before = all.len();
            all.extend(page.items.iter().map(|(user, _)| user.id));
            all.extend(page.unreadable.iter().copied().map(UserId));
            odd += page.odd();
            all_named &= page.all_named;
            let members = page.items.into_iter();
            let facts = members.map(|(user, presence)| Fact::Member(guild, user, presence));
            self.tell(at, facts.collect()).await?;
            if page.len == 0 {
                break;
            }
            if all.len() == before {
                // Whether there are more cannot be known: nobody is said to have left.
                let reason = "the server gives the same members again, whatever is asked for";
                let failed = Fact::Failed(guild, object, reason.to_owned());
                return Ok(self.tell(self.clock.stamp(), vec![failed]).await?);
            }
        }
        let mut facts = vec![Fact::Synced(guild, Class::Members)];
        if all_named {
            facts.push(Fact::AllMembers(guild, all));
        }
        self.tell(first, facts).await?;
        self.note_odd(guild, Class::Members, odd).await
    }

    /// Adds the archived threads of every channel that can be read. Returns whether every list was
    /// complete.
    async fn archived_threads(&self, described: &mut Described) -> Result<bool, BackfillError> {
        let guild = described.guild.id;
        let permissions = described.permissions();
        let lists: Vec<(ChannelId, bool)> = described
            .channels
            .iter()
            .map(|it| &it.channel)
            .filter(|it| it.kind.has_threads() && described.reads(&permissions, it))
            .map(|it| {
                let private = it.kind.has_private_threads()
                    && described.sees_private_threads(&permissions, it);
                (it.id, private)
            })
            .collect();
        let found: Vec<_> = stream::iter(lists)
            .map(|(channel, private)| self.archived_in(guild, channel, private))
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

    /// A channel's archived threads, the private ones too if they can be seen, and whether these are
    /// all.
    pub(in crate::jobs) async fn archived_in(
        &self,
        guild: GuildId,
        channel: ChannelId,
        private: bool,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let (mut threads, mut whole) = self.archived_list(guild, channel, false).await?;
        if private {
            let (more, all) = self.archived_list(guild, channel, true).await?;
            threads.extend(more);
            whole &= all;
        }
        if whole {
            let settled = Fact::Settled(guild, FailureObject::Threads(channel));
            self.tell(self.clock.stamp(), vec![settled]).await?;
        }
        Ok((threads, whole))
    }

    /// A channel's public or private archived threads, and whether these are all.
    async fn archived_list(
        &self,
        guild: GuildId,
        channel: ChannelId,
        private: bool,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let mut threads = Vec::new();
        let mut whole = true;
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
            whole &= self.threads_are_whole(guild, &page).await?;
            let page = page.items;
            self.tell(at, seen(&page)).await?;
            let oldest = page
                .iter()
                .filter_map(|it| it.channel.thread.as_ref()?.archive_timestamp)
                .min();
            threads.extend(page);
            if !more || oldest.is_none() || before.is_some() && oldest >= before {
                break;
            }
            before = oldest;
        }
        Ok((threads, whole))
    }
}

/// Channels that were listed, as facts.
fn seen(listed: &[Listed]) -> Vec<Fact> {
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
