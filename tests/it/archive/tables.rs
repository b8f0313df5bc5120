//! Tables as they follow an archive: through crashes between any two files, whatever changed, in memory and in an
//! object store.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use propsbot_archive::{ArchiveError, MemoryArchive, export};
use propsbot_backends::{Access, BucketAccess, Claims, TablesSpec};
use propsbot_graph::tables::DERIVED;
use propsbot_network::Network;
use propsbot_rows::{SCHEMA, Snapshot};
use propsbot_tables::{ROOT, Tables, TablesError, TablesPlace, TablesWrite};
use proptest::{collection::vec, prelude::*};
use tempfile::{NamedTempFile, TempDir, TempPath};
use tokio_util::sync::CancellationToken;

use super::{
    community::{GENERAL, PROPS, request, rows},
    object_store::{NEVER, ObjectStore},
};

type Files = BTreeMap<String, Vec<u8>>;

/// Tables in memory.
struct Place {
    files: Mutex<Files>,
    /// The paths that were put, in this order.
    puts: Mutex<Vec<String>>,
    /// How many more files are put or removed before it fails.
    steps: AtomicUsize,
    scratch: TempDir,
}

impl Place {
    fn with(files: Files, steps: usize) -> Self {
        Self {
            files: files.into(),
            puts: Mutex::default(),
            steps: steps.into(),
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    fn files(&self) -> Files {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.clone()
    }

    fn step(&self) -> Result<(), ArchiveError> {
        let step = |steps: usize| steps.checked_sub(1);
        let stepped = self
            .steps
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        stepped.map(drop).map_err(|_| ArchiveError::Failed)
    }
}

struct PlaceWrite<'a>(&'a Place);

#[async_trait]
impl TablesPlace for Place {
    async fn write<'a>(&'a self) -> Result<Box<dyn TablesWrite + 'a>, TablesError> {
        Ok(Box::new(PlaceWrite(self)))
    }
}

#[async_trait]
impl TablesWrite for PlaceWrite<'_> {
    fn scratch(&self) -> &Path {
        self.0.scratch.path()
    }

    async fn is_empty(&mut self) -> Result<bool, ArchiveError> {
        Ok(self.0.files().is_empty())
    }

    async fn read(&mut self, path: &str, _: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.0.files().get(path).cloned())
    }

    async fn put(&mut self, path: &str, file: TempPath) -> Result<(), ArchiveError> {
        self.0.step()?;
        let bytes = fs::read(&file).unwrap();
        self.0.puts.lock().unwrap().push(path.to_owned());
        self.0.files.lock().unwrap().insert(path.to_owned(), bytes);
        Ok(())
    }

    async fn remove(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.0.step()?;
        self.0.files.lock().unwrap().remove(path);
        Ok(())
    }

    async fn end(self: Box<Self>) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// How much is uploaded with one request.
const PIECE: usize = 8 << 20;

const MANY: usize = usize::MAX;

async fn update(archive: &MemoryArchive, place: &dyn TablesPlace) -> Result<(), TablesError> {
    let tables = Tables::new(&SCHEMA, &DERIVED);
    let stop = CancellationToken::new();
    tables.update(archive, place, &stop).await.map(drop)
}

async fn exported(archive: &MemoryArchive, rows: &Snapshot) {
    let everything = request(rows);
    export(archive, Arc::new(rows.clone()), everything)
        .await
        .unwrap();
}

/// The tables of an archive, written once.
async fn fresh(archive: &MemoryArchive) -> Files {
    let place = Place::with(Files::new(), MANY);
    update(archive, &place).await.unwrap();
    place.files()
}

/// The community after a channel was withdrawn, and a message edited.
fn later() -> Snapshot {
    let mut rows = rows();
    rows.channels.retain(|channel| channel.id != PROPS);
    rows.messages.retain(|message| message.channel_id != PROPS);
    rows.reactions.clear();
    rows.props.clear();
    edit(&mut rows);
    rows
}

fn edit(rows: &mut Snapshot) {
    let mut messages = rows.messages.iter_mut();
    let first = messages.find(|message| message.channel_id == GENERAL);
    first.unwrap().content = Some("goodbye".to_owned());
}

fn is_table(path: &str) -> bool {
    path.ends_with(".parquet")
}

