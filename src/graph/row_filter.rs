//! Which rows the props plugin needs: in most guilds, few of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    channels::Channels,
    props::{may_be_given, props_bots},
    reaction_thanks::emoji_of,
};
use propsbot_model::{ChannelId, GuildId, MessageId, ReactionThanks, UserId};
use propsbot_rows::{MessageRow, ReactionRow, RowFilter, Snapshot};

/// Keeps the messages that may be props, and the reactions to them. They give the same graph as all rows.
pub struct PropsRowFilter {
    /// The channels where plain messages are props.
    props_channels: BTreeSet<ChannelId>,
    /// The channels that have props given by command.
    channels: BTreeSet<ChannelId>,
    answers: HashSet<MessageId>,
    bots: BTreeSet<(GuildId, UserId)>,
    /// The guilds where reactions were ever thanks.
    by_reaction: BTreeMap<GuildId, Vec<ReactionThanks>>,
    /// The messages with reactions that may be thanks.
    thanked: HashSet<MessageId>,
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
            by_reaction: snapshot
                .guilds
                .iter()
                .filter(|guild| !guild.reaction_thanks.is_empty())
                .map(|guild| (guild.id, guild.reaction_thanks.clone()))
                .collect(),
            thanked: HashSet::new(),
        }
    }

    /// Whether the reaction has an emoji that was ever thanks.
    fn may_thank(&self, row: &ReactionRow) -> bool {
        let states = self.by_reaction.get(&row.guild_id);
        let emoji = states.and_then(|states| Some((states, emoji_of(row)?)));
        emoji.is_some_and(|(states, emoji)| states.iter().any(|state| state.is_with(&emoji)))
    }
}

impl RowFilter for PropsRowFilter {
    fn channel(&self, id: ChannelId) -> bool {
        !self.by_reaction.is_empty()
            || self.props_channels.contains(&id)
            || self.channels.contains(&id)
    }

    fn message(&mut self, row: &MessageRow) -> bool {
        self.answers.contains(&row.id)
            || self.thanked.contains(&row.id)
            || self.props_channels.contains(&row.channel_id) && may_be_given(row, &self.bots)
    }

    fn reaction(&mut self, row: &ReactionRow) -> bool {
        if row.removed_at.is_some() {
            return false;
        }
        let may_thank = self.may_thank(row);
        if may_thank {
            self.thanked.insert(row.message_id);
        }
        may_thank
            || self.props_channels.contains(&row.channel_id)
            || self.answers.contains(&row.message_id)
    }
}
