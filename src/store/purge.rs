//! Removing a guild. Only what its members chose about their privacy stays.

use std::collections::BTreeSet;

use super::{
    Store, StoreError,
    engine::Op,
    view::{dirty_key, prefix_end},
};
use propsbot_model::{ChannelId, GuildId, Partition, Record as _, Table, key};

/// Rows that are removed at a time.
const AT_ONCE: usize = 10_000;

/// The tables whose keys begin with a channel.
const OF_CHANNEL: [Table; 7] = [
    Table::Messages,
    Table::Reactions,
    Table::Props,
    Table::Coverage,
    Table::Pending,
    Table::ReactionMarks,
    Table::LeftOut,
];

/// The tables whose keys begin with a guild. Those that tell which channels it has come last.
const OF_GUILD: [Table; 13] = [
    Table::Guilds,
    Table::Roles,
    Table::Emojis,
    Table::Members,
    Table::Settings,
    Table::Sessions,
    Table::Synced,
    Table::Failures,
    Table::Dirty,
    Table::Audits,
    Table::AdminActions,
    Table::Tallies,
    Table::Channels,
];

impl Store {
    /// Removes every row of a guild but its members' privacy choices, and marks the guild for the next
    /// export. Nothing else may write meanwhile. If this is interrupted, call it again.
    ///
    /// A choice outlives the guild: if the guild is mirrored again, whoever opted out or had their data
    /// deleted stays hidden. Until then the choice counts wherever the same user is named.
    pub fn purge(&self, guild: GuildId) -> Result<(), StoreError> {
        let channels = self.channels(guild)?;
        let mut channels: BTreeSet<ChannelId> =
            channels.iter().map(|part| ChannelId(part.id)).collect();
        channels.extend(self.tallies(guild)?.iter().map(|tally| tally.channel_id));
        let pending = self.pending(guild)?;
        channels.extend(pending.iter().map(|list| list.channel_id));
        for channel in channels {
            for table in OF_CHANNEL {
                self.remove(&Self::key(table, &key::ids([channel.0])))?;
            }
        }
        let wishes = self.privacy(guild)?.into_iter();
        let idle = wishes.filter(|wish| !wish.hides_anything());
        let mut ops: Vec<Op> = idle
            .map(|wish| Op::Delete(Self::key(Table::Privacy, &wish.key())))
            .collect();
        for table in OF_GUILD {
            self.remove(&Self::key(table, &key::ids([guild.0])))?;
        }
        let mark = Partition {
            guild_id: guild,
            table: Table::Privacy,
            channel_day: None,
        };
        let generation = self.next_dirty_generation();
        ops.push(Op::Put(dirty_key(&mark), generation.to_be_bytes().to_vec()));
        self.engine.commit(&ops)
    }

    /// Removes all keys with this prefix.
    fn remove(&self, prefix: &[u8]) -> Result<(), StoreError> {
        loop {
            let range = self.engine.range(prefix, &prefix_end(prefix));
            let keys = range.take(AT_ONCE).map(|entry| Ok(Op::Delete(entry?.0)));
            let ops: Vec<Op> = keys.collect::<Result<_, StoreError>>()?;
            if ops.is_empty() {
                return Ok(());
            }
            self.engine.commit(&ops)?;
        }
    }
}
