//! How much each thing counts: what an operator may change with `--weights FILE`.
//!
//! Edge weights, and the reaction's, are those of SourceCred's Discord plugin
//! (`plugins/discord/declaration.js`), so that props are worth what they are worth there.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::model::{ChannelId, EmojiId, EmojiKey, RoleId};

/// The largest weight that is accepted: products of weights stay finite.
const LARGEST: f64 = 1_000_000.0;

/// A weight: a number from 0 to a million. SourceCred rejects negative weights of nodes, and with
/// negative weights of edges is silently wrong.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct Weight(f64);

impl Weight {
    /// Counts for nothing.
    pub const ZERO: Self = Self(0.0);
    /// Counts as what it is; also what SourceCred assumes where no weight is given.
    pub const ONE: Self = Self(1.0);

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The weight of what counts as several.
    pub(super) fn times(count: u32) -> Self {
        Self(f64::from(count))
    }

    /// A weight that was computed: any number, since SourceCred's Discord plugin allows any.
    pub(super) fn computed(number: f64) -> Self {
        Self(number)
    }

    /// Both weights on one thing.
    pub(super) fn and(self, other: Self) -> Self {
        Self((self.0 * other.0).min(f64::MAX))
    }

    /// A weight that may be larger than one that is given, being a product of several; `None` if it
    /// is negative or no number.
    pub(super) fn product(number: f64) -> Option<Self> {
        (number >= 0.0 && number.is_finite()).then_some(Self(number))
    }

    /// The weight of one part of a whole that counts as `whole`.
    pub(super) fn part_of(whole: f64) -> Self {
        Self(whole.recip().min(f64::MAX))
    }
}

impl TryFrom<f64> for Weight {
    type Error = WeightError;

    fn try_from(number: f64) -> Result<Self, WeightError> {
        if (0.0..=LARGEST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(WeightError(number))
        }
    }
}

impl Serialize for Weight {
    /// As JavaScript writes numbers: without a fraction where there is none.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Both bounds are exact in f64, and larger weights come only from small factors.
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole i64")]
        if self.0.fract() == 0.0 && self.0.abs() < 9_007_199_254_740_992.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// A number that is no weight.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no weight (a number from 0 to {LARGEST})")]
pub struct WeightError(f64);

/// How much cred flows along an edge, and how much against it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EdgeWeight {
    /// From the source to the destination.
    pub forwards: Weight,
    /// From the destination to the source.
    pub backwards: Weight,
}

impl EdgeWeight {
    /// Everything flows both ways; what `SourceCred` assumes where no weight is given.
    pub const ONE: Self = Self::new(1.0, 1.0);

