//! The channels, and which of them are in which.

use std::{collections::BTreeMap, iter::successors};

use propsbot_model::ChannelId;
use propsbot_rows::{ChannelRow, Snapshot};

/// The channels, threads and categories, by id.
pub(super) struct Channels<'a>(BTreeMap<ChannelId, &'a ChannelRow>);

impl<'a> Channels<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self(snapshot.channels.iter().map(|row| (row.id, row)).collect())
    }

    /// Whether plain messages with mentions are props here.
    pub(super) fn are_props(&self, id: ChannelId) -> bool {
        self.with_parent(id).any(|channel| channel.props_channel)
    }

    pub(super) fn is_deleted(&self, id: ChannelId) -> bool {
        self.with_parent(id)
            .any(|channel| channel.deleted_at.is_some())
    }

    pub(super) fn is_thread(&self, id: ChannelId) -> bool {
        self.0.get(&id).is_some_and(|row| row.is_thread())
    }

    pub(super) fn name(&self, id: ChannelId) -> Option<&'a str> {
        self.0.get(&id).map(|row| row.name.as_str())
    }

    /// The channel and what it is in, nearest first: a thread's channel, a channel's category.
    pub(super) fn outwards(&self, id: ChannelId) -> impl Iterator<Item = ChannelId> {
        // A thread in a channel in a category is as deep as Discord nests.
        let parent = |id: &ChannelId| self.0.get(id).and_then(|row| row.parent_id);
        successors(Some(id), parent).take(3)
    }

    /// The channel and, for a thread, the channel it is in.
    fn with_parent(&self, id: ChannelId) -> impl Iterator<Item = &'a ChannelRow> {
        let channel = self.0.get(&id).copied();
        let parent = channel
            .filter(|channel| channel.is_thread())
            .and_then(|thread| self.0.get(&thread.parent_id?).copied());
        channel.into_iter().chain(parent)
    }
}
