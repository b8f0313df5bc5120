//! What members want kept of themselves.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    ChannelId, GuildId, InteractionId, MessageId, Millis, Named, Reaction, UnknownWord, UserId,
};

/// How far a member has opted out. Each tier has all of those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Not at all.
    #[default]
    None,
    /// The text of what they write is neither kept nor exported. That they wrote, whom they
    /// mentioned and how they reacted is.
    Content,
    /// Their names are not exported either: a pseudonym stands for them, always the same.
    Identity,
    /// Nothing of theirs is exported, except who received thanks from them and that they received
    /// thanks: these belong to others too.
    Everything,
}

impl Tier {
    /// Those that opt out.
    pub const OUT: [Self; 3] = [Self::Content, Self::Identity, Self::Everything];

    /// Whether the text of what they write is kept.
    pub fn keeps_content(self) -> bool {
        self < Self::Content
    }

    /// Whether their names are exported.
    pub fn shows_names(self) -> bool {
        self < Self::Identity
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Content => "content",
            Self::Identity => "identity",
            Self::Everything => "everything",
        })
    }
}

impl FromStr for Tier {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let mut all = [Self::None].into_iter().chain(Self::OUT);
        all.find(|tier| tier.to_string() == text).ok_or(UnknownWord)
    }
}

/// What a member chose in a guild. It outlives everything else that is kept of them: without it a
/// backfill would bring back what they had deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy {
    /// The guild.
    pub guild_id: GuildId,
    /// The member.
    pub user_id: UserId,
    /// How far they have opted out.
    pub tier: Tier,
    /// Since when.
    pub since: Millis,
    /// All that they did until then was deleted on their request, and stays so.
    #[serde(default)]
    pub forgotten: Option<Millis>,
    /// They opted in again at that time: the text of what they wrote until then is not kept.
    #[serde(default)]
    pub texts_since: Option<Millis>,
}

impl Privacy {
    /// A member who has chosen nothing.
    pub fn unchosen(guild_id: GuildId, user_id: UserId) -> Self {
        Self {
            guild_id,
            user_id,
            tier: Tier::None,
            since: Millis(0),
            forgotten: None,
            texts_since: None,
        }
    }

    /// Adds another choice of the same member. A deletion is never undone, the latest of several choices
    /// counts, and opting in brings back no text of before.
    pub fn merge(&mut self, other: &Self) {
        let (earlier, later) = if (other.since, other.tier) >= (self.since, self.tier) {
            (&*self, other)
        } else {
            (other, &*self)
        };
        let again = later.tier.keeps_content() && !earlier.tier.keeps_content();
        let again = again.then_some(later.since);
        *self = Self {
            forgotten: self.forgotten.max(other.forgotten),
            texts_since: self.texts_since.max(other.texts_since).max(again),
            ..later.clone()
        };
    }

    /// Whether the text of what they wrote at this time is kept.
    pub fn keeps_text(&self, time: Millis) -> bool {
        self.tier.keeps_content() && self.texts_since.is_none_or(|since| time > since)
    }

    /// Whether it still hides, or keeps away, anything of theirs.
    pub fn hides_anything(&self) -> bool {
        self.tier != Tier::None || self.forgotten.is_some() || self.texts_since.is_some()
    }

    /// Whether they had their data deleted and want no name shown: then no row but this one names them.
    pub fn is_gone(&self) -> bool {
        self.forgotten.is_some() && !self.tier.shows_names()
    }

    /// Whether what they did at this time was deleted.
    pub fn forgets(&self, time: Millis) -> bool {
        self.forgotten.is_some_and(|until| time <= until)
    }
}

/// A step of a deletion. Nothing of what goes leaves a trace: no tombstone, no hash, no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// The member's row: their names, their roles, their nickname.
    Member(UserId),
    /// A message of theirs, and all that hangs on it: reactions, lists, failures.
    Message(ChannelId, MessageId),
    /// The tombstone of a message that an earlier version deleted on request.
    Tombstone(ChannelId, MessageId),
    /// A reaction of theirs. That there was one more stays, as [`LeftOut`](super::LeftOut).
    Reaction(Box<Reaction>),
    /// Props that they gave.
    Props(ChannelId, InteractionId),
    /// What names them, or messages of theirs, in somebody else's message.
    InMessage(ChannelId, MessageId, Arc<Named>),
    /// The same in props that somebody else gave.
    InProps(ChannelId, InteractionId, Arc<Named>),
    /// What names them in a channel or thread, and the title of a thread of theirs.
    InChannel(ChannelId),
    /// That they own the guild.
    InGuild,
    /// That they did something as an admin.
    InActions(UserId),
    /// Messages of theirs at which a coverage interval of the channel begins or ends.
    InCoverage(ChannelId),
    /// The message at which the audit of older history goes on.
    InWalk,
}
