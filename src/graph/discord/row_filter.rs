//! Which rows the discord plugin needs: messages with reactions.

use std::collections::HashSet;

use super::{DiscordConfig, Rules, place::places};
use propsbot_model::{ChannelId, MessageId};
use propsbot_rows::{MessageRow, ReactionRow, RowFilter, Snapshot};

/// Keeps the reactions that may count, and the messages that have some. They give the same graph as all
/// rows.
pub struct DiscordRowFilter {
    channels: HashSet<ChannelId>,
    reacted: HashSet<MessageId>,
    rules: Rules,
}

impl DiscordRowFilter {
    /// The filter for a snapshot. It doesn't use the snapshot's messages and reactions.
    pub fn new(snapshot: &Snapshot, config: &DiscordConfig, rules: Rules) -> Self {
        let guilds = config.guilds().iter();
        let places = guilds.flat_map(|guild| places(&snapshot.channels, guild, rules));
        Self {
            channels: places.map(|place| place.id).collect(),
            reacted: HashSet::new(),
            rules,
        }
    }
}

impl RowFilter for DiscordRowFilter {
    fn channel(&self, id: ChannelId) -> bool {
        self.channels.contains(&id)
    }

    fn message(&mut self, row: &MessageRow) -> bool {
        self.reacted.contains(&row.id) && row.deleted_at.is_none()
    }

    fn reaction(&mut self, row: &ReactionRow) -> bool {
        let keep = row.removed_at.is_none() && self.rules.count(row);
        if keep {
            self.reacted.insert(row.message_id);
        }
        keep
    }
}