#[tokio::test]
async fn a_crash_between_any_two_files_is_put_right() {
    let archive = MemoryArchive::new();
    exported(&archive, &rows()).await;
    let before = fresh(&archive).await;
    exported(&archive, &later()).await;
    let after = fresh(&archive).await;
    assert!(before.keys().any(|path| path.starts_with("reactions/")));
    assert!(!after.keys().any(|path| path.starts_with("reactions/")));

    for (begun, expected) in [(&before, &after), (&Files::new(), &after)] {
        for steps in 0.. {
            let place = Place::with(begun.clone(), steps);
            let ended = update(&archive, &place).await;
            for (path, bytes) in place.files().iter().filter(|(path, _)| is_table(path)) {
                let is_whole = [before.get(path), after.get(path)].contains(&Some(bytes));
                assert!(is_whole, "{path} after {steps} steps");
            }
            place.steps.store(MANY, Ordering::Relaxed);
            update(&archive, &place).await.unwrap();
            assert_eq!(
                place.files().keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>()
            );
            assert_eq!(place.files(), *expected, "after {steps} steps");
            if ended.is_ok() {
                assert!(steps > 5);
                break;
            }
        }
    }
}

#[tokio::test]
async fn only_partitions_that_changed_are_written_again() {
    let archive = MemoryArchive::new();
    exported(&archive, &rows()).await;
    let place = Place::with(fresh(&archive).await, MANY);
    update(&archive, &place).await.unwrap();
    assert_eq!(*place.puts.lock().unwrap(), Vec::<String>::new());

    let mut edited = rows();
    edit(&mut edited);
    exported(&archive, &edited).await;
    update(&archive, &place).await.unwrap();
    let puts = place.puts.lock().unwrap().clone();
    let puts: Vec<&String> = puts.iter().filter(|path| is_table(path)).collect();
    let general = "messages/space=480200000000000001/month=2025-11/part-0.parquet";
    assert_eq!(puts, [general]);
    let bytes = Bytes::from(place.files()[general].clone());
    let said = crate::tables::rows(bytes).join("\n");
    assert!(
        said.contains("goodbye") && !said.contains("hello"),
        "{said}"
    );
}

#[tokio::test]
async fn a_guild_that_left_the_archive_leaves_its_tables() {
    let archive = MemoryArchive::new();
    exported(&archive, &rows()).await;
    let place = Place::with(fresh(&archive).await, MANY);
    let mut nothing = request(&rows());
    nothing.spaces.clear();
    export(&archive, Arc::new(rows()), nothing).await.unwrap();
    update(&archive, &place).await.unwrap();
    assert!(place.files().keys().eq([ROOT]));
}

#[tokio::test]
async fn a_place_with_other_files_is_left_alone() {
    let archive = MemoryArchive::new();
    exported(&archive, &rows()).await;
    let thesis = Files::from([("thesis.txt".to_owned(), Vec::new())]);
    let place = Place::with(thesis.clone(), MANY);
    let refused = update(&archive, &place).await;
    assert!(
        matches!(refused, Err(TablesError::NotTables)),
        "{refused:?}"
    );
    let other = Files::from([(
        ROOT.to_owned(),
        br#"{"format":1,"provider":"forum","spaces":{}}"#.to_vec(),
    )]);
    let place = Place::with(other, MANY);
    let refused = update(&archive, &place).await;
    assert!(
        matches!(refused, Err(TablesError::OtherProvider { .. })),
        "{refused:?}"
    );
}

/// The community without some of its reactions and messages, and with other words in some. Which ones, the bits of
/// `changes` say.
fn changed(changes: u64) -> Snapshot {
    let mut rows = if changes & 1 == 0 { rows() } else { later() };
    let mut bits = changes >> 1;
    let mut next = || {
        bits = bits.rotate_right(1);
        bits & 1 == 0
    };
    rows.reactions.retain(|_| next());
    rows.messages.retain(|_| next() || next());
    let contents = rows.messages.iter_mut();
    let contents = contents.filter_map(|message| message.content.as_mut());
    for content in contents.filter(|_| next()) {
        *content = format!("said with {changes}");
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn tables_follow_an_archive_whatever_happened(steps in vec((any::<u64>(), 0usize..24), 1..5)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let archive = MemoryArchive::new();
            let place = Place::with(Files::new(), MANY);
            for (changes, crash) in steps {
                exported(&archive, &changed(changes)).await;
                place.steps.store(crash, Ordering::Relaxed);
                let _ = update(&archive, &place).await;
            }
            place.steps.store(MANY, Ordering::Relaxed);
            update(&archive, &place).await.unwrap();
            let (files, fresh) = (place.files(), fresh(&archive).await);
            let paths: BTreeSet<&String> = files.keys().chain(fresh.keys()).collect();
            let differ = |path: &&&String| files.get(**path) != fresh.get(**path);
            let other: Vec<_> = paths.iter().filter(differ).collect();
            assert!(other.is_empty(), "not as in fresh tables: {other:?}");
        });
    }
}

