//! The rounds of a backfill: describe, plan, fetch, and retry transient failures.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, stream};

use super::{Backfill, BackfillError, Depth, Summary};
use crate::{clock::Clock, estimate::Course, progress::Phase};
use propsbot_discord::{GuildSnapshot, RestError};
use propsbot_ingest::{self as ingest, Described, LookBack, Plan, Read};
use propsbot_model::{
    ChannelId, Fact, FailureObject, GuildId, Millis, Reason, SessionNumber, Settings, Stamp,
};
use propsbot_store::{Store, StoreError};

/// Channels read at the same time. Discord limits each channel, so only many at once use the global
/// limit, and the longest must start early. The client bounds the pages in memory.
const CHANNELS_AT_ONCE: usize = 1_000;

/// Waits before retrying transient failures within one backfill.
fn rounds() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(2))
        .with_factor(3.0)
        .with_max_times(2)
        .with_jitter()
}

/// Maximum number of messages to count for an estimate of a channel's pages.
const COUNTED: u32 = 20_000;

const DAY_MS: i64 = 86_400_000;

/// State of a channel's lists of reactors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// Complete, except for what Discord refuses.
    Done,
    /// Some failed, but may succeed later.
    Failed,
}

impl Backfill {
    /// Discovers and fetches, in up to three rounds while failures are transient.
    pub(super) async fn in_rounds(
        &self,
        guild: GuildId,
        depth: Depth,
        mut told: Option<GuildSnapshot>,
        live: bool,
    ) -> Result<Summary, BackfillError> {
        let mut rounds = rounds().build();
        let mut read = BTreeMap::new();
        loop {
            let ended = self
                .discover_and_fetch(guild, depth, told.take(), live, &mut read)
                .await;
            let now = self.progress.look();
            let may_pass = match &ended {
                Ok(_) => now.failures > now.hidden,
                Err(BackfillError::Rest(RestError::TooManyRefused { .. })) => false,
                Err(BackfillError::Rest(error)) => error.is_transient(),
                Err(_) => false,
            };
            let Some(wait) = rounds.next().filter(|_| may_pass) else {
                return ended;
            };
            self.progress
                .update(|progress| progress.phase = Phase::Waiting);
            tokio::time::sleep(wait).await;
            self.progress.update(|progress| {
                progress.phase = Phase::Discovering;
                // What is left is counted again.
                progress.failures = progress.hidden;
                progress.lists = progress.lists_done;
            });
        }
    }

    /// Runs one round, and adds its channels to `read`.
    /// For channels read in an earlier round, fetches only unfinished lists of reactors.
    async fn discover_and_fetch(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildSnapshot>,
        live: bool,
        read: &mut BTreeMap<ChannelId, Lists>,
    ) -> Result<Summary, BackfillError> {
        self.writer.write(Vec::new()).await?;
        let session = self.read(move |store| store.session(guild)).await?;
        // An older snapshot doesn't describe the guild after a loss.
        let told = told.filter(|told| told.at >= session.since);
        let begun = self.clock.stamp();
        let mut described = Arc::new(self.describe(guild, depth, told).await?);
        self.events(guild).await?;
        let until = (!live).then_some(begun);
        let session = self.note_unseen(&described, until).await?;
        let session = live.then_some(session);
        let recheck = match depth {
            Depth::Recheck => Some(self.begin_recheck(guild).await?),
            Depth::Channels | Depth::Whole => None,
        };
        loop {
            let mut plan = self.plan(&described, session, recheck).await?;
            plan.read_again(&self.missing_texts(guild).await?);
            leave_out(&mut plan, read);
            read.extend(self.carry_out(guild, &described, plan).await?);
            // Messages may mention threads that no list had.
            if !self.find_threads(Arc::make_mut(&mut described)).await? {
                break;
            }
        }
        self.reread_due(guild).await?;
        self.conclude(guild, &described, recheck).await
    }

    /// Begins or continues a recheck of all history; returns when it began.
    async fn begin_recheck(&self, guild: GuildId) -> Result<Stamp, BackfillError> {
        let at = self.clock.stamp();
        self.write(at, vec![Fact::RecheckBegun(guild)]).await?;
        let scrub = self.read(move |store| store.scrub(guild)).await?;
        Ok(scrub.recheck.map_or(at, |recheck| recheck.begun))
    }

