//! Format 1 as it was first written: today's reader reads it, today's planner writes it.

use std::{fs, path::PathBuf, sync::Arc};

use propsbot::archive::{
    ArchiveReader, FolderArchive, MemoryArchive, Scope, Snapshot, Table, Unit, export,
};

use super::{
    assert_valid,
    community::{GENERAL, request, rows},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

#[tokio::test]
async fn format_1_is_read() {
    let archive = FolderArchive::new(folder());
    let found = assert_valid(&archive).await;
    assert_eq!(found.generation, 1);
    assert_eq!(found.unresolved, 1);
    assert_eq!(Snapshot::read(&archive).await.unwrap(), rows());
}

#[tokio::test]
async fn format_1_is_written() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    for (path, bytes) in archive.files().await {
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
