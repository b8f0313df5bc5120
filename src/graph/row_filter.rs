//! Which rows the props plugin needs: in most guilds, few of them.

use std::collections::{BTreeSet, HashSet};

use super::{
    channels::Channels,
    props::{may_be_given, props_bots},
};
use propsbot_model::{ChannelId, GuildId, MessageId, UserId};
use propsbot_rows::{MessageRow, ReactionRow, RowFilter, Snapshot};

/// Keeps the messages that may be props, and the reactions to them. They give the same graph as all rows.
pub struct PropsRowFilter {
    /// The channels where plain messages are props.
    props_channels: BTreeSet<ChannelId>,
    /// The channels that have props given by command.
    channels: BTreeSet<ChannelId>,
    answers: HashSet<MessageId>,
    bots: BTreeSet<(GuildId, UserId)>,
}

impl PropsRowFilter {
    /// The filter for a snapshot. It doesn't use the snapshot's messages and reactions.
    pub fn new(snapshot: &Snapshot) -> Self {
        let channels = Channels::new(snapshot);
        let ids = snapshot.channels.iter().map(|row| row.id);
        let props = snapshot.props.iter();
        Self {
            props_channels: ids.filter(|id| channels.are_props(*id)).collect(),
            channels: props.clone().map(|row| row.channel_id).collect(),
            answers: props.filter_map(|row| row.message_id).collect(),
            bots: props_bots(snapshot),
        }
    }
}

impl RowFilter for PropsRowFilter {
    fn channel(&self, id: ChannelId) -> bool {
        self.props_channels.contains(&id) || self.channels.contains(&id)
    }

    fn message(&mut self, row: &MessageRow) -> bool {
        self.answers.contains(&row.id)
            || self.props_channels.contains(&row.channel_id) && may_be_given(row, &self.bots)
    }

    fn reaction(&mut self, row: &ReactionRow) -> bool {
        row.removed_at.is_none()
            && (self.props_channels.contains(&row.channel_id)
                || self.answers.contains(&row.message_id))
    }
}
