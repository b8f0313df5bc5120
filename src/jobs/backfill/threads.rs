//! Finds archived threads, and threads that exist but weren't listed.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::{
    Backfill, BackfillError, Depth, UNKNOWN_CHANNEL,
    discovery::{seen, unread_of},
};
use crate::clock::Clock;
use propsbot_discord::{Items, RestError};
use propsbot_ingest::{self as ingest, Described};
use propsbot_model::{
    Channel, ChannelId, ChannelKind, Class, Fact, FailureObject, GuildEntity, GuildId, Listed,
    Millis, Stamp,
};

/// Channels whose archived threads are listed in parallel.
const LISTS_AT_ONCE: usize = 16;

/// Why a channel's archived threads are incomplete.
const ENDLESS: &str = "the server's list of archived threads never ends";
/// Discord's code for requests that a channel type doesn't support. Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const NOT_IN_THIS_TYPE: u64 = 50_024;
/// By how much an archive timestamp may precede its channel's creation, in milliseconds.
const SKEW_MS: i64 = 5_000;

impl Backfill {
    /// Fetches threads that weren't listed but exist; returns whether it found new ones.
    /// These are threads that only a message mentions, and threads last seen active.
    pub(super) async fn find_threads(
        &self,
        described: &mut Described,
    ) -> Result<bool, BackfillError> {
        let guild = described.guild.id;
        self.writer.write(Vec::new()).await?;
        let (parts, failures) = self
            .read(move |store| Ok((store.channels(guild)?, store.failures(guild)?)))
            .await?;
        let listed: BTreeSet<ChannelId> = described
            .channels
            .iter()
            .map(|channel| channel.channel.id)
            .collect();
        let (now, described_at) = (Clock::now(), described.at.millis());
        // Discord would answer the same again.
        let is_answered = |object: &FailureObject| {
            let mut failures = failures.iter().filter(|failure| failure.object == *object);
            failures
                .any(|failure| failure.refused && failure.due() > now || failure.at >= described_at)
        };
        let permissions = described.permissions();
        let is_sought = |part: &GuildEntity<Channel>| match (&part.state.last, part.state.gone) {
            (_, Some(_)) => false,
            (None, None) => true,
            (Some(last), None) => {
                let thread = &last.value;
                let is_active = thread
                    .thread
                    .as_ref()
                    .is_some_and(|thread| !thread.archived);
                is_active && described.reads(&permissions, thread)
            }
        };
        let unlisted = parts.iter().filter(|part| is_sought(part));
        let unlisted = unlisted.map(|unlisted| ChannelId(unlisted.id));
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

    /// Adds known threads whose list failed or wasn't fetched: they may lack messages.
    pub(super) async fn keep_threads(
        &self,
        described: &mut Described,
    ) -> Result<(), BackfillError> {
        let guild = described.guild.id;
        let listed: BTreeSet<ChannelId> = described
            .channels
            .iter()
            .map(|channel| channel.channel.id)
            .collect();
        for part in self.read(move |store| store.channels(guild)).await? {
            if let Some(thread) = part.state.now()
                && thread.is_thread()
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

    /// Adds archived threads of readable channels where some may be new.
    /// Returns whether all lists were complete.
    pub(super) async fn archived_threads(
        &self,
        described: &mut Described,
        depth: Depth,
    ) -> Result<bool, BackfillError> {
        let guild = described.guild.id;
        self.writer.write(Vec::new()).await?;
        let (coverage, session) = self
            .read(move |store| Ok((store.coverage(guild)?, store.session(guild)?)))
            .await?;
        // Discord announces archiving, so without a loss nothing is new.
        let is_told = depth == Depth::Channels && session.unheard.is_none();
        let permissions = described.permissions();
        let now = self.clock.stamp();
        let mut lists = Vec::new();
        let channels = described.channels.iter().map(|channel| &channel.channel);
        for channel in channels
            .filter(|channel| channel.holds_threads() && described.reads(&permissions, channel))
        {
            let known = coverage.get(&channel.id);
            let since = |listed: Option<Stamp>| match listed {
                Some(_) if is_told => None,
                Some(_) if depth == Depth::Recheck => Some(Millis(0)),
                _ => Some(ingest::archived_since(listed, now)),
            };
            lists.extend(
                since(known.and_then(|known| known.public_threads)).map(|since| ArchivedList {
                    channel: channel.id,
                    kind: channel.kind,
                    private: false,
                    since,
                }),
            );
            if channel.kind.has_private_threads()
                && described.sees_private_threads(&permissions, channel)
            {
                let since = since(known.and_then(|known| known.private_threads));
                lists.extend(since.map(|since| ArchivedList {
                    channel: channel.id,
                    kind: channel.kind,
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
        // Whether all of a channel's lists are complete.
        let mut whole_lists: BTreeMap<ChannelId, bool> = BTreeMap::new();
        let mut seen: BTreeSet<ChannelId> = described
            .channels
            .iter()
            .map(|channel| channel.channel.id)
            .collect();
        for (channel, found) in found {
            let (threads, whole) = found?;
            *whole_lists.entry(channel).or_insert(true) &= whole;
            described.channels.extend(
                threads
                    .into_iter()
                    .filter(|thread| seen.insert(thread.channel.id)),
            );
        }
        let complete = whole_lists.values().all(|whole| *whole);
        let whole = whole_lists.into_iter().filter(|(_, whole)| *whole);
        self.settle_lists(guild, whole.map(|(channel, _)| channel))
            .await?;
        Ok(complete)
    }

    /// Settles failures of these channels' archived threads.
    async fn settle_lists(
        &self,
        guild: GuildId,
        channels: impl Iterator<Item = ChannelId>,
    ) -> Result<(), BackfillError> {
        let settled = channels.map(|channel| Fact::Settled(guild, FailureObject::Threads(channel)));
        Ok(self.tell(self.clock.stamp(), settled.collect()).await?)
    }

    /// Lists a channel's archived threads, with private ones if `private`; also whether that is
    /// all.
    pub(crate) async fn archived_in(
        &self,
        guild: GuildId,
        (channel, kind): (ChannelId, ChannelKind),
        private: bool,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let (mut threads, mut whole) = (Vec::new(), true);
        for private in [false, true].into_iter().take(1 + usize::from(private)) {
            let list = ArchivedList {
                channel,
                kind,
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

    /// Lists a channel's archived threads, last archived first; also whether that is all.
    async fn archived_list(
        &self,
        guild: GuildId,
        list: ArchivedList,
    ) -> Result<(Vec<Listed>, bool), BackfillError> {
        let ArchivedList {
            channel,
            kind,
            private,
            since,
        } = list;
        let since = self.history.discord_time(since);
        let first = self.clock.stamp();
        let mut threads: Vec<Listed> = Vec::new();
        let mut known = BTreeSet::new();
        let mut whole = true;
        let mut before = None;
        let mut asked_again = false;
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
                // A channel of an unknown type has none.
                Err(RestError::Rejected {
                    code: NOT_IN_THIS_TYPE,
                    ..
                }) if !kind.is_known() => return Ok((threads, whole)),
                Err(error) => {
                    self.fail(guild, FailureObject::Threads(channel), error)
                        .await?;
                    return Ok((threads, false));
                }
            };
            if more.is_none() && !asked_again {
                asked_again = true;
                continue;
            }
            whole &= self.threads_are_whole(guild, &page).await?;
            if more.is_none() {
                whole = false;
                let odd = format!("whether channel {channel} has more archived threads");
                self.note_odd(guild, Class::Threads, vec![odd]).await?;
            }
            let more = more.unwrap_or(page.len > 0);
            let page = page.items;
            self.tell(at, seen(&page)).await?;
            let times: Vec<Option<Millis>> = page.iter().map(archived_at).collect();
            let oldest = times.iter().copied().flatten().min();
            // Only a correctly ordered list shows that the rest is known.
            let rest_is_known = times.is_sorted_by(|a, b| a >= b) && oldest < Some(since);
            let new = page
                .into_iter()
                .filter(|page| known.insert(page.channel.id));
            threads.extend(new);
            if !more || rest_is_known {
                break;
            }
            // A list that makes progress reaches threads archived earlier.
            let goes_on = oldest.is_some_and(|oldest| before.is_none_or(|before| oldest < before));
            if !goes_on && !asked_again {
                asked_again = true;
                continue;
            }
            if !goes_on || is_endless(channel, &threads) {
                let object = FailureObject::Threads(channel);
                let refused = Fact::Refused(guild, object, ENDLESS.into());
                self.progress.update(|progress| progress.refused += 1);
                self.tell(self.clock.stamp(), vec![refused]).await?;
                return Ok((threads, false));
            }
            asked_again = false;
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
    /// Returns whether all threads were readable; records it if not.
    /// One list says nothing about others, so it settles nothing.
    pub(super) async fn threads_are_whole(
        &self,
        guild: GuildId,
        threads: &Items<Listed>,
    ) -> Result<bool, BackfillError> {
        let mut odd = threads.unread("thread");
        odd.extend(unread_of(&threads.items));
        let is_whole = odd.is_empty();
        if !is_whole {
            self.note_odd(guild, Class::Threads, odd).await?;
        }
        Ok(is_whole)
    }
}

/// A list of archived threads to read.
struct ArchivedList {
    channel: ChannelId,
    kind: ChannelKind,
    private: bool,
    /// Threads archived earlier, by our clock, are known.
    since: Millis,
}

fn archived_at(thread: &Listed) -> Option<Millis> {
    thread.channel.thread.as_ref()?.archive_timestamp
}

/// Returns whether a list seems endless.
/// It has threads archived before their channel existed, or more than could have been archived.
fn is_endless(channel: ChannelId, threads: &[Listed]) -> bool {
    let times = || threads.iter().filter_map(archived_at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return false;
    };
    let (ms, len) = ((last.0 - first.0).unsigned_abs(), threads.len() as u64);
    first.0 < channel.created_at().0 - SKEW_MS
        || len >= 1_000 && len / 10 > ms
        || len >= 100_000 && len * 10 > ms
}
