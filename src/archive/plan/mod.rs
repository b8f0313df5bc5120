//! The export plan: what has to be written so that the archive says what the source says.
//!
//! Owns the decision which partitions are read anew, which objects are new and which are no longer
//! needed, and whether there is anything to publish. Does no I/O of its own: rows come from a
//! [`Source`], new objects go to a closure as soon as they are known, so that no more than a few
//! partitions are in memory at once. Time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

mod tables;
mod tasks;
#[cfg(test)]
mod tests;

use self::tasks::{Task, tasks};
use super::{
    Covered, EncodedRow, Entry, ExportProgressBoard, FORMAT, Hash, Id, Index, IndexRef, Level,
    Manifest, ManifestHistory, ManifestPart, ManifestSpace, Millis, Object, RowSource, Schema,
    Scope,
    manifest::{Counts, sort},
    partition::LIMIT,
};

/// Why a source could not be read.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// Where rows come from.
pub trait Source: Send + Sync {
    /// Hands every row of the table and scope whose key's time is in `times` to `each`, in ascending
    /// order of those times (rows of the same time in any order), and stops if `each` fails.
    ///
    /// Rows of parts that are not exported are never asked for, except in the table of parts itself,
    /// where they are passed over.
    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError>;
}

/// Makes files for other programs, which lie beside the manifest.
pub trait SideFiles: fmt::Debug + Send + Sync {
    /// The contents of each file by path, made from the rows that an export writes.
    fn documents(
        &self,
        rows: &dyn RowSource,
    ) -> Result<BTreeMap<&'static str, Vec<u8>>, SourceError>;
}

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// What the archive consists of.
    pub schema: &'static Schema,
    /// The time that the manifest will carry.
    pub now: Millis,
    /// When the mirror last heard from its provider; `None` if that is not known.
    pub heard_at: Option<Millis>,
    /// All spaces that the archive shall hold: one that is missing is withdrawn.
    pub spaces: Vec<ExportSpace>,
    /// What changed since the manifest with the hash `since`.
    pub dirty: Vec<Dirty>,
    /// The manifest that this store's last export left ([`Summary::manifest`]). Where the archive
    /// has another (it is another archive, a copy was put back, a store was restored), everything
    /// is read anew, and what differs is written.
    pub since: Option<Hash>,
    /// The manifests that it may take the place of; `None` for any. One that is not among them is
    /// another's, or newer than the store, and is not replaced unasked.
    pub only_over: Option<Vec<Hash>>,
    /// Whether the store remembers that it has published there.
    pub has_published: bool,
    /// Whether to begin an archive where one was, and is gone.
    pub begins_anew: bool,
    /// Objects of the archive that are missing or damaged: they are made anew, and a generation with
    /// them. Everything is read for that.
    pub anew: BTreeSet<String>,
    /// What is to lie beside it, README aside; `None` for nothing.
    pub beside: Option<Arc<dyn SideFiles>>,
    /// Where it is told how much is made.
    pub made: ExportProgressBoard,
    /// The folder in which new objects wait until they are put; nothing else uses it. It is made when an export
    /// begins and removed when it ends. `None`: one of its own, where the system keeps temporary files.
    pub spool: Option<PathBuf>,
    /// Cancelled, it gives up as soon as that leaves the archive as it was.
    pub stop: CancellationToken,
}

impl ExportRequest {
    /// An export of nothing to an empty archive.
    pub fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            now: Millis::default(),
            heard_at: None,
            spaces: Vec::new(),
            dirty: Vec::new(),
            since: None,
            only_over: None,
            has_published: false,
            begins_anew: false,
            anew: BTreeSet::new(),
            beside: None,
            made: ExportProgressBoard::default(),
            spool: None,
            stop: CancellationToken::new(),
        }
    }
}

/// What changed of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirty {
    /// Whose rows. With a space's scope and a table that is kept by part, those of all its parts.
    pub scope: Scope,
    /// The table.
    pub table: &'static str,
    /// The day of the rows' times, counted from 1970-01-01, UTC; `None` for all of them.
    pub day: Option<i64>,
}

