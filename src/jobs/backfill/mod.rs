//! Backfill: what the gateway did not tell is fetched over REST.
//!
//! Owns the order of things: describe the guild, plan (pure, in `ingest`), carry the plan out. Every
//! page goes to the writer with the coverage it gives, so that a killed process has lost at most
//! the pages in flight. What fails is recorded on its object and stops nothing else.

pub(in crate::jobs) mod channel;
mod discovery;
mod page_sizes;
mod reread;
mod supervisor;

pub use page_sizes::PageSizes;
pub use supervisor::{Requests, supervise};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::{
    clock::Clock,
    estimate::Course,
    guilds::PerGuild,
    progress::{Phase, ProgressBoard},
    writer::{Stopped, Writer},
};
use crate::{
    discord::{GuildTold, History, RestError},
    ingest::{self, Described, LookBack, Plan},
    model::{
        ChannelId, Class, Evidence, Fact, Failure, FailureObject, GuildId, Millis, Observation,
        Pending, SessionNumber, Settings, Stamp, User,
    },
    status::UNREADABLE,
    store::{Store, StoreError},
};

/// Channels that are read at the same time. Discord's limits are by channel, so many at once is
/// what fills the global one; and the longest, which their own limits hold up, must begin early.
/// What they cost is little: the pages in memory are limited by the client.
const CHANNELS_AT_ONCE: usize = 1_000;

/// How often what failed for a while is tried anew before the backfill ends without it; and how
/// long to wait before.
fn rounds() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(2))
        .with_factor(3.0)
        .with_max_times(2)
        .with_jitter()
}

const DAY_MS: i64 = 86_400_000;

/// Discord's code for a channel that is not there any more. Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
pub(in crate::jobs) const UNKNOWN_CHANNEL: u64 = 10003;

/// Why a guild's backfill ended before it was done.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// What must be known first could not be fetched.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be written, or we are shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// How much of a guild is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its channels and active threads: after a change of what the bot may see.
    Channels,
    /// Everything: also members and archived threads.
    Whole,
}

impl Depth {
    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Whole { self } else { other }
    }
}

/// What became of a channel's lists of reactors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    /// They are here, as far as Discord lets us.
    Done,
    /// Some failed, but may be had later.
    Failed,
}

/// What a backfill came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Channels and threads that can be read.
    pub channels: u64,
    /// Channels and threads that cannot.
    pub unreadable: u64,
    /// Messages listed.
    pub messages: u64,
    /// Lists of reactors fetched.
    pub lists: u64,
    /// Objects that could not be fetched, but may be later.
    pub failures: u64,
    /// Objects that Discord does not let us have, or that are gone.
    pub refused: u64,
    /// Channels and threads of which something is still missing.
    pub incomplete: u64,
    /// What is to be looked at again, since it may be had later.
    pub again: Option<Depth>,
}

impl Summary {
    /// Whether all that can be read is here.
    pub fn is_complete(&self) -> bool {
        self.failures == 0 && self.incomplete == 0
    }
}

/// Fetches what is missing of a guild.
#[derive(Clone)]
pub struct Backfill {
    /// Discord's history.
    pub history: History,
    /// What is known already.
    pub store: Arc<Store>,
    /// Where it goes.
    pub writer: Writer,
    /// The time.
    pub clock: Clock,
    /// The bot's own user.
    pub bot: User,
    /// Where progress is told, guild by guild.
    pub boards: PerGuild<ProgressBoard>,
    /// The guild's own of these, see [`Self::of`].
    pub progress: ProgressBoard,
    /// What the pages so far told of which is a channel's last.
    pub page_sizes: Arc<PageSizes>,
    /// Whose turn it is, guild by guild.
    pub turns: PerGuild<Turn>,
    /// The guild's own of these. Held by whoever asks Discord for its history: a backfill as long as it
    /// takes, the audit for one request.
    pub turn: Turn,
}

