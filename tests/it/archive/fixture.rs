//! Format 1 as it was first written: today's reader reads it, today's planner writes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
};

use propsbot::archive::{
    ArchiveReader, Change, DOCUMENTS, FolderArchive, MANIFEST, MemoryArchive, README, Scope,
    Snapshot, Table, Unit, export,
};

use super::{
    assert_valid,
    community::{GENERAL, request, rows},
    write,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

#[tokio::test]
async fn format_1_is_read() {
    let archive = FolderArchive::new(folder());
    let found = assert_valid(&archive).await;
    assert_eq!(found.generation, 1);
    assert_eq!((found.unresolved, found.unknown_authors), (1, 1));
    assert_eq!(Snapshot::read(&archive).await.unwrap(), rows());
}

#[tokio::test]
async fn format_1_is_written() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    for (path, bytes) in archive.files().await {
        // What lies beside is no part of the format.
        if DOCUMENTS.contains(&&*path) {
            continue;
        }
        assert!(fs::read(folder().join(&path)).unwrap() == bytes, "{path}");
    }
}

#[tokio::test]
async fn the_fixture_has_a_split_channel() {
    let archive = FolderArchive::new(folder());
    let reader = ArchiveReader::open(&archive).await.unwrap();
    let scope = Scope::channel(reader.manifest().guilds[0].id, GENERAL);
    let reference = reader
        .manifest()
        .indexes()
        .find(|it| it.0 == scope)
        .unwrap()
        .1;
    let index = reader.index(scope, reference).await.unwrap();
    let units = index
        .entries(Table::Messages)
        .iter()
        .map(|it| it.period.unit());
    assert_eq!(
        units.collect::<Vec<_>>(),
        [Unit::Month, Unit::Day, Unit::Day, Unit::Day]
    );
}

/// Run it once for a new format, never again for an old one.
#[tokio::test]
#[ignore = "writes the fixture"]
async fn write_fixture() {
    let rows = rows();
    let request = request(&rows);
    let archive = FolderArchive::new(folder());
    export(&archive, Arc::new(rows), request).await.unwrap();
    fs::remove_file(folder().join(".lock")).unwrap();
}

/// Only its own export makes a README of an archive anew, and what is not as it should be is mended.
#[tokio::test]
async fn an_archive_explains_itself() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let request = request(&rows);
    let again = || export(&archive, Arc::new(rows.clone()), request.clone());
    again().await.unwrap();
    let before = archive.files().await;
    let readme = String::from_utf8(before[README].clone()).unwrap();
    for says in [
        "- The Community (`480200000000000001`)",
        "format is number 1",
        "manifest.json",
    ] {
        assert!(readme.contains(says), "{readme}");
    }
    assert!(!again().await.unwrap().changed);
    assert_eq!(archive.files().await, before);

    let hash = ArchiveReader::open(&archive).await.unwrap().hash();
    let gone = Change::Publish {
        manifest: before[MANIFEST].clone(),
        remove: BTreeSet::new(),
        documents: BTreeMap::from([(README, None)]),
        headline: "Archive".to_owned(),
    };
    write(&archive, Some(hash), vec![gone]).await.unwrap();
    assert_ne!(archive.files().await, before);
    assert!(!again().await.unwrap().changed);
    assert_eq!(archive.files().await, before);
}
