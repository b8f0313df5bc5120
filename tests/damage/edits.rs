//! Changes of an archive's files, after which all hashes fit.

use std::{
    collections::BTreeSet,
    mem,
    time::{SystemTime, UNIX_EPOCH},
};

use propsbot_archive::file::{Kind, named, pack};
use rmpv::Value;
use simulator::discord::snowflake::time_of;

use crate::files::{Counts, Files, Form, at, field};

pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn nothing() -> Counts {
    Counts::new()
}

pub(crate) fn one(table: &str, rows: i64) -> Counts {
    [(table.to_owned(), rows)].into()
}

pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    field(value, name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

pub(crate) fn set(value: &mut Value, name: &str, new: impl Into<Value>) {
    *at(value, name) = new.into();
}

pub(crate) fn remove(value: &mut Value, name: &str) {
    let Value::Map(fields) = value else {
        panic!("no map")
    };
    fields.retain(|(own, _)| own.as_str() != Some(name));
}

pub(crate) fn push(value: &mut Value, new: Value) {
    let Value::Array(items) = value else {
        panic!("no array")
    };
    items.push(new);
}

pub(crate) fn add(value: &mut Value, name: &str, new: impl Into<Value>) {
    let Value::Map(fields) = value else {
        panic!("no map")
    };
    fields.push((name.into(), new.into()));
}

pub(crate) fn swap(value: &mut Value, one: usize, other: usize) {
    let Value::Array(items) = value else {
        panic!("no array")
    };
    items.swap(one, other);
}

pub(crate) fn rows_of(entry: &Value) -> String {
    named(Kind::Rows, text(entry, "hash").parse().unwrap())
}

/// An index, and its entries of the files of a table, of which there are at least so many. One that isn't the last has
/// several rows, or the only one.
pub(crate) fn index(files: &Files, table: &str, least: usize) -> (String, Vec<Value>) {
    let paths = files.of(Form::Named(Kind::Index)).into_iter();
    let mut found = paths.filter_map(|path| {
        let value = files.value(&path);
        let entries = field(field(&value, "tables")?, table)?.as_array()?.clone();
        let is_sought = entries.len() >= least && entries.iter().rev().skip(least - 1).any(is_long);
        is_sought.then_some((path, entries))
    });
    found.next_back().unwrap()
}

/// Whether a file has several rows.
fn is_long(entry: &Value) -> bool {
    field(entry, "rows").unwrap().as_u64() > Some(1)
}

/// A file of the base, with several rows of this table.
pub(crate) fn base(files: &Files, table: &str) -> String {
    let (_, entries) = index(files, table, 1);
    rows_of(entries.iter().find(|entry| is_long(entry)).unwrap())
}

/// The last open file.
pub(crate) fn open(files: &Files) -> String {
    let manifest = files.value(&files.manifest());
    rows_of(
        field(&manifest, "hours")
            .unwrap()
            .as_array()
            .unwrap()
            .last()
            .unwrap(),
    )
}

/// Changes the last message of a file of the base.
pub(crate) fn message(files: &mut Files, change: impl FnOnce(&mut Value)) {
    let path = base(files, "messages");
    files.change(&path, |value| {
        change(at(value, "tables/0/rows/last"));
        nothing()
    });
}

pub(crate) fn reaction(files: &mut Files, change: impl FnOnce(&mut Value)) {
    let path = base(files, "reactions");
    files.change(&path, |value| {
        change(at(value, "tables/0/rows/0"));
        nothing()
    });
}

pub(crate) fn manifest(files: &mut Files, change: impl FnOnce(&mut Value)) {
    let path = files.manifest();
    files.change(&path, |value| {
        change(value);
        nothing()
    });
}

/// Changes a file of this form.
pub(crate) fn list(files: &mut Files, form: Kind, change: impl FnOnce(&mut Value)) {
    let path = files.of(Form::Named(form)).remove(0);
    files.change(&path, |value| {
        change(value);
        nothing()
    });
}

/// Changes the line of a part that has an index.
pub(crate) fn line(files: &mut Files, change: impl FnOnce(&mut Value)) {
    list(files, Kind::Parts, |lines| {
        let Value::Array(lines) = lines else {
            panic!("no lines")
        };
        let mut lines = lines.iter_mut().skip(1);
        let has_index = |line: &&mut Value| field(line, "index").is_some_and(Value::is_map);
        change(lines.find(has_index).unwrap());
    });
}

/// Replaces bytes of a file of the base.
pub(crate) fn bytes(files: &mut Files, table: &str, old: &[u8], new: &[u8]) {
    let path = base(files, table);
    let mut bytes = files.bytes(&path);
    let at = bytes.windows(old.len()).position(|bytes| bytes == old);
    let at = at.unwrap_or_else(|| panic!("no {old:?}"));
    bytes.splice(at..at + old.len(), new.iter().copied());
    files.replace(&path, &bytes, &nothing());
}

/// A reaction of the base once more, in an open file where it lies as well as there.
pub(crate) fn repeat_reaction(files: &mut Files) {
    let open = open(files);
    let opened = files.value(&open);
    let groups = field(&opened, "tables").unwrap().as_array().unwrap();
    let number = groups
        .iter()
        .position(|group| text(group, "table") == "reactions")
        .unwrap();
    let part = text(&groups[number], "part");
    // When the message there was posted.
    let message = text(&field(&groups[number], "rows").unwrap()[0], "message_id");
    let added = time_of(message.parse().unwrap());
    let paths = files.of(Form::Named(Kind::Index)).into_iter();
    let mut own = paths
        .map(|path| files.value(&path))
        .filter(|index| text(index, "part") == part);
    let index = own.next().unwrap();
    let entry = &field(field(&index, "tables").unwrap(), "reactions").unwrap()[0];
    let mut copy = files.value(&rows_of(entry));
    let mut copy = at(&mut copy, "tables/0/rows/0").clone();
    set(&mut copy, "added_at", added);
    set(&mut copy, "added_by", "gateway");
    files.change(&open, |value| {
        let Value::Array(rows) = at(value, &format!("tables/{number}/rows")) else {
            panic!("no rows")
        };
        rows.insert(0, copy);
        one("reactions", 1)
    });
}

/// Each group of rows, with its file and its number there.
fn groups(files: &Files) -> Vec<(String, usize, Value)> {
    let of = |path: String| {
        let mut value = files.value(&path);
        let Value::Array(groups) = at(&mut value, "tables") else {
            panic!("no tables")
        };
        let groups = mem::take(groups).into_iter().enumerate();
        let groups = groups.map(move |(number, group)| (path.clone(), number, group));
        groups.collect::<Vec<_>>()
    };
    let paths = files.of(Form::Named(Kind::Rows)).into_iter();
    paths.flat_map(of).collect()
}

fn rows(group: &Value) -> &[Value] {
    let rows = field(group, "rows").and_then(Value::as_array);
    rows.map_or(&[], Vec::as_slice)
}

/// A message goes that has a reaction, from a file of several. Only reactions of the base count: one in an open file may
/// be later than what is covered.
pub(crate) fn drop_message(files: &mut Files) {
    let groups = groups(files);
    let indexes = files.of(Form::Named(Kind::Index)).into_iter();
    let base: BTreeSet<String> = indexes
        .flat_map(|path| {
            let value = files.value(&path);
            let tables = field(&value, "tables").and_then(Value::as_map).cloned();
            let tables = tables.into_iter().flatten();
            let entries = tables.filter_map(|(_, entries)| entries.as_array().cloned());
            entries
                .flatten()
                .map(|entry| rows_of(&entry))
                .collect::<Vec<_>>()
        })
        .collect();
    let base = groups.iter().filter(|(path, ..)| base.contains(path));
    let all = base.flat_map(|(_, _, group)| rows(group));
    let reacted: BTreeSet<String> = all.map(|row| text(row, "message_id")).collect();
    let found = groups.iter().find_map(|(path, group_number, group)| {
        let rows = rows(group);
        let is_reacted = |row: &Value| {
            let id = text(row, "id");
            !id.is_empty() && reacted.contains(&id)
        };
        let number = rows.iter().position(is_reacted)?;
        (rows.len() > 1).then_some((path, group_number, number))
    });
    let (path, group, number) = found.expect("a message with a reaction in a file of several");
    files.change(path, |value| {
        let Value::Array(rows) = at(value, &format!("tables/{group}/rows")) else {
            panic!("no rows")
        };
        rows.remove(number);
        one("messages", -1)
    });
}

/// A row in the file of the next period.
pub(crate) fn move_row(files: &mut Files) {
    let (_, entries) = index(files, "messages", 2);
    let mut moved = Value::Nil;
    let from = entries[..entries.len() - 1]
        .iter()
        .position(is_long)
        .unwrap();
    files.change(&rows_of(&entries[from]), |value| {
        let Value::Array(rows) = at(value, "tables/0/rows") else {
            panic!("no rows")
        };
        moved = rows.pop().unwrap();
        one("messages", -1)
    });
    files.change(&rows_of(&entries[from + 1]), |value| {
        let Value::Array(rows) = at(value, "tables/0/rows") else {
            panic!("no rows")
        };
        rows.insert(0, moved);
        one("messages", 1)
    });
}

/// A file of a table that no reader knows, in the base of a part.
pub(crate) fn unknown_table(files: &mut Files) {
    let (path, entries) = index(files, "messages", 1);
    let mut value = files.value(&rows_of(&entries[0]));
    set(&mut value, "tables/0/table", "polls");
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &value).unwrap();
    let (file, object) = pack(Kind::Rows, &bytes);
    files.0.insert(object.path, object.bytes);
    files.change(&path, |index| {
        let mut entry = entries[0].clone();
        set(&mut entry, "hash", file.hash.to_string());
        set(&mut entry, "bytes", file.bytes);
        let rows = field(&entry, "rows").unwrap().as_i64().unwrap();
        add(at(index, "tables"), "polls", Value::Array(vec![entry]));
        one("polls", rows)
    });
}
