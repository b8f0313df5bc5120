//! When to backfill: whoever notices that something may be missing says so here.

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
use propsbot_discord::{GuildSnapshot, RestError};
use propsbot_model::{Fact, GuildId};
use propsbot_store::Store;

/// What changes together is looked at together: this long after the first change.
const SETTLE: Duration = Duration::from_millis(300);

/// How long after a failure it is tried again: later and later, as long as it goes on failing.
fn retries() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_mins(5))
        .with_factor(2.0)
        .with_max_delay(Duration::from_hours(4))
        .without_max_times()
}

/// What of a guild is to be looked at again.
struct Retry {
    waits: ExponentialBackoff,
    /// What, and when.
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

    /// Waits longer than the last time.
    fn later(&mut self, depth: Depth) {
        let wait = self.waits.next().expect("it has no end");
        self.due = Some((depth, Instant::now() + wait));
    }
}

/// What is to be fetched, each thing once however often it was asked for.
#[derive(Debug, Default)]
struct Wanted {
    guilds: BTreeMap<GuildId, Depth>,
    /// What the gateway tells of them, as long as nothing has changed since.
    told: BTreeMap<GuildId, GuildSnapshot>,
    /// Every guild that there is.
    all: bool,
    /// Guilds that the bot is in, of which one may be chosen.
    candidates: BTreeSet<GuildId>,
}

/// Asks for backfills. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    wanted: Arc<Mutex<Wanted>>,
    news: Arc<Notify>,
    pub(super) rereads: Arc<Notify>,
}

impl Requests {
    /// The guild has to be looked at.
    pub fn guild(&self, guild: GuildId, depth: Depth) {
        self.change(|wanted| {
            want(&mut wanted.guilds, guild, depth);
            wanted.told.remove(&guild);
        });
    }

    /// The guild, which has to be looked at, is this.
    pub fn told(&self, told: GuildSnapshot) {
        self.change(|wanted| {
            wanted.told.insert(told.shape.guild.id, told);
        });
    }

    /// Every guild has to be looked at, and which there are.
    pub fn guilds(&self) {
        self.change(|wanted| wanted.all = true);
    }

    /// The bot is in a guild that may be the one to mirror: see `Backfill::choose_among`.
    pub fn candidate(&self, guild: GuildId) {
        self.change(|wanted| {
            wanted.candidates.insert(guild);
        });
    }

    /// A message has to be read again: it is among what could not be read.
    pub fn reread(&self) {
        self.rereads.notify_one();
    }

    fn change(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.wanted.lock().expect("no change panics"));
        self.news.notify_one();
    }

    /// The guild is to be looked at again, though nothing is known to have changed.
    fn again(&self, guild: GuildId, depth: Depth) {
        self.change(|wanted| want(&mut wanted.guilds, guild, depth));
    }

    fn candidates(&self) -> Vec<GuildId> {
        let wanted = self.wanted.lock().expect("no change panics");
        wanted.candidates.iter().copied().collect()
    }

    fn take_all(&self) -> bool {
        mem::take(&mut self.wanted.lock().expect("no change panics").all)
    }

    /// What is wanted of guilds that are not `busy`.
    fn take(&self, busy: &BTreeSet<GuildId>) -> Vec<(GuildId, Depth, Option<GuildSnapshot>)> {
        let mut wanted = self.wanted.lock().expect("no change panics");
        let Wanted { guilds, told, .. } = &mut *wanted;
        let taken = guilds.extract_if(.., |guild, _| !busy.contains(guild));
        taken
            .map(|(guild, depth)| (guild, depth, told.remove(&guild)))
            .collect()
    }
}

/// Backfills whatever is asked for, until it is stopped.
///
/// # Errors
/// Only what no later try can mend: a token that is refused, a store that cannot be written.
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

