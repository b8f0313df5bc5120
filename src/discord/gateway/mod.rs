//! The live connection: serenity, alone on a thread of its own, and the queue of events out of it.
//!
//! Owns the connection, its thread, and what happens when nobody keeps up. Refuses to know what an
//! event says: see `convert`.
//!
//! serenity starts a task for each event. Only on a runtime with a single thread, whose tasks run
//! in the order in which they were started, and with a handler that never waits, do events leave in
//! the order in which they came. Nothing promises that order: a test keeps watch over it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use serenity::{
    Client,
    client::{ClientBuilder, Context, RawEventHandler},
    gateway::GatewayError as Closed,
    http::{Http, HttpBuilder},
    model::{event::Event, gateway::GatewayIntents},
};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{History, OFFICIAL_ORIGIN, Rest, RestError, Token, command_line::CommandLine};
use crate::{model::Stamp, network::Network, service::Service};

/// How long Discord may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long the thread's last tasks may take to end.
const LAST_TASKS: Duration = Duration::from_millis(500);

/// How long an answer to a command may take: Discord waits for 3 s.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// The token is no longer taken, or something else that only people can mend.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Close code 4004.
    #[error(transparent)]
    BadToken(RestError),
    /// Close code 4014.
    #[error(
        "Discord does not let the bot see members and messages: switch on \"Server Members \
         Intent\" and \"Message Content Intent\" in the developer portal (your application, \
         \"Bot\", \"Privileged Gateway Intents\"), then start again"
    )]
    MissingIntents,
    /// Close code 4013.
    #[error("Discord does not know one of the intents that the bot asks for; update the bot")]
    UnknownIntents,
    /// More guilds than one connection can carry.
    #[error(
        "the bot is in so many servers that Discord wants {0} connections; this version makes one \
         only (about 2,500 servers)"
    )]
    TooManyGuilds(u32),
    /// Discord could not be asked where its gateway is.
    #[error("Discord could not be asked where its gateway is")]
    NoAddress(#[source] RestError),
    /// The connection ended by itself, which is tried again.
    #[error("the connection to Discord's gateway ended; it is opened again")]
    Ended,
    /// Nobody takes what the gateway says any more: whoever did has ended without a stop signal.
    #[error("nobody listens to the gateway any more; report this")]
    Unheard,
    /// The system has no thread or no runtime to give.
    #[error("the gateway's thread could not be started")]
    Thread(#[source] io::Error),
    /// A defect of ours or of serenity's.
    #[error("the gateway's thread panicked; report this")]
    Panicked,
}

impl GatewayError {
    fn is_final(&self) -> bool {
        !matches!(self, Self::Ended)
    }
}

impl From<serenity::Error> for GatewayError {
    fn from(error: serenity::Error) -> Self {
        match error {
            serenity::Error::Gateway(Closed::InvalidAuthentication) => {
                Self::BadToken(RestError::BadToken)
            }
            serenity::Error::Gateway(Closed::DisallowedGatewayIntents) => Self::MissingIntents,
            serenity::Error::Gateway(Closed::InvalidGatewayIntents) => Self::UnknownIntents,
            _ => Self::Ended,
        }
    }
}

/// What leaves the gateway.
#[derive(Debug)]
pub enum GatewayItem {
    /// An event, and when it was received.
    Event {
        /// When: later than every item before.
        at: Stamp,
        /// The event; see [`translate`](super::translate).
        event: Box<Event>,
    },
    /// The queue was full, and events that should have come before this were dropped. All that is
    /// known to be live no longer is: treat it as a session that could not be resumed.
    Overflow {
        /// When the queue had room again: all dropped events were received before.
        at: Stamp,
    },
}

/// What the gateway needs.
pub struct GatewayOptions {
    /// The bot's token.
    pub token: Token,
    /// Another origin than Discord's own, such as `http://127.0.0.1:3005`.
    pub origin: Option<String>,
    /// The client that asks where the gateway is, and registers the commands.
    pub rest: Rest,
    /// Gives the time; never the same twice, never an earlier one.
    pub clock: Box<dyn Fn() -> Stamp + Send + Sync>,
    /// How many items wait at the most for whoever takes them.
    pub capacity: usize,
    /// Whom the commands ask.
    pub service: Service,
    /// Ends the connection.
    pub stop: CancellationToken,
}

/// A running gateway.
pub struct Gateway {
    /// What it says, in Discord's order.
    pub items: mpsc::Receiver<GatewayItem>,
    /// Its end: after the stop signal, or for a reason that only people can mend.
    pub ended: GatewayEnd,
}

/// The end of a gateway.
pub struct GatewayEnd(oneshot::Receiver<Result<(), GatewayError>>);

impl GatewayEnd {
    /// Waits until the connection is closed and its thread has finished: within seconds after the
    /// stop signal.
    pub async fn wait(self) -> Result<(), GatewayError> {
        self.0.await.unwrap_or(Err(GatewayError::Panicked))
    }
}

/// Starts the gateway. Asks first where it is, so that a wrong token or origin is told at once:
/// serenity would silently go to Discord's own. After the stop signal it asks no more, and what it
/// returns has ended already.
pub async fn start(options: GatewayOptions) -> Result<Gateway, GatewayError> {
    let (sender, items) = mpsc::channel(options.capacity);
    let (tell, ended) = oneshot::channel();
    let gateway = Gateway {
        items,
        ended: GatewayEnd(ended),
    };
    let history = History::new(options.rest.clone());
    let Some(asked) = options.stop.run_until_cancelled(history.gateway()).await else {
        // The receiver is in `gateway`.
        let _ = tell.send(Ok(()));
        return Ok(gateway);
    };
    let (url, connections) = asked.map_err(|error| match error {
        RestError::BadToken => GatewayError::BadToken(error),
        error => GatewayError::NoAddress(error),
    })?;
    if connections > 1 {
        return Err(GatewayError::TooManyGuilds(connections));
    }
    let connection = Connection {
        url,
        intake: Arc::new(Intake {
            sender,
            clock: options.clock.into(),
            overflows: Arc::new(AtomicBool::new(false)),
        }),
        http: HttpSettings {
            token: options.token,
            origin: options.origin,
            network: options.rest.network().clone(),
        },
        commands: CommandLine::new(options.rest, options.service),
        stop: options.stop,
    };
    thread::Builder::new()
        .name("discord-gateway".to_owned())
        .spawn(move || {
            // Nobody may wait for the end any more.
            let _ = tell.send(connection.run());
        })
        .map_err(GatewayError::Thread)?;
    Ok(gateway)
}

/// All that the thread owns.
struct Connection {
    url: String,
    intake: Arc<Intake>,
    http: HttpSettings,
    commands: CommandLine,
    stop: CancellationToken,
}

impl Connection {
    fn run(self) -> Result<(), GatewayError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(GatewayError::Thread)?;
        let end = runtime.block_on(self.keep_open());
        runtime.shutdown_timeout(LAST_TASKS);
        end
    }

    /// Opens the connection again whenever it ends for a passing reason. (While it lives, serenity
    /// resumes its session by itself, or begins a new one.)
    async fn keep_open(&self) -> Result<(), GatewayError> {
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_mins(1))
            .with_jitter()
            .without_max_times();
        for wait in waits.build() {
            let end = self.session().await;
            match end {
                Ok(()) => return Ok(()),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => tracing::warn!(%error, ?wait, "the gateway was lost"),
            }
            let pause = tokio::time::sleep(wait);
            if self.stop.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
        Err(GatewayError::Ended)
    }

    /// One client of serenity's, until it ends, is stopped, or is heard no more.
    async fn session(&self) -> Result<(), GatewayError> {
        let Some(client) = self.stop.run_until_cancelled(self.client()).await else {
            return Ok(());
        };
        let mut client = client?;
        let shards = Arc::clone(&client.shard_manager);
        let end = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(()),
            () = self.intake.sender.closed() => Err(GatewayError::Unheard),
            end = client.start() => return Err(end.map_or_else(Into::into, |()| GatewayError::Ended)),
        };
        if timeout(GOODBYE, shards.shutdown_all()).await.is_err() {
            tracing::debug!("Discord took its time to say goodbye; gone without it");
        }
        end
    }

    async fn client(&self) -> Result<Client, GatewayError> {
        let intents = GatewayIntents::GUILDS
            | GatewayIntents::GUILD_MEMBERS
            | GatewayIntents::GUILD_EMOJIS_AND_STICKERS
            | GatewayIntents::GUILD_MESSAGES
            | GatewayIntents::GUILD_MESSAGE_REACTIONS
            | GatewayIntents::MESSAGE_CONTENT;
        let client = ClientBuilder::new_with_http(self.http.build(), intents)
            .framework(self.commands.framework())
            .raw_event_handler(IntakeHandler(Arc::clone(&self.intake)))
            .await?;
        // serenity asked once more; if it got no answer, it now points at Discord's own gateway.
        self.url.clone_into(&mut *client.ws_url.lock().await);
        Ok(client)
    }
}