/// One at a time.
#[derive(Clone, Debug)]
pub struct Turn(pub Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Backfill {
    /// For this guild: with its own progress, in its own turn.
    #[must_use]
    pub fn of(&self, guild: GuildId) -> Self {
        Self {
            progress: self.boards.of(guild),
            turn: self.turns.of(guild),
            ..self.clone()
        }
    }

    /// Fetches what is missing of the guild until all that can be read is covered.
    ///
    /// `told` is what the gateway told of it; without it, Discord is asked. `live` says that the
    /// gateway is connected, and tells everything new from here on.
    pub async fn run(
        &self,
        guild: GuildId,
        name: &str,
        depth: Depth,
        told: Option<GuildTold>,
        live: bool,
    ) -> Result<Summary, BackfillError> {
        let own = self.of(guild);
        own.progress.begin(guild, name, own.history.rest());
        let _turn = own.turn.0.acquire().await.expect("it is never closed");
        let done = own.in_rounds(guild, depth, told, live).await;
        own.progress.end();
        done
    }

    /// Discovers and fetches; and as long as what failed may pass, does again what is not done, up to
    /// three times in all.
    async fn in_rounds(
        &self,
        guild: GuildId,
        depth: Depth,
        mut told: Option<GuildTold>,
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
            self.progress.update(|it| it.phase = Phase::Waiting);
            tokio::time::sleep(wait).await;
            self.progress.update(|it| {
                it.phase = Phase::Discovering;
                // What is not done is counted anew.
                it.failures = it.hidden;
                it.lists = it.lists_done;
            });
        }
    }

    /// One round. Of the channels that were `read` in an earlier one, only lists of reactors are
    /// fetched, if some are not done; those of this round are added.
    async fn discover_and_fetch(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildTold>,
        live: bool,
        read: &mut BTreeMap<ChannelId, Lists>,
    ) -> Result<Summary, BackfillError> {
        self.writer.write(Vec::new()).await?;
        let session = self.read(move |store| store.session(guild)).await?;
        // What was told before something was lost does not describe what there is now.
        let told = told.filter(|it| it.at >= session.since);
        let begun = self.clock.stamp();
        let mut described = Arc::new(self.describe(guild, depth, told).await?);
        let until = (!live).then_some(begun);
        let session = self.note_unseen(&described, until).await?;
        let session = live.then_some(session);
        loop {
            let mut plan = self.plan(&described, session).await?;
            leave_out(&mut plan, read);
            read.extend(self.carry_out(guild, &described, plan).await?);
            // What was read may tell of threads that no list had.
            if !self.find_threads(Arc::make_mut(&mut described)).await? {
                break;
            }
        }
        self.conclude(guild, &described).await
    }

    /// Notes of each channel what may have changed in it while the guild was not heard. From then on
    /// it is known channel by channel what to look back at, whenever this process ends; all else was
    /// heard, or is known `until` then. Returns the number of the guild's session.
    async fn note_unseen(
        &self,
        described: &Arc<Described>,
        until: Option<Stamp>,
    ) -> Result<SessionNumber, BackfillError> {
        let guild = described.guild.id;
        self.writer.write(Vec::new()).await?;
        let session = self.read(move |store| store.session(guild)).await?;
        let mut facts = Vec::new();
        if let Some(heard) = session.unheard {
            // The clock may have been set back since.
            let since = heard.min(Clock::now().into());
            let (described, ahead) = (Arc::clone(described), self.ahead());
            let unseen = self.read(move |store| {
                let look_back = look_back(&store.settings(guild)?, ahead);
                Ok(ingest::unseen(
                    &described,
                    &store.coverage()?,
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

    /// By how many milliseconds Discord's clock is ahead of ours.
    fn ahead(&self) -> i64 {
        self.history.discord_time(Millis(0)).0
    }

    async fn plan(
        &self,
        described: &Arc<Described>,
        session: Option<SessionNumber>,
    ) -> Result<Plan, BackfillError> {
        let (described, guild) = (Arc::clone(described), described.guild.id);
        let ahead = self.ahead();
        self.read(move |store| {
            let settings = &store.settings(guild)?;
            let settled = ingest::Settled {
                coverage: &store.coverage()?,
                pending: store.pending(guild)?,
                settings,
                session,
                look_back: look_back(settings, ahead),
                now: Clock::now(),
            };
            Ok(ingest::plan(&described, settled))
        })
        .await
    }

    /// Reads the plan's channels. Returns those whose messages were all listed, as far as
    /// Discord lets us.
    async fn carry_out(
        &self,
        guild: GuildId,
        described: &Described,
        plan: Plan,
    ) -> Result<BTreeMap<ChannelId, Lists>, BackfillError> {
        self.tell_unreadable(guild, &plan).await?;
        let settings = self.read(move |store| store.settings(guild)).await?;
        let known = described.channels.iter().map(|it| &it.channel);
        let mut courses: BTreeMap<ChannelId, Course> = known
            .map(|it| {
                let course = Course {
                    props: settings.is_props_channel(it),
                    thread: it.kind.is_thread(),
                    ..Course::default()
                };
                (it.id, course)
            })
            .collect();
        let courses = plan.channels.iter().map(|it| {
            let course = Course {
                reads: !it.reads.is_empty(),
                left: u32::try_from(it.reactors.len()).unwrap_or(u32::MAX),
                ..courses.remove(&it.channel_id).unwrap_or_default()
            };
            (it.channel_id, course)
        });
        self.progress.fetch(courses);
        self.progress.update(|it| {
            it.channels = it.channels.max(plan.channels.len() as u64);
            it.channels_done = it.channels - plan.channels.len() as u64;
            it.unreadable = plan.unreadable.len() as u64;
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
        // Not done before all of it is durable.
        self.writer.write(Vec::new()).await?;
        Ok(read)
    }

    /// Looks at what is there now, rather than at what was done, and says whether it is complete. What
    /// Discord refuses is not waited for.
    async fn conclude(
        &self,
        guild: GuildId,
        described: &Arc<Described>,
    ) -> Result<Summary, BackfillError> {
        let mut left = self.plan(described, None).await?;
        let (incomplete, failures) = self
            .read(move |store| {
                // What was deleted since it was described is not missing.
                let channels = store.channels(guild)?;
                let gone = channels.iter().filter(|it| it.state.now().is_none());
                let gone: BTreeSet<u64> = gone.map(|it| it.id).collect();
                left.channels.retain(|it| !gone.contains(&it.channel_id.0));
                let incomplete = ingest::uncovered(&left, &store.coverage()?);
                Ok((incomplete, store.failures(guild)?))
            })
            .await?;
        let done = self.progress.look();
        let failed = done.failures > done.hidden;
        let again = again(&failures, &incomplete, failed);
        let summary = Summary {
            channels: done.channels,
            unreadable: done.unreadable,
            messages: done.messages,
            lists: done.lists_done,
            failures: done.failures,
            refused: done.refused,
            incomplete: incomplete.len() as u64,
            again,
        };
        if again.is_none() {
            let mut facts = vec![
                Fact::Synced(guild, Class::Messages),
                Fact::Synced(guild, Class::Reactions),
            ];
            // What an event would have said was fetched.
            facts.extend(failures.into_iter().filter_map(|it| match it.object {
                object @ FailureObject::Event(_) => Some(Fact::Settled(guild, object)),
                _ => None,
            }));
            self.writer
                .write(observed(self.clock.stamp(), facts))
                .await?;
        }
        Ok(summary)
    }

    /// Records which channels the bot may not read, and that it may read those that it could not.
    async fn tell_unreadable(&self, guild: GuildId, plan: &Plan) -> Result<(), BackfillError> {
        let unreadable: BTreeSet<ChannelId> = plan.unreadable.iter().copied().collect();
        let known = self.read(move |store| store.failures(guild)).await?;
        let is_known = |id: ChannelId| {
            let object = FailureObject::Channel(id);
            known
                .iter()
                .any(|it| it.object == object && it.reason == UNREADABLE)
        };
        let mut facts: Vec<Fact> = unreadable
            .iter()
            .filter(|id| !is_known(**id))
            .map(|id| Fact::Failed(guild, FailureObject::Channel(*id), UNREADABLE.to_owned()))
            .collect();
        facts.extend(known.iter().filter_map(|it| match &it.object {
            object @ FailureObject::Channel(id)
                if it.reason == UNREADABLE && !unreadable.contains(id) =>
            {
                Some(Fact::Settled(guild, object.clone()))
            }
            _ => None,
        }));
        Ok(self.tell(self.clock.stamp(), facts).await?)
    }

    /// Hands over facts that held at `at`.
    pub(in crate::jobs) async fn tell(&self, at: Stamp, facts: Vec<Fact>) -> Result<(), Stopped> {
        if facts.is_empty() {
            return Ok(());
        }
        self.writer.send(observed(at, facts)).await
    }

    /// Hands over facts that held at `at`, and waits until they are durable. Returns the lists of
    /// reactors that they showed to be missing.
    pub(in crate::jobs) async fn write(
        &self,
        at: Stamp,
        facts: Vec<Fact>,
    ) -> Result<Vec<Pending>, Stopped> {
        self.writer.write(observed(at, facts)).await
    }

    /// Records a failure, or passes on an error that concerns everything. `false` if it may pass.
    pub(in crate::jobs) async fn fail(
        &self,
        guild: GuildId,
        object: FailureObject,
        error: RestError,
    ) -> Result<bool, BackfillError> {
        if matches!(
            error,
            RestError::BadToken | RestError::TooManyRefused { .. }
        ) {
            return Err(error.into());
        }
        let refused = !error.is_transient();
        self.progress.update(|it| {
            let count = if refused {
                &mut it.refused
            } else {
                &mut it.failures
            };
            *count += 1;
        });
        let fact = if refused {
            Fact::Refused(guild, object, error.to_string())
        } else {
            Fact::Failed(guild, object, error.to_string())
        };
        self.tell(self.clock.stamp(), vec![fact]).await?;
        Ok(refused)
    }

    /// Asks the store, off the async threads.
    pub(in crate::jobs) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BackfillError> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || question(&store)).await {
            Ok(answer) => Ok(answer?),
            // A question is not cancelled unless the process is ending.
            Err(_) => Err(Stopped.into()),
        }
    }
}

/// What is to be looked at again: as little as will do. `failed` says that something failed now that
/// may be had later.
fn again(failures: &[Failure], incomplete: &[ChannelId], failed: bool) -> Option<Depth> {
    let refused = |id: &ChannelId| {
        let object = FailureObject::Channel(*id);
        failures.iter().any(|it| it.refused && it.object == object)
    };
    let is_list = |it: &&Failure| {
        matches!(
            it.object,
            FailureObject::Class(_) | FailureObject::Threads(_)
        )
    };
    if failures.iter().filter(is_list).any(|it| !it.refused) {
        return Some(Depth::Whole);
    }
    (failed || !incomplete.iter().all(refused)).then_some(Depth::Channels)
}

fn look_back(settings: &Settings, ahead: i64) -> LookBack {
    let window = i64::from(settings.look_back_days) * DAY_MS;
    LookBack { window, ahead }
}

/// Takes out of a plan what was done already.
fn leave_out(plan: &mut Plan, read: &BTreeMap<ChannelId, Lists>) {
    plan.channels
        .retain_mut(|it| match read.get(&it.channel_id) {
            None => true,
            Some(Lists::Done) => false,
            Some(Lists::Failed) => {
                it.reads.clear();
                it.looks_back = false;
                it.go_live = None;
                true
            }
        });
}

/// Facts learnt over REST by a request that was sent at `at`.
fn observed(at: Stamp, facts: Vec<Fact>) -> Vec<Observation> {
    facts
        .into_iter()
        .map(|fact| Observation {
            at,
            by: Evidence::Rest,
            fact,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_had_later_is_looked_at_again() {
        let failure = |object, refused| Failure {
            guild_id: GuildId(1),
            object,
            reason: String::new(),
            times: 1,
            at: Millis(0),
            refused,
        };
        let channel = |id, refused| failure(FailureObject::Channel(ChannelId(id)), refused);
        let members = |refused| failure(FailureObject::Class(Class::Members), refused);
        let looks = |failures: &[Failure], incomplete: &[u64], failed| {
            let incomplete: Vec<_> = incomplete.iter().copied().map(ChannelId).collect();
            again(failures, &incomplete, failed)
        };
        assert_eq!(looks(&[], &[], false), None);
        assert_eq!(looks(&[], &[7], false), Some(Depth::Channels));
        assert_eq!(looks(&[channel(7, true)], &[7], false), None);
        assert_eq!(looks(&[channel(7, true), members(true)], &[7], false), None);
        let both = [channel(7, true), channel(8, false)];
        assert_eq!(looks(&both, &[7, 8], true), Some(Depth::Channels));
        let list = [channel(7, false), members(false)];
        assert_eq!(looks(&list, &[7], true), Some(Depth::Whole));
        // It is due still, also if something else was looked at.
        assert_eq!(looks(&list[1..], &[], false), Some(Depth::Whole));
        assert_eq!(looks(&[], &[], true), Some(Depth::Channels));
    }
}
