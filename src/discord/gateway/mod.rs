//! The gateway connection and the queue of its events.
//!
//! Owns connecting, the session, pacing of session starts, repair of missing or broken events, and
//! the bounded queue. Events leave in Discord's order, as JSON; `convert` interprets them.
//! Interactions bypass the queue.

mod client;
mod close;
mod connection;
mod intake;
mod pacing;
mod payload;
mod session;

use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serenity::model::gateway::GatewayIntents;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    client::{Client, Core},
    intake::Intake,
    pacing::Pacing,
};
use super::{DiscordApi, Rest, RestError, Token};
use propsbot_model::{Stamp, UserId};
use propsbot_network::exposed_host;

pub use self::intake::{GatewayEvent, GatewayItem};
pub(super) use self::pacing::StartLimit;

const INTENTS: u64 = GatewayIntents::GUILDS
    .union(GatewayIntents::GUILD_MEMBERS)
    .union(GatewayIntents::GUILD_EMOJIS_AND_STICKERS)
    .union(GatewayIntents::GUILD_MESSAGES)
    .union(GatewayIntents::GUILD_MESSAGE_REACTIONS)
    .union(GatewayIntents::MESSAGE_CONTENT)
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
    #[error("Discord's gateway rejects shard 0 of 1; please report this")]
    InvalidShard,
    /// Close code 4011.
    #[error(
        "the bot is in so many servers that Discord requires sharding; this version supports \
         one shard only (about 2,500 servers)"
    )]
    ShardingRequired,
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
    #[error(
        "the bot is in so many servers that Discord wants {0} shards; this version supports one \
         only (about 2,500 servers)"
    )]
    TooManyGuilds(u32),
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
    pub stop: CancellationToken,
}

/// Handles interactions: commands, buttons, select menus and forms.
pub trait InteractionHandler: Send + Sync {
    /// A session began; called for each session.
    fn begin(&self, application: Option<UserId>);

    /// Handles the data of an `INTERACTION_CREATE`. Returns at once.
    fn receive(&self, event: Box<RawValue>);

    /// Waits briefly for pending answers. Nothing is received afterwards.
    fn finish(&self) -> BoxFuture<'_, ()>;
}

pub struct Gateway {
    /// Events in Discord's order.
    pub items: mpsc::UnboundedReceiver<GatewayItem>,
    pub ended: GatewayEnd,
}

/// Resolves after the stop signal, or with an error that only the operator can fix.
pub struct GatewayEnd(oneshot::Receiver<Result<(), GatewayError>>);

impl GatewayEnd {
    /// Waits until the connection is closed and its task has ended: seconds after the stop signal.
    pub async fn wait(self) -> Result<(), GatewayError> {
        self.0.await.unwrap_or(Err(GatewayError::Panicked))
    }
}

/// Starts the gateway. Gets its address first, so that a bad token or origin fails at once.
/// After the stop signal, it returns a gateway that has already ended.
///
/// # Errors
/// Problems that only the operator can fix and that show before connecting.
pub async fn start(options: GatewayOptions) -> Result<Gateway, GatewayError> {
    let (intake, items) = Intake::new(options.capacity, options.clock.into());
    let (tell, ended) = oneshot::channel();
    let gateway = Gateway {
        items,
        ended: GatewayEnd(ended),
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
    if address.shards > 1 {
        return Err(GatewayError::TooManyGuilds(address.shards));
    }
    if let Some(host) = exposed_host(&address.url) {
        tracing::warn!(
            host,
            "the gateway's connection is not encrypted: others can read the bot's token"
        );
    }
    let mut pacing = Pacing::default();
    pacing.learn(address.limit, tokio::time::Instant::now());
    let client = Client {
        connection: None,
        core: Core {
            network: options.rest.network().clone(),
            token: options.token,
            history,
            url: address.url,
            is_asked: true,
            pacing,
            intake,
            interactions: options.interactions,
            session: None,
            since: None,
            outage: None,
        },
    };
    let stop = options.stop;
    tokio::spawn(async move {
        // The receiver may be gone.
        let _ = tell.send(client.run(stop).await);
    });
    Ok(gateway)
}
