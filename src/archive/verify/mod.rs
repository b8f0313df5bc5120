//! Checks an archive: structure, hashes, counts, order, partitions, references.
//!
//! Owns what "valid" means beyond being readable. Some parts are checked at a time, with all cores
//! at their blobs; in memory are a few partitions, and of these parts the ids that rows refer to.

mod checks;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, thread,
};

use futures::{
    StreamExt,
    stream::{self, TryStreamExt},
};
use tokio::task::JoinError;

use self::checks::{Checked, check_blob, check_index, check_manifest};
use super::{
    ArchiveError, ArchiveReader, CachedArchive, DataArchive, Id, Index, IndexRef, Level,
    ManifestPart, ManifestSpace, ReadError, Schema, Scope, Table,
    manifest::{Counts, MANIFEST},
    one_line,
    reader::retry,
};

/// Parts that are checked at a time.
const PARTS: usize = 4;

/// How much of an archive is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The manifest and the indexes; whether the blobs are there is not looked at.
    Structure,
    /// Everything.
    Whole,
}

/// What was checked, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// The generation that was checked; 0 if its manifest could not be read.
    pub generation: u64,
    /// What is wrong: sentences that name the object. Empty if the archive is valid.
    pub faults: Vec<String>,
    /// The objects that are missing, cannot be read, or are not as they should be.
    pub damaged: BTreeSet<String>,
    /// Indexes read.
    pub indexes: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Their length together.
    pub bytes: u64,
    /// Rows read, by table.
    pub rows: Counts,
    /// Rows that refer to one that the archive does not hold, by their table and the other. That is no
    /// fault: the mirror may know a reaction to a message that it has not fetched yet, or could not.
    pub unresolved: BTreeMap<(&'static str, &'static str), u64>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: impl fmt::Display) {
        self.faults.push(one_line(&fault.to_string()));
    }

    fn add(&mut self, part: Self) {
        self.faults.extend(part.faults);
        self.damaged.extend(part.damaged);
        self.indexes += part.indexes;
        self.blobs += part.blobs;
        self.bytes += part.bytes;
        for (table, count) in part.rows {
            *self.rows.entry(table).or_default() += count;
        }
        for (tables, count) in part.unresolved {
            *self.unresolved.entry(tables).or_default() += count;
        }
    }

    /// Notes what is wrong with an object; passes on what kept us from looking at the archive.
    fn or_fault<T>(
        &mut self,
        path: String,
        read: Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        match read {
            Ok(value) => Ok(Some(value)),
            // A file that this machine cannot read is one that is not there.
            Err(error @ (ReadError::Archive(_) | ReadError::Superseded))
                if !matches!(error, ReadError::Archive(ArchiveError::Io { .. })) =>
            {
                Err(error)
            }
            Err(error) => {
                self.damaged.insert(path);
                self.fault(error);
                Ok(None)
            }
        }
    }

    fn compare(&mut self, scope: &Scope, found: &Counts, listed: &Counts) {
        if found != listed {
            self.fault(format_args!(
                "{MANIFEST}: {scope} has {} by its indexes, but is listed with {}",
                Rows(found),
                Rows(listed)
            ));
        }
    }
}

/// Checks an archive of this schema, as it was at one moment. An error means that it could not be read at
/// all; what is wrong with it is in the answer.
pub async fn verify(
    archive: &dyn DataArchive,
    schema: &'static Schema,
    depth: Depth,
) -> Result<Verification, ReadError> {
    // What the archive has now, not what was read of it once.
    let fetched = match depth {
        Depth::Whole => CachedArchive::fetched(archive).await?,
        Depth::Structure => None,
    };
    let archive = fetched.as_ref().map_or(archive, |fetched| fetched);
    let run = |reader| {
        Verifier {
            reader,
            schema,
            depth,
        }
        .run()
    };
    match retry(archive, schema, run).await {
        Err(
            error @ (ReadError::Empty
            | ReadError::Format(_)
            | ReadError::OtherProvider { .. }
            | ReadError::NotAnId(_)),
        ) => {
            let mut found = Verification::default();
            found.fault(error);
            Ok(found)
        }
        outcome => outcome,
    }
}

/// The ids of rows by table, each sorted.
type Ids = HashMap<&'static str, Vec<u64>>;

struct Verifier<'a> {
    reader: ArchiveReader<'a>,
    schema: &'static Schema,
    depth: Depth,
}

