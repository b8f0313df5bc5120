//! Several readers of one source, which share what they read.
//!
//! Each reader runs on a thread of its own and asks for one table after the other. Once all of them wait,
//! the table that comes first in a fixed order is read once, for everyone who waits for it: the tables of
//! spaces as the schema lists them, then those of parts from its last one to its first. That puts rows
//! before the rows that they refer to. Readers that ask in this order share every reading; others get their
//! rows, too, but may cause a table to be read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};

use super::{
    error::ReadError,
    layout::ALWAYS,
    row_source::{EachBatch, RowSource, TableQuery, TableRows},
};
use crate::{ArchiveError, Level, Millis, Schema, Scope};

/// How many batches wait for a reader at most.
const AHEAD: usize = 2;

/// Calls each reader on a thread of its own, and reads what they ask for together. Returns what they
/// return, in their order.
///
/// # Errors
/// Rows that can't be read; or else the error of the first reader that has one.
///
/// # Panics
/// If a reader does.
pub fn read_together<T, E, R>(rows: &dyn RowSource, readers: Vec<R>) -> Result<Vec<T>, E>
where
    T: Send,
    E: From<ReadError> + Send,
    R: FnOnce(&dyn RowSource) -> Result<T, E> + Send,
{
    if let [_] = &*readers {
        return readers.into_iter().map(|reader| reader(rows)).collect();
    }
    thread::scope(|scope| {
        let (events, told) = channel();
        let seats = (0..readers.len()).map(|number| Seat::new(number, rows, events.clone()));
        let readers = seats.zip(readers);
        let threads: Vec<_> = readers
            .map(|(seat, reader)| scope.spawn(move || reader(&seat)))
            .collect();
        drop(events);
        let read = answer(rows, threads.len(), &told);
        // Whoever still asks gets no answer.
        drop(told);
        let read_by: Vec<_> = threads
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        read?;
        let read_by = read_by.into_iter();
        read_by
            .map(|joined| joined.unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
            .collect()
    })
}

/// What a reader tells whoever reads for it.
enum Event {
    Asks(usize, Asked),
    Ended,
}

/// What a reader waits for, and where the answer goes. It ends with `None`.
struct Asked {
    query: TableQuery,
    scopes: BTreeSet<Scope>,
    answer: SyncSender<Option<TableRows>>,
}

/// Reads for these readers until all have ended.
fn answer(
    rows: &dyn RowSource,
    mut readers: usize,
    told: &Receiver<Event>,
) -> Result<(), ReadError> {
    let mut waiting = BTreeMap::new();
    loop {
        while waiting.len() < readers {
            match told.recv() {
                Ok(Event::Asks(number, asked)) => {
                    waiting.insert(number, asked);
                }
                Ok(Event::Ended) => readers -= 1,
                Err(_) => return Ok(()),
            }
        }
        let tables = waiting.values().map(|asked: &Asked| asked.query.table);
        let Some(table) = tables.min_by_key(|table| rows.schema().turn(table)) else {
            return Ok(());
        };
        let (asked, others): (BTreeMap<_, _>, _) = waiting
            .into_iter()
            .partition(|(_, asked)| asked.query.table == table);
        waiting = others;
        scan(rows, &asked.into_values().collect::<Vec<_>>())?;
    }
}

/// Reads a table once for everyone who asked for it.
fn scan(rows: &dyn RowSource, asked: &[Asked]) -> Result<(), ReadError> {
    let Some(first) = asked.first() else {
        return Ok(());
    };
    let starts = asked.iter().map(|asked| *asked.query.times.start());
    let ends = asked.iter().map(|asked| *asked.query.times.end());
    let (start, end): (Option<Millis>, Option<Millis>) = (starts.min(), ends.max());
    let query = TableQuery {
        times: start.unwrap_or(*ALWAYS.start())..=end.unwrap_or(*ALWAYS.end()),
        ..first.query.clone()
    };
    let wanted = |scope: &Scope| asked.iter().any(|asked| asked.scopes.contains(scope));
    rows.scan(&query, &wanted, &mut |batch| {
        for asked in asked {
            if asked.scopes.contains(batch.scope())
                && let Some(rows) = batch.within(&asked.query.times)
            {
                // Fails if the reader has ended.
                let _ = asked.answer.send(Some(rows));
            }
        }
        Ok(())
    })?;
    for asked in asked {
        let _ = asked.answer.send(None);
    }
    Ok(())
}

/// The source as one of several readers sees it.
struct Seat {
    number: usize,
    schema: &'static Schema,
    scopes: [Arc<[Scope]>; 2],
    events: Sender<Event>,
}

impl Seat {
    fn new(number: usize, rows: &dyn RowSource, events: Sender<Event>) -> Self {
        Self {
            number,
            schema: rows.schema(),
            scopes: [Level::Space, Level::Part].map(|level| rows.scopes(level).into()),
            events,
        }
    }

    fn of(&self, level: Level) -> &[Scope] {
        let [spaces, parts] = &self.scopes;
        match level {
            Level::Space => spaces,
            Level::Part => parts,
        }
    }
}

impl RowSource for Seat {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn scopes(&self, level: Level) -> Vec<Scope> {
        self.of(level).to_vec()
    }

    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut EachBatch<'_>,
    ) -> Result<(), ReadError> {
        let stopped = || ArchiveError::Stopped("the rows can't be read".to_owned());
        let scopes = self.of(query.level).iter().filter(|scope| wanted(scope));
        let (answer, batches) = sync_channel(AHEAD);
        let asked = Asked {
            query: query.clone(),
            scopes: scopes.cloned().collect(),
            answer,
        };
        let sent = self.events.send(Event::Asks(self.number, asked));
        sent.map_err(|_| stopped())?;
        loop {
            match batches.recv() {
                Ok(Some(batch)) => each(batch)?,
                Ok(None) => return Ok(()),
                Err(_) => return Err(stopped().into()),
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Nobody listens any more after an error.
        let _ = self.events.send(Event::Ended);
    }
}