    /// Both weights on one edge.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            forwards: self.forwards.and(other.forwards),
            backwards: self.backwards.and(other.backwards),
        }
    }

    pub(super) const fn new(forwards: f64, backwards: f64) -> Self {
        Self {
            forwards: Weight(forwards),
            backwards: Weight(backwards),
        }
    }
}

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
    /// The cred that a reaction with a certain emoji mints. In the file an emoji is its Unicode
    /// text, exactly as Discord spells it, or a custom emoji's id or `name:id`.
    #[serde(deserialize_with = "by_emoji")]
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
    #[serde(deserialize_with = "by_id")]
    pub roles: BTreeMap<RoleId, Weight>,
    /// Which roles a member is taken to have.
    pub roles_as_of: RolesAsOf,
    /// By how much props and their reactions are multiplied in channels that are not in `channels`.
    pub channel: Weight,
    /// The same for a certain channel or thread, or for all channels of a category, by its id: what
    /// is nearest to the message counts. Where it is 0, props are left out of the graph.
    #[serde(deserialize_with = "by_id")]
    pub channels: BTreeMap<ChannelId, Weight>,
    /// Whether the reactions to one message are divided by the number of members who reacted (each
    /// counted as their role weighs, the giver not at all) and `confidence_dampener` together.
    pub apply_averaging: bool,
    /// What is added to that number: the larger, the less the reactions of a few mint.
    pub confidence_dampener: Weight,
    /// How cred flows between members, props and reactions.
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
    /// The weights that a file gives, and the defaults for what it does not mention.
    pub fn from_json(text: &str) -> Result<Self, WeightsError> {
        Ok(serde_json::from_str(text)?)
    }

    /// What an emoji weighs.
    pub fn of_emoji(&self, emoji: &EmojiKey) -> Weight {
        self.emojis.get(emoji).copied().unwrap_or(self.reaction)
    }

    /// What a member weighs who has these roles.
    pub fn of_roles(&self, roles: impl Iterator<Item = RoleId>) -> Weight {
        let weights = roles.filter_map(|role| self.roles.get(&role).copied());
        weights.fold(self.role, |most, it| if it > most { it } else { most })
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

/// A weights file that cannot be used: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("these are no weights: {0}")]
pub struct WeightsError(#[from] serde_json::Error);

/// The weights of the props plugin's edges, by type.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "GivenEdges")]
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

/// [`EdgeWeights`] as a file gives them: any part may be missing.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct GivenEdges {
    authors: GivenEdge,
    adds_reaction: GivenEdge,
    reacts_to: GivenEdge,
    gives_props: GivenEdge,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GivenEdge {
    forwards: Option<Weight>,
    backwards: Option<Weight>,
}

impl GivenEdge {
    fn or(&self, default: EdgeWeight) -> EdgeWeight {
        EdgeWeight {
            forwards: self.forwards.unwrap_or(default.forwards),
            backwards: self.backwards.unwrap_or(default.backwards),
        }
    }
}

impl From<GivenEdges> for EdgeWeights {
    fn from(given: GivenEdges) -> Self {
        let default = Self::default();
        Self {
            authors: given.authors.or(default.authors),
            adds_reaction: given.adds_reaction.or(default.adds_reaction),
            reacts_to: given.reacts_to.or(default.reacts_to),
            gives_props: given.gives_props.or(default.gives_props),
        }
    }
}

fn by_emoji<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<EmojiKey, Weight>, D::Error> {
    let mut weights = BTreeMap::new();
    for (text, weight) in BTreeMap::<String, Weight>::deserialize(deserializer)? {
        if weights.insert(emoji(&text), weight).is_some() {
            return Err(D::Error::custom(format_args!(
                "the emoji {text} is given two weights"
            )));
        }
    }
    Ok(weights)
}

/// Weights by id. As in SourceCred's configuration, an id may be followed by `//` and words for
/// people.
fn by_id<'de, D: Deserializer<'de>, I: Ord + FromStr>(
    deserializer: D,
) -> Result<BTreeMap<I, Weight>, D::Error> {
    let mut weights = BTreeMap::new();
    for (text, weight) in BTreeMap::<String, Weight>::deserialize(deserializer)? {
        let id = text.split_once("//").map_or(&*text, |(id, _)| id);
        let id = id.trim().parse().map_err(|_| {
            D::Error::custom(format_args!(
                "{text:?} is no id: it takes the number that Discord's \"Copy ID\" gives"
            ))
        })?;
        if weights.insert(id, weight).is_some() {
            return Err(D::Error::custom(format_args!(
                "{text:?} is given two weights"
            )));
        }
    }
    Ok(weights)
}

/// The emoji that is written as `text`.
fn emoji(text: &str) -> EmojiKey {
    let id = text.rsplit(':').next().unwrap_or(text);
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    match id.parse() {
        Ok(id) if is_id => EmojiKey::Custom(EmojiId(id)),
        _ => EmojiKey::Unicode(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_changes_nothing() {
        assert_eq!(Weights::from_json("{}").unwrap(), Weights::default());
        assert_eq!(
            Weights::from_json(r#"{"edges": {"authors": {}}}"#).unwrap(),
            Weights::default()
        );
    }

    /// It is what `docs/sourcecred.md` explains, field by field.
    #[test]
    fn the_example_is_understood_and_says_the_defaults_where_it_says_nothing_of_its_own() {
        let example = include_str!("../../docs/sourcecred-instance/weights.json");
        let weights = Weights::from_json(example).unwrap();
        assert_eq!(weights.of_roles([RoleId(1)].into_iter()), Weight::ONE);
        let own = Weights {
            emojis: weights.emojis.clone(),
            roles: weights.roles.clone(),
            channels: weights.channels.clone(),
            ..Weights::default()
        };
        assert_eq!(weights, own);
        let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(example).unwrap();
        let explained = include_str!("../../docs/sourcecred.md");
        for field in fields.keys() {
            assert!(explained.contains(&format!("`{field}`")), "{field}");
        }
        let unknown = Weights::from_json(r#"{"": 1}"#).unwrap_err().to_string();
        let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
        assert_eq!(known.len(), fields.len(), "{known:?}");
        assert!(known.iter().all(|it| fields.contains_key(*it)));
    }

    #[test]
    fn a_file_changes_only_what_it_mentions() {
        let weights = Weights::from_json(
            r#"{"props": 2.5, "emojis": {"🎉": 3, "party:42": 0, "1️⃣": 4}, "edges": {"givesProps": {"forwards": 9}}}"#,
        )
        .unwrap();
        assert_eq!(weights.props, Weight(2.5));
        assert_eq!(weights.reaction, Weight::ONE);
        assert_eq!(weights.edges.gives_props, EdgeWeight::new(9.0, 0.0625));
        let of = |key: EmojiKey| weights.of_emoji(&key).get();
        assert!((of(EmojiKey::Unicode("🎉".into())) - 3.0).abs() < f64::EPSILON);
        assert!((of(EmojiKey::Unicode("1️⃣".into())) - 4.0).abs() < f64::EPSILON);
        assert_eq!(
            weights.of_emoji(&EmojiKey::Custom(EmojiId(42))),
            Weight::ZERO
        );
        assert_eq!(
            weights.of_emoji(&EmojiKey::Unicode("👍".into())),
            Weight::ONE
        );
    }

    #[test]
    fn what_is_no_weight_is_refused_and_named() {
        for (file, says) in [
            (r#"{"props": -1}"#, "-1 is no weight"),
            (r#"{"reaction": 1e7}"#, "10000000 is no weight"),
            (
                r#"{"edges": {"authors": {"forwards": -0.5}}}"#,
                "-0.5 is no weight",
            ),
            (r#"{"props": "1"}"#, "invalid type: string \"1\""),
            (r#"{"confidenceDampener": -2}"#, "-2 is no weight"),
            (r#"{"roles": {"admin": 1}}"#, "\"admin\" is no id"),
            (
                r#"{"channels": {"5//a": 1, "5//b": 1}}"#,
                "\"5//b\" is given two weights",
            ),
            (
                r#"{"rolesAsOf": "then"}"#,
                "unknown variant `then`, expected `today` or `giving`",
            ),
            (
                r#"{"reactions": 1}"#,
                "unknown field `reactions`, expected one of `props`",
            ),
            (r#"{"edges": {"mentions": {}}}"#, "unknown field `mentions`"),
            (
                r#"{"emojis": {"a:1": 1, "b:1": 2}}"#,
                "the emoji b:1 is given two weights",
            ),
            ("{", "EOF while parsing an object at line 1 column 1"),
        ] {
            let error = Weights::from_json(file).unwrap_err().to_string();
            assert!(error.contains(says), "{file}: {error}");
            assert!(error.contains(" at line 1 column "), "{file}: {error}");
        }
        assert!(Weight::try_from(f64::NAN).is_err());
        assert!(Weight::try_from(f64::INFINITY).is_err());
    }

    #[test]
    fn whole_weights_are_written_without_a_fraction() {
        let written = |number| serde_json::to_string(&Weight(number)).unwrap();
        assert_eq!(written(19.0), "19");
        assert_eq!(written(0.0625), "0.0625");
        assert_eq!(written(-0.0), "0");
    }
}
