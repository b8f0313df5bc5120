//! How damaged archives are reported.

use std::{fs, path::PathBuf, sync::Arc};

use propsbot_archive::{
    ArchiveReader, Covered, DataArchive, Depth, EncodedRow, Hash, Id, Index, IndexRef, LONGEST,
    MANIFEST, Manifest, MemoryArchive, Object, Publish, base,
    contract::{publish, write},
    export, verify,
};
use propsbot_backends::FolderArchive;
use propsbot_model::{MessageId, Millis};
use propsbot_rows::{MESSAGES, MessageRow, ROLES, SCHEMA, Snapshot};
use tempfile::TempDir;

use super::{
    assert_valid,
    community::{GENERAL, PROPS, request, rows},
};

async fn exported() -> (TempDir, FolderArchive) {
    let folder = tempfile::tempdir().unwrap();
    let archive = FolderArchive::new(folder.path());
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    (folder, archive)
}

/// The paths of a channel's first message blob and of its index.
async fn paths(archive: &FolderArchive) -> (String, String) {
    let reader = ArchiveReader::open(archive).await.unwrap();
    let (scope, reference) = reader
        .manifest()
        .indexes()
        .find(|(scope, _)| scope.part == Some(Id::new(GENERAL)))
        .unwrap();
    let index = reader.index(&scope, reference).await.unwrap();
    let blob = index.entries(MESSAGES)[0].blob.blob_path();
    (blob, reference.path())
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
    let (blob, _) = paths(&archive).await;
    let path = folder.path().join(&blob);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_told(&archive, &[&blob, "is damaged: its bytes have the hash"]).await;
    assert_eq!(
        verify(&archive, &SCHEMA, Depth::Whole)
            .await
            .unwrap()
            .faults
            .len(),
        1
    );
}

#[tokio::test]
async fn names_missing_objects_and_their_contents() {
    let (folder, archive) = exported().await;
    let (blob, index) = paths(&archive).await;
    fs::remove_file(folder.path().join(&blob)).unwrap();
    let whose = format!("messages of channel {GENERAL} of guild");
    assert_told(&archive, &[&blob, "is missing", &whose]).await;
    fs::remove_file(folder.path().join(&index)).unwrap();
    let whose = format!("the index of channel {GENERAL} of guild");
    assert_told(&archive, &[&index, "is missing", &whose]).await;
}

#[tokio::test]
async fn reports_truncated_manifests() {
    let (folder, archive) = exported().await;
    let path = folder.path().join(MANIFEST);
    let bytes = fs::read(&path).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 2] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_told(&archive, &["manifest.json is damaged or cut off"]).await;
    }
}

#[tokio::test]
async fn reports_newer_formats_as_such() {
    let (folder, archive) = exported().await;
    fs::write(
        folder.path().join(MANIFEST),
        r#"{"format": 2, "all": "new"}"#,
    )
    .unwrap();
    assert_told(&archive, &["format 2", "up to 1", "use a newer propsbot"]).await;
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
    repair.since = Some(ArchiveReader::open(archive).await.unwrap().hash());
    repair.anew = found.damaged;
    let done = export(archive, Arc::new(rows.clone()), repair)
        .await
        .unwrap();
    archive.sweep().await.unwrap();
    assert_eq!((done.generation, done.changed), (2, true));
    assert_eq!(done.withdrawn, []);
    assert_valid(archive).await;
    assert_eq!(Snapshot::read(archive).await.unwrap(), rows);
}

#[tokio::test]
async fn repairs_damaged_objects() {
    let (folder, archive) = exported().await;
    let (blob, index) = paths(&archive).await;
    fs::write(folder.path().join(&blob), "damaged").unwrap();
    is_repaired(&archive, &[&blob]).await;

    let (folder, archive) = exported().await;
    fs::remove_file(folder.path().join(&index)).unwrap();
    is_repaired(&archive, &[&index]).await;

    // Objects that only it referenced are removed, too.
    let (folder, archive) = exported().await;
    let unknown =
        "blobs/00/0000000000000000000000000000000000000000000000000000000000000000.msgpack";
    fs::create_dir_all(folder.path().join("blobs/00")).unwrap();
    fs::write(folder.path().join(unknown), "withdrawn").unwrap();
    fs::write(folder.path().join(&index), "damaged").unwrap();
    is_repaired(&archive, &[&index]).await;
    assert!(!folder.path().join(unknown).exists());

    // Everything.
    let (folder, archive) = exported().await;
    let reader = ArchiveReader::open(&archive).await.unwrap();
    let indexes: Vec<String> = reader
        .manifest()
        .indexes()
        .map(|index| index.1.path())
        .collect();
    for path in &indexes {
        fs::write(folder.path().join(path), "{}").unwrap();
    }
    for kind in fs::read_dir(folder.path().join("blobs")).unwrap() {
        fs::remove_dir_all(kind.unwrap().path()).unwrap();
    }
    let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
    is_repaired(&archive, &indexes).await;
}

