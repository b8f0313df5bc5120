//! `propsbot cred`: what it says, and what it refuses. `tests/contract` compares it with the real SourceCred.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    cli::run,
    mirror::{Ended, Mirror},
};

/// A Sunday, 2023-01-01 00:00 UTC, and the day after.
const SUNDAY: u64 = 1_672_531_200_000;
const MONDAY: u64 = SUNDAY + 86_400_000;

/// An instance in which ana was thanked twice, on Monday and a week later, and ben once.
fn instance(folder: &Path) {
    instance_of(folder, MONDAY + 7 * 86_400_000, &["Ana", "Ben"]);
}

/// The same with another time of the later thanks, and with accounts of these names.
fn instance_of(folder: &Path, later: u64, names: &[&str]) {
    let address = |parts: &[&str]| json!([&["external", "props"], parts].concat());
    let nodes = [
        ("MEMBER", "ana"),
        ("MEMBER", "ben"),
        ("PROPS", "1"),
        ("PROPS", "2"),
    ];
    let node = |index: usize, description: &str, at: Option<u64>| json!({"index": index, "description": description, "timestampMs": at});
    let edge = |props: &str, src: usize, dst: usize, at: u64| json!({"address": address(&["THANKS", props, nodes[dst].1]), "srcIndex": src, "dstIndex": dst, "timestampMs": at});
    let graph = json!([
        {"type": "sourcecred/weightedGraph", "version": "0.1.0"},
        {
            "graphJSON": [{"type": "sourcecred/graph", "version": "0.8.0"}, {
                "sortedNodeAddresses": nodes.map(|(kind, id)| address(&[kind, id])),
                "nodes": [
                    node(0, "ana", None),
                    node(1, "ben", None),
                    node(2, "For [the docs](https://a.example/1)", Some(MONDAY)),
                    node(3, "For [the cake](https://a.example/2)", Some(later)),
                ],
                "edges": [edge("1", 2, 0, MONDAY), edge("2", 3, 0, later), edge("2", 3, 1, later)],
            }],
            "weightsJSON": [{"type": "sourcecred/weights", "version": "0.2.0"}, {
                "nodeWeights": {"N\0external\0props\0MEMBER\0": 0, "N\0external\0props\0PROPS\0": 10},
                "edgeWeights": {},
            }],
        },
    ]);
    let proposal = |name: &&str| {
        let id = name.to_lowercase();
        let alias =
            json!({"address": format!("N\0external\0props\0MEMBER\0{id}\0"), "description": name});
        json!({"name": name, "pluginName": "props", "type": "USER", "alias": alias})
    };
    write(
        folder,
        "sourcecred.json",
        &json!({"bundledPlugins": ["external/props"]}),
    );
    write(folder, "config/plugins/external/props/graph.json", &graph);
    let proposals: Vec<Value> = names.iter().map(proposal).collect();
    let proposals = json!(proposals);
    write(
        folder,
        "config/plugins/external/props/identityProposals.json",
        &proposals,
    );
}

fn write(folder: &Path, file: &str, json: &Value) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, json.to_string()).unwrap();
}

async fn cred(folder: &Path, arguments: &[&str]) -> Ended {
    run(
        folder,
        &[],
        &[&["cred", "--instance", "."], arguments].concat(),
    )
    .await
}

