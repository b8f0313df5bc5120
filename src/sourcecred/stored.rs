//! Reads graphs back that this or any other plugin has written.

use std::{collections::BTreeMap, fmt, io::Read, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

use super::{
    Declaration, Edge, EdgeAddress, EdgeWeight, Node, NodeAddress, Weight, WeightedGraph,
    address::FromParts,
};
use propsbot_archive::Millis;

/// A graph's types, as far as they decide what it mints and where that flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Types {
    /// The prefix of all nodes.
    pub node_prefix: NodeAddress,
    /// Node weights by address prefix.
    pub nodes: Vec<(NodeAddress, Weight)>,
    /// Edge weights by address prefix.
    pub edges: Vec<(EdgeAddress, EdgeWeight)>,
    /// The address prefixes of people.
    pub people: Vec<NodeAddress>,
}

/// A file that isn't a graph or declaration of `SourceCred`'s.
#[derive(Debug, thiserror::Error)]
#[error("this is not a {what} as SourceCred 0.11.2 writes it: {source}")]
pub struct NotStored {
    what: &'static str,
    source: serde_json::Error,
}

impl From<&Declaration> for Types {
    fn from(declaration: &Declaration) -> Self {
        let nodes = declaration.node_types.iter();
        let edges = declaration.edge_types.iter();
        let people = declaration.user_types.iter();
        Self {
            node_prefix: declaration.node_prefix.clone(),
            nodes: nodes
                .map(|node| (node.prefix.clone(), node.default_weight))
                .collect(),
            edges: edges
                .map(|edge| (edge.prefix.clone(), edge.default_weight))
                .collect(),
            people: people.map(|person| person.prefix.clone()).collect(),
        }
    }
}

impl Types {
    /// Reads a `declaration.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, NotStored> {
        let stored: StoredTypes = parse("declaration", json)?;
        let nodes = stored.node_types.into_iter();
        let edges = stored.edge_types.into_iter();
        let people = stored.user_types.into_iter();
        Ok(Self {
            node_prefix: stored.node_prefix,
            nodes: nodes
                .map(|node| (node.prefix, node.default_weight.0))
                .collect(),
            edges: edges
                .map(|edge| (edge.prefix, edge.default_weight.into()))
                .collect(),
            people: people.map(|person| person.prefix).collect(),
        })
    }
}

impl Types {
    /// The types of SourceCred's External plugin `owner/name` if it has no `declaration.json`.
    pub fn undeclared(owner: &str, name: &str) -> Self {
        let node = |r#type: &str| NodeAddress::new(&[&owner, &name, &r#type]);
        let edge = EdgeAddress::new(&[&owner, &name, &"PARTICIPATES_IN"]);
        Self {
            node_prefix: NodeAddress::new(&[&owner, &name]),
            nodes: ["PARTICIPANT", "CONTRIBUTION"]
                .map(|r#type| (node(r#type), Weight::ONE))
                .to_vec(),
            edges: vec![(edge, EdgeWeight::new(0.5, 1.0))],
            people: vec![node("PARTICIPANT")],
        }
    }
}

impl WeightedGraph {
    /// Reads a `graph.json` whose weights aren't negative.
    pub fn from_json(json: &[u8]) -> Result<Self, NotStored> {
        let (_, stored): (WeightedGraphMark, StoredBoth) = parse("graph", json)?;
        let graph = Self::from_stored(stored)?;
        let nodes = graph.node_weights.values().copied();
        let edges = graph
            .edge_weights
            .values()
            .flat_map(|edge| [edge.forwards, edge.backwards]);
        match nodes.chain(edges).find(|weight| *weight < Weight::ZERO) {
            None => Ok(graph),
            Some(weight) => Err(NotStored {
                what: "graph",
                source: serde_json::Error::custom(StoredWeight::negative(weight.get())),
            }),
        }
    }

    /// Reads a `graph.json` as SourceCred reads it: weights may be negative. The text, which is as large as the graph,
    /// is never in memory. `json` should be a `BufReader`, not a reference to one, which is read byte by byte.
    pub fn from_json_as_is(json: impl Read) -> Result<Self, NotStored> {
        let parsed = serde_json::from_reader(json);
        let (_, stored): (WeightedGraphMark, StoredBoth) = parsed.map_err(|source| NotStored {
            what: "graph",
            source,
        })?;
        Self::from_stored(stored)
    }

