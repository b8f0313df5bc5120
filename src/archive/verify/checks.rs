//! What is checked of a manifest, an index and a blob, each by itself. Pure.

use super::Verification;
use crate::{
    Entry, FORMAT, Index, Manifest, PROVIDER, ReadError, Restored, Row, Scope,
    manifest::{Counts, MANIFEST},
    partition::{LIMIT, undersized},
    reader,
    table::array_header,
};
use propsbot_model::Stamp;

pub(super) fn check_manifest(manifest: &Manifest, found: &mut Verification) {
    let Manifest {
        generation,
        previous,
        format,
        provider,
        ..
    } = manifest;
    if *format == 0 || provider != PROVIDER {
        found.fault(format_args!(
            "{MANIFEST}: format {format} of the provider {provider:?}, not {FORMAT} of {PROVIDER:?}"
        ));
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
    if !manifest.guilds.is_sorted_by(|one, next| one.id < next.id) {
        found.fault(format_args!(
            "{MANIFEST}: guilds are out of order or repeated"
        ));
    }
    for guild in &manifest.guilds {
        if !guild.channels.is_sorted_by(|one, next| one.id < next.id) {
            found.fault(format_args!(
                "{MANIFEST}: channels of guild {} are out of order or repeated",
                guild.id
            ));
        }
    }
}

pub(super) fn check_index(path: &str, index: &Index, found: &mut Verification) {
    let scope = index.scope();
    for (table, entries) in &index.tables {
        if !scope.tables().contains(table) {
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
        for period in undersized(entries.iter().map(|it| (it.period, it.bytes)), LIMIT) {
            found.fault(format_args!(
                "{path}: {table} in {period} are split, but short enough for one partition"
            ));
        }
    }
}

/// Checks one blob, and takes what is wanted of its rows.
pub(super) fn check_blob<R: Row + Restored, T>(
    scope: Scope,
    entry: &Entry,
    bytes: &[u8],
    wanted: fn(&R) -> T,
) -> Result<(Vec<T>, Verification), ReadError> {
    let path = entry.blob.blob_path();
    let rows: Vec<R> = reader::rows(scope, entry, bytes)?;
    let mut found = Verification {
        blobs: 1,
        bytes: bytes.len() as u64,
        rows: Counts::from([(R::TABLE, entry.rows)]),
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
    let keys: Vec<_> = rows.iter().map(Row::key).collect();
    if !keys.is_sorted_by(|one, next| one < next) {
        found.fault(format_args!("{path}: rows are out of order or repeated"));
    }
    let ids = entry.period.ids();
    if let Some(key) = keys.iter().find(|it| !ids.contains(&it.id)) {
        found.fault(format_args!(
            "{path}: row {} is not of {}",
            key.id, entry.period
        ));
    }
    if let Some(row) = rows.iter().find(|it| it.scope() != scope) {
        found.fault(format_args!(
            "{path} has a row of {}, not of {scope}",
            row.scope()
        ));
    }
    let wanted = rows.iter().map(wanted).collect();
    let contradicts_itself = |it: R| it.is_own() && it.record(Stamp::default()).is_none();
    if rows.into_iter().any(contradicts_itself) {
        found.fault(format_args!(
            "{path}: a row contradicts itself (a message that stands without an author, say, or a \
             reaction with no emoji or two)"
        ));
    }
    if !found.is_valid() {
        found.damaged.insert(path);
    }
    Ok((wanted, found))
}