/// A space to export.
#[derive(Clone, Debug)]
pub struct ExportSpace {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// When each class of its data was last known to be complete; `None` for never.
    pub synced: IndexMap<String, Option<Millis>>,
    /// Until when its history is known, however old.
    pub history: Option<ManifestHistory>,
    /// All parts that the archive shall hold: one that is missing is withdrawn, with everything in it.
    pub parts: Vec<ExportPart>,
}

/// A part to export.
#[derive(Clone, Debug)]
pub struct ExportPart {
    /// Its id.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// What of it is known to be complete. That and `heard_at` are told with a new generation, and
    /// never make one.
    pub covered: Vec<Covered>,
}

/// What the archive holds.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The hash of the manifest's bytes.
    pub hash: Hash,
    /// The manifest.
    pub manifest: Manifest,
    /// At least the indexes that [`needed_indexes`] names.
    pub indexes: BTreeMap<Hash, Index>,
}

/// What to publish, once all new objects are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportPlan {
    /// The new manifest; `None` if the archive already says everything, sync times aside.
    pub manifest: Option<Manifest>,
    /// Paths of objects that the new manifest no longer needs.
    pub remove: BTreeSet<String>,
    /// For the log and the admin.
    pub summary: Summary,
}

/// An export in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The generation that the archive is at afterwards; 0 if nothing was ever exported.
    pub generation: u64,
    /// The hash of the manifest that the archive has afterwards; `None` if it has none.
    pub manifest: Option<Hash>,
    /// Whether a new generation is published.
    pub changed: bool,
    /// New blobs.
    pub blobs: u64,
    /// New indexes.
    pub indexes: u64,
    /// The new blobs' and indexes' length together.
    pub bytes: u64,
    /// The rows in new blobs, whether they changed or only lie beside some that did.
    pub rows: u64,
    /// Objects that are removed.
    pub removed: u64,
    /// Parts exported for the first time.
    #[serde(rename = "added_channels")]
    pub added: Vec<Id>,
    /// Parts that the archive no longer holds.
    #[serde(rename = "withdrawn_channels")]
    pub withdrawn: Vec<Id>,
    /// The hash of the manifest that the archive had before; `None` if it had none.
    pub before: Option<Hash>,
    /// The files beside the manifest that were put right although it stays as it is.
    pub mended: Vec<String>,
    /// Requests that it took, where the archive is on a server and anything was published.
    pub requests: u64,
    /// The commit that was published, where the archive is in git.
    pub commit: Option<String>,
    /// The files beside the manifest that are not there, since the archive takes none so large.
    pub too_large: Vec<String>,
}

/// No plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The source failed.
    #[error("could not read the {table} of {scope} for export: {source}")]
    Source {
        /// Whose.
        scope: Scope,
        /// Of which table.
        table: &'static str,
        /// Why.
        source: SourceError,
    },
    /// The plan needs an index that the caller did not load.
    #[error("the index of {0} was not loaded before planning")]
    IndexNotLoaded(Scope),
    /// A new object could not be kept.
    #[error("could not keep a new object of the archive: {0}")]
    NotKept(SourceError),
    /// The export was told to stop.
    #[error("the export was told to stop")]
    Stopped,
    /// The files beside the manifest could not be made.
    #[error("could not make the files beside the archive: {0}")]
    SideFiles(#[source] SourceError),
}

/// The indexes that [`plan`] has to know for this request, of an archive with this manifest, whose
/// bytes have this hash.
pub fn needed_indexes(
    manifest: &Manifest,
    hash: Hash,
    request: &ExportRequest,
) -> Vec<(Scope, IndexRef)> {
    tasks(Some((manifest, hash)), request)
        .into_iter()
        .filter_map(|task| Some((task.scope, task.previous?)))
        .filter(|(_, index)| !request.anew.contains(&index.path()))
        .collect()
}

/// Plans an export: hands each new object to `put`, and returns what to publish after them.
///
/// The outcome depends on the source's rows and the request alone, not on earlier exports; from
/// those it only takes what needs no writing.
pub fn plan(
    previous: Option<&Previous>,
    request: &ExportRequest,
    source: &dyn Source,
    put: &mut dyn FnMut(Object) -> Result<(), PlanError>,
) -> Result<ExportPlan, PlanError> {
    Planner::new(request, source, put, LIMIT).plan(previous)
}

