//! What flows along a graph's edges in a step of the chain.
//!
//! Source: SourceCred 0.11.2, `core/credrank/markovProcessGraph.js` (`new`).

use std::collections::{HashMap, HashSet};

use super::{
    CredError, Weeks,
    chain::{ALPHA, BETA, Flow, GAMMA},
    error::{shown, shown_time},
    event::Name,
    mint::{bonus_edges, node_weights},
    weights::InOrder,
};
use crate::{Edge, EdgeAddress, EdgeWeight, Node, NodeAddress, WeightedGraph};

/// The most nodes or flows: they are counted in 32 bits.
const MOST: usize = u32::MAX as usize;

/// What the chain is made from.
pub(super) struct Flows {
    /// In SourceCred's order: by their source, in the order in which the sources are first seen.
    pub(super) ordered: Vec<Flow>,
    /// The edge that each flow is along, by its position in the graph, and whether backwards.
    pub(super) edges: Vec<(u32, bool)>,
    /// What each base node mints.
    pub(super) weights: Vec<f64>,
    /// The share of each node of the chain that flows to the seed.
    pub(super) radiation: Vec<f64>,
}

/// A node of the chain, as an end of edges.
#[derive(Clone, Copy)]
enum End {
    Base(u32),
    Participant(u32),
}

/// Both ends of each edge, as positions among the graph's nodes; `None` for edges of nodes that aren't there.
pub(super) fn ends(graph: &WeightedGraph) -> Vec<Option<[usize; 2]>> {
    let positions: HashMap<&NodeAddress, usize> = graph.nodes.keys().zip(0..).collect();
    let position = |address| positions.get(address).copied();
    let edges = graph.edges.values();
    edges
        .map(|edge| Some([position(&edge.src)?, position(&edge.dst)?]))
        .collect()
}

/// The base nodes: all but those of participants, which are known by their addresses.
pub(super) fn base_nodes<'a>(
    graph: &'a WeightedGraph,
    participants: &HashSet<&NodeAddress>,
) -> impl Iterator<Item = (&'a NodeAddress, &'a Node)> {
    graph
        .nodes
        .iter()
        .filter(|(address, _)| !participants.contains(*address))
}

impl Flows {
    pub(super) fn new(
        graph: &WeightedGraph,
        ends: &[Option<[usize; 2]>],
        participants: &HashMap<NodeAddress, usize>,
        names: &[&Name],
        weeks: Weeks,
    ) -> Result<Self, CredError> {
        let mut nodes: Vec<End> = Vec::with_capacity(graph.nodes.len());
        let mut weights = Vec::with_capacity(graph.nodes.len());
        let gadgets = NodeAddress::new(&[&"sourcecred", &"core", &"gadget"]);
        for (address, weight) in graph.nodes.keys().zip(node_weights(graph)) {
            if let Some(index) = participants.get(address) {
                nodes.push(End::Participant(small(*index)?));
                continue;
            }
            if weight < 0.0 || !weight.is_finite() {
                let node = shown(address);
                return Err(CredError::NodeWeight { node, weight });
            }
            if address.has_prefix(&gadgets) {
                return Err(CredError::Gadget(shown(address)));
            }
            nodes.push(End::Base(small(weights.len())?));
            weights.push(weight);
        }
        let base = weights.len();
        let length = base + 1 + weeks.len() * (participants.len() + 1);
        small(length)?;
        let node_at = |end: End, at| match end {
            End::Base(index) => Some(index as usize),
            End::Participant(index) => {
                let week = weeks.of_edge(at)?;
                Some(base + 1 + week * (participants.len() + 1) + 1 + index as usize)
            }
        };

        // First all flows in the order of edges, each with the number of its source among the sources.
        let mut numbers: Vec<u32> = vec![u32::MAX; length];
        let mut sources: Vec<Source> = Vec::new();
        let mut flows: Vec<(u32, Flow)> = Vec::new();
        let mut edges: Vec<(u32, bool)> = Vec::new();
        let product = |a: EdgeWeight, b: EdgeWeight| {
            let [forwards, backwards] = [
                a.forwards.get() * b.forwards.get(),
                a.backwards.get() * b.backwards.get(),
            ];
            EdgeWeight::new(forwards, backwards)
        };
        let mut edge_weights = InOrder::new(&graph.edge_weights, EdgeWeight::ONE, product);
        for (index, ((address, edge), ends)) in graph.edges.iter().zip(ends).enumerate() {
            let weight = edge_weights.of(address);
            let Some([src, dst]) = ends.map(|ends| ends.map(|end| nodes[end])) else {
                continue;
            };
            for (backwards, from, to, weight) in [
                (false, src, dst, weight.forwards.get()),
                (true, dst, src, weight.backwards.get()),
            ] {
                // As in SourceCred, nothing flows along a negative weight.
                if weight.is_nan() || weight <= 0.0 {
                    continue;
                }
                let at = edge.timestamp;
                let (Some(from), Some(to)) = (node_at(from, at), node_at(to, at)) else {
                    return Err(first_week(address, edge, [from, to], names));
                };
                let number = &mut numbers[from];
                if *number == u32::MAX {
                    *number = small(sources.len())?;
                    sources.push(Source::default());
                }
                let source = &mut sources[*number as usize];
                source.total += weight;
                source.flows += 1;
                if !source.total.is_finite() {
                    return Err(CredError::Infinite(format!("the edges at {:?}", edge.src)));
                }
                let flow = Flow {
                    from: small(from)?,
                    to: small(to)?,
                    share: weight,
                };
                flows.push((*number, flow));
                edges.push((small(index)?, backwards));
            }
        }
        drop(numbers);
        small(flows.len())?;

        Ok(Self::by_source(
            flows,
            &edges,
            sources,
            weights,
            [participants.len(), weeks.len()],
        ))
    }

