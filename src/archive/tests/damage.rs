//! Whatever happens to an archive's files, no reader takes it for what was exported, and none breaks down.

use std::{io::Write as _, sync::LazyLock};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::{
    promise::{SMALL, Step, Story},
    *,
};
use crate::{check_rows::Keys, file::pack};

/// An archive with files of every kind.
pub(super) static SOUND: LazyLock<Stored> = LazyLock::new(|| sound().world.all_files());

pub(super) fn sound() -> Story {
    let mut story = Story::new();
    for number in 0..60_u32 {
        let ago = i64::from(number * number) * DAY / 40;
        story.carry_out(&Step::Post {
            topic: u64::from(number % 3),
            ago,
            words: 9,
        });
        let which = number as usize;
        story.carry_out(&Step::Like {
            which,
            ago: ago / 2,
            is_seen: number % 2 == 0,
        });
    }
    story.carry_out(&Step::Export);
    let files = story.world.all_files();
    for folder in ["rows/", "indexes/", "days/", "parts/", "spaces/"] {
        assert!(
            files.keys().any(|path| path.starts_with(folder)),
            "{folder}"
        );
    }
    story
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(usize),
    Cut(usize),
    Append(Vec<u8>),
    Insert(usize, u8),
    Drop(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>;
    prop_oneof![
        4 => at().prop_map(Damage::Flip),
        1 => at().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Damage::Append),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => at().prop_map(Damage::Drop),
    ]
}

impl Damage {
    fn to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(at) => {
                let at = at % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            Self::Cut(at) => bytes.truncate(at % bytes.len()),
            Self::Append(more) => bytes.extend(more),
            Self::Insert(at, byte) => bytes.insert(at % (bytes.len() + 1), *byte),
            Self::Drop(at) => {
                bytes.remove(at % bytes.len());
            }
        }
    }
}

pub(super) fn kind(path: &str) -> Option<Kind> {
    let (folder, name) = path.split_once('/')?;
    match folder {
        "rows" => Some(Kind::Rows),
        "indexes" => Some(Kind::Index),
        "days" => Some(Kind::Days),
        "parts" if name.ends_with(".jsonl.gz") => Some(Kind::Parts),
        "parts" => Some(Kind::Directory),
        _ => None,
    }
}

pub(super) fn inflate(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
    bytes
}

