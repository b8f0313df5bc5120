//! The current generation of an archive in one file, for stores that keep data by its content, such as IPFS.
//!
//! Owns what goes into the file and in which order: the same generation is the same bytes. [`writer`] owns
//! how it is written.

mod writer;

use std::{io, path::Path};

use futures::TryStreamExt as _;

use self::writer::CarWriter;
use super::{
    archive_reader::{ArchiveReader, retry},
    error::{ReadError, damaged},
    file::FILE_LIMIT,
    files::read,
    manifest::{MANIFEST_LIMIT, Manifest, ROOT, manifest_path},
    query::Query,
};
use crate::{
    ArchiveError, DataArchive, FORMAT_MD, Hash, Millis, Schema, blocking, format_md, is_whole,
};

/// A file that [`write_car`] wrote.
#[derive(Clone, Debug)]
pub struct Car {
    /// The manifests of the spaces: which generations it has.
    pub manifests: Vec<Manifest>,
    /// The CID of the archive's root manifest, which is the file's first root.
    pub manifest: String,
    /// The CID of the folder that has all files by their paths, which is its second root.
    pub folder: String,
    /// How many files of the archive it has.
    pub files: usize,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Writes the current generation of an archive as a CAR file (version 1): the manifests, every file that
/// they lead to, and [`FORMAT_MD`], each under its CID, in a folder that has them by path.
///
/// `schemas` are those of all providers that the archive has spaces of.
///
/// Reads and checks everything first, as a restore does. The file appears when it is complete; only with
/// `replace` may it take the place of another.
///
/// # Errors
/// Whatever is wrong with the archive, also that it was written after `now`, or a file that can't be written.
pub async fn write_car(
    archive: &dyn DataArchive,
    schemas: &[&'static Schema],
    now: Millis,
    out: &Path,
    replace: bool,
) -> Result<Car, ReadError> {
    let Some((first, others)) = schemas.split_first() else {
        return Err(ReadError::Empty);
    };
    retry(archive, first, None, |reader| async move {
        let root = reader.root();
        let mut readers = vec![reader];
        for schema in others {
            readers.push(ArchiveReader::open(archive, schema).await?);
        }
        if readers.iter().any(|reader| reader.root() != root) {
            return Err(ReadError::Superseded);
        }
        for reader in &readers {
            check(reader, now).await?;
        }
        write_once(archive, schemas, &readers, out, replace).await
    })
    .await
}

async fn write_once(
    archive: &dyn DataArchive,
    schemas: &[&'static Schema],
    readers: &[ArchiveReader<'_>],
    out: &Path,
    replace: bool,
) -> Result<Car, ReadError> {
    let target = out.to_owned();
    let mut car = on_disk(out, move || CarWriter::create(&target)).await?;
    let (mut spaces, mut manifests) = (Vec::new(), Vec::new());
    for reader in readers {
        spaces.extend(reader.spaces());
        if manifests.is_empty() {
            manifests.push((ROOT.to_owned(), reader.root()));
        }
    }
    for space in &spaces {
        manifests.push((manifest_path(&space.manifest().space), space.hash()));
    }
    for (path, hash) in manifests {
        let bytes = read(archive, &path, MANIFEST_LIMIT).await?;
        let bytes = bytes.filter(|bytes| Hash::of(bytes) == hash);
        car = add(out, car, path, bytes.ok_or(ReadError::Superseded)?).await?;
    }
    let page = format_md(schemas).into_bytes();
    car = add(out, car, FORMAT_MD.to_owned(), page).await?;
    for space in spaces {
        for path in space.files().named().await?.0 {
            let bytes = space.files().packed(&path, FILE_LIMIT).await?;
            car = add(out, car, path, bytes).await?;
        }
    }
    let (files, target) = (car.files(), out.to_owned());
    let (roots, bytes) = on_disk(out, move || car.finish(ROOT, &target, replace)).await?;
    Ok(Car {
        manifests: readers.iter().flat_map(ArchiveReader::manifests).collect(),
        manifest: roots[0].to_string(),
        folder: roots[1].to_string(),
        files,
        bytes,
    })
}

/// Reads all rows, and thereby checks everything.
async fn check(reader: &ArchiveReader<'_>, now: Millis) -> Result<(), ReadError> {
    for manifest in reader.manifests() {
        manifest.check_clock(now)?;
    }
    let all = Query::all();
    let mut batches = reader.batches(&all);
    while batches.try_next().await?.is_some() {}
    Ok(())
}

/// Adds a file. It was checked, but may have been damaged since.
async fn add(
    out: &Path,
    mut car: CarWriter,
    path: String,
    bytes: Vec<u8>,
) -> Result<CarWriter, ReadError> {
    let named = path.clone();
    let added = on_disk(out, move || {
        if Hash::in_path(&path).is_some() && !is_whole(&path, &bytes) {
            return Ok(None);
        }
        car.file(path, &bytes)?;
        Ok(Some(car))
    });
    let changed = || damaged(&named)("it changed while it was read".to_owned());
    added.await?.ok_or_else(changed)
}

/// Works on the file off the async threads.
async fn on_disk<T: Send + 'static>(
    out: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    let path = out.to_owned();
    let failed = |source| ArchiveError::Io {
        action: "write",
        path,
        source,
    };
    blocking(move || work().map_err(failed)).await
}
