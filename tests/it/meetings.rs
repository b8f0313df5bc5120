//! The meetings plugin, on what a bot and members posted.

use std::fs;

use serde_json::{Value, json};
use simulator::discord::kind;

use crate::mirror::Mirror;

fn document(mirror: &Mirror, name: &str) -> Value {
    let bytes = fs::read(mirror.home.path().join("meetings").join(name)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The members to whom edges of this kind lead, in the order of their addresses.
fn members(graph: &Value, edge: &str) -> Vec<u64> {
    let edges = graph[1]["graphJSON"][1]["edges"].as_array().unwrap();
    let of_kind = edges.iter().filter(|row| row["address"][2] == edge);
    let id = |row: &Value| row["address"][6].as_str().unwrap().parse().unwrap();
    of_kind.map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meetings_are_drawn_from_posts_of_bots_and_members() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let [ana, ben, cho] = ["ana", "ben", "cho"].map(|name| discord.join(name));
    let bot = discord.join_bot("meet");
    let place = discord.create_channel(kind::TEXT, "meetings", vec![]);
    let general = discord.create_channel(kind::TEXT, "general", vec![]);
    let text = format!("**Sync**\nHosts: <@{ana}>\nNotes: <@{ben}>\nHere: <@{cho}> <@{bot}>");
    discord.post(bot, place, &text);
    discord.post(ana, place, &format!("We talked, <@{ben}> and I"));
    discord.post(ana, place, "nobody came");
    discord.post(ana, general, &text);
    let withdrawn = discord.post(ana, place, &format!("Hosts: <@{cho}>"));
    discord.delete(place, withdrawn);
    mirror.sync().await.ok();
    mirror.export().await.ok();

    let config = json!({"meeting_channels": [format!("{place}// meetings")], "host": 3});
    let file = mirror.home.path().join("meetings.json");
    fs::write(&file, config.to_string()).unwrap();
    let draw = [
        "graph",
        "--from",
        "dir:archive",
        "--plugin",
        "meetings=meetings.json",
        "--out",
        "meetings",
    ];
    let said = mirror.run(&draw).await.ok();
    assert!(!said.stdout.contains("does not have"), "{}", said.stdout);
    let graph = document(&mirror, "graph.json");
    let mut attended = members(&graph, "ATTENDED");
    attended.sort_unstable();
    assert_eq!(attended, [ana, ben, ben, cho]);
    assert_eq!(members(&graph, "HOSTED"), [ana]);
    assert_eq!(members(&graph, "TOOK_NOTES"), [ben]);
    let weights = graph[1]["weightsJSON"][1]["nodeWeights"]
        .as_object()
        .unwrap();
    assert_eq!(weights.values().collect::<Vec<_>>(), [&json!(7)]);
    let proposals = document(&mirror, "identityProposals.json");
    assert_eq!(proposals.as_array().unwrap().len(), 3);

    // A typo is named, and no meetings are refused as SourceCred would.
    fs::write(&file, r#"{"meeting_channels": ["5"]}"#).unwrap();
    let said = mirror.run(&draw).await;
    assert!(
        said.stdout
            .contains("because the archive does not have them: 5"),
        "{}",
        said.stdout
    );
    fs::write(&file, r#"{"meeting_channels": "general"}"#).unwrap();
    mirror
        .run(&draw)
        .await
        .failed(2, &["meetings.json is invalid", "expected a sequence"]);
    let without = [
        "graph",
        "--from",
        "dir:archive",
        "--plugin",
        "meetings",
        "--out",
        "x",
    ];
    mirror.run(&without).await.failed(2, &["meetings=FILE"]);
}
