//! What the graph's nodes and edges are and weigh by type, as SourceCred reads it from
//! `declaration.json`.
//!
//! Source: SourceCred 0.11.2, `analysis/pluginDeclaration.js`; names and weights after
//! `plugins/discord/declaration.js`.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    EdgeAddress, EdgeWeight, NodeAddress, Weight, Weights, prefix, weighted_graph::write_json,
};

/// A plugin's types.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// What the plugin is called.
    pub name: String,
    /// What the addresses of its own nodes begin with. Members are not its own.
    pub node_prefix: NodeAddress,
    /// What the addresses of its edges begin with.
    pub edge_prefix: EdgeAddress,
    /// The types of nodes.
    pub node_types: Vec<NodeType>,
    /// The types of edges.
    pub edge_types: Vec<EdgeType>,
    /// Those types of nodes that are people.
    pub user_types: Vec<NodeType>,
    /// For a part of SourceCred that External plugins have none of; required all the same.
    pub keys: Keys,
}

/// A type of nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeType {
    /// What one is called.
    pub name: &'static str,
    /// What several are called.
    pub plural_name: &'static str,
    /// What the addresses of all such nodes begin with.
    pub prefix: NodeAddress,
    /// How much cred each mints.
    pub default_weight: Weight,
    /// What they are.
    pub description: &'static str,
}

/// A type of edges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeType {
    /// What the source does to the destination.
    pub forward_name: &'static str,
    /// The same, said from the destination.
    pub backward_name: &'static str,
    /// What the addresses of all such edges begin with.
    pub prefix: EdgeAddress,
    /// How cred flows along each.
    pub default_weight: EdgeWeight,
    /// What they are.
    pub description: &'static str,
}

/// The names of operators, weights and shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "SourceCred's names")]
pub struct Keys {
    pub(super) operator_keys: &'static [&'static str],
    pub(super) weight_keys: &'static [&'static str],
    pub(super) share_keys: &'static [&'static str],
}

/// The props plugin's declaration.
///
/// Members carry the addresses of SourceCred's Discord plugin, so that a ledger knows them again.
/// Their types are declared one step below that plugin's `MEMBER` (`user`, `bot`): SourceCred
/// refuses to weigh one prefix twice, and so the two plugins can stand in one instance.
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
                // What a reaction weighs depends on its emoji, and stands in the graph.
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

impl Declaration {
    /// What a node at `address` weighs by its type.
    ///
    /// SourceCred multiplies the weights of all prefixes that match, and takes 1 for none.
    pub fn weight_of(&self, address: &NodeAddress) -> Weight {
        let matching = |it: &&NodeType| address.has_prefix(&it.prefix);
        self.node_types
            .iter()
            .filter(matching)
            .fold(Weight::ONE, |weight, it| weight.and(it.default_weight))
    }

    /// Writes `declaration.json`.
    pub fn write_json(&self, to: impl Write) -> io::Result<()> {
        write_json(to, self)
    }
}