/// Errors for an archive with changed rows, but matching hashes and counts.
async fn forged_rows(change: impl Fn(&mut Vec<MessageRow>, &mut Vec<u8>)) -> String {
    let archive = MemoryArchive::new();
    let rows = rows();
    let of_channel = rows
        .messages
        .iter()
        .filter(|message| message.channel_id == PROPS);
    let mut messages: Vec<MessageRow> = of_channel.cloned().collect();
    let mut more = Vec::new();
    change(&mut messages, &mut more);
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    let encoded = messages.iter().map(EncodedRow::new);
    let all: Vec<u8> = encoded
        .flat_map(|encoded| encoded.bytes)
        .chain(more)
        .collect();
    let head = 0x90 | u8::try_from(messages.len()).unwrap();
    let bytes = [&[head][..], &all].concat();
    let blob = Hash::of(&bytes);
    let path = blob.blob_path();
    let forged = forge(&archive, |_, index| {
        let entry = self::messages(index);
        (entry.blob, entry.bytes) = (blob, all.len() as u64);
    });
    forged.await;
    let hash = ArchiveReader::open(&archive).await.unwrap().hash();
    let again = publish(archive.read(MANIFEST, LONGEST).await.unwrap().unwrap());
    write(&archive, base(Some(hash)), [Object { path, bytes }], again)
        .await
        .unwrap();
    let found = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
    found.faults.join("\n")
}

/// Changes a channel's messages and the bytes after them.
type Forgery = fn(&mut Vec<MessageRow>, &mut Vec<u8>);

/// Faults that no hash detects, with their messages.
const FORGERIES: [(&str, Forgery); 7] = [
    ("out of order or repeated", |rows, _| rows.swap(0, 1)),
    ("out of order or repeated", |rows, _| {
        rows[1] = rows[0].clone();
    }),
    ("row 1 is not of channel", |rows, _| {
        rows[1].channel_id = GENERAL;
    }),
    ("is not of 2025", |rows, _| {
        rows[2].id = MessageId(2_000_000_000_000_000_000);
    }),
    ("contradicts itself", |rows, _| rows[0].author_id = None),
    ("contradicts itself", |rows, _| {
        rows[0].deleted_at = Some(Millis(1));
    }),
    ("more follows its rows", |_, more| more.push(0xc0)),
];

#[tokio::test]
async fn verify_detects_invalid_rows() {
    let none = forged_rows(|_, _| ()).await;
    assert_eq!(none, "");
    for (says, change) in FORGERIES {
        let found = forged_rows(change).await;
        assert!(found.contains(says), "{says}: {found}");
    }
}

/// An archive with a changed channel index, but matching hashes.
async fn forged(change: impl Fn(&mut Manifest, &mut Index)) -> MemoryArchive {
    let archive = MemoryArchive::new();
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    forge(&archive, change).await;
    archive
}

async fn forge(archive: &MemoryArchive, change: impl Fn(&mut Manifest, &mut Index)) {
    let reader = ArchiveReader::open(archive).await.unwrap();
    let mut manifest = reader.manifest().clone();
    let guild = &mut manifest.spaces[0];
    let scope = guild.scope();
    let at = guild
        .parts
        .iter()
        .position(|part| part.id == Id::new(PROPS))
        .unwrap();
    let scope = propsbot_archive::Scope::part(scope.space, PROPS);
    let old = guild.parts[at].index.unwrap();
    let mut index = reader.index(&scope, old).await.unwrap();
    change(&mut manifest, &mut index);
    let bytes = index.print();
    let reference = IndexRef {
        hash: Hash::of(&bytes),
        bytes: bytes.len() as u64,
    };
    manifest.spaces[0].parts[at].index = Some(reference);
    let path = reference.path();
    let forged = Publish {
        remove: std::iter::once(old.path())
            .filter(|once| *once != reference.path())
            .collect(),
        ..publish(manifest.print())
    };
    let bases = base(Some(reader.hash()));
    write(archive, bases, [Object { path, bytes }], forged)
        .await
        .unwrap();
}

