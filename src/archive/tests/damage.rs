//! Whatever happens to an archive's files, no reader takes it for what was exported, and none breaks down.

use std::{io::Write as _, sync::LazyLock};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::{
    earlier::exported,
    promise::{SMALL, Step, Story},
    *,
};
use crate::{
    RowSource,
    check_rows::Keys,
    file::{decode, encode, pack},
    read_rows,
};

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
fn relink(files: &mut Stored, path: &str, bytes: &[u8]) {
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

/// Changes a list, an index or the manifest, and has what names it name it. Part lists are arrays of their lines.
fn lie(files: &mut Stored, folder: &str, change: impl Fn(&mut Value)) {
    let is_it = |path: &&String| path.starts_with(folder);
    let path = files.keys().find(is_it).unwrap().clone();
    let bytes = match kind(&path) {
        Some(_) => inflate(&files[&path]),
        None => files[&path].clone(),
    };
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut json: Value = lines.collect();
    change(&mut json);
    let mut text = String::new();
    for line in json.as_array().unwrap() {
        text += &line.to_string();
        if folder == "parts/" {
            text += "\n";
        }
    }
    if folder == "spaces/" {
        let mut json = json[0].clone();
        json.as_object_mut().unwrap().remove("checksum");
        let body = json.to_string();
        let body = body.strip_suffix('}').unwrap();
        text = format!("{body},\"checksum\":\"{}\"}}\n", Hash::of(body.as_bytes()));
    }
    relink(files, &path, text.as_bytes());
}

enum Lie {
    Set(Value),
    Add(i64),
    Remove,
    /// It once more, at the end of its list.
    Repeat,
    /// The list in another order.
    Reverse,
}

use Lie::{Add, Remove, Repeat, Reverse, Set};

/// The value to which this path leads; `*` is the first of a map.
fn at<'a>(json: &'a mut Value, path: &str) -> &'a mut Value {
    let steps = path.split('/').filter(|step| !step.is_empty());
    steps.fold(json, |json, step| match step {
        "*" => json.as_object_mut().unwrap().values_mut().next().unwrap(),
        step if json.is_array() => &mut json[step.parse::<usize>().unwrap()],
        step => &mut json[step],
    })
}

impl Lie {
    fn tell(&self, json: &mut Value, path: &str) {
        let (around, last) = path.rsplit_once('/').unwrap_or(("", path));
        match self {
            Set(value) => *at(json, path) = value.clone(),
            Add(more) => *at(json, path) = (at(json, path).as_i64().unwrap() + more).into(),
            Remove => match at(json, around) {
                Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                map => drop(map.as_object_mut().unwrap().remove(last)),
            },
            Repeat => {
                let again = at(json, path).clone();
                at(json, around).as_array_mut().unwrap().push(again);
            }
            Reverse => at(json, path).as_array_mut().unwrap().reverse(),
        }
    }
}

