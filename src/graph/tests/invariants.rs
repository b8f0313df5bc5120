//! What must hold for every archive.

use propsbot_sourcecred::Document;
use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select};

use super::{community::*, *};
use propsbot_model::{ChannelId, Millis, UserId};
use propsbot_rows::{MessageRow, PropsRow, RowFilter as _};

fn user() -> impl Strategy<Value = UserId> {
    select(vec![ANA, BEN, CY, BOT, NOBODY])
}

fn place() -> impl Strategy<Value = ChannelId> {
    select(vec![GENERAL, PROPS, THREAD, ChannelId(404)])
}

/// A plain message, or a command's answer with its props.
fn said(index: u64) -> impl Strategy<Value = (MessageRow, Option<PropsRow>)> {
    let mentions = prop::collection::btree_map(user(), 0..3_u32, 0..4);
    (place(), user(), "\\PC{0,8}", mentions, any::<bool>(), 0..10).prop_map(
        move |(place, author, text, mentions, by_command, fate)| {
            let (props, message) = if by_command {
                let receivers: Vec<_> = mentions.into_keys().collect();
                let (props, answer) = command(index, place, author, &receivers, &text);
                (Some(props), answer)
            } else {
                let mentions: Vec<_> = mentions.into_iter().collect();
                (None, message(index, place, author, &text, &mentions))
            };
            match fate {
                0 => (tombstone(&message), props),
                _ => (message, props),
            }
        },
    )
}

pub(super) fn community() -> impl Strategy<Value = Snapshot> {
    let said = (said(1), said(2), said(3), said(4));
    let emoji = select(vec!["🎉", "👍", "\u{fe0f}", "\u{ffff}", "a"]);
    let reactions = prop::collection::btree_set((0..4_usize, user(), emoji, any::<bool>()), 0..20);
    let names = ["\\PC{0,40}", "\\PC{0,40}"];
    (said, reactions, names).prop_map(|(said, reactions, [ana, ben])| {
        let mut snapshot = quiet();
        snapshot.members[0].username = ana;
        snapshot.members[1].nick = Some(ben);
        for (message, props) in [said.0, said.1, said.2, said.3] {
            snapshot.messages.push(message);
            snapshot.props.extend(props);
        }
        for (on, user, emoji, stands) in reactions {
            let mut row = reaction(&snapshot.messages[on], user, emoji);
            row.removed_at = (!stands).then_some(Millis(2));
            snapshot.reactions.push(row);
        }
        snapshot
    })
}

/// The same rows in another order.
fn shuffled(snapshot: Snapshot) -> impl Strategy<Value = Snapshot> {
    let Snapshot {
        channels,
        members,
        messages,
        reactions,
        props,
        ..
    } = snapshot;
    (
        Just(channels).prop_shuffle(),
        Just(members).prop_shuffle(),
        Just(messages).prop_shuffle(),
        Just(reactions).prop_shuffle(),
        Just(props).prop_shuffle(),
    )
        .prop_map(|(channels, members, messages, reactions, props)| Snapshot {
            channels,
            members,
            messages,
            reactions,
            props,
            ..Snapshot::default()
        })
}

/// A list of parts, or the addresses' raw form, in UTF-16.
fn units(parts: &serde_json::Value) -> Vec<u16> {
    let parts = parts.as_array().unwrap().iter();
    let ended = parts.flat_map(|part| [part.as_str().unwrap(), "\0"]);
    ended.collect::<String>().encode_utf16().collect()
}

