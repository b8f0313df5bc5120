//! How much props and reactions mint, rule by rule.

use propsbot_sourcecred::{NodeAddress, Weight};
use std::collections::BTreeMap;

use super::{community::*, *};
use propsbot_model::{ChannelId, ChannelKind, Millis, RoleId, Tier, UserId};
use propsbot_rows::{ChannelRow, MemberRow, RoleRow, RoleSpanRow};

const HELPER: RoleId = RoleId(31);
const ELDER: RoleId = RoleId(32);
const CATEGORY: ChannelId = ChannelId(190);

fn weights(json: &str) -> Weights {
    Weights::from_json(json).unwrap()
}

/// What each node mints: the props as `PROPS`, each reaction as its emoji and member.
fn minted(snapshot: &Snapshot, weights: &Weights) -> BTreeMap<String, f64> {
    let graph = props_graph(snapshot, weights);
    let declaration = declaration(weights);
    let of = |address: &NodeAddress| {
        let own = graph.node_weights.get(address).copied();
        own.unwrap_or(Weight::ONE).get() * declaration.weight_of(address).get()
    };
    let name = |address: &NodeAddress| {
        let parts: Vec<String> = serde_json::from_value(
            serde_json::to_value(address.parts()).expect("parts are a list of texts"),
        )
        .unwrap();
        match parts[2].as_str() {
            "PROPS" => Some("PROPS".to_owned()),
            "REACTION" => Some(format!("{} {}", parts[4], parts[5])),
            _ => None,
        }
    };
    let nodes = graph.nodes.keys();
    nodes
        .filter_map(|address| Some((name(address)?, of(address))))
        .collect()
}

fn expect(snapshot: &Snapshot, json: &str, expected: &[(&str, f64)]) {
    let found = minted(snapshot, &weights(json));
    let expected: BTreeMap<String, f64> = expected
        .iter()
        .map(|(name, weight)| ((*name).to_owned(), *weight))
        .collect();
    assert_eq!(found.len(), expected.len(), "{json}: {found:?}");
    for (name, weight) in &expected {
        let found = found.get(name).copied().unwrap_or(f64::NAN);
        assert!((found - weight).abs() < 1e-12, "{json}: {name} is {found}");
    }
}

/// Ana thanks Ben in a channel of a category; all three react.
fn thanked_in(place: ChannelId) -> Snapshot {
    let on = message(1, place, ANA, "<@2>", &[(BEN, 1)]);
    let mut snapshot = Snapshot {
        reactions: vec![
            reaction(&on, ANA, "🎉"),
            reaction(&on, BEN, "🎉"),
            reaction(&on, CY, "🎉"),
            reaction(&on, CY, "👍"),
        ],
        messages: vec![on],
        ..quiet()
    };
    snapshot.channels[1].parent_id = Some(CATEGORY);
    snapshot.channels.push(ChannelRow {
        id: CATEGORY,
        kind: ChannelKind::CATEGORY,
        parent_id: None,
        props_channel: false,
        ..snapshot.channels[1].clone()
    });
    snapshot.members[0].roles = vec![ELDER];
    snapshot.members[2].roles = vec![HELPER, ELDER];
    snapshot
}

fn thanked() -> Snapshot {
    thanked_in(PROPS)
}

#[test]
fn the_largest_role_weight_multiplies_what_a_member_mints() {
    expect(
        &thanked(),
        r#"{"role": 0.5, "roles": {"31": 4, "32": 3}}"#,
        &[
            ("PROPS", 3.0),
            ("🎉 1", 3.0),
            ("🎉 2", 0.5),
            ("🎉 3", 4.0),
            ("👍 3", 4.0),
        ],
    );
}

#[test]
fn a_role_weighs_at_least_the_default() {
    expect(
        &thanked(),
        r#"{"role": 2, "roles": {"31": 1}, "emojis": {"👍": 0}}"#,
        &[("PROPS", 2.0), ("🎉 1", 2.0), ("🎉 2", 2.0), ("🎉 3", 2.0)],
    );
}

#[test]
fn only_weighted_roles_mint_if_the_default_is_0() {
    expect(
        &thanked(),
        r#"{"role": 0, "roles": {"31": 1}}"#,
        &[("PROPS", 0.0), ("🎉 3", 1.0), ("👍 3", 1.0)],
    );
}

