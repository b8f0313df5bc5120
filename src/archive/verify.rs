//! Checks an archive, and lists what is wrong with it.
//!
//! Owns no check of its own: `restore` and `graph` read through the same [`SpaceReader`](super::reader), and
//! refuse what this finds.

use std::collections::BTreeSet;

use super::{
    archive_reader::{open_root, open_space},
    error::ReadError,
    manifest::{Manifest, add},
    query::Tally,
};
use crate::{CachedArchive, DataArchive, Hash, Id, Schema, one_line};

/// How many faults are listed.
pub const MOST_FAULTS: usize = 100;

/// How often a space is read again because an export changed it.
const ATTEMPTS: usize = 5;

/// How much of an archive is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The root, the manifests, the lists and the indexes.
    Structure,
    /// Everything.
    Whole,
}

/// What was checked, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// The manifests of the spaces that were checked: which generations, and how old they are.
    pub manifests: Vec<Manifest>,
    /// What is wrong: a sentence each, the first [`MOST_FAULTS`]. Empty if the archive is valid.
    pub faults: Vec<String>,
    /// How many faults more there are.
    pub more_faults: usize,
    /// The files that are missing, can't be read, or aren't as they should be.
    pub damaged: BTreeSet<String>,
    /// What was read.
    pub read: Tally,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    /// Notes what is wrong with the archive; passes on why it couldn't be read.
    fn note(&mut self, fault: ReadError) -> Result<(), ReadError> {
        if matches!(fault, ReadError::Archive(_) | ReadError::Superseded) {
            return Err(fault);
        }
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(one_line(&fault.to_string()));
        } else {
            self.more_faults += 1;
        }
        self.damaged.extend(fault.path().map(str::to_owned));
        Ok(())
    }

    fn add(&mut self, space: Self) {
        let room = MOST_FAULTS.saturating_sub(self.faults.len());
        self.more_faults += space.more_faults + space.faults.len().saturating_sub(room);
        self.faults.extend(space.faults.into_iter().take(room));
        self.manifests.extend(space.manifests);
        self.damaged.extend(space.damaged);
        self.read.files += space.read.files;
        self.read.bytes += space.read.bytes;
        add(&mut self.read.rows, &space.read.rows);
        for (tables, count) in space.read.unresolved {
            *self.read.unresolved.entry(tables).or_default() += count;
        }
    }
}

/// Checks an archive's spaces of one provider. An error means that it couldn't be read; what is wrong with it is in
/// the answer.
pub async fn verify(
    archive: &dyn DataArchive,
    schema: &'static Schema,
    depth: Depth,
) -> Result<Verification, ReadError> {
    let mut verified = verify_each(archive, &[schema], depth).await?;
    Ok(verified.pop().unwrap_or_default())
}

/// Checks an archive's spaces of these providers, and answers for each as [`verify`] does.
pub async fn verify_each(
    archive: &dyn DataArchive,
    schemas: &[&'static Schema],
    depth: Depth,
) -> Result<Vec<Verification>, ReadError> {
    // What the archive has now, not what was read of it once.
    let fetched = match depth {
        Depth::Whole => CachedArchive::fetched(archive).await?,
        Depth::Structure => None,
    };
    let archive = fetched.as_ref().map_or(archive, |fetched| fetched);
    let mut all = Vec::new();
    for schema in schemas {
        let mut attempt = 1;
        all.push(loop {
            match verify_once(archive, schema, depth).await {
                Err(ReadError::Superseded) if attempt < ATTEMPTS => attempt += 1,
                done => break done?,
            }
        });
    }
    Ok(all)
}

async fn verify_once(
    archive: &dyn DataArchive,
    schema: &'static Schema,
    depth: Depth,
) -> Result<Verification, ReadError> {
    let mut all = Verification::default();
    let (root, spaces) = match open_root(archive, schema).await {
        Ok(root) => root,
        Err(fault) => {
            all.note(fault)?;
            return Ok(all);
        }
    };
    for space in spaces {
        let mut attempt = 1;
        let checked = loop {
            match verify_space(archive, schema, depth, root.hash, space.clone()).await {
                // A root that changed is for the caller to read again.
                Err(ReadError::Superseded) if attempt < ATTEMPTS => attempt += 1,
                checked => break checked?,
            }
        };
        all.add(checked);
    }
    Ok(all)
}

async fn verify_space(
    archive: &dyn DataArchive,
    schema: &'static Schema,
    depth: Depth,
    root: Hash,
    space: Id,
) -> Result<Verification, ReadError> {
    let mut found = Verification::default();
    let space = match open_space(archive, schema, root, space).await {
        Ok(space) => space,
        Err(fault) => {
            found.note(fault)?;
            return Ok(found);
        }
    };
    found.manifests.push(space.manifest().clone());
    let read = space.verify(depth, &mut |fault| found.note(fault)).await;
    match read {
        Ok(read) => found.read = read,
        Err(fault) => found.note(fault)?,
    }
    Ok(found)
}
