//! What a program draws: each line is checked before anything is made of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use serde::{Deserialize, de::IgnoredAny};

use super::needs::Asked;
use propsbot_archive::{Millis, one_line};
use propsbot_graph::People;
use propsbot_sourcecred::{
    Alias, Declaration, Documents, Drawing, EdgeAddress, EdgeType, EdgeWeight, IdentityProposal,
    IdentityType, Keys, NodeAddress, NodeType, Weight, WeightedGraph, legal_name,
};

/// How many parts an address may have, and how long one of them may be, in bytes.
const PARTS: usize = 32;
const PART: usize = 256;

/// Stands for the address of a member, before the id.
const MEMBER: &str = "propsbot:member";

/// How many warnings a program may give.
const WARNINGS: usize = 100;

/// The addresses that a program may use.
struct Prefix {
    parts: [String; 2],
    nodes: NodeAddress,
    edges: EdgeAddress,
}

impl Prefix {
    fn new(plugin: &str) -> Self {
        Self {
            parts: ["external".to_owned(), plugin.to_owned()],
            nodes: NodeAddress::new(&[&"external", &plugin]),
            edges: EdgeAddress::new(&[&"external", &plugin]),
        }
    }

    fn check(parts: &[String]) -> Result<(), String> {
        let is_sound = |part: &String| part.len() <= PART && !part.contains('\0');
        if parts.is_empty() || parts.len() > PARTS || !parts.iter().all(is_sound) {
            return Err(format!(
                "an address has 1 to {PARTS} parts of at most {PART} bytes, without NUL"
            ));
        }
        Ok(())
    }

    /// Fails unless the address is the plugin's own.
    fn own<'a>(&self, parts: &'a [String], least: usize) -> Result<Vec<&'a dyn Display>, String> {
        Self::check(parts)?;
        if !parts.starts_with(&self.parts) || parts.len() < least {
            return Err(format!(
                "{parts:?} is not an address of this plugin: it has to begin with {:?}",
                self.parts
            ));
        }
        Ok(parts.iter().map(|part| part as &dyn Display).collect())
    }

    fn node(&self, parts: &[String]) -> Result<NodeAddress, String> {
        self.own(parts, 3).map(|parts| NodeAddress::new(&parts))
    }

    fn edge(&self, parts: &[String]) -> Result<EdgeAddress, String> {
        self.own(parts, 3).map(|parts| EdgeAddress::new(&parts))
    }
}

/// A line that a program writes.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Needs(Vec<Asked>),
    Node(NodeLine),
    Edge(EdgeLine),
    Weight(WeightLine),
    Declaration(DeclarationLine),
    Identity(IdentityLine),
    Warning(String),
    /// Nothing follows.
    End(IgnoredAny),
}

type Parts = Vec<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeLine {
    address: Parts,
    description: String,
    timestamp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EdgeLine {
    address: Parts,
    src: End,
    dst: End,
    timestamp: i64,
}

/// Where an edge starts or ends.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "an edge leads from and to a node's address, or {\"member\": ID} with the id as text"
)]
enum End {
    Node(Parts),
    Member { member: String },
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a weight has a node and its weight, or an edge with forwards and backwards"
)]
pub(super) enum WeightLine {
    Node {
        node: Parts,
        weight: f64,
    },
    Edge {
        edge: Parts,
        forwards: f64,
        backwards: f64,
    },
}

