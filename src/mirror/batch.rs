//! Changes that become durable together or not at all.

use std::collections::BTreeSet;

use crate::{
    Clock, Dirty, Mark, Place, ReadRows, Record as _, Rows, StoreError, Table, codec,
    engine::{Entry, Op},
    index,
    mirror::Inner,
    record::stored_key,
    scan::{Changes, Scan},
};

/// Pending changes to a store. Reads through it see them.
pub(crate) struct Batch<'a> {
    inner: &'a Inner,
    changed: Changes,
    marks: BTreeSet<Mark>,
    /// The latest stamps, including those of the observation that is being merged.
    pub(crate) clock: Clock,
}

impl<'a> Batch<'a> {
    /// Begins a batch. Only one may be open at a time.
    pub(crate) fn new(inner: &'a Inner) -> Result<Self, StoreError> {
        Ok(Self {
            inner,
            changed: Changes::new(),
            marks: BTreeSet::new(),
            clock: Clock::of(inner)?,
        })
    }

    /// Makes the changes durable: on success they survive a power cut, on failure none is applied.
    pub(crate) fn commit(mut self) -> Result<(), StoreError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        self.inner.change(|generation| {
            for mark in self.marks {
                let dirty = Dirty {
                    mark,
                    generation: *generation,
                };
                let key = stored_key::<Dirty>(&dirty.mark);
                self.changed.insert(key, Some(codec::encode(&dirty)));
            }
            *generation += 1;
            let clock = codec::encode(&self.clock);
            self.changed
                .insert(stored_key::<Clock>(&self.clock.key()), Some(clock));
            let ops = self.changed.into_iter().map(|(key, value)| match value {
                Some(value) => Op::Put(key, value),
                None => Op::Delete(key),
            });
            Ok((ops.collect(), ()))
        })
    }
}

impl ReadRows for Batch<'_> {
    type Error = StoreError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changed.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.inner.engine.get(key),
        }
    }

    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> {
        Scan::new(&self.inner.engine, &self.changed, (from, to), few)
    }
}

impl Rows for Batch<'_> {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.changed.insert(key, value);
    }

    fn moved(&mut self, key: &[u8], table: Table, before: Option<Place>, after: Option<Place>) {
        let recent_from = self.clock.recent_from();
        let places = before.iter().chain(&after);
        let marks = places.map(|place| Mark::of(place, table, recent_from));
        self.marks.extend(marks);
        if before != after {
            let before = before.iter().flat_map(|place| index::entries(place, key));
            self.changed.extend(before.map(|entry| (entry, None)));
            let after = after.iter();
            let after = after.flat_map(|place| index::entries_since(place, key, recent_from));
            self.changed
                .extend(after.map(|entry| (entry, Some(Vec::new()))));
        }
    }
}
