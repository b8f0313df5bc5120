//! Graph plugins drawn together, programs that are plugins, and instances that read each other.

mod cost;
mod hostile;
mod instances;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};
use simulator::discord::kind;

use crate::mirror::Mirror;

/// A page from which somebody writes a plugin.
const PAGE: &str = include_str!("../../docs/plugins.md");

/// Ana did something with Ben, who agreed; Ben thanks her for it by a link, and answers her.
async fn community() -> Mirror {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let (ana, ben) = (discord.join("ana"), discord.join("ben"));
    let props = discord.create_channel(kind::TEXT, "props", vec![]);
    let done = discord.create_channel(kind::TEXT, "done", vec![]);
    let did = discord.post(ana, done, &format!("fixed it with <@{ben}>"));
    assert!(discord.react(ben, done, did, "🎉", false));
    discord.post(ben, props, &format!("<@{ana}> for message {did}"));
    mirror.sync().await.ok();
    mirror.export().await;
    let config = json!({"didathing_channels": [done.to_string()]});
    fs::write(mirror.home.path().join("did.json"), config.to_string()).unwrap();
    mirror
}

/// The files below a folder, by path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = self::files(&path).into_iter();
            files.extend(below.map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

/// Writes a program into the mirror's home.
fn program(mirror: &Mirror, name: &str, text: &str) {
    let path = mirror.home.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const GRAPH: [&str; 5] = ["graph", "--from", "dir:archive", "--out", "graph"];

fn graph<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&GRAPH[..], more].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_plugins_have_a_folder_each() {
    let mirror = community().await;
    let out = mirror.home.path().join("graph");
    let both = graph(&["--plugin", "props", "--plugin", "didathing=did.json"]);
    mirror.run(&both).await.ok();
    let first = files(&out);
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "didathing/declaration.json",
            "didathing/graph.json",
            "didathing/identityProposals.json",
            "props/declaration.json",
            "props/graph.json",
            "props/identityProposals.json",
        ]
    );
    let turned = graph(&["--plugin", "didathing=did.json", "--plugin", "props"]);
    mirror.run(&turned).await.ok();
    assert_eq!(files(&out), first);

    // Each is compared with its own earlier graph.
    let config = fs::read_to_string(mirror.home.path().join("did.json")).unwrap();
    let doubled = config.replace('}', r#","props":2}"#);
    fs::write(mirror.home.path().join("more.json"), doubled).unwrap();
    let compare = ["graph", "--from", "dir:archive", "--diff", "graph"];
    let plugins = ["--plugin", "props", "--plugin", "didathing=more.json"];
    let compare = [&compare[..], &plugins].concat();
    let told = mirror.run(&compare).await.ok().stdout;
    assert!(
        told.contains("\ndidathing:\n") && told.contains("\nprops:\n"),
        "{told}"
    );
    let told = mirror
        .run(&[&compare[..], &["--json"]].concat())
        .await
        .ok()
        .stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let changed = |name: &str| told["plugins"][name]["nodes"]["changed"].as_u64().unwrap();
    assert!(changed("didathing") > 0, "{told}");
    assert_eq!(changed("props"), 0, "{told}");

    let cred = ["cred", "--from", "dir:archive", "--json"];
    let plugins = ["--plugin", "didathing=did.json", "--plugin", "props"];
    let report = mirror
        .run(&[&cred[..], &plugins].concat())
        .await
        .ok()
        .stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let participants = report["participants"].as_array().unwrap();
    let names: Vec<&str> = participants
        .iter()
        .map(|of| of["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{report}");
    assert_eq!(report["minted"], json!(2.0), "a thanks and a reaction");

    for (arguments, says) in [
        (&["--plugin", "didathing"][..], "--plugin didathing=FILE"),
        (
            &["--plugin", "nothing"],
            "props, didathing, meetings, discord, github, instance",
        ),
        (
            &["--plugin", "props", "--plugin", "props"],
            "two plugins \"props\"",
        ),
        (
            &["--plugin", "didathing=did.json", "--weights", "did.json"],
            "--plugin props",
        ),
        (
            &[
                "--plugin",
                "props",
                "--plugin",
                "didathing=did.json",
                "--diff",
                "graph/props",
            ],
            "graph/props/props",
        ),
    ] {
        mirror.run(&graph(arguments)).await.failed(2, &[says]);
    }
    let listed = mirror.run(&["plugins", "--json"]).await.ok().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 6);
    let listed = mirror.run(&["plugins"]).await.ok().stdout;
    assert!(listed.contains("didathing=FILE"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thanks_are_written_for_eigentrust_tools() {
    let mirror = community().await;
    let said = mirror
        .run(&["openrank", "--from", "dir:archive"])
        .await
        .ok();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "from,to,value,time");
    let [thanks] = lines[1..] else {
        panic!("{lines:?}")
    };
    let fields: Vec<&str> = thanks.split(',').collect();
    let ids: [u64; 2] = [fields[0].parse().unwrap(), fields[1].parse().unwrap()];
    assert!(
        ids[0] != ids[1] && fields[2] == "1" && fields[3].ends_with('Z'),
        "{thanks}"
    );
    assert!(said.stderr.contains("generation"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_page_is_a_plugin() {
    let mirror = community().await;
    let discord = &mirror.discord;
    let (dan, eve) = (discord.join("dan"), discord.join("eve"));
    let help = discord.create_channel(kind::TEXT, "help", vec![]);
    let question = discord.post(dan, help, "how?");
    discord.reply(eve, help, question, "like this");
    mirror.sync().await.ok();
    mirror.export().await;
    let (_, example) = PAGE.split_once("```python\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    assert!(example.lines().count() <= 40);
    program(&mirror, "answers.py", example);

    let out = mirror.home.path().join("graph");
    mirror
        .run(&graph(&["--plugin-exec", "./answers.py"]))
        .await
        .ok();
    let alone = files(&out);
    mirror
        .run(&graph(&["--plugin-exec", "./answers.py"]))
        .await
        .ok();
    assert_eq!(files(&out), alone, "the same rows give the same bytes");
    let graph_of = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
    let drawn = graph_of(&alone["graph.json"]);
    let addresses = &drawn[1]["graphJSON"][1]["sortedNodeAddresses"];
    let addresses: Vec<&Value> = addresses.as_array().unwrap().iter().collect();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert_eq!(addresses[0][1], "answers");
    let proposals = graph_of(&alone["identityProposals.json"]);
    assert_eq!(proposals.as_array().unwrap().len(), 2, "{proposals}");

    fs::remove_dir_all(&out).unwrap();
    let all = [
        "--plugin-exec",
        "./answers.py",
        "--plugin",
        "props",
        "--plugin",
        "didathing=did.json",
    ];
    mirror.run(&graph(&all)).await.ok();
    let together = files(&out);
    assert_eq!(together["answers/graph.json"], alone["graph.json"]);
    let cred = [&["cred", "--from", "dir:archive", "--json"][..], &all].concat();
    let report = graph_of(mirror.run(&cred).await.ok().stdout.as_bytes());
    assert_eq!(
        report["participants"].as_array().unwrap().len(),
        4,
        "{report}"
    );
}
