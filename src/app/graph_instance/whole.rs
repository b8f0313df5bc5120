//! Another instance's whole graph, with its people.
//!
//! Budgets go by the prefix of a plugin's nodes, so everything but people gets the plugin's own prefix before its
//! address. Each participant there is one node here, whatever the number of their accounts: members of this
//! community at their own address, others as people of the other one. Without those, what they earn would land
//! on members.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt::{Debug, Display},
    iter,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::{Addresses, place::Place, view::View};
use crate::app::cred::plugin_id;
use propsbot_sourcecred::{
    Alias, EdgeAddress, EdgeType, EdgeWeight, IdentityProposal, Node, NodeAddress, NodeType,
    Weight, WeightedGraph, description, legal_name,
};

/// What follows the plugin's own prefix in the addresses of the other graph.
const GRAPH: &str = "GRAPH";
/// What follows it in those of people without an account on Discord.
const PERSON: &str = "PERSON";

/// How long proposed names are: SourceCred appends up to `-instance-99` to one that is taken, and allows 42
/// characters.
const NAME_LENGTH: usize = 30;
/// How much of a name a description shows, in UTF-16 code units.
const NAME_UNITS: usize = 40;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    bundled_plugins: Vec<String>,
}

/// Reads the graphs of these plugins, or of all that the instance has, as `sourcecred graph` left them.
pub(super) async fn read(
    place: &Place,
    plugins: Option<&[String]>,
) -> anyhow::Result<WeightedGraph> {
    let plugins = if let Some(plugins) = plugins {
        plugins.to_vec()
    } else {
        let file = "sourcecred.json";
        let json = place.read(file).await?.with_context(|| {
            format!("{place} has no {file}, which lists its plugins: name them in \"plugins\"")
        })?;
        let config: Config = serde_json::from_slice(&json)
            .with_context(|| format!("could not read {file} of {place}"))?;
        config.bundled_plugins
    };
    let mut all = WeightedGraph::default();
    for plugin in plugins {
        let (owner, name) = plugin_id(&plugin)?;
        let folder = format!("output/graphs/{owner}/{name}");
        let mut graph = None;
        // The one without suffix is compressed.
        for file in ["graph", "graph.json"] {
            let file = format!("{folder}/{file}");
            if let Some(json) = place.read(&file).await? {
                let read = WeightedGraph::from_json(&json);
                graph = Some(read.with_context(|| format!("could not read {file} of {place}"))?);
                break;
            }
        }
        let graph = graph.with_context(|| {
            format!("{place} has no graph in {folder}: run `sourcecred graph` there first")
        })?;
        all.nodes.extend(graph.nodes);
        all.edges.extend(graph.edges);
        add(&mut all.node_weights, graph.node_weights)?;
        add(&mut all.edge_weights, graph.edge_weights)?;
    }
    Ok(all)
}

/// Adds weights of another graph. As in SourceCred, a prefix has one only once.
fn add<A: Ord + Debug, W>(to: &mut BTreeMap<A, W>, weights: BTreeMap<A, W>) -> anyhow::Result<()> {
    for (prefix, weight) in weights {
        match to.entry(prefix) {
            Entry::Vacant(new) => {
                new.insert(weight);
            }
            Entry::Occupied(known) => bail!(
                "two plugins of the other instance give {:?} a weight, which SourceCred refuses, too",
                known.key()
            ),
        }
    }
    Ok(())
}

/// The graph with these people, and the accounts of those who aren't `known` here.
pub(super) fn graph(
    theirs: &WeightedGraph,
    view: &View,
    community: &str,
    addresses: &Addresses,
    known: &BTreeSet<NodeAddress>,
) -> (WeightedGraph, Vec<IdentityProposal>) {
    let mut drawn = WeightedGraph::default();
    let (people, proposals) = people(theirs, view, community, addresses, known, &mut drawn);
    let node_at = |address: &NodeAddress| match people.get(address) {
        Some(person) => person.clone(),
        None => addresses.node(address),
    };
    for (
        address,
        Node {
            description,
            timestamp,
        },
    ) in &theirs.nodes
    {
        if people.contains_key(address) {
            continue;
        }
        let node = addresses.node(address);
        drawn.add_node(node, description.clone(), *timestamp);
    }
    for (prefix, weight) in &theirs.node_weights {
        drawn.node_weights.insert(addresses.node(prefix), *weight);
    }
    // Budgets don't limit what has no time, so it must mint nothing.
    let contributions = theirs.nodes.iter();
    let timeless = contributions
        .filter(|(address, node)| node.timestamp.is_none() && !people.contains_key(address));
    for (address, _) in timeless {
        let node = addresses.node(address);
        drawn.node_weights.insert(node, Weight::ZERO);
    }
    for (prefix, weight) in &theirs.edge_weights {
        drawn.edge_weights.insert(addresses.edge(prefix), *weight);
    }
    for (address, edge) in &theirs.edges {
        let [src, dst] = [&edge.src, &edge.dst].map(node_at);
        let address = addresses.edge(address);
        let of_members = [&src, &dst].map(|end| known.contains(end));
        if of_members != [false, false] {
            // What members earn here must not flow to people over there.
            let weight = drawn.edge_weights.entry(address.clone());
            let weight = weight.or_insert(EdgeWeight::ONE);
            let [from_src, from_dst] = of_members;
            if from_src {
                weight.forwards = Weight::ZERO;
            }
            if from_dst {
                weight.backwards = Weight::ZERO;
            }
        }
        drawn.add_edge(address, src, dst, edge.timestamp);
    }
    (drawn, proposals)
}

