//! Rows by table and scope, wherever they are: in an archive, or on their way into one.
//!
//! Owns [`RowSource`], which graph plugins read from, and its two implementations. A plugin asks for
//! one table at a time and gets its rows in batches, so memory holds only a few partitions at once.

use std::{any::Any, collections::BTreeSet, pin::pin, sync::Arc};

use futures::TryStreamExt;
use tokio::sync::mpsc;

use super::{
    ArchiveError, ArchiveReader, DataArchive, EncodedRow, Entry, ExportRequest, Id, Level, Millis,
    ReadError, Row, Schema, Scope, Source, SourceError, reader::decoded, retry, row::decode_blob,
};

/// How many bytes of rows from a [`Source`] are decoded at a time.
const BATCH: usize = 1 << 18;

/// A provider's rows, as of one generation of its archive or as one export sees them.
///
/// Reading blocks; [`read_rows`] calls the reader of an archive on a thread that may.
pub trait RowSource {
    /// The provider's schema.
    fn schema(&self) -> &'static Schema;

    /// Hands the rows of the query's table to `each` in batches, for the spaces or parts that are
    /// `wanted`. Rows of one scope come together, in ascending order of their times.
    ///
    /// This is what a new source implements. To read one, call its methods `each` or
    /// `all`.
    ///
    /// # Errors
    /// Rows that can't be read.
    fn scan(
        &self,
        query: &Query,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut dyn FnMut(Batch),
    ) -> Result<(), ReadError>;
}

impl dyn RowSource + '_ {
    /// Hands every row of `R`'s table to `each`, for the spaces or parts that are `wanted`. Rows of
    /// one scope come together, in ascending order of their times.
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
        let query = Query::of::<R>(table.level);
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
pub struct Query {
    /// The table.
    pub table: &'static str,
    /// Whether it is kept by space or by part.
    pub level: Level,
    pub(super) partition: fn(&Scope, &Entry, &[u8]) -> Result<Batch, ReadError>,
    rows: fn(&[EncodedRow]) -> Result<Batch, rmp_serde::decode::Error>,
}

impl Query {
    /// For the table of these rows.
    pub(super) fn of<R: Row>(level: Level) -> Self {
        Self {
            table: R::TABLE,
            level,
            partition: |scope, entry, bytes| {
                decoded(R::TABLE, scope, entry, bytes, decode_blob::<R>).map(Batch::of)
            },
            rows: |rows| {
                let rows: Result<Vec<R>, _> = rows.iter().map(EncodedRow::decode).collect();
                rows.map(Batch::of)
            },
        }
    }

    /// Decodes rows of the table.
    ///
    /// # Errors
    /// A row of another table.
    pub fn decode(&self, rows: &[EncodedRow]) -> Result<Batch, SourceError> {
        Ok((self.rows)(rows)?)
    }
}

/// Some rows of one table, decoded.
#[derive(Debug)]
pub struct Batch(Box<dyn Any + Send>);

impl Batch {
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
        query: &Query,
        scope: &Scope,
        parts: &BTreeSet<&Id>,
        each: &mut dyn FnMut(Batch),
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
        let always = Millis(i64::MIN)..=Millis(i64::MAX);
        self.source.scan(scope, query.table, always, &mut take)?;
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
        query: &Query,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut dyn FnMut(Batch),
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

/// Calls `read` with the rows of an archive of this schema's provider, all of one generation, on a
/// thread that may block. With `only`, there are only the rows of that space.
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
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<ReadError> + Send + 'static,
{
    let read = Arc::new(read);
    retry(archive, schema, |reader| {
        let read = Arc::clone(&read);
        lend(reader, schema, only, move |rows| read(rows))
    })
    .await?
}

/// Calls `read` on another thread, and reads for it here what it asks for.
async fn lend<T: Send + 'static>(
    reader: ArchiveReader<'_>,
    schema: &'static Schema,
    only: Option<&Id>,
    read: impl FnOnce(&dyn RowSource) -> T + Send + 'static,
) -> Result<T, ReadError> {
    let spaces = &reader.manifest().spaces;
    let is_there = |only: &&Id| spaces.iter().any(|space| space.id == **only);
    if let Some(absent) = only.filter(|only| !is_there(only)) {
        return Err(ReadError::NoSpace(absent.clone()));
    }
    let (asks, mut asked) = mpsc::channel(1);
    let scopes = reader.manifest().indexes().map(|(scope, _)| scope);
    let lent = Lent {
        schema,
        scopes: scopes
            .filter(|scope| only.is_none_or(|only| scope.space == *only))
            .collect(),
        asks,
    };
    let reading = tokio::task::spawn_blocking(move || read(&lent));
    let mut is_superseded = false;
    let answering = async {
        while let Some(Ask {
            query,
            scopes,
            batches: answer,
        }) = asked.recv().await
        {
            let read = async {
                let wanted = |scope: &Scope| scopes.contains(scope);
                let mut batches = pin!(reader.batches(query, wanted).await?);
                while let Some(batch) = batches.try_next().await? {
                    if answer.send(Ok(batch)).await.is_err() {
                        break;
                    }
                }
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
    Ok(outcome.map_err(|error| ArchiveError::Stopped(error.to_string()))?)
}

/// An archive that another task reads.
struct Lent {
    schema: &'static Schema,
    scopes: Vec<Scope>,
    asks: mpsc::Sender<Ask>,
}

/// What to read, and where to send it.
struct Ask {
    query: Query,
    scopes: BTreeSet<Scope>,
    batches: mpsc::Sender<Result<Batch, ReadError>>,
}

impl RowSource for Lent {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn scan(
        &self,
        query: &Query,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut dyn FnMut(Batch),
    ) -> Result<(), ReadError> {
        let scopes = self.scopes.iter().filter(|scope| wanted(scope));
        let (batches, mut answer) = mpsc::channel(1);
        let ask = Ask {
            query: *query,
            scopes: scopes.cloned().collect(),
            batches,
        };
        let stopped = |_| ArchiveError::Stopped("nobody reads for it any more".to_owned());
        self.asks.blocking_send(ask).map_err(stopped)?;
        while let Some(batch) = answer.blocking_recv() {
            each(batch?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