    /// Orders flows by the number of their source, and turns their weights into shares.
    fn by_source(
        flows: Vec<(u32, Flow)>,
        edges: &[(u32, bool)],
        mut sources: Vec<Source>,
        weights: Vec<f64>,
        [participants, weeks]: [usize; 2],
    ) -> Self {
        let mut begin = 0;
        for source in &mut sources {
            source.next = begin;
            begin += source.flows;
        }
        let nothing = Flow {
            from: 0,
            to: 0,
            share: 0.0,
        };
        let mut ordered = vec![nothing; flows.len()];
        let mut ordered_edges = vec![(0, false); flows.len()];
        // What flows from a participant's part of a week along no edge.
        let fixed = BETA + GAMMA + GAMMA;
        let base = weights.len();
        let mut radiation = vec![0.0; base + 1 + weeks * (participants + 1)];
        for week in radiation[base + 1..].chunks_exact_mut(participants + 1) {
            week[1..].fill(fixed);
        }
        for ((number, flow), edge) in flows.into_iter().zip(edges) {
            let source = &mut sources[number as usize];
            let from = flow.from as usize;
            let all = if from < base {
                1.0 - ALPHA
            } else {
                1.0 - (ALPHA + BETA + GAMMA + GAMMA)
            };
            let share = (flow.share / source.total) * all;
            ordered[source.next] = Flow { share, ..flow };
            ordered_edges[source.next] = *edge;
            source.next += 1;
            radiation[from] += share;
        }
        for share in &mut radiation {
            *share = 1.0 - *share;
        }
        Self {
            ordered,
            edges: ordered_edges,
            weights,
            radiation,
        }
    }
}

/// A node that something flows from along edges.
#[derive(Clone, Copy, Default)]
struct Source {
    total: f64,
    flows: usize,
    /// Where its next flow goes.
    next: usize,
}

fn small(number: usize) -> Result<u32, CredError> {
    let small = u32::try_from(number).ok().filter(|_| number < MOST);
    small.ok_or(CredError::TooMany("the graph"))
}

fn first_week(address: &EdgeAddress, edge: &Edge, ends: [End; 2], names: &[&Name]) -> CredError {
    let participant = ends.into_iter().find_map(|end| match end {
        End::Participant(index) => Some(names[index as usize].clone()),
        End::Base(_) => None,
    });
    let is_bonus = address.has_prefix(&bonus_edges());
    CredError::FirstWeek {
        what: if is_bonus {
            "the share of a dependency".to_owned()
        } else {
            format!("the edge {address:?}")
        },
        name: participant.expect("only participants have parts of weeks"),
        at: shown_time(edge.timestamp),
        remedy: if is_bonus {
            "Let its first period in config/dependencies.json start in the second week or later"
        } else {
            "Give the edge another time, or add something earlier to the graph"
        },
    }
}
