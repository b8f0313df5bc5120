//! What the nodes of each week mint: budgets limit it, and dependencies add to it.
//!
//! Source: SourceCred 0.11.2, `core/mintBudget.js`, `core/bonusMinting.js` and
//! `api/dependenciesConfig.js`. Nodes without a time are in no week: budgets don't limit them, and
//! dependencies get no share of them. A time exactly at a week's start belongs to that week here.

use std::fmt::Display;

use propsbot_archive::Millis;

use super::{
    Budget, CredError, Dependency, Ledger, Weeks,
    config::{MintPeriod, When},
    error::shown,
    merged::insert_all,
    weights::InOrder,
};
use crate::{EdgeAddress, EdgeWeight, NodeAddress, Weight, WeightedGraph};

/// The weight of each node, in order.
pub(super) fn node_weights(graph: &WeightedGraph) -> Vec<f64> {
    let product = |a: Weight, b: Weight| Weight::computed(a.get() * b.get());
    let mut weights = InOrder::new(&graph.node_weights, Weight::ONE, product);
    graph
        .nodes
        .keys()
        .map(|address| weights.of(address).get())
        .collect()
}

/// The weeks of everything in the graph that has a time; edges of nodes that aren't there don't count.
pub(super) fn weeks(graph: &WeightedGraph, ends: &[Option<[usize; 2]>]) -> Option<Weeks> {
    let nodes = graph.nodes.values().filter_map(|node| node.timestamp);
    let edges = graph.edges.values().zip(ends);
    let edges = edges.filter_map(|(edge, ends)| ends.map(|_| edge.timestamp));
    Weeks::covering(nodes.chain(edges))
}

/// The nodes of each week with their weights, in the order of their time, and of their address.
fn by_week(graph: &WeightedGraph, weeks: Weeks) -> Vec<Vec<(&NodeAddress, f64)>> {
    let weights = node_weights(graph);
    let nodes = graph.nodes.iter().zip(weights);
    let mut timed: Vec<(Millis, &NodeAddress, f64)> = nodes
        .filter_map(|((address, node), weight)| Some((node.timestamp?, address, weight)))
        .collect();
    timed.sort_by_key(|(at, ..)| *at);
    let mut by_week = vec![Vec::new(); weeks.len()];
    for (at, address, weight) in timed {
        by_week[weeks.of(at)].push((address, weight));
    }
    by_week
}

/// Scales the weights of nodes so that no plugin mints more in a week than it may. They are set at the
/// nodes' own addresses.
pub(super) fn limit(
    graph: &mut WeightedGraph,
    weeks: Option<Weeks>,
    budgets: &[Budget],
) -> Result<(), CredError> {
    for (index, one) in budgets.iter().enumerate() {
        let other = budgets[index + 1..].iter().find(|other| {
            one.prefix.has_prefix(&other.prefix) || other.prefix.has_prefix(&one.prefix)
        });
        if let Some(other) = other {
            return Err(CredError::Budgets {
                prefix: shown((&one.prefix).max(&other.prefix)),
                one: one.plugin.clone(),
                other: other.plugin.clone(),
            });
        }
        if !one.periods.is_sorted_by_key(|period| period.start_time.at) {
            return Err(CredError::BudgetOrder(one.plugin.clone()));
        }
    }
    let Some(weeks) = weeks.filter(|_| !budgets.is_empty()) else {
        return Ok(());
    };
    let by_week = by_week(graph, weeks);
    let mut factors: Vec<(NodeAddress, f64)> = Vec::new();
    for Budget {
        prefix, periods, ..
    } in budgets
    {
        for (nodes, start) in by_week.iter().zip(weeks.starts()) {
            let mut past = periods.iter().rev();
            let Some(period) = past.find(|period| period.start_time.at <= start) else {
                continue;
            };
            let of_plugin = || {
                nodes
                    .iter()
                    .filter(|(address, _)| address.has_prefix(prefix))
            };
            let total: f64 = of_plugin().fold(0.0, |sum, (_, weight)| sum + weight);
            if total > period.budget {
                let factor = period.budget / total;
                factors.extend(of_plugin().map(|(address, _)| ((*address).clone(), factor)));
            }
        }
    }
    for (address, factor) in factors {
        let weight = graph.node_weights.entry(address).or_insert(Weight::ONE);
        *weight = Weight::computed(weight.get() * factor);
    }
    Ok(())
}