    /// Marks channels where something may have changed during an outage.
    /// From then on each channel knows what to look back at, even if the process dies. `until` is
    /// the new end of what was received, if not live. Returns the guild's session number.
    async fn note_unseen(
        &self,
        described: &Arc<Described>,
        until: Option<Stamp>,
    ) -> Result<SessionNumber, BackfillError> {
        let guild = described.guild.id;
        self.writer.write(Vec::new()).await?;
        let session = self.read(move |store| store.session(guild)).await?;
        let mut facts = Vec::new();
        // The clock may have been set back since.
        let now = Clock::now().into();
        let unheard = session.unheard.map(|heard| heard.min(now));
        let (all, ahead) = (Arc::clone(described), self.ahead());
        let older = self.read(move |store| older_unseen(store, &all, unheard, ahead));
        facts.extend(older.await?.map(|since| Fact::OlderUnseen(guild, since)));
        if let Some(since) = unheard {
            let (described, ahead) = (Arc::clone(described), self.ahead());
            let unseen = self.read(move |store| {
                let look_back = look_back(&store.settings(guild)?, ahead);
                Ok(ingest::unseen(
                    &described,
                    &store.coverage(guild)?,
                    since,
                    look_back,
                ))
            });
            let unseen = unseen.await?.into_iter();
            facts.extend(unseen.map(|id| Fact::Unseen(guild, id, since)));
        }
        facts.push(Fact::Noted(guild, session.number, until));
        self.write(self.clock.stamp(), facts).await?;
        Ok(session.number)
    }

    /// Returns how many milliseconds Discord's clock is ahead of ours.
    fn ahead(&self) -> i64 {
        self.history.discord_time(Millis(0)).0
    }

    pub(super) async fn plan(
        &self,
        described: &Arc<Described>,
        session: Option<SessionNumber>,
        recheck: Option<Stamp>,
    ) -> Result<Plan, BackfillError> {
        let (described, guild) = (Arc::clone(described), described.guild.id);
        let ahead = self.ahead();
        self.read(move |store| {
            let settings = &store.settings(guild)?;
            let channels = described.channels.iter();
            let newest: Result<_, StoreError> = channels
                .filter_map(|listed| {
                    let id = listed.channel.id;
                    let newest = store.messages(id, 0..=u64::MAX).next_back()?;
                    Some(newest.map(|newest| (id, newest.id)))
                })
                .collect();
            let settled = ingest::Settled {
                newest: &newest?,
                coverage: &store.coverage(guild)?,
                pending: store.pending(guild)?,
                settings,
                session,
                look_back: look_back(settings, ahead),
                recheck,
                now: Clock::now(),
            };
            Ok(ingest::plan(&described, settled))
        })
        .await
    }

    /// Reads the plan's channels; returns those whose available messages were all listed.
    async fn carry_out(
        &self,
        guild: GuildId,
        described: &Described,
        plan: Plan,
    ) -> Result<BTreeMap<ChannelId, Lists>, BackfillError> {
        self.tell_unreadable(guild, &plan).await?;
        let reads: Vec<(ChannelId, Read)> = plan
            .channels
            .iter()
            .filter_map(|channel| Some((channel.channel_id, *channel.reads.first()?)))
            .filter(|(_, read)| read.after.0 > 0)
            .collect();
        let (settings, expected) = self
            .read(move |store| Ok((store.settings(guild)?, expected(store, &reads)?)))
            .await?;
        let known = described.channels.iter().map(|channel| &channel.channel);
        let mut courses: BTreeMap<ChannelId, Course> = known
            .map(|known| {
                let course = Course {
                    props: settings.is_props_channel(known),
                    thread: known.is_thread(),
                    ..Course::default()
                };
                (known.id, course)
            })
            .collect();
        let courses = plan.channels.iter().map(|channel| {
            let course = Course {
                reads: !channel.reads.is_empty(),
                expected: expected.get(&channel.channel_id).copied(),
                left: u32::try_from(channel.reactors.len()).unwrap_or(u32::MAX),
                ..courses.remove(&channel.channel_id).unwrap_or_default()
            };
            (channel.channel_id, course)
        });
        self.progress.fetch(courses);
        self.progress.update(|progress| {
            progress.channels = progress.channels.max(plan.channels.len() as u64);
            progress.channels_done = progress.channels - plan.channels.len() as u64;
            progress.unreadable = plan.unreadable.len() as u64;
        });
        let mut reading = stream::iter(plan.channels)
            .map(|plan| async {
                let id = plan.channel_id;
                Ok::<_, BackfillError>((id, self.channel(guild, plan, described.at).await?))
            })
            .buffer_unordered(CHANNELS_AT_ONCE);
        let mut read = BTreeMap::new();
        while let Some((id, (all_listed, lists))) = reading.next().await.transpose()? {
            self.progress.done(id);
            if all_listed {
                read.insert(id, lists);
            }
        }
        // Done only once everything is durable.
        self.writer.write(Vec::new()).await?;
        Ok(read)
    }

