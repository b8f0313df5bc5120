//! The documents beside an archive: the README, and SourceCred's files.

use std::sync::Arc;

use propsbot_archive::{
    DOCUMENT_LIMIT, DataArchive, ExportRequest, ExportedRows, Hash, MemoryArchive, Publish, README,
    ROOT, SOURCECRED, SideFiles, base,
    contract::{publish, write},
    export, read_rows,
};
use propsbot_backends::FolderArchive;
use propsbot_graph::{PropsPlugin, PropsRowFilter, Weights, props_documents};
use propsbot_rows::{SCHEMA, Snapshot};
use propsbot_sourcecred::{Document, NoSourceCredFiles, SourceCredFiles};

use super::community::{GENERAL, PROPS, mark, message, message_id, request, rows};

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
        "| The Community (`480200000000000001`) | 4 | 305 | 6 | 1 | 2 | never | 2025-12-06 05:46 UTC |",
        "FORMAT.md",
        "manifest.json",
    ] {
        assert!(readme.contains(says), "{readme}");
    }
    assert!(!again().await.unwrap().changed);
    assert_eq!(archive.files().await, before);

    let gone = Publish {
        documents: [(README, None)].into(),
        ..publish(before[ROOT].clone())
    };
    let bases = base(Some(Hash::of(&before[ROOT])));
    write(&archive, bases, [], gone).await.unwrap();
    assert_ne!(archive.files().await, before);
    assert!(!again().await.unwrap().changed);
    assert_eq!(archive.files().await, before);
}

/// The README changes at most once a day, or with the names of servers.
#[tokio::test]
async fn a_few_messages_do_not_rewrite_the_readme() {
    let archive = MemoryArchive::new();
    let first = rows();
    let mut since = request(&first).since;
    let mut readmes = Vec::new();
    let mut now = first;
    for (n, name) in [
        (0, "The Community"),
        (1, "The Community"),
        (2, "The Community"),
        (3, "The Other | Community"),
    ] {
        // All in the hours of one day.
        let channels = [GENERAL, PROPS];
        for channel in channels {
            now.messages
                .push(message(channel, message_id(12, 1_000 + n), "more"));
        }
        now.messages
            .sort_by_key(|message| (message.channel_id, message.id));
        let mut change = request(&now);
        change.spaces[0].name = name.to_owned();
        change.marks = channels.map(|channel| mark(channel, 12)).into();
        change.since = since;
        let done = export(&archive, Arc::new(now.clone()), change).await;
        since = done.unwrap().manifests;
        let readme = archive.read(README, DOCUMENT_LIMIT).await.unwrap();
        readmes.push(String::from_utf8(readme.unwrap()).unwrap());
    }
    assert_eq!(readmes[1..3], [readmes[0].clone(), readmes[0].clone()]);
    let renamed = r"| The Other \| Community (`";
    assert!(readmes[3].contains(renamed), "{}", readmes[3]);
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
        assert_eq!(again(&request).await, 1);

        request.beside = Some(Arc::new(NoSourceCredFiles(SOURCECRED)));
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
    Arc::new(SourceCredFiles::new(plugin, SOURCECRED))
}

#[tokio::test]
async fn readers_get_only_rows_that_the_filter_keeps() {
    let archive = MemoryArchive::new();
    let rows = rows();
    let exporting = export(&archive, Arc::new(rows.clone()), request(&rows));
    exporting.await.unwrap();
    let reading = read_rows(&archive, &SCHEMA, None, |rows| {
        Snapshot::of(rows, PropsRowFilter::new)
    });
    let (kept, _) = reading.await.unwrap();
    assert!(kept.messages.len() < rows.messages.len());
    assert_eq!(kept.members, rows.members);
    let drawn = |of: &Snapshot| props_documents(of, &Weights::default());
    assert_eq!(drawn(&kept), drawn(&rows));
    // An export sees the same rows.
    let request = request(&rows);
    let exported = ExportedRows::new(&rows, &request);
    assert_eq!(Snapshot::of(&exported, PropsRowFilter::new).unwrap(), kept);
}
