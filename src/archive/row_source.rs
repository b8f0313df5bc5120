//! Rows by table and scope, wherever they are: in an archive, or on their way into one.
//!
//! Owns [`RowSource`], which graph plugins read from, and its two implementations. A plugin asks for
//! one table at a time and gets its rows in batches, so memory holds only a few files at once.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use futures::TryStreamExt as _;
use tokio::sync::mpsc;

use super::{
    archive_reader::retry,
    error::{ReadError, damaged},
    export::ExportRequest,
    layout::ALWAYS,
    manifest::{Covered, Line, Manifest, manifest_path},
    query::{Batch, Query},
    reader::SpaceReader,
    references::References,
    request::Source,
};
use crate::{ArchiveError, DataArchive, EncodedRow, Id, Level, Row, Schema, Scope, SourceError};

/// How many bytes of rows from a [`Source`] are decoded at a time.
const BATCH: usize = 1 << 18;

/// A provider's rows, as of one generation of its archive or as one export sees them.
///
/// Reading blocks; [`read_rows`] calls the reader of an archive on a thread that may.
pub trait RowSource {
    /// The provider's schema.
    fn schema(&self) -> &'static Schema;

    /// Hands the rows of the query's table to `each` in batches, for the spaces or parts that are
    /// `wanted`. Each row comes once, in any order.
    ///
    /// This is what a new source implements. To read one, call its methods `each` or
    /// `all`.
    ///
    /// # Errors
    /// Rows that can't be read.
    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut dyn FnMut(TableRows),
    ) -> Result<(), ReadError>;
}

impl dyn RowSource + '_ {
    /// Hands every row of `R`'s table to `each`, for the spaces or parts that are `wanted`. Each row
    /// comes once, in any order.
    ///
    /// # Errors
    /// Rows that can't be read, or a table that the provider doesn't have.
    pub fn each<R: Row>(
        &self,
        wanted: impl Fn(&Scope) -> bool,
        mut each: impl FnMut(R),
    ) -> Result<(), ReadError> {
        let Some(table) = self.schema().table(R::TABLE) else {
            return Err(ReadError::NoTable {
                provider: self.schema().provider,
                table: R::TABLE,
            });
        };
        let query = TableQuery::of::<R>(table.level);
        self.scan(&query, &wanted, &mut |batch| {
            batch.rows().into_iter().for_each(&mut each);
        })
    }

    /// All rows of `R`'s table.
    ///
    /// # Errors
    /// As `each`.
    pub fn all<R: Row>(&self) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        self.each(|_| true, |row| rows.push(row))?;
        Ok(rows)
    }
}

/// Which table to read, and how to decode its rows.
#[derive(Clone, Copy, Debug)]
pub struct TableQuery {
    /// The table.
    pub table: &'static str,
    /// Whether it is kept by space or by part.
    pub level: Level,
    read: fn(&Batch) -> Result<TableRows, ReadError>,
    rows: fn(&[EncodedRow]) -> Result<TableRows, rmp_serde::decode::Error>,
}

impl TableQuery {
    /// For the table of these rows.
    pub(super) fn of<R: Row>(level: Level) -> Self {
        Self {
            table: R::TABLE,
            level,
            read: |batch| batch.rows::<R>().map(TableRows::of),
            rows: |rows| {
                let rows: Result<Vec<R>, _> = rows.iter().map(EncodedRow::decode).collect();
                rows.map(TableRows::of)
            },
        }
    }

    /// Decodes rows of the table.
    ///
    /// # Errors
    /// A row of another table.
    pub fn decode(&self, rows: &[EncodedRow]) -> Result<TableRows, SourceError> {
        Ok((self.rows)(rows)?)
    }
}

/// Some rows of one table, decoded.
#[derive(Debug)]
pub struct TableRows(Box<dyn Any + Send>);

impl TableRows {
    fn of<R: Row>(rows: Vec<R>) -> Self {
        Self(Box::new(rows))
    }

    pub(super) fn rows<R: Row>(self) -> Vec<R> {
        *self
            .0
            .downcast()
            .expect("a source decodes rows by the query it was given")
    }
}

