//! What members want kept of themselves.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{GuildId, Millis, UnknownWord, UserId};

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
        all.find(|it| it.to_string() == text).ok_or(UnknownWord)
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
        }
    }

    /// Whether what they did at this time was deleted.
    pub fn forgets(&self, time: Millis) -> bool {
        self.forgotten.is_some_and(|until| time <= until)
    }
}