    /// Records which channels became unreadable or readable.
    async fn tell_unreadable(&self, guild: GuildId, plan: &Plan) -> Result<(), BackfillError> {
        let unreadable: BTreeSet<ChannelId> = plan.unreadable.iter().copied().collect();
        let known = self.read(move |store| store.failures(guild)).await?;
        let is_known = |id: ChannelId| {
            let object = FailureObject::Channel(id);
            known
                .iter()
                .any(|known| known.object == object && known.reason == Reason::Unreadable)
        };
        let mut facts: Vec<Fact> = unreadable
            .iter()
            .filter(|id| !is_known(**id))
            .map(|id| Fact::Failed(guild, FailureObject::Channel(*id), Reason::Unreadable))
            .collect();
        facts.extend(known.iter().filter_map(|known| match &known.object {
            object @ FailureObject::Channel(id)
                if known.reason == Reason::Unreadable && !unreadable.contains(id) =>
            {
                Some(Fact::Settled(guild, object.clone()))
            }
            _ => None,
        }));
        Ok(self.tell(self.clock.stamp(), facts).await?)
    }
}

/// Returns the pages that the store expects in these reads, plus one for new messages.
fn expected(
    store: &Store,
    reads: &[(ChannelId, Read)],
) -> Result<BTreeMap<ChannelId, u32>, StoreError> {
    let mut all = BTreeMap::new();
    for (channel, read) in reads {
        let to = read.to.map_or(u64::MAX, |to| to.0);
        let known = store.count_messages(*channel, read.after.0.saturating_add(1)..=to, COUNTED)?;
        all.insert(*channel, known / 100 + 1);
    }
    Ok(all)
}

fn look_back(settings: &Settings, ahead: i64) -> LookBack {
    let window = i64::from(settings.look_back_days) * DAY_MS;
    LookBack { window, ahead }
}

/// Returns since when messages older than any look-back may have changed.
/// `unheard` is when the guild's last loss of events began.
fn older_unseen(
    store: &Store,
    described: &Described,
    unheard: Option<Stamp>,
    ahead: i64,
) -> Result<Option<Stamp>, StoreError> {
    let look_back = look_back(&store.settings(described.guild.id)?, ahead);
    let coverage = store.coverage(described.guild.id)?;
    let permissions = described.permissions();
    let mut oldest = None;
    for channel in described.channels.iter().map(|listed| &listed.channel) {
        let Some(known) = coverage.get(&channel.id) else {
            continue;
        };
        let Some(since) = unheard.into_iter().chain(known.unseen_since).min() else {
            continue;
        };
        let mut older = store.messages(channel.id, 0..=look_back.after(since).0);
        if oldest.is_none_or(|oldest| since < oldest)
            && described.reads(&permissions, channel)
            && older.next().transpose()?.is_some()
        {
            oldest = Some(since);
        }
    }
    Ok(oldest)
}

/// Removes what is already done from a plan.
fn leave_out(plan: &mut Plan, read: &BTreeMap<ChannelId, Lists>) {
    plan.channels
        .retain_mut(|channel| match read.get(&channel.channel_id) {
            None => true,
            Some(Lists::Done) => false,
            Some(Lists::Failed) => {
                channel.reads.clear();
                channel.looks_back = false;
                channel.go_live = None;
                true
            }
        });
}
