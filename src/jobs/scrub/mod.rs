//! The scrub: re-reads older history continuously, at a small share of the request budget.
//!
//! So any missed change is found within a predictable time. Each round also re-reads a slice of all
//! lists of reactors, which finds swaps that no count shows.
//!
//! Owns the walk and its pace; `backfill` reads pages, and `ingest` merges them and counts drift.
//! The walk's position is stored with each page.

mod pace;
mod place;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::MonotonicClock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::{sync::OwnedMutexGuard, task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use pace::Pace;
use place::{Place, channels, differ, place};

use super::{
    backfill::{
        Backfill, BackfillError, Depth, Requests, UNKNOWN_CHANNEL,
        page::{PageOutcome, UNNAMED},
        paging::PageRequest,
    },
    clock::Clock,
    progress::ProgressBoard,
};
use propsbot_discord::{PER_SECOND, RestError};
use propsbot_ingest::scrub_interval;
use propsbot_model::{
    ChannelId, Class, Fact, FailureObject, GuildId, MessageId, Millis, Settings, Walk,
};
use propsbot_store::{Reader, Store, StoreError};

/// How often to check for work: a changed setting, or the end of a rest.
const LOOK: Duration = Duration::from_secs(1);
/// Wait after an error of Discord's.
const RETRY: Duration = Duration::from_mins(5);
/// Threads on a page of archived threads.
const THREADS_A_PAGE: usize = 100;
const HOUR_MS: i64 = 3_600_000;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

pub fn scrubbed(
    store: &Reader,
    is_mirrored: &dyn Fn(GuildId) -> bool,
) -> Result<Vec<(GuildId, Settings)>, StoreError> {
    let mut all = Vec::new();
    for guild in store.guilds()? {
        if !is_mirrored(guild.guild_id) {
            continue;
        }
        let settings = store.settings(guild.guild_id)?;
        // Until its channels are known, a backfill will read everything anyway.
        let synced = store.synced(guild.guild_id)?;
        let is_known = synced.iter().any(|synced| synced.class == Class::Channels);
        if is_known && guild.state.now().is_some() && settings.scrub_share > 0 {
            all.push((guild.guild_id, settings));
        }
    }
    Ok(all)
}

/// Scrubs every guild, round after round, until stopped.
///
/// # Errors
/// Only permanent ones: the token is refused, or the store can't be written.
pub async fn scrub(
    backfill: Backfill,
    requests: Requests,
    stop: CancellationToken,
) -> Result<(), BackfillError> {
    let scrubbed = async {
        let mut scrubbers = JoinSet::new();
        let mut begun = BTreeSet::new();
        loop {
            let guilds = backfill.guilds.clone();
            let wanted = move |store: &Store| scrubbed(store, &|guild| guilds.has(guild));
            for (guild, _) in backfill.read(wanted).await? {
                if begun.insert(guild) {
                    let scrubber = Scrubber::new(&backfill, &requests, guild);
                    scrubbers.spawn(scrubber.scrub());
                }
            }
            tokio::select! {
                () = time::sleep(LOOK) => {}
                Some(ended) = scrubbers.join_next() => match ended {
                    Ok(fatal) => return Err(fatal),
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                }
            }
        }
    };
    stop.run_until_cancelled(scrubbed).await.unwrap_or(Ok(()))
}

struct Scrubber {
    backfill: Backfill,
    requests: Requests,
    guild: GuildId,
    /// The limiter, and the interval it was created for.
    limiter: Option<(Duration, Limiter)>,
}

impl Scrubber {
    fn new(backfill: &Backfill, requests: &Requests, guild: GuildId) -> Self {
        Self {
            backfill: Backfill {
                // The walk shows its progress.
                progress: ProgressBoard::default(),
                ..backfill.of(guild)
            },
            requests: requests.clone(),
            guild,
            limiter: None,
        }
    }

    /// Runs until a permanent error.
    async fn scrub(mut self) -> BackfillError {
        loop {
            match self.round().await {
                Ok(()) => {}
                Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                    if !self.backfill.history.rest().is_out() {
                        warn!(guild = %self.guild, "pausing the scrub: {error}");
                    }
                    time::sleep(RETRY).await;
                }
                Err(fatal) => return fatal,
            }
        }
    }

