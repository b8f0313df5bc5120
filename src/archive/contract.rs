//! Tests of the promises of [`DataArchive`], for its implementations.
//!
//! They run on any executor. Crashes and concurrent processes are left to each implementation's own
//! tests.
#![expect(
    clippy::unwrap_used,
    reason = "a test suite: it panics where a promise is broken"
)]

use super::{
    ArchiveError, Bases, DOCUMENTS, DataArchive, Hash, MANIFEST, Object, Publish, Receipt, base,
};

/// Checks every promise, each on a new, empty archive from `new`.
///
/// # Panics
/// If a promise is broken.
pub async fn check(new: &mut dyn FnMut() -> Box<dyn DataArchive>) {
    a_missing_file_is_none(&*new()).await;
    published_files_are_read(&*new()).await;
    nothing_is_published_by_a_drop(&*new()).await;
    nothing_is_published_by_an_abandoned_write(&*new()).await;
    a_stale_writer_loses(&*new()).await;
    writes_can_be_repeated(&*new()).await;
    one_writes_at_a_time(&*new()).await;
    wrong_names_are_refused(&*new()).await;
    unneeded_objects_are_swept(&*new()).await;
    for path in DOCUMENTS {
        documents_are_kept_beside(&*new(), path).await;
    }
}

/// Puts these objects, then publishes.
pub async fn write(
    archive: &dyn DataArchive,
    bases: Bases,
    objects: impl IntoIterator<Item = Object>,
    publish: Publish,
) -> Result<Receipt, ArchiveError> {
    let mut write = archive.write(bases).await?;
    for object in objects {
        write.put(object).await?;
    }
    write.publish(publish).await
}

/// A blob with these bytes.
pub fn blob(bytes: &[u8]) -> Object {
    Object {
        path: Hash::of(bytes).blob_path(),
        bytes: bytes.to_vec(),
    }
}

/// A manifest of this generation without objects.
pub fn manifest(generation: u32) -> Vec<u8> {
    format!(
        r#"{{"format":1,"provider":"discord","generation":{generation},"previous":null,
            "created_at":0,"guilds":[]}}"#
    )
    .into_bytes()
}

/// Replaces only the manifest.
pub fn publish(manifest: Vec<u8>) -> Publish {
    Publish {
        manifests: [(MANIFEST.to_owned(), manifest)].into(),
        commit_message: "Archive".to_owned(),
        ..Publish::default()
    }
}

/// The bases of a write on top of [`manifest`] of this generation.
fn after(generation: u32) -> Bases {
    base(Some(Hash::of(&manifest(generation))))
}

async fn a_missing_file_is_none(archive: &dyn DataArchive) {
    assert_eq!(archive.read(MANIFEST).await.unwrap(), None);
    assert_eq!(archive.read(&blob(b"a").path).await.unwrap(), None);
}

async fn published_files_are_read(archive: &dyn DataArchive) {
    let (one, two) = (blob(b"one"), blob(b"two"));
    let objects = [one.clone(), two.clone()];
    let receipt = write(archive, base(None), objects, publish(manifest(1))).await;
    let hashes = [(MANIFEST.to_owned(), Hash::of(&manifest(1)))];
    assert_eq!(receipt.unwrap().published, hashes.into());
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
    let read = archive.read(&one.path).await.unwrap();
    assert_eq!(read, Some(one.bytes));

    let second = Publish {
        remove: [one.path.clone()].into(),
        ..publish(manifest(2))
    };
    write(archive, after(1), [], second).await.unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(2)));
    assert_eq!(archive.read(&one.path).await.unwrap(), None);
    assert_eq!(archive.read(&two.path).await.unwrap(), Some(two.bytes));
}

async fn nothing_is_published_by_a_drop(archive: &dyn DataArchive) {
    let left = blob(b"left");
    let mut dropped = archive.write(base(None)).await.unwrap();
    dropped.put(left.clone()).await.unwrap();
    drop(dropped);
    assert_eq!(archive.read(MANIFEST).await.unwrap(), None);
    write(archive, base(None), [], publish(manifest(1)))
        .await
        .unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
    assert_eq!(archive.read(&left.path).await.unwrap(), None);
}

async fn nothing_is_published_by_an_abandoned_write(archive: &dyn DataArchive) {
    let left = blob(b"left");
    let mut abandoned = archive.write(base(None)).await.unwrap();
    abandoned.put(left.clone()).await.unwrap();
    abandoned.abandon().await.unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), None);
    // The next write removes the leftovers even if it publishes nothing.
    let next = archive.write(base(None)).await.unwrap();
    next.abandon().await.unwrap();
    assert_eq!(archive.read(&left.path).await.unwrap(), None);
}

