//! Brings tables up to date with an archive.
//!
//! A partition is made from some files of the archive, whose names tell what they say: as long as these are the
//! same, it stays. Order, so that a crash between any two files leaves nothing wrong: what left the archive is
//! removed first; what is about to be written or removed is named, with nothing said of its content; it is written,
//! each file as a whole, or removed; then its origin is told. What is named without an origin is made again the next
//! time.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    iter,
    path::Path,
    sync::Arc,
};

use futures::TryStreamExt as _;
use propsbot_archive::{
    ArchiveReader, DataArchive, DerivedTable, EachRow, Hash, Id, Level, Period, Query, RawRow,
    ReadError, Schema, SpaceReader, Unit, read_derived,
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::{
    TablesError, TablesPlace, TablesWrite,
    file::{Files, Written},
    partition::Partition,
    schema::Shape,
    state::{LONGEST, Made, ROOT, Root, Space, SpaceState, state_path},
};

/// How often it starts over because the archive changed meanwhile.
const ATTEMPTS: usize = 5;

/// The tables of a provider: those of its schema, and those derived from them.
#[derive(Debug)]
pub struct Tables {
    schema: &'static Schema,
    /// Those of the schema that no derived one takes the place of.
    own: Shapes,
    derived: &'static [DerivedTable],
    derived_shapes: Shapes,
}

/// Tables by name.
type Shapes = BTreeMap<&'static str, Arc<Shape>>;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Files written.
    pub written: usize,
    /// How long they are.
    pub bytes: u64,
    /// Files removed.
    pub removed: usize,
}

impl Tables {
    /// The tables of a schema, and derived ones.
    pub fn new(schema: &'static Schema, derived: &'static [DerivedTable]) -> Self {
        let shapes = |tables: Vec<Shape>| {
            let tables = tables.into_iter().filter(|table| !table.columns.is_empty());
            let shapes = tables.map(|table| (table.name, Arc::new(table)));
            shapes.collect::<Shapes>()
        };
        let made = derived.iter();
        let made = made.map(|made| Shape::of_derived(made, schema));
        let derived_shapes = shapes(made.collect());
        let own = schema.tables.iter();
        let own = own.filter(|table| !derived_shapes.contains_key(table.name));
        let own = own.map(|table| Shape::of(table, schema, table.level == Level::Part));
        Self {
            schema,
            own: shapes(own.collect()),
            derived,
            derived_shapes,
        }
    }

    /// Brings the tables in this place up to date with the archive. If that has no spaces of the provider (any more),
    /// none stay.
    ///
    /// # Errors
    /// [`TablesError::Stopped`] on `stop`. Whatever the error, the next time goes on from what was written.
    pub async fn update(
        &self,
        archive: &dyn DataArchive,
        place: &dyn TablesPlace,
        stop: &CancellationToken,
    ) -> Result<Updated, TablesError> {
        let opening = async {
            // First, so that nothing is made for an archive that is not there.
            let reader = ArchiveReader::open_or_empty(archive, self.schema).await?;
            Ok::<_, TablesError>((reader, place.write().await?))
        };
        let begun = stop.run_until_cancelled(opening).await;
        let (reader, mut write) = begun.ok_or(TablesError::Stopped)??;
        let updating = self.update_with(archive, reader, write.as_mut());
        let updated = stop.run_until_cancelled(updating).await;
        let ended = write.end().await;
        let updated = updated.unwrap_or(Err(TablesError::Stopped))?;
        ended?;
        Ok(updated)
    }

