//! Where tables are kept: how places for them are named, and which files they share with archives.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use propsbot_archive::ArchiveError;
use propsbot_network::Network;
use propsbot_tables::{ROOT, TablesPlace};

use super::{
    Access, ArchiveSpec, ArchiveSpecError, BucketArchive, BucketPlace, Claims,
    bucket::BucketTables, folder_tables::FolderTables,
};

/// A place for tables, as named on the command line and in `EXPORT_TABLES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TablesSpec {
    /// `PATH`, or `dir:PATH`: a folder, which the first write creates.
    Folder(PathBuf),
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`: an object store.
    Bucket(BucketPlace),
}

/// The text doesn't name a place for tables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TablesSpecError {
    /// A folder or object store that isn't named as it should be.
    #[error(transparent)]
    Wrong(#[from] ArchiveSpecError),
    /// A git repository. Not quoted, because it may have a password.
    #[error(
        "git would keep every version of every table: write a folder, such as `./tables`, or `s3://BUCKET/PREFIX`"
    )]
    Git,
}

impl FromStr for TablesSpec {
    type Err = TablesSpecError;

    fn from_str(text: &str) -> Result<Self, TablesSpecError> {
        if text.starts_with("github:") || text.starts_with("git:") {
            return Err(TablesSpecError::Git);
        }
        let has_kind = text.starts_with("dir:") || text.contains("://");
        if !has_kind {
            return Ok(Self::Folder(text.into()));
        }
        match text.parse()? {
            ArchiveSpec::Folder(path) => Ok(Self::Folder(path)),
            ArchiveSpec::Bucket(place) => Ok(Self::Bucket(place)),
            ArchiveSpec::Github(_) | ArchiveSpec::Git(_) => Err(TablesSpecError::Git),
        }
    }
}

impl fmt::Display for TablesSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(place) => place.fmt(f),
        }
    }
}

impl TablesSpec {
    /// Whether writers use claims, since there are no locks.
    pub fn takes_claims(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// The place in a folder of this one.
    #[must_use]
    pub fn within(&self, folder: &str) -> Self {
        match self {
            Self::Folder(path) => Self::Folder(path.join(folder)),
            Self::Bucket(place) => {
                let mut place = place.clone();
                if !place.prefix.is_empty() {
                    place.prefix.push('/');
                }
                place.prefix.push_str(folder);
                Self::Bucket(place)
            }
        }
    }

    /// The required variables that are not set.
    pub fn missing(&self, access: &Access) -> Vec<&'static str> {
        match self {
            Self::Folder(_) => Vec::new(),
            Self::Bucket(place) => access.buckets.missing(place.kind),
        }
    }

    /// Whether one of the two is within the other: each removes what it does not know.
    ///
    /// # Errors
    /// The file system can't say where a folder is.
    pub fn overlaps(&self, archive: &ArchiveSpec) -> io::Result<bool> {
        Ok(match (self, archive) {
            (Self::Folder(tables), ArchiveSpec::Folder(archive)) => {
                let (tables, archive) = (absolute(tables)?, absolute(archive)?);
                tables.starts_with(&archive) || archive.starts_with(&tables)
            }
            (Self::Bucket(tables), ArchiveSpec::Bucket(archive)) => {
                let is_in = |one: &str, other: &str| Path::new(one).starts_with(other);
                (tables.kind, &tables.bucket) == (archive.kind, &archive.bucket)
                    && (is_in(&tables.prefix, &archive.prefix)
                        || is_in(&archive.prefix, &tables.prefix))
            }
            _ => false,
        })
    }

    /// Whether there are tables in the place itself. Makes nothing, and takes no lock and no claim.
    ///
    /// # Errors
    /// A required variable is not set, or the place can't be read.
    pub async fn is_used(&self, access: &Access, network: &Network) -> Result<bool, ArchiveError> {
        match self {
            Self::Folder(path) => {
                let root = path.join(ROOT);
                let found = root.try_exists();
                found.map_err(|source| ArchiveError::Io {
                    action: "look at",
                    path: root,
                    source,
                })
            }
            Self::Bucket(place) => {
                self.check_access(access)?;
                let bucket = BucketArchive::new(place.clone(), &access.buckets, network)?;
                BucketTables::new(bucket, None).is_used().await
            }
        }
    }

    fn check_access(&self, access: &Access) -> Result<(), ArchiveError> {
        let variables = self.missing(access);
        if variables.is_empty() {
            return Ok(());
        }
        let place = self.to_string();
        Err(ArchiveError::NoAccess { place, variables })
    }

    /// Opens the place. `claims` are the store's. Before they are uploaded, files wait in `scratch`, a folder for
    /// nothing else, or in the system's temporary folder. Makes no requests yet.
    ///
    /// # Errors
    /// A required variable is not set.
    pub fn open(
        &self,
        access: &Access,
        network: &Network,
        claims: Claims,
        scratch: Option<PathBuf>,
    ) -> Result<Box<dyn TablesPlace>, ArchiveError> {
        self.check_access(access)?;
        Ok(match self {
            Self::Folder(path) => Box::new(FolderTables::new(path)),
            Self::Bucket(place) => {
                let bucket = BucketArchive::new(place.clone(), &access.buckets, network)?;
                Box::new(BucketTables::new(bucket.with_claims(claims), scratch))
            }
        })
    }
}

/// The path without links, as far as it exists.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for there in path.ancestors() {
        match there.canonicalize() {
            Ok(mut whole) => {
                whole.extend(missing.iter().rev());
                return Ok(whole);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.extend(there.file_name());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_for_tables_is_a_folder_or_a_bucket() {
        for (text, shown) in [
            ("./tables", "./tables"),
            ("dir:tables", "tables"),
            ("s3://props/tables/", "s3://props/tables"),
        ] {
            let spec: TablesSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), shown);
        }
        for (text, says) in [
            ("github:octo-org/tables", "git would keep"),
            ("git:./tables", "git would keep"),
            ("s3://", "needs a bucket"),
            ("ftp://host/tables", "is no archive"),
        ] {
            let error = text.parse::<TablesSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn tables_and_archives_within_one_another_are_noticed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("archive")).unwrap();
        std::os::unix::fs::symlink(home.path().join("archive"), home.path().join("link")).unwrap();
        let folder = |path: &str| home.path().join(path);
        for (tables, archive, overlaps) in [
            ("archive", "archive", true),
            ("archive/tables/new", "archive", true),
            ("link/tables", "archive", true),
            ("archive/../archive/tables", "archive", true),
            ("tables", "tables/archive", true),
            ("archive-tables", "archive", false),
            ("tables", "archive", false),
        ] {
            let (tables, archive) = (folder(tables), ArchiveSpec::Folder(folder(archive)));
            let found = TablesSpec::Folder(tables.clone())
                .overlaps(&archive)
                .unwrap();
            assert_eq!(found, overlaps, "{} {archive}", tables.display());
        }
        for (tables, archive, overlaps) in [
            ("s3://props/a/tables", "s3://props/a", true),
            ("s3://props", "s3://props/a", true),
            ("s3://props/ab", "s3://props/a", false),
            ("s3://other/a", "s3://props/a", false),
            ("gs://props/a", "s3://props/a", false),
        ] {
            let (tables, archive): (TablesSpec, ArchiveSpec) =
                (tables.parse().unwrap(), archive.parse().unwrap());
            assert_eq!(tables.overlaps(&archive).unwrap(), overlaps, "{tables}");
        }
    }
}
