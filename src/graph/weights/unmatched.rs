//! Finds weights for things the archive doesn't have: usually a typo in the file.

use std::collections::BTreeSet;

use super::Weights;
use propsbot_model::EmojiKey;
use propsbot_rows::{ReactionRow, Snapshot};
use propsbot_sourcecred::unmatched;

impl Weights {
    /// Warnings about weights for emojis, roles and channels that are not in the snapshot, one for each
    /// kind.
    pub fn unmatched(&self, snapshot: &Snapshot) -> Vec<String> {
        let reactions = snapshot.reactions.iter();
        let emojis: BTreeSet<EmojiKey> = reactions.filter_map(key).collect();
        let emojis = self.emojis.keys().filter(|key| !emojis.contains(key));
        let is_role = |id| snapshot.roles.iter().any(|row| row.id == id);
        let is_channel = |id| snapshot.channels.iter().any(|row| row.id == id);
        let roles = self.roles.keys().filter(|id| !is_role(**id));
        let channels = self.channels.keys().filter(|id| !is_channel(**id));
        [
            unmatched("emojis", emojis, "no reaction to props has"),
            unmatched("roles", roles, "no server in the archive has"),
            unmatched("channels", channels, "the archive does not have"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn key(row: &ReactionRow) -> Option<EmojiKey> {
    let text = || row.emoji.clone().map(EmojiKey::Unicode);
    let key = row.emoji_id.map(EmojiKey::Custom).or_else(text)?;
    Some(key.bare().into_owned())
}
