//! Format 1 as first written: the current reader reads it, the current planner writes it.

use std::{fs, path::PathBuf, sync::Arc};

use propsbot_archive::{
    ArchiveReader, DOCUMENT_LIMIT, DOCUMENTS, DataArchive, ExportRequest, ExportedRows, MANIFEST,
    MemoryArchive, Publish, README, SOURCECRED, Scope, SideFiles, Unit, base,
    contract::{publish, write},
    export, read_rows,
};
use propsbot_backends::FolderArchive;
use propsbot_graph::{PropsPlugin, PropsRowFilter, Weights, props_documents};
use propsbot_rows::{MESSAGES, SCHEMA, Snapshot};
use propsbot_sourcecred::{Document, SourceCredFiles};

use super::{
    assert_valid,
    community::{GENERAL, PROPS, dirty, message, message_id, request, rows},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

#[tokio::test]
async fn reads_format_1() {
    let archive = FolderArchive::new(folder());
    let found = assert_valid(&archive).await;
    assert_eq!(found.generation, 1);
    let unresolved = [(("messages", "members"), 1), (("reactions", "messages"), 1)];
    assert_eq!(found.unresolved, unresolved.into());
    assert_eq!(Snapshot::read(&archive).await.unwrap(), rows());
}

#[tokio::test]
async fn writes_format_1() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let request = request(&rows);
    let told = request.made.clone();
    let done = export(&archive, Arc::new(rows), request).await.unwrap();
    let made = told.look();
    assert_eq!(made.files, done.blobs + done.indexes);
    assert!(made.bytes >= done.bytes && done.bytes > 0, "{made:?}");
    for (path, bytes) in archive.files().await {
        // Documents next to the archive aren't part of the format.
        if DOCUMENTS.contains(&&*path) {
            continue;
        }
        assert!(fs::read(folder().join(&path)).unwrap() == bytes, "{path}");
    }
}

#[tokio::test]
async fn fixture_contains_a_split_channel() {
    let archive = FolderArchive::new(folder());
    let reader = ArchiveReader::open(&archive).await.unwrap();
    let scope = Scope::part(&reader.manifest().spaces[0].id, GENERAL);
    let reference = reader
        .manifest()
        .indexes()
        .find(|index| index.0 == scope)
        .unwrap()
        .1;
    let index = reader.index(&scope, reference).await.unwrap();
    let units = index
        .entries(MESSAGES)
        .iter()
        .map(|entry| entry.period.unit());
    assert_eq!(
        units.collect::<Vec<_>>(),
        [Unit::Month, Unit::Day, Unit::Day, Unit::Day]
    );
}

/// Run this once for a new format, never again for an old one.
#[tokio::test]
#[ignore = "writes the fixture"]
async fn write_fixture() {
    let rows = rows();
    let request = request(&rows);
    let archive = FolderArchive::new(folder());
    export(&archive, Arc::new(rows), request).await.unwrap();
    fs::remove_file(folder().join(".lock")).unwrap();
}

/// The README says what the archive is, with figures and their generation; a changed README is
/// restored.
#[tokio::test]
async fn writes_and_repairs_the_readme() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let request = request(&rows);
    let again = || export(&archive, Arc::new(rows.clone()), request.clone());
    again().await.unwrap();
    let before = archive.files().await;
    let readme = String::from_utf8(before[README].clone()).unwrap();
    for says in [
        "As of generation 1, exported 2025-12-06 05:46 UTC:",
        "| The Community (`480200000000000001`) | 4 | 305 | 6 | 1 | 2 | never |",
        "format is number 1",
        "manifest.json",
    ] {
        assert!(readme.contains(says), "{readme}");
    }
    assert!(!again().await.unwrap().changed);
    assert_eq!(archive.files().await, before);

    let hash = ArchiveReader::open(&archive).await.unwrap().hash();
    let gone = Publish {
        documents: [(README, None)].into(),
        ..publish(before[MANIFEST].clone())
    };
    write(&archive, base(Some(hash)), [], gone).await.unwrap();
    assert_ne!(archive.files().await, before);
    assert!(!again().await.unwrap().changed);
    assert_eq!(archive.files().await, before);
}

