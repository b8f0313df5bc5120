//! An archive and the export that writes it are the same rows to a graph plugin.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    forums::{Forums, forums},
    query::Noting,
    *,
};
use crate::{
    ArchiveReader, EncodedRow, ExportedRows, RowKey, RowSource, Schema, TableQuery, export,
    manifest::{Counts, add},
    read_rows, read_together,
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
    rows.each(wanted, |post: &Post| read.posts.push(post.clone()))?;
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

/// What a reader gets of the posts: their ids.
fn post_ids(rows: &dyn RowSource) -> Result<Vec<Number>, ReadError> {
    let mut ids = Vec::new();
    rows.each(|_| true, |post: &Post| ids.push(post.id))?;
    ids.sort();
    Ok(ids)
}

#[tokio::test]
async fn several_readers_share_what_they_read() {
    let forums = forums();
    let archive = Noting::of(&exported(&forums).await.files().await);
    // Each asks for the tables in the order in which they are shared, or for some of them.
    let all = |rows: &dyn RowSource| {
        rows.all::<Forum>()?;
        rows.all::<Topic>()?;
        rows.all::<Like>()?;
        post_ids(rows)
    };
    let read = read_rows(&archive, &SCHEMA, None, move |rows| {
        let readers = [all as fn(&dyn RowSource) -> _, post_ids, all, post_ids];
        read_together::<_, ReadError, _>(rows, readers.to_vec())
    });
    let (read, _) = read.await.unwrap();
    assert_eq!(read[0].len(), 901 + 11);
    assert!(read.iter().all(|ids| *ids == read[0]));
    let mut files = archive.take();
    files.retain(|path| path.rsplit('.').next() != Some("json"));
    let count = files.len();
    files.dedup();
    assert!(count > 4 && files.len() == count, "{files:?}");
}

#[tokio::test]
async fn readers_that_ask_in_another_order_get_the_same_rows() {
    type Reader = Box<dyn FnOnce(&dyn RowSource) -> Result<usize, ReadError> + Send>;
    let forums = forums();
    let archive = exported(&forums).await;
    let (first, second) = (Millis(1_700_000_000_000), Millis(1_700_100_000_000));
    let some = move |rows: &dyn RowSource| {
        let mut query = TableQuery::of(rows.schema().table(Post::TABLE).unwrap());
        query.times = first..=second;
        let mut count = 0;
        rows.scan(
            &query,
            &|scope| *scope == Scope::part(7, 70),
            &mut |batch| {
                count += batch.rows::<Post>()?.count();
                assert_eq!(batch.json().count(), batch.rows::<Post>()?.count());
                Ok(())
            },
        )?;
        rows.all::<Forum>()?;
        Ok(count)
    };
    let backwards = |rows: &dyn RowSource| {
        let ids = post_ids(rows)?.len();
        rows.all::<Topic>()?;
        Ok(ids)
    };
    let read = read_rows(&archive, &SCHEMA, None, move |rows| {
        let readers: Vec<Reader> = vec![
            Box::new(some),
            Box::new(backwards),
            Box::new(|rows: &dyn RowSource| Ok(rows.all::<Forum>()?.len())),
            Box::new(|_: &dyn RowSource| Ok(0)),
        ];
        read_together(rows, readers)
    });
    assert_eq!(read.await.unwrap().0, [28, 912, 2, 0]);
}

#[tokio::test]
async fn what_goes_wrong_for_one_reader_goes_wrong_for_all() {
    type Reader = fn(&dyn RowSource) -> Result<Vec<Number>, ReadError>;
    let refuse: Reader = |rows| {
        rows.each(|_| true, |_: &Post| ())?;
        Err(ReadError::Empty)
    };
    let whole = exported(&forums()).await;
    let read = read_rows(&whole, &SCHEMA, None, move |rows| {
        read_together(rows, vec![post_ids as Reader, refuse, post_ids])
    });
    assert!(matches!(read.await, Err(ReadError::Empty)));
    let mut files = whole.files().await;
    let rows = files.keys().find(|path| path.starts_with("rows/")).cloned();
    files.remove(&rows.unwrap());
    let damaged = MemoryArchive::from(files);
    let read = read_rows(&damaged, &SCHEMA, None, |rows| {
        read_together(rows, vec![post_ids as Reader, post_ids])
    });
    assert!(matches!(read.await, Err(ReadError::Missing(_))));
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
        rows.each(|_| true, |_: &Post| panic!("a mistake in a plugin"))
    });
    assert!(matches!(panicked.await, Err(ReadError::Archive(_))));
}

#[test]
fn a_table_of_another_provider_is_refused() {
    #[derive(Clone, Serialize, Deserialize)]
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
