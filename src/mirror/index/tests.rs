//! Tests of the indexes and of the marks, with notes that move between parts and times.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use propsbot_archive::Unit;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::*;
use crate::{
    Dirty, Ledger as _, Observed, PartRecord, ReadRows, Rewrite, Rows, Stamp, View,
    engine::{Engine, Op},
    mirror::SCHEMA_KEY,
    record::stored_key,
};

const DAY: i64 = 86_400_000;
/// The first stamp, in milliseconds.
const BEGUN: i64 = 1_700_000_000_000;
const ALWAYS: RangeInclusive<Millis> = Millis(i64::MIN)..=Millis(i64::MAX);

/// A note on a board, in one of its columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Note {
    board: String,
    id: u8,
    column: u8,
    time: Millis,
    text: u8,
}

impl Record for Note {
    type Key = (String, u8);

    const TABLE: Table = Table {
        number: 9,
        name: "notes",
    };

    fn key(&self) -> Self::Key {
        (self.board.clone(), self.id)
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_part(&self.board, self.column, self.time).by(self.author()))
    }
}

impl Note {
    /// Each column but the last has an author.
    fn author(&self) -> Option<u8> {
        (self.column < 2).then_some(self.column)
    }
}

#[derive(Clone, Debug)]
enum Change {
    Put(Note),
    /// Moves a known note, or writes this one.
    Update(Note),
    /// Removes the note with the key of this one.
    Delete(Note),
}

#[derive(Clone, Debug)]
struct Seen(Stamp, Change);

impl Observed for Seen {
    fn at(&self) -> Stamp {
        self.0
    }

    fn is_event(&self) -> bool {
        false
    }
}

struct Boards;

struct Reader(View);

impl From<View> for Reader {
    fn from(view: View) -> Self {
        Self(view)
    }
}

impl Domain for Boards {
    type Observation = Seen;
    type Missing = ();
    type Reader = Reader;

    const DELETION_RULES: u8 = 1;
    const PART_RECORDS: &'static [PartRecord] = &[PartRecord::of::<Note>()];

    fn merge<S: Rows>(rows: &mut S, Seen(_, change): &Seen) -> Result<Vec<()>, S::Error> {
        match change {
            Change::Put(note) => rows.put(note)?,
            Change::Update(note) => {
                rows.update(note.clone(), |known| {
                    (known.column, known.time) = (note.column, note.time);
                })?;
            }
            Change::Delete(note) => rows.delete(note)?,
        }
        Ok(Vec::new())
    }
}

type Notes = BTreeMap<(String, u8), Note>;

/// What the store should hold.
#[derive(Clone, Debug, Default)]
struct Model {
    notes: Notes,
    /// The newest stamp, in milliseconds.
    newest: i64,
}

impl Model {
    fn apply(&mut self, seen: &Seen) {
        self.newest = self.newest.max(seen.0.millis().0);
        match &seen.1 {
            Change::Put(note) => {
                self.notes.insert(note.key(), note.clone());
            }
            Change::Update(note) => {
                let known = self.notes.entry(note.key()).or_insert_with(|| note.clone());
                (known.column, known.time) = (note.column, note.time);
            }
            Change::Delete(note) => {
                self.notes.remove(&note.key());
            }
        }
    }

    fn recent_from(&self) -> Millis {
        Millis(self.newest - 45 * DAY)
    }

    /// The notes of a board with these times, by time and key.
    fn of_times(&self, board: &str, times: &RangeInclusive<Millis>) -> Vec<Note> {
        let notes = self.notes.values().filter(|note| note.board == board);
        let notes = notes.filter(|note| times.contains(&note.time));
        let mut notes: Vec<Note> = notes.cloned().collect();
        notes.sort_by_key(|note| (note.time, note.id));
        notes
    }
}

fn boards() -> [String; 3] {
    // One id is the beginning of another, and one holds the bytes that end a text.
    ["1", "12", "a\0\0b"].map(str::to_owned)
}