    async fn update_with<'a>(
        &self,
        archive: &'a dyn DataArchive,
        mut reader: ArchiveReader<'a>,
        write: &mut dyn TablesWrite,
    ) -> Result<Updated, TablesError> {
        for _ in 1..ATTEMPTS {
            match self.update_from(&reader, write).await {
                Err(TablesError::Read(ReadError::Superseded)) => {}
                updated => return updated,
            }
            reader = ArchiveReader::open_or_empty(archive, self.schema).await?;
        }
        self.update_from(&reader, write).await
    }

    async fn update_from(
        &self,
        reader: &ArchiveReader<'_>,
        write: &mut dyn TablesWrite,
    ) -> Result<Updated, TablesError> {
        let mut root = self.root(write).await?;
        let mut done = Updated::default();
        let there: BTreeSet<&Id> = reader
            .spaces()
            .iter()
            .map(|space| &space.manifest().space)
            .collect();
        let gone = root.spaces.keys().filter(|space| !there.contains(space));
        for space in gone.cloned().collect::<Vec<_>>() {
            root.spaces.insert(space.clone(), Space::default());
            save(write, ROOT, &root).await?;
            let mut update = SpaceUpdate::load(&space, write).await?;
            update.keep_only(|_| true, iter::empty()).await?;
            done.add(update.done);
            write.remove(&state_path(&space)).await?;
            root.spaces.remove(&space);
            save(write, ROOT, &root).await?;
        }
        for space in reader.spaces() {
            let manifest = space.manifest();
            let origin = Some(self.origin(space));
            let before = root.spaces.get(&manifest.space).copied();
            if before.is_some_and(|before| before.origin == origin) {
                continue;
            }
            if before.is_none() {
                root.spaces.insert(manifest.space.clone(), Space::default());
                save(write, ROOT, &root).await?;
            }
            let mut update = SpaceUpdate::load(&manifest.space, write).await?;
            update.own(self, space).await?;
            update.derived(self, space).await?;
            done.add(update.done);
            let generation = manifest.generation;
            let space = Space { generation, origin };
            root.spaces.insert(manifest.space.clone(), space);
            save(write, ROOT, &root).await?;
        }
        Ok(done)
    }

    /// What all tables of a space are made from: its manifest, and their definitions.
    fn origin(&self, space: &SpaceReader<'_>) -> Hash {
        let shapes = self.own.values().chain(self.derived_shapes.values());
        hash_of(shapes.map(|shape| shape.definition()).chain([space.hash()]))
    }

    /// Which spaces may have files. A place without files gets one that names none.
    async fn root(&self, write: &mut dyn TablesWrite) -> Result<Root, TablesError> {
        let provider = self.schema.provider;
        match load::<Root>(write, ROOT).await? {
            Some(root) if !root.is_readable() => Err(TablesError::Damaged {
                path: ROOT.to_owned(),
                problem: "another version of this program wrote it".to_owned(),
            }),
            Some(root) if root.provider != provider => Err(TablesError::OtherProvider {
                found: root.provider,
                wanted: provider,
            }),
            Some(root) => Ok(root),
            None if write.is_empty().await? => {
                let root = Root::new(provider);
                save(write, ROOT, &root).await?;
                Ok(root)
            }
            None => Err(TablesError::NotTables),
        }
    }
}

/// The tables of a space being brought up to date.
struct SpaceUpdate<'a> {
    id: &'a Id,
    write: &'a mut dyn TablesWrite,
    state: SpaceState,
    done: Updated,
}

impl<'a> SpaceUpdate<'a> {
    async fn load(id: &'a Id, write: &'a mut dyn TablesWrite) -> Result<Self, TablesError> {
        Ok(Self {
            state: load(write, &state_path(id)).await?.unwrap_or_default(),
            id,
            write,
            done: Updated::default(),
        })
    }

