//! What the graph's nodes and edges are and weigh by type, as SourceCred reads it from
//! `declaration.json`.
//!
//! Source: SourceCred 0.11.2, `analysis/pluginDeclaration.js`.

use std::io::{self, Write};

use serde::Serialize;

use super::{EdgeAddress, EdgeWeight, NodeAddress, Weight, weighted_graph::write_json};

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
pub struct Keys {
    /// The names of operators.
    pub operator_keys: &'static [&'static str],
    /// The names of weights.
    pub weight_keys: &'static [&'static str],
    /// The names of shares.
    pub share_keys: &'static [&'static str],
}

impl Declaration {
    /// What a node at `address` weighs by its type.
    ///
    /// SourceCred multiplies the weights of all prefixes that match, and takes 1 for none.
    pub fn weight_of(&self, address: &NodeAddress) -> Weight {
        let matching = |node_type: &&NodeType| address.has_prefix(&node_type.prefix);
        self.node_types
            .iter()
            .filter(matching)
            .fold(Weight::ONE, |weight, node_type| {
                weight.and(node_type.default_weight)
            })
    }

    /// Writes `declaration.json`.
    pub fn write_json(&self, to: impl Write) -> io::Result<()> {
        write_json(to, self)
    }
}