/// A place, where it may be in the object store.
fn open(objects: &ObjectStore, place: &TablesSpec, scratch: Option<&Path>) -> Box<dyn TablesPlace> {
    let variables = objects.variables().into_iter();
    let variables = variables.map(|(name, value)| (name, value.to_owned()));
    let access = Access {
        buckets: BucketAccess(variables.collect()),
        ..Access::default()
    };
    // Of processes of one store.
    let claims = Claims {
        name: "this".to_owned(),
        ..Claims::default()
    };
    let scratch = scratch.map(Path::to_owned);
    let opened = place.open(&access, &Network::default(), claims, scratch);
    opened.unwrap()
}

/// A place in the object store.
fn bucket(objects: &ObjectStore) -> Box<dyn TablesPlace> {
    open(objects, &"s3://props/tables".parse().unwrap(), None)
}

/// The objects of the tables.
fn objects_of(objects: &ObjectStore) -> Files {
    let names = objects.objects("tables").into_iter();
    names
        .map(|name| {
            let bytes = objects.bytes(&format!("tables/{name}"));
            (name, bytes)
        })
        .collect()
}

#[tokio::test]
async fn a_crash_between_any_two_requests_is_put_right() {
    let (before, archive) = (MemoryArchive::new(), MemoryArchive::new());
    for archive in [&before, &archive] {
        exported(archive, &rows()).await;
    }
    let begun = fresh(&before).await;
    exported(&archive, &later()).await;
    let expected = fresh(&archive).await;
    for steps in 0.. {
        let objects = ObjectStore::start().await;
        let place = bucket(&objects);
        update(&before, place.as_ref()).await.unwrap();
        assert_eq!(objects_of(&objects), begun);
        let cut = objects.requests() + steps;
        objects.cut(cut);
        let ended = update(&archive, place.as_ref()).await;
        objects.cut(NEVER);
        let later = bucket(&objects);
        update(&archive, later.as_ref()).await.unwrap();
        assert_eq!(objects_of(&objects), expected, "after {steps} requests");
        if ended.is_ok() {
            assert!(steps > 15, "{steps}");
            break;
        }
    }
}

#[tokio::test]
async fn long_files_are_uploaded_in_pieces_and_appear_as_a_whole() {
    const NAME: &str = "messages/space=1/month=2026-03/part-0.parquet";
    let objects = ObjectStore::start().await;
    let place = bucket(&objects);
    let mut write = place.write().await.unwrap();
    let file = |write: &dyn TablesWrite, length: usize| {
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut file = NamedTempFile::new_in(write.scratch()).unwrap();
        file.write_all(&bytes).unwrap();
        (bytes, file.into_temp_path())
    };
    let mut there = Vec::new();
    for (length, requests) in [(0, 1), (PIECE - 1, 1), (PIECE, 3), (PIECE + 1, 4)] {
        let (bytes, path) = file(write.as_ref(), length);
        let begun = objects.requests();
        write.put(NAME, path).await.unwrap();
        assert_eq!(objects.requests() - begun, requests, "{length}");
        assert!(
            objects.bytes(&format!("tables/{NAME}")) == bytes,
            "{length}"
        );
        there = bytes;
    }

    for requests in 1..=3 {
        let (_, path) = file(write.as_ref(), PIECE + 2);
        objects.cut(objects.requests() + requests);
        assert!(write.put(NAME, path).await.is_err(), "{requests}");
        objects.cut(NEVER);
        assert!(
            objects.bytes(&format!("tables/{NAME}")) == there,
            "{requests}"
        );
    }
    write.end().await.unwrap();
}

#[tokio::test]
async fn files_that_a_killed_process_left_go_with_the_next_write() {
    let objects = ObjectStore::start().await;
    let home = tempfile::tempdir().unwrap();
    let scratch = home.path().join("scratch");
    let folder = TablesSpec::Folder(home.path().join("tables"));
    let bucket: TablesSpec = "s3://props/tables".parse().unwrap();
    for (place, left) in [
        (folder, "tables/_propsbot.tmp/left"),
        (bucket, "scratch/one/left"),
    ] {
        let left = home.path().join(left);
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, "whispered").unwrap();
        let place = open(&objects, &place, Some(&scratch));
        let write = place.write().await.unwrap();
        assert!(!left.exists(), "{}", left.display());
        write.end().await.unwrap();
    }
}