#[test]
fn lies_that_are_linked_soundly_are_refused() {
    let lies = [
        ("spaces/", "0/provider", Set("shelf".into())),
        ("spaces/", "0/format", Set(3.into())),
        ("spaces/", "0/space", Set("8".into())),
        ("spaces/", "0/generation", Set(0.into())),
        ("spaces/", "0/generation", Set(2.into())),
        ("spaces/", "0/generation", Set(((1_u64 << 53) - 1).into())),
        ("spaces/", "0/generation", Set(u64::MAX.into())),
        ("spaces/", "0/newest", Add(-80 * DAY)),
        ("spaces/", "0/heard_at", Add(1)),
        ("spaces/", "0/heard_at", Add(-1)),
        ("spaces/", "0/covered_to", Add(1)),
        ("spaces/", "0/history", Remove),
        ("spaces/", "0/stamps/hours_from", Set("2026-12-27".into())),
        ("spaces/", "0/stamps/days_from", Set("2027-01".into())),
        ("spaces/", "0/stamps/days_from", Set("2026-12-01".into())),
        ("spaces/", "0/stamps", Set(Value::Null)),
        ("spaces/", "0/rows/posts", Add(-1)),
        ("spaces/", "0/rows/topics", Add(1)),
        ("spaces/", "0/rows/polls", Set(1.into())),
        (
            "spaces/",
            "0/synced",
            Set((0..300)
                .map(|class| (class.to_string(), Value::Null))
                .collect()),
        ),
        ("spaces/", "0/index", Set(Value::Null)),
        ("spaces/", "0/parts/count", Add(-1)),
        ("spaces/", "0/parts/list", Set(Value::Null)),
        ("spaces/", "0/days", Set(Value::Null)),
        ("spaces/", "0/hours/0", Remove),
        ("spaces/", "0/hours/0", Repeat),
        ("spaces/", "0/hours/0/bytes", Add(1)),
        ("spaces/", "0/hours/0/bytes", Set((1_u64 << 40).into())),
        ("spaces/", "0/exceptions/99", Set(Value::Array(Vec::new()))),
        ("days/", "0/space", Set("8".into())),
        ("days/", "0/days/0/period", Set("2026-11-01".into())),
        ("days/", "0/days/0/rows/posts", Add(1)),
        ("days/", "0/days", Reverse),
        ("parts/", "0/shard", Set(1.into())),
        ("parts/", "1", Remove),
        ("parts/", "1", Repeat),
        ("parts/", "1/id", Set("012".into())),
        ("parts/", "1/rows/posts", Add(1)),
        ("parts/", "1/covered/0/to", Add(40 * DAY)),
        ("parts/", "1/covered/0/after", Add(4000 * 365 * DAY)),
        ("parts/", "1/index", Set(Value::Null)),
        ("indexes/", "0/part", Set("1".into())),
        ("indexes/", "0/tables/*/0/period", Set("2014".into())),
        ("indexes/", "0/tables/*/0/period", Set("2026-13".into())),
        ("indexes/", "0/tables/*/0/rows", Add(1)),
        ("indexes/", "0/tables/*/0/bytes", Add(-1)),
        ("indexes/", "0/tables/*/0", Repeat),
        ("indexes/", "0/tables/*", Set(Value::Array(Vec::new()))),
    ];
    for (folder, path, told) in lies {
        let mut files = SOUND.clone();
        lie(&mut files, folder, |json| told.tell(json, path));
        assert!(
            read(&files, SMALL, &Query::all()).is_err(),
            "{folder} {path}"
        );
    }
    // What is as it was, and what is not known yet, is read.
    for folder in ["spaces/", "days/", "indexes/"] {
        for (path, sound) in [
            ("0/space", Value::from(FORUM.to_string())),
            ("0/is_new", true.into()),
        ] {
            let mut files = SOUND.clone();
            lie(&mut files, folder, |json| {
                Set(sound.clone()).tell(json, path);
            });
            read(&files, SMALL, &Query::all()).unwrap();
        }
    }
}