    /// Brings the schema's tables up to date.
    async fn own(&mut self, tables: &Tables, space: &SpaceReader<'_>) -> Result<(), TablesError> {
        let wanted = wanted(&tables.own, space).await?;
        let is_derived = |table: &str| tables.derived_shapes.contains_key(table);
        self.keep_only(|table| !is_derived(table), wanted.keys())
            .await?;
        let stale = wanted.into_iter().filter(|(partition, origin)| {
            let made = self.state.files.get(&partition.path(self.id));
            made.is_none_or(|made| made.origin != *origin)
        });
        // By year: no file of the archive has rows of two, and few files of tables are open at a time.
        let mut rounds: BTreeMap<Option<Period>, Round> = BTreeMap::new();
        for (partition, origin) in stale {
            let year = |month: Period| Period::of(Unit::Year, month.start());
            let round = rounds.entry(partition.month.map(year)).or_default();
            round.insert(partition, origin);
        }
        let scratch = self.write.scratch().to_owned();
        for round in rounds.into_values() {
            let written = read(tables, space, &round, &scratch).await?;
            self.replace(&round, written).await?;
        }
        Ok(())
    }

    /// Computes the derived tables, and replaces those of their files that changed.
    async fn derived(
        &mut self,
        tables: &Tables,
        space: &SpaceReader<'_>,
    ) -> Result<(), TablesError> {
        let (derived, shapes) = (tables.derived, tables.derived_shapes.clone());
        let mut files = Files::new(self.write.scratch());
        let computed = read_derived(space, move |from| {
            for table in derived {
                let shape = &shapes[table.name];
                let mut written = Ok(());
                let mut each = |time, bytes: &[u8]| {
                    let row = RawRow {
                        time,
                        belongs_to: None,
                        bytes,
                    };
                    let partition = Partition::of(table.name, table.is_by_month, time);
                    if written.is_ok() {
                        written = files.push(partition, shape, row);
                    }
                };
                (table.rows)(from, &mut EachRow::new(&mut each))?;
                written?;
            }
            files.finish()
        });
        let written = computed.await??;
        let is_derived = |table: &str| tables.derived_shapes.contains_key(table);
        self.keep_only(is_derived, written.keys()).await?;
        let origin = Some(tables.origin(space));
        let round = written.keys().map(|partition| (*partition, origin));
        let round = round.collect();
        self.replace(&round, written).await
    }

    /// Removes the files of such tables that are not of these partitions.
    async fn keep_only(
        &mut self,
        is_theirs: impl Fn(&str) -> bool,
        partitions: impl Iterator<Item = &Partition>,
    ) -> Result<(), TablesError> {
        let kept: BTreeSet<String> = partitions.map(|one| one.path(self.id)).collect();
        let is_theirs = |path: &String| path.split('/').next().is_some_and(&is_theirs);
        let files = self.state.files.keys();
        let gone = files.filter(|path| !kept.contains(*path) && is_theirs(path));
        let gone: Vec<_> = gone.cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        // Nothing is said of their content until they are gone: the same rows may be back the next time.
        for path in &gone {
            let made = self.state.files.insert(path.clone(), Made::default());
            self.done.removed += usize::from(made.is_some_and(|made| made.file.is_some()));
        }
        self.save().await?;
        for path in gone {
            self.write.remove(&path).await?;
            self.state.files.remove(&path);
        }
        Ok(())
    }

    /// Replaces the files of these partitions by those that were written. The others of them have no rows.
    async fn replace(
        &mut self,
        round: &Round,
        mut written: BTreeMap<Partition, Written>,
    ) -> Result<(), TablesError> {
        let mut changed = Vec::new();
        for (partition, origin) in round {
            let path = partition.path(self.id);
            let written = written.remove(partition);
            let made = Made {
                origin: *origin,
                file: written.as_ref().map(|written| written.hash),
                rows: written.as_ref().map_or(0, |written| written.rows),
            };
            let before = self.state.files.get(&path);
            if before.is_some_and(|before| before.origin.is_some() && before.file == made.file) {
                self.state.files.insert(path, made);
            } else {
                // Nothing is said of its content until it is there.
                self.state.files.insert(path.clone(), Made::default());
                changed.push((path, made, written));
            }
        }
        if !changed.is_empty() {
            self.save().await?;
        }
        for (path, made, written) in changed {
            match written {
                Some(written) => {
                    self.write.put(&path, written.file).await?;
                    self.done.written += 1;
                    self.done.bytes += written.bytes;
                }
                None => self.write.remove(&path).await?,
            }
            self.state.files.insert(path, made);
        }
        self.save().await
    }

