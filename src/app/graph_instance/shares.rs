//! The members' shares of another instance's cred, as nodes.

use jiff::Timestamp;

use super::{
    Addresses, Members,
    view::{Participant, View},
};
use propsbot_archive::Millis;
use propsbot_sourcecred::{EdgeType, EdgeWeight, NodeType, Weight, WeightedGraph, description};

/// How much of a member's name a description shows, in UTF-16 code units.
const NAME_UNITS: usize = 40;

/// The shares of those who are known here: each week of theirs is a node that mints their share of all cred of
/// that week, times `rate`.
pub(super) fn graph(
    view: &View,
    rate: f64,
    community: &str,
    addresses: &Addresses,
    members: &Members,
) -> WeightedGraph {
    let mut graph = WeightedGraph::default();
    let all = |week: usize| -> f64 {
        let participants = view.participants.iter();
        participants.map(|own| own.cred_per_interval[week]).sum()
    };
    let totals: Vec<f64> = (0..view.intervals.len()).map(all).collect();
    for Participant {
        identity,
        cred_per_interval,
    } in &view.participants
    {
        let mut aliases = identity.aliases.iter().map(|alias| &alias.address);
        let Some((member, name)) = aliases.find_map(|alias| members.known.get_key_value(alias))
        else {
            continue;
        };
        // Not as they are called there: members may hide their names here.
        let name = description::text(name, NAME_UNITS);
        let weeks = view.intervals.iter().zip(&totals);
        for ((week, total), cred) in weeks.zip(cred_per_interval) {
            // SourceCred writes weights as JavaScript does: too small ones are nothing.
            let share = if *total > 0.0 { cred / total } else { 0.0 };
            let weight = Weight::computed(share * rate);
            if weight <= Weight::ZERO {
                continue;
            }
            let start = week.start_time_ms;
            let node = addresses.nodes.with(&[&"CRED", &identity.id, &start]);
            let edge = addresses.edges.with(&[&"EARNS", &identity.id, &start]);
            // Not where the week begins: SourceCred counts that to the week before.
            let at = Millis(start + (week.end_time_ms - start) / 2);
            let text = format!("Cred of {name} in {community}, week of {}", date(start));
            graph.add_node(node.clone(), text, Some(at));
            graph.node_weights.insert(node.clone(), weight);
            graph.add_edge(edge, node, member.clone(), at);
        }
    }
    graph
}

pub(super) fn types(addresses: &Addresses) -> (Vec<NodeType>, Vec<EdgeType>) {
    let nodes = vec![NodeType {
        name: "Cred of a week".into(),
        plural_name: "Cred of weeks".into(),
        prefix: addresses.nodes.with(&[&"CRED"]),
        default_weight: Weight::ONE,
        description: "A member's share of another community's cred in one week".into(),
    }];
    let edges = vec![EdgeType {
        forward_name: "is earned by".into(),
        backward_name: "earns".into(),
        prefix: addresses.edges.with(&[&"EARNS"]),
        default_weight: EdgeWeight::new(1.0, 0.0),
        description: "Connects cred of another community to whoever earned it".into(),
    }];
    (nodes, edges)
}

fn date(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis);
    time.map_or_else(
        |_| millis.to_string(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}