proptest! {
    #[test]
    fn the_same_rows_give_the_same_bytes_in_any_order(
        (sorted, shuffled) in community().prop_flat_map(|community| (Just(community.clone()), shuffled(community)))
    ) {
        let weights = Weights::default();
        prop_assert_eq!(props_documents(&sorted, &weights), props_documents(&shuffled, &weights));
        prop_assert_eq!(standings(&sorted), standings(&shuffled));
    }

    #[test]
    fn filtered_rows_give_the_same_graph(snapshot in community()) {
        let mut filter = PropsRowFilter::new(&Snapshot {
            messages: Vec::new(),
            reactions: Vec::new(),
            ..snapshot.clone()
        });
        let mut sifted = snapshot.clone();
        sifted.messages.retain(|message| filter.channel(message.channel_id) && filter.message(message));
        sifted.reactions.retain(|reaction| filter.channel(reaction.channel_id) && filter.reaction(reaction));
        let weights = Weights::default();
        prop_assert_eq!(props_documents(&sifted, &weights), props_documents(&snapshot, &weights));
    }

    #[test]
    fn the_graph_is_sorted_and_complete_like_sourcecreds(snapshot in community()) {
        let drawn = props_graph(&snapshot, &Weights::default());
        let documents = props_documents(&snapshot, &Weights::default());
        let graph = &parsed(&documents, Document::Graph)[1]["graphJSON"][1];
        let nodes = graph["nodes"].as_array().unwrap();
        let addresses = graph["sortedNodeAddresses"].as_array().unwrap();
        let edges = graph["edges"].as_array().unwrap();

        // Every address has its node, in the same place, and no edge dangled.
        prop_assert_eq!(edges.len(), drawn.edges.len());
        prop_assert_eq!(nodes.len(), addresses.len());
        for (index, node) in nodes.iter().enumerate() {
            prop_assert_eq!(node["index"].as_u64(), Some(index as u64));
        }
        let end = addresses.len() as u64;
        for edge in edges {
            prop_assert!(edge["srcIndex"].as_u64().unwrap() < end);
            prop_assert!(edge["dstIndex"].as_u64().unwrap() < end);
            prop_assert!(edge["timestampMs"].as_i64().unwrap() >= 1_700_000_000_000);
        }
        let sorted = |all: Vec<Vec<u16>>| all.windows(2).all(|pair| pair[0] < pair[1]);
        prop_assert!(sorted(addresses.iter().map(units).collect()));
        prop_assert!(sorted(edges.iter().map(|edge| units(&edge["address"])).collect()));
    }

    #[test]
    fn descriptions_are_one_line_of_ascii(snapshot in community()) {
        for node in props_graph(&snapshot, &Weights::default()).nodes.into_values() {
            prop_assert!(node.description.is_ascii(), "{}", node.description);
            prop_assert!(!node.description.contains(char::is_control) || node.timestamp.is_none());
        }
    }

    #[test]
    fn no_prefix_is_weighed_twice(snapshot in community()) {
        let weights = Weights::from_json(r#"{"reaction": 3, "emojis": {"👍": 2}}"#).unwrap();
        let graph = props_graph(&snapshot, &weights);
        let declaration = declaration(&weights);
        prop_assert!(declaration.node_types.iter().all(|node_type| !graph.node_weights.contains_key(&node_type.prefix)));
        prop_assert!(declaration.edge_types.iter().all(|edge_type| !graph.edge_weights.contains_key(&edge_type.prefix)));
        prop_assert!(graph.node_weights.keys().all(|key| graph.nodes.contains_key(key)));
        prop_assert!(graph.edge_weights.keys().all(|key| graph.edges.contains_key(key)));
    }

    #[test]
    fn proposes_every_member_once_with_a_legal_name(snapshot in community()) {
        let graph = props_graph(&snapshot, &Weights::default());
        let proposals = identity_proposals(&snapshot, &graph);
        let mut names = BTreeSet::new();
        let mut proposed = BTreeMap::new();
        for proposal in &proposals {
            let name = &proposal.name;
            prop_assert!((1..=31).contains(&name.len()), "{name}");
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
            prop_assert!(names.insert(name.to_lowercase()), "{name} twice");
            proposed.insert(proposal.alias.address.clone(), proposal.alias.description.clone());
        }
        let members: BTreeMap<_, _> = graph
            .nodes
            .into_iter()
            .filter(|(_, node)| node.timestamp.is_none())
            .map(|(address, node)| (address, node.description))
            .collect();
        prop_assert_eq!(members, proposed);
    }
}
