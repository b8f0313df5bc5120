//! Reactions, when each was seen, and the evidence for it.

use serde::{Deserialize, Serialize};

use super::{ChannelId, EmojiKey, GuildId, MessageId, Millis, Stamp, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A gateway event, as it happened.
    Gateway,
    /// A REST list, so it happened at that time or earlier.
    Rest,
}

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

/// The time of a reaction's row in an archive: when it was added if the gateway told that, else that of
/// its message. Never before its message, even if our clock was.
///
/// A time from REST is that of the request, so it would make old reactions new.
pub fn reaction_time(message: MessageId, added: Option<(Millis, Evidence)>) -> Millis {
    let posted = message.created_at();
    match added {
        Some((at, Evidence::Gateway)) => at.max(posted),
        _ => posted,
    }
}

impl Reaction {
    /// The time of its row in an archive: [`reaction_time`].
    pub fn row_time(&self) -> Millis {
        let added = self.added.map(|seen| (seen.at.millis(), seen.by));
        reaction_time(self.message_id, added)
    }

    /// What the store finds reactions with this emoji by. Not an id of a user, whom other rows are
    /// found by.
    pub fn found_by(emoji: &EmojiKey) -> String {
        format!("emoji {}", emoji.bare())
    }

    /// Whether the reaction exists. If seen and removed at the same time, it exists: a list removes
    /// all others at its own time.
    pub fn is_present(&self) -> bool {
        match (self.confirmed, self.removed) {
            (Some(confirmed), Some(removed)) => confirmed >= removed.at,
            (confirmed, None) => confirmed.is_some(),
            (None, Some(_)) => false,
        }
    }

    pub fn add(&mut self, seen: Seen) {
        if self.removed.is_some_and(|removed| seen.at < removed.at) {
            // Older than the last removal, so it only dates the start of the reaction.
            self.added.get_or_insert(seen);
        } else if self.is_present() {
            self.added = self.added.map(|added| added.min(seen));
            self.confirmed = self.confirmed.max(Some(seen.at));
        } else {
            self.added = Some(seen);
            self.confirmed = Some(seen.at);
        }
    }

    pub fn remove(&mut self, seen: Seen) {
        if self.removed.is_some_and(|removed| seen.at <= removed.at) {
            return;
        }
        let was_present = self.is_present();
        if self.confirmed.is_some_and(|confirmed| confirmed >= seen.at) {
            // The user reacted again later, so the current reaction starts then.
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

/// The number of users left out of a reactor list because their data was deleted.
///
/// A list is complete if its rows plus [`count`](Self::count) match Discord's count. Each fetched
/// list sets `count`, and each row removed by a deletion adds one. Never exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    pub emoji: EmojiKey,
    pub burst: bool,
    pub count: u64,
    /// When the list with this count was requested.
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
    pub fn covers(&self, emoji: &EmojiKey) -> bool {
        self.emoji.as_ref().is_none_or(|of| of == emoji)
    }
}

/// The latest marks of a message. A reaction learned of later is still known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionMarks {
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    /// At most one for each emoji, and one for all.
    pub marks: Vec<ReactionMark>,
}
