//! Plugins that are drawn together: one person is one participant, whatever the plugins and their order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use propsbot_model::Millis;
use propsbot_rows::GuildRow;
use propsbot_sourcecred::{
    Drawing, GraphPlugin, Types, WeightedGraph,
    cred::{Cred, Inputs, Ledger, Overrides},
    draw_all,
};

use super::{community::*, tables::computed, *};
use crate::discord::{DiscordConfig, DiscordPlugin, Rules as DiscordRules};

const DID: &str = r#"{"didathing_channels": ["200//general"]}"#;

fn plugin(name: &str) -> Arc<dyn GraphPlugin> {
    match name {
        "props" => Arc::new(PropsPlugin::default()),
        "didathing" => {
            let config = DidathingConfig::from_json(DID).unwrap();
            Arc::new(DidathingPlugin::new(config))
        }
        _ => {
            let config = format!(
                r#"[{{"guildId": "{GUILD}", "propsChannels": ["{PROPS}"], "reactionWeightConfig":
                    {{"weights": {{}}, "defaultWeight": 1, "applyAveraging": false}}}}]"#
            );
            let config = DiscordConfig::from_json(&config).unwrap();
            Arc::new(DiscordPlugin::new(config, DiscordRules::Native))
        }
    }
}

fn drawn(snapshot: &Snapshot, names: &[&str]) -> BTreeMap<String, Drawing> {
    let plugins: Vec<_> = names.iter().map(|name| plugin(name)).collect();
    let drawings = computed(snapshot, |rows| Ok(draw_all(&plugins, rows).unwrap()));
    let names = names.iter().map(|name| (*name).to_owned());
    names.zip(drawings).collect()
}

/// Ana did something with Ben, Ben thanks her for it in another channel, and Cy agrees with both.
fn busy() -> Snapshot {
    let mut snapshot = quiet();
    let did = message(1, GENERAL, ANA, "fixed it with Ben", &[(BEN, 1)]);
    let link = format!(
        "see https://discord.com/channels/{GUILD}/{GENERAL}/{}",
        did.id
    );
    let props = message(2, PROPS, BEN, &link, &[(ANA, 1)]);
    let own = message(3, GENERAL, ANA, "wrote the docs", &[]);
    let idle = message(4, GENERAL, BEN, "nobody agreed", &[]);
    snapshot.guilds = vec![GuildRow {
        reaction_thanks: Vec::new(),
        meeting_events: None,
        id: GUILD,
        name: "The Community".to_owned(),
        owner_id: ANA,
        props_channels: None,
        left_at: None,
        keep_deleted_props: None,
        excluded_channels: Vec::new(),
        included_channels: Vec::new(),
        limits: Vec::new(),
        props_bots: Vec::new(),
        age_restricted: None,
    }];
    snapshot.members.truncate(3);
    snapshot.reactions = vec![
        reaction(&did, CY, "🎉"),
        reaction(&did, ANA, "🎉"),
        reaction(&own, BEN, "🎉"),
        reaction(&props, CY, "🎉"),
    ];
    snapshot.messages = vec![did, own, idle, props];
    snapshot
        .messages
        .sort_by_key(|row| (row.channel_id, row.id));
    snapshot
        .reactions
        .sort_by_key(|row| (row.channel_id, row.message_id));
    // The names of the discord plugin are others.
    for member in &mut snapshot.members {
        member.member = true;
        member.nick = Some(format!("~ {} ~", member.username));
    }
    snapshot
}

/// The participants of an instance with these graphs, by alias.
fn participants(drawings: &BTreeMap<String, Drawing>) -> Vec<Vec<String>> {
    let documents = drawings.values().map(|drawing| &drawing.documents);
    let graph = |of: &Documents| -> WeightedGraph {
        of.graph
            .clone()
            .with_types(&Types::from(&of.declaration))
            .unwrap()
    };
    let inputs = Inputs {
        graphs: documents.clone().map(graph).collect(),
        proposals: documents.flat_map(|of| of.proposals.clone()).collect(),
        ledger: Ledger::default(),
        overrides: Overrides::default(),
        budgets: Vec::new(),
        dependencies: Vec::new(),
        attributions: Vec::new(),
        now: Millis(1_800_000_000_000),
    };
    let cred = Cred::compute(inputs).unwrap();
    let view = cred.view().unwrap();
    let participants = view.participants().iter().map(|participant| {
        let aliases = participant.account.identity.aliases.iter();
        aliases
            .map(|alias| alias.address.last_part().to_owned())
            .collect()
    });
    participants.collect()
}

const ORDERS: [&[&str]; 10] = [
    &["props"],
    &["didathing"],
    &["discord"],
    &["props", "didathing"],
    &["didathing", "props"],
    &["discord", "props"],
    &["didathing", "discord"],
    &["props", "didathing", "discord"],
    &["discord", "didathing", "props"],
    &["didathing", "discord", "props"],
];

#[test]
fn each_person_is_one_participant() {
    let snapshot = busy();
    for names in ORDERS {
        let drawings = drawn(&snapshot, names);
        let mut found = participants(&drawings);
        found.sort();
        assert_eq!(found, [["1"], ["2"], ["3"]], "{names:?}");
        let mut declared = Vec::new();
        for drawing in drawings.values() {
            let declaration = &drawing.documents.declaration;
            let types = declaration.node_types.iter().map(|of| of.prefix.clone());
            let members = crate::discord::discord_declaration().user_types[0]
                .prefix
                .clone();
            declared.extend(types.filter(|prefix| prefix.has_prefix(&members)));
        }
        let expected = if names.contains(&"discord") { 1 } else { 2 };
        assert_eq!(declared.len(), expected, "{names:?}: {declared:?}");
    }
}