fn read(view: &View, board: &str, times: RangeInclusive<Millis>) -> Vec<Note> {
    let rows = view.recent(&Id::new(board), times);
    let read = rows.map(|row| {
        let row = row.unwrap();
        assert!(row.is_of(Note::TABLE));
        let note: Note = row.read().unwrap();
        assert_eq!(row.time, note.time);
        note
    });
    read.collect()
}

/// Checks the index of a view against what a scan of all rows gives.
fn check(view: &View, model: &Model) {
    let recent_from = Clock::of(view).unwrap().recent_from();
    if model.newest > 0 {
        assert_eq!(recent_from, model.recent_from());
    }
    for board in boards() {
        let weeks = (-7..2).map(|week| Millis(model.newest + week * 7 * DAY));
        let weeks = weeks.map(|from| from..=Millis(from.0 + 7 * DAY - 1));
        for times in weeks.chain([recent_from..=*ALWAYS.end()]) {
            let times = recent_from.max(*times.start())..=*times.end();
            assert_eq!(
                read(view, &board, times.clone()),
                model.of_times(&board, &times)
            );
        }
        for author in 0..2 {
            for times in [
                recent_from..=*ALWAYS.end(),
                ALWAYS,
                *ALWAYS.start()..=recent_from,
            ] {
                let mut all = model.of_times(&board, &times);
                all.retain(|note| note.author() == Some(author));
                let rows = view.found_by(&Id::new(&board), &Id::new(author), times);
                let read: Vec<Note> = rows.map(|row| row.unwrap().read().unwrap()).collect();
                assert_eq!(read, all);
            }
        }
        // Of earlier rows it may have any, but none that isn't there.
        let all = model.of_times(&board, &ALWAYS);
        let read = read(view, &board, ALWAYS);
        assert!(read.iter().all(|note| all.contains(note)));
    }
    let scanned: Vec<Note> = view.scan(()).unwrap();
    assert!(scanned.iter().eq(model.notes.values()));
    // No entry names a row that is missing.
    let recent = entries(view, Table::RECENT);
    let found_by = entries(view, Table::FOUND_BY);
    for entry in recent.iter().chain(&found_by) {
        let (_, _, key) = parts(entry).unwrap();
        assert!(view.value(key).unwrap().is_some());
    }
    assert!(recent.len() <= scanned.len());
    let with_author = scanned.iter().filter(|note| note.author().is_some());
    assert_eq!(found_by.len(), with_author.count());
}

/// The keys of an index.
fn entries(view: &View, index: Table) -> Vec<Vec<u8>> {
    let from = vec![index.number];
    let to = after(&from);
    let entries = view.entries(from, to, false);
    entries.map(|entry| entry.unwrap().0).collect()
}

