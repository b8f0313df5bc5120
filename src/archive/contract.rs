//! Tests of the promises of [`DataArchive`], for its implementations.
//!
//! They run on any executor. Crashes and concurrent processes are left to each implementation's own
//! tests.
#![expect(
    clippy::unwrap_used,
    reason = "a test suite: it panics where a promise is broken"
)]

use std::{collections::BTreeSet, io::Write as _};

use flate2::{Compression, write::GzEncoder};

use super::{
    ArchiveError, Bases, DOCUMENTS, DataArchive, Hash, Id, Object, Publish, Receipt, base,
    file::{Kind, pack},
    manifest::{ROOT, Root, manifest_path},
};

/// The longest file of these tests, in bytes.
const SHORT: u64 = 1 << 16;

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
    spaces_are_published_together(&*new()).await;
    spaces_can_be_removed(&*new()).await;
    spaces_are_listed(&*new()).await;
    one_stale_manifest_stops_all(&*new()).await;
    objects_are_named_by_uncompressed_bytes(&*new()).await;
    long_files_are_refused(&*new()).await;
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

async fn read(archive: &dyn DataArchive, path: &str) -> Option<Vec<u8>> {
    archive.read(path, SHORT).await.unwrap()
}

/// An object that decompresses to these bytes.
pub fn blob(bytes: &[u8]) -> Object {
    pack(Kind::Rows, bytes).1
}

/// A root without spaces, as this one of several.
pub fn manifest(number: u32) -> Vec<u8> {
    Root::print(&format!("test {number}"), Vec::new())
}

/// Replaces only the manifest.
pub fn publish(manifest: Vec<u8>) -> Publish {
    Publish {
        manifests: [(ROOT.to_owned(), Some(manifest))].into(),
        commit_message: "Archive".to_owned(),
        ..Publish::default()
    }
}

/// The bases of a write on top of [`manifest`] of this generation.
fn after(generation: u32) -> Bases {
    base(Some(Hash::of(&manifest(generation))))
}

async fn a_missing_file_is_none(archive: &dyn DataArchive) {
    assert_eq!(read(archive, ROOT).await, None);
    assert_eq!(read(archive, &blob(b"a").path).await, None);
}

async fn published_files_are_read(archive: &dyn DataArchive) {
    let (one, two) = (blob(b"one"), blob(b"two"));
    let objects = [one.clone(), two.clone()];
    let receipt = write(archive, base(None), objects, publish(manifest(1))).await;
    let hashes = [(ROOT.to_owned(), Some(Hash::of(&manifest(1))))];
    assert_eq!(receipt.unwrap().published, hashes.into());
    assert_eq!(read(archive, ROOT).await, Some(manifest(1)));
    let found = read(archive, &one.path).await;
    assert_eq!(found, Some(one.bytes));

    let second = Publish {
        remove: [one.path.clone()].into(),
        ..publish(manifest(2))
    };
    write(archive, after(1), [], second).await.unwrap();
    assert_eq!(read(archive, ROOT).await, Some(manifest(2)));
    assert_eq!(read(archive, &one.path).await, None);
    assert_eq!(read(archive, &two.path).await, Some(two.bytes));
}

async fn nothing_is_published_by_a_drop(archive: &dyn DataArchive) {
    let left = blob(b"left");
    let mut dropped = archive.write(base(None)).await.unwrap();
    dropped.put(left.clone()).await.unwrap();
    drop(dropped);
    assert_eq!(read(archive, ROOT).await, None);
    write(archive, base(None), [], publish(manifest(1)))
        .await
        .unwrap();
    assert_eq!(read(archive, ROOT).await, Some(manifest(1)));
    assert_eq!(read(archive, &left.path).await, None);
}

