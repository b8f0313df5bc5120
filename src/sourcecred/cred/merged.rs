//! One graph of all plugins' graphs, with the accounts as nodes.
//!
//! Source: SourceCred 0.11.2, `core/graph.js` (`merge`, `contractNodes`), `core/weights.js` (`merge`),
//! `core/weightedGraph.js` (`overrideWeights`).

use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    fmt::Debug,
};

use super::{Account, CredError, Overrides, error::shown};
use crate::{Node, NodeAddress, Types, WeightedGraph};

/// All plugins' nodes, edges and weights. A weight that two of them have is a mistake, also if it is the
/// same.
pub(super) fn merge(graphs: Vec<WeightedGraph>) -> Result<WeightedGraph, CredError> {
    let mut graphs = graphs.into_iter();
    let mut all = graphs.next().unwrap_or_default();
    for graph in graphs {
        insert_all(&mut all, graph)?;
    }
    Ok(all)
}

pub(super) fn insert_all(all: &mut WeightedGraph, graph: WeightedGraph) -> Result<(), CredError> {
    insert("the node", &mut all.nodes, graph.nodes, |old, new| {
        old == new
    })?;
    insert("the edge", &mut all.edges, graph.edges, |old, new| {
        old == new
    })?;
    let node_weights = graph.node_weights;
    insert(
        "the weight of nodes at",
        &mut all.node_weights,
        node_weights,
        |_, _| false,
    )?;
    let edge_weights = graph.edge_weights;
    insert(
        "the weight of edges at",
        &mut all.edge_weights,
        edge_weights,
        |_, _| false,
    )
}

fn insert<A: Ord + Debug, T>(
    what: &'static str,
    all: &mut BTreeMap<A, T>,
    more: BTreeMap<A, T>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Result<(), CredError> {
    for (address, new) in more {
        match all.entry(address) {
            Entry::Vacant(entry) => {
                entry.insert(new);
            }
            Entry::Occupied(entry) if is_same(entry.get(), &new) => {}
            Entry::Occupied(entry) => {
                let address = format!("{:?}", entry.key());
                return Err(CredError::Conflict { what, address });
            }
        }
    }
    Ok(())
}

impl WeightedGraph {
    /// The graph with the weights of its types among its own, as SourceCred's `graph` gives it.
    ///
    /// # Errors
    /// A prefix has a weight in the graph, and one of a type.
    pub fn with_types(mut self, types: &Types) -> Result<Self, CredError> {
        let weights = Self {
            node_weights: types.nodes.iter().cloned().collect(),
            edge_weights: types.edges.iter().cloned().collect(),
            ..Self::default()
        };
        insert_all(&mut self, weights)?;
        Ok(self)
    }
}

/// Replaces weights.
pub(super) fn override_weights(graph: &mut WeightedGraph, overrides: Overrides) {
    graph.node_weights.extend(overrides.nodes);
    graph.edge_weights.extend(overrides.edges);
}

/// Replaces the nodes that are aliases of accounts by the accounts' own. Every account gets its node. Where
/// two accounts have the same alias, the later one has it.
pub(super) fn contract<'a>(
    graph: &mut WeightedGraph,
    accounts: impl Iterator<Item = &'a Account>,
) -> Result<(), CredError> {
    let mut owners: HashMap<NodeAddress, NodeAddress> = HashMap::new();
    let mut earlier: HashSet<NodeAddress> = HashSet::new();
    let mut nodes = BTreeMap::new();
    for Account { identity, .. } in accounts {
        for alias in &identity.aliases {
            if earlier.contains(&alias.address) {
                return Err(CredError::Chain {
                    name: identity.name.clone(),
                    address: shown(&alias.address),
                });
            }
            owners.insert(alias.address.clone(), identity.address.clone());
        }
        earlier.insert(identity.address.clone());
        let node = Node {
            description: identity.name.to_string(),
            timestamp: None,
        };
        nodes.insert(identity.address.clone(), node);
    }
    graph
        .nodes
        .retain(|address, _| !owners.contains_key(address));
    insert("the node", &mut graph.nodes, nodes, |old, new| old == new)?;
    for edge in graph.edges.values_mut() {
        for end in [&mut edge.src, &mut edge.dst] {
            if let Some(owner) = owners.get(end) {
                *end = owner.clone();
            }
        }
    }
    Ok(())
}
