//! Two instances that read each other's cred.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use flate2::read::ZlibDecoder;
use propsbot::{
    app::{self, CredOrder, PluginChoice, PluginName, PluginOrder},
    config::{Config, Needs},
};
use propsbot_archive::export;
use propsbot_backends::FolderArchive;
use propsbot_model::{AuthorKind, Mention, MessageKind, Tier, UserId};
use propsbot_rows::{MemberRow, MessageRow, Snapshot};
use propsbot_sourcecred::{NodeAddress, WeightedGraph};
use serde_json::{Value, json};

use crate::archive::community::{PROPS, message, message_id, request, rows};

const BEN: UserId = UserId(480_300_000_000_000_010);

/// A community in which members are thanked on these days, `(day, giver, receiver)`.
async fn community(folder: &Path, thanks: &[(i64, usize, usize)]) {
    export_rows(folder, &community_rows(thanks)).await;
}

fn community_rows(thanks: &[(i64, usize, usize)]) -> Snapshot {
    let mut rows = rows();
    let first = rows.members[0].clone();
    let people = [first.user_id, BEN];
    rows.members.push(MemberRow {
        user_id: BEN,
        username: "ben".to_owned(),
        ..first
    });
    rows.messages.clear();
    rows.reactions.clear();
    rows.props.clear();
    for row in &mut rows.channels {
        row.props_channel = row.id == PROPS;
    }
    for (n, (day, giver, receiver)) in thanks.iter().enumerate() {
        let id = message_id(*day + 1, n as u64);
        rows.messages.push(MessageRow {
            author_id: Some(people[*giver]),
            author_kind: Some(AuthorKind::User),
            kind: Some(MessageKind::DEFAULT),
            mentions: vec![Mention {
                user_id: people[*receiver],
                count: 1,
            }],
            ..message(PROPS, id, "thanks")
        });
    }
    rows.messages.sort_by_key(|row| (row.channel_id, row.id));
    rows
}

async fn export_rows(folder: &Path, rows: &Snapshot) {
    let archive = FolderArchive::new(folder.join("archive"));
    let request = request(rows);
    let exported = export(&archive, Arc::new(rows.clone()), request);
    exported.await.unwrap();
}

/// Each participant's share of all cred, after computing it anew.
async fn shares(folder: &Path, reads: bool) -> BTreeMap<String, f64> {
    let config = Config::read(&BTreeMap::new(), Needs::Local).unwrap();
    let choice = |name, file: Option<&str>| PluginChoice {
        name,
        file: file.map(|file| folder.join(file)),
    };
    let mut plugins = vec![choice(PluginName::Props, None)];
    if reads {
        plugins.push(choice(PluginName::Instance, Some("instance.json")));
    }
    let order = CredOrder {
        from: Some(
            format!("dir:{}", folder.join("archive").display())
                .parse()
                .unwrap(),
        ),
        plugin: PluginOrder {
            plugins,
            ..PluginOrder::default()
        },
        out: Some(folder.join("output")),
        ..CredOrder::default()
    };
    app::cred(&config, order).await.unwrap();
    let view = fs::File::open(folder.join("output/credGrainView")).unwrap();
    let view: Value = serde_json::from_reader(ZlibDecoder::new(view)).unwrap();
    let participants = view["participants"].as_array().unwrap();
    let cred = |of: &Value| of["cred"].as_f64().unwrap();
    let all: f64 = participants.iter().map(cred).sum();
    let share = |of: &Value| {
        let name = of["identity"]["name"].as_str().unwrap().to_owned();
        (name, cred(of) / all)
    };
    participants.iter().map(share).collect()
}