/// One more message leaves the README unchanged, with its generation; any larger change updates it.
#[tokio::test]
async fn one_message_does_not_rewrite_the_readme() {
    let archive = MemoryArchive::new();
    let first = rows();
    let everything = request(&first);
    export(&archive, Arc::new(first), everything).await.unwrap();
    let says = async || {
        String::from_utf8(archive.read(README, DOCUMENT_LIMIT).await.unwrap().unwrap()).unwrap()
    };
    let before = says().await;
    let mut told = Vec::new();
    let mut now = rows();
    for (channels, name) in [
        (vec![GENERAL], "The Community"),
        (vec![], "The Community"),
        (vec![GENERAL, PROPS], "The Community"),
        (vec![], "The Other | Community"),
    ] {
        let day = 40 + i64::try_from(told.len()).unwrap();
        for channel in &channels {
            now.messages
                .push(message(*channel, message_id(day, 0), "more"));
        }
        now.messages
            .sort_by_key(|message| (message.channel_id, message.id));
        let mut change = request(&now);
        change.spaces[0].name = name.to_owned();
        change.since = Some(ArchiveReader::open(&archive).await.unwrap().hash());
        change.dirty = channels
            .iter()
            .map(|channel| dirty(*channel, day))
            .collect();
        export(&archive, Arc::new(now.clone()), change)
            .await
            .unwrap();
        told.push(says().await);
    }
    assert_eq!(told[..2], [before.clone(), before]);
    assert!(told[2].contains("As of generation 3,"), "{}", told[2]);
    assert!(
        told[3].contains(r"| The Other \| Community (`"),
        "{}",
        told[3]
    );
}

/// Written with the next export after they are enabled, until disabled; without a new generation if
/// nothing else changed.
#[tokio::test]
async fn writes_sourcecred_files_if_configured() {
    let folder = tempfile::tempdir().unwrap();
    let archives: [&dyn DataArchive; 2] = [
        &MemoryArchive::new(),
        &FolderArchive::new(folder.path().join("archive")),
    ];
    for archive in archives {
        let rows = rows();
        let mut request = request(&rows);
        let says = async || {
            let mut says = Vec::new();
            for path in SOURCECRED {
                says.extend(archive.read(path, DOCUMENT_LIMIT).await.unwrap());
            }
            says
        };
        let drawn = |weights: &Weights| {
            let documents = props_documents(&rows, weights);
            assert!(!documents.graph.nodes.is_empty());
            Document::ALL
                .map(|document| documents.bytes(document))
                .to_vec()
        };
        let again = async |request: &ExportRequest| {
            let done = export(archive, Arc::new(rows.clone()), request.clone()).await;
            done.unwrap().generation
        };
        assert_eq!(again(&request).await, 1);
        assert_eq!(says().await, Vec::<Vec<u8>>::new());

        let other = Weights::from_json(r#"{"props": 3}"#).unwrap();
        for weights in [Weights::default(), other] {
            request.beside = Some(beside(&weights));
            assert_eq!(again(&request).await, 1);
            assert_eq!(says().await, drawn(&weights));
        }
        let before = ArchiveReader::open(archive).await.unwrap().hash();
        assert_eq!(again(&request).await, 1);
        assert_eq!(ArchiveReader::open(archive).await.unwrap().hash(), before);

        request.beside = None;
        assert_eq!(again(&request).await, 1);
        assert_eq!(says().await, Vec::<Vec<u8>>::new());
    }
}

/// They belong to the same export as the manifest, so withdrawn data is gone there, too.
#[tokio::test]
async fn sourcecred_files_omit_withdrawn_channels() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let mut request = request(&rows);
    request.beside = Some(beside(&Weights::default()));
    export(&archive, Arc::new(rows.clone()), request.clone())
        .await
        .unwrap();
    let [graph, ..] = SOURCECRED;
    let before = archive.read(graph, DOCUMENT_LIMIT).await.unwrap().unwrap();
    request.spaces[0].parts.clear();
    let summary = export(&archive, Arc::new(rows), request).await.unwrap();
    assert!(summary.changed);
    let now = archive.read(graph, DOCUMENT_LIMIT).await.unwrap().unwrap();
    assert!(now.len() < before.len());
    let left = Snapshot::read(&archive).await.unwrap();
    let drawn = props_documents(&left, &Weights::default());
    assert_eq!(now, drawn.bytes(Document::Graph));
}

fn beside(weights: &Weights) -> Arc<dyn SideFiles> {
    let plugin = Arc::new(PropsPlugin::new(weights.clone()));
    Arc::new(SourceCredFiles::new(plugin))
}

#[tokio::test]
async fn readers_get_only_rows_that_the_filter_keeps() {
    let archive = FolderArchive::new(folder());
    let rows = rows();
    let reading = read_rows(&archive, &SCHEMA, None, |rows| {
        Snapshot::of(rows, PropsRowFilter::new)
    });
    let kept = reading.await.unwrap();
    assert!(kept.messages.len() < rows.messages.len());
    assert_eq!(kept.members, rows.members);
    let drawn = |of: &Snapshot| props_documents(of, &Weights::default());
    assert_eq!(drawn(&kept), drawn(&rows));
    // An export sees the same rows.
    let request = request(&rows);
    let exported = ExportedRows::new(&rows, &request);
    assert_eq!(Snapshot::of(&exported, PropsRowFilter::new).unwrap(), kept);
}