struct Planner<'a> {
    source: &'a dyn Source,
    put: &'a mut dyn FnMut(Object) -> Result<(), PlanError>,
    limit: u64,
    request: &'a ExportRequest,
    /// Paths handed to `put`.
    written: BTreeSet<String>,
    /// Paths that the new indexes and the new manifest name, as far as their indexes changed.
    needed: BTreeSet<String>,
    /// Paths that the previous ones named.
    unneeded: BTreeSet<String>,
    summary: Summary,
}

/// What the manifest says of a scope.
#[derive(Clone, Default)]
struct Listed {
    index: Option<IndexRef>,
    rows: Counts,
}

impl<'a> Planner<'a> {
    fn new(
        request: &'a ExportRequest,
        source: &'a dyn Source,
        put: &'a mut dyn FnMut(Object) -> Result<(), PlanError>,
        limit: u64,
    ) -> Self {
        Self {
            source,
            put,
            limit,
            request,
            written: BTreeSet::new(),
            needed: BTreeSet::new(),
            unneeded: BTreeSet::new(),
            summary: Summary::default(),
        }
    }

    fn plan(mut self, previous: Option<&Previous>) -> Result<ExportPlan, PlanError> {
        let before = previous.map(|previous| &previous.manifest);
        let mut listed = previous
            .map(|previous| previous.listed(self.request.schema))
            .unwrap_or_default();
        let known: BTreeSet<Scope> = listed.keys().cloned().collect();
        for task in tasks(
            previous.map(|previous| (&previous.manifest, previous.hash)),
            self.request,
        ) {
            let now = self.carry_out(&task, previous)?;
            listed.insert(task.scope, now);
        }
        let mut request: Vec<&ExportSpace> = self.request.spaces.iter().collect();
        request.sort_by_key(|space| &space.id);
        let spaces: Vec<ManifestSpace> = request
            .into_iter()
            .map(|space| manifest_space(space, &listed, self.request.schema))
            .collect();

        let exported: BTreeSet<Scope> = spaces
            .iter()
            .flat_map(|space| {
                let parts = space.parts.iter();
                parts.map(|part| Scope::part(&space.id, &part.id))
            })
            .collect();
        let parts = |scopes: &mut dyn Iterator<Item = &Scope>| -> Vec<Id> {
            scopes.filter_map(|scope| scope.part.clone()).collect()
        };
        self.summary.added = parts(&mut exported.difference(&known));
        self.summary.withdrawn = parts(&mut known.difference(&exported));

        let remove: BTreeSet<String> = self
            .unneeded
            .union(&self.written)
            .filter(|union| !self.needed.contains(*union))
            .cloned()
            .collect();
        let generation = before.map_or(0, |before| before.generation);
        // What was never exported, and is empty, needs no archive.
        let differs = before.map_or(!spaces.is_empty(), |before| {
            !says_the_same(&before.spaces, &spaces)
        });
        let changed = differs || !self.request.anew.is_empty();
        self.summary.changed = changed;
        self.summary.generation = generation + u64::from(changed);
        self.summary.removed = remove.len() as u64;
        let manifest = changed.then(|| Manifest {
            format: FORMAT,
            provider: self.request.schema.provider.to_owned(),
            generation: generation + 1,
            previous: previous.map(|previous| previous.hash),
            created_at: self.request.now,
            heard_at: self.request.heard_at,
            spaces,
        });
        self.summary.manifest = match &manifest {
            Some(manifest) => Some(Hash::of(&manifest.print())),
            None => previous.map(|previous| previous.hash),
        };
        Ok(ExportPlan {
            manifest,
            remove,
            summary: self.summary,
        })
    }

