//! The contract of [`DataArchive`], for every backend.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, channel::mpsc};
use propsbot_archive::{
    ArchiveError, Change, DOCUMENTS, DataArchive, Hash, MANIFEST, MemoryArchive, Object,
};
use propsbot_backends::FolderArchive;

use super::{blob, write};

#[tokio::test]
async fn folders_satisfy_the_archive_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = 0;
    keeps_the_contract(&mut || {
        made += 1;
        let path = folder.path().join(made.to_string()).join("archive");
        Box::new(FolderArchive::new(path))
    })
    .await;
}

#[tokio::test]
async fn memory_archives_satisfy_the_archive_contract() {
    keeps_the_contract(&mut || Box::new(MemoryArchive::new())).await;
}

/// Runs every check on a new archive.
pub(super) async fn keeps_the_contract(new: &mut dyn FnMut() -> Box<dyn DataArchive>) {
    what_is_missing_is_none(&*new()).await;
    what_is_published_is_read(&*new()).await;
    nothing_is_published_without_a_word(&*new()).await;
    a_stale_writer_loses(&*new()).await;
    writes_can_be_repeated(&*new()).await;
    one_writes_at_a_time(&*new()).await;
    wrong_names_are_refused(&*new()).await;
    what_no_manifest_needs_is_swept(&*new()).await;
    for path in DOCUMENTS {
        documents_lie_beside(&*new(), path).await;
    }
}

/// A manifest without indexes.
fn manifest(generation: u32) -> Vec<u8> {
    format!(
        r#"{{"format":1,"provider":"discord","generation":{generation},"previous":null,
            "created_at":0,"guilds":[]}}"#
    )
    .into_bytes()
}

fn publish(manifest: Vec<u8>, remove: &[&Object]) -> Change {
    Change::Publish {
        manifest,
        remove: remove.iter().map(|remove| remove.path.clone()).collect(),
        documents: BTreeMap::new(),
        commit_message: "Archive".to_owned(),
    }
}

async fn what_is_missing_is_none(archive: &dyn DataArchive) {
    assert_eq!(archive.read(MANIFEST).await.unwrap(), None);
    assert_eq!(archive.read(&blob(b"a").path).await.unwrap(), None);
}

async fn what_is_published_is_read(archive: &dyn DataArchive) {
    let (one, two) = (blob(b"one"), blob(b"two"));
    let changes = vec![
        Change::Put(one.clone()),
        Change::Put(two.clone()),
        publish(manifest(1), &[]),
    ];
    write(archive, None, changes).await.unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
    assert_eq!(
        archive.read(&one.path).await.unwrap(),
        Some(one.bytes.clone())
    );

    let changes = vec![publish(manifest(2), &[&one])];
    write(archive, Some(Hash::of(&manifest(1))), changes)
        .await
        .unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(2)));
    assert_eq!(archive.read(&one.path).await.unwrap(), None);
    assert_eq!(archive.read(&two.path).await.unwrap(), Some(two.bytes));
}

async fn nothing_is_published_without_a_word(archive: &dyn DataArchive) {
    let left = blob(b"left");
    write(archive, None, vec![Change::Put(left.clone())])
        .await
        .unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), None);
    // The next write removes leftovers, even if it has nothing to publish.
    write(archive, None, Vec::new()).await.unwrap();
    assert_eq!(archive.read(&left.path).await.unwrap(), None);
}

async fn a_stale_writer_loses(archive: &dyn DataArchive) {
    let first = Hash::of(&manifest(1));
    let second = Hash::of(&manifest(2));
    write(archive, None, vec![publish(manifest(1), &[])])
        .await
        .unwrap();
    for expected in [None, Some(second)] {
        let lost = write(archive, expected, vec![publish(manifest(3), &[])]).await;
        let Err(ArchiveError::Stale {
            expected: built_on,
            found,
        }) = lost
        else {
            panic!("{lost:?}");
        };
        assert_eq!((built_on, found), (expected, Some(first)));
        assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
    }
}

