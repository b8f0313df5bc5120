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

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            EmojiKey::Unicode(text) => f.write_str(text),
            EmojiKey::Custom(id) => {
                let moves = if self.animated { "a" } else { "" };
                write!(f, "<{moves}:{}:{id}>", self.name.as_deref().unwrap_or("_"))
            }
        }
    }
}

impl Emoji {
    /// An emoji as Discord writes it in a text: `🙏`, `<:wow:8>`, `<a:wow:8>`. Whether a text of
    /// Unicode's is an emoji is for Discord to say; what cannot be one is refused.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(inside) = text.strip_prefix('<') {
            let inside = inside.strip_suffix('>')?;
            let named = inside.strip_prefix('a').unwrap_or(inside);
            let (name, id) = named.strip_prefix(':')?.split_once(':')?;
            let animated = inside.starts_with('a');
            let id = EmojiId(id.parse().ok()?);
            return (!name.is_empty()).then(|| Self::custom(id, Some(name.to_owned()), animated));
        }
        let plausible = (1..=16).contains(&text.chars().count())
            && !text.is_ascii()
            && !text.contains(|it: char| it.is_whitespace() || it.is_alphabetic());
        plausible.then(|| Self::unicode(text))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emojis_are_read_as_discord_writes_them() {
        for text in ["🙏", "#️⃣", "👨‍👩‍👧‍👦", "<:wow:8>", "<a:wow:8>"] {
            assert_eq!(Emoji::read(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "thanks",
            ":pray:",
            "🙏 🙏",
            "é",
            "<:wow>",
            "<@8>",
            "<::8>",
        ] {
            assert_eq!(Emoji::read(text), None, "{text}");
        }
    }
}