    fn from_stored(both: StoredBoth) -> Result<Self, NotStored> {
        let (_, graph) = both.graph_json;
        let (_, weights) = both.weights_json;
        let addresses: Vec<NodeAddress> = graph
            .addresses
            .into_iter()
            .map(|address| address.0)
            .collect();
        let at = |index: usize| {
            addresses.get(index).cloned().ok_or_else(|| NotStored {
                what: "graph",
                source: serde_json::Error::custom(format_args!("it has no address {index}")),
            })
        };
        let mut read = Self::default();
        let nodes = graph.nodes.into_iter().map(|node| {
            let (description, timestamp) = (node.description, node.timestamp_ms);
            Ok((
                at(node.index)?,
                Node {
                    description,
                    timestamp,
                },
            ))
        });
        read.nodes = nodes.collect::<Result<_, _>>()?;
        let edges = graph.edges.into_iter().map(|edge| {
            let ends = Edge {
                src: at(edge.src_index)?,
                dst: at(edge.dst_index)?,
                timestamp: edge.timestamp_ms,
            };
            Ok((edge.address.0, ends))
        });
        read.edges = edges.collect::<Result<_, _>>()?;
        let nodes = weights.node_weights.into_iter();
        let edges = weights.edge_weights.into_iter();
        read.node_weights = nodes
            .map(|(prefix, node)| (prefix, Weight::computed(node)))
            .collect();
        let both = |ways: AnyEdgeWeight| EdgeWeight::new(ways.forwards, ways.backwards);
        read.edge_weights = edges.map(|(prefix, edge)| (prefix, both(edge))).collect();
        Ok(read)
    }
}

fn parse<'de, T: Deserialize<'de>>(what: &'static str, json: &'de [u8]) -> Result<T, NotStored> {
    serde_json::from_slice(json).map_err(|source| NotStored { what, source })
}

/// The head of `graph.json`; there is only one version.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read to be checked")]
struct WeightedGraphMark {
    r#type: WeightedGraphType,
    version: Version,
}

#[derive(Deserialize)]
enum WeightedGraphType {
    #[serde(rename = "sourcecred/weightedGraph")]
    WeightedGraph,
}

#[derive(Deserialize)]
enum Version {
    #[serde(rename = "0.1.0")]
    Current,
}

type Marked<T> = (serde::de::IgnoredAny, T);

#[derive(Deserialize)]
struct StoredBoth {
    #[serde(rename = "graphJSON")]
    graph_json: Marked<StoredGraph>,
    #[serde(rename = "weightsJSON")]
    weights_json: Marked<StoredWeights>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredGraph {
    #[serde(rename = "sortedNodeAddresses")]
    addresses: Vec<OfParts<NodeAddress>>,
    nodes: Vec<StoredNode>,
    edges: Vec<StoredEdge>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredNode {
    index: usize,
    description: String,
    timestamp_ms: Option<Millis>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredEdge {
    address: OfParts<EdgeAddress>,
    src_index: usize,
    dst_index: usize,
    timestamp_ms: Millis,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredWeights {
    node_weights: BTreeMap<NodeAddress, f64>,
    edge_weights: BTreeMap<EdgeAddress, AnyEdgeWeight>,
}

#[derive(Deserialize)]
struct AnyEdgeWeight {
    forwards: f64,
    backwards: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredTypes {
    node_prefix: NodeAddress,
    node_types: Vec<StoredType<NodeAddress, StoredWeight>>,
    edge_types: Vec<StoredType<EdgeAddress, StoredEdgeWeight>>,
    user_types: Vec<StoredType<NodeAddress, StoredWeight>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredType<A, W> {
    prefix: A,
    default_weight: W,
}

/// A weight of any size: it may be a product, or another plugin's.
struct StoredWeight(Weight);

impl StoredWeight {
    fn negative(number: f64) -> String {
        format!("{number} is not a weight: it is negative")
    }
}

impl<'de> Deserialize<'de> for StoredWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let weight = Weight::product(number);
        weight
            .map(Self)
            .ok_or_else(|| D::Error::custom(Self::negative(number)))
    }
}

#[derive(Deserialize)]
struct StoredEdgeWeight {
    forwards: StoredWeight,
    backwards: StoredWeight,
}

impl From<StoredEdgeWeight> for EdgeWeight {
    fn from(stored: StoredEdgeWeight) -> Self {
        Self {
            forwards: stored.forwards.0,
            backwards: stored.backwards.0,
        }
    }
}

/// An address written as the list of its parts.
struct OfParts<A>(A);

impl<'de, A: FromParts> Deserialize<'de> for OfParts<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<A>(PhantomData<A>);

        impl<'de, A: FromParts> Visitor<'de> for Parts<A> {
            type Value = A;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address's parts")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<A, S::Error> {
                A::from_parts(seq)
            }
        }

        deserializer.deserialize_seq(Parts(PhantomData)).map(Self)
    }
}
