//! The weights that an operator can change with `--weights FILE`.
//!
//! The defaults of edges and reactions are those of SourceCred's Discord plugin
//! (`plugins/discord/declaration.js`), so that props are worth the same as there.

mod file;
mod unmatched;

use std::collections::BTreeMap;

use serde::Deserialize;

use propsbot_model::{ChannelId, EmojiKey, RoleId};
use propsbot_sourcecred::{EdgeWeight, Weight, object};

pub use file::WeightsError;

/// The weights of the props plugin.
///
/// In the file every field is optional; an unknown field is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Weights {
    /// The cred that a props message mints.
    pub props: Weight,
    /// A factor for thanks by reaction. The default 1 makes such a reaction worth as much as a message.
    pub reaction_thanks: Weight,
    /// The cred that a reaction to props mints, unless its emoji has a weight of its own. Reactions with
    /// the weight 0 are left out of the graph.
    pub reaction: Weight,
    /// The cred that a reaction with a certain emoji mints. In the file an emoji is its Unicode text or
    /// its `:shortcode:`, or a custom emoji's id, `name:id` or `<:name:id>`. The keys here have no
    /// variation selectors.
    #[serde(deserialize_with = "file::by_emoji")]
    pub emojis: BTreeMap<EmojiKey, Weight>,
    /// A factor for reactions by members who received the props. The default 1 is SourceCred's rule for
    /// props channels; with 0 nobody can mint cred for themselves.
    pub receiver_reaction: Weight,
    /// A factor for the giver's own reactions to the props. The default 1 is SourceCred's rule for props
    /// channels; 0 is its rule for all other channels.
    pub giver_reaction: Weight,
    /// A factor for the props given and the reactions added by members without any of `roles`. With 0
    /// only certain roles mint cred.
    pub role: Weight,
    /// The same factor for members with a certain role, by the role's id. The largest one counts, and at
    /// least `role`.
    #[serde(deserialize_with = "file::by_id")]
    pub roles: BTreeMap<RoleId, Weight>,
    /// From when the members' roles are taken.
    pub roles_as_of: RolesAsOf,
    /// A factor for props and their reactions in channels that are not in `channels`.
    pub channel: Weight,
    /// The same factor for a channel or thread, or for all channels of a category, by its id. The one
    /// nearest to the message counts. With 0, its props are left out of the graph.
    #[serde(deserialize_with = "file::by_id")]
    pub channels: BTreeMap<ChannelId, Weight>,
    /// Whether to divide the reactions to a message by the number of members who reacted plus
    /// `confidence_dampener`. Members are counted by their role's weight; the giver isn't counted.
    pub apply_averaging: bool,
    /// What is added to that number: the larger it is, the less the reactions of a few members mint.
    pub confidence_dampener: Weight,
    /// How cred flows between members, props and reactions.
    #[serde(deserialize_with = "object")]
    pub edges: EdgeWeights,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            props: Weight::ONE,
            reaction_thanks: Weight::ONE,
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
    pub fn of_emoji(&self, emoji: &EmojiKey) -> Weight {
        let own = self.emojis.get(&*emoji.bare());
        own.copied().unwrap_or(self.reaction)
    }

    pub fn of_roles(&self, roles: impl Iterator<Item = RoleId>) -> Weight {
        let weights = roles.filter_map(|role| self.roles.get(&role).copied());
        weights.fold(
            self.role,
            |most, weight| if weight > most { weight } else { most },
        )
    }

    /// The weight of the first of these channels that has one: a channel, then what it is in.
    pub fn of_channel(&self, mut nearest_first: impl Iterator<Item = ChannelId>) -> Weight {
        let own = nearest_first.find_map(|id| self.channels.get(&id).copied());
        own.unwrap_or(self.channel)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolesAsOf {
    /// From today, as in SourceCred; for members who left, from when they left.
    Today,
    /// From when the props were given, if the archive knows them; else from today.
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
    /// From the props to a receiver. Forwards 19, backwards ⅟₁₆: with one receiver, the receiver gets 95 %
    /// and the giver 5 %.
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
