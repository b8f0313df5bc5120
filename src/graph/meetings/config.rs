//! Reads the file that configures the plugin.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::roles::Role;
use crate::channels::Channels;
use propsbot_model::ChannelId;
use propsbot_sourcecred::{Weight, object};

/// The meeting channels, and what meetings are worth.
///
/// In the file, every field but the channels is optional; an unknown field is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MeetingsConfig {
    /// The channels whose messages are meetings, by id. A category stands for its channels; threads in
    /// them are no meetings, but posts of a forum are.
    #[serde(rename = "meeting_channels", deserialize_with = "ids")]
    pub(super) channels: BTreeSet<ChannelId>,
    /// The cred that a meeting mints for each member who attended.
    #[serde(default = "one")]
    pub(super) attendance: Weight,
    /// How many heads mint; those who attended share it.
    #[serde(default = "most_heads")]
    pub(super) most_heads: u32,
    /// The cred that it mints for each host, besides.
    #[serde(default = "host")]
    pub(super) host: Weight,
    /// The cred that it mints for each member who took notes, besides.
    #[serde(default = "one")]
    pub(super) notes: Weight,
    /// The cred that a scheduled event mints for its host, if it took place.
    #[serde(default = "host")]
    pub(super) event_host: Weight,
    /// Which words before a colon give a role to the members named after it.
    #[serde(default, deserialize_with = "object")]
    pub(super) words: Words,
}

/// The words of each role, in any case. What the file has of one replaces the default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Words {
    host: Vec<String>,
    notes: Vec<String>,
    absent: Vec<String>,
}

impl Default for Words {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            host: words(&["Host", "Hosts", "Facilitator", "Facilitators"]),
            notes: words(&["Notes", "Note-taker", "Note-takers", "Scribe", "Scribes"]),
            absent: words(&["Absent", "Apologies", "Regrets"]),
        }
    }
}

impl Words {
    /// The role of each word, in lower case.
    pub(super) fn roles(&self) -> BTreeMap<String, Role> {
        let of = |words: &[String], role: Role| {
            let words = words.iter().map(|word| word.trim().to_lowercase());
            words.map(move |word| (word, role)).collect::<Vec<_>>()
        };
        let all = [
            of(&self.absent, Role::Absent),
            of(&self.notes, Role::Notes),
            of(&self.host, Role::Host),
        ];
        all.into_iter().flatten().collect()
    }
}

/// A config that can't be used: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("this is not a config of the meetings plugin: {0}")]
pub struct MeetingsConfigError(#[from] serde_json::Error);

impl MeetingsConfig {
    /// Reads a config.
    ///
    /// # Errors
    /// No channels, an unknown field, or an invalid value.
    pub fn from_json(text: &str) -> Result<Self, MeetingsConfigError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let config = object(&mut reader).and_then(|config| reader.end().map(|()| config));
        Ok(config?)
    }

    /// The defaults, for these channels.
    pub fn of(channels: BTreeSet<ChannelId>) -> Self {
        Self {
            channels,
            attendance: one(),
            most_heads: most_heads(),
            host: host(),
            notes: one(),
            event_host: host(),
            words: Words::default(),
        }
    }

    /// Whether messages in this channel are meetings, or the first message of this thread is one.
    pub(super) fn has(&self, channels: &Channels<'_>, id: ChannelId) -> bool {
        let mut around = channels.outwards(id);
        around.any(|id| self.channels.contains(&id))
    }
}

fn one() -> Weight {
    Weight::ONE
}

fn host() -> Weight {
    Weight::times(2)
}

fn most_heads() -> u32 {
    20
}

/// Ids as text. As in SourceCred's configuration, one may be followed by `//` and a comment.
fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<ChannelId>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let id = |text: &String| {
        let id = text.split_once("//").map_or(&**text, |(id, _)| id);
        id.trim().parse().map_err(|_| {
            D::Error::custom(format_args!(
                "{text:?} is not an id: use the number that Discord's \"Copy ID\" gives"
            ))
        })
    };
    let ids: BTreeSet<ChannelId> = texts.iter().map(id).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        let none = "meeting_channels is empty: name at least one channel";
        return Err(D::Error::custom(none));
    }
    Ok(ids)
}
