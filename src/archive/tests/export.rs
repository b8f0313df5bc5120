//! Exports of whole archives, with several spaces.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::{forums::forums, *};
use crate::{
    ArchiveError, ArchiveWrite, Bases, DOCUMENTS, DataArchive, Documents, ExportError,
    ExportRequest, FORMAT_MD, MOST_FAULTS, README, RowSource, SideFiles, export, needed, read_rows,
    verify,
};

async fn posts(archive: &MemoryArchive) -> Result<Vec<Post>, ReadError> {
    let read = |rows: &dyn RowSource| rows.all::<Post>();
    let (mut posts, _) = read_rows(archive, &SCHEMA, None, read).await?;
    posts.sort_by_key(|post| (post.forum, post.id));
    Ok(posts)
}

/// Fails if the archive has a fault, or a file that nothing names.
async fn check(archive: &MemoryArchive) {
    let found = verify(archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert!(found.is_valid(), "{:?}", found.faults);
    let mut named = needed(archive).await.unwrap();
    named.extend(DOCUMENTS.map(str::to_owned));
    named.insert(ROOT.to_owned());
    let strays = archive.files().await.into_keys();
    let strays: Vec<String> = strays.filter(|path| !named.contains(path)).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[tokio::test]
async fn an_export_changes_only_the_space_that_changed() {
    let (mut forums, archive) = (forums(), MemoryArchive::new());
    let first = forums.export(&archive, forums.request()).await;
    assert!(first.changed);
    check(&archive).await;
    let before = archive.files().await;
    assert!(before.contains_key(FORMAT_MD));
    assert_eq!(posts(&archive).await.unwrap().len(), 901 + 11);

    let marks = forums.post(8, 901, "news");
    let request = ExportRequest {
        marks,
        since: first.manifests.clone(),
        ..forums.request()
    };
    let second = forums.export(&archive, request.clone()).await;
    check(&archive).await;
    assert_eq!(second.before, first.manifests);
    assert_eq!(second.files, 1, "{second:?}");
    assert_eq!(second.generation, 2);
    let after = archive.files().await;
    let kept = [ROOT, README, FORMAT_MD, "spaces/7.json"];
    assert!(kept.iter().all(|path| before[*path] == after[*path]));
    assert_eq!(posts(&archive).await.unwrap().len(), 901 + 12);

    let again = ExportRequest {
        since: second.manifests.clone(),
        ..forums.request()
    };
    let third = forums.export(&archive, again).await;
    assert!(!third.changed && third.mended.is_empty(), "{third:?}");
    assert_eq!(third.manifests, second.manifests);
    assert_eq!(archive.files().await, after);
}

#[tokio::test]
async fn a_space_that_is_no_longer_exported_loses_all_its_files() {
    let (mut forums, archive) = (forums(), MemoryArchive::new());
    forums.export(&archive, forums.request()).await;
    forums.0.remove(&7);
    let request = forums.request();
    let summary = forums.export(&archive, request).await;
    assert_eq!(summary.withdrawn, [Id::new(70)]);
    check(&archive).await;
    let files = archive.files().await;
    assert!(!files.contains_key("spaces/7.json"));
    assert_eq!(posts(&archive).await.unwrap().len(), 11);
    let gone = Id::new(7);
    let unknown = read_rows(&archive, &SCHEMA, Some(&gone), |rows| rows.all::<Post>()).await;
    assert!(
        matches!(unknown, Err(ReadError::NoSpace { .. })),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn an_archive_of_format_1_is_refused_until_it_is_replaced() {
    let hash = Hash::of(b"old").to_string();
    let old = format!("blobs/{}/{hash}.msgpack", &hash[..2]);
    let manifest = br#"{"format":1,"provider":"forum","generation":4,"guilds":[]}"#;
    let files: Stored = [
        (ROOT.to_owned(), manifest.to_vec()),
        (old.clone(), b"old".to_vec()),
    ]
    .into();
    let archive = MemoryArchive::from(files);
    let forums = forums();
    let refused = export(&archive, Arc::new(forums.clone()), forums.request()).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, ExportError::Read(ReadError::FormatOne)),
        "{refused}"
    );
    assert!(refused.to_string().contains("export --replace"));
    let read = posts(&archive).await;
    assert!(matches!(read, Err(ReadError::FormatOne)), "{read:?}");
    let found = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert!(found.faults[0].contains("format 1"), "{:?}", found.faults);

    let request = ExportRequest {
        begins_anew: true,
        ..forums.request()
    };
    forums.export(&archive, request).await;
    check(&archive).await;
    assert!(!archive.files().await.contains_key(&old));
}

#[tokio::test]
async fn another_stores_archive_is_not_replaced() {
    let (forums, archive) = (forums(), MemoryArchive::new());
    let first = forums.export(&archive, forums.request()).await;
    let known = first.manifests.into_iter();
    let known: BTreeMap<_, BTreeSet<Hash>> =
        known.map(|(path, hash)| (path, [hash].into())).collect();
    let mut one = known.clone();
    one.remove("spaces/8.json");
    let over = |only| ExportRequest {
        only_over: Some(only),
        ..forums.request()
    };
    forums.export(&archive, over(known)).await;
    let refused = export(&archive, Arc::new(forums.clone()), over(one)).await;
    let Err(ExportError::Foreign { space, generation }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((space, generation), (Id::new(8), 1));
}

#[tokio::test]
async fn damaged_files_are_found_and_made_again() {
    let (forums, archive) = (forums(), MemoryArchive::new());
    forums.export(&archive, forums.request()).await;
    let files = archive.files().await;
    let is_first = |files: &Stored, kind: &str| {
        files
            .keys()
            .find(|path| path.starts_with(kind))
            .cloned()
            .unwrap()
    };
    for kind in ["rows/", "indexes/", "parts/", "days/", "spaces/", ROOT] {
        let path = is_first(&files, kind);
        for damage in [None, Some(b"damaged".to_vec())] {
            if kind == ROOT && damage.is_none() {
                continue;
            }
            let mut damaged = files.clone();
            match damage {
                None => damaged.remove(&path),
                Some(bytes) => damaged.insert(path.clone(), bytes),
            };
            let archive = MemoryArchive::from(damaged);
            let found = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
            assert!(found.damaged.contains(&path), "{path}: {:?}", found.faults);
            let request = ExportRequest {
                damaged: found.damaged,
                ..forums.request()
            };
            forums.export(&archive, request).await;
            check(&archive).await;
            assert_eq!(posts(&archive).await.unwrap().len(), 901 + 11, "{path}");
        }
    }
}

#[tokio::test]
async fn the_first_faults_are_listed_and_the_rest_counted() {
    let (forums, archive) = (forums(), MemoryArchive::new());
    forums.export(&archive, forums.request()).await;
    let mut files = archive.files().await;
    let rows = |path: &String| path.starts_with("rows/");
    let count = files.keys().filter(|path| rows(path)).count();
    // What the lists then say of each other is a fault, too.
    files.retain(|path, _| !rows(path));
    let archive = MemoryArchive::from(files);
    let found = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert_eq!(
        found.damaged.iter().filter(|path| rows(path)).count(),
        count
    );
    assert!(found.faults.len() <= MOST_FAULTS);
    assert!(found.faults.len() + found.more_faults >= count);
    let structure = verify(&archive, &SCHEMA, Depth::Structure).await.unwrap();
    assert!(structure.is_valid(), "{:?}", structure.faults);
}

/// A file with the number of posts.
#[derive(Debug)]
struct Count;

impl SideFiles for Count {
    fn documents(&self, rows: &dyn RowSource) -> Result<Documents, SourceError> {
        let count = rows.all::<Post>()?.len().to_string();
        Ok([(crate::SOURCECRED[0], Some(count.into_bytes()))].into())
    }
}

/// No such file any more.
#[derive(Debug)]
struct NoCount;

impl SideFiles for NoCount {
    fn documents(&self, _: &dyn RowSource) -> Result<Documents, SourceError> {
        Ok([(crate::SOURCECRED[0], None)].into())
    }
}

#[tokio::test]
async fn documents_are_put_right_although_no_manifest_changes() {
    let (forums, archive) = (forums(), MemoryArchive::new());
    let with = |beside: Option<Arc<dyn SideFiles>>| ExportRequest {
        beside,
        ..forums.request()
    };
    forums.export(&archive, with(None)).await;
    let graph = crate::SOURCECRED[0];
    let first = archive.files().await;
    let mut files = first.clone();
    files.insert(README.to_owned(), b"by somebody".to_vec());
    files.remove(FORMAT_MD);
    let archive = MemoryArchive::from(files);
    let summary = forums.export(&archive, with(Some(Arc::new(Count)))).await;
    assert!(!summary.changed);
    assert_eq!(summary.mended, [FORMAT_MD, README, graph]);
    let mut expected = first.clone();
    expected.insert(graph.to_owned(), (901 + 11).to_string().into_bytes());
    assert_eq!(archive.files().await, expected);
    let summary = forums.export(&archive, with(None)).await;
    assert_eq!(summary.mended, [""; 0], "it may be another provider's");
    let gone: Arc<dyn SideFiles> = Arc::new(NoCount);
    let summary = forums.export(&archive, with(Some(gone))).await;
    assert_eq!(summary.mended, [graph]);
    assert_eq!(archive.files().await, first);
}

#[tokio::test]
async fn an_interrupted_first_export_is_made_up_for() {
    let (forums, archive) = (forums(), MemoryArchive::new());
    forums.export(&archive, forums.request()).await;
    let whole = archive.files().await;
    // A manifest comes before the root that names it. What it names is gone with the next write.
    let mut files = whole.clone();
    files.retain(|path, _| path == "spaces/7.json");
    let archive = MemoryArchive::from(files);
    forums.export(&archive, forums.request()).await;
    assert_eq!(archive.files().await, whole);
}

#[tokio::test]
async fn a_file_that_is_too_long_is_damaged() {
    let (forums, archive) = (forums(), MemoryArchive::new());
    forums.export(&archive, forums.request()).await;
    let mut files = archive.files().await;
    let path = files.keys().find(|path| path.starts_with("rows/")).cloned();
    files.get_mut(&path.unwrap()).unwrap().resize(1 << 20, 0);
    let archive = MemoryArchive::from(files);
    let read = posts(&archive).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    assert!(archive.read(ROOT, 10).await.is_err());
}

/// An archive far away: notes how many reads wait for it at once.
#[derive(Default)]
struct Far {
    archive: MemoryArchive,
    reads: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl DataArchive for Far {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(reads, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let found = self.archive.read(path, longest).await;
        self.reads.fetch_sub(1, Ordering::Relaxed);
        found
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        self.archive.write(bases).await
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.archive.sweep().await
    }
}

#[tokio::test]
async fn indexes_are_read_sixteen_at_a_time() {
    let mut forums = forums();
    let mut request = forums.request();
    let mirror = forums.0.get_mut(&7).unwrap();
    for topic in 100..150 {
        let name = topic.to_string();
        mirror.put(
            None,
            &Topic {
                forum: Number(7),
                id: Number(topic),
                name: name.clone(),
            },
        );
        mirror.put(
            Some(topic),
            &Post {
                forum: Number(7),
                topic: Number(topic),
                id: Number(forum::id_at(Millis(1_600_000_000_000), topic)),
                author: Number(1),
                text: None,
                mentions: Vec::new(),
                edited_at: None,
            },
        );
        request.spaces[0].parts.push(ExportPart {
            id: Id::new(topic),
            name,
            covered: Vec::new(),
        });
    }
    let far = Far::default();
    forums.export(&far.archive, request.clone()).await;
    let indexes = far.archive.files().await.into_keys();
    assert!(indexes.filter(|path| path.starts_with("indexes/")).count() > 50);
    // As after a restore: nothing is known of what the archive has.
    let source = Arc::new(forums.clone());
    let done = export(&far, source, request).await.unwrap();
    assert!(!done.changed);
    assert_eq!(far.most.swap(0, Ordering::Relaxed), 16);
    // All of a space is withdrawn.
    forums.0.remove(&7);
    let request = forums.request();
    export(&far, Arc::new(forums), request).await.unwrap();
    assert_eq!(far.most.swap(0, Ordering::Relaxed), 16);
}