/// The rows that an export with this request makes of this source.
#[derive(Clone, Copy)]
pub struct ExportedRows<'a> {
    source: &'a dyn Source,
    request: &'a ExportRequest,
}

impl<'a> ExportedRows<'a> {
    /// Reads from the source what the request exports.
    pub fn new(source: &'a dyn Source, request: &'a ExportRequest) -> Self {
        Self { source, request }
    }

    fn scope(
        &self,
        query: &TableQuery,
        scope: &Scope,
        parts: &BTreeSet<&Id>,
        each: &mut dyn FnMut(TableRows),
    ) -> Result<(), SourceError> {
        let is_exported = |part: &Option<Id>| part.as_ref().is_none_or(|part| parts.contains(part));
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut take = |row: EncodedRow| {
            if is_exported(&row.part) {
                bytes += row.bytes.len();
                rows.push(row);
            }
            if bytes >= BATCH {
                bytes = 0;
                each(query.decode(&rows)?);
                rows.clear();
            }
            Ok(())
        };
        self.source.scan(scope, query.table, ALWAYS, &mut take)?;
        each(query.decode(&rows)?);
        Ok(())
    }
}

impl RowSource for ExportedRows<'_> {
    fn schema(&self) -> &'static Schema {
        self.request.schema
    }

    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut dyn FnMut(TableRows),
    ) -> Result<(), ReadError> {
        for space in &self.request.spaces {
            let parts: BTreeSet<&Id> = space.parts.iter().map(|part| &part.id).collect();
            let scopes = match query.level {
                Level::Space => vec![Scope::space(&space.id)],
                Level::Part => {
                    let parts = space.parts.iter();
                    parts.map(|part| Scope::part(&space.id, &part.id)).collect()
                }
            };
            for scope in scopes.iter().filter(|scope| wanted(scope)) {
                let read = self.scope(query, scope, &parts, each);
                read.map_err(|source| ReadError::Source {
                    scope: scope.clone(),
                    table: query.table,
                    source,
                })?;
            }
        }
        Ok(())
    }
}

/// Calls `read` with the rows of an archive of this schema's provider, each space as of one generation,
/// on a thread that may block. With `only`, there are only the rows of that space. Also returns the
/// manifests that were read.
///
/// If an export changes the archive meanwhile, `read` is called again, a few times.
///
/// # Errors
/// Those of `read`; an archive that can't be read, is another provider's, or lacks the space `only`.
pub async fn read_rows<T, E>(
    archive: &dyn DataArchive,
    schema: &'static Schema,
    only: Option<&Id>,
    read: impl Fn(&dyn RowSource) -> Result<T, E> + Send + Sync + 'static,
) -> Result<(T, Vec<Manifest>), E>
where
    T: Send + 'static,
    E: From<ReadError> + Send + 'static,
{
    let read = Arc::new(read);
    let (read, manifests) = retry(archive, schema, only, |reader| {
        let read = Arc::clone(&read);
        async move {
            let read = lend(reader.spaces(), schema, move |rows| read(rows)).await?;
            Ok((read, reader.manifests()))
        }
    })
    .await?;
    Ok((read?, manifests))
}