    /// Runs one round, or the rest of an interrupted one.
    async fn round(&mut self) -> Result<(), BackfillError> {
        let guild = self.guild;
        let scrub = self.backfill.read(move |store| store.scrub(guild)).await?;
        let mut walk = match scrub.walk.map(|walk| walk.value) {
            // Everything was just read for the first time, so rest first.
            None => return self.write(Walk::none(Clock::now())).await,
            Some(last) if last.finished.is_some() => self.begin(last).await?,
            Some(interrupted) => interrupted,
        };
        debug!(%guild, round = walk.round, place = %walk.place, "scrubbing");
        while let Some(place) = self.next(walk.place).await? {
            if place.channel.id != walk.place {
                walk = walk.at(place.channel.id);
            }
            self.place(&mut walk, &place).await?;
        }
        walk.finished = Some(Clock::now());
        self.write(walk).await?;
        let scrub = self.backfill.read(move |store| store.scrub(guild)).await?;
        let drift = scrub.drift.since(scrub.drift_before);
        info!(%guild, round = walk.round, requests = walk.requests, ?drift, "scrubbed all history");
        Ok(())
    }

    /// Begins a round once the rest is over, by refreshing the guild.
    async fn begin(&mut self, last: Walk) -> Result<Walk, BackfillError> {
        let guild = self.guild;
        while self.rests(last.begun).await? {
            time::sleep(LOOK).await;
        }
        let turn = self.turn().await?;
        let guilds = self.backfill.guilds.clone();
        let pace = self
            .backfill
            .read(move |store| Pace::of(store, guild, &|guild| guilds.has(guild)))
            .await?;
        let mut walk = last.next_round(Clock::now(), pace.slices);
        walk.requests += 1;
        let known = self
            .backfill
            .read(move |store| channels(store, guild))
            .await?;
        let at = self.backfill.clock.stamp();
        match self.backfill.history.active_threads(guild).await {
            Ok(active) => {
                walk.threads += differ(&known, &active.items);
                let facts = active
                    .items
                    .into_iter()
                    .map(|item| Fact::Channel(item.channel));
                self.backfill.tell(at, facts.collect()).await?;
            }
            Err(error) => {
                let object = FailureObject::Class(Class::Threads);
                self.backfill.fail(guild, object, error).await?;
            }
        }
        drop(turn);
        self.write(walk).await?;
        // Refreshes channels, roles and permissions.
        self.requests.guild(guild, Depth::Channels);
        Ok(walk)
    }

    /// Returns whether it is too early for the next round; `false` if the clock was set back.
    async fn rests(&self, begun: Millis) -> Result<bool, BackfillError> {
        let guild = self.guild;
        let settings = self
            .backfill
            .read(move |store| store.settings(guild))
            .await?;
        let rest = i64::from(settings.scrub_rest_hours) * HOUR_MS;
        Ok((begun..Millis(begun.0 + rest)).contains(&Clock::now()))
    }

    /// Waits until scrubbing is on, and returns the time between requests.
    async fn interval(&self) -> Result<Duration, BackfillError> {
        let guild = self.guild;
        loop {
            let guilds = self.backfill.guilds.clone();
            let interval = self
                .backfill
                .read(move |store| interval(store, guild, &|guild| guilds.has(guild)))
                .await?;
            match interval {
                Some(interval) => return Ok(interval),
                None => time::sleep(LOOK).await,
            }
        }
    }

    /// Waits until the pace allows a request and no backfill is running.
    /// None starts while the permit is held.
    async fn turn(&mut self) -> Result<OwnedMutexGuard<()>, BackfillError> {
        let interval = self.interval().await?;
        let limiter = match self.limiter.take() {
            Some((of, limiter)) if of == interval => limiter,
            _ => {
                let quota = Quota::with_period(interval).expect("an interval is not 0");
                RateLimiter::direct_with_clock(quota, MonotonicClock)
            }
        };
        limiter.until_ready().await;
        self.limiter = Some((interval, limiter));
        Ok(Arc::clone(&self.backfill.turn).lock_owned().await)
    }

    /// Returns the first readable place with this id or a greater one.
    async fn next(&self, from: ChannelId) -> Result<Option<Place>, BackfillError> {
        // The walk pauses while the bot isn't a member or scrubbing is off.
        self.interval().await?;
        let (guild, bot) = (self.guild, self.backfill.bot.id);
        self.backfill
            .read(move |store| place(store, guild, bot, from))
            .await
    }

