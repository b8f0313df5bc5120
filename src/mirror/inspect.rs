//! Looks at a store from outside: how large it is, and whether it can be opened. Never upgrades it.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Domain, Mirror, StoreError,
    engine::Engine,
    mirror::stored_schema,
    restore::RESTORING_KEY,
    rewrite::{free, size},
};

/// How large a store is, and what is left of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The bytes of all files in its folder.
    pub bytes: u64,
    /// The bytes that are free on its disk.
    pub free: u64,
}

/// Measures the store in this folder, open or not. A folder that doesn't exist has no bytes, and the
/// disk of the nearest one above it.
pub fn footprint(path: &Path) -> io::Result<Footprint> {
    let bytes = if path.exists() { size(path)? } else { 0 };
    let free = free(nearest(path))?;
    Ok(Footprint { bytes, free })
}

/// The nearest folder above a path, or the path itself, that exists.
pub fn nearest(path: &Path) -> &Path {
    let here = Path::new(".");
    let named = path.ancestors().filter(|folder| **folder != *"");
    named
        .into_iter()
        .find(|folder| folder.exists())
        .unwrap_or(here)
}

/// Opens a store without changing its schema, and returns how many bytes its rows have; `None` if
/// counting took longer than `patience`.
///
/// # Errors
/// What [`Mirror::open`](crate::Mirror::open) would refuse: [`StoreError::InUse`],
/// [`StoreError::Newer`], [`StoreError::HalfRestored`], [`StoreError::Damaged`].
pub fn inspect(path: &Path, patience: Duration) -> Result<Option<u64>, StoreError> {
    let begun = Instant::now();
    let engine = Engine::open(path)?;
    stored_schema(&engine)?;
    if engine.get(RESTORING_KEY)?.is_some() {
        let path = path.to_owned();
        return Err(StoreError::HalfRestored { path });
    }
    let mut bytes = 0;
    for size in sizes(&engine) {
        bytes += size?;
        if begun.elapsed() > patience {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// The bytes of each row.
fn sizes(engine: &Engine) -> impl Iterator<Item = Result<u64, StoreError>> {
    let rows = engine.range(&[], &[u8::MAX]);
    rows.map(|row| row.map(|(key, value)| (key.len() + value.len()) as u64))
}

impl<D: Domain> Mirror<D> {
    /// How many bytes the rows have. Reads all of them. The files have more, since they keep replaced
    /// values.
    pub fn logical_bytes(&self) -> Result<u64, StoreError> {
        sizes(&self.inner.engine).sum()
    }
}
