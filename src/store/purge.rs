//! Removing all of a guild.

use std::collections::BTreeSet;

use super::{
    Store, StoreError,
    engine::Op,
    view::{dirty_key, prefix_end},
};
use propsbot_model::{ChannelId, GuildId, Partition, Privacy, Record as _, Table, key};

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
    /// Removes every row of a guild, and marks it for the next export. Nobody may write besides. If it
    /// is interrupted, call it again.
    ///
    /// Wishes stay of members who are in another guild too: the strictest one of a member counts in all.
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
        let elsewhere: Vec<GuildId> = self
            .guilds()?
            .iter()
            .map(|part| part.guild_id)
            .filter(|id| *id != guild)
            .collect();
        let mut ops = Vec::new();
        for wish in self.privacy(guild)? {
            if !self.is_member_of(&elsewhere, &wish)? {
                ops.push(Op::Delete(Self::key(Table::Privacy, &wish.key())));
            }
        }
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

    fn is_member_of(&self, guilds: &[GuildId], wish: &Privacy) -> Result<bool, StoreError> {
        for guild in guilds {
            if self.member(*guild, wish.user_id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes all keys that begin so.
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
