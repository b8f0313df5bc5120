//! Backfill: what the gateway did not tell is fetched over REST.
//!
//! Owns the order of things: describe the guild, plan (pure, in `ingest`), carry the plan out. Every
//! page goes to the writer with the coverage it gives, so that a killed process has lost at most
//! the pages in flight. What fails is recorded on its object and stops nothing else.

mod bottom;
mod channel;
mod conclusion;
mod discovery;
mod lists;
mod members;
mod missing;
pub(crate) mod page;
mod page_sizes;
pub(crate) mod paging;
mod reactors;
mod reread;
mod rounds;
mod supervisor;
mod texts;
mod threads;

pub use conclusion::{Summary, listed};
pub use page_sizes::PageSizes;
pub use supervisor::{Requests, supervise};

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    clock::Clock,
    guilds::PerGuild,
    mirrored::MirroredGuilds,
    progress::ProgressBoard,
    writer::{Stopped, Writer},
};
use propsbot_discord::{DiscordApi, GuildSnapshot, RestError};
use propsbot_model::{
    Drift, Evidence, Fact, FailureObject, GuildId, Observation, Pending, Stamp, User,
};
use propsbot_store::{Store, StoreError};

/// Discord's code for a channel that is not there any more. Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
pub(crate) const UNKNOWN_CHANNEL: u64 = 10003;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Its channels and active threads: after a change of what the bot may see.
    Channels,
    /// Everything: also members and archived threads.
    Whole,
    /// Everything, and all history is read again, with every list of reactors.
    Recheck,
}

impl Depth {
    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Fetches what is missing of a guild.
#[derive(Clone)]
pub struct Backfill {
    /// Discord's history.
    pub history: DiscordApi,
    /// What is known already.
    pub store: Arc<Store>,
    /// Where it goes.
    pub writer: Writer,
    /// The time.
    pub clock: Clock,
    /// The bot's own user.
    pub bot: User,
    /// Which guilds are mirrored.
    pub guilds: MirroredGuilds,
    /// Where progress is told, guild by guild.
    pub boards: PerGuild<ProgressBoard>,
    /// The guild's own of these, see [`Self::of`].
    pub progress: ProgressBoard,
    /// What the pages so far told of which is a channel's last.
    pub page_sizes: Arc<PageSizes>,
    /// Whose turn it is, guild by guild.
    pub turns: PerGuild<Permit>,
    /// The guild's own of these. Held by whoever asks Discord for its history: a backfill as long as it
    /// takes, the audit for one request.
    pub turn: Permit,
}

/// One at a time.
#[derive(Clone, Debug)]
pub struct Permit(pub Arc<Semaphore>);

impl Default for Permit {
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
        told: Option<GuildSnapshot>,
        live: bool,
    ) -> Result<Summary, BackfillError> {
        let own = self.of(guild);
        own.progress.begin(guild, name, own.history.rest());
        let _turn = own.turn.0.acquire().await.expect("it is never closed");
        let drift =
            move |store: &Store| -> Result<Drift, StoreError> { Ok(store.audit(guild)?.drift) };
        let before = own.read(drift).await?;
        let mut done = own.in_rounds(guild, depth, told, live).await;
        if let Ok(summary) = &mut done {
            // What the last lists showed is durable.
            own.writer.write(Vec::new()).await?;
            summary.found = own.read(drift).await?.since(before);
        }
        own.progress.end();
        done
    }

    /// Hands over facts that held at `at`.
    pub(crate) async fn tell(&self, at: Stamp, facts: Vec<Fact>) -> Result<(), Stopped> {
        if facts.is_empty() {
            return Ok(());
        }
        self.writer.send(observed(at, facts)).await
    }

    /// Hands over facts that held at `at`, and waits until they are durable. Returns the lists of
    /// reactors that they showed to be missing.
    pub(crate) async fn write(&self, at: Stamp, facts: Vec<Fact>) -> Result<Vec<Pending>, Stopped> {
        self.writer.write(observed(at, facts)).await
    }

    /// Records a failure, or passes on an error that concerns everything. `false` if it may pass.
    pub(crate) async fn fail(
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
        self.progress.update(|progress| {
            let count = if refused {
                &mut progress.refused
            } else {
                &mut progress.failures
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
    pub(crate) async fn read<T: Send + 'static>(
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
