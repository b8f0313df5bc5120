//! Reads a space of an archive, checking every byte.
//!
//! Owns what it means to read consistently while somebody exports. What is wrong with a file is decided in
//! [`super::check`], for all readers alike; of what they want, none may pass over anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem, thread,
};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::query::{Batch, Query, Tally};
use super::{
    canonical::Problem,
    check,
    check_rows::{self, Checked, Expected, Keys},
    coverage,
    file::{FileRef, Kind, longest, named, unpack},
    layout::{ALWAYS, LIMITS, Limits},
    manifest::{Covered, Line, MANIFEST_LIMIT, Manifest, ONE_LIST, Open, ROOT, manifest_path},
    period::Period,
    references::References,
};
use crate::{ArchiveError, DataArchive, Hash, Id, Level, Schema, Scope, manifest::Counts};

/// How many files are listed that are damaged.
pub const MOST_FAULTS: usize = 100;

/// How many shards of a part list are read at a time.
const LISTS: usize = 16;

/// An archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The place failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no root.
    #[error("there is no {ROOT}: nothing was exported here yet, or this is no archive")]
    Empty,
    /// A file is not as it should be.
    #[error(
        "{path} is damaged: {problem}; put back an intact copy, or have it made again from the mirror \
         (`propsbot export --repair`)"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        problem: Problem,
    },
    /// A file is not there.
    #[error(
        "{0} is missing: put it back from a copy, or have it made again from the mirror (`propsbot export \
         --repair`)"
    )]
    Missing(String),
    /// A newer manifest was published meanwhile, and a file of the old one is gone.
    #[error("the archive was changed while it was read; read it again")]
    Superseded,
}

fn damaged(path: &str) -> impl FnOnce(Problem) -> ReadError {
    let path = path.to_owned();
    move |problem| ReadError::Damaged { path, problem }
}

/// The spaces of an archive.
pub async fn spaces(archive: &dyn DataArchive, schema: &Schema) -> Result<Vec<Id>, ReadError> {
    let bytes = archive
        .read(ROOT, MANIFEST_LIMIT)
        .await?
        .ok_or(ReadError::Empty)?;
    let root = check::root(schema, &bytes).map_err(damaged(ROOT))?;
    Ok(root.spaces)
}

/// One generation of a space.
pub struct SpaceReader<'a> {
    archive: &'a dyn DataArchive,
    schema: &'static Schema,
    limits: Limits,
    manifest: Manifest,
    hash: Hash,
}

/// What is done with rows.
type Each<'a> = dyn FnMut(&Batch<'_>) -> Result<(), ReadError> + Send + 'a;

/// What is done about a fault: to give up with it, or to note it and go on.
type Faults<'a> = dyn FnMut(ReadError) -> Result<(), ReadError> + Send + 'a;

/// A reading under way.
struct Reading<'a> {
    query: &'a Query,
    each: &'a mut Each<'a>,
    faults: &'a mut Faults<'a>,
    /// The parts that are listed, and those that have a row.
    listed: BTreeSet<Id>,
    described: BTreeSet<Id>,
    keys: Keys,
    references: References,
    /// How long the rows of each open file are.
    open: BTreeMap<Period, u64>,
    tally: Tally,
}

impl Reading<'_> {
    /// Notes rows that are sound by themselves, and checks them against all others.
    fn take(&mut self, expected: &Expected, checked: &mut Checked) -> Result<(), Problem> {
        let (group, references) = (&checked.group, mem::take(&mut checked.references));
        if self.query.is_whole()
            && let Some(table) = group.table
        {
            let part = group.part.as_ref();
            self.references
                .take(part, table.name, &checked.ids, references);
        }
        self.described.extend(checked.parts.iter().cloned());
        match expected {
            Expected::Base(..) => self.keys.base(&checked.keys),
            Expected::Open(open) => {
                *self.open.entry(open.period).or_default() += checked.bytes;
                let part = checked.group.part.as_ref();
                if !part.is_some_and(|part| self.listed.contains(part)) {
                    return Err("it has rows of a part that is not listed".to_owned());
                }
                self.keys.open(&checked.keys)
            }
        }
    }

    fn fault(&mut self, path: &str, problem: Problem) -> Result<(), ReadError> {
        (self.faults)(damaged(path)(problem))
    }
}

