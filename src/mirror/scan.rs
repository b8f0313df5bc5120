//! Reads a range of the store with changes applied on top.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use crate::{
    StoreError,
    engine::{Engine, Entry},
};

/// Keys with their values; `None` for removed keys.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Values that replace those in the store.
pub(crate) trait Overlay {
    /// The changes to the keys in `[from, to)`.
    fn changes(&self, from: &[u8], to: &[u8]) -> Result<Changes, StoreError>;
}

/// No changes.
impl Overlay for () {
    fn changes(&self, _: &[u8], _: &[u8]) -> Result<Changes, StoreError> {
        Ok(Changes::new())
    }
}

impl Overlay for &Changes {
    fn changes(&self, from: &[u8], to: &[u8]) -> Result<Changes, StoreError> {
        let range = self.range(from.to_vec()..to.to_vec());
        Ok(range
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}

/// Entries read at a time: few at first, since most ranges have few.
const FIRST: usize = 16;
const MOST: usize = 256;

/// The entries of a range, by key, from both ends.
///
/// Reads a chunk of the store first and the overlay of the same keys second. A writer saves the old
/// value before it changes the store, so a change is either not read or overlaid.
pub(crate) struct Scan<'a, O> {
    engine: &'a Engine,
    overlay: O,
    /// The keys `[from, to)` that are still unread; empty if equal.
    from: Vec<u8>,
    to: Vec<u8>,
    /// The entries read before these keys, and after them.
    front: VecDeque<Entry>,
    back: VecDeque<Entry>,
    size: usize,
}

impl<'a, O: Overlay> Scan<'a, O> {
    /// The entries with keys in `[from, to)`. `few`: only the first or the last is needed.
    pub(crate) fn new(
        engine: &'a Engine,
        overlay: O,
        (from, to): (Vec<u8>, Vec<u8>),
        few: bool,
    ) -> Self {
        Self {
            engine,
            overlay,
            to: to.max(from.clone()),
            from,
            front: VecDeque::new(),
            back: VecDeque::new(),
            size: if few { 1 } else { FIRST },
        }
    }

    /// Reads one more chunk from the beginning or the end of the unread range.
    fn read(&mut self, from_end: bool) -> Result<(), StoreError> {
        let stored = self.engine.range(&self.from, &self.to);
        let mut rows: Vec<Entry> = if from_end {
            stored.rev().take(self.size).collect::<Result<_, _>>()?
        } else {
            stored.take(self.size).collect::<Result<_, _>>()?
        };
        let last = rows.last().filter(|_| rows.len() == self.size);
        let border = last.map(|(key, _)| key.clone());
        self.size = (self.size * 4).min(MOST);
        if from_end {
            rows.reverse();
            let border = border.unwrap_or_else(|| self.from.clone());
            let to = mem::replace(&mut self.to, border);
            for row in self.laid_over(rows, &self.to, &to)?.into_iter().rev() {
                self.back.push_front(row);
            }
        } else {
            // The next key after a key is the same bytes with a zero appended.
            let border = border.map(|key| [key, vec![0]].concat());
            let from = mem::replace(&mut self.from, border.unwrap_or_else(|| self.to.clone()));
            let rows = self.laid_over(rows, &from, &self.from)?;
            self.front.extend(rows);
        }
        Ok(())
    }

    fn laid_over(
        &self,
        rows: Vec<Entry>,
        from: &[u8],
        to: &[u8],
    ) -> Result<Vec<Entry>, StoreError> {
        let changes = self.overlay.changes(from, to)?;
        if changes.is_empty() {
            return Ok(rows);
        }
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    fn step(&mut self, from_end: bool) -> Option<Result<Entry, StoreError>> {
        loop {
            let (near, far) = if from_end {
                (self.back.pop_back(), &mut self.front)
            } else {
                (self.front.pop_front(), &mut self.back)
            };
            if let Some(row) = near {
                return Some(Ok(row));
            }
            if self.from >= self.to {
                let rest = if from_end {
                    far.pop_back()
                } else {
                    far.pop_front()
                };
                return rest.map(Ok);
            }
            if let Err(error) = self.read(from_end) {
                // Ends the iteration after an error.
                self.to.clone_from(&self.from);
                self.front.clear();
                self.back.clear();
                return Some(Err(error));
            }
        }
    }
}

impl<O: Overlay> Iterator for Scan<'_, O> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

impl<O: Overlay> DoubleEndedIterator for Scan<'_, O> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}