    async fn save(&mut self) -> Result<(), TablesError> {
        save(self.write, &state_path(self.id), &self.state).await
    }
}

/// What to write: partitions, with what each is made from.
type Round = BTreeMap<Partition, Option<Hash>>;

/// The partitions that the space may have rows of.
async fn wanted(tables: &Shapes, space: &SpaceReader<'_>) -> Result<Round, TablesError> {
    let mut files: BTreeMap<Partition, BTreeSet<Hash>> = BTreeMap::new();
    for file in space.row_files().await? {
        for shape in file
            .rows
            .keys()
            .filter_map(|table| tables.get(table.as_str()))
        {
            let months = Period::all(Unit::Month, file.period.times()).map(Some);
            let months: Vec<_> = if shape.is_by_month {
                months.collect()
            } else {
                vec![None]
            };
            for month in months {
                let partition = Partition {
                    table: shape.name,
                    month,
                };
                files.entry(partition).or_default().insert(file.file.hash);
            }
        }
    }
    let round = files.into_iter().map(|(partition, files)| {
        let definition = tables[partition.table].definition();
        (
            partition,
            Some(hash_of(files.into_iter().chain([definition]))),
        )
    });
    Ok(round.collect())
}

/// Reads the rows of these partitions into files.
async fn read(
    tables: &Tables,
    space: &SpaceReader<'_>,
    round: &Round,
    scratch: &Path,
) -> Result<BTreeMap<Partition, Written>, TablesError> {
    let months = || round.keys().filter_map(|partition| partition.month);
    let mut query = Query::all();
    query.tables = Some(round.keys().map(|partition| partition.table).collect());
    if let Some((first, last)) = months().min().zip(months().max()) {
        query.times = first.start()..=last.end();
    }
    let wanted: Arc<BTreeSet<Partition>> = Arc::new(round.keys().copied().collect());
    let mut files = Files::new(scratch);
    let mut batches = space.batches(&query);
    while let Some(batch) = batches.try_next().await? {
        let (shape, wanted) = (Arc::clone(&tables.own[batch.table]), Arc::clone(&wanted));
        files = blocking(move || {
            for row in batch.raw() {
                let partition = Partition::of(shape.name, shape.is_by_month, row.time);
                if wanted.contains(&partition) {
                    files.push(partition, &shape, row)?;
                }
            }
            Ok(files)
        })
        .await?;
    }
    blocking(|| files.finish()).await
}

impl Updated {
    fn add(&mut self, more: Self) {
        self.written += more.written;
        self.bytes += more.bytes;
        self.removed += more.removed;
    }
}

fn hash_of(hashes: impl Iterator<Item = Hash>) -> Hash {
    let text: String = hashes.map(|hash| hash.to_string()).collect();
    Hash::of(text.as_bytes())
}

async fn load<T: DeserializeOwned>(
    write: &mut dyn TablesWrite,
    path: &str,
) -> Result<Option<T>, TablesError> {
    let Some(bytes) = write.read(path, LONGEST).await? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| TablesError::Damaged {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

async fn save(
    write: &mut dyn TablesWrite,
    path: &str,
    value: &impl Serialize,
) -> Result<(), TablesError> {
    let json = serde_json::to_vec(value).expect("these have only text keys, and memory takes them");
    let mut file = NamedTempFile::new_in(write.scratch())?;
    file.write_all(&json)?;
    file.as_file().sync_all()?;
    Ok(write.put(path, file.into_temp_path()).await?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TablesError> + Send + 'static,
) -> Result<T, TablesError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(TablesError::Stopped))
}