/// Makes sure that each dependency has an account, and returns them with its id.
pub(super) fn with_accounts(
    dependencies: Vec<Dependency>,
    ledger: &mut Ledger,
    now: Millis,
) -> Result<Vec<Dependency>, CredError> {
    let dependencies = dependencies.into_iter();
    let with_account = dependencies.map(|mut dependency| {
        let name = &dependency.name;
        if let Some(id) = &dependency.id {
            let account = ledger.account(id).ok_or_else(|| {
                CredError::Dependency(format!(
                    "{name} has the id {id}, which isn't in the ledger: remove the id to make a new account"
                ))
            })?;
            if account.identity.name != *name {
                return Err(CredError::Dependency(format!(
                    "{name} is called {} in the ledger: change the name here, too",
                    account.identity.name
                )));
            }
        } else if let Some(account) = ledger.account_named(name) {
            dependency.id = Some(account.identity.id.clone());
        } else {
            let active = dependency.auto_activate_on_identity_creation == Some(true);
            dependency.id = Some(ledger.create_project(name.clone(), active, now)?);
            if let Some(weight) = dependency.auto_inject_starting_period_weight
                && dependency.periods.is_empty()
            {
                let start_time = When::of(now);
                dependency.periods.push(MintPeriod { start_time, weight });
            }
        }
        Ok(dependency)
    });
    with_account.collect()
}

/// The prefix of what is minted for dependencies.
pub(super) fn bonus_edges() -> EdgeAddress {
    EdgeAddress::new(&[&"sourcecred", &"core", &"BONUS"])
}

/// Adds a node for each dependency and week that mints its share of the week.
pub(super) fn add_shares(
    graph: &mut WeightedGraph,
    weeks: Option<Weeks>,
    dependencies: &[Dependency],
    ledger: &Ledger,
) -> Result<(), CredError> {
    let mut bonus = WeightedGraph::default();
    let weeks = weeks.filter(|_| !dependencies.is_empty());
    let minted: Vec<(Millis, f64)> = weeks.map_or_else(Vec::new, |weeks| {
        let by_week = by_week(graph, weeks).into_iter();
        let minted = by_week.map(|nodes| nodes.iter().fold(0.0, |sum, (_, weight)| sum + weight));
        weeks.starts().zip(minted).collect()
    });
    for Dependency { id, periods, .. } in dependencies {
        let account = id.as_ref().and_then(|id| ledger.account(id));
        let recipient = &account.expect("every dependency has an account").identity;
        let mut periods = periods.iter().peekable();
        let mut weight = 0.0;
        for (start, minted) in &minted {
            while let Some(period) = periods.next_if(|period| period.start_time.at <= *start) {
                weight = period.weight;
            }
            let amount = minted * weight;
            if amount == 0.0 {
                continue;
            }
            let mut parts: Vec<&dyn Display> = vec![&start.0];
            let own: Vec<&str> = recipient.address.split().collect();
            parts.extend(own.iter().map(|part| part as &dyn Display));
            let node = NodeAddress::new(&[&"sourcecred", &"core", &"BONUS"]).with(&parts);
            let name = &recipient.name;
            let description = format!("bonus minting for {name} starting {}", start.0);
            bonus.add_node(node.clone(), description, Some(*start));
            let edge = bonus_edges().with(&parts);
            bonus.add_edge(edge, node.clone(), recipient.address.clone(), *start);
            bonus.node_weights.insert(node, Weight::computed(amount));
        }
    }
    bonus
        .edge_weights
        .insert(bonus_edges(), EdgeWeight::new(1.0, 0.0));
    insert_all(graph, bonus)
}