async fn nothing_is_published_by_an_abandoned_write(archive: &dyn DataArchive) {
    let left = blob(b"left");
    let mut abandoned = archive.write(base(None)).await.unwrap();
    abandoned.put(left.clone()).await.unwrap();
    abandoned.abandon().await.unwrap();
    assert_eq!(read(archive, ROOT).await, None);
    // The next write removes the leftovers even if it publishes nothing.
    let next = archive.write(base(None)).await.unwrap();
    next.abandon().await.unwrap();
    assert_eq!(read(archive, &left.path).await, None);
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
        assert_eq!(read(archive, ROOT).await, Some(manifest(1)));
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
        assert_eq!(read(archive, ROOT).await, Some(manifest(2)));
        assert!(read(archive, &new.path).await.is_some());
        assert!(read(archive, &old.path).await.is_none());
    }
}

async fn unneeded_objects_are_swept(archive: &dyn DataArchive) {
    let stray = blob(b"stray");
    write(archive, base(None), [stray.clone()], publish(manifest(1)))
        .await
        .unwrap();
    for _ in 0..2 {
        archive.sweep().await.unwrap();
        assert_eq!(read(archive, &stray.path).await, None);
        assert_eq!(read(archive, ROOT).await, Some(manifest(1)));
    }
}

/// A file of rows with these bytes, as it is written and compressed in another way.
fn rows(bytes: &[u8]) -> [Object; 2] {
    let packed = pack(Kind::Rows, bytes).1;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(bytes).unwrap();
    let other = Object {
        path: packed.path.clone(),
        bytes: gzip.finish().unwrap(),
    };
    assert_ne!(packed.bytes, other.bytes);
    [packed, other]
}

/// A manifest's path, and what it is before and after a write.
pub type Replaced<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>);

