//! What is planned depends on the rows, not on what was exported before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    MANIFEST, Period, Row as _, Unit,
    shelf::{Book, Library, Note, SCHEMA, Shelf},
};

const SHELF: &str = "poetry";
const BOOKS: [&str; 3] = ["Faust", "Hyperion", "Divan"];
/// About five rows' worth, so that a few notes make deep splits.
const SMALL: u64 = 500;

/// An archive as a map of its files, and the store that it mirrors.
#[derive(Default)]
struct World {
    rows: Library,
    files: BTreeMap<String, Vec<u8>>,
    dirty: Vec<Dirty>,
    hidden: BTreeSet<&'static str>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.rows.shelves.push(Shelf {
            name: SHELF.to_owned(),
            room: "library".to_owned(),
        });
        world.rows.books = BOOKS.map(book).to_vec();
        world
    }

    fn say(&mut self, title: &str, note: (Millis, u64), text: &str) {
        self.unsay(title, note);
        self.rows.notes.push(Note {
            shelf: SHELF.to_owned(),
            title: title.to_owned(),
            at: note.0,
            number: note.1,
            text: text.to_owned(),
        });
        self.rows.notes.sort_by_key(|note| (note.at, note.number));
    }

    fn unsay(&mut self, title: &str, (at, number): (Millis, u64)) {
        let is_it = |note: &Note| note.title == title && (note.at, note.number) == (at, number);
        self.rows.notes.retain(|note| !is_it(note));
        self.dirty.push(Dirty {
            scope: Scope::part(SHELF, title),
            table: Note::TABLE,
            day: Some(at.0.div_euclid(86_400_000)),
        });
    }

    fn request(&self) -> ExportRequest {
        let shown = BOOKS
            .into_iter()
            .filter(|title| !self.hidden.contains(title));
        ExportRequest {
            now: Millis(1_800_000_000_000),
            spaces: vec![ExportSpace {
                id: Id::new(SHELF),
                name: "poems".to_owned(),
                synced: IndexMap::new(),
                history: None,
                parts: shown
                    .map(|title| ExportPart {
                        id: Id::new(title),
                        name: format!("book {title}"),
                        covered: Vec::new(),
                    })
                    .collect(),
            }],
            dirty: self.dirty.clone(),
            since: self.files.get(MANIFEST).map(|bytes| Hash::of(bytes)),
            ..ExportRequest::new(&SCHEMA)
        }
    }

    fn previous(&self) -> Option<Previous> {
        let bytes = self.files.get(MANIFEST)?;
        Some(Previous {
            hash: Hash::of(bytes),
            manifest: Manifest::parse(bytes).unwrap(),
            indexes: self
                .files
                .iter()
                .filter(|(path, _)| path.starts_with("indexes/"))
                .map(|(path, bytes)| (Hash::of(bytes), Index::parse(path, bytes).unwrap()))
                .collect(),
        })
    }

    fn export(&mut self) -> ExportPlan {
        let request = self.request();
        self.export_as(&request)
    }

    fn export_as(&mut self, request: &ExportRequest) -> ExportPlan {
        let previous = self.previous();
        let files = &mut self.files;
        let mut put = |object: Object| {
            object.check().unwrap();
            assert!(!files.contains_key(&object.path), "written again");
            files.insert(object.path, object.bytes);
            Ok(())
        };
        let plan = Planner::new(request, &self.rows, &mut put, SMALL)
            .plan(previous.as_ref())
            .unwrap();
        if let Some(manifest) = &plan.manifest {
            files.insert(MANIFEST.to_owned(), manifest.print());
            for path in &plan.remove {
                assert!(files.remove(path).is_some(), "removes what is not there");
            }
        } else {
            assert_eq!(plan.remove, BTreeSet::new());
        }
        self.dirty.clear();
        plan
    }

    fn objects(&self) -> BTreeSet<&String> {
        self.files.keys().filter(|key| *key != MANIFEST).collect()
    }

    fn entries(&self, title: &str) -> Vec<(String, u64)> {
        let previous = self.previous().unwrap();
        let parts = &previous.manifest.spaces[0].parts;
        let part = parts.iter().find(|part| part.id.as_str() == title);
        let index = part.and_then(|part| part.index);
        let index = index.map(|index| previous.indexes[&index.hash].clone());
        index.map_or_else(Vec::new, |index| {
            let entries = index.entries(Note::TABLE).iter();
            entries
                .map(|entry| (entry.period.to_string(), entry.rows))
                .collect()
        })
    }

    /// The partitions by the rule's own words.
    fn by_the_rule(&self, title: &str) -> Vec<(String, u64)> {
        let notes = self.rows.notes.iter().filter(|note| note.title == title);
        let rows: Vec<(Millis, u64)> = notes
            .map(|note| (note.at, EncodedRow::new(note).bytes.len() as u64))
            .collect();
        let mut partitions = Vec::new();
        split(&rows, Unit::Year, &mut partitions);
        partitions
    }
}

