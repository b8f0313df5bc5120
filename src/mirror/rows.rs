//! Access to rows by typed key.

use std::{collections::BTreeMap, ops::RangeInclusive};

use propsbot_archive::{Id, Millis};

use crate::{
    IndexedRow, Place, PrefixOf, Record, RowError, Table, codec,
    engine::Entry,
    index,
    record::{stored_key, stored_keys},
};

/// Readable rows: of a store now, of a [`View`](crate::View), or with a batch applied.
pub trait ReadRows {
    /// Why a row could not be read.
    type Error: From<RowError>;

    /// The bytes stored under a key.
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The keys in `[from, to)` with their values, by key. `few`: only the first or last is needed.
    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, Vec<u8>), Self::Error>>;

    /// The row with this key.
    fn get<R: Record>(&self, key: R::Key) -> Result<Option<R>, Self::Error> {
        let value = self.value(&stored_key::<R>(&key))?;
        Ok(value.map(|bytes| codec::decode(&bytes)).transpose()?)
    }

    /// Iterates by key over the rows from one key prefix through another.
    fn iter<R: Record>(
        &self,
        keys: RangeInclusive<impl PrefixOf<R::Key>>,
    ) -> impl DoubleEndedIterator<Item = Result<R, Self::Error>> {
        let (from, to) = stored_keys::<R>(keys.start(), keys.end());
        let entries = self.entries(from, to, false);
        entries.map(|entry| Ok(codec::decode(&entry?.1)?))
    }

    /// Like [`Self::iter`], but collected.
    fn range<R: Record>(
        &self,
        keys: RangeInclusive<impl PrefixOf<R::Key>>,
    ) -> Result<Vec<R>, Self::Error> {
        self.iter(keys).collect()
    }

    /// The rows with this key prefix, by key. `()` is a prefix of every key.
    fn scan<R: Record>(&self, prefix: impl PrefixOf<R::Key>) -> Result<Vec<R>, Self::Error> {
        let (from, to) = stored_keys::<R>(&prefix, &prefix);
        let entries = self.entries(from, to, false);
        entries.map(|entry| Ok(codec::decode(&entry?.1)?)).collect()
    }

    /// The number of rows from one key prefix through another, capped at `most`.
    fn count<R: Record>(
        &self,
        keys: RangeInclusive<impl PrefixOf<R::Key>>,
        most: usize,
    ) -> Result<usize, Self::Error> {
        let (from, to) = stored_keys::<R>(keys.start(), keys.end());
        let mut entries = self.entries(from, to, false).take(most);
        entries.try_fold(0, |count, entry| entry.map(|_| count + 1))
    }

    /// The last row with this key prefix.
    fn last<R: Record>(&self, prefix: impl PrefixOf<R::Key>) -> Result<Option<R>, Self::Error> {
        let (from, to) = stored_keys::<R>(&prefix, &prefix);
        let last = self.entries(from, to, true).next_back();
        last.map(|entry| Ok(codec::decode(&entry?.1)?)).transpose()
    }

    /// The rows of the space's parts whose row times are in `times`, by row time; rows of one time
    /// in the order of their tables and keys.
    ///
    /// Complete from [`Clock::recent_from`](crate::Clock::recent_from) on. Of earlier rows, it may
    /// have any.
    fn recent<'a>(
        &'a self,
        space: &Id,
        times: RangeInclusive<Millis>,
    ) -> impl DoubleEndedIterator<Item = Result<IndexedRow, Self::Error>> + use<'a, Self> {
        indexed(self, index::keys(space, &times))
    }

    /// The rows of the space's parts that are found by this, with row times in `times`; in the order
    /// of [`Self::recent`].
    fn found_by<'a>(
        &'a self,
        space: &Id,
        by: &Id,
        times: RangeInclusive<Millis>,
    ) -> impl DoubleEndedIterator<Item = Result<IndexedRow, Self::Error>> + use<'a, Self> {
        indexed(self, index::keys_found_by(space, by, &times))
    }
}

/// The rows of the entries of an index with these keys.
fn indexed<R: ReadRows + ?Sized>(
    rows: &R,
    (from, to): (Vec<u8>, Vec<u8>),
) -> impl DoubleEndedIterator<Item = Result<IndexedRow, R::Error>> + use<'_, R> {
    let found = rows.entries(from, to, false).map(|entry| {
        let (entry, _) = entry?;
        let (_, time, key) = index::parts(&entry)?;
        let key = key.to_vec();
        let value = rows.value(&key)?;
        Ok(value.map(|value| IndexedRow { time, key, value }))
    });
    found.filter_map(Result::transpose)
}

/// Rows that can be changed. Reads see the changes made so far.
pub trait Rows: ReadRows {
    /// Sets or removes the value of a key.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);

    /// Takes note of where the row under this key lay before a change and lies after it; `None`
    /// where it has no row.
    ///
    /// Marks both places for the next export, and keeps the index of recent rows.
    fn moved(&mut self, key: &[u8], table: Table, before: Option<Place>, after: Option<Place>);

    /// Writes the row under its own key, and marks it for the next export.
    fn put<R: Record>(&mut self, row: &R) -> Result<(), Self::Error> {
        let before = known(self, row)?;
        replace(self, before.as_ref(), row, true);
        Ok(())
    }

    /// Removes the row with the key of this one, and marks it for the next export.
    fn delete<R: Record>(&mut self, row: &R) -> Result<(), Self::Error> {
        let before = known(self, row)?;
        replace(self, before.as_ref(), row, false);
        Ok(())
    }

    /// Changes the row with the key of `unknown` (or `unknown` itself if there is none).
    ///
    /// Writes it only if it changed. Returns the row before (if there was one) and after.
    fn update<R: Record + Clone + PartialEq>(
        &mut self,
        unknown: R,
        change: impl FnOnce(&mut R),
    ) -> Result<(Option<R>, R), Self::Error> {
        let before: Option<R> = self.get(unknown.key())?;
        let mut after = before.clone().unwrap_or(unknown);
        change(&mut after);
        if before.as_ref() != Some(&after) {
            replace(self, before.as_ref(), &after, true);
        }
        Ok((before, after))
    }
}

/// The stored row with the key of this one, if its place matters.
fn known<R: Record, S: Rows + ?Sized>(rows: &S, row: &R) -> Result<Option<R>, S::Error> {
    match row.place() {
        Some(_) => rows.get(row.key()),
        None => Ok(None),
    }
}

/// Writes or removes a row, of which `before` is stored.
fn replace<R: Record, S: Rows + ?Sized>(rows: &mut S, before: Option<&R>, row: &R, stays: bool) {
    let key = stored_key::<R>(&row.key());
    let after = row.place().filter(|_| stays);
    rows.moved(&key, R::TABLE, before.and_then(R::place), after);
    rows.set(key, stays.then(|| codec::encode(row)));
}

/// Rows in memory, to test a provider's merge rules. Has neither marks nor an index of recent rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRows(BTreeMap<Vec<u8>, Vec<u8>>);

impl ReadRows for MemoryRows {
    type Error = RowError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.0.get(key).cloned())
    }

    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        _: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, RowError>> {
        let range = (from < to).then(|| self.0.range(from..to));
        let entries = range.into_iter().flatten();
        entries.map(|(key, value)| Ok((key.clone(), value.clone())))
    }
}

impl Rows for MemoryRows {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.0.insert(key, value),
            None => self.0.remove(&key),
        };
    }

    fn moved(&mut self, _: &[u8], _: Table, _: Option<Place>, _: Option<Place>) {}
}
