//! The live connection to Discord, and the queue of events out of it.
//!
//! Owns the whole of it: how it is opened, which session goes on over it, when another session may be
//! started, what is missing or broken in it, and what happens when nobody keeps up. Events leave in
//! Discord's order, as JSON. Refuses to know what they say: see `convert`. Interactions go to their
//! handler, past the queue.

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

/// What is heard.
const INTENTS: u64 = GatewayIntents::GUILDS
    .union(GatewayIntents::GUILD_MEMBERS)
    .union(GatewayIntents::GUILD_EMOJIS_AND_STICKERS)
    .union(GatewayIntents::GUILD_MESSAGES)
    .union(GatewayIntents::GUILD_MESSAGE_REACTIONS)
    .union(GatewayIntents::MESSAGE_CONTENT)
    .bits();

/// The token is no longer taken, or something else that only people can mend.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Close code 4003.
    #[error("Discord's gateway does not accept that the bot has logged in; report this")]
    NotAuthenticated,
    /// Close code 4004.
    #[error(transparent)]
    BadToken(RestError),
    /// Close code 4010.
    #[error("Discord's gateway refuses the bot's shard, 0 of 1; report this")]
    InvalidShard,
    /// Close code 4011.
    #[error(
        "the bot is in so many servers that Discord wants several connections; this version makes \
         one only (about 2,500 servers)"
    )]
    ShardingRequired,
    /// Close code 4012.
    #[error("Discord's gateway no longer speaks version 10; update the bot")]
    InvalidVersion,
    /// Close code 4013.
    #[error("Discord does not know one of the intents that the bot asks for; update the bot")]
    UnknownIntents,
    /// Close code 4014.
    #[error(
        "Discord does not let the bot see members and messages: switch on \"Server Members \
         Intent\" and \"Message Content Intent\" in the developer portal (your application, \
         \"Bot\", \"Privileged Gateway Intents\"), then start again"
    )]
    MissingIntents,
    /// More guilds than one connection can carry.
    #[error(
        "the bot is in so many servers that Discord wants {0} connections; this version makes one \
         only (about 2,500 servers)"
    )]
    TooManyGuilds(u32),
    /// Discord could not be asked where its gateway is.
    #[error("Discord could not be asked where its gateway is")]
    NoAddress(#[source] RestError),
    /// Nobody takes what the gateway says any more: whoever did has ended without a stop signal.
    #[error("nobody listens to the gateway any more; report this")]
    Unheard,
    /// A defect of ours.
    #[error("the gateway's task panicked; report this")]
    Panicked,
}

/// What the gateway needs.
pub struct GatewayOptions {
    /// The bot's token.
    pub token: Token,
    /// The client that asks where the gateway is.
    pub rest: Rest,
    /// Gives the time; never the same twice, never an earlier one.
    pub clock: Box<dyn Fn() -> Stamp + Send + Sync>,
    /// How many bytes of events wait at the most for whoever takes them.
    pub capacity: u32,
    /// Whom interactions are handed to.
    pub interactions: Box<dyn InteractionHandler>,
    /// Ends the connection.
    pub stop: CancellationToken,
}

/// Answers interactions: commands, buttons, lists and forms that members use.
pub trait InteractionHandler: Send + Sync {
    /// A session of this application began. Called again for each session.
    fn begin(&self, application: Option<UserId>);

    /// Answers an interaction, given as the data of its `INTERACTION_CREATE`. Returns at once.
    fn receive(&self, event: Box<RawValue>);

    /// Waits a moment for the answers that are under way. Nothing is received afterwards.
    fn finish(&self) -> BoxFuture<'_, ()>;
}

/// A running gateway.
pub struct Gateway {
    /// What it says, in Discord's order.
    pub items: mpsc::UnboundedReceiver<GatewayItem>,
    /// Its end: after the stop signal, or for a reason that only people can mend.
    pub ended: GatewayEnd,
}

/// The end of a gateway.
pub struct GatewayEnd(oneshot::Receiver<Result<(), GatewayError>>);

impl GatewayEnd {
    /// Waits until the connection is closed and its task has finished: within seconds after the stop
    /// signal.
    pub async fn wait(self) -> Result<(), GatewayError> {
        self.0.await.unwrap_or(Err(GatewayError::Panicked))
    }
}

/// Starts the gateway. Asks first where it is, so that a wrong token or origin is told at once. After
/// the stop signal it asks no more, and what it returns has ended already.
///
/// # Errors
/// What only people can mend, known before anything is connected.
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
            "the gateway's connection is not encrypted: others can read the bot's token on its way"
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
        // Nobody may wait for the end any more.
        let _ = tell.send(client.run(stop).await);
    });
    Ok(gateway)
}
