//! The types of the props plugin's graph, and of those like it, and their weights.
//!
//! Names and default weights are those of SourceCred 0.11.2's `plugins/discord/declaration.js`.

use propsbot_sourcecred::{Declaration, EdgeType, Keys, NodeType, Weight};

use super::{
    Weights,
    prefix::{self, Prefix},
};

/// The props plugin's declaration.
///
/// Members have the addresses of SourceCred's Discord plugin, so that a ledger recognizes them. Their
/// types are declared one step below that plugin's `MEMBER` (`user`, `bot`), because SourceCred refuses to
/// weigh one prefix twice: so both plugins can be in one instance.
pub fn declaration(weights: &Weights) -> Declaration {
    let words = Words {
        name: "Props",
        message: "Props",
        messages: "Props",
        described: "A message in which one member thanked others",
        reaction: "A reaction by some member, directed at some props",
        authors: ["authors props", "props are authored by"],
        authors_described: "Connects a member to the props that they gave.",
        reacts_to: "Connects a reaction to the props that it reacts to.",
        names: ["gives props to", "receives props from"],
        names_described: "Connects props to a member who received them.",
    };
    of(prefix::PROPS, weights, &words)
}

/// What a plugin's types are called.
pub(super) struct Words {
    /// The plugin's name, as SourceCred shows it.
    pub(super) name: &'static str,
    pub(super) message: &'static str,
    pub(super) messages: &'static str,
    pub(super) described: &'static str,
    pub(super) reaction: &'static str,
    pub(super) authors: [&'static str; 2],
    pub(super) authors_described: &'static str,
    pub(super) reacts_to: &'static str,
    pub(super) names: [&'static str; 2],
    pub(super) names_described: &'static str,
}

/// The types of members: people and bots.
pub(super) fn members() -> [NodeType; 2] {
    [
        NodeType {
            name: "Member".into(),
            plural_name: "Members".into(),
            prefix: prefix::members(false),
            default_weight: Weight::ZERO,
            description: "A member of the Discord server".into(),
        },
        NodeType {
            name: "Bot".into(),
            plural_name: "Bots".into(),
            prefix: prefix::members(true),
            default_weight: Weight::ZERO,
            description: "A bot in the Discord server".into(),
        },
    ]
}

/// The declaration of a plugin that draws messages.
pub(super) fn of(prefix: Prefix, weights: &Weights, words: &Words) -> Declaration {
    let [member, bot] = members();
    Declaration {
        name: words.name.to_owned(),
        node_prefix: prefix.nodes(),
        edge_prefix: prefix.edges(),
        node_types: vec![
            member.clone(),
            bot.clone(),
            NodeType {
                name: words.message.into(),
                plural_name: words.messages.into(),
                prefix: prefix.messages(),
                default_weight: weights.props,
                description: words.described.into(),
            },
            NodeType {
                name: "Reaction".into(),
                plural_name: "Reactions".into(),
                prefix: prefix.reactions(),
                // A reaction's weight depends on its emoji, and is in the graph.
                default_weight: Weight::ONE,
                description: words.reaction.into(),
            },
        ],
        edge_types: vec![
            EdgeType {
                forward_name: words.authors[0].into(),
                backward_name: words.authors[1].into(),
                prefix: prefix.authors(),
                default_weight: weights.edges.authors,
                description: words.authors_described.into(),
            },
            EdgeType {
                forward_name: "adds reaction".into(),
                backward_name: "reaction added by".into(),
                prefix: prefix.adds_reaction(),
                default_weight: weights.edges.adds_reaction,
                description: "Connects a member to a reaction that they added.".into(),
            },
            EdgeType {
                forward_name: "reacts to".into(),
                backward_name: "is reacted to by".into(),
                prefix: prefix.reacts_to(),
                default_weight: weights.edges.reacts_to,
                description: words.reacts_to.into(),
            },
            EdgeType {
                forward_name: words.names[0].into(),
                backward_name: words.names[1].into(),
                prefix: prefix.names(),
                default_weight: weights.edges.gives_props,
                description: words.names_described.into(),
            },
        ],
        user_types: vec![member, bot],
        keys: Keys::default(),
    }
}
