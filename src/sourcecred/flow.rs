//! What a graph mints, and whom that reaches first: a picture of what weights do, made without
//! `credrank`.
//!
//! Every node mints its weight. What is minted moves on along the edges, at each node divided as
//! their weights say, until it reaches a person, and stays there. So a reaction's weight goes on to
//! the message, and from there to who was thanked, and who thanked. `credrank` starts in the same
//! way, and then goes on: cred flows between people for good, is held in time, and part of it
//! leaks evenly to all. What a member is minted here is therefore not their cred, but what that is
//! made of.

use std::collections::{BTreeMap, HashMap};

use super::{EdgeAddress, EdgeWeight, NodeAddress, Types, Weight, WeightedGraph};

/// When as little as this of all is still on its way, it is left there.
const REST: f64 = 1e-9;

/// How often weight is moved on at most: where hardly any edge leads to a person, it takes long.
const STEPS: usize = 1_000;

/// What a graph mints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Minted {
    /// All of it.
    pub total: f64,
    /// What reaches each person in the graph first.
    pub by_person: BTreeMap<NodeAddress, f64>,
}

impl Minted {
    /// What a graph mints, its types being `types`.
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

/// What of the weight at one node moves to another in a step.
struct Move {
    from: usize,
    to: usize,
    share: f64,
}

/// All moves, from nodes that are no people.
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

/// Weighs as `SourceCred` does: the weights of all beginnings of an address are multiplied.
pub struct Weigher<'a> {
    nodes: HashMap<&'a str, Weight>,
    edges: HashMap<&'a str, EdgeWeight>,
}

impl<'a> Weigher<'a> {
    /// The weights of this graph, its types being `types`.
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

    /// What a node mints.
    pub fn node(&self, address: &NodeAddress) -> Weight {
        beginnings(address.raw())
            .filter_map(|beginning| self.nodes.get(beginning))
            .fold(Weight::ONE, |all, node| all.and(*node))
    }

    /// How weight moves along an edge.
    pub fn edge(&self, address: &EdgeAddress) -> EdgeWeight {
        beginnings(address.raw())
            .filter_map(|beginning| self.edges.get(beginning))
            .fold(EdgeWeight::ONE, |all, edge| all.and(*edge))
    }
}

/// An address's beginnings that end where a part ends, itself included.
fn beginnings(raw: &str) -> impl Iterator<Item = &str> {
    raw.match_indices('\0').map(|(end, _)| &raw[..=end])
}
