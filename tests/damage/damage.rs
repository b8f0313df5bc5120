//! Random damage of a file of an archive.

use propsbot_archive::{
    Hash,
    file::{Kind, pack},
};
use proptest::prelude::*;
use rmpv::Value;

use crate::files::{Counts, Files, Form, form};

/// What is done to some file.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// Its bytes change as they lie there.
    Stored(Vec<Edit>),
    /// What it inflates to changes, under the same name.
    Inflated(Vec<Edit>),
    /// The same, under its own name, which everything that named it names now.
    Renamed(Vec<Edit>),
    /// A value that it has is replaced, and named soundly.
    Value(usize, usize),
    /// It is gone.
    Removed,
    /// It and another one lie in each other's place.
    Swapped(usize),
}

/// A change of some bytes.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Flip(usize),
    Cut(usize),
    Append(Vec<u8>),
    Insert(usize, u8),
    Drop(usize),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>;
    let edit = prop_oneof![
        4 => at().prop_map(Edit::Flip),
        1 => at().prop_map(Edit::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Edit::Append),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        1 => at().prop_map(Edit::Drop),
    ];
    let one = at().prop_map(|at| vec![Edit::Flip(at)]);
    let some = prop::collection::vec(edit, 1..3);
    prop_oneof![
        4 => prop_oneof![one, some.clone()].prop_map(Damage::Stored),
        1 => some.clone().prop_map(Damage::Inflated),
        4 => some.prop_map(Damage::Renamed),
        5 => (at(), at()).prop_map(|(which, what)| Damage::Value(which, what)),
        1 => Just(Damage::Removed),
        1 => at().prop_map(Damage::Swapped),
    ]
}

impl Edit {
    fn to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Append(more) => bytes.extend(more),
            Self::Insert(at, byte) => bytes.insert(at % (bytes.len() + 1), *byte),
            _ if bytes.is_empty() => {}
            Self::Flip(at) => {
                let at = at % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            Self::Cut(at) => bytes.truncate(at % bytes.len()),
            Self::Drop(at) => drop(bytes.remove(at % bytes.len())),
        }
    }
}

/// Calls `change` with the value of this number, counted from the outermost.
fn nth(value: &mut Value, number: &mut usize, change: &mut dyn FnMut(&mut Value)) {
    if *number == 0 {
        change(value);
    }
    *number = number.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| nth(item, number, change)),
        Value::Map(fields) => fields
            .iter_mut()
            .for_each(|(_, field)| nth(field, number, change)),
        _ => {}
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Map(fields) => fields.iter().map(|(_, field)| size(field)).sum(),
        _ => 0,
    }
}

/// Puts something else, by this number, in the place of a value.
fn replace(value: &mut Value, by: usize) {
    let number = value.as_i64();
    let new = match (by % 12, number) {
        (0, Some(number)) => number.wrapping_add(1).into(),
        (1, Some(number)) => number.wrapping_sub(1).into(),
        (2, Some(number)) => number.wrapping_mul(1000).into(),
        (3, Some(number)) => number.to_string().into(),
        (0..=3, None) => {
            match value {
                Value::Array(items) if items.len() > 1 => match by % 4 {
                    0 => items.reverse(),
                    1 => drop(items.remove(by / 12 % items.len())),
                    _ => items.push(items[0].clone()),
                },
                Value::Map(fields) if !fields.is_empty() => match by % 4 {
                    0 => fields.reverse(),
                    1 => drop(fields.remove(by / 12 % fields.len())),
                    _ => fields.push(("unknown".into(), true.into())),
                },
                Value::String(text) => {
                    let text = format!("{}{}", text.as_str().unwrap_or_default(), by % 4);
                    *value = text.into();
                }
                _ => *value = 0.into(),
            }
            return;
        }
        (4, _) => Value::Nil,
        (5, _) => true.into(),
        (6, _) => u64::MAX.into(),
        (7, _) => i64::MIN.into(),
        (8, _) => "".into(),
        (9, _) => (1_u64 << 53).to_string().into(),
        (10, _) => Value::Array(Vec::new()),
        _ => Value::Map(Vec::new()),
    };
    *value = new;
}

const FORMS: [Form; 6] = [
    Form::Checked,
    Form::Named(Kind::Directory),
    Form::Named(Kind::Parts),
    Form::Named(Kind::Days),
    Form::Named(Kind::Index),
    Form::Named(Kind::Rows),
];

/// Some file, of any form that there is.
fn some(files: &Files, of: usize, which: usize) -> String {
    let paths = FORMS.map(|form| files.of(form));
    let paths: Vec<_> = paths
        .into_iter()
        .filter(|paths| !paths.is_empty())
        .collect();
    // Of rows there are many.
    let of = &paths[(of % (paths.len() + 2)).min(paths.len() - 1)];
    of[which % of.len()].clone()
}

/// How long the end of a root or manifest is that the checksum doesn't count.
const CHECKSUM: usize = ",\"checksum\":\"\"}\n".len() + 64;

impl Damage {
    /// The archive with this damage of some file, and whether everything in it is named soundly.
    pub(crate) fn of(&self, sound: &Files, (of, which): (usize, usize)) -> (Files, bool) {
        let mut files = sound.clone();
        let path = some(&files, of, which);
        let edited = |mut bytes: Vec<u8>, edits: &[Edit]| {
            for edit in edits {
                edit.to(&mut bytes);
            }
            bytes
        };
        match self {
            Self::Stored(edits) => {
                let bytes = edited(files.0[&path].clone(), edits);
                files.0.insert(path, bytes);
            }
            Self::Inflated(edits) => {
                let mut bytes = edited(files.bytes(&path), edits);
                if let Form::Named(kind) = form(&path) {
                    bytes = pack(kind, &bytes).1.bytes;
                }
                files.0.insert(path, bytes);
            }
            Self::Renamed(edits) => {
                let mut bytes = files.bytes(&path);
                if form(&path) == Form::Checked {
                    bytes.truncate(bytes.len() - CHECKSUM);
                    bytes = edited(bytes, edits);
                    let checksum = Hash::of(&bytes);
                    bytes.extend(format!(",\"checksum\":\"{checksum}\"}}\n").into_bytes());
                } else {
                    bytes = edited(bytes, edits);
                }
                files.replace(&path, &bytes, &Counts::new());
                return (files, true);
            }
            Self::Value(which, by) => {
                files.change(&path, |value| {
                    let mut number = which % size(value);
                    nth(value, &mut number, &mut |value| replace(value, *by));
                    Counts::new()
                });
                return (files, true);
            }
            Self::Removed => drop(files.0.remove(&path)),
            Self::Swapped(other) => {
                let other = some(&files, *other, which / 2);
                let (one, two) = (files.0[&path].clone(), files.0[&other].clone());
                files.0.insert(path, two);
                files.0.insert(other, one);
            }
        }
        (files, false)
    }
}