fn split(rows: &[(Millis, u64)], unit: Unit, partitions: &mut Vec<(String, u64)>) {
    let period = |at: Millis| Period::of(unit, at);
    for rows in rows.chunk_by(|one, other| period(one.0) == period(other.0)) {
        let bytes: u64 = rows.iter().map(|row| row.1).sum();
        match unit.finer() {
            Some(finer) if bytes > SMALL => split(rows, finer, partitions),
            _ => partitions.push((period(rows[0].0).to_string(), rows.len() as u64)),
        }
    }
}

fn book(title: &str) -> Book {
    Book {
        shelf: SHELF.to_owned(),
        title: title.to_owned(),
        lent: false,
    }
}

/// 2026-01-30T00:00:00 and so many seconds.
fn note_at(seconds: i64, number: u64) -> (Millis, u64) {
    (Millis(1_769_731_200_000 + seconds * 1000), number)
}

#[derive(Clone, Debug)]
enum Step {
    Say(usize, (Millis, u64), usize),
    Unsay(usize, (Millis, u64)),
    Hide(usize),
    Show(usize),
    Export,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few moments at many distances: the same second, minute, hour, day, month, year, and others.
    let seconds = prop::sample::select(vec![
        0, 1, 2, 59, 60, 61, 3599, 3600, 7200, 86_399, 86_400, 172_800, 200_000, 3_000_000,
        31_000_000, 31_536_000, 40_000_000,
    ]);
    let id = (seconds, 0..4_u64).prop_map(|(seconds, number)| note_at(seconds, number));
    let channel = 0..BOOKS.len();
    let step = prop_oneof![
        8 => (channel.clone(), id.clone(), 0..400_usize).prop_map(|(c, id, len)| Step::Say(c, id, len)),
        4 => (channel.clone(), id).prop_map(|(c, id)| Step::Unsay(c, id)),
        1 => channel.clone().prop_map(Step::Hide),
        1 => channel.prop_map(Step::Show),
        3 => Just(Step::Export),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn incremental_exports_equal_one_from_scratch(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Say(c, id, len) => world.say(BOOKS[c], id, &"x".repeat(len)),
                Step::Unsay(c, id) => world.unsay(BOOKS[c], id),
                Step::Hide(c) => { world.hidden.insert(BOOKS[c]); }
                Step::Show(c) => { world.hidden.remove(&BOOKS[c]); }
                Step::Export => { world.export(); }
            }
        }
        world.export();
        let mut scratch = World {
            rows: world.rows.clone(),
            hidden: world.hidden.clone(),
            ..World::default()
        };
        scratch.export();
        prop_assert_eq!(world.objects(), scratch.objects());
        let spaces = |world: &World| world.previous().unwrap().manifest.spaces;
        prop_assert_eq!(spaces(&world), spaces(&scratch));
        for title in BOOKS {
            if world.hidden.contains(&title) {
                continue;
            }
            prop_assert_eq!(world.entries(title), world.by_the_rule(title));
        }
    }
}

#[test]
fn one_new_message_writes_one_blob_and_one_index() {
    let mut world = World::new();
    for day in 0..60 {
        world.say(BOOKS[0], note_at(day * 86_400, 0), &"x".repeat(400));
    }
    assert!(world.export().summary.blobs > 10);
    world.say(BOOKS[0], note_at(60 * 86_400, 0), "hello");
    let plan = world.export();
    assert_eq!((plan.summary.blobs, plan.summary.indexes), (1, 1));
    assert_eq!(plan.summary.generation, 2);
}

#[test]
fn sync_times_alone_make_no_generation() {
    let mut world = World::new();
    world.say(BOOKS[0], note_at(0, 0), "hello");
    assert!(world.export().summary.changed);
    let mut request = world.request();
    request.now = Millis(1_900_000_000_000);
    let synced = &mut request.spaces[0].synced;
    synced.insert("notes".to_owned(), Some(Millis(1)));
    let plan = world.export_as(&request);
    assert_eq!(plan.manifest, None);
    assert_eq!(
        plan.summary,
        Summary {
            generation: 1,
            manifest: world.request().since,
            ..Summary::default()
        }
    );
}

