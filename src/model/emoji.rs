//! Emoji and their identity.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use super::EmojiId;

/// The identity of an emoji: the id of a custom one, whatever its name; the text of any other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmojiKey {
    /// A Unicode emoji, exactly as Discord spells it (`#️⃣` keeps its variation selector).
    Unicode(String),
    Custom(EmojiId),
}

impl EmojiKey {
    /// The emoji without the selectors for its colorful or plain form: `❤` and `❤️` are the same.
    pub fn bare(&self) -> Cow<'_, Self> {
        const SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];
        match self {
            Self::Unicode(text) if text.contains(SELECTORS) => {
                Cow::Owned(Self::Unicode(text.replace(SELECTORS, "")))
            }
            _ => Cow::Borrowed(self),
        }
    }
}

impl fmt::Display for EmojiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unicode(text) => f.write_str(text),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

/// An emoji as shown in a message or event.
///
/// Source: <https://discord.com/developers/docs/resources/emoji#emoji-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Emoji {
    pub key: EmojiKey,
    /// Name of a custom emoji; unknown once deleted.
    pub name: Option<String>,
    pub animated: bool,
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            EmojiKey::Unicode(text) => f.write_str(text),
            EmojiKey::Custom(id) => {
                let moves = if self.animated { "a" } else { "" };
                let name = self.name.as_deref().unwrap_or_default();
                // Only the id matters. The name must not end the markup early.
                let name: String = name
                    .chars()
                    .filter(|letter| is_name_letter(*letter))
                    .collect();
                let name = if name.is_empty() { "_" } else { &name };
                write!(f, "<{moves}:{name}:{id}>")
            }
        }
    }
}

impl Emoji {
    /// Parses an emoji as Discord writes it in text: `🙏`, `<:wow:8>`, `<a:wow:8>`. Completes
    /// Unicode emoji as Discord does: `❤` becomes `❤️`.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(inside) = text.strip_prefix('<') {
            let inside = inside.strip_suffix('>')?;
            let named = inside.strip_prefix('a').unwrap_or(inside);
            let (name, id) = named.strip_prefix(':')?.split_once(':')?;
            let animated = inside.starts_with('a');
            let id = EmojiId(id.parse().ok()?);
            let is_name = (2..=32).contains(&name.len()) && name.chars().all(is_name_letter);
            return is_name.then(|| Self::custom(id, Some(name.to_owned()), animated));
        }
        emojis::get(text).map(|known| Self::unicode(known.as_str()))
    }

    pub fn unicode(text: impl Into<String>) -> Self {
        Self {
            key: EmojiKey::Unicode(text.into()),
            name: None,
            animated: false,
        }
    }

    pub fn custom(id: EmojiId, name: Option<String>, animated: bool) -> Self {
        Self {
            key: EmojiKey::Custom(id),
            name,
            animated,
        }
    }
}

/// Whether Discord allows the character in a custom emoji's name.
fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_emoji_names() {
        let of = |name: &str| Emoji::custom(EmojiId(8), Some(name.to_owned()), false).to_string();
        assert_eq!(of("wow:9> **@everyone** <#1"), "<:wow9everyone1:8>");
        assert_eq!(of("\n🎉"), "<:_:8>");
    }

    #[test]
    fn parses_emoji_as_discord_writes_them() {
        for text in ["🙏", "🙏🏽", "#️⃣", "🇪🇺", "👨‍👩‍👧‍👦", "<:wow:8>", "<a:wow:8>"]
        {
            assert_eq!(Emoji::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Emoji::read(" ❤ ").unwrap().to_string(), "❤\u{fe0f}");
        for text in [
            "",
            "thanks",
            ":pray:",
            "🙏 🙏",
            "🙏🙏",
            "🙏\u{200d}🙏",
            "\u{fe0f}",
            "\u{200d}",
            "→",
            "é",
            "#",
            "<:wow>",
            "<@8>",
            "<::8>",
            "<:wow:x>",
            "<:w w:8>",
            "<:wow:8",
        ] {
            assert_eq!(Emoji::read(text), None, "{text}");
        }
    }
}
