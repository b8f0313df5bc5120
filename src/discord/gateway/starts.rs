//! The queue of session starts: all shards of a bot share Discord's pace and limit.
//!
//! Discord lets `max_concurrency` shards start at a time: shards whose ids have the same remainder
//! share a lane, and a lane starts one session in 5 s. Resuming takes no turn. Source:
//! <https://discord.com/developers/docs/events/gateway#sharding-max-concurrency>.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::Rng as _;
use tokio::{
    sync::{Mutex as TurnLock, OwnedMutexGuard},
    time::{Instant, sleep, sleep_until},
};
use tracing::{debug, warn};

use super::{Shard, StartLimit};
use crate::{DiscordApi, GatewayAddress, RestError};

/// Shortest wait between two session starts of a lane; Discord's limit.
pub(super) const BETWEEN_STARTS: Duration = Duration::from_secs(5);

/// How long Discord's answer about shards and session starts counts as fresh.
const FRESH: Duration = Duration::from_secs(5);

/// Longest wait for the limit's reset before asking Discord again.
const LONGEST_RESET: Duration = Duration::from_hours(1);

/// Hands out turns to start a session. Shared by all shards.
pub(super) struct Starts {
    history: DiscordApi,
    /// Shortest wait between two starts of a lane.
    between: Duration,
    known: Mutex<Known>,
    /// One shard at a time asks Discord.
    asking: TurnLock<()>,
}

/// A turn to start a session. Hold it until Discord has answered IDENTIFY: the lane's next start
/// counts from then, which is later than Discord received this one.
pub(super) struct Turn {
    starts: Arc<Starts>,
    lane: OwnedMutexGuard<Option<Instant>>,
    /// Which of Discord's answers counts it.
    of: Instant,
    is_used: bool,
}

/// Why a shard gets no turn.
#[derive(Debug)]
pub(super) enum NoTurn {
    BadToken(RestError),
    /// Discord recommends more shards.
    MoreShards,
}

/// When each lane last started a session, locked while one starts.
type Lane = Arc<TurnLock<Option<Instant>>>;

/// What Discord said about session starts, and what was done since.
#[derive(Debug)]
struct Known {
    url: String,
    /// Recommended number of shards.
    shards: u32,
    concurrency: u32,
    limit: Option<StartLimit>,
    asked: Instant,
    /// Whether to ask again before the next turn.
    is_stale: bool,
    /// Turns handed out and not yet returned.
    held: u64,
    /// Whether the log says that the limit is used up.
    is_told: bool,
    lanes: BTreeMap<u32, Lane>,
}

impl Starts {
    pub(super) fn new(history: DiscordApi, told: GatewayAddress, between: Duration) -> Arc<Self> {
        Arc::new(Self {
            history,
            between,
            known: Mutex::new(Known::new(told, Instant::now())),
            asking: TurnLock::default(),
        })
    }

    /// The gateway's URL.
    pub(super) fn url(&self) -> String {
        self.change(|known| known.url.clone())
    }

    /// The number of shards that Discord recommends.
    pub(super) fn shards(&self) -> u32 {
        self.change(|known| known.shards)
    }

    /// Waits until the shard may start a session.
    pub(super) async fn turn(self: &Arc<Self>, shard: Shard) -> Result<Turn, NoTurn> {
        loop {
            let (number, lane) = self.change(|known| known.lane(shard));
            let lane = lane.lock_owned().await;
            if let Some(last) = *lane {
                sleep_until(last + self.between).await;
            }
            self.refresh(shard).await?;
            if self.change(|known| known.lane(shard).0) != number {
                continue;
            }
            match self.change(|known| known.take(Instant::now())) {
                Ok(of) => {
                    return Ok(Turn {
                        starts: Arc::clone(self),
                        lane,
                        of,
                        is_used: false,
                    });
                }
                Err(wait) => sleep(wait).await,
            }
        }
    }

    /// Asks Discord again unless its last answer is fresh.
    async fn refresh(&self, shard: Shard) -> Result<(), NoTurn> {
        let _asking = self.asking.lock().await;
        if self.change(|known| known.is_fresh(Instant::now())) {
            return Ok(());
        }
        match self.ask().await {
            Ok(()) => {}
            Err(error @ RestError::BadToken) => return Err(NoTurn::BadToken(error)),
            // What is known stays valid.
            Err(error) => debug!(%error, "can't refresh the gateway's address"),
        }
        if self.change(|known| known.wants_more_than(shard.count)) {
            return Err(NoTurn::MoreShards);
        }
        Ok(())
    }

