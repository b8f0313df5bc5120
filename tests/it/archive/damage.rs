//! How damaged archives are reported.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use propsbot_archive::{ArchiveReader, DataArchive, Depth, MemoryArchive, ROOT, export, verify};
use propsbot_backends::FolderArchive;
use propsbot_model::Millis;
use propsbot_rows::{MessageRow, SCHEMA, Snapshot};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    assert_valid,
    community::{PROPS, request, rows},
};

async fn exported() -> (TempDir, FolderArchive) {
    let folder = tempfile::tempdir().unwrap();
    let archive = FolderArchive::new(folder.path());
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    (folder, archive)
}

/// The paths of a file of rows and of an index of a channel.
fn paths(folder: &TempDir) -> (String, String) {
    let list = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let manifest = fs::read(&list(&folder.path().join("spaces"))[0]).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    // Without the server's own index, more than that is wrong.
    let own = manifest["index"]["hash"].as_str().unwrap();
    let first = |kind: &str| {
        let folders = list(&folder.path().join(kind));
        let files = folders.iter().flat_map(|folder| list(folder));
        let files = files.filter(|file| !file.to_str().unwrap().contains(own));
        let path = files.min().unwrap();
        let path = path.strip_prefix(folder.path()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    (first("rows"), first("indexes"))
}

/// Both verification and reading report the damage in these words.
async fn assert_told(archive: &dyn DataArchive, words: &[&str]) {
    let faults = verify(archive, &SCHEMA, Depth::Whole)
        .await
        .unwrap()
        .faults
        .join("\n");
    let error = Snapshot::read(archive).await.unwrap_err().to_string();
    for word in words {
        assert!(faults.contains(word), "{word}: {faults}");
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn detects_a_flipped_bit() {
    let (folder, archive) = exported().await;
    let (rows, _) = paths(&folder);
    let path = folder.path().join(&rows);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_told(&archive, &[&rows, "is damaged"]).await;
}

#[tokio::test]
async fn names_missing_files() {
    let (folder, archive) = exported().await;
    let (rows, index) = paths(&folder);
    fs::remove_file(folder.path().join(&rows)).unwrap();
    assert_told(&archive, &[&rows, "is missing"]).await;
    fs::remove_file(folder.path().join(&index)).unwrap();
    assert_told(&archive, &[&index, "is missing"]).await;
}

#[tokio::test]
async fn reports_truncated_roots() {
    let (folder, archive) = exported().await;
    let path = folder.path().join(ROOT);
    let bytes = fs::read(&path).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 2] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_told(&archive, &["manifest.json is damaged"]).await;
    }
}

#[tokio::test]
async fn reports_other_formats_as_such() {
    let (folder, archive) = exported().await;
    let write = |root: &str| fs::write(folder.path().join(ROOT), root).unwrap();
    write(r#"{"format": 3, "all": "new"}"#);
    assert_told(&archive, &["format 3", "reads format 2", "update propsbot"]).await;
    write(r#"{"format": 1, "guilds": []}"#);
    assert_told(&archive, &["format 1", "propsbot export --replace"]).await;
}

#[tokio::test]
async fn rejects_empty_folders() {
    let archive = FolderArchive::new(PathBuf::from("/nonexistent/archive"));
    assert_told(&archive, &["there is no manifest.json"]).await;
}

/// Recreates what is missing or damaged from the store, and writes nothing else.
pub(super) async fn is_repaired(archive: &dyn DataArchive, harmed: &[&str]) {
    let found = verify(archive, &SCHEMA, Depth::Whole).await.unwrap();
    let named: Vec<&str> = found.damaged.iter().map(String::as_str).collect();
    let mut harmed = harmed.to_vec();
    harmed.sort_unstable();
    assert_eq!(named, harmed);
    let rows = rows();
    let mut repair = request(&rows);
    let reader = ArchiveReader::open(archive, &SCHEMA).await.unwrap();
    let since = reader.origins().into_iter();
    repair.since = since.map(|(path, (hash, _))| (path, hash)).collect();
    repair.damaged = found.damaged;
    let done = export(archive, Arc::new(rows.clone()), repair)
        .await
        .unwrap();
    assert_eq!((done.generation, done.changed), (2, true));
    assert_eq!(done.withdrawn, []);
    assert_valid(archive).await;
    assert_eq!(Snapshot::read(archive).await.unwrap(), rows);
}

#[tokio::test]
async fn repairs_damaged_files() {
    let (folder, archive) = exported().await;
    let (rows, _) = paths(&folder);
    fs::write(folder.path().join(&rows), "damaged").unwrap();
    is_repaired(&archive, &[&rows]).await;

    let (folder, archive) = exported().await;
    let (_, index) = paths(&folder);
    fs::remove_file(folder.path().join(&index)).unwrap();
    is_repaired(&archive, &[&index]).await;

    // Files that nothing names are removed, too.
    let (folder, archive) = exported().await;
    let (_, index) = paths(&folder);
    let unknown =
        "rows/00/0000000000000000000000000000000000000000000000000000000000000000.msgpack.gz";
    fs::create_dir_all(folder.path().join("rows/00")).unwrap();
    fs::write(folder.path().join(unknown), "withdrawn").unwrap();
    fs::write(folder.path().join(&index), "damaged").unwrap();
    is_repaired(&archive, &[&index]).await;
    assert!(!folder.path().join(unknown).exists());
}

/// Changes the first message of a channel.
type Forgery = fn(&mut MessageRow);

/// Rows that no store exports, with what is said of them.
const FORGERIES: [(&str, Forgery); 2] = [
    ("contradicts itself", |row| row.author_id = None),
    ("contradicts itself", |row| row.deleted_at = Some(Millis(1))),
];

#[tokio::test]
async fn detects_rows_that_cannot_be() {
    for (says, change) in FORGERIES {
        let mut rows = rows();
        let of_channel = |row: &&mut MessageRow| row.channel_id == PROPS;
        change(rows.messages.iter_mut().find(of_channel).unwrap());
        let archive = MemoryArchive::new();
        let request = request(&rows);
        export(&archive, Arc::new(rows), request).await.unwrap();
        assert_told(&archive, &[says]).await;
    }
}

#[tokio::test]
async fn structure_check_reads_no_rows() {
    let (folder, archive) = exported().await;
    let (rows, index) = paths(&folder);
    fs::remove_file(folder.path().join(&rows)).unwrap();
    let found = verify(&archive, &SCHEMA, Depth::Structure).await.unwrap();
    assert!(found.is_valid() && found.read.rows.is_empty());
    fs::remove_file(folder.path().join(&index)).unwrap();
    let found = verify(&archive, &SCHEMA, Depth::Structure).await.unwrap();
    assert!(found.faults[0].contains(&index), "{:?}", found.faults);
}
