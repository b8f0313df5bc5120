//! An archive and the export that writes it are the same rows to a graph plugin.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    forums::{Forums, forums},
    *,
};
use crate::{
    ArchiveReader, EncodedRow, ExportedRows, RowKey, RowSource, Schema, export,
    manifest::{Counts, add},
    read_rows,
};

static OTHER: Schema = Schema {
    provider: "attic",
    ..SCHEMA
};

/// What a reader wants, with the posts of one forum only.
#[derive(Debug, Default, PartialEq)]
struct Read {
    forums: Vec<Forum>,
    topics: Vec<Topic>,
    posts: Vec<Post>,
}

fn everything(rows: &dyn RowSource) -> Result<Read, ReadError> {
    let mut read = Read {
        forums: rows.all()?,
        topics: rows.all()?,
        posts: Vec::new(),
    };
    let wanted = |scope: &Scope| *scope == Scope::part(7, 70);
    rows.each(wanted, |post| read.posts.push(post))?;
    read.forums.sort_by_key(|forum| forum.id);
    read.topics.sort_by_key(|topic| topic.id);
    read.posts.sort_by_key(|post| post.id);
    Ok(read)
}

async fn exported(forums: &Forums) -> MemoryArchive {
    let archive = MemoryArchive::new();
    forums.export(&archive, forums.request()).await;
    archive
}

#[tokio::test]
async fn an_archive_and_its_export_have_the_same_rows() {
    let forums = forums();
    let archive = exported(&forums).await;
    let (read, manifests) = read_rows(&archive, &SCHEMA, None, everything)
        .await
        .unwrap();
    assert_eq!((read.forums.len(), read.topics.len()), (2, 2));
    assert_eq!(read.posts.len(), 901);
    let generations = manifests.iter().map(|manifest| manifest.generation);
    assert_eq!(generations.collect::<Vec<_>>(), [1, 1]);
    let request = forums.request();
    let source = ExportedRows::new(&forums, &request);
    assert_eq!(everything(&source).unwrap(), read);
}

#[tokio::test]
async fn one_space_can_be_read_alone() {
    let archive = exported(&forums()).await;
    let only = Id::new(8);
    let (read, manifests) = read_rows(&archive, &SCHEMA, Some(&only), everything)
        .await
        .unwrap();
    assert_eq!((read.forums.len(), read.topics.len()), (1, 1));
    assert_eq!((read.posts.len(), manifests.len()), (0, 1));
}

#[tokio::test]
async fn an_archive_of_another_provider_is_refused() {
    let archive = exported(&forums()).await;
    let other = read_rows(&archive, &OTHER, None, everything).await;
    assert!(matches!(
        other,
        Err(ReadError::OtherProvider { found, wanted: "attic" }) if found == "forum"
    ));
}

/// An export passes between two tables: files of the first generation are gone by then.
#[tokio::test]
async fn an_archive_that_changes_meanwhile_is_read_again() {
    let forums = forums();
    let archive = Arc::new(exported(&forums).await);
    let calls = Arc::new(AtomicU32::new(0));
    let (changed, counted) = (Arc::clone(&archive), Arc::clone(&calls));
    let read = read_rows(archive.as_ref(), &SCHEMA, None, move |rows| {
        rows.all::<Forum>()?;
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut forums = forums.clone();
            for hour in 0..=900 {
                forums.post(7, hour, "edited");
            }
            let request = forums.request();
            let exporting = export(changed.as_ref(), Arc::new(forums), request);
            let runtime = tokio::runtime::Handle::current();
            runtime.block_on(exporting).unwrap();
        }
        everything(rows)
    });
    let (read, _) = read.await.unwrap();
    let is_edited = |post: &Post| post.text.as_deref() == Some("edited");
    assert!(read.posts.len() == 901 && read.posts.iter().all(is_edited));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_reader_may_stop_in_the_middle() {
    let archive = exported(&forums()).await;
    let read = read_rows(&archive, &SCHEMA, None, |rows| {
        rows.all::<Forum>()?;
        Err::<(), _>(ReadError::Empty)
    });
    assert!(matches!(read.await, Err(ReadError::Empty)));
    let panicked = read_rows(&archive, &SCHEMA, None, |rows| {
        rows.each(|_| true, |_: Post| panic!("a mistake in a plugin"))
    });
    assert!(matches!(panicked.await, Err(ReadError::Archive(_))));
}

#[test]
fn a_table_of_another_provider_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Film;
    impl Row for Film {
        const TABLE: &'static str = "films";

        fn is_of(&self, _: &Scope) -> bool {
            true
        }

        fn key(&self) -> RowKey {
            RowKey {
                time: Millis(0),
                sort: Vec::new(),
            }
        }
    }

    let forums = forums();
    let request = forums.request();
    let rows: &dyn RowSource = &ExportedRows::new(&forums, &request);
    let error = rows.all::<Film>().err().unwrap().to_string();
    assert!(error.contains("no table films"), "{error}");
}

#[tokio::test]
async fn the_files_of_rows_and_the_rows_in_them_can_be_told_without_their_types() {
    let archive = exported(&forums()).await;
    let reader = ArchiveReader::open(&archive, &SCHEMA).await.unwrap();
    for space in reader.spaces() {
        let mut listed = Counts::new();
        for file in space.row_files().await.unwrap() {
            add(&mut listed, &file.rows);
        }
        assert_eq!(listed, space.manifest().rows);
        let (mut raw, mut typed) = (Vec::new(), Vec::new());
        let query = Query::table(Post::TABLE);
        let mut batches = space.batches(&query);
        while let Some(batch) = batches.try_next().await.unwrap() {
            raw.extend(batch.raw().map(|row| (row.time, row.bytes.to_vec())));
            let posts = batch.rows::<Post>().unwrap();
            let posts = posts.iter().map(EncodedRow::new);
            typed.extend(posts.map(|post| (post.key.time, post.bytes)));
        }
        assert!(!raw.is_empty());
        assert_eq!(raw, typed);
    }
}
