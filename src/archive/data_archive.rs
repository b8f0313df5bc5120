//! What an archive is to the rest of the program: files that are read by name and replaced as a
//! set.
//!
//! Owns the contract that every backend keeps (`tests/it/archive` checks it) and how archives are
//! named on the command line. Knows nothing of rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt, io,
    path::PathBuf,
    str::FromStr,
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Hash, MANIFEST, README, bucket::BucketArchive, folder::FolderArchive};

/// The files that SourceCred reads: the graph, its types, and who the members are.
pub const SOURCECRED: [&str; 3] = [
    "sourcecred/props/graph.json",
    "sourcecred/props/declaration.json",
    "sourcecred/props/identityProposals.json",
];

/// The files that may lie beside the manifest for people and other programs, and are replaced.
pub const DOCUMENTS: [&str; 4] = [README, SOURCECRED[0], SOURCECRED[1], SOURCECRED[2]];

/// An immutable file of the archive: a blob or an index, named by the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where it is, with `/` between folders.
    pub path: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// A step of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds an object that the next manifest needs.
    Put(Object),
    /// Replaces the manifest, then the documents, then removes the objects with these paths. It
    /// ends the write.
    Publish {
        /// The new manifest's bytes.
        manifest: Vec<u8>,
        /// What it no longer needs.
        remove: BTreeSet<String>,
        /// What the files beside it, [`DOCUMENTS`], say from now on; `None` for those that go. They
        /// follow the manifest, in no certain time: no reader depends on them.
        documents: BTreeMap<&'static str, Option<Vec<u8>>>,
    },
}

/// Keeps and serves what a provider exported.
#[async_trait]
pub trait DataArchive: Send + Sync {
    /// The file at this path, whole; `None` if there is none.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Carries out these changes, one by one as they come, on the archive whose manifest has the
    /// hash `expected` (`None`: on one that has no manifest yet).
    ///
    /// - **Atomic.** Whoever reads sees the old manifest with all of its objects, or the new one
    ///   with all of its; also after a crash at any moment. (Who read the old manifest before may
    ///   find an object gone: they read the manifest again.)
    /// - **Durable.** When it returns, the new state survives a power cut; objects are durable
    ///   before the manifest is replaced.
    /// - **Compare and set.** If the manifest is another than `expected`, nothing is published and
    ///   the error is [`ArchiveError::Stale`]. If it already is the one to publish, all is well.
    /// - **Without a [`Change::Publish`] nothing is published**; a writer that gives up just ends
    ///   its changes. What it had put is removed by a later write at the latest.
    /// - **Repeatable.** Putting what is there already, and removing what is not, changes nothing.
    /// - An object whose bytes do not have the hash in its name is refused.
    async fn write(
        &self,
        expected: Option<Hash>,
        changes: BoxStream<'_, Change>,
    ) -> Result<(), ArchiveError>;
}

/// An archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A server refused, or could not be reached.
    #[error("could not {action} {place}: {source}")]
    Remote {
        /// What was tried.
        action: &'static str,
        /// On what.
        place: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What it takes to reach the archive is not configured.
    #[error("{place} takes {}: set them in the environment or .env", .variables.join(" and "))]
    NoAccess {
        /// The archive.
        place: String,
        /// The variables that are not set.
        variables: Vec<&'static str>,
    },
    /// Somebody else replaced the manifest first.
    #[error(
        "the archive changed while it was written to: it is at manifest {}, this write built on \
         {}; nothing was published, export again",
        or_none(*.found), or_none(*.expected)
    )]
    Stale {
        /// The manifest that the write built on.
        expected: Option<Hash>,
        /// The one that is there.
        found: Option<Hash>,
    },
    /// Somebody else is writing right now.
    #[error(
        "another process is writing to the archive in {}, or was cut off a moment ago; try again \
         later",
        .0.display()
    )]
    Busy(PathBuf),
    /// The bytes are not what their name says.
    #[error(
        "refused to write {path}: its bytes have the hash {found}; this is a bug, please report it"
    )]
    WrongHash {
        /// The name.
        path: String,
        /// The bytes' hash.
        found: Hash,
    },
    /// The path is no object's.
    #[error("refused {0}: it is no path of an archive; this is a bug, please report it")]
    BadPath(String),
    /// What a crashed write left cannot be told from what is needed.
    #[error("could not clean up after an interrupted export: {0}")]
    Unreadable(#[from] Box<super::ReadError>),
    /// A backend's task was stopped.
    #[error("the archive's task was stopped: {0}")]
    Stopped(String),
}

