//! Backfill: fetches over REST what didn't arrive over the gateway.
//!
//! Describes the guild, plans (pure, in `ingest`), and carries the plan out. Each page is written
//! with the coverage it gives, so a killed process loses at most the pages in flight. A failure is
//! recorded on its object and stops nothing else.

mod bottom;
mod channel;
mod conclusion;
mod discovery;
mod events;
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
pub(crate) use texts::application;

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{
    clock::Clock, guilds::PerGuild, mirrored::MirroredGuilds, progress::ProgressBoard,
    writer::Writer,
};
use propsbot_discord::{DiscordApi, GuildSnapshot, RestError};
use propsbot_mirror::{Ending, ask};
use propsbot_model::{
    Drift, Evidence, Fact, FailureObject, GuildId, Observation, Pending, Stamp, User,
};
use propsbot_store::{Store, StoreError};

/// Discord's code for "Unknown Channel". Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
pub(crate) const UNKNOWN_CHANNEL: u64 = 10003;

/// Why a guild's backfill ended early.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// A prerequisite could not be fetched.
    #[error(transparent)]
    Rest(#[from] RestError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store can't be written, or the bot is shutting down.
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// How much of a guild to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Channels and active threads: after a change of what the bot may see.
    Channels,
    /// Everything: also members and archived threads.
    Whole,
    /// Everything, re-reading all history and all lists of reactors.
    Recheck,
}

impl Depth {
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Fetches what is missing of guilds.
#[derive(Clone)]
pub struct Backfill {
    pub history: DiscordApi,
    pub store: Arc<Store>,
    pub writer: Writer,
    pub clock: Clock,
    pub bot: User,
    pub guilds: MirroredGuilds,
    /// Progress of each guild.
    pub boards: PerGuild<ProgressBoard>,
    /// The guild's own progress, see [`Self::of`].
    pub progress: ProgressBoard,
    /// What pages have shown about which is a channel's last.
    pub page_sizes: Arc<PageSizes>,
    pub turns: PerGuild<Permit>,
    /// The guild's own permit to fetch history: a backfill holds it throughout, the scrub for one
    /// request.
    pub turn: Permit,
}

/// A permit for one at a time.
pub type Permit = Arc<Mutex<()>>;

impl Backfill {
    /// Returns a copy for this guild, with its own progress and permit.
    #[must_use]
    pub fn of(&self, guild: GuildId) -> Self {
        Self {
            progress: self.boards.of(guild),
            turn: self.turns.of(guild),
            ..self.clone()
        }
    }

    /// Fetches what is missing until all readable history is covered.
    ///
    /// `told` is the gateway's snapshot of the guild; without it, Discord is asked. `live` says
    /// that the gateway is connected and reports everything new.
    pub async fn run(
        &self,
        guild: GuildId,
        name: &str,
        depth: Depth,
        told: Option<GuildSnapshot>,
        live: bool,
    ) -> Result<Summary, BackfillError> {
        let own = self.of(guild);
        let _turn = own.turn.lock().await;
        // Only now: what had the permit before shows its own progress until then.
        own.progress.begin(guild, name, own.history.rest());
        let drift =
            move |store: &Store| -> Result<Drift, StoreError> { Ok(store.scrub(guild)?.drift) };
        let before = own.read(drift).await?;
        let mut done = own.in_rounds(guild, depth, told, live).await;
        if let Ok(summary) = &mut done {
            // Makes the last lists durable.
            own.writer.write(Vec::new()).await?;
            summary.found = own.read(drift).await?.since(before);
        }
        let is_incomplete = done
            .as_ref()
            .map_or(true, |summary| summary.again.is_some());
        own.progress
            .update(|progress| progress.is_incomplete = is_incomplete);
        own.progress.end();
        done
    }

    /// Sends facts that held at `at` to the writer.
    pub(crate) async fn tell(&self, at: Stamp, facts: Vec<Fact>) -> Result<(), Ending> {
        if facts.is_empty() {
            return Ok(());
        }
        self.writer.send(observed(at, facts)).await
    }

    /// Writes facts that held at `at` and waits until they are durable.
    /// Returns the lists of reactors found missing.
    pub(crate) async fn write(&self, at: Stamp, facts: Vec<Fact>) -> Result<Vec<Pending>, Ending> {
        self.writer.write(observed(at, facts)).await
    }

    /// Records a failure, or returns an error that affects everything; `false` if transient.
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
            Fact::Refused(guild, object, error.to_string().into())
        } else {
            Fact::Failed(guild, object, error.to_string().into())
        };
        self.tell(self.clock.stamp(), vec![fact]).await?;
        Ok(refused)
    }

    /// Queries the store off the async threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BackfillError> {
        Ok(ask(&self.store, question).await??)
    }
}

/// Wraps facts from a REST request sent at `at`.
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
