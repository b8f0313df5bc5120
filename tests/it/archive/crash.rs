//! Interrupted exports: at every step, and by `kill -9`.

use propsbot_rows::SCHEMA;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use propsbot_archive::{
    DataArchive, Depth, Id, MemoryArchive, Object, ROOT, ReadError, base, export, verify,
};
use propsbot_backends::FolderArchive;

use super::{
    assert_valid,
    community::{GENERAL, PROPS, mark, message, message_id, request, rows},
    put_only,
};
use crate::mirror::spawn;

const FOLDER: &str = "PROPSBOT_TEST_FOLDER";

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn is_object(path: &str) -> bool {
    propsbot_archive::Hash::in_path(path).is_some()
}

/// The manifest of the only space.
fn manifest(folder: &Path) -> PathBuf {
    let mut manifests = fs::read_dir(folder.join("spaces")).unwrap();
    manifests.next().unwrap().unwrap().path()
}

/// The files of an archive that was never interrupted.
async fn clean(archive: &MemoryArchive) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = archive.files().await.into_keys().collect();
    files.insert(".lock".to_owned());
    files
}

#[tokio::test]
async fn interrupted_folder_exports_are_atomic() {
    let before = rows();
    let mut after = rows();
    after.messages.retain(|message| message.channel_id != PROPS);
    after
        .messages
        .push(message(GENERAL, message_id(40, 0), "new"));
    after
        .messages
        .sort_by_key(|message| (message.channel_id, message.id));
    let mut change = request(&after);
    change.marks = vec![mark(PROPS, 1), mark(GENERAL, 40)];

    let reference = MemoryArchive::new();
    let exported = export(&reference, Arc::new(before.clone()), request(&before))
        .await
        .unwrap();
    change.since = exported.manifests.clone();
    export(&reference, Arc::new(after.clone()), change.clone())
        .await
        .unwrap();
    let clean = clean(&reference).await;
    let objects: Vec<Object> = reference
        .files()
        .await
        .into_iter()
        .filter(|(path, _)| is_object(path))
        .map(|(path, bytes)| Object { path, bytes })
        .collect();

    // Every step of the second export, and of one that writes everything.
    for steps in 0..=objects.len() {
        let folder = tempfile::tempdir().unwrap();
        let archive = FolderArchive::new(folder.path());
        let first = export(&archive, Arc::new(before.clone()), request(&before))
            .await
            .unwrap();
        // The writer is gone after these steps.
        let bases = base(first.manifests.get(ROOT).copied());
        let mut cut = archive.write(bases).await.unwrap();
        for object in objects.iter().take(steps) {
            cut.put(object.clone()).await.unwrap();
        }
        drop(cut);
        assert_eq!(assert_valid(&archive).await.manifests[0].generation, 1);

        let summary = export(&archive, Arc::new(after.clone()), change.clone())
            .await
            .unwrap();
        assert_eq!(summary.generation, 2);
        assert_valid(&archive).await;
        assert_eq!(files(folder.path()), clean);
    }
}

#[tokio::test]
async fn next_export_removes_files_left_by_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let archive = FolderArchive::new(folder.path());
    let rows = rows();
    let everything = request(&rows);
    export(&archive, Arc::new(rows.clone()), everything.clone())
        .await
        .unwrap();
    let before = files(folder.path());
    let copy = tempfile::tempdir().unwrap();
    for name in &before {
        fs::create_dir_all(copy.path().join(name).parent().unwrap()).unwrap();
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut less = everything.clone();
    less.spaces[0]
        .parts
        .retain(|part| part.id != Id::new(PROPS));
    export(&archive, Arc::new(rows.clone()), less.clone())
        .await
        .unwrap();
    let after = files(folder.path());

    // As after a power failure between replacing the manifest and removing files.
    for name in before.difference(&after) {
        fs::copy(copy.path().join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join(".writing"), "").unwrap();
    assert_valid(&archive).await;

    let summary = export(&archive, Arc::new(rows), less).await.unwrap();
    assert!(!summary.changed);
    assert_eq!(files(folder.path()), after);
}

#[tokio::test]
async fn clean_up_keeps_everything_if_an_index_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let archive = FolderArchive::new(folder.path());
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    fs::write(folder.path().join(ROOT), "{\"format\":2").unwrap();
    fs::write(folder.path().join(".writing"), "").unwrap();
    let before = files(folder.path());
    // Damage that may be another provider's keeps nothing from being written, only from being removed.
    put_only(&archive, None, []).await.unwrap();
    assert_eq!(files(folder.path()), before);
}

#[tokio::test]
async fn sigkill_leaves_a_valid_archive() {
    let folder = tempfile::tempdir().unwrap();
    let archive = FolderArchive::new(folder.path());
    let first = rows();
    let everything = request(&first);
    export(&archive, Arc::new(first.clone()), everything.clone())
        .await
        .unwrap();
    for round in 0..15_u64 {
        let before = fs::read(manifest(folder.path())).unwrap();
        let exporter = Exporter::start(folder.path());
        loop {
            // During writes, too, every reader sees a whole archive.
            match verify(&archive, &SCHEMA, Depth::Whole).await {
                // (Readers slower than a writer that never pauses get this error.)
                Err(ReadError::Superseded) => {}
                found => assert_eq!(found.unwrap().faults, Vec::<String>::new()),
            }
            if fs::read(manifest(folder.path())).unwrap() != before {
                break;
            }
        }
        // Kill it at a different moment in every round.
        tokio::time::sleep(Duration::from_micros(round * 1700)).await;
        drop(exporter);
        assert_valid(&archive).await;
    }

    export(&archive, Arc::new(first.clone()), everything.clone())
        .await
        .unwrap();
    let reference = MemoryArchive::new();
    export(&reference, Arc::new(first), everything)
        .await
        .unwrap();
    assert_eq!(files(folder.path()), clean(&reference).await);
}

/// An exporting process; killed when dropped.
struct Exporter(Child);

impl Exporter {
    fn start(folder: &Path) -> Self {
        let mut exporter = Command::new(std::env::current_exe().unwrap());
        exporter
            .args(["--exact", "archive::crash::exporter", "--ignored"])
            .env(FOLDER, folder)
            .stdout(Stdio::null());
        Self(spawn(&mut exporter))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Exports one change after another until it is killed.
#[tokio::test]
#[ignore = "a process for the test above to kill"]
async fn exporter() {
    let folder = std::env::var_os(FOLDER).expect("started by the test above");
    let archive = FolderArchive::new(folder);
    let mut since = BTreeMap::new();
    for n in 0..1000 {
        let mut rows = rows();
        let day = n % 7;
        rows.messages
            .push(message(PROPS, message_id(day, 9), &format!("change {n}")));
        rows.messages.push(message(
            GENERAL,
            message_id(20 + day, 9),
            &format!("change {n}"),
        ));
        rows.messages
            .sort_by_key(|message| (message.channel_id, message.id));
        let mut request = request(&rows);
        request.since = since;
        request.marks = (0..7)
            .flat_map(|day| [mark(PROPS, day), mark(GENERAL, 20 + day)])
            .collect();
        let exported = export(&archive, Arc::new(rows), request).await.unwrap();
        since = exported.manifests;
    }
}
