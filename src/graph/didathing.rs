//! The didathing plugin: what people say that they did, in channels for it, and who agreed.
//!
//! SourceCred's community had such a channel beside its props channel. Whoever posts there is credited, and so is everyone
//! whom they mention; the reactions mint. Everything else is as with props: who counts as mentioned, which
//! reactions count, and what the weights mean.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::{
    Rules, Weights, WeightsError,
    channels::Channels,
    declaration::{self, Words},
    identity_proposals, plugin, prefix,
    props::Props,
    references::references,
};
use propsbot_archive::{RowSource, Schema};
use propsbot_model::{ChannelId, MessageId};
use propsbot_rows::{MessageRow, ReactionRow, RowFilter, SCHEMA, Snapshot};
use propsbot_sourcecred::{
    Declaration, Documents, DrawError, Drawing, GraphPlugin, NodeAddress, WeightedGraph, unmatched,
};

/// The field of the file that names the channels. The other fields are those of the weights.
const CHANNELS: &str = "didathing_channels";

/// The channels where people say what they did, and the weights.
#[derive(Clone, Debug)]
pub struct DidathingConfig {
    /// With their threads. A category stands for all channels in it.
    channels: BTreeSet<ChannelId>,
    weights: Weights,
}

/// A config that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DidathingConfigError {
    /// It isn't an object with channels.
    #[error(
        "it has to be an object with \"{CHANNELS}\": a list of at least one channel's id as text, such as \
         [\"678348980849213472//what-we-did\"]"
    )]
    NoChannels,
    /// The channels are fine, something else isn't.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl DidathingConfig {
    /// Reads a config: the channels, and weights where they aren't the default ones.
    ///
    /// # Errors
    /// No channels, or a mistake in the weights.
    pub fn from_json(text: &str) -> Result<Self, DidathingConfigError> {
        let mut fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| DidathingConfigError::NoChannels)?;
        let channels = fields.remove(CHANNELS);
        let channels = channels.as_ref().and_then(Value::as_array);
        let id = |channel: &Value| {
            let text = channel.as_str()?;
            let id = text.split_once("//").map_or(text, |(id, _)| id);
            id.trim().parse().ok()
        };
        let channels: Option<BTreeSet<ChannelId>> =
            channels.and_then(|channels| channels.iter().map(id).collect());
        let channels = channels.filter(|channels| !channels.is_empty());
        let channels = channels.ok_or(DidathingConfigError::NoChannels)?;
        for (field, default) in [("props", json!(0)), ("giverReaction", json!(0))] {
            fields.entry(field).or_insert(default);
        }
        // Whoever is mentioned gets as much as the author.
        let edges = fields.entry("edges").or_insert_with(|| json!({}));
        if let Some(edges) = edges.as_object_mut() {
            let mentions = edges.entry("givesProps").or_insert_with(|| json!({}));
            if let Some(mentions) = mentions.as_object_mut() {
                mentions.entry("forwards").or_insert(json!(1));
            }
        }
        Ok(Self {
            channels,
            weights: Weights::from_json(&Value::Object(fields).to_string())?,
        })
    }

    fn has(&self, channels: &Channels<'_>, id: ChannelId) -> bool {
        channels.outwards(id).any(|id| self.channels.contains(&id))
    }
}

/// The didathing plugin.
#[derive(Clone, Debug)]
pub struct DidathingPlugin(DidathingConfig);

impl DidathingPlugin {
    pub fn new(config: DidathingConfig) -> Self {
        Self(config)
    }
}

impl GraphPlugin for DidathingPlugin {
    fn name(&self) -> &'static str {
        "didathing"
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn node_of(&self, contribution: &str, _: &WeightedGraph) -> Option<NodeAddress> {
        prefix::DIDATHING.message(contribution)
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let Self(config) = self;
        let snapshot = Snapshot::of(rows, |all| DidathingRowFilter::new(all, config))?;
        let documents = didathing_documents(&snapshot, config);
        let known: HashSet<ChannelId> = snapshot.channels.iter().map(|row| row.id).collect();
        let unknown = config.channels.iter().filter(|id| !known.contains(id));
        let mut warnings = config.weights.unmatched(&snapshot);
        warnings.extend(unmatched(CHANNELS, unknown, "the archive does not have"));
        Ok(Drawing {
            warnings,
            references: references(&snapshot, prefix::DIDATHING, &documents.graph),
            documents,
        })
    }
}

/// The didathing plugin's documents for a snapshot.
pub(super) fn didathing_documents(snapshot: &Snapshot, config: &DidathingConfig) -> Documents {
    let rules = Rules::new(snapshot);
    let mut done: BTreeMap<MessageId, Props<'_>> = BTreeMap::new();
    for message in &snapshot.messages {
        if config.has(&rules.channels, message.channel_id) {
            done.extend(rules.done_in(message).map(|did| (message.id, did)));
        }
    }
    for reaction in &snapshot.reactions {
        if let Some(on) = done.get_mut(&reaction.message_id) {
            on.reactions.extend(rules.judge_reaction(reaction));
        }
    }
    // Without a reaction that mints, a message is nobody's business.
    done.retain(|_, did| !did.reactions.is_empty() || config.weights.props.get() > 0.0);
    let graph = plugin::draw(snapshot, &config.weights, &rules, plugin::DIDATHING, done);
    Documents {
        declaration: types(&config.weights),
        proposals: identity_proposals(snapshot, &graph),
        graph,
    }
}

fn types(weights: &Weights) -> Declaration {
    let words = Words {
        name: "Did a thing",
        message: "Message",
        messages: "Messages",
        described: "A message in which a member says what they did",
        reaction: "A reaction by some member, directed at what somebody did",
        authors: ["did", "was done by"],
        authors_described: "Connects a member to the message in which they say what they did.",
        reacts_to: "Connects a reaction to the message that it reacts to.",
        names: ["mentions", "is mentioned by"],
        names_described: "Connects a message to a member who took part.",
    };
    declaration::of(prefix::DIDATHING, weights, &words)
}

/// Keeps the messages of the channels, and the reactions to them.
struct DidathingRowFilter(HashSet<ChannelId>);

impl DidathingRowFilter {
    fn new(snapshot: &Snapshot, config: &DidathingConfig) -> Self {
        let channels = Channels::new(snapshot);
        let ids = snapshot.channels.iter().map(|row| row.id);
        Self(ids.filter(|id| config.has(&channels, *id)).collect())
    }
}

impl RowFilter for DidathingRowFilter {
    fn channel(&self, id: ChannelId) -> bool {
        self.0.contains(&id)
    }

    fn reaction(&mut self, row: &ReactionRow) -> bool {
        row.removed_at.is_none()
    }

    fn message(&mut self, row: &MessageRow) -> bool {
        row.deleted_at.is_none()
    }
}
