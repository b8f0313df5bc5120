//! Reads an instance's `config/plugins/sourcecred/discord/config.json` as SourceCred does.
//!
//! Source: SourceCred 0.11.2, `plugins/discord/config.js` and `util/combo.js`. Unknown fields are ignored,
//! `null` is an error, and in some texts everything after `//` is a comment.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    str::FromStr,
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::outdated::outdated;
use propsbot_model::{ChannelId, GuildId, Millis, RoleId};
use propsbot_sourcecred::object;

/// The guilds to draw, in the file's order, with their settings.
#[derive(Clone, Debug)]
pub struct DiscordConfig(Vec<GuildConfig>);

/// A config that can't be used: where, and why.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("this is not a config of SourceCred's Discord plugin: {0}")]
    Json(#[from] serde_json::Error),
    /// It is in the format of SourceCred before 0.9.
    #[error(
        "this config is of a SourceCred before 0.9, and 0.11.2 does not read it either; change: {}",
        .0.join("; ")
    )]
    Outdated(Vec<String>),
    /// SourceCred fails on it too, because both entries weigh the same things.
    #[error("the guild {0} has two entries; leave one")]
    Twice(GuildId),
}

impl DiscordConfig {
    /// Reads a `config.json`.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let guilds = serde_json::from_str::<Vec<Entry>>(text);
        let guilds = guilds.map_err(|error| match outdated(text) {
            changes if changes.is_empty() => ConfigError::Json(error),
            changes => ConfigError::Outdated(changes),
        })?;
        let guilds: Vec<GuildConfig> = guilds.into_iter().map(|entry| entry.0).collect();
        let mut seen = BTreeSet::new();
        match guilds.iter().find(|guild| !seen.insert(guild.guild_id)) {
            Some(twice) => Err(ConfigError::Twice(twice.guild_id)),
            None => Ok(Self(guilds)),
        }
    }

    /// The guilds, in the file's order.
    pub fn guilds(&self) -> &[GuildConfig] {
        &self.0
    }
}

/// A guild's entry in the file, which has to be an object.
struct Entry(GuildConfig);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuildConfig {
    #[serde(deserialize_with = "guild")]
    pub guild_id: GuildId,
    #[serde(rename = "reactionWeightConfig", deserialize_with = "object")]
    pub(super) reactions: ReactionWeights,
    /// The weights of roles, for their members' reactions.
    #[serde(rename = "roleWeightConfig", default)]
    pub(super) roles: ById<RoleId>,
    /// The weights of channels and categories, for everything in them.
    #[serde(rename = "channelWeightConfig", default)]
    pub(super) channels: ById<ChannelId>,
    #[serde(default)]
    pub(super) props_channels: PropsChannels,
    /// Whether age-restricted channels count.
    #[serde(rename = "includeNsfwChannels", default)]
    pub(super) nsfw: bool,
    /// Whether messages get the weight of their reactions, and the reactions are left out.
    #[serde(rename = "simplifyGraph", default)]
    pub(super) simplify: bool,
    /// Older messages don't count.
    #[serde(rename = "beginningDate", default, deserialize_with = "date")]
    pub(super) beginning: Option<Millis>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReactionWeights {
    weights: HashMap<String, f64>,
    default_weight: f64,
    /// Whether a message's reactions are divided by the weights of the members who reacted.
    pub(super) apply_averaging: bool,
    /// A number that is added to that divisor.
    #[serde(default)]
    pub(super) confidence_dampener: f64,
}

impl ReactionWeights {
    /// The weight of an emoji, spelled as in the file: Unicode, or `name:id`.
    pub(super) fn of(&self, emoji: &str) -> f64 {
        self.weights
            .get(emoji)
            .copied()
            .unwrap_or(self.default_weight)
    }

    pub(super) fn absent(&self, known: &HashSet<&str>) -> impl Iterator<Item = &String> {
        self.weights
            .keys()
            .filter(|name| !known.contains(name.as_str()))
    }
}

/// The channels where mentions are props, as the file spells them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct PropsChannels(HashSet<String>);

impl PropsChannels {
    pub(super) fn has(&self, id: ChannelId) -> bool {
        self.0.contains(&id.to_string())
    }

