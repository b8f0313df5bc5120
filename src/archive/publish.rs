//! What a write puts into an archive and publishes: objects, manifests and documents.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ArchiveError, Hash,
    data_archive::DOCUMENTS,
    file,
    manifest::{ROOT, is_manifest},
};

/// An immutable file of the archive, named by the hash of its uncompressed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path in the archive, with `/` between folders.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The content of the files beside the manifests; `None` removes a file.
pub type Documents = BTreeMap<&'static str, Option<Vec<u8>>>;

/// The hashes of manifests by path; `None` where there is none.
///
/// An archive has a root, [`ROOT`], and a manifest for each space
/// ([`manifest_path`](super::manifest::manifest_path)). A write names the ones that it is
/// based on, whether it replaces them or not. It names what lies at a path even if the root doesn't
/// have the space: an interrupted write may have left a manifest there.
pub type Bases = BTreeMap<String, Option<Hash>>;

/// The bases of a write to an archive whose root has this hash.
pub fn base(root: Option<Hash>) -> Bases {
    BTreeMap::from([(ROOT.to_owned(), root)])
}

/// What a write publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The new manifests, by path; `None` removes one. Each path is one of the write's [`Bases`].
    pub manifests: BTreeMap<String, Option<Vec<u8>>>,
    /// The objects that they no longer need.
    pub remove: BTreeSet<String>,
    /// The changed files beside the manifests ([`DOCUMENTS`]).
    pub documents: Documents,
    /// What changed, in one line for people. Archives without a log ignore it.
    pub commit_message: String,
}

/// What a write published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The manifests that were replaced, and `None` for those that were removed. Fewer than asked
    /// for if another writer interfered with an archive that replaces one file at a time.
    pub published: Bases,
    /// Requests sent to a server since the previous write ended, including reads and retries.
    pub requests: u64,
    /// The commit that was made or found, for archives in git.
    pub commit: Option<String>,
    /// The [`DOCUMENTS`] that were left out because they exceed the archive's file size limit.
    pub too_large: Vec<String>,
}

fn hash_in(path: &str) -> Result<Hash, ArchiveError> {
    Hash::in_path(path).ok_or_else(|| ArchiveError::BadPath(path.to_owned()))
}

impl Object {
    /// Checks that the bytes are those that the path names. Every archive checks this before it
    /// stores an object.
    pub fn check(&self) -> Result<(), ArchiveError> {
        check_object(&self.path, &self.bytes)
    }
}

/// Whether these are the bytes of the object at this path, however compressed.
pub fn is_whole(path: &str, bytes: &[u8]) -> bool {
    check_object(path, bytes).is_ok()
}

fn check_object(path: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let hash = hash_in(path)?;
    let checked = if file::is_named(path) {
        file::check(bytes, hash)
    } else if Hash::of(bytes) == hash {
        Ok(())
    } else {
        Err("its bytes have another hash".to_owned())
    };
    checked.map_err(|problem| ArchiveError::BadObject {
        path: path.to_owned(),
        problem,
    })
}

impl Publish {
    /// Checks that this stays within `bases`, objects and [`DOCUMENTS`]: replaces only manifests of
    /// the write, removes only objects, changes only documents. Every archive checks this before it
    /// publishes.
    pub fn check(&self, bases: &Bases) -> Result<(), ArchiveError> {
        for path in &self.remove {
            hash_in(path)?;
        }
        let documents = self.documents.keys().copied();
        let odd = documents.filter(|path| !DOCUMENTS.contains(path));
        let manifests = self.manifests.keys().map(String::as_str);
        let strange = manifests.filter(|path| !bases.contains_key(*path));
        match odd.chain(strange).next() {
            Some(path) => Err(ArchiveError::BadPath(path.to_owned())),
            None => Ok(()),
        }
    }

    /// The hashes of the new manifests, and `None` for those to be removed.
    pub fn hashes(&self) -> Bases {
        let hash = |manifest: &Option<Vec<u8>>| manifest.as_deref().map(Hash::of);
        let manifests = self.manifests.iter();
        manifests
            .map(|(path, manifest)| (path.clone(), hash(manifest)))
            .collect()
    }

    /// The manifests in the order in which to replace them one at a time.
    ///
    /// Manifests of spaces come before the root that names them, and go after the root that no
    /// longer does.
    pub fn in_order(&self) -> Vec<(&str, Option<&[u8]>)> {
        let manifests = self.manifests.iter();
        let mut manifests: Vec<_> = manifests
            .map(|(path, manifest)| (path.as_str(), manifest.as_deref()))
            .collect();
        manifests.sort_by_key(|(path, manifest)| match manifest {
            _ if *path == ROOT => 1,
            Some(_) => 0,
            None => 2,
        });
        manifests
    }

    /// Compares the current manifests, `found`, to the bases of the write. Returns
    /// [`Self::hashes`] if it may publish.
    ///
    /// # Errors
    /// [`ArchiveError::Stale`] for the first that is neither as expected nor already published.
    pub fn compare(&self, bases: &Bases, found: &Bases) -> Result<Bases, ArchiveError> {
        let hashes = self.hashes();
        for (path, expected) in bases {
            let found = found.get(path).copied().flatten();
            if found != *expected && hashes.get(path) != Some(&found) {
                return Err(ArchiveError::Stale {
                    expected: *expected,
                    found,
                });
            }
        }
        Ok(hashes)
    }
}

/// Fails if a path isn't that of a manifest.
pub fn check_bases(bases: &Bases) -> Result<(), ArchiveError> {
    match bases.keys().find(|path| !is_manifest(path)) {
        Some(path) => Err(ArchiveError::BadPath(path.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_root_never_names_a_space_without_a_manifest() {
        let publish = Publish {
            manifests: [
                (ROOT.to_owned(), Some(vec![1])),
                ("spaces/gone.json".to_owned(), None),
                ("spaces/new.json".to_owned(), Some(vec![2])),
                ("spaces/a.json".to_owned(), None),
            ]
            .into(),
            ..Publish::default()
        };
        let order = publish.in_order();
        let paths: Vec<&str> = order.iter().map(|(path, _)| *path).collect();
        let expected = ["spaces/new.json", ROOT, "spaces/a.json", "spaces/gone.json"];
        assert_eq!(paths, expected);
    }

    /// A file that would decompress to a gigabyte.
    #[test]
    fn a_bomb_is_refused_by_the_limit_of_the_format() {
        let (file, _) = file::pack(file::Kind::Rows, b"rows");
        let zeros = vec![0; 1 << 20];
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let bytes = (0..1024).try_fold(gzip, |mut gzip, _| {
            io::Write::write_all(&mut gzip, &zeros)?;
            Ok::<_, io::Error>(gzip)
        });
        let object = Object {
            path: file::named(file::Kind::Rows, file.hash),
            bytes: bytes.and_then(flate2::write::GzEncoder::finish).unwrap(),
        };
        let refused = object.check().unwrap_err().to_string();
        assert!(refused.contains("longer than 134217728 bytes"), "{refused}");
    }
}
