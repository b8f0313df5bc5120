//! Runs backfills when something may be missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Backfill, BackfillError, Depth, conclusion::listed, reread::reread};
use propsbot_discord::{GuildSnapshot, RestError, Shard};
use propsbot_model::{Fact, GuildId};

/// Changes within this time of the first are handled together.
const SETTLE: Duration = Duration::from_millis(300);

/// Waits between retries, growing while they fail.
fn retries() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_mins(5))
        .with_factor(2.0)
        .with_max_delay(Duration::from_hours(4))
        .without_max_times()
}

/// A guild's scheduled retry.
struct Retry {
    waits: ExponentialBackoff,
    due: Option<(Depth, Instant)>,
}

impl Retry {
    fn new() -> Self {
        Self {
            waits: retries().build(),
            due: None,
        }
    }

    fn at(&self) -> Option<Instant> {
        self.due.map(|(_, at)| at)
    }

    /// Schedules a retry after a longer wait than last time.
    fn later(&mut self, depth: Depth) {
        let wait = self.waits.next().expect("the back-off never ends");
        self.due = Some((depth, Instant::now() + wait));
    }
}

/// Pending requests, merged per guild.
#[derive(Debug, Default)]
struct Wanted {
    guilds: BTreeMap<GuildId, Depth>,
    /// Snapshots from the gateway that are still current.
    told: BTreeMap<GuildId, GuildSnapshot>,
    /// Shards whose guilds are listed and backfilled; `None` stands for all of them.
    shards: BTreeSet<Option<Shard>>,
    /// Guilds whose backfills end.
    dropped: BTreeSet<GuildId>,
    /// Guilds that the bot is in and may mirror.
    candidates: BTreeSet<GuildId>,
}

/// Requests backfills. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    wanted: Arc<Mutex<Wanted>>,
    news: Arc<Notify>,
    pub(super) rereads: Arc<Notify>,
}

impl Requests {
    pub fn guild(&self, guild: GuildId, depth: Depth) {
        self.change(|wanted| {
            want(&mut wanted.guilds, guild, depth);
            wanted.told.remove(&guild);
        });
    }

    /// Ends the guild's backfill, and any request for one: the guild is no longer mirrored.
    pub fn drop_guild(&self, guild: GuildId) {
        self.change(|wanted| {
            wanted.guilds.remove(&guild);
            wanted.told.remove(&guild);
            wanted.dropped.insert(guild);
        });
    }

    /// Provides the gateway's snapshot for a requested guild.
    pub fn told(&self, told: GuildSnapshot) {
        self.change(|wanted| {
            wanted.told.insert(told.shape.guild.id, told);
        });
    }

    /// Requests a backfill of all guilds, or of those of this shard, after listing them.
    pub fn guilds(&self, shard: Option<Shard>) {
        self.change(|wanted| {
            wanted.shards.insert(shard);
        });
    }

    /// Proposes a guild to mirror: see `Backfill::choose_among`.
    pub fn candidate(&self, guild: GuildId) {
        self.change(|wanted| {
            wanted.candidates.insert(guild);
        });
    }

    /// Requests that unreadable messages are read again.
    pub fn reread(&self) {
        self.rereads.notify_one();
    }

    fn change(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.wanted.lock().expect("no change panics"));
        self.news.notify_one();
    }

    /// Repeats a request; snapshots stay valid.
    fn again(&self, guild: GuildId, depth: Depth) {
        self.change(|wanted| want(&mut wanted.guilds, guild, depth));
    }

    fn candidates(&self) -> Vec<GuildId> {
        let wanted = self.wanted.lock().expect("no change panics");
        wanted.candidates.iter().copied().collect()
    }

    fn take_dropped(&self) -> BTreeSet<GuildId> {
        mem::take(&mut self.wanted.lock().expect("no change panics").dropped)
    }

    fn take_shards(&self) -> BTreeSet<Option<Shard>> {
        mem::take(&mut self.wanted.lock().expect("no change panics").shards)
    }

    /// Takes the requests for guilds that aren't `busy`.
    fn take(
        &self,
        busy: &BTreeMap<GuildId, CancellationToken>,
    ) -> Vec<(GuildId, Depth, Option<GuildSnapshot>)> {
        let mut wanted = self.wanted.lock().expect("no change panics");
        let Wanted { guilds, told, .. } = &mut *wanted;
        let taken = guilds.extract_if(.., |guild, _| !busy.contains_key(guild));
        taken
            .map(|(guild, depth)| (guild, depth, told.remove(&guild)))
            .collect()
    }
}

/// Runs requested backfills until stopped.
///
/// # Errors
/// Only permanent ones: the token is refused, or the store can't be written.
pub async fn supervise(
    backfill: Backfill,
    requests: Requests,
    stop: CancellationToken,
) -> Result<(), BackfillError> {
    let supervised = async {
        backfill.check_application().await?;
        tokio::try_join!(
            backfill_wanted(&backfill, &requests),
            reread(&backfill, &requests)
        )?;
        Ok(())
    };
    stop.run_until_cancelled(supervised).await.unwrap_or(Ok(()))
}

