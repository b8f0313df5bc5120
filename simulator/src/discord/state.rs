//! Everything one simulated Discord knows, behind one lock: requests, actions and gateway connections each hold it for a moment, never across an await.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::elsewhere::Elsewhere;
use super::faults::Faults;
use super::guild::Guild;
use super::interactions::Interactions;
use super::limits::Limiter;
use super::record::Log;
use super::sessions::{Sessions, intent};

/// The state behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) guild: Guild,
    pub(crate) presence: Presence,
    /// The guilds that are not visited.
    pub(crate) elsewhere: Vec<Elsewhere>,
    /// Whether anybody may add the bot to a guild.
    pub(crate) is_public: bool,
    pub(crate) token: String,
    pub(crate) url: String,
    /// The privileged intents switched on for the application.
    pub(crate) privileged: u64,
    pub(crate) heartbeat_ms: u64,
    pub(crate) sessions: Sessions,
    pub(crate) interactions: Interactions,
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    /// Members who have blocked the bot: it cannot react to what they write.
    pub(crate) blocking: BTreeSet<u64>,
    /// Whether messages of one millisecond are listed in another order than by id.
    pub(crate) disorder: bool,
    pub(crate) log: Log,
}

/// Whether the bot is in the guild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    /// The guild has an outage.
    Unavailable,
    /// The bot was removed.
    Removed,
}

impl State {
    /// Whether the application may see what others write.
    pub(crate) fn content(&self) -> bool {
        self.privileged & intent::MESSAGE_CONTENT != 0
    }

    /// The application flags that mirror the privileged intents: those of a bot in fewer than 100 guilds.
    pub(crate) fn application_flags(&self) -> u64 {
        [
            (intent::GUILD_PRESENCES, 1 << 13),
            (intent::GUILD_MEMBERS, 1 << 15),
            (intent::MESSAGE_CONTENT, 1 << 19),
        ]
        .iter()
        .filter(|(intent, _)| self.privileged & intent != 0)
        .fold(0, |flags, (_, flag)| flags | flag)
    }
}

/// The state, and the signals around it.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    pub(crate) fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
        })
    }

    /// Locks the state. A panic while it was held (a failed assertion in a test) does not stop the others.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Tells those who wait for a condition to look again.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
