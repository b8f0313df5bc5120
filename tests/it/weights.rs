//! `propsbot graph --weights` and `--config`: accepted spellings, and entries that match nothing.

use std::fs;

use serde_json::{Value, json};
use simulator::discord::kind;

use crate::mirror::Mirror;

/// A thanked message with reactions: a heart, a thumbs-up and one of the guild's emoji.
async fn thanked() -> (Mirror, u64, u64) {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let (ana, ben) = (discord.join("ana"), discord.join("ben"));
    let props = discord.create_channel(kind::TEXT, "props", vec![]);
    let wow = discord.create_emoji("wow", false);
    let thanks = discord.post(ana, props, &format!("<@{ben}>"));
    for emoji in ["❤\u{fe0f}", "👍🏽", &format!("wow:{wow}")] {
        assert!(discord.react(ben, props, thanks, emoji, false));
    }
    mirror.sync().await.ok();
    mirror.export().await;
    (mirror, props, wow)
}

/// The weight of each reaction node in the written graph.
fn weights(mirror: &Mirror) -> Vec<f64> {
    let graph = fs::read(mirror.home.path().join("graph/graph.json")).unwrap();
    let graph: Value = serde_json::from_slice(&graph).unwrap();
    let nodes = &graph[1]["weightsJSON"][1]["nodeWeights"];
    let mut all: Vec<f64> = nodes
        .as_object()
        .unwrap()
        .values()
        .map(|weight| weight.as_f64().unwrap())
        .collect();
    all.sort_by(f64::total_cmp);
    all
}

const GRAPH: [&str; 5] = ["graph", "--from", "dir:archive", "--out", "graph"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_match_every_spelling_of_an_emoji() {
    let (mirror, _, wow) = thanked().await;
    let file = mirror.home.path().join("weights.json");
    for emojis in [
        json!({"❤": 3, "👍🏽": 4, format!("wow:{wow}"): 5}),
        json!({"❤\u{fe0f}": 3, ":thumbsup_tone3:": 4, format!("<:wow:{wow}>"): 5}),
        json!({":heart:": 3, ":+1::skin-tone-3:": 4, wow.to_string(): 5}),
    ] {
        fs::write(&file, json!({"emojis": emojis}).to_string()).unwrap();
        let graph = [&GRAPH[..], &["--weights", "weights.json"]].concat();
        let said = mirror.run(&graph).await.ok().stdout;
        assert_eq!(weights(&mirror), [3.0, 4.0, 5.0], "{emojis}");
        assert!(!said.contains("warning"), "{said}");
    }
    // As written on Windows.
    let text = json!({"emojis": {"❤": 3}}).to_string();
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(units).collect();
    fs::write(&file, bytes).unwrap();
    let graph = [&GRAPH[..], &["--weights", "weights.json"]].concat();
    mirror.run(&graph).await.ok();
    assert_eq!(weights(&mirror), [3.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_weights_that_match_nothing() {
    let (mut mirror, props, _) = thanked().await;
    let weights = json!({
        "emojis": {"❤": 3, "🦄": 2, "wow:5": 2},
        "roles": {"6//mentors": 2},
        "channels": {"7": 2, props.to_string(): 2},
    });
    fs::write(mirror.home.path().join("weights.json"), weights.to_string()).unwrap();
    let named = [
        "`emojis` have no effect, because no reaction to props has them: 5, 🦄\n",
        "`roles` have no effect, because no server in the archive has them: 6\n",
        "`channels` have no effect, because the archive does not have them: 7",
    ];
    let graph = [&GRAPH[..], &["--weights", "weights.json"]].concat();
    let said = mirror.run(&graph).await.ok().stdout;
    for words in named {
        assert!(
            said.contains(&format!("warning: these entries of {words}")),
            "{said}"
        );
    }

    for (name, value) in [
        ("EXPORT_SOURCECRED", "yes"),
        ("SOURCECRED_WEIGHTS", "weights.json"),
    ] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    let log = mirror.run(&["export"]).await.ok().stderr;
    for words in named {
        assert!(log.contains(words.trim_end()), "{log}");
    }

    let guild = mirror.guild().to_string();
    let config = json!([{
        "guildId": guild,
        "reactionWeightConfig": {
            "weights": {"❤": 3, "👍🏽": 2}, "defaultWeight": 1, "applyAveraging": false,
        },
        "roleWeightConfig": {"weights": {"mentors": 2}, "defaultWeight": 1},
        "channelWeightConfig": {"weights": {"7//x": 2}, "defaultWeight": 1},
        "propsChannels": [props.to_string(), "8//x"],
    }]);
    fs::write(mirror.home.path().join("config.json"), config.to_string()).unwrap();
    let graph = [
        &GRAPH[..],
        &["--plugin", "discord", "--config", "config.json"],
    ]
    .concat();
    let said = mirror.run(&graph).await.ok().stdout;
    for words in [
        "letter by letter (`❤️` is not `❤`), and no reaction that counts has them: ❤\n",
        "`roleWeightConfig` have no effect, because no role has them: mentors\n",
        "`channelWeightConfig` have no effect, because the archive does not have them: 7\n",
        "`propsChannels` have no effect, because the archive does not have them: 8//x",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_other_files_with_an_explanation() {
    let mirror = Mirror::empty().await;
    for (text, arguments, says) in [
        ("[5]", &["--weights"][..], "expected an object"),
        (
            r#"[{"type": "sourcecred/weights", "version": "0.2.0"}, {}]"#,
            &["--weights"],
            "SourceCred's own weights.json",
        ),
        (
            r#"{"guildId": "5", "reactionWeights": {}}"#,
            &["--weights"],
            "takes --plugin discord --config FILE",
        ),
        (
            r#"{"guildId": "5", "reactionWeights": {}}"#,
            &["--plugin", "discord", "--config"],
            "`reactionWeights` is now `reactionWeightConfig.weights`",
        ),
        (
            "{\0\"\0",
            &["--weights"],
            "neither UTF-8 nor UTF-16 with a byte order mark",
        ),
    ] {
        fs::write(mirror.home.path().join("file.json"), text).unwrap();
        let graph = [&GRAPH[..], arguments, &["file.json"]].concat();
        mirror.run(&graph).await.failed(2, &["file.json", says]);
    }
}
