//! The index of recent rows: finds the rows of a space's parts by row time.
//!
//! An entry's key is the space, the row time and the row's stored key; its value is empty. In the
//! store and in every view of it:
//!
//! - The index has an entry for every row of a part whose row time is at or after
//!   [`Clock::recent_from`](crate::Clock::recent_from). A row enters it as soon as it is written,
//!   and the clock never goes back, so no row becomes recent later.
//! - No entry names a row that is missing or has another row time. It is removed in the batch that
//!   removes or moves its row, however old that is.
//!
//! Entries of older rows take space only; they are removed after an export.

use std::ops::RangeInclusive;

use propsbot_archive::{Id, Millis};

use crate::{
    Clock, Domain, KeyPart, Mirror, Place, ReadRows as _, Record, RowError, StoreError, Table,
    codec, key::after,
};

/// A row that was found by its row time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRow {
    /// Its row time.
    pub time: Millis,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl RecentRow {
    /// Whether it is of this table.
    pub fn is_of(&self, table: Table) -> bool {
        self.key.first() == Some(&table.number)
    }

    /// The record, whose table must be this row's.
    pub fn read<R: Record>(&self) -> Result<R, RowError> {
        codec::decode(&self.value)
    }
}

/// The key of an entry; `None` for rows of a space's own tables, which aren't in the index.
pub(crate) fn key(place: &Place, stored_key: &[u8]) -> Option<Vec<u8>> {
    let (_, time) = place.part.as_ref()?;
    let mut key = at(&place.space, *time);
    key.extend_from_slice(stored_key);
    Some(key)
}

/// Whether a row at this place has to be in the index.
pub(crate) fn is_recent(place: &Place, recent_from: Millis) -> bool {
    let part = place.part.as_ref();
    part.is_some_and(|(_, time)| *time >= recent_from)
}

/// The keys of a space's entries with these times.
pub(crate) fn keys(space: &Id, times: &RangeInclusive<Millis>) -> (Vec<u8>, Vec<u8>) {
    (at(space, *times.start()), after(&at(space, *times.end())))
}

/// What an entry's key consists of: the prefix of all keys of its space, the row time, and the row's
/// stored key.
pub(crate) fn parts(entry: &[u8]) -> Result<(&[u8], Millis, &[u8]), RowError> {
    // The first two zeros after the length of the space's id end it: see `KeyPart` of `str`.
    let ends = entry.get(3..).unwrap_or_default().windows(2);
    let space = ends.take_while(|end| *end != [0, 0]).count() + 5;
    let parts = entry.split_at_checked(space).and_then(|(space, rest)| {
        let (time, key) = rest.split_first_chunk()?;
        // As `KeyPart` of `i64` writes it.
        let time = (u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed();
        Some((space, Millis(time), key))
    });
    parts.ok_or_else(|| RowError {
        table: Table::RECENT.name,
        reason: "a key is too short".to_owned(),
    })
}

impl<D: Domain> Mirror<D> {
    /// Removes the entries of rows that are no longer recent.
    pub(crate) fn prune_recent(&self) -> Result<(), StoreError> {
        let recent_from = Clock::of(&*self.inner)?.recent_from();
        let mut from = vec![Table::RECENT.number];
        let end = after(&from);
        while let Some(first) = self.inner.entries(from, end.clone(), true).next() {
            let (first, _) = first?;
            let (space, _, _) = parts(&first)?;
            let mut recent = space.to_vec();
            KeyPart::write(&recent_from.0, &mut recent);
            self.inner.remove((space, &recent), |_| Ok(None))?;
            from = after(space);
        }
        Ok(())
    }
}

fn at(space: &Id, time: Millis) -> Vec<u8> {
    let mut key = vec![Table::RECENT.number];
    KeyPart::write(space, &mut key);
    KeyPart::write(&time.0, &mut key);
    key
}

#[cfg(test)]
mod tests;