/// Calls `read` with the rows of these spaces on another thread, and reads for it here what it asks for.
pub(super) async fn lend<T: Send + 'static>(
    spaces: &[SpaceReader<'_>],
    schema: &'static Schema,
    read: impl FnOnce(&dyn RowSource) -> T + Send + 'static,
) -> Result<T, ReadError> {
    let (mut scopes, mut covered) = (Vec::new(), Vec::new());
    for space in spaces {
        let id = &space.manifest().space;
        scopes.push(Scope::space(id));
        let parts = space.parts().await?;
        scopes.extend(parts.iter().map(|(part, _)| Scope::part(id, &part.id)));
        covered.push(parts);
    }
    let (asks, mut asked) = mpsc::channel::<Ask>(1);
    let lent = Lent {
        schema,
        scopes,
        asks,
    };
    let reading = tokio::task::spawn_blocking(move || read(&lent));
    let mut is_superseded = false;
    let mut told = Told::default();
    let answering = async {
        while let Some(ask) = asked.recv().await {
            let answer = ask.batches.clone();
            let read = async {
                for space in spaces {
                    let Some(query) = ask.of(&space.manifest().space) else {
                        continue;
                    };
                    let mut batches = space.batches(&query);
                    while let Some(mut batch) = batches.try_next().await? {
                        told.take(&mut batch);
                        if answer.send(Ok(batch)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                let scopes = ask.scopes.iter();
                told.read
                    .extend(scopes.map(|scope| (ask.table, scope.clone())));
                Ok(())
            };
            if let Err(error) = read.await {
                is_superseded |= matches!(error, ReadError::Superseded);
                // Nobody waits for it if the reading thread panicked.
                let _ = answer.send(Err(error)).await;
            }
        }
    };
    let (outcome, ()) = tokio::join!(reading, answering);
    if is_superseded {
        return Err(ReadError::Superseded);
    }
    let outcome = outcome.map_err(|error| ArchiveError::Stopped(error.to_string()))?;
    for (space, parts) in spaces.iter().zip(covered) {
        told.end(&space.manifest().space, &parts)?;
    }
    Ok(outcome)
}

/// What was read for one reader, table by table: rows of one may contradict those of another.
#[derive(Default)]
struct Told {
    references: BTreeMap<Id, References>,
    read: BTreeSet<(&'static str, Scope)>,
}

impl Told {
    fn take(&mut self, batch: &mut Batch) {
        let Some(part) = &batch.scope.part else {
            return;
        };
        let mut references = mem::take(&mut batch.references);
        // The others may be missing.
        references.retain(|reference| reference.belongs_to.is_some());
        let space = self
            .references
            .entry(batch.scope.space.clone())
            .or_default();
        space.take(
            Some(part),
            batch.table,
            &mem::take(&mut batch.ids),
            references,
        );
    }

    fn end(&mut self, space: &Id, parts: &[(Line, Vec<Covered>)]) -> Result<(), ReadError> {
        let Some(references) = self.references.get_mut(space) else {
            return Ok(());
        };
        for (part, covered) in parts {
            let scope = Scope::part(space, &part.id);
            let is_read = |table| self.read.contains(&(table, scope.clone()));
            let ended = references.end(&part.id, covered, is_read);
            ended.map_err(damaged(&manifest_path(space)))?;
        }
        Ok(())
    }
}

/// An archive that another task reads.
struct Lent {
    schema: &'static Schema,
    scopes: Vec<Scope>,
    asks: mpsc::Sender<Ask>,
}

/// What to read, and where to send it.
struct Ask {
    table: &'static str,
    scopes: BTreeSet<Scope>,
    batches: mpsc::Sender<Result<Batch, ReadError>>,
}

impl Ask {
    /// What to read of a space; `None` for nothing.
    fn of(&self, space: &Id) -> Option<Query> {
        let mut scopes = self.scopes.iter().filter(|scope| scope.space == *space);
        // A space's own tables are of no part.
        let parts: Option<BTreeSet<Id>> = scopes.clone().map(|scope| scope.part.clone()).collect();
        scopes.next().is_some().then(|| Query {
            parts,
            ..Query::table(self.table)
        })
    }
}

impl RowSource for Lent {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut dyn FnMut(TableRows),
    ) -> Result<(), ReadError> {
        let scopes = self.scopes.iter();
        let scopes = scopes.filter(|scope| scope.level() == query.level && wanted(scope));
        let (batches, mut answer) = mpsc::channel(1);
        let ask = Ask {
            table: query.table,
            scopes: scopes.cloned().collect(),
            batches,
        };
        let stopped = |_| ArchiveError::Stopped("nobody reads for it any more".to_owned());
        self.asks.blocking_send(ask).map_err(stopped)?;
        while let Some(batch) = answer.blocking_recv() {
            each((query.read)(&batch?)?);
        }
        Ok(())
    }
}
