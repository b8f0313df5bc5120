//! How a simulated Discord is started.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::Limits;
use super::sessions::intent;

/// How a simulated Discord is started. The default: a small seeded world, no limits, any free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the world is made from.
    pub seed: Seed,
    /// Whether to make that world, or an empty one.
    pub world: World,
    /// The rate limits to keep.
    pub limits: Limits,
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// Where to write all traffic as JSON lines.
    pub record: Option<PathBuf>,
    /// The bot's token; made from the seed by default.
    pub token: Option<String>,
    /// Which privileged intents are switched on in the "developer portal"; all by default. Without `MESSAGE_CONTENT`, REST hides it too.
    pub privileged_intents: u64,
    /// The heartbeat interval that HELLO asks for.
    pub heartbeat: Duration,
    /// How long an interaction waits for its first answer: three seconds at Discord.
    pub interaction_deadline: Duration,
    /// Actions a second with which the world goes on living.
    pub lively: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: Seed::default(),
            world: World::Seeded,
            limits: Limits::none(),
            port: 0,
            record: None,
            token: None,
            privileged_intents: intent::PRIVILEGED,
            heartbeat: Duration::from_millis(41_250),
            interaction_deadline: Duration::from_secs(3),
            lively: 0.0,
        }
    }
}

/// What the guild is at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum World {
    /// Made from [`Options::seed`].
    #[default]
    Seeded,
    /// The guild, its owner, the bot, @everyone: to be filled by hand.
    Empty,
}

impl World {
    /// The guild, its owner, the bot, @everyone: to be filled by hand.
    pub fn empty() -> Self {
        Self::Empty
    }
}

/// What a world is made from. The same values make the same world, ids included.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    /// The seed of all randomness.
    pub seed: u64,
    /// How many channels of all kinds, categories among them; at least six are made.
    pub channels: usize,
    /// How many messages.
    pub messages: usize,
    /// How many people are members, besides the owner and the bots.
    pub members: usize,
    /// How many threads.
    pub threads: usize,
    /// The share of messages with reactions.
    pub reactions: f64,
    /// How many days the history spans.
    pub days: u32,
    /// When the history ends, in milliseconds since 1970. None: now, and ids then differ from one start to the next.
    pub until: Option<i64>,
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            seed: 7,
            channels: 12,
            messages: 2000,
            members: 40,
            threads: 12,
            reactions: 0.2,
            days: 365,
            until: None,
        }
    }
}
