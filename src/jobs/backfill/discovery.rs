//! What there is: the guild, its channels, threads and members, as Discord describes them now.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::{Backfill, BackfillError, Depth, UNKNOWN_CHANNEL};
use crate::jobs::clock::Clock;
use crate::{
    discord::{GuildTold, Items, RestError},
    ingest::{self, Described},
    model::{
        Channel, ChannelId, Class, Fact, FailureObject, GuildId, Listed, Millis, Part, RoleId,
        Stamp, UserId,
    },
};

/// Channels whose archived threads are listed at the same time.
const LISTS_AT_ONCE: usize = 16;
/// Members on a full page.
const MEMBERS_FULL: usize = 1_000;

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
            Depth::Whole => self.members(guild, shape.members).await?,
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
                (!last.value.kind.is_thread()).then_some(ChannelId(part.id))
            });
            let present: BTreeSet<ChannelId> = present.collect();
            Ok(!present.is_empty() && present.is_subset(&told))
        })
        .await
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
        let refused = Fact::Refused(guild, object, reason);
        Ok(self.tell(self.clock.stamp(), vec![refused]).await?)
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

    /// Asks for every thread that must be somewhere but was not listed: those of which only a
    /// message tells, and those that were active when they were last seen. Returns whether there
    /// were new ones.
    pub(super) async fn find_threads(
        &self,
        described: &mut Described,
    ) -> Result<bool, BackfillError> {
        let guild = described.guild.id;
        self.writer.write(Vec::new()).await?;
        let (parts, failures) = self
            .read(move |store| Ok((store.channels(guild)?, store.failures(guild)?)))
            .await?;
        let listed: BTreeSet<ChannelId> =
            described.channels.iter().map(|it| it.channel.id).collect();
        let (now, described_at) = (Clock::now(), described.at.millis());
        // Asked again, Discord would say the same.
        let is_answered = |object: &FailureObject| {
            let mut failures = failures.iter().filter(|it| it.object == *object);
            failures.any(|it| it.refused && it.due() > now || it.at >= described_at)
        };
        let permissions = described.permissions();
        let is_sought = |part: &Part<Channel>| match (&part.state.last, part.state.gone) {
            (_, Some(_)) => false,
            (None, None) => true,
            (Some(last), None) => {
                let thread = &last.value;
                let is_active = thread.thread.as_ref().is_some_and(|it| !it.archived);
                is_active && described.reads(&permissions, thread)
            }
        };
        let unlisted = parts.iter().filter(|it| is_sought(it));
        let unlisted = unlisted.map(|it| ChannelId(it.id));
        let unlisted: Vec<_> = unlisted.filter(|id| !listed.contains(id)).collect();
        let mut found = false;
        for id in unlisted {
            let object = FailureObject::Channel(id);
            if is_answered(&object) {
                continue;
            }
            let at = self.clock.stamp();
            match self.history.channel(guild, id).await {
                Ok(thread) => {
                    let seen = Fact::Channel(thread.channel.clone());
                    let settled = Fact::Settled(guild, object);
                    self.tell(at, vec![seen, settled]).await?;
                    described.channels.push(thread);
                    found = true;
                }
                Err(RestError::NotFound {
                    code: UNKNOWN_CHANNEL,
                    ..
                }) => self.tell(at, vec![Fact::ChannelGone(guild, id)]).await?,
                Err(error) => {
                    self.fail(guild, object, error).await?;
                }
            }
        }
        self.writer.write(Vec::new()).await?;
        Ok(found)
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

    /// Lists all members, of whom there are about so many. Returns the bot's own roles, if it is
    /// among them.
    async fn members(
        &self,
        guild: GuildId,
        about: Option<u64>,
    ) -> Result<Option<Vec<RoleId>>, BackfillError> {
        let first = self.clock.stamp();
        let object = FailureObject::Class(Class::Members);
        let mut all = BTreeSet::new();
        let mut bot_roles = None;
        let (mut odd, mut all_named) = (0, true);
        loop {
            let at = self.clock.stamp();
            let after = all.last().copied().unwrap_or(UserId(0));
            let page = match self.history.members(guild, after).await {
                Ok(page) => page,
                Err(error) => {
                    self.fail(guild, object, error).await?;
                    return Ok(bot_roles);
                }
            };
            let before = all.len();
            all.extend(page.items.iter().map(|(user, _)| user.id));
            all.extend(page.unreadable.iter().copied().map(UserId));
            odd += page.odd();
            all_named &= page.all_named;
            let own = page.items.iter().find(|(user, _)| user.id == self.bot.id);
            bot_roles = bot_roles.or(own.map(|(_, presence)| presence.roles.clone()));
            let members = page.items.into_iter();
            let facts = members.map(|(user, presence)| Fact::Member(guild, user, presence));
            self.tell(at, facts.collect()).await?;
            // A short page is the last, unless the server has others that it gives in short pages.
            let have_all = about.is_some_and(|about| all.len() as u64 >= about);
            if page.len == 0 || page.len < MEMBERS_FULL && have_all {
                break;
            }
            if all.len() == before {
                // Whether there are more cannot be known: nobody is said to have left.
                let reason = "the server gives the same members again, whatever is asked for";
                let refused = Fact::Refused(guild, object, reason.to_owned());
                self.tell(self.clock.stamp(), vec![refused]).await?;
                return Ok(bot_roles);
            }
        }
        let mut facts = vec![Fact::Synced(guild, Class::Members)];
        if all_named {
            facts.push(Fact::AllMembers(guild, all));
        }
        self.tell(first, facts).await?;
        self.note_odd(guild, Class::Members, odd).await?;
        Ok(bot_roles)
    }

    /// Adds the archived threads of every channel that can be read, as far as something may be new.
    /// Returns whether every list was complete.
    async fn archived_threads(
        &self,
        described: &mut Described,
        depth: Depth,
    ) -> Result<bool, BackfillError> {
        let guild = described.guild.id;
        self.writer.write(Vec::new()).await?;
        let (coverage, parts, session) = self
            .read(move |store| {
                let (coverage, parts) = (store.coverage()?, store.channels(guild)?);
                Ok((coverage, parts, store.session(guild)?))
            })
            .await?;
        // What was archived is told to whoever may see it: as long as all was heard, nothing is new.
        let is_told = depth == Depth::Channels && session.unheard.is_none();
        let mut with_threads: BTreeSet<ChannelId> =
            described.channels.iter().filter_map(parent).collect();
        with_threads.extend(parts.iter().filter_map(|it| parent_of(it.state.ever()?)));
        let permissions = described.permissions();
        let now = self.clock.stamp();
        let mut lists = Vec::new();
        let channels = described.channels.iter().map(|it| &it.channel);
        for channel in
            channels.filter(|it| it.kind.has_threads() && described.reads(&permissions, it))
        {
            let known = coverage.get(&channel.id);
            let has_threads = with_threads.contains(&channel.id);
            let since = |listed: Option<Stamp>| match listed {
                Some(_) if is_told => None,
                _ => ingest::archived_since(listed, has_threads, now),
            };
            lists.extend(
                since(known.and_then(|it| it.public_threads)).map(|since| ArchivedList {
                    channel: channel.id,
                    private: false,
                    since,
                }),
            );
            if channel.kind.has_private_threads()
                && described.sees_private_threads(&permissions, channel)
            {
                let since = since(known.and_then(|it| it.private_threads));
                lists.extend(since.map(|since| ArchivedList {
                    channel: channel.id,
                    private: true,
                    since,
                }));
            }
        }
        let found: Vec<_> = stream::iter(lists)
            .map(async |list| (list.channel, self.archived_list(guild, list).await))
            .buffer_unordered(LISTS_AT_ONCE)
            .collect()
            .await;
        // Of a channel, by whether all its lists are.
        let mut whole_lists: BTreeMap<ChannelId, bool> = BTreeMap::new();
        let mut seen: BTreeSet<ChannelId> =
            described.channels.iter().map(|it| it.channel.id).collect();
        for (channel, found) in found {
            let (threads, whole) = found?;
            *whole_lists.entry(channel).or_insert(true) &= whole;
            described
                .channels
                .extend(threads.into_iter().filter(|it| seen.insert(it.channel.id)));
        }
        let complete = whole_lists.values().all(|whole| *whole);
        let whole = whole_lists.into_iter().filter(|(_, whole)| *whole);
        self.settle_lists(guild, whole.map(|(channel, _)| channel))
            .await?;
        Ok(complete)
    }

    /// Nothing that failed of these channels' archived threads is missing any more.
    async fn settle_lists(
        &self,
        guild: GuildId,
        channels: impl Iterator<Item = ChannelId>,
    ) -> Result<(), BackfillError> {
        let settled = channels.map(|it| Fact::Settled(guild, FailureObject::Threads(it)));
        Ok(self.tell(self.clock.stamp(), settled.collect()).await?)
    }

    /// A channel's archived threads, the private ones too if they can be seen, and whether these are
    /// all.
    pub(in crate::jobs) async fn archived_in(
        &self,
        guild: GuildId,
        channel: ChannelId,
        private: bool,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let (mut threads, mut whole) = (Vec::new(), true);
        for private in [false, true].into_iter().take(1 + usize::from(private)) {
            let list = ArchivedList {
                channel,
                private,
                since: Millis(0),
            };
            let (more, all) = self.archived_list(guild, list).await?;
            threads.extend(more);
            whole &= all;
        }
        if whole {
            self.settle_lists(guild, [channel].into_iter()).await?;
        }
        Ok((threads, whole))
    }

    /// Lists a channel's public or private archived threads, the last archived first, and says
    /// whether these are all.
    async fn archived_list(
        &self,
        guild: GuildId,
        list: ArchivedList,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let ArchivedList {
            channel,
            private,
            since,
        } = list;
        let since = self.history.discord_time(since);
        let first = self.clock.stamp();
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
                Err(RestError::NotFound {
                    code: UNKNOWN_CHANNEL,
                    ..
                }) => return Ok((threads, whole)),
                Err(error) => {
                    self.fail(guild, FailureObject::Threads(channel), error)
                        .await?;
                    return Ok((threads, false));
                }
            };
            whole &= self.threads_are_whole(guild, &page).await?;
            let page = page.items;
            self.tell(at, seen(&page)).await?;
            let times: Vec<Option<Millis>> = page.iter().map(archived_at).collect();
            let oldest = times.iter().copied().flatten().min();
            // Only of a list that is in its documented order does the end tell of what follows.
            let rest_is_known = times.is_sorted_by(|a, b| a >= b) && oldest < Some(since);
            threads.extend(page);
            if !more || oldest.is_none() || rest_is_known || before.is_some() && oldest >= before {
                break;
            }
            before = oldest;
        }
        if whole {
            let listed = Fact::ArchivedThreads {
                guild_id: guild,
                channel_id: channel,
                private,
            };
            self.tell(first, vec![listed]).await?;
        }
        Ok((threads, whole))
    }
}

/// A list of archived threads that is to be read.
struct ArchivedList {
    channel: ChannelId,
    private: bool,
    /// Those archived earlier, by our clock, are known.
    since: Millis,
}

fn archived_at(thread: &Listed) -> Option<Millis> {
    thread.channel.thread.as_ref()?.archive_timestamp
}

fn parent(listed: &Listed) -> Option<ChannelId> {
    parent_of(&listed.channel)
}

/// The channel that a thread was opened in.
fn parent_of(channel: &Channel) -> Option<ChannelId> {
    channel.parent_id.filter(|_| channel.kind.is_thread())
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
