//! Reads a space of an archive, and checks every byte of what it reads.
//!
//! Owns what a consistent reading is while somebody exports. [`check`] and [`check_rows`] decide what is wrong
//! with a file: `verify`, `restore` and `graph` all read through here, so they refuse the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use futures::{
    channel::mpsc,
    future::{self, FutureExt as _, OptionFuture, TryFutureExt as _},
    sink::SinkExt as _,
    stream::{self, BoxStream, StreamExt},
};

use super::{
    ahead::Ahead,
    check,
    check_rows::{self, Checked, Expected, Keys},
    coverage,
    error::{ReadError, check_kind, damaged},
    file::{FileRef, Kind, named, unpack},
    files::{READS, SpaceFiles, read},
    layout::{ALWAYS, Base, LIMITS, Limits},
    manifest::{Covered, Index, Line, MANIFEST_LIMIT, Manifest, Open, manifest_path},
    query::{Batch, NeededFile, Query, Tally},
    reading::{Faults, Reading},
    references::References,
    space_lists::Lists,
    verify::Depth,
};
use crate::{ArchiveError, DataArchive, Hash, Id, Level, Schema, Scope, manifest::Counts};

/// A file of rows, its bytes, and what was found in them.
type RowFile = (Expected, Vec<u8>, Vec<Checked>);

/// A step of reading the bases of parts.
enum Step<'a> {
    Rows(Result<RowFile, ReadError>),
    /// All rows in the base of a part were read.
    EndOf(&'a Line),
}

