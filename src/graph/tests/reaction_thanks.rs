//! Thanks by reaction: who gives them when, and that everything counts them alike.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{community::*, page::guild, *};
use propsbot_model::{
    AuthorKind, Evidence, Limits, MessageId, Millis, Quota, QuotaPeriod, ReactionThanks, RoleId,
    Tier, UserId,
};
use propsbot_rows::{MemberRow, MessageRow, ReactionRow, RowFilter as _};
use propsbot_sourcecred::Weight;

const DAN: UserId = UserId(7 << 22);
const EVE: UserId = UserId(8 << 22);
const FAY: UserId = UserId(9 << 22);

fn at(index: u64) -> Millis {
    message_id(index).created_at()
}

/// A guild where 🙏 is thanks from the first minute on.
fn thanking(messages: Vec<MessageRow>) -> Snapshot {
    let mut snapshot = limits::community(Vec::new(), messages);
    snapshot.members.push(member(FAY, "fay"));
    snapshot.guilds[0].reaction_thanks = vec![ReactionThanks::new(at(0), Some("🙏"), 0, &[])];
    snapshot
}

/// A reaction that the gateway told of, so many minutes after the message.
fn told(on: &MessageRow, user: UserId, minutes: i64) -> ReactionRow {
    ReactionRow {
        added_at: Some(Millis(on.id.created_at().0 + minutes * 60_000)),
        added_by: Some(Evidence::Gateway),
        ..reaction(on, user, "🙏")
    }
}

/// What counts: the message, the giver and the receiver.
fn counting(snapshot: &Snapshot) -> Vec<(MessageId, UserId, UserId)> {
    let all = props::props(snapshot, &Rules::new(snapshot)).into_iter();
    all.flat_map(|(key, props)| {
        let receivers: Vec<_> = props.receivers.into_keys().collect();
        let giver = props.giver;
        receivers
            .into_iter()
            .map(move |to| (key.message, giver, to))
    })
    .collect()
}

/// What `/why` says of the only message's reactions that don't count.
fn idle(snapshot: &Snapshot) -> Vec<Option<NoReaction>> {
    let told = explain(snapshot, &Weights::default(), &BTreeMap::new());
    told.idle.into_iter().map(|(_, why)| why).collect()
}

#[test]
fn a_reaction_thanks_the_author_as_long_as_it_is_there() {
    let said = message(1, GENERAL, EVE, "I fixed it", &[]);
    let mut snapshot = thanking(vec![said.clone()]);
    assert_eq!(counting(&snapshot), []);
    snapshot.reactions = vec![reaction(&said, DAN, "🙏"), reaction(&said, FAY, "👍")];
    assert_eq!(counting(&snapshot), [(said.id, DAN, EVE)]);
    assert_eq!(idle(&snapshot), [], "other emojis are not about thanks");

    // The super reaction of the same member, and what is removed, add nothing.
    let mut burst = reaction(&said, DAN, "🙏");
    burst.burst = true;
    snapshot.reactions.push(burst);
    assert_eq!(counting(&snapshot), [(said.id, DAN, EVE)]);
    for row in &mut snapshot.reactions {
        row.removed_at = Some(Millis(2));
    }
    assert_eq!(counting(&snapshot), []);
    assert_eq!(idle(&snapshot), [Some(NoReaction::Removed); 2]);
}

#[test]
fn only_members_thank_and_only_members_are_thanked() {
    let said = message(1, GENERAL, EVE, "", &[]);
    let of = |author_kind, author| MessageRow {
        author_kind: Some(author_kind),
        author_id: Some(author),
        ..said.clone()
    };
    let why = |message: MessageRow, by: UserId| {
        let mut snapshot = thanking(vec![message.clone()]);
        snapshot.members.push(MemberRow {
            privacy: Some(Tier::Everything),
            ..member(UserId(5), "")
        });
        snapshot.reactions = vec![reaction(&message, by, "🙏")];
        assert_eq!(counting(&snapshot), []);
        idle(&snapshot)
    };
    assert_eq!(why(said.clone(), EVE), [Some(NoReaction::ToSelf)]);
    assert_eq!(why(said.clone(), BOT), [Some(NoReaction::ByBot)]);
    assert_eq!(why(said.clone(), NOBODY), [Some(NoReaction::ByUnknown)]);
    for unthankable in [
        of(AuthorKind::Bot, BOT),
        of(AuthorKind::Webhook, EVE),
        of(AuthorKind::User, NOBODY),
        of(AuthorKind::User, UserId(5)),
        tombstone(&said),
    ] {
        assert_eq!(why(unthankable, DAN), [Some(NoReaction::NoAuthor)]);
    }
    let (props, answer) = command(1, GENERAL, EVE, &[BEN], "");
    let mut snapshot = thanking(vec![answer.clone()]);
    snapshot.props = vec![props];
    snapshot.reactions = vec![reaction(&answer, DAN, "🙏")];
    assert_eq!(counting(&snapshot), [(answer.id, EVE, BEN)]);
}

