//! Reads the weights file.

use std::{collections::BTreeMap, str::FromStr};

use emojis::SkinTone;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{EdgeWeights, Weights};
use propsbot_model::{EmojiId, EmojiKey};
use propsbot_sourcecred::object;
use propsbot_sourcecred::{EdgeWeight, Weight};

/// A weights file that can't be used: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("these are not weights: {source}{}", hint(*.looks))]
pub struct WeightsError {
    source: serde_json::Error,
    looks: Option<&'static str>,
}

fn hint(looks: Option<&'static str>) -> String {
    looks.map_or_else(String::new, |words| format!("; {words}"))
}

impl Weights {
    /// The weights of a file, with the defaults for what it leaves out.
    ///
    /// # Errors
    /// A file that isn't an object, an unknown field, or an invalid value.
    pub fn from_json(text: &str) -> Result<Self, WeightsError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let weights = object(&mut reader).and_then(|weights| reader.end().map(|()| weights));
        weights.map_err(|source| WeightsError {
            source,
            looks: looks(text),
        })
    }
}

/// A hint if this looks like another of SourceCred's files.
fn looks(text: &str) -> Option<&'static str> {
    if text.contains("\"sourcecred/weights\"") {
        Some(
            "this looks like SourceCred's own weights.json, which belongs in the instance's config folder",
        )
    } else if text.contains("\"guildId\"") {
        Some(
            "this looks like the config.json of SourceCred's Discord plugin: it takes --plugin discord \
             --config FILE; docs/sourcecred.md says what its fields are called here",
        )
    } else {
        None
    }
}

/// [`EdgeWeights`] in a file, where every part is optional.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct GivenEdges {
    #[serde(deserialize_with = "object")]
    authors: GivenEdge,
    #[serde(deserialize_with = "object")]
    adds_reaction: GivenEdge,
    #[serde(deserialize_with = "object")]
    reacts_to: GivenEdge,
    #[serde(deserialize_with = "object")]
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

pub(super) fn by_emoji<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<EmojiKey, Weight>, D::Error> {
    let mut weights = BTreeMap::new();
    for (text, weight) in BTreeMap::<String, Weight>::deserialize(deserializer)? {
        let emoji = emoji(&text).ok_or_else(|| {
            D::Error::custom(format_args!(
                "{text:?} is not an emoji: paste the emoji itself, or write a custom one as name:id"
            ))
        })?;
        if weights.insert(emoji, weight).is_some() {
            return Err(D::Error::custom(format_args!(
                "the emoji {text} has two weights"
            )));
        }
    }
    Ok(weights)
}

/// Weights by id. As in SourceCred's configuration, an id may be followed by `//` and a comment.
pub(super) fn by_id<'de, D: Deserializer<'de>, I: Ord + FromStr>(
    deserializer: D,
) -> Result<BTreeMap<I, Weight>, D::Error> {
    let mut weights = BTreeMap::new();
    for (text, weight) in BTreeMap::<String, Weight>::deserialize(deserializer)? {
        let id = text.split_once("//").map_or(&*text, |(id, _)| id);
        let id = id.trim().parse().map_err(|_| {
            D::Error::custom(format_args!(
                "{text:?} is not an id: use the number that Discord's \"Copy ID\" gives"
            ))
        })?;
        if weights.insert(id, weight).is_some() {
            return Err(D::Error::custom(format_args!("{text:?} has two weights")));
        }
    }
    Ok(weights)
}

/// The emoji that `text` spells, without variation selectors.
fn emoji(text: &str) -> Option<EmojiKey> {
    let text = text.trim();
    let inside = text
        .strip_prefix('<')
        .and_then(|inside| inside.strip_suffix('>'));
    let id = inside.unwrap_or(text).rsplit(':').next()?;
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(EmojiKey::Custom(EmojiId(id.parse().ok()?)));
    }
    let code = text
        .strip_prefix(':')
        .and_then(|code| code.strip_suffix(':'));
    let text = match code {
        Some(code) => shortcode(code)?.as_str(),
        // It may be newer than the list of emojis here.
        None => Some(text).filter(|text| !text.is_ascii())?,
    };
    let key = EmojiKey::Unicode(text.to_owned());
    Some(key.bare().into_owned())
}

