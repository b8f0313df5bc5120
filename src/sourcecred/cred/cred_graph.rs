//! The chain and everyone's cred, in the form that SourceCred's pages read: `credGraph`.
//!
//! Source: SourceCred 0.11.2, `core/credrank/credGraph.js` and `toJSON` of `markovProcessGraph.js`.

use std::{
    cell::Cell,
    collections::HashSet,
    io::{self, Write},
};

use propsbot_archive::Millis;
use serde::{Serialize, Serializer};

use super::{
    Cred, IdentityId,
    chain::{ALPHA, BETA, GAMMA},
    flows::base_nodes,
};
use crate::{EdgeAddress, NodeAddress, weighted_graph::write_javascript};

impl Cred {
    /// Writes the chain with everyone's cred as SourceCred does, byte by byte, but not compressed.
    pub fn write_graph_json(&self, to: impl Write) -> io::Result<()> {
        let accounts = self.ledger.accounts();
        let participants: HashSet<_> = accounts.map(|account| &account.identity.address).collect();
        let nodes = base_nodes(&self.graph, &participants).zip(&self.mints);
        let addresses: Vec<&EdgeAddress> = self.graph.edges.keys().collect();
        let flows = self.flows.iter().zip(&self.edges);
        let accounts = self.ledger.accounts();
        let mints = self.chain.mint().iter().zip(0_u32..);
        let graph = CredGraphJson {
            mpg: GraphJson {
                epoch_starts: seq(self.weeks.starts()),
                indexed_edges: seq(flows.map(|(flow, (edge, reversed))| EdgeJson {
                    address: addresses[*edge as usize],
                    dst: flow.to,
                    reversed: *reversed,
                    src: flow.from,
                    transition_probability: flow.share,
                })),
                indexed_mints: seq(mints.zip(&self.mints).filter_map(
                    |((share, index), weight)| (*weight > 0.0).then_some((index, *share)),
                )),
                last_epoch_end_ms: self.weeks.end(),
                nodes: seq(nodes.map(|((address, node), mint)| NodeJson {
                    address,
                    description: &node.description,
                    mint: *mint,
                    timestamp_ms: node.timestamp,
                })),
                parameters: ParametersJson {
                    alpha: ALPHA,
                    beta: BETA,
                    gamma_backward: GAMMA,
                    gamma_forward: GAMMA,
                },
                participants: seq(accounts.map(|account| ParticipantJson {
                    address: &account.identity.address,
                    description: account.identity.name.as_str(),
                    id: &account.identity.id,
                })),
                personal_attributions: seq(self.resolved.by_giver.iter().map(|giver| GiverJson {
                    from_participant_id: &giver.id,
                    recipients: giver
                        .shares
                        .iter()
                        .map(|share| RecipientJson {
                            proportions: share
                                .proportions
                                .iter()
                                .map(|(at, value)| ProportionJson {
                                    proportion_value: *value,
                                    timestamp_ms: *at,
                                })
                                .collect(),
                            to_participant_id: &share.id,
                        })
                        .collect(),
                })),
                radiation_transition_probabilities: &self.chain.radiation,
            },
            scores: &self.scores,
        };
        write_javascript(to, &graph)
    }
}

/// A list that is made while it is written.
struct Seq<I>(Cell<Option<I>>);

fn seq<I: Iterator>(items: I) -> Seq<I> {
    Seq(Cell::new(Some(items)))
}

impl<I: Iterator<Item: Serialize>> Serialize for Seq<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let items = self.0.take().expect("it is written once");
        serializer.collect_seq(items)
    }
}

#[derive(Serialize)]
struct CredGraphJson<'a, M> {
    mpg: M,
    scores: &'a [f64],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GraphJson<'a, S, E, M, N, P, A> {
    epoch_starts: S,
    indexed_edges: E,
    indexed_mints: M,
    last_epoch_end_ms: Millis,
    nodes: N,
    parameters: ParametersJson,
    participants: P,
    personal_attributions: A,
    radiation_transition_probabilities: &'a [f64],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeJson<'a> {
    address: &'a EdgeAddress,
    dst: u32,
    reversed: bool,
    src: u32,
    transition_probability: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeJson<'a> {
    address: &'a NodeAddress,
    description: &'a str,
    mint: f64,
    timestamp_ms: Option<Millis>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParametersJson {
    alpha: f64,
    beta: f64,
    gamma_backward: f64,
    gamma_forward: f64,
}

#[derive(Serialize)]
struct ParticipantJson<'a> {
    address: &'a NodeAddress,
    description: &'a str,
    id: &'a IdentityId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GiverJson<'a> {
    from_participant_id: &'a IdentityId,
    recipients: Vec<RecipientJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecipientJson<'a> {
    proportions: Vec<ProportionJson>,
    to_participant_id: &'a IdentityId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProportionJson {
    proportion_value: f64,
    timestamp_ms: Millis,
}
