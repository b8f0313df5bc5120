//! Thanks by reaction: with which emoji, by whom, and since when.
//!
//! The store keeps every state that the setting had, so that what was thanked while it was on stays
//! thanks, and what wasn't never becomes thanks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Emoji, EmojiId, EmojiKey, Millis, RoleId,
    limits::{Begun, at_time, note},
};

/// What a reaction needs to be thanks since a time, until the next entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionThanks {
    pub since: Millis,
    /// The custom emoji.
    pub emoji_id: Option<EmojiId>,
    /// The Unicode emoji. Without either, no reaction is thanks.
    pub emoji: Option<String>,
    /// How long after thanking a member by command or reaction a reaction to another message of
    /// theirs isn't thanks.
    pub cooldown_minutes: u32,
    /// The roles that can give, sorted; empty: everyone.
    pub giver_roles: Vec<RoleId>,
}

impl ReactionThanks {
    /// The state with this emoji, as Discord writes it; off without one.
    pub fn new(
        since: Millis,
        emoji: Option<&str>,
        cooldown_minutes: u32,
        giver_roles: &[RoleId],
    ) -> Self {
        let (emoji_id, emoji) = match emoji.and_then(Emoji::read).map(|emoji| emoji.key) {
            Some(EmojiKey::Custom(id)) => (Some(id), None),
            Some(EmojiKey::Unicode(text)) => (None, Some(text)),
            None => (None, None),
        };
        let is_on = emoji_id.is_some() || emoji.is_some();
        Self {
            since,
            emoji_id,
            emoji,
            // While it is off, the rest makes no difference, so its changes are no new states.
            cooldown_minutes: if is_on { cooldown_minutes } else { 0 },
            giver_roles: if is_on {
                giver_roles.to_vec()
            } else {
                Vec::new()
            },
        }
    }

    /// The chosen emoji; `None` while it is off.
    pub fn key(&self) -> Option<EmojiKey> {
        let text = || self.emoji.clone().map(EmojiKey::Unicode);
        self.emoji_id.map(EmojiKey::Custom).or_else(text)
    }

    /// Whether it is the chosen emoji.
    pub fn is_with(&self, emoji: &EmojiKey) -> bool {
        self.key()
            .is_some_and(|chosen| chosen.bare() == emoji.bare())
    }

    /// The emojis that were ever chosen, each in its [`bare`](EmojiKey::bare) spelling.
    pub fn emojis(all: &[Self]) -> BTreeSet<EmojiKey> {
        let keys = all.iter().filter_map(Self::key);
        keys.map(|key| key.bare().into_owned()).collect()
    }

    /// What applies at a time; `None` before it was first on.
    pub fn at(all: &[Self], time: Millis) -> Option<&Self> {
        at_time(all, time)
    }

    /// Appends a state if it differs from the current one.
    pub fn note(all: &mut Vec<Self>, new: Self) {
        if !all.is_empty() || new.key().is_some() {
            note(all, new);
        }
    }
}

impl Begun for ReactionThanks {
    fn since(&self) -> Millis {
        self.since
    }

    fn begun(self, since: Millis) -> Self {
        Self { since, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_states_that_differ() {
        let state = |since, emoji, minutes| ReactionThanks::new(Millis(since), emoji, minutes, &[]);
        let mut all = Vec::new();
        for new in [
            state(1, None, 5),
            state(2, Some("🙏"), 5),
            state(3, Some("🙏"), 5),
            state(4, Some("🙏"), 6),
            state(5, None, 6),
            state(6, None, 7),
            state(7, Some("<:wow:8>"), 0),
            state(7, Some("<a:wow:9>"), 0),
        ] {
            ReactionThanks::note(&mut all, new);
        }
        let told: Vec<_> = all
            .iter()
            .map(|entry| (entry.since.0, entry.key()))
            .collect();
        let pray = Some(EmojiKey::Unicode("🙏".to_owned()));
        assert_eq!(
            told,
            [
                (2, pray.clone()),
                (4, pray),
                (5, None),
                (7, Some(EmojiKey::Custom(EmojiId(9))))
            ]
        );
        assert_eq!(ReactionThanks::at(&all, Millis(1)), None);
        assert!(all[3].is_with(&EmojiKey::Custom(EmojiId(9))));
        assert!(!all[2].is_with(&EmojiKey::Custom(EmojiId(9))));
    }

    #[test]
    fn variation_selectors_make_no_other_emoji() {
        let heart = ReactionThanks::new(Millis(0), Some("❤"), 0, &[]);
        for spelled in ["❤", "❤\u{fe0f}"] {
            assert!(heart.is_with(&EmojiKey::Unicode(spelled.to_owned())));
        }
    }
}
