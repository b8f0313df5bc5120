//! Filling an empty store from an archive: all of it, or it is known to be half.

use std::path::Path;

use super::{EXPORTED_KEY, NEWEST_KEY, RESTORING_KEY, Store, StoreError, engine::Op};
use crate::codec;
use propsbot_model::{Record, Stamp};

/// Keys that are removed at a time.
const AT_ONCE: usize = 10_000;

impl Store {
    /// Opens the store in the folder `path` to fill it from an archive. Until [`Self::restored`],
    /// [`Self::open`] refuses it.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if it holds anything but what a restore left that was cut off.
    pub fn open_to_restore(path: &Path) -> Result<Self, StoreError> {
        let store = Self::open_any(path)?;
        if !store.is_half_restored()? {
            if store.records().next().is_some() || store.last_export()?.is_some() {
                let path = path.to_owned();
                return Err(StoreError::NotEmpty { path });
            }
            let mark = Op::Put(RESTORING_KEY.to_vec(), Vec::new());
            store.engine.commit(&[mark])?;
        }
        Ok(store)
    }

    pub(super) fn is_half_restored(&self) -> Result<bool, StoreError> {
        Ok(self.engine.get(RESTORING_KEY)?.is_some())
    }

    fn records(&self) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> {
        let all = self.engine.range(&[1], &[u8::MAX]);
        all.map(|entry| Ok(entry?.0))
    }

    /// Removes every record: a restore begins anew.
    pub fn clear(&self) -> Result<(), StoreError> {
        loop {
            let keys: Vec<Vec<u8>> = self.records().take(AT_ONCE).collect::<Result<_, _>>()?;
            if keys.is_empty() {
                return Ok(());
            }
            let ops: Vec<Op> = keys.into_iter().map(Op::Delete).collect();
            self.engine.apply(&ops)?;
        }
    }

    /// Puts records as they are, without merging. They are durable only after [`Self::restored`].
    pub fn restore<R: Record>(&self, records: &[R]) -> Result<(), StoreError> {
        let put = |row: &R| Op::Put(Self::key(R::TABLE, &row.key()), codec::encode(row));
        let ops: Vec<Op> = records.iter().map(put).collect();
        self.engine.apply(&ops)
    }

    /// All is there, as of `newest`; `left` is what the next export is told. When this returns, it
    /// survives a power cut, and the store is one like any other.
    pub fn restored(&self, newest: Stamp, left: &str) -> Result<(), StoreError> {
        self.engine.commit(&[
            Op::Put(NEWEST_KEY.to_vec(), newest.0.to_be_bytes().to_vec()),
            Op::Put(EXPORTED_KEY.to_vec(), left.as_bytes().to_vec()),
        ])?;
        self.engine.commit(&[Op::Delete(RESTORING_KEY.to_vec())])
    }
}
