//! A provider's mirror on disk.

use std::{
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    Dirty, Domain, Mark, Observed as _, PrefixOf, ReadRows, Record, StoreError, View,
    batch::Batch,
    codec,
    engine::{Engine, Entry, Op},
    index,
    record::{stored_key, stored_keys},
    scan::Scan,
    view::Views,
};

/// Version of the layout on disk. A newer store is refused; an older one is rewritten.
pub const SCHEMA: u32 = 5;

/// The key of the schema, which every version reads.
pub(crate) const SCHEMA_KEY: &[u8] = &[0];

/// How many changes are written per batch where nothing asks for more at once. sled frees the pages that a batch
/// replaced only after the whole batch, and each change replaces its page: 4 to 20 KB.
pub(crate) const AT_ONCE: usize = 1_000;

/// A provider's mirror on disk. Any number of readers, one writer at a time.
///
/// Dereferences to the provider's reader of the rows as they are now.
pub struct Mirror<D: Domain> {
    pub(crate) inner: Arc<Inner>,
    now: D::Reader,
}

impl<D: Domain> Deref for Mirror<D> {
    type Target = D::Reader;

    fn deref(&self) -> &D::Reader {
        &self.now
    }
}

/// What a mirror and its views share.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    /// Locked while the store changes, so that no view opens in the middle of a batch.
    changing: Mutex<Changing>,
}

pub(crate) struct Changing {
    pub(crate) views: Views,
    /// The generation of the next batch.
    generation: u64,
}

impl Inner {
    pub(crate) fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing
            .lock()
            .expect("nothing panics while it changes the store")
    }

    /// Applies the changes that `decide` returns, all at once; they are durable on return. Holds
    /// the lock meanwhile. `decide` gets the generation of the batch. Changes nothing while the disk
    /// is full.
    pub(crate) fn change<T>(
        &self,
        decide: impl FnOnce(&mut u64) -> Result<(Vec<Op>, T), StoreError>,
    ) -> Result<T, StoreError> {
        let mut changing = self.changing();
        self.engine.check_room()?;
        let (ops, answer) = decide(&mut changing.generation)?;
        changing.views.keep(&self.engine, &ops)?;
        self.engine.commit(&ops)?;
        Ok(answer)
    }

    /// Removes these keys in batches, each with the other keys that `more` returns for it.
    pub(crate) fn remove(
        &self,
        (from, to): (&[u8], &[u8]),
        more: impl Fn(&Entry) -> Result<Vec<Vec<u8>>, StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            let keys = (from.to_vec(), to.to_vec());
            let mut ops = Vec::new();
            for entry in Scan::new(&self.engine, (), keys, false).take(AT_ONCE) {
                let entry = entry?;
                ops.extend(more(&entry)?.into_iter().map(Op::Delete));
                ops.push(Op::Delete(entry.0));
            }
            if ops.is_empty() {
                return Ok(());
            }
            self.change(|_| Ok((ops, ())))?;
        }
    }

    /// Puts one of the mirror's own rows.
    pub(crate) fn put<R: Record>(&self, row: &R) -> Result<(), StoreError> {
        let op = Op::Put(stored_key::<R>(&row.key()), codec::encode(row));
        self.change(|_| Ok((vec![op], ())))
    }
}

impl ReadRows for Inner {
    type Error = StoreError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.get(key)
    }

    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> {
        Scan::new(&self.engine, (), (from, to), few)
    }
}

