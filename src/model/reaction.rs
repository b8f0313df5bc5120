//! Reactions, with when each was seen and how that is known.

use serde::{Deserialize, Serialize};

use super::{ChannelId, EmojiKey, GuildId, MessageId, Stamp, UserId};

/// How a time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A gateway event, as it happened.
    Gateway,
    /// A REST list; it happened at that time or earlier.
    Rest,
}

/// When something was seen, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    pub at: Stamp,
    pub by: Evidence,
}

/// One user's reaction to one message with one emoji. Kept after removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    pub user_id: UserId,
    pub emoji: EmojiKey,
    /// Whether it is a burst ("super") reaction.
    pub burst: bool,
    /// When the current reaction was first seen; `None` if only its removal was.
    pub added: Option<Seen>,
    /// When it was last seen.
    pub confirmed: Option<Stamp>,
    /// When its removal was last seen.
    pub removed: Option<Seen>,
}

impl Reaction {
    /// Whether the reaction exists. Seen and removed at the same time means it exists: a list that
    /// names it clears all others at that time.
    pub fn is_present(&self) -> bool {
        match (self.confirmed, self.removed) {
            (Some(confirmed), Some(removed)) => confirmed >= removed.at,
            (confirmed, None) => confirmed.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// Records a sighting.
    pub fn add(&mut self, seen: Seen) {
        if self.removed.is_some_and(|removed| seen.at < removed.at) {
            // Older than the last removal: only dates the reaction's beginning.
            self.added.get_or_insert(seen);
        } else if self.is_present() {
            self.added = self.added.map(|added| added.min(seen));
            self.confirmed = self.confirmed.max(Some(seen.at));
        } else {
            self.added = Some(seen);
            self.confirmed = Some(seen.at);
        }
    }

    /// Records an absence.
    pub fn remove(&mut self, seen: Seen) {
        if self.removed.is_some_and(|removed| seen.at <= removed.at) {
            return;
        }
        let was_present = self.is_present();
        if self.confirmed.is_some_and(|confirmed| confirmed >= seen.at) {
            // It returned later: the current reaction begins then.
            if let (Some(added), Some(confirmed)) = (&mut self.added, self.confirmed)
                && added.at < seen.at
            {
                added.at = confirmed;
            }
            self.removed = Some(seen);
        } else if was_present || self.removed.is_none() {
            self.removed = Some(seen);
        }
    }
}

/// Number of users left out of one reactor list because their data was deleted.
///
/// A list is complete if its rows plus [`count`](Self::count) match Discord's count. Each fetched
/// list sets it (users who aren't kept), and each row removed by a deletion adds one. Never
/// exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    pub emoji: EmojiKey,
    /// Burst or normal reactions.
    pub burst: bool,
    pub count: u64,
    /// When the list that showed it was requested.
    pub at: Stamp,
}

/// All reactions with one emoji, or all at all, were cleared at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionMark {
    /// `None` means all.
    pub emoji: Option<EmojiKey>,
    pub seen: Seen,
}

impl ReactionMark {
    /// Whether it applies to reactions with this emoji.
    pub fn covers(&self, emoji: &EmojiKey) -> bool {
        self.emoji.as_ref().is_none_or(|of| of == emoji)
    }
}

/// The latest marks of a message: a reaction learned later is still known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionMarks {
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    /// At most one for each emoji, and one for all.
    pub marks: Vec<ReactionMark>,
}
