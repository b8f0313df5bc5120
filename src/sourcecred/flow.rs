//! What a graph mints, and whom that reaches first: shows what weights do, without `credrank`.
//!
//! Every node mints its weight. It moves along the edges, split at each node by the edges' weights, until
//! it reaches a person, and stays there. A reaction's weight, for example, moves to the message, and from
//! there to the people who gave and received the props. `credrank` starts the same way, but then cred keeps
//! flowing between people and over time, and a part of it goes to everyone alike. So the numbers here are
//! not a person's cred; they are what cred is made from.

use std::collections::{BTreeMap, HashMap};

use super::{EdgeAddress, EdgeWeight, NodeAddress, Types, Weight, WeightedGraph};

/// The share of all minted weight that may still be moving when the computation ends.
const REST: f64 = 1e-9;

/// The most steps to compute. Graphs in which hardly any edge leads to a person take many.
const STEPS: usize = 1_000;

/// How much a graph mints, and for whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Minted {
    /// The sum of all nodes' weights.
    pub total: f64,
    /// How much of it reaches each person first.
    pub by_person: BTreeMap<NodeAddress, f64>,
}

impl Minted {
    /// Computes what a graph with these types mints.
    pub fn of(graph: &WeightedGraph, types: &Types) -> Self {
        let weigher = Weigher::new(graph, types);
        let people: Vec<bool> = graph
            .nodes
            .keys()
            .map(|address| types.people.iter().any(|person| address.has_prefix(person)))
            .collect();
        let mut at: Vec<f64> = graph
            .nodes
            .keys()
            .map(|key| weigher.node(key).get())
            .collect();
        let total: f64 = at.iter().sum();
        let moves = moves(graph, &weigher, &people);

        let mut reached: Vec<f64> = vec![0.0; at.len()];
        for _ in 0..STEPS {
            let mut next = vec![0.0; at.len()];
            for (index, weight) in at.iter().enumerate() {
                if people[index] {
                    reached[index] += weight;
                }
            }
            for step in &moves {
                next[step.to] += at[step.from] * step.share;
            }
            at = next;
            if at.iter().sum::<f64>() <= total * REST {
                break;
            }
        }
        let people = graph.nodes.keys().zip(people).zip(reached);
        Self {
            total,
            by_person: people
                .filter(|((_, person), _)| *person)
                .map(|((address, _), reached)| (address.clone(), reached))
                .collect(),
        }
    }
}

/// The share of one node's weight that moves to another node in a step.
struct Move {
    from: usize,
    to: usize,
    share: f64,
}

/// All moves. Weight that has reached a person doesn't move.
fn moves(graph: &WeightedGraph, weigher: &Weigher<'_>, people: &[bool]) -> Vec<Move> {
    let indices: HashMap<&NodeAddress, usize> = graph.nodes.keys().zip(0..).collect();
    let mut moves = Vec::new();
    for (address, edge) in &graph.edges {
        let (Some(&src), Some(&dst)) = (indices.get(&edge.src), indices.get(&edge.dst)) else {
            continue;
        };
        let weight = weigher.edge(address);
        let ways = [(src, dst, weight.forwards), (dst, src, weight.backwards)];
        moves.extend(
            ways.into_iter()
                .filter(|(from, _, weight)| !people[*from] && *weight > Weight::ZERO)
                .map(|(from, to, weight)| Move {
                    from,
                    to,
                    share: weight.get(),
                }),
        );
    }
    let mut all = vec![0.0; people.len()];
    for step in &moves {
        all[step.from] += step.share;
    }
    for step in &mut moves {
        step.share /= all[step.from];
    }
    moves
}

/// Computes weights as `SourceCred` does: it multiplies those of all prefixes of an address.
pub struct Weigher<'a> {
    nodes: HashMap<&'a str, Weight>,
    edges: HashMap<&'a str, EdgeWeight>,
}

impl<'a> Weigher<'a> {
    /// For a graph with these types.
    pub fn new(graph: &'a WeightedGraph, types: &'a Types) -> Self {
        let mut nodes = HashMap::new();
        let own = graph
            .node_weights
            .iter()
            .map(|(node_weight, weight)| (node_weight, *weight));
        for (prefix, weight) in own.chain(types.nodes.iter().map(|(node, weight)| (node, *weight)))
        {
            let all = nodes.entry(prefix.raw()).or_insert(Weight::ONE);
            *all = all.and(weight);
        }
        let mut edges = HashMap::new();
        let own = graph
            .edge_weights
            .iter()
            .map(|(edge_weight, weight)| (edge_weight, *weight));
        for (prefix, weight) in own.chain(types.edges.iter().map(|(edge, weight)| (edge, *weight)))
        {
            let all = edges.entry(prefix.raw()).or_insert(EdgeWeight::ONE);
            *all = all.and(weight);
        }
        Self { nodes, edges }
    }

    /// How much a node mints.
    pub fn node(&self, address: &NodeAddress) -> Weight {
        prefixes(address.raw())
            .filter_map(|prefix| self.nodes.get(prefix))
            .fold(Weight::ONE, |all, node| all.and(*node))
    }

    /// How much flows along an edge, and against it.
    pub fn edge(&self, address: &EdgeAddress) -> EdgeWeight {
        prefixes(address.raw())
            .filter_map(|prefix| self.edges.get(prefix))
            .fold(EdgeWeight::ONE, |all, edge| all.and(*edge))
    }
}

/// The prefixes of an address that end where a part ends, including the whole address.
fn prefixes(raw: &str) -> impl Iterator<Item = &str> {
    raw.match_indices('\0').map(|(end, _)| &raw[..=end])
}