async fn read(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&cred(folder, arguments).await.ok().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_who_has_cred_and_why() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    instance(home);
    let says = cred(home, &[]).await.ok().stdout;
    for part in [
        "1  Ana",
        "2  Ben",
        "2 accounts not in the ledger yet",
        "week of 2023-01-08",
        "all cred: 20.0",
    ] {
        assert!(says.contains(part), "no {part:?} in {says}");
    }

    let report = read(home, &["--json"]).await;
    let ana = &report["participants"][0];
    assert_eq!(
        [&report["minted"], &ana["rank"], &ana["name"]],
        [&json!(20.0), &json!(1), &json!("Ana")]
    );
    assert_eq!(report["weeks"], json!([SUNDAY, SUNDAY + 7 * 86_400_000]));
    assert_eq!(
        ana["aliases"],
        json!([["external", "props", "MEMBER", "ana"]])
    );
    let first = &ana["top"][0];
    assert_eq!(
        [&first["description"], &first["link"], &first["at"]],
        [
            &json!("For the docs"),
            &json!("https://a.example/1"),
            &json!(MONDAY)
        ]
    );

    assert!(report.get("contributions").is_none());
    let report = read(home, &["--json", "--contributions", "--converge"]).await;
    let sum = |rows: &Value| {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["cred"].as_f64().unwrap()).sum::<f64>()
    };
    let brought = &report["contributions"];
    let address = json!(["external", "props", "PROPS", "1"]);
    assert_eq!(
        (brought.as_array().unwrap().len(), &brought[0]["address"]),
        (2, &address)
    );
    let difference = sum(brought) - sum(&report["participants"]);
    assert!(difference.abs() < 1e-9, "{report}");

    // By name, by id, by alias.
    let why = cred(home, &["--why", "ana"]).await.ok().stdout;
    assert!(
        why.contains("2023-01-02  For the docs") && why.contains("https://a.example/1"),
        "{why}"
    );
    let id = ana["id"].as_str().unwrap();
    assert_eq!(cred(home, &["--why", id]).await.ok().stdout, why);
    cred(home, &["--why", "zoe"])
        .await
        .failed(2, &["no account \"zoe\"", "the last part of an alias"]);

    let csv = cred(home, &["--csv"]).await.ok();
    assert!(
        csv.stdout
            .starts_with("name,id,type,active,grain,cred,2023-01-01,2023-01-08\nAna,"),
        "{csv:#?}"
    );
    assert!(csv.stderr.contains("--patch"), "{csv:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compares_with_earlier_cred_and_with_the_fixed_point() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    instance(home);
    cred(home, &["--out", "old"]).await.ok();
    let same = cred(home, &["--diff", "old"]).await.ok().stdout;
    assert!(same.contains("with the same cred: 2"), "{same}");
    let weights = json!([
        {"type": "sourcecred/weights", "version": "0.2.0"},
        {"nodeWeights": {"N\0external\0props\0PROPS\x002\0": 3}, "edgeWeights": {}},
    ]);
    write(home, "config/weights.json", &weights);
    let changes = read(home, &["--diff", "old/credGrainView", "--json"]).await;
    let [ana, ben] = &changes["changes"].as_array().unwrap()[..] else {
        panic!("{changes}");
    };
    assert!(
        ana["now"].as_f64() > ana["before"].as_f64()
            && ben["now"].as_f64() > ben["before"].as_f64(),
        "{changes}"
    );

    let moved = read(home, &["--converge", "--json"]).await;
    assert_eq!(moved["changes"].as_array().unwrap().len(), 2, "{moved}");
    let rest = |why: Value| why["rest"].as_f64().unwrap().abs();
    let (stopped, fixed) = (
        rest(read(home, &["--why", "Ana", "--json"]).await),
        rest(read(home, &["--why", "Ana", "--json", "--converge"]).await),
    );
    assert!(stopped > 1e-9 && fixed < 1e-10, "{stopped} {fixed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_what_is_wrong_with_an_instance() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    cred(home, &[])
        .await
        .failed(2, &["not a SourceCred instance", "sourcecred.json"]);
    instance(home);
    let period =
        |start: &str| json!([{"name": "dep", "periods": [{"startTime": start, "weight": 0.1}]}]);
    write(home, "config/dependencies.json", &period("2022-01-01"));
    let first_week = &[
        "the share of a dependency connects dep exactly at 2023-01-01T00:00:00Z",
        "second week",
    ];
    cred(home, &[]).await.failed(2, first_week);
    write(home, "config/dependencies.json", &period("2023-01-05"));
    cred(home, &[]).await.ok();
    write(home, "config/dependencies.json", &period("soon"));
    cred(home, &[])
        .await
        .failed(2, &["dependencies.json", "\"soon\" is no date"]);
    fs::remove_file(home.join("config/dependencies.json")).unwrap();

    let ledger = home.join("data/ledger.json");
    fs::create_dir_all(ledger.parent().unwrap()).unwrap();
    fs::write(&ledger, "{}\n").unwrap();
    cred(home, &[])
        .await
        .failed(2, &["ledger.json", "line 1 of the ledger is not an event"]);
    fs::remove_file(&ledger).unwrap();

    let nothing = json!([{"type": "sourcecred/weights", "version": "0.2.0"}, {"nodeWeights": {"N\0": 0}, "edgeWeights": {}}]);
    write(home, "config/weights.json", &nothing);
    cred(home, &[])
        .await
        .failed(2, &["nothing in the graph mints cred"]);
    fs::remove_file(home.join("config/weights.json")).unwrap();

    write(
        home,
        "sourcecred.json",
        &json!({"bundledPlugins": ["external/props", "sourcecred/github"]}),
    );
    cred(home, &[]).await.failed(
        2,
        &[
            "output/graphs/sourcecred/github has no graph",
            "sourcecred graph",
        ],
    );
    write(
        home,
        "sourcecred.json",
        &json!({"bundledPlugins": ["external/props"]}),
    );
    write(
        home,
        "config/plugins/external/props/config.json",
        &json!({"graphUrl": "https://a.example"}),
    );
    cred(home, &[])
        .await
        .failed(2, &["URLs, which are not fetched here"]);
    run(
        home,
        &[],
        &["cred", "--instance", ".", "--weights", "w.json"],
    )
    .await
    .failed(2, &["they need --from"]);
}

/// A node of a plugin that isn't there can't make it compute without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_more_weeks_than_fit_into_memory() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    instance(home);
    let file = home.join("config/plugins/external/props/graph.json");
    let graph = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        graph.replacen(&MONDAY.to_string(), "-8640000000000000", 1),
    )
    .unwrap();
    let mut proposals: Vec<Value> = Vec::new();
    for number in 0..40 {
        let alias = json!({"address": format!("N\0more\0{number}\0"), "description": ""});
        proposals.push(json!({"name": format!("more-{number}"), "pluginName": "props", "type": "BOT", "alias": alias}));
    }
    write(
        home,
        "config/plugins/external/props/identityProposals.json",
        &Value::Array(proposals),
    );
    cred(home, &[])
        .await
        .failed(2, &["weeks", "that is too much", "-8640000"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn needs_no_instance() {
    let mirror = Mirror::seeded(7).await;
    mirror.sync().await.ok();
    mirror.run(&["export"]).await.ok();
    let from = ["cred", "--from", "dir:archive"];
    let says = mirror.run(&from).await.ok().stdout;
    for part in ["generation 1", "not in the ledger yet", "all cred"] {
        assert!(says.contains(part), "no {part:?} in {says}");
    }
    // The accounts are the same each time.
    let json = [&from[..], &["--json"]].concat();
    let ids = |json: &str| {
        let report: Value = serde_json::from_str(json).unwrap();
        let all = report["participants"].as_array().unwrap().clone();
        all.iter()
            .map(|row| row["id"].to_string())
            .collect::<Vec<_>>()
    };
    let first = ids(&mirror.run(&json).await.ok().stdout);
    assert!(first.len() > 1);
    assert_eq!(ids(&mirror.run(&json).await.ok().stdout), first);
}

/// What somebody has whom nobody thanked is left over, and nothing brought it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explains_an_account_without_cred() {
    let home = tempfile::tempdir().unwrap();
    instance_of(home.path(), MONDAY, &["Ana", "Ben", "Cho"]);
    for more in [&[][..], &["--converge"]] {
        let why = [&["--why", "Cho", "--json"], more].concat();
        let why = cred(home.path(), &why).await.ok();
        let why: Value = serde_json::from_str(&why.stdout).unwrap();
        let number = |pointer| why.pointer(pointer).and_then(Value::as_f64).unwrap();
        let (cred, rest) = (number("/cred"), number("/rest"));
        assert!((0.0..1e-9).contains(&cred), "{why}");
        assert!((cred - rest).abs() <= cred * 1e-9, "{why}");
        assert_eq!(why["contributions"], json!([]));
        assert_eq!(
            why["other_contributions"].to_string(),
            r#"{"count":0,"cred":0.0}"#
        );
    }
}