async fn converge(rates: [f64; 2], thanks: [&[(i64, usize, usize)]; 2]) {
    let home = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| home.path().join(name));
    let others = [
        (&folders[0], "two", rates[0], thanks[0]),
        (&folders[1], "one", rates[1], thanks[1]),
    ];
    for (folder, other, rate, thanks) in others {
        community(folder, thanks).await;
        let config = json!({"name": other, "folder": format!("../{other}"), "rate": rate});
        fs::write(folder.join("instance.json"), config.to_string()).unwrap();
        shares(folder, false).await;
    }
    let alone = shares(&folders[0], false).await;
    let mut before = Vec::new();
    for round in 1..=50 {
        let mut now = Vec::new();
        for folder in &folders {
            now.push(shares(folder, true).await);
        }
        if round == 50 {
            let change = |(one, next): (&BTreeMap<_, f64>, &BTreeMap<String, f64>)| {
                let changes = next.iter().map(|(name, share)| (share - one[name]).abs());
                changes.fold(0.0, f64::max)
            };
            let most = before.iter().zip(&now).map(change).fold(0.0, f64::max);
            assert!(most < 1e-6, "at rates {rates:?}, a share moves by {most}");
            assert_ne!(now[0], alone, "the other instance counts");
        }
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_that_read_each_other_converge() {
    let one: &[_] = &[(0, 0, 1), (1, 0, 1), (8, 1, 0), (15, 0, 1)];
    let two: &[_] = &[(2, 1, 0), (9, 1, 0), (9, 0, 1), (30, 1, 0)];
    converge([0.3, 0.4], [one, two]).await;
    // Sums above 1, and weeks in which only one of them has anything.
    converge([5.0, 40.0], [one, two]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_instance_is_named() {
    let home = tempfile::tempdir().unwrap();
    community(home.path(), &[(0, 0, 1)]).await;
    for (config, says) in [
        (
            json!({"name": "two", "folder": "two", "rate": 1}),
            "two has no output/credGrainView",
        ),
        (
            json!({"name": "Two", "folder": "two", "rate": 1}),
            "name has to have",
        ),
        (
            json!({"name": "two", "folder": "two", "rate": 0}),
            "rate has to be",
        ),
        (json!({"name": "two", "rate": 1}), "either folder or url"),
        (json!({"name": "two", "folder": "two"}), "either rate"),
        (
            json!({"name": "two", "folder": "two", "rate": 1, "budget": 1}),
            "either rate",
        ),
        (
            json!({"name": "two", "folder": "two", "budget": -1}),
            "budget has to be",
        ),
        (
            json!({"name": "two", "folder": "two", "rate": 1, "plugins": ["external/props"]}),
            "they go with budget",
        ),
        (
            json!({"name": "two", "url": "http://example.org/output/", "rate": 1}),
            "http:// would let others change",
        ),
        (
            json!({"name": "two", "url": "https://a:b@example.org/output/", "rate": 1}),
            "without a name, password",
        ),
        (
            json!({"name": "two", "url": "http://127.0.0.1:1/output/", "rate": 1}),
            "could not fetch http://127.0.0.1:1/output/credGrainView",
        ),
    ] {
        fs::write(home.path().join("instance.json"), config.to_string()).unwrap();
        let arguments = [
            "graph",
            "--from",
            "dir:archive",
            "--plugin",
            "instance=instance.json",
            "--out",
            "g",
        ];
        let ended = crate::cli::run(home.path(), &[], &arguments).await;
        ended.failed(2, &[says]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opted_out_here_is_not_named_by_what_is_known_there() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = (home.path(), home.path().join("two"));
    let thanks = [(0, 0, 1), (8, 1, 0)];
    community(&there, &thanks).await;
    assert_eq!(shares(&there, false).await.len(), 2);
    let props = [
        "graph",
        "--from",
        "dir:two/archive",
        "--out",
        "two/output/graphs/external/props",
    ];
    crate::cli::run(here, &[], &props).await.ok();
    fs::write(
        there.join("sourcecred.json"),
        r#"{"bundledPlugins": ["external/props", "external/props"]}"#,
    )
    .unwrap();

    let mut rows = community_rows(&[]);
    let mut names = Vec::new();
    let people = [rows.members[0].user_id, BEN];
    rows.members.retain(|row| people.contains(&row.user_id));
    for row in &mut rows.members {
        let is_ben = row.user_id == BEN;
        row.privacy = Some(if is_ben {
            Tier::Everything
        } else {
            Tier::Identity
        });
        names.push(std::mem::take(&mut row.username));
        row.global_name = None;
        if !is_ben {
            row.username = "member-0000a".to_owned();
        }
    }
    export_rows(here, &rows).await;
    for worth in ["rate", "budget"] {
        let config = json!({"name": "two", "folder": "two", worth: 1});
        fs::write(here.join("instance.json"), config.to_string()).unwrap();
        let arguments = [
            "graph",
            "--from",
            "dir:archive",
            "--plugin",
            "instance=instance.json",
            "--out",
            "g",
        ];
        crate::cli::run(here, &[], &arguments).await.ok();
        let json = fs::read(here.join("g/graph.json")).unwrap();
        let graph = WeightedGraph::from_json(&json).unwrap();
        let ben = NodeAddress::new(&[&"sourcecred", &"discord", &"MEMBER", &"user", &BEN]);
        assert!(!graph.nodes.contains_key(&ben), "{worth}");
        assert!(
            graph
                .edges
                .values()
                .all(|edge| edge.dst != ben && edge.src != ben)
        );
        assert!(!graph.edges.is_empty());
        let proposals = fs::read_to_string(here.join("g/identityProposals.json")).unwrap();
        assert!(
            !proposals.contains(&BEN.to_string()),
            "{worth}: {proposals}"
        );
        assert!(proposals.contains("member-0000a"), "{worth}: {proposals}");
        assert_eq!(names.len(), 2);
        for name in &names {
            assert!(!proposals.contains(name), "{worth}: {proposals}");
            if worth == "rate" {
                assert!(!String::from_utf8_lossy(&json).contains(name));
            }
        }
    }
}