    /// Scrubs one place from its newest message to its oldest.
    /// A failure is recorded and ends only this place.
    async fn place(&mut self, walk: &mut Walk, place: &Place) -> Result<(), BackfillError> {
        let (guild, id) = (self.guild, place.channel.id);
        let object = FailureObject::Channel(id);
        if walk.before.is_none() && place.channel.holds_threads() {
            self.threads(walk, place).await?;
        }
        while walk.place == id && place.top.is_some() {
            let whole = walk.whole;
            match self.page(walk, place).await {
                Ok(Some(page)) => {
                    if page.lacks_some {
                        self.backfill.lacking(guild, id).await?;
                    }
                    let fact = if !page.all_named {
                        Some(Fact::Refused(guild, object.clone(), UNNAMED.into()))
                    } else if whole && !page.lacks_some && walk.place != id {
                        Some(Fact::Settled(guild, object.clone()))
                    } else {
                        None
                    };
                    let at = self.backfill.clock.stamp();
                    self.backfill.tell(at, fact.into_iter().collect()).await?;
                    for list in page.missing {
                        let _turn = self.turn().await?;
                        // A backfill may have fetched it in the meantime.
                        let asked = list.clone();
                        let pending = move |store: &Store| store.list(&asked);
                        if let Some(list) = self.backfill.read(pending).await?
                            && list.is_due(Clock::now())
                        {
                            self.backfill.list(list).await?;
                        }
                    }
                }
                Ok(None) => break,
                Err(BackfillError::Rest(RestError::NotFound {
                    code: UNKNOWN_CHANNEL,
                    ..
                })) => {
                    walk.threads += u64::from(place.channel.is_thread());
                    let gone = Fact::ChannelGone(guild, id);
                    let at = self.backfill.clock.stamp();
                    self.backfill.tell(at, vec![gone]).await?;
                    break;
                }
                Err(BackfillError::Rest(error)) => {
                    self.backfill.fail(guild, object, error).await?;
                    break;
                }
                Err(other) => return Err(other),
            }
        }
        if walk.place == id {
            *walk = walk.at(next_id(id));
            self.write(*walk).await?;
        }
        Ok(())
    }

    /// Reads the next page of a place; `None` if the server prevents reading further.
    async fn page(
        &mut self,
        walk: &mut Walk,
        place: &Place,
    ) -> Result<Option<PageOutcome>, BackfillError> {
        let ask = PageRequest {
            guild: self.guild,
            channel: place.channel.id,
            before: walk.before,
            last_message_id: None,
            until: MessageId(0),
            witness: place.top.filter(|id| id.0 > 0),
            lists: Some(walk.slice()),
            newest: place.top,
            again: Vec::new(),
            pages_before: None,
        };
        let asked = *walk;
        let after = |shown: &PageOutcome| {
            let (requests, lists) = (asked.requests + 1, asked.lists + shown.lists);
            let walk = if shown.after.0 == 0 {
                asked.at(next_id(asked.place))
            } else {
                let whole = asked.whole && shown.all_named && !shown.lacks_some;
                Walk {
                    before: Some(shown.next()),
                    whole,
                    ..asked
                }
            };
            Walk {
                requests,
                lists,
                ..walk
            }
        };
        let _turn = self.turn().await?;
        let page = self
            .backfill
            .page(&ask, |shown| Some(Fact::Scrubbed(ask.guild, after(shown))))
            .await?;
        Ok(page.inspect(|shown| *walk = after(shown)))
    }

    /// Lists a channel's archived threads; a backfill fetches changed ones.
    async fn threads(&mut self, walk: &mut Walk, place: &Place) -> Result<(), BackfillError> {
        let guild = self.guild;
        let turn = self.turn().await?;
        let known = self
            .backfill
            .read(move |store| channels(store, guild))
            .await?;
        let (listed, _) = self
            .backfill
            .archived_in(
                guild,
                (place.channel.id, place.channel.kind),
                place.private_threads,
            )
            .await?;
        drop(turn);
        let lists = 1 + usize::from(place.private_threads) + listed.len() / THREADS_A_PAGE;
        // Wait for the permits of the pages after the first.
        for _ in 1..lists {
            drop(self.turn().await?);
        }
        let found = differ(&known, &listed);
        walk.threads += found;
        walk.requests += lists as u64;
        self.write(*walk).await?;
        if found > 0 {
            self.requests.guild(guild, Depth::Channels);
        }
        Ok(())
    }

    /// Stores the walk; durable on return.
    async fn write(&self, walk: Walk) -> Result<(), BackfillError> {
        let at = self.backfill.clock.stamp();
        let fact = Fact::Scrubbed(self.guild, walk);
        self.backfill.write(at, vec![fact]).await?;
        Ok(())
    }
}

/// Returns the time between scrub requests; `None` if scrubbing is off.
fn interval(
    store: &Store,
    guild: GuildId,
    is_mirrored: &dyn Fn(GuildId) -> bool,
) -> Result<Option<Duration>, StoreError> {
    let scrubbed = scrubbed(store, is_mirrored)?;
    let guilds = scrubbed.len() as u64;
    let own = scrubbed.iter().find(|(id, _)| *id == guild);
    Ok(own.and_then(|(_, own)| scrub_interval(own.scrub_share, guilds, PER_SECOND.get())))
}

fn next_id(id: ChannelId) -> ChannelId {
    ChannelId(id.0.saturating_add(1))
}