#[test]
fn a_reaction_to_props_agrees_with_them() {
    let said = message(1, PROPS, EVE, "<@2>", &[(BEN, 1)]);
    let mut snapshot = thanking(vec![said.clone()]);
    snapshot.reactions = vec![reaction(&said, DAN, "🙏")];
    assert_eq!(counting(&snapshot), [(said.id, EVE, BEN)]);
    let told = explain(&snapshot, &Weights::default(), &BTreeMap::new());
    assert!((told.mints - 2.0).abs() < f64::EPSILON, "{told:?}");
    // What mentions nobody is no props, in a props channel, too.
    snapshot.messages[0].mentions.clear();
    assert_eq!(counting(&snapshot), [(said.id, DAN, EVE)]);
}

#[test]
fn the_emoji_at_the_time_of_the_reaction_counts() {
    let said = message(10, GENERAL, EVE, "", &[]);
    let mut snapshot = thanking(vec![said.clone()]);
    let state = |minute, emoji| ReactionThanks::new(at(minute), emoji, 0, &[]);
    let counts = |snapshot: &mut Snapshot, states: &[ReactionThanks], row: ReactionRow| {
        snapshot.guilds[0].reaction_thanks = states.to_vec();
        snapshot.reactions = vec![row];
        !counting(snapshot).is_empty()
    };
    let (on, off) = (
        [state(20, Some("🙏"))],
        [state(5, Some("🙏")), state(20, None)],
    );
    // If the gateway told of it, when it did.
    assert!(!counts(&mut snapshot, &on, told(&said, DAN, 5)));
    assert!(counts(&mut snapshot, &on, told(&said, DAN, 10)));
    assert!(counts(&mut snapshot, &off, told(&said, DAN, 9)));
    assert!(!counts(&mut snapshot, &off, told(&said, DAN, 10)));
    // If a list did, when its message was posted, however late the list was read.
    let listed = ReactionRow {
        added_by: Some(Evidence::Rest),
        ..told(&said, DAN, 30)
    };
    assert!(!counts(&mut snapshot, &on, listed.clone()));
    assert!(counts(&mut snapshot, &off, listed));
    assert_eq!(idle(&snapshot), []);
}

#[test]
fn only_members_with_a_giver_role_thank() {
    let said = message(10, GENERAL, EVE, "", &[]);
    let mut snapshot = thanking(vec![said.clone()]);
    let state = ReactionThanks::new(at(0), Some("🙏"), 0, &[RoleId(5)]);
    snapshot.guilds[0].reaction_thanks = vec![state];
    snapshot.reactions = vec![reaction(&said, DAN, "🙏")];
    assert_eq!(counting(&snapshot), []);
    assert_eq!(idle(&snapshot), [Some(NoReaction::MayNotGive)]);
    let dan = snapshot.members.iter().position(|row| row.user_id == DAN);
    snapshot.members[dan.unwrap()].roles = vec![RoleId(4), RoleId(5)];
    assert_eq!(counting(&snapshot), [(said.id, DAN, EVE)]);
}

#[test]
fn reactions_use_the_quota_of_commands_and_messages() {
    let thanks = message(1, PROPS, DAN, "<@2>", &[(BEN, 1)]);
    let said: Vec<_> = [2, 3, 4]
        .map(|index| message(index, GENERAL, EVE, "", &[]))
        .into();
    let late = message(60, PROPS, DAN, "<@2>", &[(BEN, 1)]);
    let mut snapshot = thanking([vec![thanks.clone()], said.clone(), vec![late.clone()]].concat());
    snapshot.guilds[0].limits = vec![Limits {
        since: Millis(0),
        quota: Some(Quota {
            count: 3,
            period: QuotaPeriod::Day,
        }),
        commands_only: false,
        edit_minutes: 10,
    }];
    // In the order of the reactions, not in that of the messages.
    snapshot.reactions = vec![
        told(&said[0], DAN, 50),
        told(&said[1], DAN, 10),
        told(&said[2], DAN, 20),
    ];
    let expected = [
        (thanks.id, DAN, BEN),
        (said[1].id, DAN, EVE),
        (said[2].id, DAN, EVE),
    ];
    assert_eq!(counting(&snapshot), expected);
    // Taken back, it uses nothing.
    snapshot.reactions[2].removed_at = Some(Millis(1));
    let expected = [
        (thanks.id, DAN, BEN),
        (said[1].id, DAN, EVE),
        (said[0].id, DAN, EVE),
    ];
    assert_eq!(counting(&snapshot), expected);
}

