//! Reads a space of an archive, and checks every byte of what it reads.
//!
//! Owns what a consistent reading is while somebody exports. [`check`] and [`check_rows`] decide what is wrong
//! with a file: `verify`, `restore` and `graph` all read through here, so they refuse the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    thread,
};

use futures::{
    channel::mpsc,
    future,
    sink::SinkExt as _,
    stream::{self, BoxStream, StreamExt, TryStreamExt},
};

use super::{
    check,
    check_rows::{self, Checked, Expected, Keys},
    coverage,
    error::{ReadError, check_kind, damaged},
    file::{FileRef, Kind, named, unpack},
    files::{SpaceFiles, read},
    layout::{ALWAYS, LIMITS, Limits},
    manifest::{Covered, Line, MANIFEST_LIMIT, Manifest, ONE_LIST, Open, manifest_path},
    query::{Batch, Query, Tally},
    reading::{Faults, Reading},
    references::References,
    verify::Depth,
};
use crate::{ArchiveError, DataArchive, Hash, Id, Level, Schema, Scope, manifest::Counts};

/// How many shards of a part list are read at a time.
const LISTS: usize = 16;

/// One generation of a space.
pub struct SpaceReader<'a> {
    files: SpaceFiles<'a>,
    schema: &'static Schema,
    limits: Limits,
}

impl<'a> SpaceReader<'a> {
    /// Opens a space at its current generation; `None` if it has no manifest.
    pub async fn open(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
        space: &Id,
    ) -> Result<Option<Self>, ReadError> {
        let path = manifest_path(space);
        let Some(bytes) = read(archive, &path, MANIFEST_LIMIT).await? else {
            return Ok(None);
        };
        check_kind(&path, schema, &bytes)?;
        let files = SpaceFiles {
            archive,
            manifest: check::manifest(schema, space, &bytes).map_err(damaged(&path))?,
            hash: Hash::of(&bytes),
        };
        Ok(Some(Self {
            files,
            schema,
            limits: LIMITS,
        }))
    }

    /// The space, written within these limits.
    #[cfg(test)]
    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The manifest: which generation is read, and how old it is.
    pub fn manifest(&self) -> &Manifest {
        &self.files.manifest
    }

    /// The hash of the manifest's bytes.
    pub fn hash(&self) -> Hash {
        self.files.hash
    }

    /// The rows that are asked for, a table and part of a file at a time: those of the space, then those in open
    /// files, then those of each part. Each row comes once. Ends with the first thing that is wrong with a file
    /// that it reads; no more than a few files are in memory.
    pub fn batches<'s>(&'s self, query: &'s Query) -> BoxStream<'s, Result<Batch, ReadError>> {
        let (each, batches) = mpsc::channel(0);
        let reading = async move {
            let mut give_up = Err;
            let read = self.read_with(query, Depth::Whole, Some(each), &mut give_up);
            read.await.err().map(Err)
        };
        let end = stream::once(reading).filter_map(future::ready);
        stream::select(batches.map(Ok), end).boxed()
    }

    /// Reads all, down to this depth, and hands what is wrong to `faults`.
    pub(super) async fn verify(
        &self,
        depth: Depth,
        faults: &mut Faults<'_>,
    ) -> Result<Tally, ReadError> {
        self.read_with(&Query::all(), depth, None, faults).await
    }

    /// The parts, with what is covered of each.
    pub async fn parts(&self) -> Result<Vec<(Line, Vec<Covered>)>, ReadError> {
        let lines = self.lines(&mut Tally::default()).await?.into_iter();
        Ok(lines
            .map(|line| (line.clone(), self.covered(&line)))
            .collect())
    }

    fn covered(&self, line: &Line) -> Vec<Covered> {
        let manifest = &self.files.manifest;
        let exception = manifest.exceptions.get(&line.id).map(Vec::as_slice);
        coverage::of_reader(
            &line.covered,
            manifest.covered_to,
            exception,
            manifest.stamps,
        )
    }

    async fn read_with(
        &self,
        query: &Query,
        depth: Depth,
        each: Option<mpsc::Sender<Batch>>,
        faults: &mut Faults<'_>,
    ) -> Result<Tally, ReadError> {
        let manifest = &self.files.manifest;
        let path = manifest_path(&manifest.space);
        let mut tally = Tally::default();
        // Without the lists, nothing else can be judged.
        let lines = self.lines(&mut tally).await?;
        let days = self.days(&mut tally).await?;
        let mut reading = Reading {
            query,
            depth,
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
        self.rows_of(files, &mut reading).await?;
        let is_whole =
            depth == Depth::Whole && query.has_table(self.schema.parts) && query.times == ALWAYS;
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
        self.rows_of(wanted, &mut reading).await?;
        if is_all
            && depth == Depth::Whole
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
            self.rows_of(files, &mut reading).await?;
            if let Err(problem) = reading
                .references
                .end(&line.id, &self.covered(line), |_| true)
            {
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
                    &self.files.manifest,
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
    async fn rows_of(
        &self,
        files: Vec<Expected>,
        reading: &mut Reading<'_>,
    ) -> Result<(), ReadError> {
        if reading.depth == Depth::Structure {
            return Ok(());
        }
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
            let bytes = Arc::new(bytes);
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
                if is_wanted
                    && query.has_table(table.name)
                    && let Some(each) = &mut reading.each
                {
                    let batch = Batch {
                        scope: Scope {
                            space: self.files.manifest.space.clone(),
                            part: group.part.clone(),
                        },
                        table: table.name,
                        count: group.count,
                        times: query.times.clone(),
                        file: expected.file().hash,
                        array: group.array(),
                        bytes: Arc::clone(&bytes),
                        ids: mem::take(&mut checked.ids),
                        references: mem::take(&mut checked.references),
                    };
                    // Fails if nobody takes them any more; then nobody asks for the rest either.
                    let _ = each.send(batch).await;
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
        let packed = self.files.packed(&path, file).await?;
        let (schema, space, newest) = (
            self.schema,
            self.files.manifest.space.clone(),
            self.files.manifest.newest,
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
        let Some(file) = self.files.manifest.parts.list else {
            return Ok(Vec::new());
        };
        let mut lists = vec![(None, file)];
        if self.files.manifest.parts.count > ONE_LIST {
            let bytes = self.file(Kind::Directory, file, tally).await?;
            let directory = check::directory(&self.files.manifest, &bytes);
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
        let list = check::list(self.schema, &self.files.manifest, shard, &bytes);
        let list = list.map_err(damaged(&named(Kind::Parts, file.hash)))?;
        Ok((list, file.bytes))
    }

    async fn days(&self, tally: &mut Tally) -> Result<Vec<Open>, ReadError> {
        let Some(file) = self.files.manifest.days else {
            return Ok(Vec::new());
        };
        let bytes = self.file(Kind::Days, file, tally).await?;
        let days = check::days(&self.files.manifest, &bytes);
        days.map_err(damaged(&named(Kind::Days, file.hash)))
    }

    async fn file(
        &self,
        kind: Kind,
        file: FileRef,
        tally: &mut Tally,
    ) -> Result<Vec<u8>, ReadError> {
        let bytes = self.files.read(kind, file).await?;
        tally.files += 1;
        tally.bytes += bytes.len() as u64;
        Ok(bytes)
    }
}