    /// Asks Discord for the gateway's URL, the number of shards and the limit.
    pub(super) async fn ask(&self) -> Result<(), RestError> {
        let told = self.history.gateway().await?;
        self.change(|known| known.learn(told, Instant::now()));
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn {
    /// Records that IDENTIFY is being sent.
    pub(super) fn used(&mut self) {
        self.is_used = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_used {
            *self.lane = Some(Instant::now());
        }
        let (of, is_used) = (self.of, self.is_used);
        self.starts.change(|known| known.give_back(of, is_used));
    }
}

impl Known {
    fn new(told: GatewayAddress, now: Instant) -> Self {
        Self {
            url: told.url,
            shards: told.shards,
            concurrency: told.concurrency,
            limit: told.limit,
            asked: now,
            is_stale: false,
            held: 0,
            is_told: false,
            lanes: BTreeMap::new(),
        }
    }

    fn learn(&mut self, told: GatewayAddress, now: Instant) {
        if told.concurrency != self.concurrency {
            // Shards change lanes: let each new one begin with a full wait.
            let numbers = 0..told.concurrency;
            let lanes = numbers.map(|number| (number, Arc::new(TurnLock::new(Some(now)))));
            self.lanes = lanes.collect();
        }
        self.url = told.url;
        self.shards = told.shards;
        self.concurrency = told.concurrency;
        // Discord may not have counted the starts that are under way.
        self.limit = told.limit.map(|limit| StartLimit {
            remaining: limit.remaining.saturating_sub(self.held),
            ..limit
        });
        self.asked = now;
        self.is_stale = false;
    }

    fn lane(&mut self, shard: Shard) -> (u32, Lane) {
        let number = shard.id % self.concurrency;
        let lane = self.lanes.entry(number).or_default();
        (number, Arc::clone(lane))
    }

    /// Returns whether to rely on what Discord last said.
    fn is_fresh(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.asked);
        // Discord may say 0 while nothing is used up.
        let is_reset = self
            .limit
            .is_some_and(|limit| !limit.reset_after.is_zero() && since >= limit.reset_after);
        !self.is_stale && !is_reset && since < FRESH
    }

    /// Returns whether Discord recommends more shards, and lets all of them start now.
    fn wants_more_than(&self, count: u32) -> bool {
        let may_start = |limit: StartLimit| limit.remaining >= u64::from(self.shards);
        self.shards > count && self.limit.is_none_or(may_start)
    }

    /// Takes a start from the limit, or returns how long to wait before asking Discord again.
    fn take(&mut self, now: Instant) -> Result<Instant, Duration> {
        if let Some(wait) = self.used_up(now) {
            self.is_stale = true;
            if self.held > 0 {
                // A start that fails is given back.
                return Err(wait.min(BETWEEN_STARTS));
            }
            if !std::mem::replace(&mut self.is_told, true) {
                let minutes = wait.as_secs().div_ceil(60);
                warn!(
                    minutes,
                    "Discord's session start limit is used up; asking again after this time. \
                     Until then, the bot receives no messages and answers no commands"
                );
            }
            return Err(wait);
        }
        self.is_told = false;
        self.held += 1;
        if let Some(limit) = &mut self.limit {
            limit.remaining = limit.remaining.saturating_sub(1);
        }
        Ok(self.asked)
    }

    /// Returns a turn. An unused one doesn't count.
    fn give_back(&mut self, of: Instant, is_used: bool) {
        self.held = self.held.saturating_sub(1);
        if !is_used
            && of == self.asked
            && let Some(limit) = &mut self.limit
        {
            limit.remaining = limit.remaining.saturating_add(1);
        }
    }

    fn used_up(&self, now: Instant) -> Option<Duration> {
        let limit = self.limit?;
        let left = limit
            .reset_after
            .saturating_sub(now.saturating_duration_since(self.asked));
        (limit.remaining == 0 && !left.is_zero()).then(|| {
            // Spreads the bots that wait for the same reset.
            let jitter = rand::rng().random_range(0..1_000);
            left.min(LONGEST_RESET) + Duration::from_millis(jitter)
        })
    }
}

#[cfg(test)]
mod tests;
