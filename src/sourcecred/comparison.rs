//! Compares two graphs: what newer data, or other weights, change about what is minted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Minted, NodeAddress, Types, WeightedGraph, description, flow::Weigher};

/// Smaller differences are rounding errors of `flow`.
const NOTICEABLE: f64 = 1e-6;

/// What differs between two graphs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The cred minted in total.
    pub minted: BeforeAndNow,
    /// The people whose minted weight differs, or who are in only one graph; the largest changes first.
    pub members: Vec<MemberChange>,
    /// How many people have the same minted weight in both.
    pub unchanged_members: usize,
    /// How the nodes differ, including people.
    pub nodes: Changes,
    /// How the edges differ.
    pub edges: Changes,
}

/// A number in the old and in the new graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct BeforeAndNow {
    /// In the old graph.
    pub before: f64,
    /// In the new graph.
    pub now: f64,
}

/// A person, and how much minted weight reaches them first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberChange {
    /// Their node.
    pub address: NodeAddress,
    /// Their name in the newer graph that has them, as one line of plain text.
    pub name: String,
    /// How much reaches them.
    #[serde(flatten)]
    pub minted: BeforeAndNow,
}

/// How many nodes or edges differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Only in the new graph.
    pub appeared: usize,
    /// Only in the old graph.
    pub vanished: usize,
    /// In both, with a different weight, time, description or end.
    pub changed: usize,
}

impl BeforeAndNow {
    /// The new number minus the old one.
    pub fn change(self) -> f64 {
        self.now - self.before
    }
}

impl Comparison {
    /// Compares two graphs, each with its own types.
    pub fn new(old: (&WeightedGraph, &Types), new: (&WeightedGraph, &Types)) -> Self {
        let (before, now) = (Minted::of(old.0, old.1), Minted::of(new.0, new.1));
        let people: BTreeSet<&NodeAddress> = before
            .by_person
            .keys()
            .chain(now.by_person.keys())
            .collect();
        let all = people.len();
        let is_in_both =
            |person| before.by_person.contains_key(person) && now.by_person.contains_key(person);
        let of =
            |minted: &Minted, person| minted.by_person.get(person).copied().unwrap_or_default();
        let mut members: Vec<MemberChange> = people
            .into_iter()
            .map(|person| (person, of(&before, person), of(&now, person)))
            .filter(|(person, before, now)| {
                !is_in_both(person) || (before - now).abs() >= NOTICEABLE
            })
            .map(|(person, before, now)| MemberChange {
                address: person.clone(),
                name: name(person, new.0, old.0),
                minted: BeforeAndNow { before, now },
            })
            .collect();
        members.sort_by(|a, b| {
            let [a, b] = [a, b].map(|change| change.minted.change().abs());
            b.total_cmp(&a)
        });

        let (weighed, weighs) = (Weigher::new(old.0, old.1), Weigher::new(new.0, new.1));
        Self {
            minted: BeforeAndNow {
                before: before.total,
                now: now.total,
            },
            unchanged_members: all - members.len(),
            members,
            nodes: changes(&old.0.nodes, &new.0.nodes, |address, was, is| {
                was == is && weighed.node(address) == weighs.node(address)
            }),
            edges: changes(&old.0.edges, &new.0.edges, |address, was, is| {
                was == is && weighed.edge(address) == weighs.edge(address)
            }),
        }
    }
}

fn name(address: &NodeAddress, new: &WeightedGraph, old: &WeightedGraph) -> String {
    let node = new.nodes.get(address).or_else(|| old.nodes.get(address));
    node.map_or_else(String::new, |node| description::plain(&node.description))
}

fn changes<A: Ord, T>(
    old: &BTreeMap<A, T>,
    new: &BTreeMap<A, T>,
    same: impl Fn(&A, &T, &T) -> bool,
) -> Changes {
    let mut changes = Changes::default();
    for (address, is) in new {
        match old.get(address) {
            None => changes.appeared += 1,
            Some(was) if !same(address, was, is) => changes.changed += 1,
            Some(_) => {}
        }
    }
    changes.vanished = old.keys().filter(|key| !new.contains_key(key)).count();
    changes
}