    pub(super) fn absent(&self, known: &HashSet<ChannelId>) -> impl Iterator<Item = &String> {
        let is_known = |text: &str| id(text).is_some_and(|id| known.contains(&id));
        self.0.iter().filter(move |text| !is_known(text))
    }
}

/// Weights by id.
#[derive(Clone, Debug)]
pub(super) struct ById<Id> {
    weights: HashMap<Id, f64>,
    /// Keys that aren't ids.
    odd: Vec<String>,
    default: f64,
}

impl<Id> Default for ById<Id> {
    fn default() -> Self {
        Self {
            weights: HashMap::new(),
            odd: Vec::new(),
            default: 1.0,
        }
    }
}

impl<Id: ToString + Eq + std::hash::Hash> ById<Id> {
    pub(super) fn absent(&self, known: &HashSet<Id>) -> impl Iterator<Item = String> {
        let ids = self.weights.keys().filter(|id| !known.contains(*id));
        let odd = self.odd.iter().cloned();
        ids.map(ToString::to_string).chain(odd)
    }
}

impl ById<RoleId> {
    /// The weight of a member with these roles: the largest one, and at least the default.
    pub(super) fn of(&self, roles: &[RoleId]) -> f64 {
        let weights = roles.iter().filter_map(|role| self.weights.get(role));
        weights.fold(
            self.default,
            |most, weight| {
                if *weight > most { *weight } else { most }
            },
        )
    }
}

impl ById<ChannelId> {
    /// The weight of the first of these channels that has one: a channel, then what it is in.
    pub(super) fn of(&self, channels: impl IntoIterator<Item = ChannelId>) -> f64 {
        let mut weights = channels
            .into_iter()
            .filter_map(|channel| self.weights.get(&channel));
        weights.next().copied().unwrap_or(self.default)
    }
}

impl<'de, Id: FromStr + ToString + Eq + std::hash::Hash> Deserialize<'de> for ById<Id> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            default_weight: f64,
            weights: BTreeMap<String, f64>,
        }

        let written: Written = object(deserializer)?;
        let mut seen = BTreeSet::new();
        let mut weights = HashMap::new();
        let mut odd = Vec::new();
        for (key, weight) in &written.weights {
            let name = uncommented(key);
            if !seen.insert(name) {
                return Err(D::Error::custom(format_args!("{name} has two weights")));
            }
            // A key that isn't an id matches nothing.
            match id(name) {
                Some(id) => weights.extend([(id, *weight)]),
                None => odd.push(name.to_owned()),
            }
        }
        Ok(Self {
            weights,
            odd,
            default: written.default_weight,
        })
    }
}

/// The text without its comment.
fn uncommented(text: &str) -> &str {
    text.split_once("//").map_or(text, |(text, _)| text)
}

/// The id, if the text is spelled exactly as Discord does: SourceCred compares texts.
fn id<Id: FromStr + ToString>(text: &str) -> Option<Id> {
    let id: Id = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}

fn guild<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GuildId, D::Error> {
    let text = String::deserialize(deserializer)?;
    let text = uncommented(&text);
    id(text).ok_or_else(|| D::Error::custom(format_args!("guildId is not an id: {text:?}")))
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = moment(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "beginningDate is not a date: {text:?}; write it like 2021-12-31 or 2021-12-31T23:59:00Z"
        ))
    })?;
    Ok(Some(time))
}