/// Backfills guilds in parallel, each at most once at a time.
async fn backfill_wanted(backfill: &Backfill, requests: &Requests) -> Result<(), BackfillError> {
    let mut retries: BTreeMap<GuildId, Retry> = BTreeMap::new();
    let mut busy = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let idle = retries
            .iter()
            .filter(|(guild, _)| !busy.contains_key(*guild));
        let next = idle.filter_map(|(_, retry)| retry.at()).min();
        tokio::select! {
            () = requests.news.notified() => time::sleep(SETTLE).await,
            () = time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            Some(ended) = tasks.join_next() => {
                let (guild, again) = match ended {
                    Ok(ended) => ended,
                    Err(panic) => std::panic::resume_unwind(JoinError::into_panic(panic)),
                };
                busy.remove(&guild);
                match again? {
                    Some(depth) => retries.entry(guild).or_insert_with(Retry::new).later(depth),
                    None => drop(retries.remove(&guild)),
                }
            }
        }
        let candidates = requests.candidates();
        if !candidates.is_empty() && backfill.guilds.is_open() {
            match backfill.choose_among(candidates).await {
                Ok(first) => first
                    .into_iter()
                    .for_each(|guild| requests.guild(guild, Depth::Whole)),
                Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                    warn!("can't find out which guild the bot joined first: {error}");
                }
                Err(fatal) => return Err(fatal),
            }
        }
        let shards = requests.take_shards();
        if !shards.is_empty() {
            let has = |guild| {
                shards
                    .iter()
                    .any(|shard| shard.is_none_or(|of| of.has(guild)))
            };
            for guild in backfill.guilds(has).await? {
                requests.guild(guild, Depth::Whole);
            }
        }
        for guild in requests.take_dropped() {
            retries.remove(&guild);
            if let Some(end) = busy.get(&guild) {
                CancellationToken::cancel(end);
            }
        }
        for (guild, retry) in retries
            .iter_mut()
            .filter(|(guild, _)| !busy.contains_key(*guild))
        {
            let is_due = |(_, at): &mut (Depth, Instant)| *at <= Instant::now();
            if let Some((depth, _)) = retry.due.take_if(is_due) {
                requests.again(*guild, depth);
            }
        }
        for (guild, depth, told) in requests.take(&busy) {
            let end = CancellationToken::new();
            busy.insert(guild, end.clone());
            let backfill = backfill.clone();
            tasks.spawn(async move {
                // The next one resumes what is interrupted here.
                let done = Box::pin(backfill.done(guild, depth, told));
                let done = end.run_until_cancelled(done);
                (guild, done.await.unwrap_or(Ok(None)))
            });
        }
    }
}

fn want(guilds: &mut BTreeMap<GuildId, Depth>, guild: GuildId, depth: Depth) {
    guilds
        .entry(guild)
        .and_modify(|wish| *wish = wish.and(depth))
        .or_insert(depth);
}

impl Backfill {
    /// Lists and records those of the bot's guilds that were asked for; falls back to the known ones.
    async fn guilds(
        &self,
        are_asked_for: impl Fn(GuildId) -> bool,
    ) -> Result<BTreeSet<GuildId>, BackfillError> {
        let is_wanted = |guild: GuildId| self.guilds.has(guild) && are_asked_for(guild);
        self.writer.write(Vec::new()).await?;
        let known = self.read(|store| store.guilds()).await?;
        let known = known.iter().filter(|known| known.state.now().is_some());
        let known = known.map(|guild| guild.guild_id);
        let known: BTreeSet<GuildId> = known.filter(|id| is_wanted(*id)).collect();
        let at = self.clock.stamp();
        let listed: BTreeSet<GuildId> = match self.history.guilds().await {
            // Guilds with unreadable ids are fetched below, like others that aren't listed.
            Ok((guilds, _)) => {
                let ids = guilds.into_iter().map(|(id, _)| id);
                ids.filter(|id| is_wanted(*id)).collect()
            }
            Err(error @ RestError::BadToken) => return Err(error.into()),
            Err(error) => {
                if !self.history.rest().is_out() {
                    warn!("can't list the bot's guilds: {error}");
                }
                return Ok(known);
            }
        };
        // For a new guild, this is where listening begins.
        let mut facts: Vec<Fact> = listed.iter().map(|id| Fact::SessionLost(*id, at)).collect();
        for guild in known.difference(&listed) {
            // A guild with an unreadable id isn't listed either.
            let answer = self.history.guild(*guild).await;
            if let Err(RestError::NotFound { .. } | RestError::Forbidden { .. }) = answer {
                facts.push(Fact::GuildGone(*guild));
            }
        }
        self.write(at, facts).await?;
        Ok(known.union(&listed).copied().collect())
    }

    async fn done(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildSnapshot>,
    ) -> Result<Option<Depth>, BackfillError> {
        if depth == Depth::Whole {
            info!(%guild, "fetching missing history");
        }
        match self.run(guild, "", depth, told, true).await {
            Ok(done) => {
                let (messages, lists, failures) = (done.messages, done.lists, done.failures);
                match depth {
                    // The outage is already logged.
                    _ if done.again.is_some() && self.history.rest().is_out() => {}
                    _ if done.again.is_some() => warn!(
                        %guild, failures, channels = done.incomplete, lists = done.contradicted,
                        "some history is missing, will retry: {}",
                        listed(&done.missing),
                    ),
                    Depth::Whole | Depth::Recheck => {
                        info!(%guild, messages, lists, "all readable history is complete");
                    }
                    Depth::Channels => debug!(%guild, messages, lists, "checked for changes"),
                }
                Ok(done.again)
            }
            Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                if !self.history.rest().is_out() {
                    warn!(%guild, "can't backfill the guild: {error}");
                }
                // Refusals are final, e.g. for a guild that the bot was removed from.
                Ok(error.is_transient().then_some(depth))
            }
            Err(fatal) => {
                error!(%guild, "backfill ended: {fatal}");
                Err(fatal)
            }
        }
    }
}