/// As in SourceCred's declaration.json, with addresses as lists.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DeclarationLine {
    name: String,
    node_types: Vec<NodeTypeLine>,
    edge_types: Vec<EdgeTypeLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NodeTypeLine {
    name: String,
    plural_name: String,
    prefix: Parts,
    default_weight: f64,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EdgeTypeLine {
    forward_name: String,
    backward_name: String,
    prefix: Parts,
    default_weight: Both,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Both {
    forwards: f64,
    backwards: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityLine {
    name: String,
    r#type: IdentityType,
    address: Parts,
    description: String,
}

/// What a program has drawn so far.
pub(super) struct Output {
    prefix: Prefix,
    graph: WeightedGraph,
    declaration: Option<Declaration>,
    proposals: BTreeMap<NodeAddress, IdentityProposal>,
    warnings: Vec<String>,
    /// Own nodes to which edges lead that weren't there yet, each with the line.
    ahead: Vec<(u64, NodeAddress)>,
}

impl Output {
    pub(super) fn new(plugin: &str) -> Self {
        Self {
            prefix: Prefix::new(plugin),
            graph: WeightedGraph::default(),
            declaration: None,
            proposals: BTreeMap::new(),
            warnings: Vec::new(),
            ahead: Vec::new(),
        }
    }

    /// Takes a line other than that of needs or the end.
    pub(super) fn take(&mut self, number: u64, line: Line) -> Result<(), String> {
        match line {
            Line::Needs(_) | Line::End(_) => Err("it said before what it needs".to_owned()),
            Line::Node(node) => self.node(&node),
            Line::Edge(edge) => self.edge(number, edge),
            Line::Weight(weight) => self.weight(weight),
            Line::Declaration(declaration) => self.declare(declaration),
            Line::Identity(identity) => self.identity(&identity),
            Line::Warning(_) if self.warnings.len() >= WARNINGS => {
                Err(format!("it has more than {WARNINGS} warnings"))
            }
            Line::Warning(warning) => {
                self.warnings.push(one_line(&warning));
                Ok(())
            }
        }
    }

    fn node(&mut self, line: &NodeLine) -> Result<(), String> {
        let address = self.prefix.node(&line.address)?;
        if self.graph.nodes.contains_key(&address) {
            return Err(format!("the node {:?} is there twice", line.address));
        }
        let timestamp = line.timestamp.map(time).transpose()?;
        self.graph
            .add_node(address, one_line(&line.description), timestamp);
        Ok(())
    }

    fn edge(&mut self, number: u64, line: EdgeLine) -> Result<(), String> {
        let address = self.prefix.edge(&line.address)?;
        if self.graph.edges.contains_key(&address) {
            return Err(format!("the edge {:?} is there twice", line.address));
        }
        let timestamp = time(line.timestamp)?;
        let src = self.end(number, line.src)?;
        let dst = self.end(number, line.dst)?;
        self.graph.add_edge(address, src, dst, timestamp);
        Ok(())
    }

    /// The node at an edge's end.
    fn end(&mut self, number: u64, end: End) -> Result<NodeAddress, String> {
        let parts = match end {
            // Their addresses are known at the end.
            End::Member { member } => vec![MEMBER.to_owned(), member],
            End::Node(parts) => parts,
        };
        Prefix::check(&parts)?;
        let parts: Vec<&dyn Display> = parts.iter().map(|part| part as &dyn Display).collect();
        let node = NodeAddress::new(&parts);
        if node.has_prefix(&self.prefix.nodes) && !self.graph.nodes.contains_key(&node) {
            self.ahead.push((number, node.clone()));
        }
        Ok(node)
    }

    fn weight(&mut self, line: WeightLine) -> Result<(), String> {
        let is_new = match line {
            WeightLine::Node { node, weight: of } => {
                let address = self.prefix.node(&node)?;
                self.graph
                    .node_weights
                    .insert(address, weight(of)?)
                    .is_none()
            }
            WeightLine::Edge {
                edge,
                forwards,
                backwards,
            } => {
                let address = self.prefix.edge(&edge)?;
                let both = both(&Both {
                    forwards,
                    backwards,
                })?;
                self.graph.edge_weights.insert(address, both).is_none()
            }
        };
        if is_new {
            Ok(())
        } else {
            Err("this address has two weights".to_owned())
        }
    }

    fn declare(&mut self, line: DeclarationLine) -> Result<(), String> {
        if self.declaration.is_some() {
            return Err("there are two declarations".to_owned());
        }
        let mut node_types = Vec::new();
        for of in line.node_types {
            let parts = self.prefix.own(&of.prefix, 2)?;
            node_types.push(NodeType {
                name: one_line(&of.name).into(),
                plural_name: one_line(&of.plural_name).into(),
                prefix: NodeAddress::new(&parts),
                default_weight: weight(of.default_weight)?,
                description: one_line(&of.description).into(),
            });
        }
        let mut edge_types = Vec::new();
        for of in line.edge_types {
            let parts = self.prefix.own(&of.prefix, 2)?;
            edge_types.push(EdgeType {
                forward_name: one_line(&of.forward_name).into(),
                backward_name: one_line(&of.backward_name).into(),
                prefix: EdgeAddress::new(&parts),
                default_weight: both(&of.default_weight)?,
                description: one_line(&of.description).into(),
            });
        }
        let nodes: BTreeSet<_> = node_types.iter().map(|of| &of.prefix).collect();
        let edges: BTreeSet<_> = edge_types.iter().map(|of| &of.prefix).collect();
        if nodes.len() < node_types.len() || edges.len() < edge_types.len() {
            return Err("two types have the same prefix".to_owned());
        }
        let name = one_line(&line.name);
        self.declaration = Some(self.declaration(name, node_types, edge_types));
        Ok(())
    }

    fn declaration(
        &self,
        name: String,
        node_types: Vec<NodeType>,
        edge_types: Vec<EdgeType>,
    ) -> Declaration {
        Declaration {
            name,
            node_prefix: self.prefix.nodes.clone(),
            edge_prefix: self.prefix.edges.clone(),
            node_types,
            edge_types,
            user_types: Vec::new(),
            keys: Keys::default(),
        }
    }

    fn identity(&mut self, line: &IdentityLine) -> Result<(), String> {
        let address = self.prefix.node(&line.address)?;
        let name = legal_name(&line.name);
        if name.is_empty() {
            return Err(format!(
                "{:?} is no name: it has no letter from A to Z and no digit",
                line.name
            ));
        }
        let proposal = IdentityProposal {
            name,
            plugin_name: "external".into(),
            r#type: line.r#type,
            alias: Alias {
                description: one_line(&line.description),
                address: address.clone(),
            },
        };
        match self.proposals.insert(address, proposal) {
            None => Ok(()),
            Some(_) => Err(format!("{:?} is proposed twice", line.address)),
        }
    }

    /// Checks what only shows at the end; returns the line that is wrong, and why.
    pub(super) fn end_of(mut self) -> Result<Self, (Option<u64>, String)> {
        let mut ahead = self.ahead.iter();
        let missing = ahead.find(|(_, node)| !self.graph.nodes.contains_key(node));
        if let Some((line, node)) = missing {
            let why = format!("the edge leads to {node:?}, which is no node of this plugin");
            return Err((Some(*line), why));
        }
        if let Some(address) = self
            .proposals
            .keys()
            .find(|address| !self.graph.nodes.contains_key(*address))
        {
            return Err((None, format!("the identity {address:?} has no node")));
        }
        if self.declaration.is_none() {
            let name = self.prefix.parts[1].clone();
            let node = NodeType {
                name: "Contribution".into(),
                plural_name: "Contributions".into(),
                prefix: self.prefix.nodes.clone(),
                default_weight: Weight::ONE,
                description: "".into(),
            };
            let edge = EdgeType {
                forward_name: "leads to".into(),
                backward_name: "comes from".into(),
                prefix: self.prefix.edges.clone(),
                default_weight: EdgeWeight::new(1.0, 0.0625),
                description: "".into(),
            };
            self.declaration = Some(self.declaration(name, vec![node], vec![edge]));
        }
        let declared = self.declaration.iter();
        let nodes = declared.clone().flat_map(|declared| &declared.node_types);
        let edges = declared.flat_map(|declared| &declared.edge_types);
        let mut twice = nodes
            .filter(|of| self.graph.node_weights.contains_key(&of.prefix))
            .map(|of| format!("{:?}", of.prefix))
            .chain(
                edges
                    .filter(|of| self.graph.edge_weights.contains_key(&of.prefix))
                    .map(|of| format!("{:?}", of.prefix)),
            );
        if let Some(address) = twice.next() {
            return Err((
                None,
                format!("{address} has a weight, and another one as a type"),
            ));
        }
        drop(twice);
        Ok(self)
    }

    /// What was drawn, and how many ends of edges are members who aren't known.
    pub(super) fn drawing(mut self, people: &People) -> (Drawing, usize) {
        let addresses = people.addresses();
        let member = NodeAddress::new(&[&MEMBER]);
        let mut unknown = 0;
        self.graph.edges.retain(|_, edge| {
            for end in [&mut edge.src, &mut edge.dst] {
                if end.has_prefix(&member) {
                    let id = end.last_part().parse().ok();
                    let Some(address) = id.and_then(|id| addresses.get(&id)) else {
                        unknown += 1;
                        return false;
                    };
                    end.clone_from(address);
                }
            }
            true
        });
        let documents = Documents {
            graph: self.graph,
            declaration: self.declaration.expect("the end was checked"),
            proposals: self.proposals.into_values().collect(),
        };
        let drawing = Drawing {
            warnings: self.warnings,
            ..Drawing::from(documents)
        };
        (drawing, unknown)
    }
}

/// The latest time that JavaScript has.
const LATEST: i64 = 8_640_000_000_000_000;

fn time(millis: i64) -> Result<Millis, String> {
    if (-LATEST..=LATEST).contains(&millis) {
        Ok(Millis(millis))
    } else {
        Err(format!("{millis} is no time in milliseconds since 1970"))
    }
}

fn weight(number: f64) -> Result<Weight, String> {
    Weight::try_from(number).map_err(|error| error.to_string())
}

fn both(of: &Both) -> Result<EdgeWeight, String> {
    Ok(EdgeWeight {
        forwards: weight(of.forwards)?,
        backwards: weight(of.backwards)?,
    })
}