/// Whoever reads the list of parts checks it as a whole, even without the list of days and any part's rows.
#[test]
fn a_graph_of_few_rows_refuses_a_list_of_other_parts() {
    let lies = [
        ("spaces/", "0/parts/count", Add(1)),
        ("spaces/", "0/exceptions/99", Set(Value::Array(Vec::new()))),
        ("parts/", "1", Remove),
    ];
    let sound = exported().all_files();
    let lend = |files: Stored| {
        let archive = MemoryArchive::from(files);
        in_runtime(async move {
            let read = |rows: &dyn RowSource| rows.all::<Forum>();
            read_rows(&archive, &SCHEMA, None, read).await
        })
    };
    assert_eq!(lend(sound.clone()).unwrap().0.len(), 1);
    for (folder, path, told) in lies {
        let mut files = sound.clone();
        lie(&mut files, folder, |json| told.tell(json, path));
        let refused = lend(files).unwrap_err().to_string();
        assert!(refused.contains("spaces/7.json"), "{path}: {refused}");
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

/// A file with one like, written by someone else.
fn file_of(row: &impl Serialize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes)
        .with_struct_map()
        .with_human_readable();
    row.serialize(&mut serializer).unwrap();
    change(&mut bytes);
    let row = EncodedRow {
        key: crate::RowKey {
            time: Millis(0),
            sort: Vec::new(),
        },
        bytes,
        part: None,
    };
    let part = Some(Id::new(9));
    encode(
        &SCHEMA,
        &Id::new(FORUM),
        &mut [PartRow {
            part,
            table: Like::TABLE,
            row,
        }],
    )
}

fn is_sound(file: &[u8]) -> bool {
    decode(&SCHEMA, &Id::new(FORUM), file).is_ok()
}

/// Replaces the first place where these bytes are.
fn replace(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let at = bytes
        .windows(old.len())
        .position(|window| window == old)
        .unwrap();
    bytes.splice(at..at + old.len(), new.iter().copied());
}

#[test]
fn only_canonical_rows_with_their_columns_are_read() {
    let like = || {
        serde_json::json!({
            "forum": "7", "topic": "9", "post": "12", "user": "5", "emoji": "heart",
            "added_at": 1_800_000_000_000_i64, "added_by": "gateway",
        })
    };
    // serde_json sorts fields by name: the columns have another order.
    let ordered = |row: serde_json::Value| {
        let mut fields = IndexMap::new();
        let names = [
            "forum", "topic", "post", "user", "emoji", "added_at", "added_by",
        ];
        for name in names.iter().chain(&["removed_at", "is_super"]) {
            if let Some(value) = row.get(name) {
                fields.insert((*name).to_owned(), value.clone());
            }
        }
        fields
    };
    let as_is = |_: &mut Vec<u8>| ();
    let sound = file_of(&ordered(like()), as_is);
    assert!(is_sound(&sound));
    let with = |name: &str, value: serde_json::Value| {
        let mut row = like();
        row[name] = value;
        file_of(&ordered(row), as_is)
    };
    let without = |name: &str| {
        let mut row = ordered(like());
        row.shift_remove(name);
        file_of(&row, as_is)
    };
    let changed =
        |old: &[u8], new: &[u8]| file_of(&ordered(like()), |bytes| replace(bytes, old, new));

    // A field that nobody knows yet, and one that may be nil or absent.
    assert!(is_sound(&with("is_super", true.into())));
    assert!(is_sound(&with("removed_at", ().into())));
    assert!(is_sound(&with("added_by", ().into())));

    let refused = [
        ("a number as an id", with("post", 12.into())),
        ("an id with a leading zero", with("post", "012".into())),
        ("a number as an enum", with("added_by", 0.into())),
        ("an unknown variant", with("added_by", "fax".into())),
        ("nil where something is required", with("emoji", ().into())),
        ("a text as a time", with("added_at", "now".into())),
        ("an absent field", without("added_at")),
        ("an absent last field", without("added_by")),
        ("a text as bytes", changed(b"\xa5heart", b"\xc4\x05heart")),
        (
            "a text not in its shortest form",
            changed(b"\xa5heart", b"\xd9\x05heart"),
        ),
        (
            "a text that is no UTF-8",
            changed(b"\xa5heart", b"\xa5hea\xffx"),
        ),
        ("a repeated field", changed(b"\xa4user", b"\xa4post")),
        (
            "a row that is an array",
            changed(b"\x87\xa5forum", b"\x97\xa5forum"),
        ),
        (
            "more fields than there are",
            changed(b"\x87\xa5forum", b"\x88\xa5forum"),
        ),
        (
            "a map not in its shortest form",
            changed(b"\x87\xa5forum", b"\xde\x00\x07\xa5forum"),
        ),
        (
            "a number in more bytes than it takes",
            changed(b"\xcf\x00\x00\x01", b"\xd3\x00\x00\x01"),
        ),
        ("a float", changed(b"\xcf\x00\x00\x01", b"\xcb\x00\x00\x01")),
        ("something after the rows", [&sound[..], b"\x91"].concat()),
        ("another space's", encode(&SCHEMA, &Id::new(8), &mut [])),
    ];
    for (what, file) in refused {
        assert!(!is_sound(&file), "{what}");
    }
    let mut swapped = ordered(like());
    swapped.swap_indices(2, 3);
    assert!(
        !is_sound(&file_of(&swapped, as_is)),
        "fields in another order"
    );
}
