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

impl<'a> Reasons<'a> {
    /// Why a participant, who is counted in the ledger's order, has cred.
    pub fn of(&self, participant: usize) -> Why<'a> {
        let Cred {
            chain,
            scores,
            weeks,
            ..
        } = self.cred;
        let mut flows: HashMap<Source, f64> = HashMap::new();
        let mut passed: HashMap<usize, f64> = HashMap::new();
        let (mut flowed, mut held, mut paid, mut kept) = (0.0, 0.0, 0.0, 0.0);
        for week in 0..weeks.len() {
            let part = chain.part(week, participant);
            for (from, share) in chain.flows_into(part) {
                let flow = scores[from] * share;
                flowed += flow;
                *flows.entry(self.source(from)).or_default() += flow;
            }
            for (from, share) in chain.passed_to(part) {
                let flow = scores[from] * share;
                flowed += flow;
                *passed.entry(self.participant(from)).or_default() += flow;
            }
            held += scores[part];
            paid += scores[part] * chain.payout(part);
            kept += scores[part] * super::chain::BETA;
        }
        // From each part, as much flows to the weeks beside it as they get from their neighbors: of what is
        // in the parts, this is what came from elsewhere.
        let gained = held * (1.0 - GAMMA - GAMMA);
        // It shrinks with each step where nothing flows in: down to nothing, if there are very many.
        let per_flow = if gained > 0.0 { paid / gained } else { 0.0 };
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
            rest: (gained - flowed) * per_flow,
            passed_on: kept - paid,
        }
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
