//! Mirrors events as they happen: runs the gateway and everything beside it.

use std::{error::Error, iter, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use futures::{
    FutureExt as _,
    future::{self, BoxFuture},
};
use serde_json::value::RawValue;
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    DiscordProvider,
    mirror::{self, Mirror},
};
use crate::{
    acknowledge::{acknowledge, acknowledgements},
    backfill::{self, Backfill, BackfillError, Requests},
    clock::Clock,
    daily::{days, log_daily},
    guilds::PerGuild,
    listener::{Events, listen},
    mirrored::MirroredGuilds,
    progress::ProgressBoard,
    scrub::scrub,
    writer::Writer,
};
use propsbot_discord::{
    self as discord, Gateway, GatewayOptions, InteractionHandler, MessageSender, Rest, RestError,
    Shards, Token, log_outages,
};
use propsbot_mirror::ProviderError;
use propsbot_model::{Stamp, User, UserId};
use propsbot_store::Store;

/// How many bytes of events may wait to be processed. Events beyond that are dropped and fetched later.
const EVENTS: u32 = 32 << 20;

/// How long the gateway may take to close, and the tasks to end.
const ENDING: Duration = Duration::from_secs(6);

/// How long it may take in all, until everything received is durable.
const DRAINING: Duration = Duration::from_secs(9);

/// Creates the command handler once the provider is connected.
pub type Answering = Box<
    dyn FnOnce(
            Connected,
        ) -> BoxFuture<
            'static,
            Result<Box<dyn InteractionHandler>, Box<dyn Error + Send + Sync>>,
        > + Send,
>;

/// What commands need from a connected provider.
pub struct Connected {
    pub store: Arc<Store>,
    pub writer: Writer,
    pub clock: Clock,
    /// The current work on each guild.
    pub progress: PerGuild<ProgressBoard>,
    pub guilds: MirroredGuilds,
    pub shards: Shards,
    pub requests: Requests,
    pub rest: Rest,
    pub token: Token,
    pub bot: User,
}

/// How long to wait between two attempts to reach Discord at the start. Each has retries of its own.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_mins(1))
        .without_max_times()
        .with_jitter()
}

