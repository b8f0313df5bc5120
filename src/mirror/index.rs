//! The indexes of rows: by row time, and by what else they are found by, such as their author.
//!
//! An entry's key is the space, perhaps what the row is found by, the row time, and the row's stored
//! key; its value is empty. In the store and in every view of it:
//!
//! - The index of recent rows has an entry for every row of a part whose row time is at or after
//!   [`Clock::recent_from`](crate::Clock::recent_from). A row enters it as soon as it is written,
//!   and the clock never goes back, so no row becomes recent later.
//! - The other index has an entry for every row of a part whose [`Place`] says what it is found by.
//! - No entry names a row that is missing or lies at another place. It is removed in the
//!   batch that removes or moves its row, however old that is.
//!
//! Entries of rows that are no longer recent take space only; they are removed after an export.

use std::ops::RangeInclusive;

use propsbot_archive::{Id, Millis};

use crate::{
    Clock, Domain, KeyPart, Mirror, Place, ReadRows as _, Record, RowError, StoreError, Table,
    codec, key::after,
};

/// A row that was found in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedRow {
    /// Its row time.
    pub time: Millis,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl IndexedRow {
    /// Whether it is of this table.
    pub fn is_of(&self, table: Table) -> bool {
        self.key.first() == Some(&table.number)
    }

    /// The record, whose table must be this row's.
    pub fn read<R: Record>(&self) -> Result<R, RowError> {
        codec::decode(&self.value)
    }
}

/// The keys of all entries that the row under this key, at this place, may have. Rows of a space's
/// own tables have none.
pub(crate) fn entries(place: &Place, stored_key: &[u8]) -> Vec<Vec<u8>> {
    entries_since(place, stored_key, Millis(i64::MIN))
}

/// The keys of the entries that the row has to have if rows from `recent_from` on are recent.
pub(crate) fn entries_since(place: &Place, stored_key: &[u8], recent_from: Millis) -> Vec<Vec<u8>> {
    let Some((_, time)) = &place.part else {
        return Vec::new();
    };
    let recent = (*time >= recent_from).then(|| at(&place.space, *time));
    let found_by = place.found_by.as_ref();
    let found_by = found_by.map(|by| at_found(&place.space, by, *time));
    let begin = recent.into_iter().chain(found_by);
    begin.map(|begin| [&begin, stored_key].concat()).collect()
}

/// The keys of a space's entries with these times.
pub(crate) fn keys(space: &Id, times: &RangeInclusive<Millis>) -> (Vec<u8>, Vec<u8>) {
    (at(space, *times.start()), after(&at(space, *times.end())))
}

/// The keys of a space's entries that are found by this, with these times.
pub(crate) fn keys_found_by(
    space: &Id,
    by: &Id,
    times: &RangeInclusive<Millis>,
) -> (Vec<u8>, Vec<u8>) {
    let last = after(&at_found(space, by, *times.end()));
    (at_found(space, by, *times.start()), last)
}

/// What an entry's key consists of: the prefix of all keys of its space or of what it is found by, the row time,
/// and the row's stored key.
pub(crate) fn parts(entry: &[u8]) -> Result<(&[u8], Millis, &[u8]), RowError> {
    let ids = if entry.first() == Some(&Table::FOUND_BY.number) {
        2
    } else {
        1
    };
    let parts = (0..ids).try_fold(1, |begin, _| end_of_id(entry, begin));
    let parts = parts.and_then(|end| {
        let (prefix, rest) = entry.split_at_checked(end)?;
        let (time, key) = rest.split_first_chunk()?;
        // As `KeyPart` of `i64` writes it.
        let time = (u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed();
        Some((prefix, Millis(time), key))
    });
    parts.ok_or_else(|| RowError {
        table: Table::RECENT.name,
        reason: "a key is too short".to_owned(),
    })
}

/// Where the id that begins there ends: see `KeyPart` of `Id` and of `str`.
fn end_of_id(entry: &[u8], begin: usize) -> Option<usize> {
    let text = begin + 2;
    let mut ends = entry.get(text..)?.windows(2);
    Some(text + ends.position(|end| end == [0, 0])? + 2)
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
            self.inner.remove((space, &recent), |_| Ok(Vec::new()))?;
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

fn at_found(space: &Id, by: &Id, time: Millis) -> Vec<u8> {
    let mut key = vec![Table::FOUND_BY.number];
    KeyPart::write(space, &mut key);
    KeyPart::write(by, &mut key);
    KeyPart::write(&time.0, &mut key);
    key
}

#[cfg(test)]
mod tests;
