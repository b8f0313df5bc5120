//! Tables through the program: they have the archive's rows, follow it, and keep nothing that left it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use bytes::Bytes;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use simulator::discord::{Overwrite, bit, kind};

use crate::{
    archive::object_store::ObjectStore,
    mirror::{Mirror, holds},
};

const FROM: [&str; 3] = ["tables", "--from", "dir:archive"];

/// What each row of a file of Parquet says.
pub(crate) fn rows(file: impl ChunkReader + 'static) -> Vec<String> {
    let file = SerializedFileReader::new(file).unwrap();
    let rows = file.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().to_string()).collect()
}

/// The rows below a folder of tables, by the path of their file.
pub(crate) fn rows_below(folder: &Path) -> BTreeMap<String, Vec<String>> {
    fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<String, Vec<String>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, found);
            } else if path.extension().is_some_and(|suffix| suffix == "parquet") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), rows(File::open(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

fn count(tables: &BTreeMap<String, Vec<String>>, table: &str) -> usize {
    let files = tables.iter();
    let files = files.filter(|(path, _)| path.split('/').next() == Some(table));
    files.map(|(_, rows)| rows.len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_have_the_rows_of_the_archive() {
    let objects = ObjectStore::start().await;
    let mut mirror = Mirror::seeded(3).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let write = [&FROM[..], &["--out", "tables"]].concat();
    let written = mirror.run(&write).await.ok();
    assert!(written.stdout.contains("are up to date: "), "{written:?}");

    let archived = mirror.archived().await;
    let folder = mirror.home.path().join("tables");
    let tables = rows_below(&folder);
    for (table, rows) in [
        ("guilds", archived.guilds.len()),
        ("channels", archived.channels.len()),
        ("roles", archived.roles.len()),
        ("members", archived.members.len()),
        ("messages", archived.messages.len()),
        ("reactions", archived.reactions.len()),
        ("props", archived.props.len()),
    ] {
        assert_eq!(count(&tables, table), rows, "{table}");
    }
    let said: String = tables.values().flatten().map(String::as_str).collect();
    for message in &archived.messages {
        assert!(
            said.contains(&format!("id: {},", message.id)),
            "{}",
            message.id
        );
    }
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(!folder.join("_propsbot.tmp").exists());

    let again = mirror.run(&write).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");

    for (name, value) in objects.variables() {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    let upload = [&FROM[..], &["--out", "s3://props/tables"]].concat();
    mirror.run(&upload).await.ok();
    let mut uploaded = objects.objects("tables");
    uploaded.retain(|name| name.ends_with(".parquet"));
    assert!(uploaded.iter().eq(tables.keys()));
    for (name, expected) in &tables {
        let bytes = objects.bytes(&format!("tables/{name}"));
        assert_eq!(rows(Bytes::from(bytes)), *expected, "{name}");
    }
    assert!(!objects.objects("tables").contains(".writing"));
    let again = mirror.run(&upload).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
}

/// Nothing is left of a channel that turned private, nor of what a forgotten member said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_left_the_archive_is_in_its_tables() {
    let mut mirror = Mirror::empty().await;
    let tables = ("EXPORT_TABLES".to_owned(), "./tables".to_owned());
    mirror.variables.push(tables);
    let discord = &mirror.discord;
    let (ana, zoe) = (discord.join("ana"), discord.join("zoe"));
    let staff = discord.create_channel(kind::TEXT, "cellar", vec![]);
    discord.post(ana, staff, "whispered");
    let open = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, open, "shouted");
    discord.post(zoe, open, "mumbled");
    mirror.sync().await.ok();
    mirror.export().await;
    let folder = mirror.home.path().join("tables");
    let says = |words: &str| {
        let tables = rows_below(&folder);
        let is_said = tables.values().flatten().any(|row| row.contains(words));
        is_said || holds(&folder, words.as_bytes())
    };
    let leaving = ["whispered", "cellar", "mumbled"];
    for words in leaving {
        assert!(says(words), "{words}");
    }

    let hidden = Overwrite {
        id: discord.guild_id(),
        member: false,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    let seen = Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: bit::VIEW_CHANNEL,
        deny: 0,
    };
    discord.update_channel(staff, |channel| channel.overwrites = vec![hidden, seen]);
    mirror.sync().await.ok();
    mirror
        .run(&["forget", "--user", &zoe.to_string()])
        .await
        .ok();
    mirror.export().await;
    for words in leaving {
        assert!(!says(words), "{words}");
    }
    assert!(says("shouted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_succeed_without_their_tables_and_say_so() {
    let mut mirror = Mirror::empty().await;
    mirror.sync().await.ok();
    let place = mirror.home.path().join("tables");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("a-thesis.txt"), "mine").unwrap();
    let tables = ("EXPORT_TABLES".to_owned(), "./tables".to_owned());
    mirror.variables.push(tables);
    let exported = mirror.run(&["export"]).await;
    let says = [
        "is at generation 1",
        "but could not bring the tables in ./tables up to date",
        "choose a place that is empty",
    ];
    exported.failed(1, &says);
    assert!(mirror.verified().await.is_valid());
    assert_eq!(
        fs::read_to_string(place.join("a-thesis.txt")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(&place).unwrap().count(), 1);

    fs::remove_file(place.join("a-thesis.txt")).unwrap();
    let exported = mirror.run(&["export"]).await.ok();
    assert!(exported.stdout.contains("nothing changed"), "{exported:?}");
    assert_eq!(count(&rows_below(&place), "guilds"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_folder_is_made_for_an_archive_that_is_not_there() {
    let mirror = Mirror::empty().await;
    let refused = mirror
        .run(&[&FROM[..], &["--out", "tables"]].concat())
        .await;
    refused.failed(1, &["dir:archive", "nothing was exported here yet"]);
    assert!(!mirror.home.path().join("tables").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_never_within_an_archive_or_in_git() {
    let mirror = Mirror::empty().await;
    for (out, says) in [
        ("archive/tables", "are within one another"),
        ("./archive", "are within one another"),
        (".", "are within one another"),
        ("github:octo-org/tables", "git would keep"),
    ] {
        let refused = mirror.run(&[&FROM[..], &["--out", out]].concat()).await;
        refused.failed(2, &[says]);
        let mut export = mirror.command(&["export"]);
        export.env("EXPORT_TABLES", out);
        let refused = crate::mirror::start(export).wait().await;
        refused.failed(2, &["EXPORT_TABLES", says]);
    }
}
