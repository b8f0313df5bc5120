//! The state of a simulated Discord, behind one lock that is never held across an await.

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

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) guild: Guild,
    pub(crate) presence: Presence,
    /// Guilds that aren't visited.
    pub(crate) elsewhere: Vec<Elsewhere>,
    /// Whether anyone can add the bot to a guild.
    pub(crate) is_public: bool,
    pub(crate) token: String,
    pub(crate) url: String,
    /// Privileged intents enabled for the application.
    pub(crate) privileged: u64,
    pub(crate) heartbeat_ms: u64,
    pub(crate) sessions: Sessions,
    pub(crate) interactions: Interactions,
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    /// Members who blocked the bot: it can't react to their messages.
    pub(crate) blocking: BTreeSet<u64>,
    /// Whether messages of one millisecond are listed out of id order.
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
    /// Whether the application can see message content.
    pub(crate) fn content(&self) -> bool {
        self.privileged & intent::MESSAGE_CONTENT != 0
    }

    /// The application flags for the privileged intents, as for a bot in fewer than 100 guilds.
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

/// The state, and its signals.
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

    /// Locks the state. A panic while it was locked (a failed assertion) doesn't affect other users.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes those who wait for a condition.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