    /// Brings one index up to date, with the blobs that it names.
    fn carry_out(&mut self, task: &Task, previous: Option<&Previous>) -> Result<Listed, PlanError> {
        let mut tables: IndexMap<String, Vec<Entry>> = IndexMap::new();
        let is_sound = |index_ref: &IndexRef| !self.request.anew.contains(&index_ref.path());
        if let Some(index) = task.previous.filter(is_sound) {
            let loaded = previous
                .and_then(|previous| previous.indexes.get(&index.hash))
                .ok_or_else(|| PlanError::IndexNotLoaded(task.scope.clone()))?;
            self.unneeded.extend(loaded.blob_paths());
            self.unneeded.insert(index.path());
            tables.clone_from(&loaded.tables);
            // What this version does not know it cannot keep up to date.
            tables.retain(|table, _| self.request.schema.table(table).is_some());
        }
        if task.extents.is_empty() {
            return Ok(Listed::default());
        }
        for (table, extent) in &task.extents {
            let before = tables.swap_remove(*table).unwrap_or_default();
            let after = self.read_table(&task.scope, table, &before, extent)?;
            if !after.is_empty() {
                tables.insert((*table).to_owned(), after);
            }
        }
        if tables.is_empty() {
            return Ok(Listed::default());
        }
        sort(&mut tables, self.request.schema);
        let index = Index {
            format: FORMAT,
            space: task.scope.space.clone(),
            part: task.scope.part.clone(),
            tables,
        };
        self.needed.extend(index.blob_paths());
        let bytes = index.print();
        let reference = IndexRef {
            hash: Hash::of(&bytes),
            bytes: bytes.len() as u64,
        };
        let path = reference.path();
        self.needed.insert(path.clone());
        if self.put(Object { path, bytes })? {
            self.summary.indexes += 1;
        }
        Ok(Listed {
            index: Some(reference),
            rows: index.rows(),
        })
    }
}

impl Previous {
    fn listed(&self, schema: &Schema) -> BTreeMap<Scope, Listed> {
        let is_own = |table: &str| {
            schema
                .table(table)
                .is_some_and(|of| of.level == Level::Space)
        };
        let mut listed = BTreeMap::new();
        for space in &self.manifest.spaces {
            let mut own = space.rows.clone();
            own.retain(|table, _| is_own(table));
            let index = space.index;
            listed.insert(space.scope(), Listed { index, rows: own });
            for part in &space.parts {
                let rows = part.rows.clone();
                let index = part.index;
                let scope = Scope::part(&space.id, &part.id);
                listed.insert(scope, Listed { index, rows });
            }
        }
        listed
    }
}

fn manifest_space(
    space: &ExportSpace,
    listed: &BTreeMap<Scope, Listed>,
    schema: &Schema,
) -> ManifestSpace {
    let of = |scope| listed.get(&scope).cloned().unwrap_or_default();
    let Listed { index, mut rows } = of(Scope::space(&space.id));
    let mut parts: Vec<ManifestPart> = space
        .parts
        .iter()
        .map(|part| {
            let Listed { index, rows } = of(Scope::part(&space.id, &part.id));
            ManifestPart {
                id: part.id.clone(),
                name: part.name.clone(),
                index,
                rows,
                covered: part.covered.clone(),
            }
        })
        .collect();
    parts.sort_by(|one, other| one.id.cmp(&other.id));
    for (table, count) in parts.iter().flat_map(|part| &part.rows) {
        *rows.entry(table.clone()).or_default() += count;
    }
    sort(&mut rows, schema);
    ManifestSpace {
        id: space.id.clone(),
        name: space.name.clone(),
        index,
        synced: space.synced.clone(),
        history: space.history,
        rows,
        parts,
    }
}

/// Whether both say the same, but for what is no reason to publish: until when what is complete.
/// Compared piece by piece, since a space may have thousands of parts.
fn says_the_same(one: &[ManifestSpace], other: &[ManifestSpace]) -> bool {
    let space = |from: &ManifestSpace| ManifestSpace {
        id: from.id.clone(),
        name: from.name.clone(),
        index: from.index,
        synced: IndexMap::new(),
        history: None,
        rows: from.rows.clone(),
        parts: Vec::new(),
    };
    let part = |from: &ManifestPart| ManifestPart {
        covered: Vec::new(),
        ..from.clone()
    };
    let same_parts = |(one, other): (&ManifestSpace, &ManifestSpace)| {
        let other = other.parts.iter().map(part);
        one.parts.iter().map(part).eq(other)
    };
    one.iter().map(space).eq(other.iter().map(space)) && one.iter().zip(other).all(same_parts)
}
