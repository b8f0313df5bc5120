//! The lists that a manifest names: of the parts (one file, or shards and their directory), and of the open files
//! by day.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check,
    file::{FileRef, Kind, named},
    manifest::{
        Directory, Line, ListHead, Manifest, ONE_LIST, Open, Parts, Shard, print, print_list,
        shard_of,
    },
    request::{Files, PlanError},
};
use crate::{Id, Schema};

/// Keeps a new file, and names it.
pub(super) type Store<'a> = dyn FnMut(Kind, &[u8]) -> Result<FileRef, PlanError> + 'a;

/// The part list that a manifest names, and the paths of its files.
pub(super) fn read(
    files: &dyn Files,
    schema: &Schema,
    manifest: &Manifest,
    paths: &mut BTreeSet<String>,
) -> Result<BTreeMap<Id, Line>, PlanError> {
    let Some(list) = manifest.parts.list else {
        return Ok(BTreeMap::new());
    };
    let mut lists = vec![(None, list)];
    if manifest.parts.count > ONE_LIST {
        let path = named(Kind::Directory, list.hash);
        paths.insert(path.clone());
        let directory = files.read(Kind::Directory, list);
        let directory = directory.and_then(|bytes| Ok(check::directory(manifest, &bytes)?));
        let directory = directory.map_err(|source| PlanError::File { path, source })?;
        let shards = directory.shards.into_iter();
        lists = shards
            .map(|shard| (Some(shard.shard), shard.file))
            .collect();
    }
    let named = lists.iter().map(|(_, file)| named(Kind::Parts, file.hash));
    let named: Vec<String> = named.collect();
    paths.extend(named.iter().cloned());
    let all: Vec<FileRef> = lists.iter().map(|(_, file)| *file).collect();
    let read = files.read_all(Kind::Parts, &all);
    let mut lines = BTreeMap::new();
    for (((shard, _), path), list) in lists.into_iter().zip(named).zip(read) {
        let list = list.and_then(|bytes| Ok(check::list(schema, manifest, shard, &bytes)?));
        let list = list.map_err(|source| PlanError::File { path, source })?;
        lines.extend(list.into_iter().map(|line| (line.id.clone(), line)));
    }
    Ok(lines)
}

/// The open files by day that a manifest names, and the path of their list.
pub(super) fn days(
    files: &dyn Files,
    manifest: &Manifest,
    paths: &mut BTreeSet<String>,
) -> Result<Vec<Open>, PlanError> {
    let Some(file) = manifest.days else {
        return Ok(Vec::new());
    };
    let path = named(Kind::Days, file.hash);
    paths.insert(path.clone());
    let days = files.read(Kind::Days, file);
    let days = days.and_then(|bytes| Ok(check::days(manifest, &bytes)?));
    days.map_err(|source| PlanError::File { path, source })
}

/// Writes the part list of these lines, sorted by id. Returns what names it, and the paths of its files.
pub(super) fn write(
    space: &Id,
    lines: &[Line],
    store: &mut Store<'_>,
) -> Result<(Parts, Vec<String>), PlanError> {
    let mut paths = Vec::new();
    let mut keep = |kind: Kind, bytes: &[u8]| {
        let file = store(kind, bytes)?;
        paths.push(named(kind, file.hash));
        Ok(file)
    };
    let mut file = |shard: Option<u8>, lines: &[&Line]| {
        let space = space.clone();
        keep(Kind::Parts, &print_list(&ListHead { space, shard }, lines))
    };
    let list = if lines.is_empty() {
        None
    } else if lines.len() <= ONE_LIST {
        Some(file(None, &lines.iter().collect::<Vec<_>>())?)
    } else {
        let mut shards: BTreeMap<u8, Vec<&Line>> = BTreeMap::new();
        for line in lines {
            shards.entry(shard_of(&line.id)).or_default().push(line);
        }
        let mut directory = Directory {
            space: space.clone(),
            shards: Vec::new(),
        };
        for (shard, lines) in shards {
            let file = file(Some(shard), &lines)?;
            directory.shards.push(Shard { shard, file });
        }
        Some(keep(Kind::Directory, &print(&directory))?)
    };
    let count = lines.len();
    Ok((Parts { count, list }, paths))
}
