//! Access to rows by typed key.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::{
    Mark, PrefixOf, Record, RowError, codec,
    record::{stored_key, stored_keys},
};

/// Readable rows: of a store now, of a [`View`](crate::View), or with a batch applied.
pub trait ReadRows {
    /// Why a row could not be read.
    type Error: From<RowError>;

    /// The bytes stored under a key.
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The values under the keys in `[from, to)`, by key. `few`: only the first or last is needed.
    fn values(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Vec<u8>, Self::Error>>;

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
        let values = self.values(from, to, false);
        values.map(|bytes| Ok(codec::decode(&bytes?)?))
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
        let values = self.values(from, to, false);
        values.map(|bytes| Ok(codec::decode(&bytes?)?)).collect()
    }

    /// The number of rows from one key prefix through another, capped at `most`.
    fn count<R: Record>(
        &self,
        keys: RangeInclusive<impl PrefixOf<R::Key>>,
        most: usize,
    ) -> Result<usize, Self::Error> {
        let (from, to) = stored_keys::<R>(keys.start(), keys.end());
        let mut values = self.values(from, to, false).take(most);
        values.try_fold(0, |count, row| row.map(|_| count + 1))
    }

    /// The last row with this key prefix.
    fn last<R: Record>(&self, prefix: impl PrefixOf<R::Key>) -> Result<Option<R>, Self::Error> {
        let (from, to) = stored_keys::<R>(&prefix, &prefix);
        let last = self.values(from, to, true).next_back();
        last.map(|bytes| Ok(codec::decode(&bytes?)?)).transpose()
    }
}

/// Rows that can be changed. Reads see the changes made so far.
pub trait Rows: ReadRows {
    /// Sets or removes the value of a key.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);

    /// Marks what an export must read again.
    fn mark(&mut self, mark: Mark);

    /// Writes the row under its own key, and marks it for the next export.
    fn put<R: Record>(&mut self, row: &R) -> Result<(), Self::Error> {
        if let Some(mark) = row.mark() {
            self.mark(mark);
        }
        self.set(stored_key::<R>(&row.key()), Some(codec::encode(row)));
        Ok(())
    }

    /// Removes the row, and marks it for the next export.
    fn delete<R: Record>(&mut self, row: &R) -> Result<(), Self::Error> {
        if let Some(mark) = row.mark() {
            self.mark(mark);
        }
        self.set(stored_key::<R>(&row.key()), None);
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
            self.put(&after)?;
        }
        Ok((before, after))
    }
}

/// Rows in memory, to test a provider's merge rules. Drops marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRows(BTreeMap<Vec<u8>, Vec<u8>>);

impl ReadRows for MemoryRows {
    type Error = RowError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.0.get(key).cloned())
    }

    fn values(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        _: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Vec<u8>, RowError>> {
        let range = (from < to).then(|| self.0.range(from..to));
        range
            .into_iter()
            .flatten()
            .map(|(_, value)| Ok(value.clone()))
    }
}

impl Rows for MemoryRows {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.0.insert(key, value),
            None => self.0.remove(&key),
        };
    }

    fn mark(&mut self, _: Mark) {}
}
