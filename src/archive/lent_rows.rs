//! Rows of an archive that is read on one thread, for a reader that blocks on another.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::RangeInclusive,
    sync::Arc,
};

use futures::TryStreamExt as _;
use tokio::sync::mpsc;

use super::{
    archive_reader::retry,
    error::{ReadError, damaged},
    layout::ALWAYS,
    manifest::{Covered, Line, Manifest, manifest_path},
    query::{Batch, Query},
    reader::SpaceReader,
    references::References,
    row_source::{EachBatch, RowSource, TableQuery, TableRows},
};
use crate::{ArchiveError, DataArchive, Id, Level, Millis, Schema, Scope};

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
            let reader = reader.keeping();
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
        let parts = space.listed_parts().await?;
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
                if ask.times == ALWAYS {
                    let scopes = ask.scopes.iter();
                    told.read
                        .extend(scopes.map(|scope| (ask.table, scope.clone())));
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
    times: RangeInclusive<Millis>,
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
            times: self.times.clone(),
            ..Query::table(self.table)
        })
    }
}

impl RowSource for Lent {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn scopes(&self, level: Level) -> Vec<Scope> {
        let scopes = self.scopes.iter().filter(|scope| scope.level() == level);
        scopes.cloned().collect()
    }

    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut EachBatch<'_>,
    ) -> Result<(), ReadError> {
        let scopes = self.scopes.iter();
        let scopes = scopes.filter(|scope| scope.level() == query.level && wanted(scope));
        let (batches, mut answer) = mpsc::channel(1);
        let ask = Ask {
            table: query.table,
            scopes: scopes.cloned().collect(),
            times: query.times.clone(),
            batches,
        };
        let stopped = |_| ArchiveError::Stopped("nobody reads for it any more".to_owned());
        self.asks.blocking_send(ask).map_err(stopped)?;
        while let Some(batch) = answer.blocking_recv() {
            each(TableRows::read(batch?))?;
        }
        Ok(())
    }
}
