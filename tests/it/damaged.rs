//! Damaged and foreign archives, through the command line.

use std::{
    fs,
    path::{Path, PathBuf},
};

use propsbot_archive::manifest::print_checked;
use serde_json::{Value, json};
use simulator::discord::kind;

use crate::mirror::Mirror;

/// A synced and exported guild with a message in a props channel.
pub(crate) async fn exported() -> Mirror {
    let mirror = Mirror::empty().await;
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "props", vec![]);
    mirror.discord.post(ana, channel, "hello");
    mirror.sync().await.ok();
    mirror.export().await;
    mirror
}

fn first_rows(archive: &Path) -> PathBuf {
    let folder = fs::read_dir(archive.join("rows"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
}

/// A kind of damage, and the expected message.
type Damage = (fn(&Path), &'static [&'static str]);

const DAMAGES: &[Damage] = &[
    (
        |archive| {
            let blob = first_rows(archive);
            let mut bytes = fs::read(&blob).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(blob, bytes).unwrap();
        },
        &["rows/", "is damaged", "--repair"],
    ),
    (
        |archive| fs::remove_file(first_rows(archive)).unwrap(),
        &["rows/", "is missing", "put it back from a copy"],
    ),
    (
        |archive| {
            let path = archive.join("manifest.json");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        &["manifest.json is damaged"],
    ),
    (
        |archive| {
            let path = archive.join("manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replacen("\"format\":2", "\"format\":3", 1)).unwrap();
        },
        &["manifest.json is of format 3", "update propsbot"],
    ),
];

/// Format 1 was never released, but bots have written it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_replaces_archives_of_format_1_only_on_request() {
    let mirror = exported().await;
    let rows = mirror.archived().await;
    let archive = mirror.archive_path();
    fs::remove_dir_all(&archive).unwrap();
    let hash = "a1".repeat(32);
    let old = [
        format!("blobs/a1/{hash}.msgpack"),
        format!("indexes/a1/{hash}.json"),
        "manifest.json".to_owned(),
        "notes/of-an-admin.txt".to_owned(),
    ];
    for path in old.each_ref().map(|path| archive.join(path)) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, r#"{"format":1,"provider":"discord","guilds":[]}"#).unwrap();
    }
    let refusal = ["format 1", "propsbot export --replace"];
    for command in [
        &["export"][..],
        &["export", "--dry-run"],
        &["export", "--repair"],
        &["verify", "--from", "dir:archive"],
        &["graph", "--from", "dir:archive", "--out", "graph"],
    ] {
        mirror.run(command).await.failed(1, &refusal);
    }
    for path in &old {
        assert!(archive.join(path).exists(), "{path}");
    }
    mirror.run(&["export", "--replace"]).await.ok();
    let stays = old.each_ref().map(|path| archive.join(path).exists());
    assert_eq!(stays, [false, false, true, true]);
    mirror.run(&["verify", "--from", "dir:archive"]).await.ok();
    assert_eq!(mirror.archived().await, rows);
}

/// Recreates damaged files from the store, on request, and changes nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_repair_restores_damaged_archives() {
    let repair = ["export", "--repair"];
    let mirror = exported().await;
    let rows = mirror.archived().await;
    let stray = mirror
        .archive_path()
        .join(format!("rows/00/{}.msgpack.gz", "0".repeat(64)));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "withdrawn").unwrap();
    let sound = mirror.run(&repair).await.ok();
    assert!(sound.stdout.contains("nothing changed"), "{sound:?}");
    assert!(sound.stdout.contains("no faults found"), "{sound:?}");
    assert!(!stray.exists(), "what nothing names goes too");
    fs::remove_dir(stray.parent().unwrap()).unwrap();
    for index in [false, true] {
        let archive = mirror.archive_path();
        let kind = if index { "indexes" } else { "rows" };
        let folder = fs::read_dir(archive.join(kind)).unwrap().next().unwrap();
        fs::remove_dir_all(folder.unwrap().path()).unwrap();
        let verified = mirror.run(&["verify", "--from", "dir:archive"]).await;
        verified.failed(1, &["is missing", "propsbot export --repair"]);
        let repaired = mirror.run(&repair).await.ok();
        assert!(repaired.stdout.contains("is repaired"), "{repaired:?}");
        let verified = mirror.run(&["verify", "--from", "dir:archive"]).await.ok();
        assert!(verified.stdout.contains("No fault"), "{verified:?}");
        assert_eq!(mirror.archived().await, rows);
    }
    let again = mirror.export().await;
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    fs::write(mirror.archive_path().join("manifest.json"), "{").unwrap();
    let repaired = mirror.run(&repair).await.ok();
    assert!(repaired.stdout.contains("is repaired"), "{repaired:?}");
    assert_eq!(mirror.archived().await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_archives_are_reported_and_not_used() {
    for (damage, says) in DAMAGES {
        let mirror = exported().await;
        damage(&mirror.archive_path());
        let verified = mirror.run(&["verify", "--from", "dir:archive"]).await;
        verified.failed(1, says);
        let drawn = mirror
            .run(&["graph", "--from", "dir:archive", "--out", "graph"])
            .await;
        drawn.failed(1, says);
        assert!(!mirror.home.path().join("graph").exists());
    }
}

/// Every plugin reads one provider's rows. It draws nothing from another's, not even an empty graph.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graph_plugin_refuses_another_providers_archive() {
    let mirror = exported().await;
    let manifest = mirror.archive_path().join("manifest.json");
    let root: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let mut root = root.as_object().unwrap().clone();
    root.remove("checksum");
    root["provider"] = "github".into();
    fs::write(&manifest, print_checked(&Value::Object(root))).unwrap();
    let config = json!([{
        "guildId": mirror.guild().to_string(),
        "reactionWeightConfig": {"weights": {}, "defaultWeight": 1, "applyAveraging": false},
    }]);
    fs::write(mirror.home.path().join("config.json"), config.to_string()).unwrap();
    let discord: &[&str] = &["--plugin", "discord", "--config", "config.json"];
    for (plugin, options) in [("props", &[][..]), ("discord", discord)] {
        let graph = ["graph", "--from", "dir:archive", "--out", "graph"];
        let refused = mirror.run(&[&graph[..], options].concat()).await;
        let says = format!("could not draw the {plugin} graph from dir:archive");
        refused.failed(
            2,
            &[&says, "of the provider \"github\", not of \"discord\""],
        );
        assert!(!mirror.home.path().join("graph").exists());
    }
}