/// The emoji of a shortcode such as `heart`, `thumbsup_tone2` or `thumbsup::skin-tone-2`.
fn shortcode(code: &str) -> Option<&'static emojis::Emoji> {
    let parts = code
        .split_once("::skin-tone-")
        .or_else(|| code.rsplit_once("_tone"));
    let toned = parts.and_then(|(name, tone)| {
        let tone = match tone {
            "1" => SkinTone::Light,
            "2" => SkinTone::MediumLight,
            "3" => SkinTone::Medium,
            "4" => SkinTone::MediumDark,
            "5" => SkinTone::Dark,
            _ => return None,
        };
        emojis::get_by_shortcode(name)?.with_skin_tone(tone)
    });
    toned.or_else(|| emojis::get_by_shortcode(code))
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

    /// Whoever follows the documentation gets the same cred on each way. `docs/sourcecred.md`
    /// explains it field by field.
    #[test]
    fn the_example_changes_nothing() {
        let example = include_str!("../../../docs/sourcecred-instance/weights.json");
        assert_eq!(Weights::from_json(example).unwrap(), Weights::default());
        let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(example).unwrap();
        let explained = include_str!("../../../docs/sourcecred.md");
        for field in fields.keys() {
            assert!(explained.contains(&format!("`{field}`")), "{field}");
        }
        let unknown = Weights::from_json(r#"{"": 1}"#).unwrap_err().to_string();
        let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
        assert_eq!(known.len(), fields.len(), "{known:?}");
        assert!(known.iter().all(|name| fields.contains_key(*name)));
    }

    #[test]
    fn a_file_changes_only_the_weights_it_has() {
        let weights = Weights::from_json(
            r#"{"props": 2.5, "emojis": {"🎉": 3, "party:42": 0, "1️⃣": 4}, "edges": {"givesProps": {"forwards": 9}}}"#,
        )
        .unwrap();
        assert_eq!(weights.props, Weight::try_from(2.5).unwrap());
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
    fn accepts_every_spelling_of_an_emoji() {
        for (spelled, shown) in [
            ("❤", "❤\u{fe0f}"),
            ("❤\u{fe0f}", "❤"),
            (":heart:", "❤\u{fe0f}"),
            (":+1:", "👍"),
            (":thumbsup_tone3:", "👍🏽"),
            (":+1::skin-tone-1:", "👍🏻"),
            (" 🎉 ", "🎉"),
            ("1\u{20e3}", "1\u{fe0f}\u{20e3}"),
        ] {
            let file = format!(r#"{{"emojis": {{"{spelled}": 0}}}}"#);
            let weights = Weights::from_json(&file).unwrap();
            let key = EmojiKey::Unicode(shown.to_owned());
            assert_eq!(weights.of_emoji(&key), Weight::ZERO, "{spelled}");
        }
        for spelled in ["42", "wow:42", ":wow:42", "<:wow:42>", "<a:wow:42>"] {
            let file = format!(r#"{{"emojis": {{"{spelled}": 0}}}}"#);
            let weights = Weights::from_json(&file).unwrap();
            let key = EmojiKey::Custom(EmojiId(42));
            assert_eq!(weights.of_emoji(&key), Weight::ZERO, "{spelled}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_a_file() {
        for (file, says) in [
            ("[5]", "expected an object"),
            (r#"{"edges": [1]}"#, "expected an object"),
            (r#"{"edges": {"authors": [1, 2]}}"#, "expected an object"),
            (r#"{"emojis": {"thanks": 1}}"#, "\"thanks\" is not an emoji"),
            (
                r#"{"emojis": {":never:": 1}}"#,
                "\":never:\" is not an emoji",
            ),
            (r#"{"emojis": {"❤": 1, ":heart:": 2}}"#, "has two weights"),
            (r#"{"props": -1}"#, "-1 is not a weight"),
            (r#"{"reaction": 1e7}"#, "10000000 is not a weight"),
            (
                r#"{"edges": {"authors": {"forwards": -0.5}}}"#,
                "-0.5 is not a weight",
            ),
            (r#"{"props": "1"}"#, "invalid type: string \"1\""),
            (r#"{"confidenceDampener": -2}"#, "-2 is not a weight"),
            (r#"{"roles": {"admin": 1}}"#, "\"admin\" is not an id"),
            (
                r#"{"channels": {"5//a": 1, "5//b": 1}}"#,
                "\"5//b\" has two weights",
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
                "the emoji b:1 has two weights",
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
}