/// Replaces manifests of an archive.
pub async fn replace<const N: usize>(
    archive: &dyn DataArchive,
    manifests: [Replaced<'_>; N],
) -> Result<Receipt, ArchiveError> {
    let bases = manifests.map(|(path, before, _)| (path.to_owned(), before.map(Hash::of)));
    let after = manifests.map(|(path, _, after)| (path.to_owned(), after.map(<[u8]>::to_vec)));
    let publish = Publish {
        manifests: after.into(),
        commit_message: "Archive".to_owned(),
        ..Publish::default()
    };
    write(archive, bases.into(), [], publish).await
}

async fn spaces_are_published_together(archive: &dyn DataArchive) {
    let [one, two] = ["1", "2"].map(|id| manifest_path(&Id::new(id)));
    let root = manifest(1);
    let written = [(ROOT, &*root), (&one, b"one"), (&two, b"two")];
    let first = written.map(|(path, bytes)| (path, None, Some(bytes)));
    for _ in 0..2 {
        let receipt = replace(archive, first).await.unwrap();
        let hashes = written.map(|(path, bytes)| (path.to_owned(), Some(Hash::of(bytes))));
        assert_eq!(receipt.published, hashes.into());
        for (path, bytes) in written {
            assert_eq!(read(archive, path).await.as_deref(), Some(bytes));
        }
    }
    // The root stays as it is.
    let second = replace(archive, [(&two, Some(b"two"), Some(b"more"))]).await;
    let hashes = Bases::from([(two.clone(), Some(Hash::of(b"more")))]);
    assert_eq!(second.unwrap().published, hashes);
    assert_eq!(read(archive, ROOT).await, Some(root));
    assert_eq!(read(archive, &one).await.unwrap(), b"one");
    assert_eq!(read(archive, &two).await.unwrap(), b"more");
}

async fn spaces_can_be_removed(archive: &dyn DataArchive) {
    let [one, two] = ["1", "a b"].map(|id| manifest_path(&Id::new(id)));
    let (both, only) = (manifest(1), manifest(2));
    let first = [
        (ROOT, None, Some(&*both)),
        (&one, None, Some(b"one")),
        (&two, None, Some(b"two")),
    ];
    replace(archive, first).await.unwrap();
    for _ in 0..2 {
        let second = [
            (ROOT, Some(&*both), Some(&*only)),
            (&two, Some(b"two"), None),
        ];
        let receipt = replace(archive, second).await.unwrap();
        let gone = [
            (ROOT.to_owned(), Some(Hash::of(&only))),
            (two.clone(), None),
        ];
        assert_eq!(receipt.published, gone.into());
        assert_eq!(read(archive, ROOT).await.as_deref(), Some(&*only));
        assert_eq!(read(archive, &one).await.unwrap(), b"one");
        assert_eq!(read(archive, &two).await, None);
    }
}

/// Also those that the root doesn't name.
async fn spaces_are_listed(archive: &dyn DataArchive) {
    let [one, two] = ["1", "a b"].map(|id| manifest_path(&Id::new(id)));
    let listed = async || {
        let listed = archive.list_spaces().await.unwrap();
        listed.map(|paths| paths.into_iter().collect::<BTreeSet<_>>())
    };
    // Not every archive can list them.
    let Some(none) = listed().await else { return };
    assert_eq!(none, BTreeSet::new());
    let root = manifest(1);
    let first = [
        (ROOT, None, Some(&*root)),
        (&one, None, Some(b"one")),
        (&two, None, Some(b"two")),
    ];
    replace(archive, first).await.unwrap();
    assert_eq!(listed().await.unwrap(), [one.clone(), two.clone()].into());
    replace(archive, [(&two, Some(b"two"), None)])
        .await
        .unwrap();
    assert_eq!(listed().await.unwrap(), [one].into());
}

async fn one_stale_manifest_stops_all(archive: &dyn DataArchive) {
    let [one, two] = ["1", "2"].map(|id| manifest_path(&Id::new(id)));
    let root = manifest(1);
    let first = [
        (ROOT, None, Some(&*root)),
        (&one, None, Some(b"one")),
        (&two, None, Some(b"two")),
    ];
    replace(archive, first).await.unwrap();
    let replaced = [
        (&*one, Some(&b"one"[..]), Some(&b"more"[..])),
        (&*two, Some(b"old"), Some(b"more")),
    ];
    let removed = [replaced[0], (&two, Some(b"old"), None)];
    for stale in [replaced, removed] {
        let lost = replace(archive, stale).await;
        let Err(ArchiveError::Stale { expected, found }) = lost else {
            panic!("{lost:?}");
        };
        assert_eq!(expected, Some(Hash::of(b"old")));
        assert_eq!(found, Some(Hash::of(b"two")));
    }
    // Also if only the other one is to be replaced.
    let bases = [(&one, b"one"), (&two, b"old")];
    let bases = bases.map(|(path, bytes)| (path.clone(), Some(Hash::of(bytes))));
    let publish = Publish {
        manifests: [(one.clone(), Some(b"more".to_vec()))].into(),
        ..Publish::default()
    };
    let lost = write(archive, bases.into(), [], publish).await;
    assert!(matches!(lost, Err(ArchiveError::Stale { .. })), "{lost:?}");
    assert_eq!(read(archive, &one).await.unwrap(), b"one");
    assert_eq!(read(archive, &two).await.unwrap(), b"two");
}

async fn objects_are_named_by_uncompressed_bytes(archive: &dyn DataArchive) {
    let [packed, other] = rows(b"some rows");
    for (number, object) in [&packed, &other].into_iter().enumerate() {
        let publish = publish(manifest(u32::try_from(number).unwrap()));
        let before = number.checked_sub(1).map(|_| Hash::of(&manifest(0)));
        write(archive, base(before), [object.clone()], publish)
            .await
            .unwrap();
        let path = object.path.clone();
        let bytes = read(archive, &path).await.unwrap();
        let kept = Object { path, bytes };
        assert!(kept == packed || kept == other, "{kept:?}");
    }
    let [unlike, _] = rows(b"other rows");
    let mut cut = packed.bytes.clone();
    cut.pop();
    let more = [packed.bytes.as_slice(), b"!"].concat();
    let mut write = archive.write(after(1)).await.unwrap();
    for bytes in [unlike.bytes, cut, more, b"some rows".to_vec()] {
        let path = packed.path.clone();
        let refused = write.put(Object { path, bytes }).await;
        let is_refused = matches!(refused, Err(ArchiveError::BadObject { .. }));
        assert!(is_refused, "{refused:?}");
    }
    write.abandon().await.unwrap();
}

async fn long_files_are_refused(archive: &dyn DataArchive) {
    let object = blob(&[7; 1000]);
    let publish = Publish {
        documents: [(DOCUMENTS[0], Some(vec![7; 1000]))].into(),
        ..publish(vec![b' '; 1000])
    };
    let objects = [object.clone()];
    write(archive, base(None), objects, publish).await.unwrap();
    let length = object.bytes.len();
    for (path, length) in [(ROOT, 1000), (DOCUMENTS[0], 1000), (&object.path, length)] {
        let found = archive.read(path, length as u64).await.unwrap();
        assert_eq!(found.unwrap().len(), length, "{path}");
        for longest in [0, length as u64 - 1] {
            let refused = archive.read(path, longest).await;
            let Err(ArchiveError::TooLong { longest: told, .. }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(told, longest);
        }
        assert!(!archive.has(path, &[7; 999]).await.unwrap());
    }
}

async fn one_writes_at_a_time(archive: &dyn DataArchive) {
    let mut first = archive.write(base(None)).await.unwrap();
    first.put(blob(b"one")).await.unwrap();
    let second = write(archive, base(None), [], publish(manifest(2))).await;
    assert!(matches!(second, Err(ArchiveError::Busy(_))), "{second:?}");
    first.publish(publish(manifest(1))).await.unwrap();
    assert_eq!(read(archive, ROOT).await, Some(manifest(1)));
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
    assert!(matches!(refused, Err(ArchiveError::BadObject { .. })));
    for path in [
        "../secret",
        "/etc/passwd",
        "blobs/../manifest.json",
        "other.json",
        "spaces/../1.json",
        "spaces/A.json",
        "spaces/.json",
    ] {
        let object = Object {
            path: path.to_owned(),
            bytes: Vec::new(),
        };
        let refused = put(object).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
        let refused = archive.read(path, SHORT).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
        let bases = Bases::from([(path.to_owned(), None)]);
        assert!(archive.write(bases).await.is_err(), "{path}");
    }
    let removes = Publish {
        remove: ["../secret".to_owned()].into(),
        ..publish(manifest(1))
    };
    let replaces = Publish {
        manifests: [("other.json".to_owned(), Some(manifest(1)))].into(),
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
    assert_eq!(read(archive, path).await, None);
    let one = with(manifest(1), path, Some(b"one"));
    write(archive, base(None), [], one).await.unwrap();
    assert_eq!(read(archive, path).await.unwrap(), b"one");
    // Documents change without a new manifest, but not for a writer with an outdated base.
    let lost = with(manifest(2), path, Some(b"lost"));
    let lost = write(archive, base(Some(Hash::of(b""))), [], lost).await;
    assert!(matches!(lost, Err(ArchiveError::Stale { .. })), "{lost:?}");
    let two = with(manifest(1), path, Some(b"two"));
    write(archive, after(1), [], two).await.unwrap();
    assert_eq!(read(archive, path).await.unwrap(), b"two");
    // Documents stay if a write doesn't name them, even when it cleans up.
    let mut left = archive.write(after(1)).await.unwrap();
    left.put(blob(b"left")).await.unwrap();
    left.abandon().await.unwrap();
    write(archive, after(1), [], publish(manifest(2)))
        .await
        .unwrap();
    assert_eq!(read(archive, path).await.unwrap(), b"two");
    let none = with(manifest(2), path, None);
    write(archive, after(1), [], none).await.unwrap();
    assert_eq!(read(archive, path).await, None);
    for path in [ROOT, "other.md", "../README.md", "sourcecred/graph.json"] {
        let odd = with(manifest(3), path, Some(b""));
        let refused = write(archive, after(2), [], odd).await;
        assert!(matches!(refused, Err(ArchiveError::BadPath(_))), "{path}");
    }
}
