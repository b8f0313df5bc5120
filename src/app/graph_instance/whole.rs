//! Another instance's whole graph, with its people.
//!
//! Budgets go by the prefix of a plugin's nodes, so everything but people gets the plugin's own prefix before its
//! address. Each participant there is one node here, whatever the number of their accounts: members of this
//! community at their own address, others as people of the other one. Without those, what they earn would land
//! on members.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::{Debug, Display},
    iter,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::{
    Addresses, Members,
    place::{LONGEST, Place},
    view::View,
};
use crate::app::cred::plugin_id;
use propsbot_archive::Millis;
use propsbot_sourcecred::{
    Alias, EdgeAddress, EdgeType, EdgeWeight, IdentityProposal, Node, NodeAddress, NodeType,
    Weight, WeightedGraph, cred::Budget, description, legal_name,
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

/// What somebody who opted out of everything here is called.
const UNNAMED: &str = "someone";

/// How many plugins it may have.
const PLUGINS: usize = 32;
/// The longest list of them, uncompressed.
const LONGEST_LIST: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    bundled_plugins: Vec<String>,
}

/// Reads the graphs of these plugins, or of all that the instance has, as `sourcecred graph` left them.
pub(super) async fn read(
    place: &mut Place,
    plugins: Option<&[String]>,
) -> anyhow::Result<WeightedGraph> {
    let plugins = if let Some(plugins) = plugins {
        plugins.to_vec()
    } else {
        let file = "sourcecred.json";
        let json = place.read(file, LONGEST_LIST).await?.with_context(|| {
            format!("{place} has no {file}, which lists its plugins: name them in \"plugins\"")
        })?;
        let config: Config = serde_json::from_slice(&json)
            .with_context(|| format!("could not read {file} of {place}"))?;
        config.bundled_plugins
    };
    let mut all = WeightedGraph::default();
    for (owner, name) in each_once(&plugins)? {
        let folder = format!("output/graphs/{owner}/{name}");
        let mut graph = None;
        // The one without suffix is compressed.
        for file in ["graph", "graph.json"] {
            let file = format!("{folder}/{file}");
            if let Some(json) = place.read(&file, LONGEST).await? {
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

/// The owner and the name of each of these plugins, once.
///
/// # Errors
/// Texts that aren't plugins, and too many.
pub(super) fn each_once(plugins: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let mut ids = Vec::new();
    for plugin in plugins {
        let id = plugin_id(plugin)?;
        if ids.contains(&id) {
            continue;
        }
        if ids.len() == PLUGINS {
            bail!(
                "the other instance has more than {PLUGINS} plugins: name up to {PLUGINS} of them in \"plugins\""
            );
        }
        ids.push(id);
    }
    Ok(ids)
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

/// The graph with these people, and the accounts of those who aren't known here.
pub(super) fn graph(
    theirs: &WeightedGraph,
    view: &View,
    community: &str,
    addresses: &Addresses,
    members: &Members,
    now: Millis,
) -> (WeightedGraph, Vec<IdentityProposal>) {
    let mut drawn = WeightedGraph::default();
    let (people, proposals) = people(theirs, view, community, addresses, members, &mut drawn);
    // Those who opted out of everything here and have no account there.
    let unnamed = addresses.nodes.with(&[&PERSON, &UNNAMED]);
    let node_at = |address: &NodeAddress| match people.get(address) {
        Some(person) => person.clone(),
        None if members.known.contains_key(address) => address.clone(),
        None if members.hidden.contains(address) => unnamed.clone(),
        None => addresses.node(address),
    };
    let weights = theirs.node_weights.iter();
    for (prefix, weight) in weights.filter(|(prefix, _)| !members.hidden.contains(*prefix)) {
        drawn.node_weights.insert(addresses.node(prefix), *weight);
    }
    for (
        address,
        Node {
            description,
            timestamp,
        },
    ) in &theirs.nodes
    {
        if people.contains_key(address) || members.known.contains_key(address) {
            continue;
        }
        if members.hidden.contains(address) {
            drawn.add_node(unnamed.clone(), format!("{UNNAMED} in {community}"), None);
            continue;
        }
        let node = addresses.node(address);
        let is_limited = |at: &Millis| (Budget::SINCE..=now).contains(at);
        let timestamp = timestamp.filter(is_limited);
        if timestamp.is_none() {
            // No budget limits it, so it must mint nothing.
            drawn.node_weights.insert(node.clone(), Weight::ZERO);
        }
        drawn.add_node(node, description.clone(), timestamp);
    }
    for (prefix, weight) in &theirs.edge_weights {
        drawn.edge_weights.insert(addresses.edge(prefix), *weight);
    }
    for (address, edge) in &theirs.edges {
        let [src, dst] = [&edge.src, &edge.dst].map(node_at);
        let address = addresses.edge(address);
        let of_members = [&src, &dst].map(|end| members.known.contains_key(end));
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
        let at = edge.timestamp.min(now).max(Budget::SINCE);
        drawn.add_edge(address, src, dst, at);
    }
    (drawn, proposals)
}

/// The node of each alias that is in the other graph. Nodes and accounts of people who aren't known here are added.
fn people(
    theirs: &WeightedGraph,
    view: &View,
    community: &str,
    addresses: &Addresses,
    members: &Members,
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
        let member = aliases
            .iter()
            .find(|alias| members.known.contains_key(alias));
        // Those who opted out of everything here have no account here, and no name.
        let is_hidden = aliases.iter().any(|alias| members.hidden.contains(alias));
        let account = || {
            let mut accounts = aliases.iter().filter(|_| !is_hidden);
            accounts.find(|alias| alias.has_prefix(&discord))
        };
        let node = match member.or_else(account) {
            Some(alias) => (*alias).clone(),
            None => addresses.nodes.with(&[&PERSON, &identity.id]),
        };
        let name = if is_hidden { UNNAMED } else { &identity.name };
        if member.is_none() {
            let own = theirs.nodes.get(&node).map(|own| own.description.clone());
            let text = own.unwrap_or_else(|| {
                let name = description::text(name, NAME_UNITS);
                format!("{name} in {community}")
            });
            drawn.add_node(node.clone(), text.clone(), None);
            let mut name = legal_name(name);
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
