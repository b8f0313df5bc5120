//! Lists, indexes and manifests that lie, although what names them has their hashes.

use serde_json::Value;

use super::{
    damage::{SOUND, inflate, kind, relink},
    earlier::exported,
    promise::SMALL,
    *,
};
use crate::{RowSource, read_rows};

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
