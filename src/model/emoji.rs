//! What people react with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::EmojiId;

/// The identity of an emoji: a custom one is its id, whatever it is called; any other is its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmojiKey {
    /// A Unicode emoji, exactly as Discord spells it (`#️⃣` keeps its variation selector).
    Unicode(String),
    /// A custom emoji, of this guild or another.
    Custom(EmojiId),
}

impl fmt::Display for EmojiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unicode(text) => f.write_str(text),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

/// An emoji as a message or an event shows it.
///
/// Source: <https://discord.com/developers/docs/resources/emoji#emoji-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Emoji {
    /// Which one it is.
    pub key: EmojiKey,
    /// What a custom emoji is called; unknown once it was deleted.
    pub name: Option<String>,
    /// Whether a custom emoji moves.
    pub animated: bool,
}

impl Emoji {
    /// An emoji of Unicode's.
    pub fn unicode(text: impl Into<String>) -> Self {
        Self {
            key: EmojiKey::Unicode(text.into()),
            name: None,
            animated: false,
        }
    }

    /// A custom emoji.
    pub fn custom(id: EmojiId, name: Option<String>, animated: bool) -> Self {
        Self {
            key: EmojiKey::Custom(id),
            name,
            animated,
        }
    }
}