#[test]
fn a_channel_overrides_its_category_and_a_thread_its_channel() {
    let all = |weight: f64| {
        [
            ("PROPS", weight),
            ("🎉 1", weight),
            ("🎉 2", weight),
            ("🎉 3", weight),
            ("👍 3", weight),
        ]
    };
    let [own, parent, category, default] = [
        r#"{"channel": 9, "channels": {"190": 2, "201": 3, "202": 4}}"#,
        r#"{"channel": 9, "channels": {"190": 2, "201": 3}}"#,
        r#"{"channel": 9, "channels": {"190": 2}}"#,
        r#"{"channel": 9}"#,
    ];
    for (json, in_channel, in_thread) in [
        (own, 3.0, 4.0),
        (parent, 3.0, 3.0),
        (category, 2.0, 2.0),
        (default, 9.0, 9.0),
    ] {
        expect(&thanked(), json, &all(in_channel));
        expect(&thanked_in(THREAD), json, &all(in_thread));
    }
}

#[test]
fn leaves_out_channels_with_the_weight_0() {
    for json in [
        r#"{"channels": {"201": 0}}"#,
        r#"{"channel": 0, "channels": {"200": 1}}"#,
    ] {
        let graph = props_graph(&thanked(), &weights(json));
        assert_eq!((graph.nodes.len(), graph.edges.len()), (0, 0), "{json}");
    }
}

#[test]
fn own_reactions_can_have_their_own_weight() {
    expect(
        &thanked(),
        r#"{"giverReaction": 0, "receiverReaction": 0.5}"#,
        &[("PROPS", 1.0), ("🎉 2", 0.5), ("🎉 3", 1.0), ("👍 3", 1.0)],
    );
}

/// As in SourceCred: divides by the members who reacted, not by reactions, and doesn't count the author.
#[test]
fn averaging_divides_by_the_members_who_reacted() {
    expect(
        &thanked(),
        r#"{"applyAveraging": true}"#,
        &[
            ("PROPS", 1.0),
            ("🎉 1", 0.5),
            ("🎉 2", 0.5),
            ("🎉 3", 0.5),
            ("👍 3", 0.5),
        ],
    );
    expect(
        &thanked(),
        r#"{"applyAveraging": true, "confidenceDampener": 3, "roles": {"31": 4}, "emojis": {"👍": 0}}"#,
        &[
            ("PROPS", 1.0),
            ("🎉 1", 1.0 / 8.0),
            ("🎉 2", 1.0 / 8.0),
            ("🎉 3", 4.0 / 8.0),
        ],
    );
    let mut alone = thanked();
    alone.reactions.truncate(1);
    expect(
        &alone,
        r#"{"applyAveraging": true}"#,
        &[("PROPS", 1.0), ("🎉 1", 1.0)],
    );
}