/// How serenity sends the answers to commands, the only requests it makes.
struct HttpSettings {
    token: Token,
    origin: Option<String>,
    network: Network,
}

impl HttpSettings {
    /// Without serenity's own rate limiter: with it, the origin would be ignored.
    fn build(&self) -> Http {
        let client = self.network.serenity_client().timeout(HTTP_TIMEOUT).build();
        let client = client.expect("a client can be built of what was checked when it was read");
        let origin = self.origin.as_deref().unwrap_or(OFFICIAL_ORIGIN);
        HttpBuilder::new(self.token.secret())
            .client(client)
            .ratelimiter_disabled(true)
            .proxy(origin)
            .build()
    }
}

/// Where events leave serenity.
struct Intake {
    sender: mpsc::Sender<GatewayItem>,
    clock: Arc<dyn Fn() -> Stamp + Send + Sync>,
    /// Events are being dropped, and the receiver does not know yet.
    overflows: Arc<AtomicBool>,
}

impl Intake {
    /// Passes an event on, or drops it if the queue is full: to wait would let serenity's own
    /// queues grow without bound. If the receiver is gone, the session ends: see
    /// [`Connection::session`].
    fn take(&self, event: Event) {
        let at = (self.clock)();
        if self.overflows.load(Ordering::Acquire) {
            return;
        }
        let event = Box::new(event);
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.sender.try_send(GatewayItem::Event { at, event })
        {
            self.overflows.store(true, Ordering::Release);
            tracing::warn!(
                capacity = self.sender.max_capacity(),
                "events come faster than they can be stored: some are dropped, and fetched later"
            );
            self.tell_overflow();
        }
    }