fn or_none(hash: Option<Hash>) -> String {
    hash.map_or_else(|| "none".to_owned(), |it| it.to_string())
}

impl Change {
    /// Checks that an object is named after its bytes, that nothing but objects is removed, and
    /// that nothing but documents lies beside them, as
    /// every backend does before it carries out the change.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let named =
            |path: &String| Hash::in_path(path).ok_or_else(|| ArchiveError::BadPath(path.clone()));
        match self {
            Self::Put(Object { path, bytes }) => {
                let found = Hash::of(bytes);
                if named(path)? != found {
                    let path = path.clone();
                    return Err(ArchiveError::WrongHash { path, found });
                }
            }
            Self::Publish {
                remove, documents, ..
            } => {
                for path in remove {
                    named(path)?;
                }
                if let Some(path) = documents.keys().find(|it| !DOCUMENTS.contains(it)) {
                    return Err(ArchiveError::BadPath((*path).to_owned()));
                }
            }
        }
        Ok(())
    }
}

/// Refuses to read what is no file of an archive.
pub(super) fn check_readable(path: &str) -> Result<(), ArchiveError> {
    if path == MANIFEST || DOCUMENTS.contains(&path) || Hash::in_path(path).is_some() {
        Ok(())
    } else {
        Err(ArchiveError::BadPath(path.to_owned()))
    }
}

/// What it takes to reach archives that are not on this machine.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Object stores that speak S3's language.
    pub s3: S3Access,
}

/// How to reach an S3-compatible object store. Printing it shows no secret.
#[derive(Clone, Default)]
pub struct S3Access {
    /// Who we are there.
    pub access_key_id: Option<String>,
    /// What proves it.
    pub secret_access_key: Option<String>,
    /// What also proves it, where the keys are only lent.
    pub session_token: Option<String>,
    /// Where the bucket is; `us-east-1` where nothing is said.
    pub region: Option<String>,
    /// The server's URL; `None` for Amazon's.
    pub endpoint_url: Option<String>,
}

impl fmt::Debug for S3Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Access")
            .field("region", &self.region)
            .field("endpoint_url", &self.endpoint_url)
            .finish_non_exhaustive()
    }
}

impl S3Access {
    /// The variables without which nothing can be reached, and that are not set.
    pub fn missing(&self) -> Vec<&'static str> {
        [
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
        ]
        .into_iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name)
        .collect()
    }
}

/// Which archive, as it is written on the command line and in `ARCHIVE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSpec {
    /// `dir:PATH`: a folder, made with the first write.
    Folder(PathBuf),
    /// `s3://BUCKET/PREFIX`: a bucket of an S3-compatible object store.
    S3 {
        /// The bucket.
        bucket: String,
        /// The folder in it, without `/` around it; empty for none.
        prefix: String,
    },
}

impl ArchiveSpec {
    /// The archive under this prefix of a bucket.
    pub fn s3(bucket: &str, prefix: &str) -> Self {
        Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        }
    }

    /// The variables that this archive needs, and that are not set.
    pub fn missing(&self, access: &Access) -> Vec<&'static str> {
        match self {
            Self::Folder(_) => Vec::new(),
            Self::S3 { .. } => access.s3.missing(),
        }
    }
}

