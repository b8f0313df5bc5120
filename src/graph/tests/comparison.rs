//! What a graph mints, and how two graphs differ.

use super::{community::*, *};
use propsbot_model::UserId;
use propsbot_sourcecred::{Changes, Comparison, Document, Minted, Types, WeightedGraph};

fn documents(snapshot: &Snapshot, weights: &str) -> Documents {
    props_documents(snapshot, &Weights::from_json(weights).unwrap())
}

fn compare(old: &Documents, new: &Documents) -> Comparison {
    let types = [old, new].map(|documents| Types::from(&documents.declaration));
    Comparison::new((&old.graph, &types[0]), (&new.graph, &types[1]))
}

fn minted(documents: &Documents) -> Minted {
    Minted::of(&documents.graph, &Types::from(&documents.declaration))
}

fn of(minted: &Minted, user: UserId) -> f64 {
    minted.by_person[&prefix::members(false).with(&[&user])]
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

/// Ana thanks Ben and Cy, and names Ben three times; nobody reacts.
fn thanks() -> Snapshot {
    Snapshot {
        messages: vec![message(1, PROPS, ANA, "", &[(BEN, 3), (CY, 1)])],
        ..quiet()
    }
}

#[test]
fn props_mint_for_givers_and_receivers_by_edge_weight() {
    let minted = minted(&documents(&thanks(), r#"{"props": 77}"#));
    // 19 × 3 to Ben, 19 to Cy, 1 back to Ana: 77 in all.
    assert!(near(minted.total, 77.0));
    assert!(near(of(&minted, BEN), 57.0));
    assert!(near(of(&minted, CY), 19.0));
    assert!(near(of(&minted, ANA), 1.0));
}

/// A reaction gives 1/16 back to who reacted for 1 that goes on to the props, which give 1/16 back
/// to the reaction for 19 + 1 that go to people: by hand.
#[test]
fn a_reaction_mints_for_the_people_its_props_lead_to() {
    let on = message(1, PROPS, ANA, "", &[(BEN, 1)]);
    let snapshot = Snapshot {
        reactions: vec![reaction(&on, CY, "🎉")],
        messages: vec![on],
        ..quiet()
    };
    let minted = minted(&documents(&snapshot, r#"{"props": 0}"#));
    let (on, back) = (16.0 / 17.0, 1.0 / 17.0);
    let round: f64 = 1.0 / (1.0 - on * 0.0625 / 20.0625);
    assert!(near(minted.total, 1.0));
    assert!(near(of(&minted, CY), back * round));
    assert!(near(of(&minted, BEN), on * 19.0 / 20.0625 * round));
    assert!(near(of(&minted, ANA), on / 20.0625 * round));
}

#[test]
fn everything_minted_reaches_a_person() {
    let minted = minted(&documents(&tiny(), "{}"));
    assert!(near(minted.total, 5.0), "{minted:?}");
    assert!(near(minted.by_person.values().sum(), 5.0), "{minted:?}");
}

#[test]
fn a_graph_equals_its_own_file() {
    for weights in [
        "{}",
        r#"{"role": 0.3, "channel": 1.7, "emojis": {"🎉": 0.1}}"#,
    ] {
        let documents = documents(&tiny(), weights);
        let graph = WeightedGraph::from_json(&documents.bytes(Document::Graph)).unwrap();
        let types = Types::from_json(&documents.bytes(Document::Declaration)).unwrap();
        assert_eq!(graph, documents.graph);
        assert_eq!(types, Types::from(&documents.declaration));
        let same = Comparison::new((&graph, &types), (&documents.graph, &types));
        assert_eq!(same.members, []);
        assert_eq!(same.unchanged_members, 3);
        assert_eq!((same.nodes, same.edges), Default::default());
    }
}

#[test]
fn new_weights_list_the_largest_changes_first() {
    let (old, new) = (
        documents(&thanks(), "{}"),
        documents(
            &thanks(),
            r#"{"props": 2, "edges": {"authors": {"backwards": 0}}}"#,
        ),
    );
    let told = compare(&old, &new);
    let names: Vec<&str> = told
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    assert_eq!(names, ["discord/ben_b#0", "discord/cy#0", "discord/ana#0"]);
    let ben = told.members[0].minted;
    assert!(near(ben.before, 57.0 / 77.0) && near(ben.now, 2.0 * 57.0 / 76.0));
    assert!(near(told.members[2].minted.now, 0.0));
    assert!(near(told.minted.before, 1.0) && near(told.minted.now, 2.0));
    let changed = |changed| Changes {
        changed,
        ..Changes::default()
    };
    assert_eq!((told.nodes, told.edges), (changed(1), changed(1)));
}

#[test]
fn new_data_counts_what_appeared_and_vanished() {
    let (old, new) = (
        documents(&thanks(), "{}"),
        documents(
            &Snapshot {
                messages: vec![message(2, PROPS, BEN, "", &[(ANA, 1)])],
                ..quiet()
            },
            "{}",
        ),
    );
    let told = compare(&old, &new);
    // Cy was thanked, and now is in no graph.
    let cy = told
        .members
        .iter()
        .find(|member| member.name == "discord/cy#0");
    assert!(near(cy.unwrap().minted.now, 0.0));
    let nodes = Changes {
        appeared: 1,
        vanished: 2,
        changed: 0,
    };
    let edges = Changes {
        appeared: 2,
        vanished: 3,
        changed: 0,
    };
    assert_eq!((told.nodes, told.edges), (nodes, edges));
}

#[test]
fn refuses_files_that_are_not_graphs() {
    let json = documents(&tiny(), "{}").bytes(Document::Graph);
    let json = String::from_utf8(json).unwrap();
    for (from, to, says) in [
        ("0.1.0", "0.2.0", "unknown variant `0.2.0`"),
        ("\"srcIndex\":0", "\"srcIndex\":99", "it has no address 99"),
        ("\"forwards\":2", "\"forwards\":-2", "-2 is not a weight"),
    ] {
        assert!(json.contains(from), "{from}");
        let broken = json.replacen(from, to, 1);
        let error = WeightedGraph::from_json(broken.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