impl<'a> SpaceReader<'a> {
    /// Opens a space at its current generation.
    pub async fn open(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
        space: &Id,
    ) -> Result<Self, ReadError> {
        let path = manifest_path(space);
        let bytes = archive.read(&path, MANIFEST_LIMIT).await?;
        let bytes = bytes.ok_or_else(|| ReadError::Missing(path.clone()))?;
        Ok(Self {
            archive,
            schema,
            limits: LIMITS,
            manifest: check::manifest(schema, space, &bytes).map_err(damaged(&path))?,
            hash: Hash::of(&bytes),
        })
    }

    /// The space, written within these limits.
    #[cfg(test)]
    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The manifest: which generation is read, and how old it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The hash of the manifest's bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Hands the rows that are asked for to `each`: those of the space, then those in open files, then those of
    /// each part. Stops at the first thing that is wrong with a file that it reads.
    pub async fn read(&self, query: &Query, each: &mut Each<'_>) -> Result<Tally, ReadError> {
        self.read_with(query, &mut |batch| each(batch), &mut Err)
            .await
    }

    /// Reads all, and notes what is wrong: the first faults, and how many there are.
    pub async fn verify(&self) -> Result<(Tally, Vec<ReadError>, usize), ReadError> {
        let mut faults = Vec::new();
        let mut count = 0;
        let mut note = |fault| match fault {
            ReadError::Archive(_) | ReadError::Superseded => Err(fault),
            fault => {
                count += 1;
                if faults.len() < MOST_FAULTS {
                    faults.push(fault);
                }
                Ok(())
            }
        };
        let tally = self
            .read_with(&Query::all(), &mut |_| Ok(()), &mut note)
            .await?;
        Ok((tally, faults, count))
    }

    /// The parts, with what is covered of each.
    pub async fn parts(&self) -> Result<Vec<(Line, Vec<Covered>)>, ReadError> {
        let lines = self.lines(&mut Tally::default()).await?.into_iter();
        Ok(lines
            .map(|line| (line.clone(), self.covered(&line)))
            .collect())
    }

    fn covered(&self, line: &Line) -> Vec<Covered> {
        let manifest = &self.manifest;
        let exception = manifest.exceptions.get(&line.id).map(Vec::as_slice);
        coverage::of_reader(
            &line.covered,
            manifest.covered_to,
            exception,
            manifest.stamps,
        )
    }

