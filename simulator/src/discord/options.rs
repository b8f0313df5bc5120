//! Options of a simulated Discord.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::Limits;
use super::sessions::intent;

/// Options of a simulated Discord. The default: a small seeded world, no limits, any free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed and size of the world.
    pub seed: Seed,
    /// Whether to create that world, or an empty one.
    pub world: World,
    pub limits: Limits,
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// File for all traffic, as JSON lines.
    pub record: Option<PathBuf>,
    /// The bot's token; derived from the seed by default.
    pub token: Option<String>,
    /// Privileged intents enabled in the "developer portal"; all by default. Without `MESSAGE_CONTENT`, REST hides
    /// content, too.
    pub privileged_intents: u64,
    /// The heartbeat interval that HELLO asks for.
    pub heartbeat: Duration,
    /// How long an interaction waits for its first response; Discord waits three seconds.
    pub interaction_deadline: Duration,
    /// Actions per second of the world's script.
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

/// The guild at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum World {
    /// Generated from [`Options::seed`].
    #[default]
    Seeded,
    /// Only the guild, its owner, the bot and @everyone.
    Empty,
}

impl World {
    /// Only the guild, its owner, the bot and @everyone.
    pub fn empty() -> Self {
        Self::Empty
    }
}

/// Parameters of a generated world. Equal values give equal worlds, ids included.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    /// The seed of all randomness.
    pub seed: u64,
    /// Number of channels of all kinds, categories included; at least six.
    pub channels: usize,
    pub messages: usize,
    /// Number of people, besides the owner and the bots.
    pub members: usize,
    pub threads: usize,
    /// The share of messages with reactions.
    pub reactions: f64,
    /// Length of the history in days.
    pub days: u32,
    /// End of the history, in milliseconds since 1970. None: now, so ids differ between starts.
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
