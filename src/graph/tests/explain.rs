//! What members are told of a message is what the graph has of it.

use super::{community::*, *};
use propsbot_rows::{MessageRow, PropsRow, ReactionRow};
use propsbot_sourcecred::Weight;

/// The tiny community with only this message.
fn only(message: &MessageRow) -> Snapshot {
    let tiny = tiny();
    Snapshot {
        messages: vec![message.clone()],
        props: tiny
            .props
            .into_iter()
            .filter(|props| props.message_id == Some(message.id))
            .collect(),
        reactions: tiny
            .reactions
            .into_iter()
            .filter(|reaction| reaction.message_id == message.id)
            .collect(),
        ..quiet()
    }
}

#[test]
fn explanations_of_all_messages_add_up_to_the_graph() {
    let tiny = tiny();
    let weights = Weights::from_json(r#"{"emojis": {"🎉": 3}}"#).unwrap();
    let graph = props_graph(&tiny, &weights);
    let types = declaration(&weights);
    let (mut edges, mut mints) = (0, 0.0);
    for message in &tiny.messages {
        let explained = explain(&only(message), &weights, &std::collections::BTreeMap::new());
        assert_eq!(explained.no_props, None);
        edges += explained.edges.len();
        mints += explained.mints;
    }
    assert_eq!(edges, graph.edges.len());
    let whole: f64 = graph
        .nodes
        .keys()
        .map(|node| {
            let own = graph.node_weights.get(node).copied();
            types.weight_of(node).and(own.unwrap_or(Weight::ONE)).get()
        })
        .sum();
    assert!((mints - whole).abs() < f64::EPSILON, "{mints} of {whole}");
}

#[test]
fn a_message_is_explained_in_names() {
    let tiny = tiny();
    let told: Vec<Explanation> = tiny
        .messages
        .iter()
        .map(|case| {
            explain(
                &only(case),
                &Weights::default(),
                &std::collections::BTreeMap::new(),
            )
        })
        .collect();
    insta::assert_debug_snapshot!(told);
}

#[test]
fn explains_reactions_and_receivers_that_do_not_count() {
    let plain = message(
        1,
        PROPS,
        ANA,
        "",
        &[(ANA, 1), (BEN, 1), (BOT, 0), (NOBODY, 1)],
    );
    let removed = ReactionRow {
        removed_at: Some(propsbot_model::Millis(2)),
        ..reaction(&plain, CY, "🎉")
    };
    let snapshot = Snapshot {
        reactions: vec![
            removed,
            reaction(&plain, BOT, "👍"),
            reaction(&plain, NOBODY, "👍"),
            reaction(&plain, CY, "🙈"),
            reaction(&plain, BEN, "👍"),
        ],
        messages: vec![plain.clone()],
        ..quiet()
    };
    let weights = Weights::from_json(r#"{"emojis": {"🙈": 0}}"#).unwrap();
    let told = explain(&snapshot, &weights, &std::collections::BTreeMap::new());
    let left_out: Vec<NotReceived> = told.left_out.iter().map(|(_, why)| *why).collect();
    assert_eq!(
        left_out,
        [
            NotReceived::Giver,
            NotReceived::BotAnswered,
            NotReceived::Unknown
        ]
    );
    let idle: Vec<_> = told.idle.iter().map(|(_, why)| *why).collect();
    assert_eq!(
        idle,
        [
            Some(NoReaction::Removed),
            Some(NoReaction::ByBot),
            Some(NoReaction::ByUnknown),
            None
        ]
    );
    assert!((told.mints - 2.0).abs() < f64::EPSILON, "{told:?}");
}

#[test]
fn explains_why_a_message_is_not_props() {
    let (props, answer) = command(2, GENERAL, BEN, &[ANA], "x");
    let withdrawn = PropsRow {
        withdrawn_at: Some(propsbot_model::Millis(3)),
        ..props.clone()
    };
    let plain = message(1, GENERAL, ANA, "", &[(BEN, 1)]);
    for (message, props, why) in [
        (&answer, Some(&withdrawn), NoProps::Withdrawn),
        (&tombstone(&answer), Some(&props), NoProps::MessageDeleted),
        (&plain, None, NoProps::NoPropsChannel),
        (&answer, None, NoProps::ByBot),
        (
            &message(3, PROPS, ANA, "", &[(ANA, 1)]),
            None,
            NoProps::NobodyThanked,
        ),
    ] {
        let snapshot = Snapshot {
            messages: vec![message.clone()],
            props: props.into_iter().cloned().collect(),
            ..quiet()
        };
        let told = explain(
            &snapshot,
            &Weights::default(),
            &std::collections::BTreeMap::new(),
        );
        assert_eq!(told.no_props, Some(why));
        assert!(told.nodes.is_empty() && told.edges.is_empty(), "{told:?}");
    }
}
