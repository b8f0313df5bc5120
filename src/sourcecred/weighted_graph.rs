//! The weighted graph that SourceCred's External plugin reads: `graph.json`.
//!
//! Source: SourceCred 0.11.2, `core/graph.js` and `core/weights.js` (`toJSON`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Write},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Declaration, EdgeAddress, EdgeWeight, NodeAddress, Weight, address::Parts};
use propsbot_archive::Millis;

/// Nodes, edges, and the weights on top of their types' weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedGraph {
    /// The nodes.
    pub nodes: BTreeMap<NodeAddress, Node>,
    /// The edges. SourceCred ignores an edge to a node that isn't there.
    pub edges: BTreeMap<EdgeAddress, Edge>,
    /// Node weights by address prefix. SourceCred multiplies them with the types' weights, and refuses a
    /// prefix that a type has too.
    pub node_weights: BTreeMap<NodeAddress, Weight>,
    /// Edge weights by address prefix, likewise.
    pub edge_weights: BTreeMap<EdgeAddress, EdgeWeight>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A line of Markdown. Escape what people wrote; see [`description`](crate::description).
    pub description: String,
    /// When it happened; `None` for things without a time, such as people.
    pub timestamp: Option<Millis>,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The node it starts at.
    pub src: NodeAddress,
    /// The node it ends at.
    pub dst: NodeAddress,
    /// When it happened.
    pub timestamp: Millis,
}

/// Why SourceCred's `credrank` fails on a valid graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It has no nodes.
    #[error(
        "the graph is empty because nothing in the archive counts yet. SourceCred's credrank will fail until something does"
    )]
    Empty,
    /// No node mints cred.
    #[error(
        "nothing in the graph mints cred because everything weighs 0. SourceCred's credrank will fail unless the instance's config/weights.json changes that; give something a weight above 0"
    )]
    MintsNothing,
}

impl WeightedGraph {
    /// Adds a node, or replaces the one at this address. See [`Node`] for what the arguments mean.
    pub fn add_node(
        &mut self,
        address: NodeAddress,
        description: String,
        timestamp: Option<Millis>,
    ) {
        let node = Node {
            description,
            timestamp,
        };
        self.nodes.insert(address, node);
    }

    /// Adds an edge, or replaces the one at this address. See [`Edge`] for what the arguments mean.
    pub fn add_edge(
        &mut self,
        address: EdgeAddress,
        src: NodeAddress,
        dst: NodeAddress,
        timestamp: Millis,
    ) {
        let edge = Edge {
            src,
            dst,
            timestamp,
        };
        self.edges.insert(address, edge);
    }

    /// Whether `credrank` can work with the graph.
    pub fn check(&self, declaration: &Declaration) -> Result<(), Unusable> {
        if self.nodes.is_empty() {
            return Err(Unusable::Empty);
        }
        let mints = |address| {
            let own = self.node_weights.get(address).copied();
            own.unwrap_or(Weight::ONE) > Weight::ZERO
                && declaration.weight_of(address) > Weight::ZERO
        };
        if self.nodes.keys().any(mints) {
            Ok(())
        } else {
            Err(Unusable::MintsNothing)
        }
    }

    /// Writes `graph.json`, one node and edge at a time.
    pub fn write_json(&self, to: impl Write) -> io::Result<()> {
        let weights = WeightsJson {
            node_weights: &self.node_weights,
            edge_weights: &self.edge_weights,
        };
        let both = WeightedGraphJson {
            graph_json: versioned("sourcecred/graph", "0.8.0", GraphJson::new(self)),
            weights_json: versioned("sourcecred/weights", "0.2.0", weights),
        };
        write_json(to, &versioned("sourcecred/weightedGraph", "0.1.0", both))
    }
}

/// Writes a document of SourceCred's, with a line break at its end.
pub(super) fn write_json(mut to: impl Write, document: &impl Serialize) -> io::Result<()> {
    write_javascript(&mut to, document)?;
    to.write_all(b"\n")
}

/// Writes JSON with numbers as JavaScript writes them.
pub(super) fn write_javascript(to: impl Write, document: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(to, AsJavaScript);
    Ok(document.serialize(&mut serializer)?)
}

/// Writes numbers like JavaScript, so that the same graph gives the same bytes as SourceCred's.
struct AsJavaScript;

impl serde_json::ser::Formatter for AsJavaScript {
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format_finite(number).as_bytes())
    }
}

/// A document with the mark that says what it is, as SourceCred writes it.
type Versioned<T> = (Version, T);

#[derive(Serialize)]
struct Version {
    r#type: &'static str,
    version: &'static str,
}

fn versioned<T>(r#type: &'static str, version: &'static str, document: T) -> Versioned<T> {
    (Version { r#type, version }, document)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WeightedGraphJson<'a> {
    #[serde(rename = "graphJSON")]
    graph_json: Versioned<GraphJson<'a>>,
    #[serde(rename = "weightsJSON")]
    weights_json: Versioned<WeightsJson<'a>>,
}

/// A graph as it is written: addresses, nodes and edges, each sorted by address.
struct GraphJson<'a> {
    graph: &'a WeightedGraph,
    /// Includes nodes that aren't there, if edges lead to them.
    addresses: Vec<&'a NodeAddress>,
    /// Only looked up: its order is random.
    indices: HashMap<&'a NodeAddress, usize>,
}

impl<'a> GraphJson<'a> {
    fn new(graph: &'a WeightedGraph) -> Self {
        let ends = graph.edges.values().flat_map(|edge| [&edge.src, &edge.dst]);
        let absent: BTreeSet<_> = ends.filter(|end| !graph.nodes.contains_key(*end)).collect();
        let mut addresses: Vec<&NodeAddress> = graph.nodes.keys().chain(absent).collect();
        addresses.sort_unstable();
        Self {
            graph,
            indices: addresses.iter().copied().zip(0..).collect(),
            addresses,
        }
    }

    fn nodes(&self) -> impl Iterator<Item = NodeJson<'a>> {
        let nodes = self.graph.nodes.iter();
        nodes.map(|(address, node)| NodeJson {
            index: self.indices[address],
            description: &node.description,
            timestamp_ms: node.timestamp,
        })
    }

    fn edges(&self) -> impl Iterator<Item = EdgeJson<'a>> {
        let edges = self.graph.edges.iter();
        edges.map(|(address, edge)| EdgeJson {
            address: address.parts(),
            src_index: self.indices[&edge.src],
            dst_index: self.indices[&edge.dst],
            timestamp_ms: edge.timestamp,
        })
    }
}

impl Serialize for GraphJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let addresses = || self.addresses.iter().map(|address| address.parts());
        let mut fields = serializer.serialize_struct("GraphJson", 3)?;
        fields.serialize_field("sortedNodeAddresses", &Each(addresses))?;
        fields.serialize_field("nodes", &Each(|| self.nodes()))?;
        fields.serialize_field("edges", &Each(|| self.edges()))?;
        fields.end()
    }
}

/// A list whose items are made as they are written.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeJson<'a> {
    index: usize,
    description: &'a str,
    timestamp_ms: Option<Millis>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeJson<'a> {
    address: Parts<'a>,
    src_index: usize,
    dst_index: usize,
    timestamp_ms: Millis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WeightsJson<'a> {
    node_weights: &'a BTreeMap<NodeAddress, Weight>,
    edge_weights: &'a BTreeMap<EdgeAddress, EdgeWeight>,
}
