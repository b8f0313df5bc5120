//! The types of a graph's nodes and edges with their weights: `declaration.json`.
//!
//! Source: SourceCred 0.11.2, `analysis/pluginDeclaration.js`.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use serde::Serialize;

use super::{EdgeAddress, EdgeWeight, NodeAddress, Weight, weighted_graph::write_json};

/// A plugin's types.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// The plugin's name, as SourceCred shows it.
    pub name: String,
    /// The prefix of the plugin's own nodes. People may have addresses of another plugin.
    pub node_prefix: NodeAddress,
    /// The prefix of the plugin's edges.
    pub edge_prefix: EdgeAddress,
    /// The types of nodes.
    pub node_types: Vec<NodeType>,
    /// The types of edges.
    pub edge_types: Vec<EdgeType>,
    /// The node types that are people.
    pub user_types: Vec<NodeType>,
    /// Required by SourceCred, although External plugins don't use them.
    pub keys: Keys,
}

/// A type of nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeType {
    /// The singular name.
    pub name: Cow<'static, str>,
    /// The plural name.
    pub plural_name: Cow<'static, str>,
    /// The prefix of these nodes' addresses.
    pub prefix: NodeAddress,
    /// How much cred each of them mints.
    pub default_weight: Weight,
    /// A sentence that explains them.
    pub description: Cow<'static, str>,
}

/// A type of edges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeType {
    /// What the source does to the destination, such as "reacts to".
    pub forward_name: Cow<'static, str>,
    /// The same from the destination's side, such as "is reacted to by".
    pub backward_name: Cow<'static, str>,
    /// The prefix of these edges' addresses.
    pub prefix: EdgeAddress,
    /// How cred flows along each of them.
    pub default_weight: EdgeWeight,
    /// A sentence that explains them.
    pub description: Cow<'static, str>,
}

/// The names of operators, weights and shares, for SourceCred's contribution scoring.
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
    /// The weight that types give the node at `address`: SourceCred multiplies those of all matching
    /// prefixes, and uses 1 if there are none.
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
