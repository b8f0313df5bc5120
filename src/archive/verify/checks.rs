//! What is checked of a manifest, an index and a blob, each by itself. Pure.

use super::Verification;
use crate::{
    Entry, FORMAT, Id, Index, Manifest, Period, ReadError, Schema, Scope, Table,
    manifest::{Counts, MANIFEST},
    partition::{LIMIT, undersized},
    reader,
    row::array_header,
};

/// What the rows of a blob, or of a table, tell of other rows.
#[derive(Default)]
pub(super) struct Checked {
    /// By which others refer to them.
    pub(super) ids: Vec<u64>,
    /// The parts that they describe.
    pub(super) parts: Vec<Id>,
    /// The rows that they refer to.
    pub(super) refers_to: Vec<(&'static str, u64)>,
}

pub(super) fn check_manifest(manifest: &Manifest, found: &mut Verification) {
    let Manifest {
        generation,
        previous,
        format,
        ..
    } = manifest;
    if *format == 0 {
        found.fault(format_args!("{MANIFEST}: format {format}, not {FORMAT}"));
    }
    if *generation == 0 || (*generation == 1) != previous.is_none() {
        found.fault(format_args!(
            "{MANIFEST}: generation {generation} {} a predecessor",
            if previous.is_none() {
                "without"
            } else {
                "with"
            }
        ));
    }
    if !manifest.spaces.is_sorted_by(|one, next| one.id < next.id) {
        found.fault(format_args!(
            "{MANIFEST}: guilds are out of order or repeated"
        ));
    }
    for space in &manifest.spaces {
        if !space.parts.is_sorted_by(|one, next| one.id < next.id) {
            found.fault(format_args!(
                "{MANIFEST}: channels of {} are out of order or repeated",
                space.scope()
            ));
        }
    }
}

pub(super) fn check_index(path: &str, index: &Index, schema: &Schema, found: &mut Verification) {
    let scope = index.scope();
    for (table, entries) in &index.tables {
        if schema
            .table(table)
            .is_none_or(|of| of.level != scope.level())
        {
            found.fault(format_args!("{path}: {scope} cannot have {table}"));
        }
        if entries.is_empty() {
            found.fault(format_args!(
                "{path}: {table} without partitions are listed"
            ));
        }
        let apart = |one: &Entry, next: &Entry| {
            one.period < next.period && !one.period.contains(next.period)
        };
        if !entries.is_sorted_by(apart) {
            found.fault(format_args!(
                "{path}: partitions of {table} overlap or are out of order"
            ));
        }
        for entry in entries {
            if entry.bytes > LIMIT && entry.period.unit().finer().is_some() {
                found.fault(format_args!(
                    "{path}: {table} in {} are too long for one partition",
                    entry.period
                ));
            }
        }
        for period in undersized(
            entries.iter().map(|entry| (entry.period, entry.bytes)),
            LIMIT,
        ) {
            found.fault(format_args!(
                "{path}: {table} in {period} are split, but short enough for one partition"
            ));
        }
    }
}

/// Checks one blob of a table.
pub(super) fn check_blob(
    table: &Table,
    scope: &Scope,
    entry: &Entry,
    bytes: &[u8],
) -> Result<(Checked, Verification), ReadError> {
    let path = entry.blob.blob_path();
    let decode = |bytes: &[u8]| {
        let mut rows = Vec::new();
        (table.inspect)(scope, bytes, &mut |row| rows.push(row)).map(|()| rows)
    };
    let rows = reader::decoded(table.name, scope, entry, bytes, decode)?;
    let mut found = Verification {
        blobs: 1,
        bytes: bytes.len() as u64,
        rows: Counts::from([(table.name.to_owned(), entry.rows)]),
        ..Verification::default()
    };
    if rows.is_empty() {
        found.fault(format_args!("{path} has no rows"));
    }
    let (length, head) = (bytes.len() as u64, array_header(rows.len()).len() as u64);
    if length.checked_sub(head) != Some(entry.bytes) {
        found.fault(format_args!(
            "{path} is {length} bytes long, not the {} and {head} that its index says",
            entry.bytes
        ));
    }
    if !rows.is_sorted_by(|one, next| one.format_1_key < next.format_1_key) {
        found.fault(format_args!("{path}: rows are out of order or repeated"));
    }
    let unit = entry.period.unit();
    let is_elsewhere = |time| Period::of(unit, time) != entry.period;
    if let Some(at) = rows
        .iter()
        .position(|row| is_elsewhere(row.format_1_key.time))
    {
        found.fault(format_args!("{path}: row {at} is not of {}", entry.period));
    }
    if let Some(at) = rows.iter().position(|row| !row.is_in_scope) {
        found.fault(format_args!("{path}: row {at} is not of {scope}"));
    }
    if rows.iter().any(|row| row.contradicts_itself) {
        found.fault(format_args!(
            "{path}: a row contradicts itself (a message that stands without an author, say, or a \
             reaction with no emoji or two)"
        ));
    }
    if !found.is_valid() {
        found.damaged.insert(path);
    }
    let mut checked = Checked::default();
    for row in rows {
        checked.ids.extend(row.id);
        checked.parts.extend(row.part);
        checked.refers_to.extend(row.refers_to);
    }
    Ok((checked, found))
}