async fn writes_can_be_repeated(archive: &dyn DataArchive) {
    let old = blob(b"old");
    let changes = vec![Change::Put(old.clone()), publish(manifest(1), &[])];
    for _ in 0..2 {
        write(archive, None, changes.clone()).await.unwrap();
    }
    let changes = vec![Change::Put(blob(b"new")), publish(manifest(2), &[&old])];
    for _ in 0..2 {
        write(archive, Some(Hash::of(&manifest(1))), changes.clone())
            .await
            .unwrap();
        assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(2)));
        assert!(archive.read(&blob(b"new").path).await.unwrap().is_some());
        assert!(archive.read(&old.path).await.unwrap().is_none());
    }
}

async fn what_no_manifest_needs_is_swept(archive: &dyn DataArchive) {
    let stray = blob(b"stray");
    let changes = vec![Change::Put(stray.clone()), publish(manifest(1), &[])];
    write(archive, None, changes).await.unwrap();
    for _ in 0..2 {
        archive.sweep().await.unwrap();
        assert_eq!(archive.read(&stray.path).await.unwrap(), None);
        assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
    }
}

async fn one_writes_at_a_time(archive: &dyn DataArchive) {
    let (mut changes, slow) = mpsc::channel(0);
    let first = archive.write(None, slow.boxed());
    let second = async {
        changes.try_send(Change::Put(blob(b"one"))).unwrap();
        // Once this is read, the first writer is at work.
        futures::future::poll_fn(|context| changes.poll_ready(context))
            .await
            .unwrap();
        let other = write(archive, None, vec![publish(manifest(2), &[])]).await;
        assert!(matches!(other, Err(ArchiveError::Busy(_))), "{other:?}");
        changes.try_send(publish(manifest(1), &[])).unwrap();
    };
    let (first, ()) = tokio::join!(first, second);
    first.unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
}

async fn wrong_names_are_refused(archive: &dyn DataArchive) {
    let wrong = Object {
        path: blob(b"this").path,
        bytes: b"that".to_vec(),
    };
    let refused = write(archive, None, vec![Change::Put(wrong)]).await;
    assert!(matches!(refused, Err(ArchiveError::WrongHash { .. })));
    for path in [
        "../secret",
        "/etc/passwd",
        "blobs/../manifest.json",
        "other.json",
    ] {
        let object = Object {
            path: path.to_owned(),
            bytes: Vec::new(),
        };
        let refused = write(archive, None, vec![Change::Put(object)]).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
        let refused = archive.read(path).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
    }
    let remove = BTreeSet::from(["../secret".to_owned()]);
    let change = Change::Publish {
        manifest: manifest(1),
        remove,
        documents: BTreeMap::new(),
        commit_message: "Archive".to_owned(),
    };
    assert!(write(archive, None, vec![change]).await.is_err());
}

async fn documents_lie_beside(archive: &dyn DataArchive, path: &'static str) {
    let with = |manifest: Vec<u8>, path, document: Option<&[u8]>| Change::Publish {
        manifest,
        remove: BTreeSet::new(),
        documents: BTreeMap::from([(path, document.map(<[u8]>::to_vec))]),
        commit_message: "Archive".to_owned(),
    };
    assert_eq!(archive.read(path).await.unwrap(), None);
    let first = Hash::of(&manifest(1));
    let change = with(manifest(1), path, Some(b"one"));
    write(archive, None, vec![change]).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap().unwrap(), b"one");
    // A new manifest isn't required, but the expected one must match.
    let change = with(manifest(2), path, Some(b"lost"));
    let lost = write(archive, Some(Hash::of(b"")), vec![change]).await;
    assert!(matches!(lost, Err(ArchiveError::Stale { .. })), "{lost:?}");
    let change = with(manifest(1), path, Some(b"two"));
    write(archive, Some(first), vec![change]).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap().unwrap(), b"two");
    // Writes and sweeps that don't mention a document keep it.
    let left = vec![Change::Put(blob(b"left"))];
    write(archive, Some(first), left).await.unwrap();
    let change = vec![publish(manifest(2), &[])];
    write(archive, Some(first), change).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap().unwrap(), b"two");
    let change = vec![with(manifest(2), path, None)];
    write(archive, Some(first), change).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap(), None);
    for path in [
        MANIFEST,
        "other.md",
        "../README.md",
        "sourcecred/graph.json",
    ] {
        let change = vec![with(manifest(3), path, Some(b""))];
        let refused = write(archive, Some(first), change).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
    }
}
