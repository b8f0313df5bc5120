//! An archive's files, and how to change what they say so that everything that names them still fits.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path, slice};

use flate2::read::GzDecoder;
use propsbot_archive::{
    Hash, ROOT,
    file::{Kind, pack},
    manifest::{print, print_checked},
};
use rmpv::Value;

/// Rows by table.
pub(crate) type Counts = BTreeMap<String, i64>;

/// An archive's files, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// The root or a manifest.
    Checked,
    Named(Kind),
    /// A page for people.
    Page,
}

pub(crate) fn form(path: &str) -> Form {
    let Some((folder, name)) = path.split_once('/') else {
        return if path == ROOT {
            Form::Checked
        } else {
            Form::Page
        };
    };
    Form::Named(match folder {
        "rows" => Kind::Rows,
        "indexes" => Kind::Index,
        "days" => Kind::Days,
        "parts" if name.ends_with(".jsonl.gz") => Kind::Parts,
        "parts" => Kind::Directory,
        _ => return Form::Checked,
    })
}

pub(crate) fn inflate(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The values of a file; of a part list, one for each line.
fn parse(form: Form, bytes: &[u8]) -> Value {
    match form {
        Form::Named(Kind::Rows) => rmpv::decode::read_value(&mut &*bytes).unwrap(),
        Form::Named(Kind::Parts) => {
            let lines = bytes.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty());
            Value::Array(
                lines
                    .map(|line| serde_json::from_slice(line).unwrap())
                    .collect(),
            )
        }
        _ => serde_json::from_slice(bytes).unwrap(),
    }
}

fn write(form: Form, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match form {
        Form::Named(Kind::Rows) => rmpv::encode::write_value(&mut bytes, value).unwrap(),
        Form::Named(Kind::Parts) => {
            // What was changed may be no list of lines any more: then it is the one line.
            let lines = value
                .as_array()
                .map_or(slice::from_ref(value), Vec::as_slice);
            for line in lines {
                bytes.extend(print(line));
                bytes.push(b'\n');
            }
        }
        Form::Checked => {
            let mut value = value.clone();
            if let Value::Map(fields) = &mut value {
                fields.retain(|(name, _)| name.as_str() != Some("checksum"));
            }
            bytes = print_checked(&value);
        }
        _ => bytes = print(value),
    }
    bytes
}

/// The value to which this path leads: names of fields and numbers of items.
pub(crate) fn at<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    let steps = path.split('/').filter(|step| !step.is_empty());
    steps.fold(value, |value, step| match value {
        Value::Array(items) => match step {
            "last" => items.last_mut().unwrap(),
            step => &mut items[step.parse::<usize>().unwrap()],
        },
        Value::Map(fields) => {
            let mut fields = fields.iter_mut();
            let field = fields.find(|(name, _)| step == "*" || name.as_str() == Some(step));
            &mut field.unwrap_or_else(|| panic!("no {step}")).1
        }
        _ => panic!("no {step}"),
    })
}

pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let mut fields = value.as_map()?.iter();
    fields
        .find(|(own, _)| own.as_str() == Some(name))
        .map(|(_, value)| value)
}

/// Adds to a number of rows, or to several by table.
fn count(rows: &mut Value, added: &Counts) {
    if let Value::Map(tables) = rows {
        for (table, more) in added {
            let own = tables
                .iter_mut()
                .find(|(name, _)| name.as_str() == Some(table));
            match own {
                Some((_, rows)) => *rows = (rows.as_i64().unwrap() + more).into(),
                None => tables.push((table.as_str().into(), (*more).into())),
            }
        }
        tables.retain(|(_, rows)| rows.as_i64() != Some(0));
    } else {
        *rows = (rows.as_i64().unwrap() + added.values().sum::<i64>()).into();
    }
}