    /// Tells of the overflow as soon as there is room, before any other item.
    fn tell_overflow(&self) {
        let (sender, clock) = (self.sender.clone(), Arc::clone(&self.clock));
        let overflows = Arc::clone(&self.overflows);
        // Ends with the queue: when its receiver is gone there is nobody to tell.
        tokio::spawn(async move {
            if let Ok(permit) = sender.reserve_owned().await {
                permit.send(GatewayItem::Overflow { at: clock() });
                overflows.store(false, Ordering::Release);
            }
        });
    }
}

struct IntakeHandler(Arc<Intake>);

#[serenity::async_trait]
impl RawEventHandler for IntakeHandler {
    async fn raw_event(&self, _: Context, event: Event) {
        self.0.take(event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use serde_json::json;

    use super::*;

    fn event() -> Event {
        serde_json::from_value(json!({"t": "RESUMED", "d": {}})).unwrap()
    }

    fn stamp_of(item: &GatewayItem) -> (bool, i64) {
        match item {
            GatewayItem::Event { at, .. } => (true, at.0),
            GatewayItem::Overflow { at } => (false, at.0),
        }
    }

    #[tokio::test]
    async fn a_full_queue_drops_events_and_says_so_once_before_anything_else() {
        let (sender, mut items) = mpsc::channel(2);
        let time = AtomicI64::new(0);
        let intake = Intake {
            sender,
            clock: Arc::new(move || Stamp(time.fetch_add(1, Ordering::Relaxed))),
            overflows: Arc::new(AtomicBool::new(false)),
        };
        for _ in 0..5 {
            intake.take(event());
        }
        assert_eq!(stamp_of(&items.recv().await.unwrap()), (true, 0));
        assert_eq!(stamp_of(&items.recv().await.unwrap()), (true, 1));
        let (is_event, told) = stamp_of(&items.recv().await.unwrap());
        assert!(!is_event && told >= 5, "after all that was dropped");
        intake.take(event());
        assert!(
            stamp_of(&items.recv().await.unwrap()).0,
            "and then events again"
        );
        drop(intake);
        assert!(items.recv().await.is_none());
    }
}