/// Checks that the marks cover the old and the new place of every note that differs.
fn check_marks(view: &View, before: &Notes, model: &Model) {
    let marks: Vec<Dirty> = view.scan(()).unwrap();
    let keys: BTreeSet<_> = before.keys().chain(model.notes.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key), model.notes.get(key));
        let moved = [old, new].into_iter().flatten().filter(|_| old != new);
        for note in moved {
            let is_recent = note.time >= model.recent_from();
            let is_marked = marks.iter().map(|dirty| &dirty.mark).any(|mark| {
                let period = mark.period.unwrap();
                assert!([Unit::Hour, Unit::Month].contains(&period.unit()));
                mark.is_of(Note::TABLE)
                    && mark.scope() == propsbot_archive::Scope::part(&note.board, note.column)
                    && period.times().contains(&note.time)
                    && (!is_recent || period.unit() == Unit::Hour)
            });
            assert!(is_marked, "{note:?}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A batch: hours since the observation before, the kind of change, the board, the note, its
    /// column, and its age in hours.
    Write(Vec<(i64, u8, u8, u8, u8, i64)>),
    OpenView,
    Publish,
    /// Removes a board or one note, as a purge does.
    Remove(u8, Option<u8>),
    Rewrite,
}

fn step() -> impl Strategy<Value = Step> {
    // Up to a leap of 30 days forward and of 10 days back; ids from the future, and of long ago.
    let later = prop_oneof![8 => 0..3i64, 1 => 0..720i64, 1 => -240..0i64];
    let age = prop_oneof![
        4 => -2..200i64,
        4 => 1_060..1_100i64,
        1 => 1_000..3_000i64,
        1 => Just(-500_000i64),
        1 => Just(400_000i64),
    ];
    let change = (later, 0..4u8, 0..3u8, 0..12u8, 0..3u8, age);
    prop_oneof![
        8 => prop::collection::vec(change, 1..12).prop_map(Step::Write),
        2 => Just(Step::OpenView),
        1 => Just(Step::Publish),
        1 => (0..3u8, prop::option::of(0..12u8)).prop_map(|(board, id)| Step::Remove(board, id)),
        1 => Just(Step::Rewrite),
    ]
}

fn open(path: &Path) -> Mirror<Boards> {
    Mirror::open(path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_index_and_the_marks_follow_the_rows(steps in prop::collection::vec(step(), 1..25)) {
        let folder = TempDir::new().unwrap();
        let mut mirror = open(folder.path());
        let mut model = Model::default();
        let mut exported = Notes::new();
        let mut views: Vec<(Reader, Model)> = Vec::new();
        let mut at = BEGUN;
        let mut text = 0;
        for step in steps {
            match step {
                Step::Write(changes) => {
                    let batch = changes.into_iter().map(|(later, kind, board, id, column, age)| {
                        at += later * 3_600_000;
                        text += 1;
                        let note = Note {
                            board: boards()[usize::from(board)].clone(),
                            id,
                            column,
                            time: Millis(at - age * 3_600_000),
                            text,
                        };
                        let change = match kind {
                            0 => Change::Put(note),
                            1 => Change::Delete(note),
                            _ => Change::Update(note),
                        };
                        Seen(Millis(at).into(), change)
                    });
                    let batch: Vec<Seen> = batch.collect();
                    for seen in &batch {
                        model.apply(seen);
                    }
                    mirror.merge(&[batch]).unwrap();
                }
                Step::OpenView => views.push((mirror.view(), model.clone())),
                Step::Publish => {
                    let marks: Vec<Dirty> = mirror.0.scan(()).unwrap();
                    let none = propsbot_archive::Bases::new();
                    mirror.published("archive", &none, 1, &marks).unwrap();
                    exported.clone_from(&model.notes);
                    let recent_from = Clock::of(&mirror.0).unwrap().recent_from();
                    for entry in entries(&mirror.0, Table::RECENT) {
                        prop_assert!(parts(&entry).unwrap().1 >= recent_from);
                    }
                }
                Step::Remove(board, id) => {
                    let board = boards()[usize::from(board)].clone();
                    match id {
                        Some(id) => mirror.remove::<Note>((board.clone(), id)).unwrap(),
                        None => mirror.remove::<Note>(board.clone()).unwrap(),
                    }
                    let is_removed = |key: &(String, u8)| key.0 == board && id.is_none_or(|id| key.1 == id);
                    // Removals set no marks.
                    for notes in [&mut model.notes, &mut exported] {
                        notes.retain(|key, _| !is_removed(key));
                    }
                }
                Step::Rewrite => {
                    for (Reader(view), then) in views.drain(..) {
                        check(&view, &then);
                    }
                    prop_assert_eq!(mirror.rewrite().unwrap(), Rewrite::Done);
                    mirror = open(folder.path());
                }
            }
            check(&mirror.0, &model);
            check_marks(&mirror.0, &exported, &model);
        }
        for (Reader(view), then) in views {
            check(&view, &then);
        }
    }
}

fn note(id: u8, age: i64) -> Note {
    Note {
        board: "1".to_owned(),
        id,
        column: 1,
        time: Millis(BEGUN - age * DAY),
        text: 0,
    }
}

/// Notes in the order of their times: the second and later ones are recent.
fn notes() -> Vec<Note> {
    [46, 45, 44, 0, -1]
        .into_iter()
        .zip(1..)
        .map(|(age, id)| note(id, age))
        .collect()
}

#[test]
fn restored_rows_are_in_the_index() {
    let folder = TempDir::new().unwrap();
    {
        let mirror = Mirror::<Boards>::open_to_restore(folder.path()).unwrap();
        let newest = Millis(BEGUN).into();
        mirror.restore(&notes(), newest).unwrap();
        mirror.clear().unwrap();
        assert!(entries(&mirror.0, Table::RECENT).is_empty());
        mirror.restore(&notes(), newest).unwrap();
        mirror.restored(newest, &BTreeMap::new()).unwrap();
    }
    let mirror = open(folder.path());
    assert_eq!(read(&mirror.0, "1", ALWAYS), notes()[1..]);
    check(&mirror.0, &of_notes());
}

/// What a store with these notes should hold.
fn of_notes() -> Model {
    let notes = notes().into_iter().map(|note| (note.key(), note));
    Model {
        notes: notes.collect(),
        newest: BEGUN,
    }
}

#[test]
fn upgrades_index_rows() {
    for schema in [2u32, 3, 4] {
        upgrades_index_rows_of(schema);
    }
}

fn upgrades_index_rows_of(schema: u32) {
    let folder = TempDir::new().unwrap();
    let engine = Engine::open(folder.path()).unwrap();
    let entry = |key, value| Op::Put(key, value);
    let mut ops: Vec<Op> = notes()
        .iter()
        .map(|note| entry(stored_key::<Note>(&note.key()), codec::encode(note)))
        .collect();
    let clock = Clock::new(Millis(BEGUN).into(), None);
    ops.push(entry(
        stored_key::<Clock>(&clock.key()),
        codec::encode(&clock),
    ));
    ops.push(entry(SCHEMA_KEY.to_vec(), schema.to_be_bytes().to_vec()));
    engine.commit(&ops).unwrap();
    engine.mark_used().unwrap();
    drop(engine.close());
    let mirror = open(folder.path());
    assert_eq!(read(&mirror.0, "1", ALWAYS), notes()[1..]);
    check(&mirror.0, &of_notes());
    assert_eq!(Clock::of(&mirror.0).unwrap(), clock);
}

/// Rows of a view, with how many were read.
struct Counting<'a>(&'a View, Cell<usize>);

impl ReadRows for Counting<'_> {
    type Error = StoreError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.value(key)
    }

    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> {
        let entries = self.0.entries(from, to, few);
        entries.inspect(|_| self.1.set(self.1.get() + 1))
    }
}

#[test]
fn only_what_is_found_is_read() {
    let folder = TempDir::new().unwrap();
    let mirror = open(folder.path());
    // Every fiftieth is by the other author.
    let all = (0..250).map(|id| Note {
        column: u8::from(id % 50 == 0),
        ..note(id, i64::from(id))
    });
    let seen = all.map(|note| Seen(Millis(BEGUN).into(), Change::Put(note)));
    mirror.merge(&[seen.collect()]).unwrap();
    let rows = Counting(&mirror.0, Cell::new(0));
    let times = Millis(BEGUN - 150 * DAY)..=Millis(BEGUN - 50 * DAY);
    let found = rows.found_by(&Id::new("1"), &Id::new(1), times);
    let found: Vec<Note> = found.map(|row| row.unwrap().read().unwrap()).collect();
    let ids: Vec<u8> = found.iter().map(|note| note.id).collect();
    assert_eq!(ids, [150, 100, 50]);
    assert_eq!(rows.1.get(), 2 * 3, "an entry and a row for each");
}