/// Backfills guilds side by side, each once at a time.
async fn backfill_wanted(backfill: &Backfill, requests: &Requests) -> Result<(), BackfillError> {
    let mut retries: BTreeMap<GuildId, Retry> = BTreeMap::new();
    let mut busy = BTreeSet::new();
    let mut tasks = JoinSet::new();
    loop {
        let idle = retries.iter().filter(|(guild, _)| !busy.contains(*guild));
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
                    warn!("which guild the bot joined first is not known: {error}");
                }
                Err(fatal) => return Err(fatal),
            }
        }
        if requests.take_all() {
            for guild in backfill.guilds().await? {
                requests.guild(guild, Depth::Whole);
            }
        }
        for (guild, retry) in retries
            .iter_mut()
            .filter(|(guild, _)| !busy.contains(*guild))
        {
            let is_due = |(_, at): &mut (Depth, Instant)| *at <= Instant::now();
            if let Some((depth, _)) = retry.due.take_if(is_due) {
                requests.again(*guild, depth);
            }
        }
        for (guild, depth, told) in requests.take(&busy) {
            busy.insert(guild);
            let backfill = backfill.clone();
            tasks.spawn(async move { (guild, backfill.done(guild, depth, told).await) });
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
    /// Finds out which guilds the bot is in, and records it; without an answer, those that are known.
    async fn guilds(&self) -> Result<BTreeSet<GuildId>, BackfillError> {
        self.writer.write(Vec::new()).await?;
        let known = self.read(Store::guilds).await?;
        let known = known.iter().filter(|known| known.state.now().is_some());
        let known = known.map(|guild| guild.guild_id);
        let known: BTreeSet<GuildId> = known.filter(|id| self.guilds.has(*id)).collect();
        let at = self.clock.stamp();
        let listed: BTreeSet<GuildId> = match self.history.guilds().await {
            // Those without a readable id are asked for below, as others that are not listed.
            Ok((guilds, _)) => {
                let ids = guilds.into_iter().map(|(id, _)| id);
                ids.filter(|id| self.guilds.has(*id)).collect()
            }
            Err(error @ RestError::BadToken) => return Err(error.into()),
            Err(error) => {
                if !self.history.rest().is_out() {
                    warn!("which guilds there are is not known: {error}");
                }
                return Ok(known);
            }
        };
        // Where nothing is known, this is where hearing it begins.
        let mut facts: Vec<Fact> = listed.iter().map(|id| Fact::SessionLost(*id, at)).collect();
        for guild in known.difference(&listed) {
            // One that could not be read is not listed either.
            let answer = self.history.guild(*guild).await;
            if let Err(RestError::NotFound { .. } | RestError::Forbidden { .. }) = answer {
                facts.push(Fact::GuildGone(*guild));
            }
        }
        self.write(at, facts).await?;
        Ok(known.union(&listed).copied().collect())
    }

    /// Backfills a guild; returns what of it is to be looked at again later.
    async fn done(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildSnapshot>,
    ) -> Result<Option<Depth>, BackfillError> {
        if depth == Depth::Whole {
            info!(%guild, "fetching what was missed");
        }
        match self.run(guild, "", depth, told, true).await {
            Ok(done) => {
                let (messages, lists, failures) = (done.messages, done.lists, done.failures);
                match depth {
                    // It is told already why.
                    _ if done.again.is_some() && self.history.rest().is_out() => {}
                    _ if done.again.is_some() => warn!(
                        %guild, failures, channels = done.incomplete, lists = done.contradicted,
                        "could not fetch all history, will try again; missing: {}",
                        listed(&done.missing),
                    ),
                    Depth::Whole | Depth::Recheck => {
                        info!(%guild, messages, lists, "all history that can be read is here");
                    }
                    Depth::Channels => debug!(%guild, messages, lists, "looked again"),
                }
                Ok(done.again)
            }
            Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                if !self.history.rest().is_out() {
                    warn!(%guild, "the guild could not be looked at: {error}");
                }
                // What is refused, such as a guild that the bot was removed from, stays refused.
                Ok(error.is_transient().then_some(depth))
            }
            Err(fatal) => {
                error!(%guild, "backfill ended: {fatal}");
                Err(fatal)
            }
        }
    }
}