/// The node of each alias that is in the other graph. Nodes and accounts of people who aren't known here are added.
fn people(
    theirs: &WeightedGraph,
    view: &View,
    community: &str,
    addresses: &Addresses,
    known: &BTreeSet<NodeAddress>,
    drawn: &mut WeightedGraph,
) -> (BTreeMap<NodeAddress, NodeAddress>, Vec<IdentityProposal>) {
    let mut nodes = BTreeMap::new();
    let mut proposals = Vec::new();
    let discord = NodeAddress::new(&[&"sourcecred", &"discord", &"MEMBER"]);
    for participant in &view.participants {
        let identity = &participant.identity;
        let mut aliases: Vec<&NodeAddress> = identity
            .aliases
            .iter()
            .map(|alias| &alias.address)
            .collect();
        aliases.sort_unstable();
        if !aliases.iter().any(|alias| theirs.nodes.contains_key(alias)) {
            continue;
        }
        let member = aliases.iter().find(|alias| known.contains(alias));
        let account = || aliases.iter().find(|alias| alias.has_prefix(&discord));
        let node = match member.or_else(account) {
            Some(alias) => (*alias).clone(),
            None => addresses.nodes.with(&[&PERSON, &identity.id]),
        };
        if member.is_none() {
            let own = theirs.nodes.get(&node).map(|own| own.description.clone());
            let text = own.unwrap_or_else(|| {
                let name = description::text(&identity.name, NAME_UNITS);
                format!("{name} in {community}")
            });
            drawn.add_node(node.clone(), text.clone(), None);
            let mut name = legal_name(&identity.name);
            name.truncate(NAME_LENGTH);
            if name.is_empty() {
                name = format!("{community}-member");
                name.truncate(NAME_LENGTH);
            }
            proposals.push(IdentityProposal {
                name,
                plugin_name: "instance".into(),
                r#type: identity.subtype,
                alias: Alias {
                    description: text,
                    address: node.clone(),
                },
            });
        }
        let aliases = aliases.into_iter().cloned();
        nodes.extend(aliases.map(|alias| (alias, node.clone())));
    }
    proposals.sort_by(|a, b| a.alias.address.cmp(&b.alias.address));
    (nodes, proposals)
}

impl Addresses {
    /// Where a node, or a prefix of nodes, of the other graph is here.
    fn node(&self, theirs: &NodeAddress) -> NodeAddress {
        let parts: Vec<&str> = iter::once(GRAPH).chain(theirs.split()).collect();
        self.nodes.with(&shown(&parts))
    }

    fn edge(&self, theirs: &EdgeAddress) -> EdgeAddress {
        let parts: Vec<&str> = iter::once(GRAPH).chain(theirs.split()).collect();
        self.edges.with(&shown(&parts))
    }
}

fn shown<'a>(parts: &'a [&str]) -> Vec<&'a dyn Display> {
    parts.iter().map(|part| part as &dyn Display).collect()
}

pub(super) fn types(addresses: &Addresses) -> (Vec<NodeType>, Vec<EdgeType>) {
    let contributions = NodeType {
        name: "Contribution elsewhere".into(),
        plural_name: "Contributions elsewhere".into(),
        prefix: addresses.nodes.clone(),
        default_weight: Weight::ONE,
        description: "Something in another community's graph".into(),
    };
    let edges = vec![EdgeType {
        forward_name: "is connected to".into(),
        backward_name: "is connected to".into(),
        prefix: addresses.edges.clone(),
        default_weight: EdgeWeight::ONE,
        description: "A connection in another community's graph".into(),
    }];
    (vec![contributions, person(addresses)], edges)
}

/// People of the other community who have no account on Discord.
pub(super) fn person(addresses: &Addresses) -> NodeType {
    NodeType {
        name: "Person elsewhere".into(),
        plural_name: "People elsewhere".into(),
        prefix: addresses.nodes.with(&[&PERSON]),
        default_weight: Weight::ZERO,
        description: "Somebody in another community".into(),
    }
}