#[test]
fn writes_only_what_differs_from_an_unknown_archive() {
    let mut world = World::new();
    for title in BOOKS {
        world.say(title, note_at(0, 0), "hello");
    }
    let exported = world.export().summary.manifest;
    assert_eq!(exported, world.request().since);
    let unknown = ExportRequest {
        since: None,
        ..world.request()
    };
    let plan = world.export_as(&unknown);
    assert_eq!(plan.manifest, None);
    assert_eq!(plan.summary.manifest, exported);

    // A change that another archive was told of, and this one was not.
    world.say(BOOKS[1], note_at(0, 0), "changed");
    world.dirty.clear();
    let elsewhere = ExportRequest {
        since: Some(Hash::of(b"another archive's manifest")),
        ..world.request()
    };
    let summary = world.export_as(&elsewhere).summary;
    assert_eq!((summary.blobs, summary.indexes), (1, 1));
    assert_eq!(summary.manifest, world.request().since);
}

#[test]
fn withdrawn_parts_leave_nothing_and_can_return() {
    let mut world = World::new();
    for title in BOOKS {
        world.say(title, note_at(0, 0), &format!("secret of {title}"));
    }
    world.export();
    let before = world.previous().unwrap().manifest.spaces;
    world.hidden.insert(BOOKS[1]);
    let plan = world.export();
    assert_eq!(plan.summary.withdrawn, [Id::new(BOOKS[1])]);
    for (path, bytes) in &world.files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("secret of Hyperion"), "{path}");
        assert!(!text.contains("Hyperion"), "{path}");
    }
    world.hidden.clear();
    let plan = world.export();
    assert_eq!(plan.summary.added, [Id::new(BOOKS[1])]);
    assert_eq!(world.previous().unwrap().manifest.spaces, before);
}

#[test]
fn a_space_that_is_not_asked_for_is_withdrawn() {
    let mut world = World::new();
    world.say(BOOKS[0], note_at(0, 0), "hello");
    world.export();
    let request = ExportRequest {
        spaces: Vec::new(),
        ..world.request()
    };
    world.export_as(&request);
    assert_eq!(world.objects(), BTreeSet::new());
}

#[test]
fn a_whole_table_of_a_space_is_read_again_in_all_parts() {
    let mut world = World::new();
    for title in BOOKS {
        world.say(title, note_at(0, 0), "hello");
    }
    world.export();
    for note in &mut world.rows.notes {
        note.text = "changed".to_owned();
    }
    world.dirty.push(Dirty {
        scope: Scope::space(SHELF),
        table: Note::TABLE,
        day: None,
    });
    assert_eq!(world.export().summary.blobs, 3);
}

/// What a later version added, this one could not keep up to date.
#[test]
fn a_table_of_a_later_version_is_not_carried_on() {
    let mut world = World::new();
    world.say(BOOKS[0], note_at(0, 0), "hello");
    world.export();
    world.say(BOOKS[0], note_at(1, 0), "again");
    let mut previous = world.previous().unwrap();
    for index in previous.indexes.values_mut() {
        let entries = index.entries(Note::TABLE).to_vec();
        index.tables.insert("later".to_owned(), entries);
    }
    let mut written = Vec::new();
    let mut put = |object: Object| {
        written.push(String::from_utf8_lossy(&object.bytes).into_owned());
        Ok(())
    };
    plan(Some(&previous), &world.request(), &world.rows, &mut put).unwrap();
    assert!(written.iter().any(|text| text.contains("\"notes\"")));
    assert!(!written.iter().any(|text| text.contains("later")));
}

#[test]
fn a_source_that_breaks_order_is_found_out() {
    struct Backwards(Vec<EncodedRow>);
    impl Source for Backwards {
        fn scan(
            &self,
            _: &Scope,
            table: &'static str,
            _: RangeInclusive<Millis>,
            each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
        ) -> Result<(), SourceError> {
            let rows = self.0.iter().filter(|_| table == Note::TABLE);
            rows.cloned().try_for_each(each)
        }
    }
    let mut world = World::new();
    world.say(BOOKS[0], note_at(0, 0), "one");
    world.say(BOOKS[0], note_at(1, 0), "two");
    let rows = world.rows.notes.iter().rev().map(EncodedRow::new);
    let source = Backwards(rows.collect());
    let error = plan(None, &world.request(), &source, &mut |_| Ok(())).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the notes of channel Divan of guild poetry"),
        "{text}"
    );
    assert!(text.contains("out of order"), "{text}");
}
