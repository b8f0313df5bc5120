//! Backfill: what the gateway did not tell is fetched over REST.
//!
//! Owns the order of things: describe the guild, plan (pure, in `ingest`), carry the plan out. Every
//! page goes to the writer with the coverage it gives, so that a killed process has lost at most
//! the pages in flight. What fails is recorded on its object and stops nothing else.

pub(in crate::jobs) mod channel;
mod discovery;
mod supervisor;

pub use supervisor::{Requests, supervise};

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicUsize},
};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use super::{
    clock::Clock,
    progress::{Phase, Progress, ProgressBoard},
    writer::{Stopped, Writer},
};
use crate::{
    discord::{History, RestError},
    ingest::{self, Described, Plan},
    model::{
        ChannelId, Class, Evidence, Fact, FailureObject, GuildId, Millis, Observation, Pending,
        SessionNumber, Stamp, User,
    },
    status::UNREADABLE,
    store::{Store, StoreError},
};

/// Channels that are read at the same time. Discord's limits are by channel, so many at once is
/// what fills the global one.
const CHANNELS_AT_ONCE: usize = 64;

const DAY_MS: i64 = 86_400_000;

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
    /// Everything: also members, archived threads, and what may have changed unheard.
    Whole {
        /// Until when everything was heard.
        heard: Stamp,
    },
}

impl Depth {
    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole { heard }, Self::Whole { heard: also }) => Self::Whole {
                heard: heard.min(also),
            },
            (Self::Channels, depth) | (depth, Self::Channels) => depth,
        }
    }
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
    /// Where progress is told.
    pub progress: ProgressBoard,
    /// The most messages that a page has had: one with less is the last. (A server may give fewer
    /// than it is asked for.)
    pub largest_page: Arc<AtomicUsize>,
    /// Held by whoever asks Discord for history: a backfill as long as it takes, the audit for one
    /// request.
    pub turn: Arc<Semaphore>,
}

impl Backfill {
    /// Fetches what is missing of the guild until all that can be read is covered.
    ///
    /// `live` says that the gateway is connected, and tells everything new from here on.
    pub async fn run(
        &self,
        guild: GuildId,
        name: &str,
        depth: Depth,
        live: bool,
    ) -> Result<Summary, BackfillError> {
        self.progress.update(|it| {
            let guild = Some((guild, name.to_owned()));
            *it = Progress {
                phase: Phase::Discovering,
                guild,
                ..Progress::default()
            };
        });
        let _turn = self.turn.acquire().await.expect("it is never closed");
        let done = self.discover_and_fetch(guild, depth, live).await;
        self.progress.update(|it| it.phase = Phase::Idle);
        done
    }

    async fn discover_and_fetch(
        &self,
        guild: GuildId,
        depth: Depth,
        live: bool,
    ) -> Result<Summary, BackfillError> {
        // All that was heard before is durable, and so the session's number is the current one,
        // before Discord is asked what there is.
        self.writer.write(Vec::new()).await?;
        let session = self.read(move |store| store.session(guild)).await?;
        let described = self.describe(guild, depth).await?;
        self.writer.write(Vec::new()).await?;

        let look_back_to = match depth {
            Depth::Channels => None,
            // What is younger may have been edited, deleted or reacted to while nobody watched.
            Depth::Whole { heard } => {
                let settings = self.read(move |store| store.settings(guild)).await?;
                let look_back = i64::from(settings.look_back_days) * DAY_MS;
                Some(Millis(heard.millis().min(Clock::now()).0 - look_back))
            }
        };
        let described = Arc::new(described);
        let plan = self
            .plan(&described, live.then_some(session), look_back_to)
            .await?;
        self.carry_out(guild, plan).await?;
        self.conclude(guild, depth, &described).await
    }

    async fn plan(
        &self,
        described: &Arc<Described>,
        session: Option<SessionNumber>,
        look_back_to: Option<Millis>,
    ) -> Result<Plan, BackfillError> {
        let (described, guild) = (Arc::clone(described), described.guild.id);
        self.read(move |store| {
            let settled = ingest::Settled {
                coverage: &store.coverage()?,
                pending: store.pending(guild)?,
                settings: &store.settings(guild)?,
                session,
                look_back_to,
            };
            Ok(ingest::plan(&described, settled))
        })
        .await
    }

    async fn carry_out(&self, guild: GuildId, plan: Plan) -> Result<(), BackfillError> {
        self.tell_unreadable(guild, &plan).await?;
        self.progress.update(|it| {
            it.phase = Phase::Fetching;
            it.channels = plan.channels.len() as u64;
            it.unreadable = plan.unreadable.len() as u64;
        });
        stream::iter(plan.channels)
            .map(|channel| self.channel(guild, channel))
            .buffer_unordered(CHANNELS_AT_ONCE)
            .try_for_each(|()| {
                self.progress.update(|it| it.channels_done += 1);
                std::future::ready(Ok(()))
            })
            .await?;
        // Not done before all of it is durable.
        self.writer.write(Vec::new()).await?;
        Ok(())
    }

    /// Looks at what is there now, rather than at what was done, and says whether it is complete.
    async fn conclude(
        &self,
        guild: GuildId,
        depth: Depth,
        described: &Arc<Described>,
    ) -> Result<Summary, BackfillError> {
        let left = self.plan(described, None, None).await?;
        let incomplete = self
            .read(move |store| Ok(ingest::uncovered(&left, &store.coverage()?)))
            .await?;
        let done = self.progress.look();
        let summary = Summary {
            channels: done.channels,
            unreadable: done.unreadable,
            messages: done.messages,
            lists: done.lists_done,
            failures: done.failures,
            refused: done.refused,
            incomplete: incomplete as u64,
        };
        if summary.is_complete() && matches!(depth, Depth::Whole { .. }) {
            let mut facts = vec![
                Fact::Synced(guild, Class::Messages),
                Fact::Synced(guild, Class::Reactions),
            ];
            // What an event would have said was fetched.
            let failures = self.read(move |store| store.failures(guild)).await?;
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

    /// Records a failure, or passes on an error that concerns everything.
    pub(in crate::jobs) async fn fail(
        &self,
        guild: GuildId,
        object: FailureObject,
        error: RestError,
    ) -> Result<(), BackfillError> {
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
        let fact = Fact::Failed(guild, object, error.to_string());
        Ok(self.tell(self.clock.stamp(), vec![fact]).await?)
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