async fn assert_fault(words: &str, change: impl Fn(&mut Manifest, &mut Index)) {
    let archive = forged(change).await;
    let faults = verify(&archive, &SCHEMA, Depth::Whole)
        .await
        .unwrap()
        .faults
        .join("\n");
    assert!(faults.contains(words), "{words}: {faults}");
}

fn messages(index: &mut Index) -> &mut propsbot_archive::Entry {
    &mut index.tables.get_mut(MESSAGES).unwrap()[0]
}

#[tokio::test]
async fn verify_detects_faults_that_hashes_miss() {
    assert_valid(&forged(|_, _| {}).await).await;
    assert_fault("2 messages", |manifest, _| {
        *manifest.spaces[0].parts[1].rows.get_mut(MESSAGES).unwrap() -= 1;
    })
    .await;
    assert_fault("3 rows, not the 2", |_, index| messages(index).rows = 2).await;
    assert_fault("bytes long, not the 7", |_, index| {
        messages(index).bytes = 7;
    })
    .await;
    assert_fault("is not of 2024", |_, index| {
        messages(index).period = "2024".parse().unwrap();
    })
    .await;
    assert_fault(
        "messages in 2025 are split, but short enough",
        |_, index| {
            messages(index).period = "2025-11".parse().unwrap();
        },
    )
    .await;
    assert_fault("overlap or are out of order", |_, index| {
        let twice = *messages(index);
        index.tables.get_mut(MESSAGES).unwrap().push(twice);
    })
    .await;
    assert_fault("has no row", |manifest, _| {
        let mut unknown = manifest.spaces[0].parts[0].clone();
        unknown.id = Id::new(GENERAL.0 + 100);
        unknown.index = None;
        unknown.rows.clear();
        manifest.spaces[0].parts.push(unknown);
    })
    .await;
    assert_fault("has a row, but is not listed", |manifest, _| {
        manifest.spaces[0].parts.pop();
    })
    .await;
    assert_fault("where an id should be", |manifest, _| {
        manifest.spaces[0].parts[0].covered = vec![Covered {
            after: "a".into(),
            to: "bb".into(),
        }];
    })
    .await;
    assert_fault("the provider", |manifest, _| {
        manifest.provider = "irc".to_owned();
    })
    .await;
    assert_fault("cannot have roles", |_, index| {
        let messages = index.tables[MESSAGES].clone();
        index.tables.insert(ROLES.to_owned(), messages);
    })
    .await;
    assert_fault("without partitions are listed", |_, index| {
        index
            .tables
            .insert(propsbot_rows::PROPS.to_owned(), Vec::new());
    })
    .await;
    assert_fault("are too long for one partition", |_, index| {
        messages(index).bytes = 2_000_000;
    })
    .await;
    assert_fault("generation 2 without a predecessor", |manifest, _| {
        manifest.generation = 2;
    })
    .await;
    assert_fault("holds no props of channel", |_, index| {
        let blob = messages(index).blob;
        index.tables.get_mut(propsbot_rows::PROPS).unwrap()[0].blob = blob;
    })
    .await;
    for (one, other) in [((5, 9), (8, 12)), ((5, 9), (3, 4)), ((1, 2), (7, 7))] {
        let interval = |(after, to): (u64, u64)| Covered {
            after: Id::new(after),
            to: Id::new(to),
        };
        assert_fault("what is covered of channel", |manifest, _| {
            manifest.spaces[0].parts[0].covered = vec![interval(one), interval(other)];
        })
        .await;
    }
    assert_fault("it is the index of", |_, index| {
        index.part = Some(Id::new(GENERAL));
    })
    .await;
}

#[tokio::test]
async fn structure_check_reads_only_manifest_and_indexes() {
    let (folder, archive) = exported().await;
    let (blob, index) = paths(&archive).await;
    fs::remove_file(folder.path().join(&blob)).unwrap();
    let found = verify(&archive, &SCHEMA, Depth::Structure).await.unwrap();
    assert_eq!((found.faults.len(), found.blobs), (0, 0));
    assert_eq!(found.indexes, 4);
    fs::remove_file(folder.path().join(&index)).unwrap();
    let found = verify(&archive, &SCHEMA, Depth::Structure).await.unwrap();
    assert!(found.faults[0].contains(&index), "{:?}", found.faults);
}
