//! What of an archive the props plugin needs at all: in most guilds, a small part.

use std::collections::{BTreeSet, HashSet};

use super::{
    channels::Channels,
    props::{may_be_given, props_bots},
};
use propsbot_model::{ChannelId, GuildId, MessageId, UserId};
use propsbot_rows::{MessageRow, ReactionRow, RowFilter, Snapshot};

/// Keeps the messages that may be props, and the reactions to those. The graph of what it keeps is
/// the graph of the whole.
pub struct PropsRowFilter {
    /// Where plain messages are props.
    props_channels: BTreeSet<ChannelId>,
    /// Where props by command are.
    channels: BTreeSet<ChannelId>,
    answers: HashSet<MessageId>,
    /// Whose posts are props although they are bots.
    bots: BTreeSet<(GuildId, UserId)>,
    kept: HashSet<MessageId>,
}

impl PropsRowFilter {
    /// For a snapshot, of which neither messages nor reactions are looked at.
    pub fn new(snapshot: &Snapshot) -> Self {
        let channels = Channels::new(snapshot);
        let ids = snapshot.channels.iter().map(|row| row.id);
        let props = snapshot.props.iter();
        Self {
            props_channels: ids.filter(|id| channels.are_props(*id)).collect(),
            channels: props.clone().map(|row| row.channel_id).collect(),
            answers: props.filter_map(|row| row.message_id).collect(),
            bots: props_bots(snapshot),
            kept: HashSet::new(),
        }
    }
}

impl RowFilter for PropsRowFilter {
    fn channel(&self, id: ChannelId) -> bool {
        self.props_channels.contains(&id) || self.channels.contains(&id)
    }

    fn message(&mut self, row: &MessageRow) -> bool {
        let keep = self.answers.contains(&row.id)
            || self.props_channels.contains(&row.channel_id) && may_be_given(row, &self.bots);
        if keep {
            self.kept.insert(row.id);
        }
        keep
    }

    fn reaction(&mut self, row: &ReactionRow) -> bool {
        row.removed_at.is_none() && self.kept.contains(&row.message_id)
    }
}
