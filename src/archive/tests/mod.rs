//! A mirror in memory and an archive of it, which tests change and export step by step.

mod cache;
mod canonical;
mod damage;
mod earlier;
mod export;
pub(super) mod forum;
mod forums;
mod lies;
mod page;
mod promise;
mod query;
mod rows;
mod weeks;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use futures::TryStreamExt as _;
use indexmap::IndexMap;

use self::forum::{Forum, Like, Number, Post, SCHEMA, Topic};
use super::{
    archive_reader::ArchiveReader,
    error::ReadError,
    file::{FileRef, Kind, PartRow, named, unpack},
    layout::{ALWAYS, Limits, Stamps},
    manifest::{Covered, Manifest, ROOT, Root, manifest_path},
    period::{Period, Unit},
    plan::plan_within,
    query::{Batch, Query},
    reader::SpaceReader,
    request::{Changed, ExportPart, Files, Mark, Plan, Previous, Request, Source},
    verify::Depth,
};
use crate::{EncodedRow, Hash, Id, MemoryArchive, Millis, Row, Scope, SourceError};

const FORUM: u64 = 7;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// All rows of a forum, by part, table and key.
#[derive(Clone, Default)]
struct Mirror {
    rows: BTreeMap<(Option<Id>, &'static str, Vec<u8>), EncodedRow>,
    /// The same, of parts, by time.
    times: BTreeSet<(Millis, Id, &'static str, Vec<u8>)>,
}

impl Mirror {
    fn put<R: Row>(&mut self, part: Option<u64>, row: &R) -> Vec<Mark> {
        let row = EncodedRow::new(row);
        let key = (part.map(Id::new), R::TABLE, row.key.sort.clone());
        let mut marks = self.remove(&key);
        if let Some(part) = &key.0 {
            self.times
                .insert((row.key.time, part.clone(), key.1, key.2.clone()));
        }
        marks.push(mark(key.0.clone(), R::TABLE, row.key.time));
        self.rows.insert(key, row);
        marks
    }

    fn remove(&mut self, key: &(Option<Id>, &'static str, Vec<u8>)) -> Vec<Mark> {
        let Some(old) = self.rows.remove(key) else {
            return Vec::new();
        };
        if let Some(part) = &key.0 {
            self.times
                .remove(&(old.key.time, part.clone(), key.1, key.2.clone()));
        }
        vec![mark(key.0.clone(), key.1, old.key.time)]
    }
}

/// Marks by hour; the archive makes months of them where it needs to.
fn mark(part: Option<Id>, table: &'static str, time: Millis) -> Mark {
    let scope = Scope {
        space: Id::new(FORUM),
        part,
    };
    let period = Some(Period::of(Unit::Hour, time));
    Mark {
        scope,
        table,
        period,
    }
}

impl Source for Mirror {
    fn newest(&self, _: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let last = self.times.iter().rev().find(|(time, ..)| *time <= clock);
        Ok(last.map(|(time, ..)| *time))
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let first = (scope.part.clone(), table, Vec::new());
        let rows = self.rows.range(first..);
        let rows = rows.take_while(|((part, name, _), _)| (part, *name) == (&scope.part, table));
        let mut rows: Vec<&EncodedRow> = rows
            .map(|(_, row)| row)
            .filter(|row| times.contains(&row.key.time))
            .collect();
        rows.sort_by_key(|row| row.key.time);
        rows.into_iter().try_for_each(|row| each(row.clone()))
    }

    fn recent(
        &self,
        _: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let first = (*times.start(), Id::from(""), "", Vec::new());
        let rows = self.times.range(first..);
        for (_, part, table, sort) in rows.take_while(|(time, ..)| time <= times.end()) {
            let row = self.rows[&(Some(part.clone()), *table, sort.clone())].clone();
            each(PartRow {
                part: Some(part.clone()),
                table,
                row,
            })?;
        }
        Ok(())
    }
}

type Stored = BTreeMap<String, Vec<u8>>;

impl Files for Stored {
    fn read(&self, kind: Kind, file: FileRef) -> Result<Vec<u8>, SourceError> {
        let packed = self.get(&named(kind, file.hash)).ok_or("it is missing")?;
        Ok(unpack(packed, file)?)
    }
}

/// What was read of an archive: rows as they are written, by part, table and key.
type Rows = BTreeMap<(Option<Id>, &'static str, Vec<u8>), Vec<u8>>;

/// Takes rows as they are written.
fn take<R: Row>(batch: &Batch, rows: &mut Rows) {
    for row in batch.rows::<R>().unwrap() {
        let row = EncodedRow::new(&row);
        let key = (batch.scope.part.clone(), R::TABLE, row.key.sort);
        assert!(rows.insert(key, row.bytes).is_none());
    }
}

/// Reads rows of a forum's archive, and what `verify` says of it.
fn read(files: &Stored, limits: Limits, query: &Query) -> Result<(Rows, SpaceTold), ReadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let archive = MemoryArchive::from(files.clone());
    runtime.block_on(async {
        let archive = ArchiveReader::open(&archive, &SCHEMA).await?;
        let [reader] = archive.into_spaces().try_into().ok().unwrap();
        assert_eq!(reader.manifest().space, Id::new(FORUM));
        let reader = reader.within(limits);
        let read = read_space(&reader, query).await;
        let mut faults = Vec::new();
        let mut note = |fault| {
            faults.push(fault);
            Ok(())
        };
        let verified = reader.verify(Depth::Whole, &mut note).await;
        faults.extend(verified.err());
        // They refuse the same.
        if query.parts.is_none() && query.tables.is_none() && query.times == ALWAYS {
            assert_eq!(read.is_ok(), faults.is_empty(), "{read:?}, {faults:?}");
        }
        let rows = read?;
        let parts = reader.parts().await?;
        let covered = parts.into_iter().map(|(line, covered)| (line.id, covered));
        Ok((rows, covered.collect()))
    })
}

async fn read_space(reader: &SpaceReader<'_>, query: &Query) -> Result<Rows, ReadError> {
    let mut rows = Rows::new();
    let mut batches = reader.batches(query);
    while let Some(batch) = batches.try_next().await? {
        match batch.table {
            Forum::TABLE => take::<Forum>(&batch, &mut rows),
            Topic::TABLE => take::<Topic>(&batch, &mut rows),
            Post::TABLE => take::<Post>(&batch, &mut rows),
            Like::TABLE => take::<Like>(&batch, &mut rows),
            _ => unreachable!(),
        }
    }
    Ok(rows)
}

fn in_runtime<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(what)
}

/// What is covered of each part.
type SpaceTold = BTreeMap<Id, Vec<Covered>>;

/// A mirror and its archive.
struct World {
    mirror: Mirror,
    files: Stored,
    manifest: Option<(Hash, Manifest, Vec<u8>)>,
    marks: Vec<Mark>,
    topics: BTreeMap<u64, String>,
    hidden: BTreeSet<u64>,
    covered: BTreeMap<u64, Vec<Covered>>,
    stamps: Option<Stamps>,
    damaged: BTreeSet<String>,
    limits: Limits,
}

/// What an export wrote.
#[derive(Clone, Copy, Default)]
struct Written {
    files: usize,
    bytes: usize,
}

impl World {
    fn new(limits: Limits) -> Self {
        let mut world = Self {
            mirror: Mirror::default(),
            files: Stored::new(),
            manifest: None,
            marks: Vec::new(),
            topics: BTreeMap::new(),
            hidden: BTreeSet::new(),
            covered: BTreeMap::new(),
            stamps: None,
            damaged: BTreeSet::new(),
            limits,
        };
        let name = "a forum".to_owned();
        world.put(
            None,
            &Forum {
                id: Number(FORUM),
                name,
            },
        );
        world
    }

    fn put<R: Row>(&mut self, part: Option<u64>, row: &R) {
        let marks = self.mirror.put(part, row);
        self.marks.extend(marks);
    }

    fn topic(&mut self, id: u64, name: &str) {
        let name = name.to_owned();
        self.topics.insert(id, name.clone());
        self.put(
            None,
            &Topic {
                forum: Number(FORUM),
                id: Number(id),
                name,
            },
        );
    }

    fn post(&mut self, topic: u64, id: u64, text: &str, edited_at: Option<Millis>) {
        let post = Post {
            forum: Number(FORUM),
            topic: Number(topic),
            id: Number(id),
            author: Number(forum::id_at(Millis(1_500_000_000_000), id % 50)),
            text: Some(text.to_owned()),
            mentions: Vec::new(),
            edited_at,
        };
        self.put(Some(topic), &post);
    }

    fn like(&mut self, topic: u64, post: u64, user: u64, seen: Option<Millis>) {
        let like = Like {
            forum: Number(FORUM),
            topic: Number(topic),
            post: Number(post),
            user: Number(user),
            emoji: "❤️".to_owned(),
            added_at: seen,
            added_by: seen.map(|_| "gateway".to_owned()),
            removed_at: None,
        };
        self.put(Some(topic), &like);
    }

    fn delete(&mut self, topic: u64, table: &'static str, sort: Vec<u8>) {
        let marks = self.mirror.remove(&(Some(Id::new(topic)), table, sort));
        self.marks.extend(marks);
    }

    fn request(&self, now: Millis, changed: Changed) -> Request {
        let shown = self
            .topics
            .iter()
            .filter(|(id, _)| !self.hidden.contains(id));
        Request {
            schema: &SCHEMA,
            now,
            heard_at: Some(now),
            id: Id::new(FORUM),
            name: "a forum".to_owned(),
            synced: IndexMap::new(),
            history: None,
            stamps: self.stamps,
            parts: shown
                .map(|(id, name)| ExportPart {
                    id: Id::new(id),
                    name: name.clone(),
                    covered: self.covered.get(id).cloned().unwrap_or_default(),
                })
                .collect(),
            changed,
            damaged: self.damaged.clone(),
        }
    }

    fn export(&mut self, now: Millis) -> (Plan, Written) {
        let marks = std::mem::take(&mut self.marks);
        self.export_as(now, Changed::Marks(marks))
    }

    fn export_as(&mut self, now: Millis, changed: Changed) -> (Plan, Written) {
        let request = self.request(now, changed);
        let previous = self.manifest.as_ref().map(|(hash, manifest, _)| Previous {
            hash: *hash,
            manifest: manifest.clone(),
        });
        let mut new = Stored::new();
        let files = &self.files;
        let mut put = |object: crate::Object| {
            assert!(new.insert(object.path, object.bytes).is_none());
            Ok(())
        };
        let plan = plan_within(
            self.limits,
            previous.as_ref(),
            &request,
            &self.mirror,
            files,
            &mut put,
        )
        .unwrap();
        let mut written = Written::default();
        if let Some((manifest, bytes)) = &plan.manifest {
            let is_new = |path: &String| self.damaged.contains(path) || !files.contains_key(path);
            new.retain(|path, _| !plan.remove.contains(path) && is_new(path));
            written.files = new.len() + 1;
            written.bytes = new.values().map(Vec::len).sum::<usize>() + bytes.len();
            self.files.extend(new);
            self.files.retain(|path, _| !plan.remove.contains(path));
            self.manifest = Some((Hash::of(bytes), manifest.clone(), bytes.clone()));
        } else {
            new.retain(|path, _| !files.contains_key(path));
            assert!(
                new.is_empty(),
                "files are made that nothing names: {:?}",
                new.keys()
            );
        }
        (plan, written)
    }

    /// All files, the root and the manifest included.
    fn all_files(&self) -> Stored {
        let mut files = self.files.clone();
        let root = Root::print(SCHEMA.provider, vec![Id::new(FORUM)]);
        files.insert(ROOT.to_owned(), root);
        if let Some((_, manifest, bytes)) = &self.manifest {
            files.insert(manifest_path(&manifest.space), bytes.clone());
        }
        files
    }

    /// The rows that the archive should have.
    fn rows(&self, is_wanted: impl Fn(&Option<Id>, &str, Millis) -> bool) -> Rows {
        let hidden = |id: &Id| self.hidden.contains(&id.as_str().parse().unwrap());
        let rows = self.mirror.rows.iter().filter(|((part, table, _), row)| {
            let about = part.as_ref().or(row.part.as_ref());
            !about.is_some_and(hidden) && is_wanted(part, table, row.key.time)
        });
        rows.map(|(key, row)| (key.clone(), row.bytes.clone()))
            .collect()
    }

    /// The same rows, exported at once with the same stamps.
    fn fresh(&self, now: Millis) -> Self {
        let mut fresh = Self {
            mirror: self.mirror.clone(),
            files: Stored::new(),
            manifest: None,
            marks: Vec::new(),
            topics: self.topics.clone(),
            hidden: self.hidden.clone(),
            covered: self.covered.clone(),
            stamps: self
                .manifest
                .as_ref()
                .and_then(|(_, manifest, _)| manifest.stamps),
            damaged: BTreeSet::new(),
            limits: self.limits,
        };
        fresh.export_as(now, Changed::Everything);
        fresh
    }

    fn stamps(&self) -> Option<(String, String)> {
        let stamps = self.manifest.as_ref()?.1.stamps?;
        Some((stamps.hours_from.to_string(), stamps.days_from.to_string()))
    }
}