#[test]
fn a_cooldown_holds_after_reactions_and_commands_that_count() {
    let said: Vec<_> = [1, 2, 3]
        .map(|index| message(index, GENERAL, EVE, "", &[]))
        .into();
    let mut snapshot = thanking(said.clone());
    let state = ReactionThanks::new(at(0), Some("🙏"), 30, &[]);
    snapshot.guilds[0].reaction_thanks = vec![state];
    let on = |index: usize, minutes: i64| {
        told(
            &said[index],
            DAN,
            minutes - 1 - i64::try_from(index).unwrap(),
        )
    };
    let counted = |snapshot: &Snapshot| {
        let all = counting(snapshot).into_iter();
        all.map(|(message, _, _)| said.iter().position(|row| row.id == message))
            .collect::<Vec<_>>()
    };
    // What came too soon begins no cooldown of its own.
    snapshot.reactions = vec![on(0, 10), on(1, 39), on(2, 40)];
    assert_eq!(counted(&snapshot), [Some(0), Some(2)]);
    // Other members are thanked at once.
    snapshot.messages[1].author_id = Some(FAY);
    assert_eq!(counted(&snapshot), [Some(0), Some(1), Some(2)]);
    snapshot.messages[1].author_id = Some(EVE);
    let (props, answer) = command(20, GENERAL, DAN, &[EVE], "");
    snapshot.messages.push(answer);
    snapshot.props.push(props);
    assert_eq!(
        counted(&snapshot),
        [Some(0), None],
        "the command came in between"
    );
}

#[test]
fn thanks_are_drawn_like_props_with_a_weight_of_their_own() {
    let said = message(1, GENERAL, EVE, "", &[]);
    let mut snapshot = thanking(vec![said.clone()]);
    snapshot.reactions = vec![told(&said, DAN, 500)];
    insta::assert_debug_snapshot!(explain(&snapshot, &Weights::default(), &BTreeMap::new()));
    let weights = Weights::from_json(r#"{"reactionThanks": 0.25}"#).unwrap();
    let graph = props_graph(&snapshot, &weights);
    let weighed: Vec<_> = graph
        .node_weights
        .values()
        .map(|weight| weight.get())
        .collect();
    assert_eq!(weighed, [0.25]);
    // They have the date of the contribution.
    assert!(
        graph
            .edges
            .values()
            .all(|edge| edge.timestamp == said.id.created_at())
    );
    let nothing = Weights::from_json(r#"{"props": 0}"#).unwrap();
    let told = explain(&snapshot, &nothing, &BTreeMap::new());
    assert!(
        told.mints.abs() < f64::EPSILON && Weight::ZERO.get() < 1.0,
        "{told:?}"
    );
}

fn sorted_otherwise(snapshot: Snapshot) -> impl Strategy<Value = (Snapshot, Snapshot)> {
    let rows = (
        Just(snapshot.messages.clone()).prop_shuffle(),
        Just(snapshot.reactions.clone()).prop_shuffle(),
        Just(snapshot.props.clone()).prop_shuffle(),
        Just(snapshot.members.clone()).prop_shuffle(),
    );
    rows.prop_map(move |(messages, reactions, props, members)| {
        let shuffled = Snapshot {
            messages,
            reactions,
            props,
            members,
            ..snapshot.clone()
        };
        (snapshot.clone(), shuffled)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_means_nothing((snapshot, shuffled) in guild().prop_flat_map(sorted_otherwise)) {
        let weights = Weights::default();
        prop_assert_eq!(props_documents(&snapshot, &weights), props_documents(&shuffled, &weights));
        prop_assert_eq!(standings(&snapshot), standings(&shuffled));
    }

    #[test]
    fn filtered_rows_give_the_same_graph(snapshot in guild()) {
        let mut filter = PropsRowFilter::new(&Snapshot {
            messages: Vec::new(),
            reactions: Vec::new(),
            ..snapshot.clone()
        });
        let mut sifted = snapshot.clone();
        sifted.reactions.retain(|row| filter.channel(row.channel_id) && filter.reaction(row));
        sifted.messages.retain(|row| filter.channel(row.channel_id) && filter.message(row));
        let weights = Weights::default();
        prop_assert_eq!(props_documents(&sifted, &weights), props_documents(&snapshot, &weights));
    }

    #[test]
    fn explanations_say_of_each_message_what_the_graph_has(snapshot in guild()) {
        let weights = Weights::default();
        let rules = Rules::new(&snapshot);
        let exceeding: BTreeMap<ThanksKey, NoProps> = props::judged(&snapshot, &rules)
            .into_iter()
            .filter_map(|(key, judged)| {
                let why_not = judged.why_not.filter(|why| matches!(why, NoProps::OverQuota(_) | NoProps::TooSoon(_)));
                Some((key, why_not?))
            })
            .collect();
        let types = declaration(&weights);
        let graph = props_graph(&snapshot, &weights);
        let whole: f64 = graph
            .nodes
            .keys()
            .map(|node| types.weight_of(node).and(graph.node_weights.get(node).copied().unwrap_or(Weight::ONE)).get())
            .sum();
        let mut mints = 0.0;
        for message in &snapshot.messages {
            // As the store finds it: the first command that claims the message.
            let claims = snapshot.props.iter().filter(|row| row.message_id == Some(message.id));
            let only = Snapshot {
                messages: vec![message.clone()],
                props: claims.min_by_key(|row| row.id).into_iter().cloned().collect(),
                reactions: snapshot.reactions.iter().filter(|row| row.message_id == message.id).cloned().collect(),
                ..snapshot.clone()
            };
            mints += explain(&only, &weights, &exceeding).mints;
        }
        prop_assert!((mints - whole).abs() < 1e-9, "{} of {}", mints, whole);
    }
}
