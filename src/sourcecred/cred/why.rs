//! Which contributions brought a participant's cred.
//!
//! A participant's part of a week gets cred along the graph's edges, by attributions, and from the weeks
//! beside it. The latter only moves it in time, so it is left out. Of everything else that flowed in, a
//! contribution brought the share that flowed from it: that share of the participant's cred is its.
//!
//! SourceCred stops while cred still moves a little. So what is in the parts isn't quite what flowed in:
//! the difference is the [`rest`](Why::rest), which no contribution brought.

use std::collections::{HashMap, HashSet};

use super::{Account, Cred, chain::GAMMA, flows::base_nodes};
use crate::{Node, NodeAddress};
use propsbot_archive::Millis;

/// Why a participant has cred. All shares and the rest together are the cred.
pub struct Why<'a> {
    /// Whose cred it is.
    pub account: &'a Account,
    /// All of it.
    pub cred: f64,
    /// What each contribution brought; the largest first.
    pub contributions: Vec<Brought<'a>>,
    /// What others passed on by personal attributions; the largest first.
    pub attributions: Vec<(&'a Account, f64)>,
    /// What was still moving when the computation ended. It can be negative.
    pub rest: f64,
    /// The share of the participant's own cred that went on to others by personal attributions.
    pub passed_on: f64,
}

/// What a contribution brought.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// The contribution's node: a participant's own if an edge connects two participants.
    pub address: &'a NodeAddress,
    /// Its description, in Markdown.
    pub description: &'a str,
    /// Its time.
    pub timestamp: Option<Millis>,
    /// The cred that it brought.
    pub cred: f64,
}

/// Answers why participants have cred.
pub struct Reasons<'a> {
    cred: &'a Cred,
    accounts: Vec<&'a Account>,
    nodes: Vec<(&'a NodeAddress, &'a Node)>,
}

/// Where cred came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Node(usize),
    Participant(usize),
}

impl Cred {
    /// Answers why participants have cred.
    pub fn reasons(&self) -> Reasons<'_> {
        let accounts: Vec<&Account> = self.ledger.accounts().collect();
        let addresses: HashSet<_> = accounts
            .iter()
            .map(|account| &account.identity.address)
            .collect();
        let nodes = base_nodes(&self.graph, &addresses).collect();
        Reasons {
            cred: self,
            accounts,
            nodes,
        }
    }
}

/// What flowed into a participant's parts of weeks.
#[derive(Default)]
struct Flowed {
    by_source: HashMap<Source, f64>,
    /// By attributions.
    passed: HashMap<usize, f64>,
    /// All of it together.
    all: f64,
    /// What of what is in the parts came from elsewhere than the weeks beside them.
    gained: f64,
    paid: f64,
    /// The cred that there were without attributions to others.
    kept: f64,
}

impl Flowed {
    /// The cred for each flow.
    fn per_flow(&self) -> f64 {
        // What was gained shrinks with each step where nothing flows in: down to nothing, if there are very many.
        if self.gained > 0.0 {
            self.paid / self.gained
        } else {
            0.0
        }
    }
}

impl<'a> Reasons<'a> {
    /// The contributions that brought any cred, by address, each with what it brought to all participants together.
    pub fn brought_to_all(&self) -> impl Iterator<Item = (&'a NodeAddress, f64)> {
        let mut brought = vec![0.0; self.nodes.len()];
        for participant in 0..self.accounts.len() {
            let flowed = self.flowed(participant);
            let per_flow = flowed.per_flow();
            for (source, flow) in flowed.by_source {
                if let Source::Node(index) = source {
                    brought[index] += flow * per_flow;
                }
            }
        }
        let nodes = self.nodes.iter().zip(brought);
        nodes
            .filter(|(_, cred)| *cred > 0.0)
            .map(|((address, _), cred)| (*address, cred))
    }

    /// Why a participant, who is counted in the ledger's order, has cred.
    pub fn of(&self, participant: usize) -> Why<'a> {
        let flowed = self.flowed(participant);
        let per_flow = flowed.per_flow();
        let Flowed {
            by_source: flows,
            passed,
            all,
            gained,
            paid,
            kept,
        } = flowed;
        let brought = flows
            .into_iter()
            .map(|(source, flow)| self.brought(source, flow * per_flow));
        let mut contributions: Vec<Brought<'a>> = brought.collect();
        contributions.sort_by(|a, b| b.cred.total_cmp(&a.cred).then(a.address.cmp(b.address)));
        let passed = passed.into_iter();
        let mut attributions: Vec<(&Account, f64)> = passed
            .map(|(from, flow)| (self.accounts[from], flow * per_flow))
            .collect();
        attributions.sort_by(|a, b| {
            let [a_name, b_name] = [a, b].map(|(account, _)| account.identity.name.as_str());
            b.1.total_cmp(&a.1).then(a_name.cmp(b_name))
        });
        Why {
            account: self.accounts[participant],
            cred: paid,
            contributions,
            attributions,
            rest: (gained - all) * per_flow,
            passed_on: kept - paid,
        }
    }

    fn flowed(&self, participant: usize) -> Flowed {
        let Cred {
            chain,
            scores,
            weeks,
            ..
        } = self.cred;
        let mut flowed = Flowed::default();
        let mut held = 0.0;
        for week in 0..weeks.len() {
            let part = chain.part(week, participant);
            for (from, share) in chain.flows_into(part) {
                let flow = scores[from] * share;
                flowed.all += flow;
                *flowed.by_source.entry(self.source(from)).or_default() += flow;
            }
            for (from, share) in chain.passed_to(part) {
                let flow = scores[from] * share;
                flowed.all += flow;
                *flowed.passed.entry(self.participant(from)).or_default() += flow;
            }
            held += scores[part];
            flowed.paid += scores[part] * chain.payout(part);
            flowed.kept += scores[part] * super::chain::BETA;
        }
        // From each part, as much flows to the weeks beside it as they get from their neighbors: of what is
        // in the parts, this is what came from elsewhere.
        flowed.gained = held * (1.0 - GAMMA - GAMMA);
        flowed
    }

    /// The participant whose part of a week this is.
    fn participant(&self, part: usize) -> usize {
        (part - self.cred.chain.accumulator(0)) % (self.accounts.len() + 1) - 1
    }

    fn source(&self, node: usize) -> Source {
        if node < self.nodes.len() {
            Source::Node(node)
        } else {
            Source::Participant(self.participant(node))
        }
    }

    fn brought(&self, source: Source, cred: f64) -> Brought<'a> {
        match source {
            Source::Node(index) => {
                let (address, node) = self.nodes[index];
                Brought {
                    address,
                    description: &node.description,
                    timestamp: node.timestamp,
                    cred,
                }
            }
            Source::Participant(index) => {
                let identity = &self.accounts[index].identity;
                Brought {
                    address: &identity.address,
                    description: identity.name.as_str(),
                    timestamp: None,
                    cred,
                }
            }
        }
    }
}
