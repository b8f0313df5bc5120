//! How much each thing counts: what an operator may change with `--weights FILE`.
//!
//! Edge weights, and the reaction's, are those of SourceCred's Discord plugin
//! (`plugins/discord/declaration.js`), so that props are worth what they are worth there.

mod file;
mod unmatched;

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use propsbot_model::{ChannelId, EmojiKey, RoleId};
use propsbot_sourcecred::{EdgeWeight, Weight, object};

pub use file::WeightsError;

/// The weights of the props plugin.
///
/// In the file every field may be left out; one that is not known is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Weights {
    /// The cred that a props message mints by itself.
    pub props: Weight,
    /// The cred that a reaction on a props message mints, if its emoji has no weight of its own.
    /// Reactions that weigh 0 are left out of the graph.
    pub reaction: Weight,
    /// The cred that a reaction with a certain emoji mints. In the file an emoji is its Unicode text or
    /// its `:shortcode:`, or a custom emoji's id, `name:id` or `<:name:id>`. Here texts are without
    /// variation selectors.
    #[serde(deserialize_with = "file::by_emoji")]
    pub emojis: BTreeMap<EmojiKey, Weight>,
    /// By how much the reactions of those who received the props are multiplied. 1, as in
    /// SourceCred's props channels; 0 where nobody shall mint cred for themselves.
    pub receiver_reaction: Weight,
    /// By how much the giver's own reactions to the props are multiplied. 1, as in SourceCred's
    /// props channels; 0 is its rule for all other channels.
    pub giver_reaction: Weight,
    /// By how much that is multiplied which a member mints who has none of `roles`: the props that
    /// they give, and their reactions. 0 where only certain roles shall mint cred.
    pub role: Weight,
    /// The same for those with a certain role, by its id. Of several the largest counts, and `role`
    /// at least.
    #[serde(deserialize_with = "file::by_id")]
    pub roles: BTreeMap<RoleId, Weight>,
    /// Which roles a member is taken to have.
    pub roles_as_of: RolesAsOf,
    /// By how much props and their reactions are multiplied in channels that are not in `channels`.
    pub channel: Weight,
    /// The same for a certain channel or thread, or for all channels of a category, by its id: what
    /// is nearest to the message counts. Where it is 0, props are left out of the graph.
    #[serde(deserialize_with = "file::by_id")]
    pub channels: BTreeMap<ChannelId, Weight>,
    /// Whether the reactions to one message are divided by the number of members who reacted (each
    /// counted as their role weighs, the giver not at all) and `confidence_dampener` together.
    pub apply_averaging: bool,
    /// What is added to that number: the larger, the less the reactions of a few mint.
    pub confidence_dampener: Weight,
    /// How cred flows between members, props and reactions.
    #[serde(deserialize_with = "object")]
    pub edges: EdgeWeights,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            props: Weight::ONE,
            reaction: Weight::ONE,
            emojis: BTreeMap::new(),
            receiver_reaction: Weight::ONE,
            giver_reaction: Weight::ONE,
            role: Weight::ONE,
            roles: BTreeMap::new(),
            roles_as_of: RolesAsOf::Today,
            channel: Weight::ONE,
            channels: BTreeMap::new(),
            apply_averaging: false,
            confidence_dampener: Weight::ZERO,
            edges: EdgeWeights::default(),
        }
    }
}

impl Weights {
    /// What an emoji weighs.
    pub fn of_emoji(&self, emoji: &EmojiKey) -> Weight {
        let own = self.emojis.get(&*bare(emoji));
        own.copied().unwrap_or(self.reaction)
    }

    /// What a member weighs who has these roles.
    pub fn of_roles(&self, roles: impl Iterator<Item = RoleId>) -> Weight {
        let weights = roles.filter_map(|role| self.roles.get(&role).copied());
        weights.fold(
            self.role,
            |most, weight| if weight > most { weight } else { most },
        )
    }

    /// What the first of these channels weighs that has a weight: a channel, then what it lies in.
    pub fn of_channel(&self, mut nearest_first: impl Iterator<Item = ChannelId>) -> Weight {
        let own = nearest_first.find_map(|id| self.channels.get(&id).copied());
        own.unwrap_or(self.channel)
    }
}

/// Which of the roles that a member had over time count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolesAsOf {
    /// Those of today, as in SourceCred; of who left, those that they had then.
    Today,
    /// Those of when the props were given, as far as the archive knows them; else those of today.
    Giving,
}

/// The weights of the props plugin's edges, by type.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "file::GivenEdges")]
pub struct EdgeWeights {
    /// From a giver to their props. Forwards ¼, backwards 1.
    pub authors: EdgeWeight,
    /// From a member to their reaction. Forwards 1, backwards ⅟₁₆.
    pub adds_reaction: EdgeWeight,
    /// From a reaction to the props. Forwards 1, backwards ⅟₁₆.
    pub reacts_to: EdgeWeight,
    /// From the props to a receiver. Forwards 19, backwards ⅟₁₆: of what flows to one giver and
    /// one receiver, the receiver gets 95 %.
    pub gives_props: EdgeWeight,
}

impl Default for EdgeWeights {
    fn default() -> Self {
        Self {
            authors: EdgeWeight::new(0.25, 1.0),
            adds_reaction: EdgeWeight::new(1.0, 0.0625),
            reacts_to: EdgeWeight::new(1.0, 0.0625),
            gives_props: EdgeWeight::new(19.0, 0.0625),
        }
    }
}

/// An emoji without the selectors that ask for its colourful or its plain form: `❤` and `❤️` are one.
fn bare(emoji: &EmojiKey) -> Cow<'_, EmojiKey> {
    const SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];
    match emoji {
        EmojiKey::Unicode(text) if text.contains(SELECTORS) => {
            Cow::Owned(EmojiKey::Unicode(text.replace(SELECTORS, "")))
        }
        _ => Cow::Borrowed(emoji),
    }
}