#[test]
fn the_order_changes_nothing() {
    let snapshot = busy();
    let first = drawn(&snapshot, ORDERS[7]);
    for names in &ORDERS[8..] {
        assert_eq!(drawn(&snapshot, names), first, "{names:?}");
    }
}

#[test]
fn the_discord_plugin_stays_as_it_is() {
    let snapshot = busy();
    let alone = drawn(&snapshot, &["discord"]);
    for names in &ORDERS[5..] {
        let together = drawn(&snapshot, names);
        assert_eq!(together["discord"], alone["discord"], "{names:?}");
        // The others call people what it calls them.
        let proposals = |of: &str| {
            let proposals = together[of].documents.proposals.iter();
            proposals
                .map(|of| (of.alias.address.clone(), of.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        let known = proposals("discord");
        for name in names.iter().filter(|name| **name != "discord") {
            assert!(
                proposals(name)
                    .iter()
                    .all(|(alias, own)| known[alias] == *own)
            );
        }
    }
}

#[test]
fn a_link_to_a_message_of_another_plugin_is_an_edge() {
    let snapshot = busy();
    let refers = |drawings: &BTreeMap<String, Drawing>, of: &str| {
        let edges = drawings[of].documents.graph.edges.iter();
        let edges = edges.map(|(edge, _)| serde_json::to_value(edge.parts()).unwrap());
        let parts = edges.filter(|parts| parts[2] == "REFERS_TO");
        parts
            .map(|parts| parts[4].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = drawn(&snapshot, ORDERS[7]);
    assert_eq!(refers(&all, "props"), ["didathing", "discord"]);
    assert!(refers(&all, "didathing").is_empty() && refers(&all, "discord").is_empty());
    let alone = drawn(&snapshot, &["props"]);
    assert!(refers(&alone, "props").is_empty());
    let graph = &all["props"].documents.graph;
    for edge in graph.edges.values() {
        let mut graphs = all.values().map(|drawing| &drawing.documents.graph);
        assert!(graphs.any(|graph| graph.nodes.contains_key(&edge.dst)));
    }
}

#[test]
fn people_are_credited_for_what_they_did() {
    let snapshot = busy();
    let drawing = &drawn(&snapshot, &["didathing"])["didathing"];
    let graph = &drawing.documents.graph;
    let described: BTreeSet<&str> = graph
        .nodes
        .values()
        .map(|node| &*node.description)
        .collect();
    let about = |words: &str| described.iter().filter(|text| text.contains(words)).count();
    assert_eq!(about("Done by"), 2, "{described:?}");
    // Ana's reaction to her own message mints nothing.
    assert_eq!(about("Reacted"), 2, "{described:?}");
    assert_eq!(drawing.warnings, Vec::<String>::new());
    let kinds = graph
        .edges
        .keys()
        .map(|edge| serde_json::to_value(edge.parts()).unwrap());
    let kinds = kinds.map(|parts| parts[2].as_str().unwrap().to_owned());
    let mut counts = BTreeMap::<String, usize>::new();
    kinds.for_each(|kind| *counts.entry(kind).or_default() += 1);
    let expected = [
        ("ADDS_REACTION", 2),
        ("AUTHORS", 2),
        ("MENTIONS", 1),
        ("REACTS_TO", 2),
    ];
    let expected: BTreeMap<String, usize> = expected
        .map(|(kind, count)| (kind.to_owned(), count))
        .into();
    assert_eq!(counts, expected);
}

#[test]
fn names_what_is_wrong_with_the_channels() {
    for (config, says) in [
        ("[]", "didathing_channels"),
        ("{}", "didathing_channels"),
        (r#"{"didathing_channels": []}"#, "at least one channel"),
        (r#"{"didathing_channels": ["general"]}"#, "channel's id"),
        (
            r#"{"didathing_channels": ["1"], "props": -1}"#,
            "not a weight",
        ),
        (
            r#"{"didathing_channels": ["1"], "colour": 1}"#,
            "unknown field",
        ),
    ] {
        let error = DidathingConfig::from_json(config).unwrap_err().to_string();
        assert!(error.contains(says), "{config}: {error}");
    }
    let config = DidathingConfig::from_json(r#"{"didathing_channels": ["77"]}"#).unwrap();
    let plugin: Vec<Arc<dyn GraphPlugin>> = vec![Arc::new(DidathingPlugin::new(config))];
    let drawing = computed(&busy(), |rows| Ok(draw_all(&plugin, rows).unwrap()));
    assert!(
        drawing[0]
            .warnings
            .iter()
            .any(|warning| warning.contains("77"))
    );
}

#[test]
fn trust_is_the_thanks_that_count() {
    let mut snapshot = busy();
    let trust = computed(&snapshot, super::trust);
    let rows: Vec<_> = trust.iter().map(|of| (of.from, of.to, of.value)).collect();
    assert_eq!(rows, [(BEN, ANA, 1)]);
    assert_eq!(trust[0].time, message_id(2).created_at());
    snapshot.members[0].privacy = Some(propsbot_model::Tier::Everything);
    assert!(computed(&snapshot, super::trust).is_empty());
}
