//! Of another instance's cred and graph, only what is bounded gets here, and nothing of those who opted out.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

const WEEK: i64 = 7 * 86_400_000;

fn member(id: &str) -> NodeAddress {
    NodeAddress::new(&[&"sourcecred", &"discord", &"MEMBER", &"user", &id])
}

fn addresses() -> Addresses {
    Addresses {
        nodes: NodeAddress::new(&[&"external", &"instance-two"]),
        edges: EdgeAddress::new(&[&"external", &"instance-two"]),
    }
}

/// Ana, who is called otherwise over there, and Ben, who opted out of everything here. Cid is only there.
fn view() -> View {
    let participant = |id: &str, name: &str, account: &str| {
        json!({
            "identity": {"id": id, "name": name, "subtype": "USER", "aliases": [{"address": member(account)}]},
            "credPerInterval": [1.0],
        })
    };
    let view = json!({
        "participants": [
            participant("a", "ana-real-name", "11"),
            participant("b", "ben-real-name", "22"),
            participant("c", "cid", "33"),
        ],
        "intervals": [{"startTimeMs": 0, "endTimeMs": WEEK}],
    });
    serde_json::from_value(view).unwrap()
}

fn members() -> Members {
    Members {
        known: [(member("11"), "member-0000a".to_owned())].into(),
        hidden: [member("22"), member("44")].into(),
    }
}

/// A graph with a node at each of these times, which goes to somebody of each kind.
fn theirs(times: &[Option<i64>]) -> WeightedGraph {
    let mut graph = WeightedGraph::default();
    for account in ["11", "22", "33", "44"] {
        graph.add_node(member(account), format!("discord/real-{account}"), None);
        graph.node_weights.insert(member(account), Weight::ZERO);
    }
    for (n, at) in times.iter().enumerate() {
        let node = NodeAddress::new(&[&"external", &"props", &n]);
        graph.add_node(node.clone(), "thanks".to_owned(), at.map(Millis));
        for account in ["11", "22", "33", "44"] {
            let edge = EdgeAddress::new(&[&"external", &"props", &n, &account]);
            let at = Millis(at.unwrap_or(i64::MIN));
            graph.add_edge(edge, node.clone(), member(account), at);
        }
    }
    graph
}

fn nodes_with(graph: &WeightedGraph, text: &str) -> usize {
    let shown = |address: &NodeAddress, description: &str| {
        address.split().any(|part| part == text) || description.contains(text)
    };
    let nodes = graph.nodes.iter();
    let nodes = nodes.filter(|(address, node)| shown(address, &node.description));
    let edges = graph.edges.values().flat_map(|edge| [&edge.src, &edge.dst]);
    let weights = graph.node_weights.keys();
    nodes.count() + edges.chain(weights).filter(|end| shown(end, "")).count()
}

#[test]
fn shares_are_of_those_who_are_known_by_their_name_here() {
    let graph = shares::graph(&view(), 3.0, "two", &addresses(), &members());
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(nodes_with(&graph, "real"), 0);
    assert_eq!(nodes_with(&graph, "22"), 0);
    let node = graph.nodes.values().next().unwrap();
    assert!(
        node.description.starts_with("Cred of member-0000a in two"),
        "{}",
        node.description
    );
    assert_eq!(*graph.node_weights.values().next().unwrap(), Weight::ONE);
}

#[test]
fn a_graph_has_nobody_who_opted_out() {
    let theirs = theirs(&[Some(WEEK)]);
    let (graph, proposals) = whole::graph(
        &theirs,
        &view(),
        "two",
        &addresses(),
        &members(),
        Millis(2 * WEEK),
    );
    for text in ["22", "44", "ben", "real-11", "real-22", "real-44"] {
        assert_eq!(nodes_with(&graph, text), 0, "{text} in {graph:?}");
    }
    let proposed: Vec<(&str, &NodeAddress)> = proposals
        .iter()
        .map(|proposal| (&*proposal.name, &proposal.alias.address))
        .collect();
    let ben = addresses().nodes.with(&[&"PERSON", &"b"]);
    assert_eq!(proposed, [("someone", &ben), ("cid", &member("33"))]);
    let ends: BTreeSet<&NodeAddress> = graph.edges.values().map(|edge| &edge.dst).collect();
    let unnamed = addresses().nodes.with(&[&"PERSON", &"someone"]);
    assert_eq!(ends, [&ben, &unnamed, &member("11"), &member("33")].into());
}

#[test]
fn what_no_budget_limits_mints_nothing() {
    let now = 2 * WEEK;
    let first = 3 * 86_400_000;
    let times = [
        None,
        Some(i64::MIN),
        Some(0),
        Some(first - 1),
        Some(now + 1),
        Some(8_640_000_000_000_000),
        Some(first),
        Some(now),
    ];
    let theirs = theirs(&times);
    let (graph, _) = whole::graph(
        &theirs,
        &view(),
        "two",
        &addresses(),
        &members(),
        Millis(now),
    );
    let times = graph.nodes.values().filter_map(|node| node.timestamp);
    assert_eq!(times.collect::<Vec<_>>(), [Millis(first), Millis(now)]);
    let contributions = graph.nodes.iter();
    let contributions = contributions.filter(|(_, node)| node.description == "thanks");
    for (address, node) in contributions {
        let weight = graph.node_weights.get(address).copied();
        let wanted = node.timestamp.is_none().then_some(Weight::ZERO);
        assert_eq!(weight, wanted, "{node:?}");
    }
    let is_bounded = |at: Millis| (Millis(first)..=Millis(now)).contains(&at);
    assert!(graph.edges.values().all(|edge| is_bounded(edge.timestamp)));
}

#[test]
fn plugins_count_once_and_are_few() {
    let ids =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("external/p{n}")).collect() };
    let twice = [ids(32), ids(32)].concat();
    assert_eq!(whole::each_once(&twice).unwrap().len(), 32);
    whole::each_once(&ids(33)).unwrap_err();
}