/// Reads a date like JavaScript, in the formats that work everywhere. A time of day without a time zone is
/// UTC here; SourceCred uses its machine's time zone.
fn moment(text: &str) -> Option<Millis> {
    let whole = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let time = whole.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = whole.parse().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    })?;
    Some(Millis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Result<GuildConfig, ConfigError> {
        let reactions = r#""reactionWeightConfig": {"weights": {"🥰": 16, "party:7": 0}, "defaultWeight": 2, "applyAveraging": false}"#;
        let text = format!(r#"[{{"guildId": "5//ours", {reactions}{fields}}}]"#);
        let config = DiscordConfig::from_json(&text)?;
        Ok(config.guilds()[0].clone())
    }

    #[test]
    fn missing_fields_have_sourcecreds_defaults() {
        let config = read("").unwrap();
        assert_eq!(config.guild_id, GuildId(5));
        assert_eq!(config.reactions.confidence_dampener.to_bits(), 0);
        assert_eq!(config.roles.of(&[RoleId(1)]).to_bits(), 1_f64.to_bits());
        assert_eq!(
            config.channels.of([ChannelId(1)]).to_bits(),
            1_f64.to_bits()
        );
        assert!(config.props_channels.0.is_empty() && !config.nsfw && !config.simplify);
        assert_eq!(config.beginning, None);
    }

    #[test]
    fn ids_are_compared_as_text_and_may_have_a_comment() {
        let config = read(
            r#", "channelWeightConfig": {"defaultWeight": 3, "weights": {"7//general": 0, "08": 5, "9 // x": 5}},
               "propsChannels": ["7", "8//not here", "x"], "unheardOf": 1"#,
        )
        .unwrap();
        let of = |ids: &[u64]| config.channels.of(ids.iter().map(|id| ChannelId(*id)));
        let weights = [of(&[7, 8]), of(&[6, 7]), of(&[8]), of(&[9])];
        assert_eq!(
            weights.map(f64::to_bits),
            [0.0, 0.0, 3.0, 3.0].map(f64::to_bits)
        );
        let props = [7, 8].map(|id| config.props_channels.has(ChannelId(id)));
        assert_eq!(props, [true, false]);
    }

    #[test]
    fn the_largest_role_weight_counts_and_at_least_the_default() {
        let config = read(
            r#", "roleWeightConfig": {"defaultWeight": 1, "weights": {"1": 0.5, "2": 3, "3": 2}}"#,
        )
        .unwrap();
        let of = |ids: &[u64]| {
            let roles: Vec<_> = ids.iter().map(|id| RoleId(*id)).collect();
            config.roles.of(&roles)
        };
        let weights = [of(&[]), of(&[1]), of(&[1, 3, 2])];
        assert_eq!(weights.map(f64::to_bits), [1.0, 1.0, 3.0].map(f64::to_bits));
    }

    #[test]
    fn reads_dates_like_javascript() {
        for (text, ms) in [
            ("2021", 1_609_459_200_000),
            ("2021-01", 1_609_459_200_000),
            ("2021-01-01", 1_609_459_200_000),
            ("2021-01-01T00:00Z", 1_609_459_200_000),
            ("2021-01-01T01:00:00+01:00", 1_609_459_200_000),
            ("2021-01-01T00:00:00.1239Z", 1_609_459_200_123),
            ("2021-01-01T00:00:00", 1_609_459_200_000),
        ] {
            assert_eq!(moment(text), Some(Millis(ms)), "{text}");
        }
        for text in ["", "soon", "2021-13-01", "2021-02-30"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn names_what_sourcecred_refuses() {
        for (fields, says) in [
            (r#", "simplifyGraph": null"#, "invalid type: null"),
            (r#", "propsChannels": [7]"#, "invalid type: integer `7`"),
            (
                r#", "roleWeightConfig": {"defaultWeight": 1, "weights": {"7": 1, "7//x": 2}}"#,
                "7 has two weights",
            ),
            (
                r#", "beginningDate": "soon""#,
                "beginningDate is not a date",
            ),
        ] {
            let error = read(fields).unwrap_err().to_string();
            assert!(error.contains(says), "{fields}: {error}");
        }
        let missing = DiscordConfig::from_json(r#"[{"guildId": "5"}]"#);
        let error = missing.unwrap_err().to_string();
        assert!(
            error.contains("missing field `reactionWeightConfig`"),
            "{error}"
        );
    }
}
