//! The rows of an export that is under way, as a [`RowSource`].

use std::collections::BTreeSet;

use super::{
    error::ReadError,
    export::ExportRequest,
    request::Source,
    row_source::{EachBatch, RowSource, TableQuery, TableRows},
};
use crate::{EncodedRow, Id, Level, Schema, Scope};

/// How many bytes of rows from a [`Source`] are handed on at a time.
const BATCH: usize = 1 << 18;

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
        each: &mut EachBatch<'_>,
    ) -> Result<(), ReadError> {
        let is_exported = |part: &Option<Id>| part.as_ref().is_none_or(|part| parts.contains(part));
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut failed = None;
        let mut hand_on = |rows: &mut Vec<EncodedRow>| {
            each(TableRows::exported(
                scope.clone(),
                query.table,
                std::mem::take(rows),
            ))
        };
        let mut take = |row: EncodedRow| {
            if is_exported(&row.part) {
                bytes += row.bytes.len();
                rows.push(row);
            }
            if bytes >= BATCH {
                bytes = 0;
                if let Err(error) = hand_on(&mut rows) {
                    failed = Some(error);
                    return Err("the reader of the rows stopped".into());
                }
            }
            Ok(())
        };
        let times = query.times.clone();
        let scanned = self.source.scan(scope, query.table, times, &mut take);
        if let Some(error) = failed {
            return Err(error);
        }
        scanned.map_err(|source| ReadError::Source {
            scope: scope.clone(),
            table: query.table,
            source,
        })?;
        hand_on(&mut rows)
    }
}

impl RowSource for ExportedRows<'_> {
    fn schema(&self) -> &'static Schema {
        self.request.schema
    }

    fn scopes(&self, level: Level) -> Vec<Scope> {
        let spaces = self.request.spaces.iter();
        match level {
            Level::Space => spaces.map(|space| Scope::space(&space.id)).collect(),
            Level::Part => {
                let parts = spaces.flat_map(|space| {
                    let parts = space.parts.iter();
                    parts.map(|part| Scope::part(&space.id, &part.id))
                });
                parts.collect()
            }
        }
    }

    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut EachBatch<'_>,
    ) -> Result<(), ReadError> {
        for space in &self.request.spaces {
            let parts: BTreeSet<&Id> = space.parts.iter().map(|part| &part.id).collect();
            let scopes = self.scopes(query.level).into_iter();
            let scopes = scopes.filter(|scope| scope.space == space.id && wanted(scope));
            for scope in scopes {
                self.scope(query, &scope, &parts, each)?;
            }
        }
        Ok(())
    }
}