    async fn read_with<'r>(
        &self,
        query: &'r Query,
        each: &'r mut Each<'r>,
        faults: &'r mut Faults<'r>,
    ) -> Result<Tally, ReadError> {
        let manifest = &self.manifest;
        let path = manifest_path(&manifest.space);
        let mut tally = Tally::default();
        // Without the lists, nothing else can be judged.
        let lines = self.lines(&mut tally).await?;
        let days = self.days(&mut tally).await?;
        let mut reading = Reading {
            query,
            each,
            faults,
            listed: lines.iter().map(|line| line.id.clone()).collect(),
            described: BTreeSet::new(),
            keys: Keys::default(),
            references: References::default(),
            open: BTreeMap::new(),
            tally,
        };
        let own_rows = check::together(self.schema, manifest, &lines, &days);
        let own_rows = own_rows.or_else(|problem| {
            reading.fault(&path, problem)?;
            Ok::<_, ReadError>(Counts::new())
        })?;
        let files = self
            .base(None, manifest.index, &own_rows, &mut reading)
            .await?;
        self.files(files, &mut reading).await?;
        let is_whole = query.has_table(self.schema.parts) && query.times == ALWAYS;
        if is_whole && reading.listed != reading.described {
            let problem = "the parts that it lists are not those that have a row";
            reading.fault(&path, problem.to_owned())?;
        }
        if own_rows.get(self.schema.spaces) != Some(&1) {
            reading.fault(&path, "the space has no row of its own".to_owned())?;
        }
        if !query.has_level(self.schema, Level::Part) {
            return Ok(reading.tally);
        }
        let open: Vec<&Open> = days.iter().chain(&manifest.hours).collect();
        let wanted = open
            .iter()
            .filter(|open| query.overlaps(&open.period.times()));
        let wanted: Vec<Expected> = wanted.map(|open| Expected::Open((*open).clone())).collect();
        let is_all = wanted.len() == open.len();
        self.files(wanted, &mut reading).await?;
        if is_all
            && let Err(problem) =
                check_rows::splits(manifest.stamps, self.limits.parts, &reading.open)
        {
            reading.fault(&path, problem)?;
        }
        for line in lines.iter().filter(|line| query.has_part(&line.id)) {
            reading.keys.next_part();
            let files = self
                .base(Some(&line.id), line.index, &line.rows, &mut reading)
                .await?;
            self.files(files, &mut reading).await?;
            if let Err(problem) = reading.references.end(&line.id, &self.covered(line)) {
                reading.fault(&path, problem)?;
            }
        }
        reading.tally.unresolved = reading.references.unresolved;
        Ok(reading.tally)
    }

    /// The files of an index that the query asks for.
    async fn base(
        &self,
        part: Option<&Id>,
        index: Option<FileRef>,
        listed: &Counts,
        reading: &mut Reading<'_>,
    ) -> Result<Vec<Expected>, ReadError> {
        let query = reading.query;
        let Some(file) = index else {
            return Ok(Vec::new());
        };
        let read = self
            .file(Kind::Index, file, &mut reading.tally)
            .await
            .and_then(|bytes| {
                let index = check::index(
                    self.schema,
                    self.limits,
                    &self.manifest,
                    part,
                    listed,
                    &bytes,
                );
                index.map_err(damaged(&named(Kind::Index, file.hash)))
            });
        let index = match read {
            Ok(index) => index,
            Err(fault) => {
                (reading.faults)(fault)?;
                return Ok(Vec::new());
            }
        };
        let tables = index
            .tables
            .into_iter()
            .filter(|(table, _)| query.has_table(table));
        let entries = tables.flat_map(|(table, entries)| {
            let entries = entries
                .into_iter()
                .filter(|entry| query.overlaps(&entry.period.times()));
            entries.map(move |entry| Expected::Base(part.cloned(), table.clone(), entry))
        });
        Ok(entries.collect())
    }

    /// Reads files of rows, several at a time.
    async fn files(
        &self,
        files: Vec<Expected>,
        reading: &mut Reading<'_>,
    ) -> Result<(), ReadError> {
        let ahead = thread::available_parallelism().map_or(1, usize::from);
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let reads: Vec<_> = files
            .into_iter()
            .map(|expected| self.rows(expected))
            .collect();
        let mut reads = stream::iter(reads).buffered(ahead);
        while let Some(read) = reads.next().await {
            let (expected, bytes, mut checked) = match read {
                Ok(read) => read,
                Err(fault) => {
                    (reading.faults)(fault)?;
                    continue;
                }
            };
            reading.tally.files += 1;
            reading.tally.bytes += bytes.len() as u64;
            for checked in &mut checked {
                if let Err(problem) = reading.take(&expected, checked) {
                    reading.fault(&named(Kind::Rows, expected.file().hash), problem)?;
                    continue;
                }
                let (group, query) = (&checked.group, reading.query);
                let Some(table) = group.table else { continue };
                *reading.tally.rows.entry(group.name.clone()).or_default() +=
                    u64::from(group.count);
                let is_wanted = group.part.as_ref().is_none_or(|part| query.has_part(part));
                if is_wanted && query.has_table(table.name) {
                    let space = self.manifest.space.clone();
                    (reading.each)(&Batch {
                        scope: Scope {
                            space,
                            part: group.part.clone(),
                        },
                        table: table.name,
                        times: &query.times,
                        array: group.array(&bytes),
                    })?;
                }
            }
        }
        Ok(())
    }

    async fn rows(
        &self,
        expected: Expected,
    ) -> Result<(Expected, Vec<u8>, Vec<Checked>), ReadError> {
        let file = expected.file();
        let path = named(Kind::Rows, file.hash);
        let packed = self.found(&path, file).await?;
        let (schema, space, newest) = (
            self.schema,
            self.manifest.space.clone(),
            self.manifest.newest,
        );
        // Inflating, hashing and decoding is the work of several cores.
        let check = move || {
            let bytes = unpack(&packed, file)?;
            let checked = check_rows::rows(schema, &space, newest, &expected, &bytes)?;
            Ok((expected, bytes, checked))
        };
        let checked = tokio::task::spawn_blocking(check).await;
        let checked = checked.map_err(|error| ArchiveError::Stopped(error.to_string()))?;
        checked.map_err(damaged(&path))
    }

    async fn lines(&self, tally: &mut Tally) -> Result<Vec<Line>, ReadError> {
        let Some(file) = self.manifest.parts.list else {
            return Ok(Vec::new());
        };
        let mut lists = vec![(None, file)];
        if self.manifest.parts.count > ONE_LIST {
            let bytes = self.file(Kind::Directory, file, tally).await?;
            let directory = check::directory(&self.manifest, &bytes);
            let directory = directory.map_err(damaged(&named(Kind::Directory, file.hash)))?;
            let shards = directory.shards.into_iter();
            lists = shards
                .map(|shard| (Some(shard.shard), shard.file))
                .collect();
        }
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let reads: Vec<_> = lists
            .into_iter()
            .map(|(shard, file)| self.list(shard, file))
            .collect();
        let lists: Vec<(Vec<Line>, u64)> =
            stream::iter(reads).buffered(LISTS).try_collect().await?;
        tally.files += lists.len() as u64;
        tally.bytes += lists.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let mut lines: Vec<Line> = lists.into_iter().flat_map(|(lines, _)| lines).collect();
        lines.sort_by(|one, next| one.id.cmp(&next.id));
        Ok(lines)
    }

    async fn list(&self, shard: Option<u8>, file: FileRef) -> Result<(Vec<Line>, u64), ReadError> {
        let bytes = self.file(Kind::Parts, file, &mut Tally::default()).await?;
        let list = check::list(self.schema, &self.manifest, shard, &bytes);
        let list = list.map_err(damaged(&named(Kind::Parts, file.hash)))?;
        Ok((list, file.bytes))
    }

    async fn days(&self, tally: &mut Tally) -> Result<Vec<Open>, ReadError> {
        let Some(file) = self.manifest.days else {
            return Ok(Vec::new());
        };
        let bytes = self.file(Kind::Days, file, tally).await?;
        let days = check::days(&self.manifest, &bytes);
        days.map_err(damaged(&named(Kind::Days, file.hash)))
    }

    async fn file(
        &self,
        kind: Kind,
        file: FileRef,
        tally: &mut Tally,
    ) -> Result<Vec<u8>, ReadError> {
        let path = named(kind, file.hash);
        let packed = self.found(&path, file).await?;
        let bytes = unpack(&packed, file).map_err(damaged(&path))?;
        tally.files += 1;
        tally.bytes += bytes.len() as u64;
        Ok(bytes)
    }

    /// A file as it is found.
    async fn found(&self, path: &str, file: FileRef) -> Result<Vec<u8>, ReadError> {
        match self.archive.read(path, longest(file)).await {
            Ok(None) => {}
            Ok(Some(packed)) => return Ok(packed),
            Err(ArchiveError::TooLong { longest, .. }) => {
                let problem = format!("it is longer than {longest} bytes");
                return Err(damaged(path)(problem));
            }
            Err(error) => return Err(error.into()),
        }
        let own = manifest_path(&self.manifest.space);
        let now = self.archive.read(&own, MANIFEST_LIMIT).await?;
        Err(if now.is_some_and(|now| Hash::of(&now) == self.hash) {
            ReadError::Missing(path.to_owned())
        } else {
            ReadError::Superseded
        })
    }
}