impl<D: Domain> Mirror<D> {
    /// Opens the mirror in the folder `path`, which is created if missing.
    ///
    /// # Errors
    /// See [`StoreError`]. A damaged store is never deleted.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mirror = Self::open_any(path)?;
        if mirror.is_half_restored()? {
            let path = path.to_owned();
            return Err(StoreError::HalfRestored { path });
        }
        Ok(mirror)
    }

    pub(crate) fn open_any(path: &Path) -> Result<Self, StoreError> {
        let mut engine = Engine::open(path)?;
        match stored_schema(&engine)? {
            None => {
                engine.commit(&[Op::Put(SCHEMA_KEY.to_vec(), SCHEMA.to_be_bytes().to_vec())])?;
            }
            Some(SCHEMA) => {}
            Some(found) => engine = crate::upgrade::upgrade::<D>(engine, found)?,
        }
        if !engine.is_used()? {
            engine.mark_used()?;
        }
        let changing = Changing {
            views: Views::new(),
            generation: 1,
        };
        let inner = Inner {
            engine,
            changing: Mutex::new(changing),
        };
        let last = inner.scan::<Dirty>(())?;
        let last = last.iter().map(|dirty| dirty.generation).max();
        inner.changing().generation = last.map_or(1, |last| last + 1);
        let inner = Arc::new(inner);
        let now = View::live(Arc::clone(&inner)).into();
        Ok(Self { inner, now })
    }

    /// Merges observations, group by group, and makes them durable at once. Returns, for each
    /// group, what it found to be missing.
    pub fn merge(
        &self,
        groups: &[Vec<D::Observation>],
    ) -> Result<Vec<Vec<D::Missing>>, StoreError> {
        let mut batch = Batch::new(&self.inner)?;
        let mut missing = Vec::with_capacity(groups.len());
        for group in groups {
            let mut of_group = Vec::new();
            for seen in group {
                batch.clock.advance(seen.at(), seen.is_event());
                of_group.extend(D::merge(&mut batch, seen)?);
            }
            missing.push(of_group);
        }
        batch.commit()?;
        Ok(missing)
    }

    /// A snapshot of all rows, while the store goes on changing.
    pub fn view(&self) -> D::Reader {
        let mut changing = self.inner.changing();
        changing.views.open(Arc::clone(&self.inner)).into()
    }

    /// Closes the mirror; `None` if a view of it is still open.
    pub(crate) fn close(self) -> Option<Inner> {
        let Self { inner, now } = self;
        drop(now);
        Arc::into_inner(inner)
    }

    /// Removes the rows with this key prefix, without marks. If interrupted, some of them are
    /// already gone.
    #[expect(clippy::needless_pass_by_value, reason = "as `ReadRows` takes them")]
    pub fn remove<R: Record>(&self, prefix: impl PrefixOf<R::Key>) -> Result<(), StoreError> {
        let (from, to) = stored_keys::<R>(&prefix, &prefix);
        self.inner.remove((&from, &to), |(key, row)| {
            let place = codec::decode::<R>(row)?.place();
            let entries = place.map(|place| index::entries(&place, key));
            Ok(entries.unwrap_or_default())
        })
    }

    /// Replaces all marks of a space with this one.
    pub fn mark_only(&self, mark: Mark) -> Result<(), StoreError> {
        self.remove::<Dirty>(mark.space.clone())?;
        self.inner.change(|generation| {
            let dirty = Dirty {
                mark,
                generation: *generation,
            };
            *generation += 1;
            let key = stored_key::<Dirty>(&dirty.mark);
            Ok((vec![Op::Put(key, codec::encode(&dirty))], ()))
        })
    }
}

/// The schema of a store; `None` if nothing was written yet.
///
/// # Errors
/// A store that has lost its schema, or a newer one.
pub(crate) fn stored_schema(engine: &Engine) -> Result<Option<u32>, StoreError> {
    let path = engine.path().to_owned();
    let damaged = |reason: &str| StoreError::Damaged {
        path: path.clone(),
        reason: reason.to_owned(),
    };
    let Some(bytes) = engine.get(SCHEMA_KEY)? else {
        return if engine.is_used()? {
            Err(damaged("its log has lost everything that was written"))
        } else {
            Ok(None)
        };
    };
    match bytes.as_slice().try_into().map(u32::from_be_bytes) {
        Ok(found) if found > SCHEMA => Err(StoreError::Newer {
            path,
            found,
            known: SCHEMA,
        }),
        Ok(found) => Ok(Some(found)),
        Err(_) => Err(damaged("its schema version is not a number")),
    }
}
