//! Reactions: who reacted with what, when that was first and last known, and how.

use serde::{Deserialize, Serialize};

use super::{ChannelId, EmojiKey, GuildId, MessageId, Stamp, UserId};

/// How a time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The gateway told as it happened.
    Gateway,
    /// A list fetched over REST showed it: it happened at that time or earlier.
    Rest,
}

/// When something was seen, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub at: Stamp,
    /// How that is known.
    pub by: Evidence,
}

/// One user's reaction to one message with one emoji; kept after it was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The guild.
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    /// The message reacted to.
    pub message_id: MessageId,
    /// Who reacted.
    pub user_id: UserId,
    /// With what.
    pub emoji: EmojiKey,
    /// Whether it is a burst ("super") reaction.
    pub burst: bool,
    /// When it was first seen to be there, since it last was not; unknown where only its end was
    /// seen.
    pub added: Option<Seen>,
    /// When it was last seen to be there.
    pub confirmed: Option<Stamp>,
    /// When it was last seen to go.
    pub removed: Option<Seen>,
}

impl Reaction {
    /// Whether it stands. Seen to be there and to go at once means there: a list that names it
    /// clears all others at the same moment.
    pub fn is_present(&self) -> bool {
        match (self.confirmed, self.removed) {
            (Some(confirmed), Some(removed)) => confirmed >= removed.at,
            (confirmed, None) => confirmed.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// It was there.
    pub fn add(&mut self, seen: Seen) {
        if self.removed.is_some_and(|removed| seen.at < removed.at) {
            // It speaks of what has ended since; all it can tell is when that began.
            self.added.get_or_insert(seen);
        } else if self.is_present() {
            self.added = self.added.map(|added| added.min(seen));
            self.confirmed = self.confirmed.max(Some(seen.at));
        } else {
            self.added = Some(seen);
            self.confirmed = Some(seen.at);
        }
    }

    /// It was not there.
    pub fn remove(&mut self, seen: Seen) {
        if self.removed.is_some_and(|removed| seen.at <= removed.at) {
            return;
        }
        let was_present = self.is_present();
        if self.confirmed.is_some_and(|confirmed| confirmed >= seen.at) {
            // It came back since: then, and not before, does what stands now begin.
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

/// How many users of one list of reactors are not kept, because they had their data deleted: no row
/// says who they are.
///
/// A list is whole when the rows that stand, plus [`count`](Self::count), are as many as Discord counts.
/// It is set by each list that is fetched (its users who are not kept), and grows by one for each row
/// that a deletion takes away; so a counter of Discord's can still be judged. Never exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The guild.
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    /// The message reacted to.
    pub message_id: MessageId,
    /// With what.
    pub emoji: EmojiKey,
    /// Normal or burst.
    pub burst: bool,
    /// How many.
    pub count: u64,
    /// When the list was asked for that showed it.
    pub at: Stamp,
}

/// "At this moment, somebody cleared all reactions of this kind."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionMark {
    /// The emoji; `None` means all.
    pub emoji: Option<EmojiKey>,
    /// When, and how that is known.
    pub seen: Seen,
}

impl ReactionMark {
    /// Whether it speaks of reactions with this emoji.
    pub fn covers(&self, emoji: &EmojiKey) -> bool {
        self.emoji.as_ref().is_none_or(|of| of == emoji)
    }
}

/// The latest marks of a message, so that a reaction learnt late is still known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionMarks {
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    /// The message.
    pub message_id: MessageId,
    /// At most one for each kind.
    pub marks: Vec<ReactionMark>,
}
