//! An archive and the export that writes it are the same rows to whoever reads them.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    ExportPart, ExportSpace, MemoryArchive, RowKey, export,
    shelf::{Book, Library, Note, SCHEMA, Shelf},
};

static OTHER: Schema = Schema {
    provider: "attic",
    ..SCHEMA
};

/// Two shelves with two books each, and a note in each book for every day.
fn library(days: i64) -> Library {
    let mut library = Library::default();
    for shelf in ["poetry", "prose"] {
        library.shelves.push(Shelf {
            name: shelf.to_owned(),
            room: "library".to_owned(),
        });
        for title in ["Divan", "Faust"] {
            library.books.push(Book {
                shelf: shelf.to_owned(),
                title: title.to_owned(),
                lent: false,
            });
            library.notes.extend((0..days).map(|day| Note {
                shelf: shelf.to_owned(),
                title: title.to_owned(),
                at: Millis(day * 86_400_000),
                number: 1,
                // Long, so that there are several partitions, and several batches of a source.
                text: "a thought ".repeat(10_000),
            }));
        }
    }
    library
}

/// All shelves, but of prose only one book.
fn request() -> ExportRequest {
    let space = |id: &str, books: &[&str]| ExportSpace {
        id: Id::new(id),
        name: id.to_owned(),
        synced: [].into(),
        history: None,
        parts: books
            .iter()
            .map(|book| ExportPart {
                id: Id::new(book),
                name: (*book).to_owned(),
                covered: Vec::new(),
            })
            .collect(),
    };
    ExportRequest {
        spaces: vec![
            space("prose", &["Faust"]),
            space("poetry", &["Divan", "Faust"]),
        ],
        ..ExportRequest::new(&SCHEMA)
    }
}

/// What a reader wants, with the notes of one book only.
#[derive(Debug, Default, PartialEq)]
struct Read {
    shelves: Vec<Shelf>,
    books: Vec<Book>,
    notes: Vec<Note>,
}

fn everything(rows: &dyn RowSource) -> Result<Read, ReadError> {
    let mut read = Read {
        shelves: rows.all()?,
        books: rows.all()?,
        notes: Vec::new(),
    };
    let faust = |scope: &Scope| {
        scope
            .part
            .as_ref()
            .is_some_and(|part| part.as_str() == "Faust")
    };
    rows.each(faust, |note| read.notes.push(note))?;
    read.shelves.sort_by(|a, b| a.name.cmp(&b.name));
    read.books
        .sort_by(|a, b| (&a.shelf, &a.title).cmp(&(&b.shelf, &b.title)));
    read.notes
        .sort_by(|a, b| (&a.shelf, a.at).cmp(&(&b.shelf, b.at)));
    Ok(read)
}

async fn exported(library: Library) -> MemoryArchive {
    let archive = MemoryArchive::new();
    export(&archive, Arc::new(library), request())
        .await
        .unwrap();
    archive
}

#[tokio::test]
async fn an_archive_and_its_export_have_the_same_rows() {
    let library = library(40);
    let archive = exported(library.clone()).await;
    let read = read_rows(&archive, &SCHEMA, None, everything)
        .await
        .unwrap();
    assert_eq!((read.shelves.len(), read.books.len()), (2, 3));
    assert_eq!(read.notes.len(), 80);
    let request = request();
    let source = ExportedRows::new(&library, &request);
    assert_eq!(everything(&source).unwrap(), read);
}

#[tokio::test]
async fn one_space_can_be_read_alone() {
    let archive = exported(library(2)).await;
    let prose = read_rows(&archive, &SCHEMA, Some(&Id::new("prose")), everything).await;
    let prose = prose.unwrap();
    assert_eq!((prose.shelves.len(), prose.books.len()), (1, 1));
    assert!(prose.notes.iter().all(|note| note.shelf == "prose"));
    assert_eq!(prose.notes.len(), 2);
    let none = read_rows(&archive, &SCHEMA, Some(&Id::new("drama")), everything).await;
    assert!(matches!(none, Err(ReadError::NoSpace(id)) if id.as_str() == "drama"));
}

#[tokio::test]
async fn an_archive_of_another_provider_is_refused() {
    let archive = exported(library(1)).await;
    let other = read_rows(&archive, &OTHER, None, everything).await;
    assert!(matches!(
        other,
        Err(ReadError::OtherProvider { found, wanted: "attic" }) if found == "shelf"
    ));
}

/// Two generations pass between two tables: blobs of the first one are gone by then.
#[tokio::test]
async fn an_archive_that_changes_meanwhile_is_read_again() {
    let archive = Arc::new(exported(library(1)).await);
    let calls = Arc::new(AtomicU32::new(0));
    let (changed, counted) = (Arc::clone(&archive), Arc::clone(&calls));
    let read = read_rows(archive.as_ref(), &SCHEMA, None, move |rows| {
        rows.all::<Shelf>()?;
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            let exporting = export(changed.as_ref(), Arc::new(library(2)), request());
            let runtime = tokio::runtime::Handle::current();
            runtime.block_on(exporting).unwrap();
        }
        everything(rows)
    });
    assert_eq!(read.await.unwrap().notes.len(), 4);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_reader_may_stop_in_the_middle() {
    let archive = exported(library(40)).await;
    let read = read_rows(&archive, &SCHEMA, None, |rows| {
        rows.all::<Shelf>()?;
        Err::<(), _>(ReadError::Empty)
    });
    assert!(matches!(read.await, Err(ReadError::Empty)));
    let panicked = read_rows(&archive, &SCHEMA, None, |rows| {
        rows.each(|_| true, |_: Note| panic!("a mistake in a plugin"))
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

    let (library, request) = (library(1), request());
    let rows: &dyn RowSource = &ExportedRows::new(&library, &request);
    let error = rows.all::<Film>().err().unwrap().to_string();
    assert!(error.contains("no table films"), "{error}");
}