impl fmt::Display for ArchiveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// A text names no archive that there is support for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveSpecError {
    /// A kind of archive still to come.
    #[error("`{0}`: archives on {1} are not supported yet; use `dir:PATH` or `s3://BUCKET/PREFIX`")]
    NotYet(String, &'static str),
    /// A folder without a name.
    #[error("`dir:` needs a path, such as `dir:./archive`")]
    NoPath,
    /// An object store without a bucket.
    #[error("`{0}` needs a bucket, such as `s3://bucket/prefix`, and nothing behind the prefix")]
    NoBucket(String),
    /// Anything else.
    #[error(
        "`{0}` is no archive; write `dir:PATH`, such as `dir:./archive`, or `s3://BUCKET/PREFIX`"
    )]
    Unknown(String),
}

impl FromStr for ArchiveSpec {
    type Err = ArchiveSpecError;

    fn from_str(text: &str) -> Result<Self, ArchiveSpecError> {
        match text.split_once(':') {
            Some(("dir", "")) => Err(ArchiveSpecError::NoPath),
            Some(("dir", path)) => Ok(Self::Folder(path.into())),
            Some(("github", _)) => Err(ArchiveSpecError::NotYet(text.to_owned(), "GitHub")),
            Some(("s3", place)) => {
                let place = place.strip_prefix("//").unwrap_or_default();
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                if bucket.is_empty() || place.contains(['?', '#', '@']) {
                    return Err(ArchiveSpecError::NoBucket(text.to_owned()));
                }
                Ok(Self::s3(bucket, prefix))
            }
            _ => Err(ArchiveSpecError::Unknown(text.to_owned())),
        }
    }
}

/// The archive that this names. Touches nothing yet.
///
/// # Errors
/// What it takes to reach it is not configured.
pub fn open(spec: &ArchiveSpec, access: &Access) -> Result<Box<dyn DataArchive>, ArchiveError> {
    let variables = spec.missing(access);
    if !variables.is_empty() {
        let place = spec.to_string();
        return Err(ArchiveError::NoAccess { place, variables });
    }
    Ok(match spec {
        ArchiveSpec::Folder(path) => Box::new(FolderArchive::new(path)),
        ArchiveSpec::S3 { bucket, prefix } => Box::new(BucketArchive::s3(bucket, prefix, access)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_by_its_kind_and_place() {
        let spec: ArchiveSpec = "dir:./a:b".parse().unwrap();
        assert_eq!(spec, ArchiveSpec::Folder("./a:b".into()));
        assert_eq!(spec.to_string(), "dir:./a:b");
        for (text, prefix) in [("s3://props", ""), ("s3://props/a/b", "a/b")] {
            let spec: ArchiveSpec = text.parse().unwrap();
            assert_eq!(spec, ArchiveSpec::s3("props", prefix));
            assert_eq!(spec.to_string(), text);
        }
    }

    #[test]
    fn what_reaches_an_object_store_is_not_shown() {
        let access = S3Access {
            secret_access_key: Some("hidden".to_owned()),
            ..S3Access::default()
        };
        assert!(!format!("{access:?}").contains("hidden"));
        let spec = ArchiveSpec::s3("props", "");
        let error = open(&spec, &Access { s3: access }).err().unwrap();
        assert_eq!(
            error.to_string(),
            "s3://props takes AWS_ACCESS_KEY_ID: set them in the environment or .env"
        );
    }

    #[test]
    fn other_names_say_what_to_write_instead() {
        for (text, says) in [
            ("github:owner/repo@main", "GitHub are not supported yet"),
            ("s3://", "needs a bucket"),
            ("s3://key:secret@bucket", "needs a bucket"),
            ("gs://bucket/prefix", "is no archive; write `dir:PATH`"),
            ("dir:", "needs a path"),
            ("archive", "is no archive; write `dir:PATH`"),
        ] {
            let error = text.parse::<ArchiveSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
