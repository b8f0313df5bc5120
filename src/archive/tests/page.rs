//! The specification that each archive carries is enough to read it: its example is what an export writes, and its
//! Python reads an archive and refuses a damaged one.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Output},
};

use serde_json::Value;

use super::{
    damage::{SOUND, inflate, sound},
    forum::id_at,
    *,
};
use crate::{document::format_md, layout::LIMITS, manifest::ONE_LIST};

/// The code in these fences.
fn code(page: &str, language: &str) -> Vec<String> {
    let fences = page.split("```").skip(1).step_by(2);
    let code = fences.filter_map(|fence| fence.strip_prefix(language)?.strip_prefix('\n'));
    code.map(str::to_owned).collect()
}

/// Runs the page's program, and then `more`, on an archive.
fn python(files: &Stored, more: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let program = code(&format_md(&[&SCHEMA]), "python").join("\n") + more;
    let python = Command::new("python3")
        .arg("-c")
        .arg(program)
        .arg(folder.path())
        .output();
    python.expect("python3 is needed to test the reader that archives carry")
}

/// The rows that the page's program read, by table, in order.
fn read_by_python(files: &Stored) -> BTreeMap<String, Vec<Value>> {
    let output = python(files, "\nprint(json.dumps(spaces[0][2]))\n");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    sorted(serde_json::from_str(printed.lines().last().unwrap()).unwrap())
}

fn sorted(mut rows: BTreeMap<String, Vec<Value>>) -> BTreeMap<String, Vec<Value>> {
    for rows in rows.values_mut() {
        rows.sort_by_key(Value::to_string);
    }
    rows
}

fn of_world(world: &World) -> BTreeMap<String, Vec<Value>> {
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for ((_, table, _), row) in world.rows(|_, _, _| true) {
        let row = rmp_serde::from_slice(&row).unwrap();
        rows.entry(table.to_owned()).or_default().push(row);
    }
    sorted(rows)
}

#[test]
fn its_python_reads_every_row() {
    let world = sound().world;
    assert_eq!(read_by_python(&world.all_files()), of_world(&world));

    let mut large = World::new(LIMITS);
    for topic in 0..=ONE_LIST as u64 {
        let id = id_at(Millis(1_790_000_000_000), topic);
        large.topic(id, "a topic, \u{2028}\u{85}🎉");
        large.post(id, id + 1, &"word ".repeat(40), None);
    }
    large.export(Millis(1_799_000_000_000));
    assert_eq!(read_by_python(&large.all_files()), of_world(&large));
}

#[test]
fn its_python_refuses_damage() {
    assert!(python(&SOUND, "").status.success());
    let mut kinds = BTreeMap::new();
    for path in SOUND.keys() {
        kinds.insert(path.split('/').next(), path);
    }
    for path in kinds.into_values() {
        for place in [2, 3] {
            let mut files = SOUND.clone();
            let bytes = files.get_mut(path).unwrap();
            let middle = bytes.len() * place / 4;
            bytes[middle] ^= 2;
            assert!(!python(&files, "").status.success(), "{path}");
        }
        let mut files = SOUND.clone();
        files.remove(path);
        assert!(!python(&files, "").status.success(), "{path}");
    }
}

#[test]
fn its_example_is_what_an_export_writes() {
    let at = |time: &str| Millis(time.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let (now, mut world) = (at("2026-11-23T13:00Z"), World::new(LIMITS));
    let topic = id_at(at("2026-10-05T09:00Z"), 1);
    world.topic(topic, "Bridges");
    world.post(
        topic,
        id_at(at("2026-11-23T12:30Z"), 2),
        "Thank you all",
        None,
    );
    let covered = Covered {
        after: Millis(0),
        to: now,
    };
    world.covered.insert(topic, vec![covered]);
    world.export(now);
    let files = world.all_files();

    let page = format_md(&[&SCHEMA]);
    let (_, example) = page.split_once("## A worked example").unwrap();
    let (example, _) = example.split_once("\n## ").unwrap();
    let [root, manifest, index, parts, rows] = &code(example, "json")[..] else {
        panic!("the example shows five files")
    };
    let one_line = |json: &str| json.lines().map(str::trim_start).collect::<String>();
    let named = |folder: &str| {
        let mut named = files
            .iter()
            .filter(|(path, _)| path.starts_with(folder) && example.contains(*path));
        inflate(named.next().unwrap().1)
    };
    assert_eq!(one_line(root) + "\n", text(&files[ROOT]));
    assert_eq!(one_line(manifest) + "\n", text(&files["spaces/7.json"]));
    assert_eq!(one_line(index), text(&named("indexes/")));
    assert_eq!(parts, text(&named("parts/")));
    let rows: Value = serde_json::from_str(rows).unwrap();
    assert_eq!(
        rows,
        rmp_serde::from_slice::<Value>(&named("rows/")).unwrap()
    );
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