/// Why Discord can't be reached for now; `None` if the error has another cause.
fn outage(error: &ProviderError) -> Option<&RestError> {
    let (ProviderError::Wrong(error) | ProviderError::Failed(error)) = error;
    let first: &(dyn Error + 'static) = error.as_ref();
    iter::successors(Some(first), |error| (*error).source())
        .filter_map(|cause| match cause.downcast_ref() {
            Some(BackfillError::Rest(error)) => Some(error),
            _ => cause.downcast_ref(),
        })
        .find(|error| error.is_transient())
}

struct Connection {
    backfill: Backfill,
    requests: Requests,
    gateway: Gateway,
}

impl DiscordProvider {
    /// Takes at most [`DRAINING`] to end.
    pub(super) async fn listen_until(&self, stop: CancellationToken) -> Result<(), ProviderError> {
        // The next start resumes what is interrupted here.
        let opening = async { Mirror::start(self.store().await?).await };
        let Some(mirror) = stop.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let mirror = mirror?;
        self.signals.begin(mirror.writer.signals());
        let heard = mirror::read(&mirror.store, |store| store.heard()).await?;
        mirror.disconnect(heard).await?;
        let showing = self.show(&mirror);
        let connecting = self.connect(&mirror, &stop);
        let Some(connection) = stop.run_until_cancelled(connecting).await else {
            drop(showing);
            return mirror.close().await;
        };
        let connection = connection?;
        showing.connected(&connection.backfill);
        let mut tasks = self.tasks(&mirror, connection, heard, &stop);

        let first = tokio::select! {
            () = stop.cancelled() => Ok(()),
            Some(end) = tasks.join_next() => ended(end),
        };
        info!("stopping");
        stop.cancel();
        let over = Instant::now() + DRAINING;
        let ending = timeout(ENDING, async {
            let mut all = Ok(());
            while let Some(end) = tasks.join_next().await {
                all = all.and(ended(end));
            }
            all
        });
        let ended_in_time = ending.await.unwrap_or_else(|_| Err(late()));
        tasks.shutdown().await;
        drop(showing);
        // If the store failed, everything else ended because of it.
        let closed = timeout_at(over, mirror.close()).await;
        closed.unwrap_or_else(|_| Err(late()))?;
        first.and(ended_in_time)
    }

    async fn connect(
        &self,
        mirror: &Mirror,
        stop: &CancellationToken,
    ) -> Result<Connection, ProviderError> {
        let mut is_told = false;
        let backfill = (|| self.prepare(mirror))
            .retry(patience())
            .when(|error| outage(error).is_some())
            .notify(|error, wait| {
                let Some(why) = outage(error) else { return };
                if is_told {
                    debug!(%why, ?wait, "Discord still does not answer");
                } else {
                    is_told = true;
                    let place = self.place();
                    warn!("could not log in {place}: {why}; trying again until Discord answers");
                }
            })
            .await?;
        let rest = backfill.history.rest().clone();
        let requests = Requests::default();
        let token = self.login().token.clone();
        let answering = self.answering.lock().expect("no assignment panics").take();
        let interactions = match answering {
            None => Box::new(Unanswered) as Box<dyn InteractionHandler>,
            Some(answering) => {
                let connected = Connected {
                    store: Arc::clone(&mirror.store),
                    writer: mirror.writer.clone(),
                    clock: mirror.clock.clone(),
                    progress: self.boards.clone(),
                    guilds: backfill.guilds.clone(),
                    shards: self.shards.clone(),
                    requests: requests.clone(),
                    rest: rest.clone(),
                    token: token.clone(),
                    bot: backfill.bot.clone(),
                };
                answering(connected).await.map_err(ProviderError::Failed)?
            }
        };
        let clock = mirror.clock.clone();
        let gateway = discord::start(GatewayOptions {
            token,
            rest,
            clock: Box::new(move || clock.stamp()),
            capacity: EVENTS,
            interactions,
            shards: self.shards.clone(),
            stop: stop.clone(),
        });
        let gateway = gateway.await?;
        // The gateway has accepted the token.
        info!(bot = backfill.bot.username, "logged in");
        Ok(Connection {
            backfill,
            requests,
            gateway,
        })
    }

    /// Does everything that has to succeed before the gateway can connect.
    async fn prepare(&self, mirror: &Mirror) -> Result<Backfill, ProviderError> {
        let (history, bot) = self.log_in(&mirror.store).await?;
        let backfill = self.backfill(mirror, history, bot);
        backfill.choose_guilds(None, None).await?;
        // The store may know all of the above. The gateway asks the same, but gives up sooner.
        backfill.history.gateway().await?;
        Ok(backfill)
    }

    /// The tasks that run until they are stopped.
    fn tasks(
        &self,
        mirror: &Mirror,
        Connection {
            backfill,
            requests,
            gateway,
        }: Connection,
        heard: Stamp,
        stop: &CancellationToken,
    ) -> JoinSet<Result<(), ProviderError>> {
        let rest = backfill.history.rest().clone();
        let bot = backfill.bot.id;
        let (acknowledgements, thanks) = acknowledgements();
        let events = Events::from(gateway.items);
        self.signals
            .connect(rest.clone(), gateway.signals, events.pulse.clone());
        let listening = listen(
            events,
            bot,
            heard,
            backfill.guilds.clone(),
            mirror.writer.clone(),
            requests.clone(),
            acknowledgements,
        );
        let acknowledging = acknowledge(
            thanks,
            MessageSender::new(rest.clone()),
            Arc::clone(&mirror.store),
            mirror.writer.clone(),
            mirror.clock.clone(),
            bot,
            stop.clone(),
        );
        let scrubbing = scrub(backfill.clone(), requests.clone(), stop.clone());
        let supervising = backfill::supervise(backfill, requests, stop.clone());
        let outages = log_outages(rest.outages(), stop.clone());
        let living = log_daily(Arc::clone(&mirror.store), rest, days(), stop.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            tokio::join!(outages, living);
            Ok(())
        });
        tasks.spawn(async move { Ok(gateway.ended.wait().await?) });
        tasks.spawn(async move { Ok(listening.await?) });
        tasks.spawn(async move { Ok(acknowledging.await?) });
        tasks.spawn(async move { Ok(Box::pin(supervising).await?) });
        tasks.spawn(async move { Ok(scrubbing.await?) });
        tasks
    }
}

struct Unanswered;

impl InteractionHandler for Unanswered {
    fn begin(&self, _: Option<UserId>) {}

    fn receive(&self, _: Box<RawValue>) {}

    fn finish(&self) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }
}

/// The error for a shutdown that takes too long.
fn late() -> ProviderError {
    let late = "not everything ended in time; the next start fetches what was not saved yet";
    ProviderError::Failed(late.into())
}

fn ended(end: Result<Result<(), ProviderError>, JoinError>) -> Result<(), ProviderError> {
    end.map_err(|error| {
        ProviderError::Failed(format!("a task panicked; report this: {error}").into())
    })?
}