impl Verifier<'_> {
    async fn run(self) -> Result<Verification, ReadError> {
        let manifest = self.reader.manifest();
        let mut found = Verification {
            generation: manifest.generation,
            ..Verification::default()
        };
        check_manifest(manifest, &mut found);
        for space in &manifest.spaces {
            self.space(space, &mut found).await?;
        }
        Ok(found)
    }

    async fn space(
        &self,
        space: &ManifestSpace,
        found: &mut Verification,
    ) -> Result<(), ReadError> {
        let scope = space.scope();
        let mut total = Counts::new();
        let mut ids = Ids::new();
        let mut with_row = BTreeSet::new();
        if let Some(index) = self.index(&scope, space.index, found).await? {
            total = index.rows();
            for table in self.schema.tables_of(Level::Space) {
                let none = Ids::new();
                let rows = self.table(&index, table, [&ids, &none], found).await?;
                ids.insert(table.name, rows.ids);
                with_row.extend(rows.parts);
            }
        }
        if total.get(self.schema.spaces) != Some(&1) {
            found.fault(format_args!("{MANIFEST}: {scope} has no row of its own"));
        }
        if self.depth == Depth::Whole {
            let listed: BTreeSet<Id> = space.parts.iter().map(|part| part.id.clone()).collect();
            for id in listed.difference(&with_row) {
                let part = Scope::part(&space.id, id);
                found.fault(format_args!("{MANIFEST}: {part} has no row"));
            }
            for id in with_row.difference(&listed) {
                let part = Scope::part(&space.id, id);
                found.fault(format_args!(
                    "{MANIFEST}: {part} has a row, but is not listed"
                ));
            }
        }
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime, and
        // no command could wait for it.
        let parts = space.parts.iter();
        let parts: Vec<_> = parts.map(|part| self.part(space, part, &ids)).collect();
        let mut parts = stream::iter(parts).buffered(PARTS);
        while let Some((rows, part)) = parts.try_next().await? {
            found.add(part);
            for (table, count) in rows {
                *total.entry(table).or_default() += count;
            }
        }
        found.compare(&scope, &total, &space.rows);
        Ok(())
    }

    async fn part(
        &self,
        space: &ManifestSpace,
        part: &ManifestPart,
        of_space: &Ids,
    ) -> Result<(Counts, Verification), ReadError> {
        let scope = Scope::part(&space.id, &part.id);
        let mut found = Verification::default();
        let covered = &part.covered;
        let apart = covered.is_sorted_by(|one, next| one.to <= next.after);
        if !apart || covered.iter().any(|range| range.after >= range.to) {
            found.fault(format_args!(
                "{MANIFEST}: what is covered of {scope} overlaps, is out of order or empty"
            ));
        }
        if let Some(index) = self.index(&scope, part.index, &mut found).await? {
            let mut ids = Ids::new();
            for table in self.schema.tables_of(Level::Part) {
                let rows = self.table(&index, table, [of_space, &ids], &mut found);
                let rows = rows.await?;
                ids.insert(table.name, rows.ids);
            }
            found.compare(&scope, &index.rows(), &part.rows);
        } else {
            found.compare(&scope, &Counts::new(), &part.rows);
        }
        Ok((part.rows.clone(), found))
    }

    async fn index(
        &self,
        scope: &Scope,
        reference: Option<IndexRef>,
        found: &mut Verification,
    ) -> Result<Option<Index>, ReadError> {
        let Some(reference) = reference else {
            return Ok(None);
        };
        let read = self.reader.index(scope, reference).await;
        let index = found.or_fault(reference.path(), read)?;
        if let Some(index) = &index {
            found.indexes += 1;
            check_index(&reference.path(), index, self.schema, found);
        }
        Ok(index)
    }

    /// Checks every blob of a table, and what its rows refer to among the known ids.
    async fn table(
        &self,
        index: &Index,
        table: &'static Table,
        known: [&Ids; 2],
        found: &mut Verification,
    ) -> Result<Checked, ReadError> {
        let mut all = Checked::default();
        if self.depth == Depth::Structure {
            return Ok(all);
        }
        let scope = index.scope();
        let entries = index.entries(table.name).iter();
        let checks: Vec<_> = entries
            .map(async |entry| {
                let path = entry.blob.blob_path();
                let bytes = match self.reader.blob(table.name, &scope, entry).await {
                    Ok(bytes) => bytes,
                    Err(error) => return (path, Err(error)),
                };
                let (scope, entry) = (scope.clone(), *entry);
                let check = move || check_blob(table, &scope, &entry, &bytes);
                let checked = tokio::task::spawn_blocking(check).await;
                let stopped = |error: JoinError| ArchiveError::Stopped(error.to_string()).into();
                (path, checked.map_err(stopped).and_then(|checked| checked))
            })
            .collect();
        let mut checks =
            stream::iter(checks).buffered(thread::available_parallelism().map_or(1, usize::from));
        while let Some((path, checked)) = checks.next().await {
            let Some((rows, part)) = found.or_fault(path, checked)? else {
                continue;
            };
            found.add(part);
            for (other, id) in rows.refers_to {
                let mut ids = known.iter().filter_map(|ids| ids.get(other));
                if !ids.any(|ids| ids.binary_search(&id).is_ok()) {
                    *found.unresolved.entry((table.name, other)).or_default() += 1;
                }
            }
            all.ids.extend(rows.ids);
            all.parts.extend(rows.parts);
        }
        all.ids.sort_unstable();
        Ok(all)
    }
}

/// Row counts in words.
struct Rows<'a>(&'a Counts);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no rows");
        }
        for (i, (table, count)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {table}")?;
        }
        Ok(())
    }
}
