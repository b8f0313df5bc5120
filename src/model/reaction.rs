//! Reactions: who reacted with what, when that was first and last known, and how.

use serde::{Deserialize, Serialize};

use super::{ChannelId, EmojiKey, GuildId, MessageId, Millis, Stamp, UserId};

/// How a time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The gateway told as it happened.
    Gateway,
    /// A list fetched over REST showed it: it happened at that time or earlier.
    Rest,
}

/// One user's reaction to one message with one emoji; kept after it was taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// When it was seen to be there, last after it was not; unknown where only its end was seen.
    pub added_at: Option<Millis>,
    /// How `added_at` is known.
    pub added_by: Option<Evidence>,
    /// When it was seen to be gone; `None` while it stands.
    pub removed_at: Option<Millis>,
    /// How `removed_at` is known.
    pub removed_by: Option<Evidence>,
}

impl Reaction {
    /// Whether it stands.
    pub fn is_present(&self) -> bool {
        self.removed_at.is_none()
    }
}

/// "At this moment, no reactions of this kind but those named with the same stamp."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionMark {
    /// The emoji; `None` means all.
    pub emoji: Option<EmojiKey>,
    /// Normal or burst; `None` means both.
    pub burst: Option<bool>,
    /// When.
    pub at: Stamp,
    /// How it is known.
    pub by: Evidence,
}

impl ReactionMark {
    /// Whether it speaks of reactions with this emoji.
    pub fn covers(&self, emoji: &EmojiKey, burst: bool) -> bool {
        self.emoji.as_ref().is_none_or(|of| of == emoji) && self.burst.is_none_or(|of| of == burst)
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
