//! Makes documents that were drawn together fit together in one instance.
//!
//! SourceCred merges the graphs of all plugins. Two plugins may have the same node only if they describe it
//! alike, and one prefix may have a weight only once. So of several plugins that know the same people, one
//! declares their type; all of them describe and propose everyone alike.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use super::{
    Drawing, EdgeType, EdgeWeight, GraphPlugin, IdentityProposal, Node, NodeAddress,
    plugin::Standing,
};

/// Where edges between plugins begin: in the prefix of the plugin whose contribution refers to another one.
const REFERS_TO: &str = "REFERS_TO";

/// Adapts what these plugins have drawn to each other, whatever their order is.
///
/// The plugin that [stands](GraphPlugin::standing) first decides about each person that it has. Where a
/// contribution refers to one in another graph, an edge leads there.
pub fn join(plugins: &[Arc<dyn GraphPlugin>], drawings: &mut [Drawing]) {
    let mut order: Vec<usize> = (0..drawings.len()).collect();
    order.sort_by_key(|index| (plugins[*index].standing(), plugins[*index].name()));
    let mut people = People::default();
    for index in &order {
        people.join(&mut drawings[*index]);
    }
    for from in &order {
        refer(plugins, drawings, *from, &order);
    }
}

/// What is known of people from the plugins so far.
#[derive(Default)]
struct People {
    prefixes: Vec<NodeAddress>,
    nodes: BTreeMap<NodeAddress, Node>,
    proposals: BTreeMap<NodeAddress, IdentityProposal>,
}

impl People {
    fn join(&mut self, drawing: &mut Drawing) {
        let documents = &mut drawing.documents;
        let declaration = &mut documents.declaration;
        let user_types = &declaration.user_types;
        declaration.node_types.retain(|own| {
            let is_user = user_types.iter().any(|user| user.prefix == own.prefix);
            let mut known = self.prefixes.iter();
            !is_user || !known.any(|known| own.prefix.has_prefix(known))
        });
        for user in user_types {
            self.prefixes.push(user.prefix.clone());
            let nodes = documents.graph.nodes.range_mut(user.prefix.clone()..);
            for (address, node) in nodes.take_while(|(address, _)| address.has_prefix(&user.prefix))
            {
                match self.nodes.entry(address.clone()) {
                    Entry::Occupied(known) => node.clone_from(known.get()),
                    Entry::Vacant(new) => {
                        new.insert(node.clone());
                    }
                }
            }
        }
        for proposal in &mut documents.proposals {
            match self.proposals.entry(proposal.alias.address.clone()) {
                Entry::Occupied(known) => proposal.clone_from(known.get()),
                Entry::Vacant(new) => {
                    new.insert(proposal.clone());
                }
            }
        }
    }
}

/// Adds the edges from one plugin's contributions to those of others.
fn refer(plugins: &[Arc<dyn GraphPlugin>], drawings: &mut [Drawing], from: usize, order: &[usize]) {
    if plugins[from].standing() == Standing::Prescribed {
        return;
    }
    let references = std::mem::take(&mut drawings[from].references);
    let prefix = &drawings[from].documents.declaration.edge_prefix;
    let prefix = prefix.with(&[&REFERS_TO]);
    let (mut edges, mut referred) = (Vec::new(), BTreeSet::new());
    for reference in references {
        for to in order.iter().filter(|to| **to != from) {
            let graph = &drawings[*to].documents.graph;
            let Some(node) = plugins[*to].node_of(&reference.to, graph) else {
                continue;
            };
            // Two links may lead to the same node.
            let mut is_new = || referred.insert((reference.node.clone(), node.clone()));
            if graph.nodes.contains_key(&node) && is_new() {
                let to = plugins[*to].name();
                let edge = prefix.with(&[&reference.from, &to, &reference.to]);
                edges.push((edge, reference.node.clone(), node, reference.at));
            }
        }
    }
    let documents = &mut drawings[from].documents;
    if !edges.is_empty() {
        documents.declaration.edge_types.push(EdgeType {
            forward_name: "refers to".into(),
            backward_name: "is referred to by".into(),
            prefix,
            default_weight: EdgeWeight::new(1.0, 0.0625),
            description: "Connects a contribution to one of another plugin that it links to."
                .into(),
        });
    }
    for (edge, src, dst, at) in edges {
        documents.graph.add_edge(edge, src, dst, at);
    }
}