async fn a_stale_writer_loses(archive: &dyn DataArchive) {
    let first = Hash::of(&manifest(1));
    let second = Hash::of(&manifest(2));
    write(archive, base(None), [], publish(manifest(1)))
        .await
        .unwrap();
    for expected in [None, Some(second)] {
        let lost = write(archive, base(expected), [], publish(manifest(3))).await;
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
    let (old, new) = (blob(b"old"), blob(b"new"));
    for _ in 0..2 {
        let again = publish(manifest(1));
        write(archive, base(None), [old.clone()], again)
            .await
            .unwrap();
    }
    for _ in 0..2 {
        let again = Publish {
            remove: [old.path.clone()].into(),
            ..publish(manifest(2))
        };
        write(archive, after(1), [new.clone()], again)
            .await
            .unwrap();
        assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(2)));
        assert!(archive.read(&new.path).await.unwrap().is_some());
        assert!(archive.read(&old.path).await.unwrap().is_none());
    }
}

async fn unneeded_objects_are_swept(archive: &dyn DataArchive) {
    let stray = blob(b"stray");
    write(archive, base(None), [stray.clone()], publish(manifest(1)))
        .await
        .unwrap();
    for _ in 0..2 {
        archive.sweep().await.unwrap();
        assert_eq!(archive.read(&stray.path).await.unwrap(), None);
        assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
    }
}

async fn one_writes_at_a_time(archive: &dyn DataArchive) {
    let mut first = archive.write(base(None)).await.unwrap();
    first.put(blob(b"one")).await.unwrap();
    let second = write(archive, base(None), [], publish(manifest(2))).await;
    assert!(matches!(second, Err(ArchiveError::Busy(_))), "{second:?}");
    first.publish(publish(manifest(1))).await.unwrap();
    assert_eq!(archive.read(MANIFEST).await.unwrap(), Some(manifest(1)));
}

async fn wrong_names_are_refused(archive: &dyn DataArchive) {
    let put = async |object| {
        let mut write = archive.write(base(None)).await.unwrap();
        let put = write.put(object).await;
        write.abandon().await.unwrap();
        put
    };
    let wrong = Object {
        path: blob(b"this").path,
        bytes: b"that".to_vec(),
    };
    let refused = put(wrong).await;
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
        let refused = put(object).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
        let refused = archive.read(path).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
        let bases = Bases::from([(path.to_owned(), None)]);
        assert!(archive.write(bases).await.is_err(), "{path}");
    }
    let removes = Publish {
        remove: ["../secret".to_owned()].into(),
        ..publish(manifest(1))
    };
    let replaces = Publish {
        manifests: [("other.json".to_owned(), manifest(1))].into(),
        ..Publish::default()
    };
    for odd in [removes, replaces] {
        assert!(write(archive, base(None), [], odd).await.is_err());
    }
}

async fn documents_are_kept_beside(archive: &dyn DataArchive, path: &'static str) {
    let with = |manifest, path, document: Option<&[u8]>| Publish {
        documents: [(path, document.map(<[u8]>::to_vec))].into(),
        ..publish(manifest)
    };
    assert_eq!(archive.read(path).await.unwrap(), None);
    let one = with(manifest(1), path, Some(b"one"));
    write(archive, base(None), [], one).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap().unwrap(), b"one");
    // Documents change without a new manifest, but not for a writer with an outdated base.
    let lost = with(manifest(2), path, Some(b"lost"));
    let lost = write(archive, base(Some(Hash::of(b""))), [], lost).await;
    assert!(matches!(lost, Err(ArchiveError::Stale { .. })), "{lost:?}");
    let two = with(manifest(1), path, Some(b"two"));
    write(archive, after(1), [], two).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap().unwrap(), b"two");
    // Documents stay if a write doesn't name them, even when it cleans up.
    let mut left = archive.write(after(1)).await.unwrap();
    left.put(blob(b"left")).await.unwrap();
    left.abandon().await.unwrap();
    write(archive, after(1), [], publish(manifest(2)))
        .await
        .unwrap();
    assert_eq!(archive.read(path).await.unwrap().unwrap(), b"two");
    let none = with(manifest(2), path, None);
    write(archive, after(1), [], none).await.unwrap();
    assert_eq!(archive.read(path).await.unwrap(), None);
    for path in [
        MANIFEST,
        "other.md",
        "../README.md",
        "sourcecred/graph.json",
    ] {
        let odd = with(manifest(3), path, Some(b""));
        let refused = write(archive, after(2), [], odd).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
    }
}
