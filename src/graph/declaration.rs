//! The types of the props graph, and their weights.
//!
//! Names and default weights are those of SourceCred 0.11.2's `plugins/discord/declaration.js`.

use propsbot_sourcecred::{Declaration, EdgeType, Keys, NodeType, Weight};

use super::{Weights, prefix};

/// The props plugin's declaration.
///
/// Members have the addresses of SourceCred's Discord plugin, so that a ledger recognizes them. Their
/// types are declared one step below that plugin's `MEMBER` (`user`, `bot`), because SourceCred refuses to
/// weigh one prefix twice: so both plugins can be in one instance.
pub fn declaration(weights: &Weights) -> Declaration {
    let member = NodeType {
        name: "Member",
        plural_name: "Members",
        prefix: prefix::members(false),
        default_weight: Weight::ZERO,
        description: "A member of the Discord server",
    };
    let bot = NodeType {
        name: "Bot",
        plural_name: "Bots",
        prefix: prefix::members(true),
        default_weight: Weight::ZERO,
        description: "A bot in the Discord server",
    };
    Declaration {
        name: "Props".to_owned(),
        node_prefix: prefix::nodes(),
        edge_prefix: prefix::edges(),
        node_types: vec![
            member.clone(),
            bot.clone(),
            NodeType {
                name: "Props",
                plural_name: "Props",
                prefix: prefix::props(),
                default_weight: weights.props,
                description: "A message in which one member thanked others",
            },
            NodeType {
                name: "Reaction",
                plural_name: "Reactions",
                prefix: prefix::reactions(),
                // A reaction's weight depends on its emoji, and is in the graph.
                default_weight: Weight::ONE,
                description: "A reaction by some member, directed at some props",
            },
        ],
        edge_types: vec![
            EdgeType {
                forward_name: "authors props",
                backward_name: "props are authored by",
                prefix: prefix::authors(),
                default_weight: weights.edges.authors,
                description: "Connects a member to the props that they gave.",
            },
            EdgeType {
                forward_name: "adds reaction",
                backward_name: "reaction added by",
                prefix: prefix::adds_reaction(),
                default_weight: weights.edges.adds_reaction,
                description: "Connects a member to a reaction that they added.",
            },
            EdgeType {
                forward_name: "reacts to",
                backward_name: "is reacted to by",
                prefix: prefix::reacts_to(),
                default_weight: weights.edges.reacts_to,
                description: "Connects a reaction to the props that it reacts to.",
            },
            EdgeType {
                forward_name: "gives props to",
                backward_name: "receives props from",
                prefix: prefix::gives_props(),
                default_weight: weights.edges.gives_props,
                description: "Connects props to a member who received them.",
            },
        ],
        user_types: vec![member, bot],
        keys: Keys::default(),
    }
}
