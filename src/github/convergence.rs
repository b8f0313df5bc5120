//! Any order and repetition of the same readings gives the same rows.

use propsbot_archive::Millis;
use propsbot_mirror::{Domain as _, MemoryRows, Stamp};
use proptest::prelude::*;

use crate::{
    merge::{Fact, Github, Object, Observation},
    records::Kept as _,
    rows::{Comment, Issue, NodeId, Reaction, User, UserId},
};

fn node(kind: &str, number: u8) -> NodeId {
    NodeId(format!("{kind}_{number}"))
}

fn person(number: u8) -> UserId {
    UserId(format!("U_{number}"))
}

fn object() -> impl Strategy<Value = Object> {
    let number = 0..3_u8;
    let text = prop::sample::select(vec!["hi", "thanks @u1 and @u11", "@U0!", ""]);
    (0..4_u8, number, 0..3_u8, 0..3_u8, text, any::<bool>()).prop_map(
        |(kind, number, who, login, text, is_gone)| {
            let (repository_id, created_at) = (node("R", 0), Millis(i64::from(number)));
            let author_id = Some(person(who));
            match kind {
                0 => Object::User(User {
                    repository_id,
                    id: person(who),
                    login: format!("u{login}"),
                    ..User::default()
                }),
                1 => {
                    let issue = Issue {
                        repository_id,
                        id: node("I", number),
                        created_at,
                        author_id,
                        title: text.to_owned(),
                        ..Issue::default()
                    };
                    Object::Issue(if is_gone {
                        issue.tombstone(Millis(9))
                    } else {
                        issue
                    })
                }
                2 => {
                    let comment = Comment {
                        repository_id,
                        id: node("C", number),
                        issue_id: node("I", 0),
                        created_at,
                        author_id,
                        body: text.to_owned(),
                        ..Comment::default()
                    };
                    Object::Comment(if is_gone {
                        comment.tombstone(Millis(9))
                    } else {
                        comment
                    })
                }
                _ => Object::Reaction(Reaction {
                    repository_id,
                    id: node("RE", number),
                    subject_id: node("I", number),
                    user_id: author_id,
                    content: Some("HEART".to_owned()),
                    created_at,
                    deleted_at: None,
                }),
            }
        },
    )
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![
        9 => object().prop_map(|object| Fact::Read(Box::new(object), Some(Millis(1)))),
        1 => (0..3_u8).prop_map(|login| Fact::Exclude(format!("U{login}"))),
    ];
    prop::collection::vec(fact, 1..20)
}

fn rows(all: &[Observation]) -> MemoryRows {
    let mut rows = MemoryRows::default();
    for seen in all {
        Github::merge(&mut rows, seen).unwrap();
    }
    rows
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        (facts, order, again) in facts().prop_flat_map(|facts| {
            let order: Vec<usize> = (0..facts.len()).collect();
            let again = prop::collection::vec(0..facts.len(), 0..5);
            (Just(facts), Just(order).prop_shuffle(), again)
        })
    ) {
        let seen: Vec<Observation> = facts
            .into_iter()
            .zip(1..)
            .map(|(fact, at)| Observation { at: Stamp(at), fact })
            .collect();
        let other: Vec<Observation> = order.iter().chain(&again).map(|at| seen[*at].clone()).collect();
        prop_assert_eq!(rows(&seen), rows(&other));
    }
}
