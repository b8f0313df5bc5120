//! A weighted graph as SourceCred's External plugin reads it from `graph.json`.
//!
//! Source: SourceCred 0.11.2, `core/graph.js` and `core/weights.js` (`toJSON`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Write},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Declaration, EdgeAddress, EdgeWeight, NodeAddress, Weight, address::Parts};
use propsbot_archive::Millis;

/// Nodes, the edges between them, and the weights that are not their types'.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedGraph {
    /// The nodes.
    pub nodes: BTreeMap<NodeAddress, Node>,
    /// The edges between them. SourceCred ignores one that leads to no node.
    pub edges: BTreeMap<EdgeAddress, Edge>,
    /// Weights of nodes, on top of (multiplied with) their types'. SourceCred refuses a prefix that
    /// the declaration weighs too.
    pub node_weights: BTreeMap<NodeAddress, Weight>,
    /// Weights of edges, likewise.
    pub edge_weights: BTreeMap<EdgeAddress, EdgeWeight>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is, in a line of Markdown: whatever people wrote must be escaped.
    pub description: String,
    /// When it came to be; `None` for what is of no time, such as members.
    pub timestamp: Option<Millis>,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where it comes from.
    pub src: NodeAddress,
    /// Where it leads.
    pub dst: NodeAddress,
    /// When it came to be.
    pub timestamp: Millis,
}

/// Why SourceCred's `credrank` would fail on a graph that is otherwise sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is nothing in it.
    #[error(
        "the graph is empty: the archive shows nothing yet that counts. SourceCred's credrank will fail until it does"
    )]
    Empty,
    /// Nothing in it mints cred.
    #[error(
        "nothing in the graph mints cred: what is in it weighs 0. SourceCred's credrank will fail, unless the instance's config/weights.json says otherwise; give something a weight above 0"
    )]
    MintsNothing,
}

impl WeightedGraph {
    /// Whether `credrank` can make anything of the graph.
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

    /// Writes `graph.json`, a node and an edge at a time.
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

/// Writes a document of SourceCred's, and ends its last line.
pub(super) fn write_json(mut to: impl Write, document: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut to, AsJavaScript);
    document.serialize(&mut serializer)?;
    to.write_all(b"\n")
}

/// Writes numbers as JavaScript does, so that the same graph has the same bytes.
struct AsJavaScript;

impl serde_json::ser::Formatter for AsJavaScript {
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format_finite(number).as_bytes())
    }
}

/// How SourceCred marks what a document is: the mark, then the document.
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

/// A graph as it is written: the addresses, the nodes, and the edges, each by address.
struct GraphJson<'a> {
    graph: &'a WeightedGraph,
    /// Nodes that are not there are addressed all the same, if edges lead to them.
    addresses: Vec<&'a NodeAddress>,
    /// Looked up, never iterated: its order is nobody's.
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

/// A list that is made as it is written.
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