/// One generation of a space.
pub struct SpaceReader<'a> {
    files: SpaceFiles<'a>,
    /// How long the manifest is.
    bytes: u64,
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
            kept: None,
            manifest: check::manifest(schema, space, &bytes).map_err(damaged(&path))?,
            hash: Hash::of(&bytes),
        };
        Ok(Some(Self {
            files,
            bytes: bytes.len() as u64,
            schema,
            limits: LIMITS,
        }))
    }

    /// The space, written within these limits.
    #[cfg(test)]
    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same space, for a reader of several tables, one after the other: fetches files that it needs for
    /// all of them only once.
    #[must_use]
    pub(super) fn keeping(mut self) -> Self {
        self.files.kept = Some(Arc::default());
        self
    }

    /// The manifest: which generation is read, and how old it is.
    pub fn manifest(&self) -> &Manifest {
        &self.files.manifest
    }

    /// The schema that it is read with.
    pub(super) fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// How long the manifest is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The files of this generation.
    pub(super) fn files(&self) -> &SpaceFiles<'a> {
        &self.files
    }

    /// The hash of the manifest's bytes.
    pub fn hash(&self) -> Hash {
        self.files.hash
    }

    /// The rows that are asked for, a table and part of a file at a time, the newest first: those of the space,
    /// then those in open files, then those of each part. Each row comes once. Ends with the first thing that is
    /// wrong with a file that it reads; no more than a few files are in memory.
    pub fn batches<'s>(&'s self, query: &'s Query) -> BoxStream<'s, Result<Batch, ReadError>> {
        let lists = self.lists(query, Tally::default());
        let begun = lists.map_ok(|lists| self.batches_of(query, lists));
        begun.try_flatten_stream().boxed()
    }

    /// The rows that are asked for, of the parts on these lists.
    pub(super) fn batches_of<'s>(
        &'s self,
        query: &'s Query,
        lists: Lists,
    ) -> BoxStream<'s, Result<Batch, ReadError>> {
        let (each, batches) = mpsc::channel(0);
        let reading = async move {
            let mut give_up = Err;
            let read = self.read_with(query, lists, Depth::Whole, Some(each), &mut give_up);
            read.await.err().map(Err)
        };
        let end = stream::once(reading).filter_map(future::ready);
        stream::select(batches.map(Ok), end).boxed()
    }

    /// The files that a query reads, of the parts on these lists.
    pub(super) async fn needed(
        &self,
        query: &Query,
        lists: Lists,
    ) -> Result<Vec<NeededFile>, ReadError> {
        let mut give_up = Err;
        let read = self.read_with(query, lists, Depth::Structure, None, &mut give_up);
        Ok(read.await?.needed.unwrap_or_default())
    }

    /// Reads all, down to this depth, and hands what is wrong to `faults`.
    pub(super) async fn verify(
        &self,
        depth: Depth,
        faults: &mut Faults<'_>,
    ) -> Result<Tally, ReadError> {
        // Without the lists, nothing else can be judged.
        let query = Query::all();
        let lists = self.lists(&query, Tally::default()).await?;
        self.read_with(&query, lists, depth, None, faults).await
    }

    /// The parts, with what is covered of each. Checks the lists.
    pub async fn parts(&self) -> Result<Vec<(Line, Vec<Covered>)>, ReadError> {
        let lists = self.lists(&Query::all(), Tally::default()).await?;
        let manifest = &self.files.manifest;
        let checked = check::together(self.schema, manifest, &lists.lines, &lists.days);
        checked.map_err(damaged(&manifest_path(&manifest.space)))?;
        Ok(self.with_coverage(lists.lines))
    }

    /// The same for a reader of rows, which compares the numbers of rows once it reads all lists.
    pub(super) async fn listed_parts(&self) -> Result<Vec<(Line, Vec<Covered>)>, ReadError> {
        let mut lists = Lists::default();
        self.lines(&Query::all(), &mut lists).await?;
        Ok(self.with_coverage(lists.lines))
    }

    fn with_coverage(&self, lines: Vec<Line>) -> Vec<(Line, Vec<Covered>)> {
        let lines = lines.into_iter();
        lines
            .map(|line| (line.clone(), self.covered(&line)))
            .collect()
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

    /// Whether rows of parts are asked for.
    pub(super) fn asks_for_parts(&self, query: &Query) -> bool {
        query.has_level(self.schema, Level::Part)
    }

    /// Whether all rows are read that describe parts, so that they can be held against the lists.
    pub(super) fn describes_parts(&self, query: &Query) -> bool {
        query.has_table(self.schema.parts) && query.is_of_all_times()
    }

    async fn read_with(
        &self,
        query: &Query,
        lists: Lists,
        depth: Depth,
        each: Option<mpsc::Sender<Batch>>,
        faults: &mut Faults<'_>,
    ) -> Result<Tally, ReadError> {
        let manifest = &self.files.manifest;
        let path = manifest_path(&manifest.space);
        let listed = lists.lines.iter().map(|line| line.id.clone()).collect();
        let mut reading = Reading {
            query: Arc::new(query.clone()),
            depth,
            each,
            faults,
            listed: lists.has_all_parts.then_some(listed),
            described: BTreeSet::new(),
            keys: Keys::default(),
            references: References::default(),
            open: BTreeMap::new(),
            tally: lists.tally,
        };
        let own_rows = if lists.has_all_parts && lists.has_all_days {
            let own_rows = check::together(self.schema, manifest, &lists.lines, &lists.days);
            Some(own_rows.or_else(|problem| {
                reading.fault(&path, problem)?;
                Ok::<_, ReadError>(Counts::new())
            })?)
        } else {
            None
        };
        let mut own_tables = self.schema.tables_of(Level::Space);
        let has_own = query.is_whole()
            || own_tables.any(|table| {
                query.reaches(self.schema, table.name, &ALWAYS)
                    && manifest.rows.contains_key(table.name)
            });
        if let Some(index) = manifest.index.filter(|_| has_own) {
            let read = self.index(None, index, own_rows.as_ref()).await;
            let files = reading.base(self.schema, None, index, read)?;
            self.rows_of(files, &mut reading).await?;
        }
        if depth == Depth::Whole
            && self.describes_parts(query)
            && let Some(listed) = &reading.listed
            && *listed != reading.described
        {
            let problem = "the parts that it lists are not those that have a row";
            reading.fault(&path, problem.to_owned())?;
        }
        if own_rows
            .as_ref()
            .unwrap_or(&manifest.rows)
            .get(self.schema.spaces)
            != Some(&1)
        {
            reading.fault(&path, "the space has no row of its own".to_owned())?;
        }
        if !self.asks_for_parts(query) {
            return Ok(reading.tally);
        }
        let open: Vec<&Open> = lists.days.iter().chain(&manifest.hours).collect();
        let wanted = open.iter().rev();
        let wanted =
            wanted.filter(|open| query.reaches_some(self.schema, &open.rows, &open.period.times()));
        let wanted: Vec<Expected> = wanted.map(|open| Expected::Open((*open).clone())).collect();
        let is_all = lists.has_all_days && wanted.len() == open.len();
        self.rows_of(wanted, &mut reading).await?;
        if is_all
            && depth == Depth::Whole
            && let Err(problem) =
                check_rows::splits(manifest.stamps, self.limits.parts, &reading.open)
        {
            reading.fault(&path, problem)?;
        }
        self.bases(&lists.lines, &mut reading).await?;
        reading.tally.unresolved = reading.references.unresolved;
        Ok(reading.tally)
    }

    /// Reads the rows in the bases of parts, across parts.
    async fn bases(&self, lines: &[Line], reading: &mut Reading<'_>) -> Result<(), ReadError> {
        let (query, manifest) = (Arc::clone(&reading.query), &self.files.manifest);
        let base = Base::of(Level::Part, manifest.stamps, self.limits).times();
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let parts = lines.iter().filter(|line| query.has_part(&line.id));
        let indexes: Vec<_> = parts
            .map(|line| {
                let index = line
                    .index
                    .filter(|_| query.reaches_some(self.schema, &line.rows, &base));
                let read = index.map(|file| self.index(Some(&line.id), file, Some(&line.rows)));
                async move { (line, index.zip(OptionFuture::from(read).await)) }
            })
            .collect();
        let mut indexes = stream::iter(indexes).buffered(READS);
        let mut steps = Ahead::new();
        reading.keys.next_part();
        loop {
            while steps.has_room()
                && let Some((line, index)) = indexes.next().await
            {
                let files = match index {
                    Some((file, read)) => reading.base(self.schema, Some(&line.id), file, read)?,
                    None => Vec::new(),
                };
                self.begin(files, reading, &mut steps);
                steps.push(0, future::ready(Step::EndOf(line)));
            }
            match steps.next().await {
                Some(Step::Rows(read)) => self.take(read, reading).await?,
                Some(Step::EndOf(line)) => {
                    reading.keys.next_part();
                    let covered = self.covered(line);
                    let ended = reading.references.end(&line.id, &covered, |_| true);
                    if let Err(problem) = ended {
                        reading.fault(&manifest_path(&manifest.space), problem)?;
                    }
                }
                None => break,
            }
        }
        Ok(())
    }

    /// An index, held against what is listed of its rows.
    pub(super) async fn index(
        &self,
        part: Option<&Id>,
        file: FileRef,
        listed: Option<&Counts>,
    ) -> Result<Index, ReadError> {
        let bytes = self.files.read(Kind::Index, file).await?;
        let manifest = &self.files.manifest;
        let index = check::index(self.schema, self.limits, manifest, part, listed, &bytes);
        index.map_err(damaged(&named(Kind::Index, file.hash)))
    }

    /// Reads files of rows, several at a time.
    async fn rows_of(
        &self,
        files: Vec<Expected>,
        reading: &mut Reading<'_>,
    ) -> Result<(), ReadError> {
        let mut steps = Ahead::new();
        self.begin(files, reading, &mut steps);
        while let Some(step) = steps.next().await {
            if let Step::Rows(read) = step {
                self.take(read, reading).await?;
            }
        }
        Ok(())
    }

    /// Adds files of rows to what is read; only notes them if no rows are read.
    fn begin<'s>(
        &'s self,
        files: Vec<Expected>,
        reading: &mut Reading<'_>,
        steps: &mut Ahead<'s, Step<'s>>,
    ) {
        for expected in files {
            if reading.depth == Depth::Structure {
                reading.need(&expected);
            } else {
                let length = expected.file().bytes;
                let rows = self.rows(expected, reading.wanted());
                steps.push(length, rows.map(Step::Rows));
            }
        }
    }

    /// Holds the rows of a file against all others, and hands on those that are asked for.
    async fn take(
        &self,
        read: Result<RowFile, ReadError>,
        reading: &mut Reading<'_>,
    ) -> Result<(), ReadError> {
        let (expected, bytes, mut checked) = match read {
            Ok(read) => read,
            Err(fault) => return (reading.faults)(fault),
        };
        reading.tally.files += 1;
        reading.tally.bytes += bytes.len() as u64;
        let bytes = Arc::new(bytes);
        for checked in &mut checked {
            if let Err(problem) = reading.take(&expected, checked) {
                reading.fault(&named(Kind::Rows, expected.file().hash), problem)?;
                continue;
            }
            let group = &checked.group;
            let Some(table) = group.table else { continue };
            *reading.tally.rows.entry(group.name.clone()).or_default() += u64::from(group.count);
            if !checked.taken.is_empty()
                && let Some(each) = &mut reading.each
            {
                let batch = Batch {
                    scope: Scope {
                        space: self.files.manifest.space.clone(),
                        part: group.part.clone(),
                    },
                    table: table.name,
                    file: expected.file().hash,
                    bytes: Arc::clone(&bytes),
                    taken: mem::take(&mut checked.taken),
                    ids: mem::take(&mut checked.ids),
                    references: mem::take(&mut checked.references),
                };
                // Fails if nobody takes them any more; then nobody asks for the rest either.
                let _ = each.send(batch).await;
            }
        }
        Ok(())
    }

    /// A file of rows, and in it those that are asked for.
    async fn rows(
        &self,
        expected: Expected,
        query: Option<Arc<Query>>,
    ) -> Result<RowFile, ReadError> {
        let file = expected.file();
        let path = named(Kind::Rows, file.hash);
        let packed = match &expected {
            Expected::Open(_) => self.files.packed_again(&path, file.bytes).await?,
            Expected::Base(..) => Arc::new(self.files.packed(&path, file.bytes).await?),
        };
        let (schema, space, newest) = (
            self.schema,
            self.files.manifest.space.clone(),
            self.files.manifest.newest,
        );
        // Inflating, hashing and decoding is the work of several cores.
        let check = move || {
            let bytes = unpack(&packed, file)?;
            let mut checked = check_rows::rows(schema, &space, newest, &expected, &bytes)?;
            if let Some(query) = query {
                for checked in &mut checked {
                    checked.taken = query.take(checked, &bytes)?;
                }
            }
            Ok((expected, bytes, checked))
        };
        let checked = tokio::task::spawn_blocking(check).await;
        let checked = checked.map_err(|error| ArchiveError::Stopped(error.to_string()))?;
        checked.map_err(damaged(&path))
    }
}
