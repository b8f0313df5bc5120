//! Fills an empty mirror from an archive. An unfinished restore is recognized as such.

use std::{collections::BTreeMap, path::Path};

use propsbot_archive::{Hash, Stamps};

use crate::{
    Clock, Domain, ExportLedger, LastExport, Mirror, Record, Stamp, StoreError, codec, engine::Op,
    index, mirror::AT_ONCE, record::stored_key, scan::Scan,
};

/// Present while a restore is in progress.
pub(crate) const RESTORING_KEY: &[u8] = &[0, 3];

impl<D: Domain> Mirror<D> {
    /// Opens the mirror in the folder `path` to fill it from an archive. [`Self::open`] refuses it
    /// until [`Self::restored`] is called.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if it holds anything except the remains of an interrupted restore.
    pub fn open_to_restore(path: &Path) -> Result<Self, StoreError> {
        let mirror = Self::open_any(path)?;
        if !mirror.is_half_restored()? {
            let has_exported = !ExportLedger::of(&*mirror.inner)?.last.is_empty();
            if has_exported || mirror.records().next().is_some() {
                let path = path.to_owned();
                return Err(StoreError::NotEmpty { path });
            }
            let mark = Op::Put(RESTORING_KEY.to_vec(), Vec::new());
            mirror.inner.change(|_| Ok((vec![mark], ())))?;
        }
        Ok(mirror)
    }

    pub(crate) fn is_half_restored(&self) -> Result<bool, StoreError> {
        Ok(self.inner.engine.get(RESTORING_KEY)?.is_some())
    }

    fn records(&self) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> {
        let all = Scan::new(&self.inner.engine, (), (vec![1], vec![u8::MAX]), false);
        all.map(|entry| Ok(entry?.0))
    }

    /// Removes every record, to start a restore over.
    pub fn clear(&self) -> Result<(), StoreError> {
        loop {
            let keys = self.records().take(AT_ONCE);
            let ops: Vec<Op> = keys
                .map(|key| Ok(Op::Delete(key?)))
                .collect::<Result<_, StoreError>>()?;
            if ops.is_empty() {
                return Ok(());
            }
            self.inner.engine.apply(&ops)?;
        }
    }

    /// Writes records without merging, as of `newest`, which must be that of [`Self::restored`].
    /// They are durable only after that.
    pub fn restore<R: Record>(&self, records: &[R], newest: Stamp) -> Result<(), StoreError> {
        let recent_from = Clock::new(newest, None).recent_from();
        let mut ops = Vec::new();
        for row in records {
            let key = stored_key::<R>(&row.key());
            let place = row.place().into_iter();
            let entries = place.flat_map(|place| index::entries_since(&place, &key, recent_from));
            ops.extend(entries.map(|entry| Op::Put(entry, Vec::new())));
            ops.push(Op::Put(key, codec::encode(row)));
            if ops.len() >= AT_ONCE {
                self.inner.engine.apply(&std::mem::take(&mut ops))?;
            }
        }
        self.inner.engine.apply(&ops)
    }

    /// Completes a restore of these manifests, as of `newest`. On return it survives a power cut,
    /// and [`Self::open`] accepts the mirror.
    ///
    /// `manifests`: by path, the hash of each manifest and the stamps of its space, if it has any.
    pub fn restored(
        &self,
        newest: Stamp,
        manifests: &BTreeMap<String, (Hash, Option<Stamps>)>,
    ) -> Result<(), StoreError> {
        self.inner.put(&Clock::new(newest, None))?;
        let manifests = manifests.iter().map(|(path, &(manifest, stamps))| {
            let restored = LastExport::Restored { manifest, stamps };
            (path.clone(), restored)
        });
        self.start_from(manifests.collect())?;
        let done = Op::Delete(RESTORING_KEY.to_vec());
        self.inner.change(|_| Ok((vec![done], ())))
    }
}