/// Puts other bytes in place of a file, under their own name, and has all that names it name them.
pub(super) fn relink(files: &mut Stored, path: &str, bytes: &[u8]) {
    let Some(kind_of) = kind(path) else {
        files.insert(path.to_owned(), bytes.to_vec());
        return;
    };
    let old = inflate(&files.remove(path).unwrap());
    let name = |bytes: &[u8]| format!(r#""hash":"{}","bytes":{}"#, Hash::of(bytes), bytes.len());
    let object = pack(kind_of, bytes).1;
    files.insert(object.path, object.bytes);
    let paths: Vec<String> = files.keys().cloned().collect();
    for path in paths {
        // It may have been replaced by now.
        let Some(found) = files.get(&path) else {
            continue;
        };
        let found = match kind(&path) {
            Some(Kind::Rows) => continue,
            Some(_) => inflate(found),
            None => found.clone(),
        };
        let Ok(text) = String::from_utf8(found) else {
            continue;
        };
        if text.contains(&name(&old)) {
            let mut text = text.replace(&name(&old), &name(bytes));
            if kind(&path).is_none() {
                let json = text.split(",\"checksum\"").next().unwrap().to_owned();
                let checksum = Hash::of(json.as_bytes());
                text = format!("{json},\"checksum\":\"{checksum}\"}}\n");
            }
            relink(files, &path, text.as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_never_taken_for_what_was_exported(
        which in any::<usize>(),
        damage in damage(),
        is_inside in any::<bool>(),
    ) {
        let mut files = SOUND.clone();
        let path = files.keys().nth(which % files.len()).unwrap().clone();
        let file = files.get_mut(&path).unwrap();
        let is_changed = if let Some(kind) = kind(&path) {
            let before = inflate(file);
            if is_inside {
                let mut bytes = before.clone();
                damage.to(&mut bytes);
                *file = pack(kind, &bytes).1.bytes;
            } else {
                damage.to(file);
            }
            // Some bits of gzip say nothing of what is in it.
            let named = FileRef { hash: Hash::of(&before), bytes: before.len() as u64 };
            let read = unpack(file, named);
            prop_assert!(read.is_err() || read == Ok(before), "{kind:?}");
            read.is_err()
        } else {
            damage.to(file);
            file != &SOUND[&path]
        };
        prop_assert_eq!(read(&files, SMALL, &Query::all()).is_err(), is_changed);
    }

    #[test]
    fn wrong_content_under_its_right_name_breaks_no_reader(
        which in any::<usize>(),
        damage in prop::collection::vec(damage(), 1..3),
    ) {
        let mut files = SOUND.clone();
        let path = files.keys().nth(which % files.len()).unwrap().clone();
        let mut bytes = match kind(&path) {
            Some(_) => inflate(&files[&path]),
            None => files[&path].clone(),
        };
        for damage in damage {
            if !bytes.is_empty() {
                damage.to(&mut bytes);
            }
        }
        relink(&mut files, &path, &bytes);
        // What is still sound has as many rows as before, and `read` has compared it with `verify`.
        if let Ok((rows, _)) = read(&files, SMALL, &Query::all()) {
            let (before, _) = read(&SOUND, SMALL, &Query::all()).unwrap();
            prop_assert_eq!(rows.len(), before.len());
        }
    }
}

#[test]
fn a_clock_that_was_set_right_counts_again() {
    for (ahead, left) in [(HOUR, HOUR), (2 * DAY, 0)] {
        let mut story = sound();
        let now = story.now;
        for clock in [ahead, 0] {
            story.carry_out(&Step::Post {
                topic: 0,
                ago: HOUR,
                words: 3,
            });
            story.world.export(Millis(now.0 + clock));
        }
        let (_, manifest, _) = story.world.manifest.unwrap();
        assert_eq!(manifest.created_at, Millis(now.0 + left));
        assert_eq!(manifest.check_clock(now).is_ok(), left <= DAY);
    }
}

#[test]
fn a_part_has_its_row() {
    let mut story = sound();
    let topic = *story.world.topics.keys().next().unwrap();
    let key = (None, Topic::TABLE, topic.to_be_bytes().into());
    let marks = story.world.mirror.remove(&key);
    story.world.marks.extend(marks);
    story.world.export(story.now);
    let read = read(&story.world.all_files(), SMALL, &Query::all());
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
}

#[test]
fn damaged_files_are_made_again() {
    let story = sound();
    for path in story.world.files.keys() {
        let mut story = sound();
        story.world.files.get_mut(path).unwrap().truncate(20);
        story.world.damaged.insert(path.clone());
        story.world.marks.clear();
        let (plan, _) = story.world.export(story.now);
        assert!(plan.manifest.is_some());
        let rows = read(&story.world.all_files(), SMALL, &Query::all())
            .unwrap()
            .0;
        assert!(rows == story.world.rows(|_, _, _| true), "{path}");
    }
}

#[test]
fn what_is_told_to_be_small_is_not_inflated() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(&vec![0; 100_000_000]).unwrap();
    let bomb = gzip.finish().unwrap();
    for bytes in [100, 100_000] {
        let file = FileRef {
            hash: Hash::of(b"another"),
            bytes,
        };
        assert!(unpack(&bomb, file).is_err());
    }
}

/// A mirror that does not tell where a row was before leaves it there.
#[test]
fn rows_that_are_left_where_they_were_are_refused() {
    for ago in [50 * DAY, 9 * HOUR] {
        let mut story = Story::new();
        for ago in [60 * DAY, 0] {
            story.carry_out(&Step::Post {
                topic: 0,
                ago,
                words: 3,
            });
        }
        for ago in [ago, HOUR] {
            story.carry_out(&Step::Like {
                which: 0,
                ago,
                is_seen: true,
            });
            let now = Period::of(Unit::Hour, Millis(story.now.0 - ago));
            let is_of_now = |mark: &Mark| mark.table != Like::TABLE || mark.period == Some(now);
            story.world.marks.retain(is_of_now);
            story.world.export(story.now);
        }
        let read = read(&story.world.all_files(), SMALL, &Query::all());
        assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    }
}

#[test]
fn a_row_may_be_in_one_file_only() {
    let mut keys = Keys::default();
    keys.open(&[1, 2]).unwrap();
    keys.base(&[3]).unwrap();
    for twice in [1, 3] {
        assert!(keys.base(&[twice]).is_err());
    }
    assert!(keys.open(&[4, 2]).is_err());
    keys.next_part();
    keys.base(&[3]).unwrap();
}