/// Has what names `old` name `new`, and counts its rows. Returns whether anything did.
fn rename(value: &mut Value, old: &str, new: (Hash, usize), added: &Counts) -> bool {
    match value {
        Value::Array(items) => {
            let found = items
                .iter_mut()
                .filter_map(|item| rename(item, old, new, added).then_some(()));
            found.count() > 0
        }
        Value::Map(fields) => {
            let is = |field: &(Value, Value)| {
                field.0.as_str() == Some("hash") && field.1.as_str() == Some(old)
            };
            let is_named = fields.iter().any(is);
            let mut is_counted = is_named;
            let mut found = is_named;
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    Some("hash") if is_named => *value = new.0.to_string().into(),
                    Some("bytes") if is_named => *value = new.1.into(),
                    name => {
                        let is_inside = rename(value, old, new, added);
                        found |= is_inside;
                        is_counted |= is_inside && name == Some("index");
                    }
                }
            }
            let rows = fields
                .iter_mut()
                .find(|(name, _)| name.as_str() == Some("rows"));
            if let Some((_, rows)) = rows
                && is_counted
            {
                count(rows, added);
            }
            found
        }
        _ => false,
    }
}

impl Files {
    /// All files of a folder, but for the lock of its writer.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with(".lock") {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                    files.insert(name.to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        Self(files)
    }

    /// Brings a folder with these files to those.
    pub(crate) fn write(&self, folder: &Path, those: &Self) {
        for path in self.0.keys().filter(|path| !those.0.contains_key(*path)) {
            fs::remove_file(folder.join(path)).unwrap();
        }
        for (path, bytes) in &those.0 {
            if self.0.get(path) != Some(bytes) {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }

    /// The paths of this form.
    pub(crate) fn of(&self, wanted: Form) -> Vec<String> {
        let paths = self.0.keys().filter(|path| form(path) == wanted);
        paths.cloned().collect()
    }

    pub(crate) fn manifest(&self) -> String {
        let mut paths = self.of(Form::Checked).into_iter();
        paths.find(|path| path != ROOT).unwrap()
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        match form(path) {
            Form::Named(_) => inflate(&self.0[path]),
            _ => self.0[path].clone(),
        }
    }

    pub(crate) fn value(&self, path: &str) -> Value {
        parse(form(path), &self.bytes(path))
    }

    /// Changes what a file says, and has everything that names it fit. `change` returns how many rows it added.
    pub(crate) fn change(&mut self, path: &str, change: impl FnOnce(&mut Value) -> Counts) {
        let mut value = self.value(path);
        let added = change(&mut value);
        self.replace(path, &write(form(path), &value), &added);
    }

    /// Puts other bytes in the place of a file, under their own name, and has everything that names it fit.
    pub(crate) fn replace(&mut self, path: &str, bytes: &[u8], added: &Counts) {
        let Form::Named(kind) = form(path) else {
            self.0.insert(path.to_owned(), bytes.to_vec());
            return;
        };
        let old = path.rsplit('/').next().unwrap();
        let old = old.split('.').next().unwrap().to_owned();
        self.0.remove(path);
        let (file, object) = pack(kind, bytes);
        self.0.insert(object.path, object.bytes);
        let manifest = self.manifest();
        for path in self.0.keys().cloned().collect::<Vec<_>>() {
            // It may have been replaced by now, and what was changed may be no list any more.
            let is_list = !matches!(form(&path), Form::Named(Kind::Rows) | Form::Page);
            if !is_list || !self.0.contains_key(&path) {
                continue;
            }
            let bytes = self.bytes(&path);
            if !bytes.windows(old.len()).any(|text| text == old.as_bytes()) {
                continue;
            }
            let mut value = parse(form(&path), &bytes);
            let new = (file.hash, usize::try_from(file.bytes).unwrap());
            assert!(rename(&mut value, &old, new, added), "{path}");
            if path == manifest
                && field(&value, "index").is_none_or(|index| !names(index, file.hash))
            {
                count(at(&mut value, "rows"), added);
            }
            self.replace(&path, &write(form(&path), &value), added);
        }
    }
}

/// Whether this is what names a file.
fn names(file: &Value, hash: Hash) -> bool {
    field(file, "hash").and_then(Value::as_str) == Some(&hash.to_string())
}
