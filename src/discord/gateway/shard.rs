//! Shards: the sessions among which Discord divides a bot's guilds, and which of them are connected.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;
use tracing::{debug, info, warn};

use propsbot_model::GuildId;

/// One of the sessions among which a bot's guilds are divided. Source:
/// <https://discord.com/developers/docs/events/gateway#sharding>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Counts from 0.
    pub id: u32,
    /// The number of shards; at least 1.
    pub count: u32,
}

impl Shard {
    /// Returns whether Discord sends the guild's events to this shard.
    pub fn has(self, guild: GuildId) -> bool {
        (guild.0 >> 22) % u64::from(self.count.max(1)) == u64::from(self.id)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.count)
    }
}

/// How many of a bot's shards are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardCount {
    pub connected: usize,
    /// 0 until Discord recommends a number.
    pub all: u32,
}

/// The state of all shards. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shards(Arc<Mutex<States>>);

#[derive(Debug, Default)]
struct States {
    count: u32,
    connected: BTreeSet<u32>,
    /// Shards that can't connect.
    out: BTreeSet<u32>,
    /// Since when at least one can't.
    out_since: Option<Instant>,
}

impl Shards {
    pub fn count(&self) -> ShardCount {
        self.change(|states| ShardCount {
            connected: states.connected.len(),
            all: states.count,
        })
    }

    /// Returns whether events of the guild arrive.
    pub fn hears(&self, guild: GuildId) -> bool {
        self.change(|states| {
            let count = states.count;
            let mut connected = states.connected.iter();
            connected.any(|id| Shard { id: *id, count }.has(guild))
        })
    }

    /// Begins with this many shards, none of them connected.
    pub(super) fn begin(&self, count: u32) {
        self.change(|states| {
            states.count = count;
            states.connected.clear();
            states.out.clear();
        });
    }

    /// A shard got its session. Logs the end of an outage.
    pub(super) fn connected(&self, shard: Shard) {
        self.change(|states| {
            states.connected.insert(shard.id);
            states.out.remove(&shard.id);
            if states.out.is_empty()
                && let Some(since) = states.out_since.take()
            {
                let seconds = since.elapsed().as_secs();
                info!(seconds, "connected to Discord's gateway again");
            }
        });
    }

    pub(super) fn disconnected(&self, shard: Shard) {
        self.change(|states| states.connected.remove(&shard.id));
    }

    /// A shard can't connect. Logs an outage once, whichever shards it affects.
    pub(super) fn cannot_connect(&self, shard: Shard, why: &str) {
        self.change(|states| {
            states.out.insert(shard.id);
            if states.out_since.is_some() {
                debug!(%shard, "can't connect to Discord's gateway: {why}");
            } else {
                states.out_since = Some(Instant::now());
                warn!("can't connect to Discord's gateway: {why}; retrying");
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut States) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_guild_is_on_one_shard() {
        // Discord's own example of a guild id.
        let guild = GuildId(197_038_439_483_310_086);
        for count in [1, 2, 16] {
            let mut shards = (0..count).map(|id| Shard { id, count });
            let own = shards.find(|shard| shard.has(guild)).unwrap();
            assert_eq!(u64::from(own.id), (guild.0 >> 22) % u64::from(count));
            assert!(!shards.any(|shard| shard.has(guild)));
        }
    }

    #[tokio::test]
    async fn counts_connected_shards() {
        let shards = Shards::default();
        shards.begin(2);
        let [zero, one] = [0, 1].map(|id| Shard { id, count: 2 });
        let guild = GuildId(1 << 22);
        shards.connected(zero);
        assert!(!shards.hears(guild));
        shards.connected(one);
        shards.connected(one);
        assert_eq!(
            shards.count(),
            ShardCount {
                connected: 2,
                all: 2
            }
        );
        assert!(shards.hears(guild));
        shards.disconnected(one);
        assert!(!shards.hears(guild));
    }
}
