//! A Discord on loopback: REST and gateway as documented, for one guild.
//!
//! From the inside out: `guild`, `message`, `permissions`, `snowflake` are plain data and rules. `wire` renders them
//! as JSON. `act`, `places`, `interactions`, `invocations` change the world and dispatch events to `sessions`. `rest` and `gateway`
//! serve clients. `seed` creates a world, `life` keeps it active. Everything is behind the lock of `state`, which is
//! never held across an await.

mod act;
mod elsewhere;
mod events;
mod faults;
mod gateway;
mod guild;
mod handle;
mod interactions;
mod invocations;
mod life;
mod limits;
mod message;
mod mutations;
mod options;
mod permissions;
mod places;
mod record;
mod rest;
mod seed;
mod sessions;
pub mod snowflake;
mod state;
mod truth;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request as HttpRequest, WebSocketUpgrade};
use axum::http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use act::Draft;
pub use events::{ScheduledEvent, event_status};
pub use faults::{EventFault, Fault, Manners};
pub use guild::{Channel, CustomEmoji, Member, Role, Thread, User, kind};
pub use interactions::{Answer, Followup, InteractionId};
pub use life::Action;
pub use limits::{Bucket, Limits, Rate};
pub use message::{Cause, Emoji, Extras, Message, Reaction, Reference, flag, message_type};
pub use options::{Options, Seed, World};
pub use permissions::{Overwrite, bit};
pub use record::{Counters, Request};
pub use sessions::{Identify, intent};
pub use truth::{Truth, TruthChannel, TruthMember, TruthMessage, TruthReaction, TruthRole};

use guild::Guild;
use interactions::Interactions;
use limits::Limiter;
use record::Log;
use sessions::Sessions;
use snowflake::Clock;
use state::{Presence, Shared, State};

/// The largest body that is read; Discord accepts files of 10 MiB.
const LARGEST_BODY: usize = 32 * 1024 * 1024;

/// A running Discord. Dropping it stops it.
#[derive(Debug)]
pub struct Discord {
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
    life: Option<JoinHandle<()>>,
    script: Arc<std::sync::Mutex<life::Life>>,
}

impl Discord {
    /// Binds 127.0.0.1 and starts serving.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await;
        let listener =
            listener.with_context(|| format!("cannot listen on 127.0.0.1:{}", options.port))?;
        let url = format!(
            "http://{}",
            listener.local_addr().context("no local address")?
        );
        let life = life::Life::new(options.seed.seed);
        let guild = match options.world {
            World::Seeded => seed::generate(&options.seed),
            World::Empty => Guild::empty(Clock::new(options.seed.until), options.seed.seed),
        };
        let state = State {
            token: options
                .token
                .clone()
                .unwrap_or_else(|| token(guild.bot, options.seed.seed)),
            guild,
            presence: Presence::Here,
            elsewhere: Vec::new(),
            is_public: false,
            url,
            privileged: options.privileged_intents,
            heartbeat_ms: u64::try_from(options.heartbeat.as_millis()).unwrap_or(41_250),
            sessions: Sessions::default(),
            interactions: Interactions::new(options.interaction_deadline),
            limiter: Limiter::new(options.limits),
            faults: faults::Faults::default(),
            blocking: std::collections::BTreeSet::new(),
            disorder: false,
            log: Log::new(options.record.as_deref())?,
        };
        let shared = Shared::new(state);
        let server = tokio::spawn(run(listener, Arc::clone(&shared)));
        let script = Arc::new(std::sync::Mutex::new(life));
        let mut discord = Self {
            shared,
            server: Some(server),
            life: None,
            script,
        };
        if options.lively > 0.0 {
            discord.live(options.lively);
        }
        Ok(discord)
    }

    /// Closes every connection, frees the port, and flushes the record.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        if let Some(life) = self.life.take() {
            life.abort();
        }
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(Duration::from_secs(2), &mut server)
                .await
                .is_err()
        {
            server.abort();
        }
        self.shared.lock().log.flush();
    }
}

impl Drop for Discord {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        if let Some(life) = self.life.take() {
            life.abort();
        }
        self.shared.lock().log.flush();
    }
}

/// A token shaped like Discord's: the bot's id in base64, and two opaque parts.
fn token(bot: u64, seed: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    let id = bot.to_string();
    let mut text = String::new();
    for chunk in id.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|n| letter(bits >> (18 - 6 * n))));
    }
    format!("{text}.simula.{seed:027}")
}

async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let app =
        Router::new().fallback(move |request: HttpRequest| receive(Arc::clone(&shared), request));
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!("the simulated Discord stopped serving: {error}");
    }
}

/// Serves an HTTP request: a WebSocket is the gateway, whatever its path; the rest is REST.
async fn receive(shared: Arc<Shared>, request: HttpRequest) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key("upgrade") {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade.on_upgrade(move |socket| gateway::serve(shared, socket)),
            Err(rejection) => axum::response::IntoResponse::into_response(rejection),
        };
    }
    if let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await {
        rest::serve(shared, parts, body).await
    } else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    }
}