#[test]
fn a_dampener_needs_averaging() {
    assert_eq!(
        props_graph(&thanked(), &weights(r#"{"confidenceDampener": 3}"#)),
        props_graph(&thanked(), &Weights::default())
    );
}

#[test]
fn tiny_weights_stay_finite() {
    let json = r#"{"applyAveraging": true, "role": 1e-320, "roles": {"32": 1000000}}"#;
    let mut snapshot = thanked();
    snapshot.members[2].roles.clear();
    let found = minted(&snapshot, &weights(json));
    assert!(found.values().all(|found| found.is_finite()), "{found:?}");
}

#[test]
fn roles_as_of_giving_are_those_seen_then() {
    let given = message_id(1).created_at();
    let span = |since: Millis, roles: Option<&[RoleId]>| RoleSpanRow {
        since,
        roles: roles.map(<[RoleId]>::to_vec),
    };
    let (before, after) = (Millis(given.0 - 1), Millis(given.0 + 1));
    let today = r#"{"roles": {"31": 4}}"#;
    let giving = r#"{"roles": {"31": 4}, "rolesAsOf": "giving"}"#;
    for (history, expected) in [
        (None, 4.0),
        (Some(vec![span(after, Some(&[]))]), 4.0),
        (Some(vec![span(given, Some(&[]))]), 1.0),
        (
            Some(vec![
                span(before, Some(&[ELDER])),
                span(after, Some(&[HELPER])),
            ]),
            1.0,
        ),
        (
            Some(vec![span(before, Some(&[HELPER])), span(after, Some(&[]))]),
            4.0,
        ),
        (Some(vec![span(before, None)]), 1.0),
    ] {
        let mut snapshot = thanked();
        snapshot.reactions.clear();
        snapshot.members[0] = MemberRow {
            roles: vec![HELPER],
            role_history: history,
            ..snapshot.members[0].clone()
        };
        expect(&snapshot, today, &[("PROPS", 4.0)]);
        expect(&snapshot, giving, &[("PROPS", expected)]);
    }
}

#[test]
fn a_role_counts_until_it_is_deleted() {
    let given = message_id(1).created_at();
    let mut snapshot = thanked();
    snapshot.reactions.clear();
    snapshot.members[0].roles = vec![HELPER];
    snapshot.members[0].role_history = Some(vec![RoleSpanRow {
        since: Millis(0),
        roles: Some(vec![HELPER]),
    }]);
    for (deleted_at, then) in [(given, 1.0), (Millis(given.0 + 1), 4.0)] {
        snapshot.roles = vec![RoleRow {
            id: HELPER,
            guild_id: GUILD,
            name: "helper".to_owned(),
            position: 1,
            permissions: 0,
            managed: false,
            deleted_at: Some(deleted_at),
        }];
        expect(&snapshot, r#"{"roles": {"31": 4}}"#, &[("PROPS", 1.0)]);
        expect(
            &snapshot,
            r#"{"roles": {"31": 4}, "rolesAsOf": "giving"}"#,
            &[("PROPS", then)],
        );
    }
}

/// Roles belong to a guild: a member with a role in one guild doesn't have it in another.
#[test]
fn a_role_counts_only_in_its_own_guild() {
    let mut snapshot = thanked();
    snapshot.reactions.clear();
    snapshot.members.insert(
        0,
        MemberRow {
            guild_id: propsbot_model::GuildId(50),
            roles: vec![HELPER],
            ..member(ANA, "ana")
        },
    );
    expect(&snapshot, r#"{"roles": {"31": 4}}"#, &[("PROPS", 1.0)]);
}

#[test]
fn members_who_left_still_mint_and_receive() {
    let thanks = message(1, PROPS, CY, "<@3>", &[(BEN, 1)]);
    let snapshot = Snapshot {
        reactions: vec![reaction(&thanks, CY, "🎉")],
        messages: vec![thanks, message(2, PROPS, ANA, "<@3>", &[(CY, 1)])],
        ..quiet()
    };
    let cy = prefix::members(false).with(&[&CY]);
    let graph = props_graph(&snapshot, &Weights::default());
    let of_cy = graph.edges.values();
    let ends: Vec<_> = of_cy
        .filter(|of_cy| of_cy.src == cy || of_cy.dst == cy)
        .map(|of_cy| of_cy.src == cy)
        .collect();
    // Gave props, reacted; received some.
    assert_eq!(ends.iter().filter(|gave| **gave).count(), 2);
    assert_eq!(ends.iter().filter(|gave| !**gave).count(), 1);
}

/// As `Redactor` writes them: props for a member who wants nothing shown go to a pseudonym.
#[test]
fn members_who_opted_out_have_no_name_or_identity() {
    let nobody = UserId(77);
    assert!(nobody.is_anonymous());
    let mut snapshot = quiet();
    snapshot.members.push(MemberRow {
        privacy: Some(Tier::Everything),
        ..member(nobody, "")
    });
    snapshot.messages = vec![message(1, PROPS, ANA, "<@77>", &[(nobody, 1)])];
    let graph = props_graph(&snapshot, &Weights::default());
    let node = &graph.nodes[&prefix::members(false).with(&[&nobody])];
    assert_eq!(node.description, "discord/anonymous#0");
    let proposals = identity_proposals(&snapshot, &graph);
    let names: Vec<_> = proposals
        .iter()
        .map(|proposal| proposal.name.as_str())
        .collect();
    assert_eq!(names, ["Ana"]);
    let props = graph.nodes.values().find(|node| node.timestamp.is_some());
    let said = &props.unwrap().description;
    assert!(said.contains("&#x40;someone"), "{said}");
    let link = format!(
        "({})",
        propsbot_model::jump_url(GUILD, PROPS, message_id(1))
    );
    assert!(said.ends_with(&link), "{said}");
}
