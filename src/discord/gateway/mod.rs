//! The gateway's connections and the queue of their events.
//!
//! Owns connecting, sessions and shards, the pace of session starts, repair of missing or broken
//! events, and the bounded queue. Each shard's events leave in Discord's order, as JSON; `convert`
//! interprets them. Interactions bypass the queue.

mod client;
mod close;
mod connection;
mod fleet;
mod intake;
mod pacing;
mod payload;
mod session;
mod shard;
mod signals;
mod starts;

use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serenity::model::gateway::GatewayIntents;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    fleet::Fleet,
    intake::Intake,
    starts::{BETWEEN_STARTS, Starts},
};
use super::{DiscordApi, Rest, RestError, Token};
use propsbot_model::{Stamp, UserId};
use propsbot_network::exposed_host;

pub(super) use self::pacing::StartLimit;
pub use self::{
    intake::{GatewayEvent, GatewayItem},
    shard::{Shard, ShardCount, Shards},
    signals::GatewaySignals,
};

const INTENTS: u64 = GatewayIntents::GUILDS
    .union(GatewayIntents::GUILD_MEMBERS)
    .union(GatewayIntents::GUILD_EMOJIS_AND_STICKERS)
    .union(GatewayIntents::GUILD_MESSAGES)
    .union(GatewayIntents::GUILD_MESSAGE_REACTIONS)
    .union(GatewayIntents::MESSAGE_CONTENT)
    .union(GatewayIntents::GUILD_SCHEDULED_EVENTS)
    .bits();

/// Errors that only the operator can fix.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Close code 4003.
    #[error("Discord's gateway says the bot isn't authenticated; please report this")]
    NotAuthenticated,
    /// Close code 4004.
    #[error(transparent)]
    BadToken(RestError),
    /// Close code 4010.
    #[error("Discord's gateway rejects shard {0}; please report this")]
    InvalidShard(Shard),
    /// Close code 4011, although there are as many shards as Discord recommends.
    #[error(
        "Discord's gateway requires more than {0} shards, but recommends no more; please report this"
    )]
    ShardingRequired(u32),
    /// Close code 4012.
    #[error("Discord's gateway no longer supports version 10; update the bot")]
    InvalidVersion,
    /// Close code 4013.
    #[error("Discord doesn't know one of the intents that the bot requests; update the bot")]
    UnknownIntents,
    /// Close code 4014.
    #[error(
        "Discord doesn't let the bot see members and messages: switch on \"Server Members \
         Intent\" and \"Message Content Intent\" in the developer portal (your application, \
         \"Bot\", \"Privileged Gateway Intents\"), then start the bot again"
    )]
    MissingIntents,
    #[error("can't get the gateway's address from Discord")]
    NoAddress(#[source] RestError),
    /// The receiver of the items was dropped without a stop signal.
    #[error("nothing reads the gateway's events any more; please report this")]
    Unheard,
    #[error("the gateway's task panicked; please report this")]
    Panicked,
}

pub struct GatewayOptions {
    pub token: Token,
    /// Client for looking up the gateway's address.
    pub rest: Rest,
    /// Returns the time; strictly increasing.
    pub clock: Box<dyn Fn() -> Stamp + Send + Sync>,
    /// Maximum size of the queue in bytes.
    pub capacity: u32,
    pub interactions: Box<dyn InteractionHandler>,
    /// Shows which shards are connected.
    pub shards: Shards,
    pub stop: CancellationToken,
}

/// Handles interactions: commands, buttons, select menus and forms.
pub trait InteractionHandler: Send + Sync {
    /// A session began; called for each session of each shard.
    fn begin(&self, application: Option<UserId>);

    /// Handles the data of an `INTERACTION_CREATE`. Returns at once.
    fn receive(&self, event: Box<RawValue>);

    /// Waits briefly for pending answers. Nothing is received afterwards.
    fn finish(&self) -> BoxFuture<'_, ()>;
}

pub struct Gateway {
    /// Events of all shards; those of a shard are in Discord's order.
    pub items: mpsc::UnboundedReceiver<GatewayItem>,
    pub ended: GatewayEnd,
    pub signals: GatewaySignals,
}

/// Resolves after the stop signal, or with an error that only the operator can fix.
pub struct GatewayEnd(oneshot::Receiver<Result<(), GatewayError>>);

impl GatewayEnd {
    /// Waits until all connections are closed and their tasks have ended: seconds after the stop signal.
    pub async fn wait(self) -> Result<(), GatewayError> {
        self.0.await.unwrap_or(Err(GatewayError::Panicked))
    }
}

/// Starts the gateway, with as many shards as Discord recommends. Gets its address first, so that a bad
/// token or origin fails at once.
/// After the stop signal, it returns a gateway that has already ended.
///
/// # Errors
/// Problems that only the operator can fix and that show before connecting.
pub async fn start(options: GatewayOptions) -> Result<Gateway, GatewayError> {
    let (intake, items) = Intake::new(options.capacity, options.clock.into());
    let signals = GatewaySignals::new(&intake, options.shards.clone());
    let (tell, ended) = oneshot::channel();
    let gateway = Gateway {
        items,
        ended: GatewayEnd(ended),
        signals: signals.clone(),
    };
    let history = DiscordApi::new(options.rest.clone());
    let Some(asked) = options.stop.run_until_cancelled(history.gateway()).await else {
        // The receiver is in `gateway`.
        let _ = tell.send(Ok(()));
        return Ok(gateway);
    };
    let address = asked.map_err(|error| match error {
        RestError::BadToken => GatewayError::BadToken(error),
        error => GatewayError::NoAddress(error),
    })?;
    if let Some(host) = exposed_host(&address.url) {
        tracing::warn!(
            host,
            "the gateway's connection is not encrypted: others can read the bot's token"
        );
    }
    if address.shards > 1 {
        tracing::info!(shards = address.shards, "connecting as Discord recommends");
    }
    let fleet = Fleet {
        network: options.rest.network().clone(),
        token: options.token,
        starts: Starts::new(history, address, BETWEEN_STARTS),
        intake,
        interactions: options.interactions.into(),
        shards: options.shards,
        signals,
    };
    let stop = options.stop;
    tokio::spawn(async move {
        // The receiver may be gone.
        let _ = tell.send(fleet.run(stop).await);
    });
    Ok(gateway)
}
