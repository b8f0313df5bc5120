//! What an archive is to the rest of the program: files that are read by name and replaced as a
//! set.
//!
//! Owns the contract that every backend keeps (`tests/it/archive` checks it) and how archives are
//! named on the command line. Knows nothing of rows.

use std::{collections::BTreeSet, fmt, io, path::PathBuf, str::FromStr};

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Hash, folder::FolderArchive};

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
    /// Replaces the manifest, then removes the objects with these paths. It ends the write.
    Publish {
        /// The new manifest's bytes.
        manifest: Vec<u8>,
        /// What it no longer needs.
        remove: BTreeSet<String>,
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
    #[error("another process is writing to the archive in {}; try again when it is done", .0.display())]
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
    /// Checks that an object is named after its bytes, and that nothing but objects is removed, as
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
            Self::Publish { remove, .. } => {
                for path in remove {
                    named(path)?;
                }
            }
        }
        Ok(())
    }
}

/// Which archive, as it is written on the command line and in `ARCHIVE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSpec {
    /// `dir:PATH`: a folder, made with the first write.
    Folder(PathBuf),
}

impl fmt::Display for ArchiveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
        }
    }
}

/// A text names no archive that there is support for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveSpecError {
    /// A kind of archive still to come.
    #[error("`{0}`: archives on {1} are not supported yet; use `dir:PATH`")]
    NotYet(String, &'static str),
    /// A folder without a name.
    #[error("`dir:` needs a path, such as `dir:./archive`")]
    NoPath,
    /// Anything else.
    #[error("`{0}` is no archive; write `dir:PATH`, such as `dir:./archive`")]
    Unknown(String),
}

impl FromStr for ArchiveSpec {
    type Err = ArchiveSpecError;

    fn from_str(text: &str) -> Result<Self, ArchiveSpecError> {
        match text.split_once(':') {
            Some(("dir", "")) => Err(ArchiveSpecError::NoPath),
            Some(("dir", path)) => Ok(Self::Folder(path.into())),
            Some(("github", _)) => Err(ArchiveSpecError::NotYet(text.to_owned(), "GitHub")),
            Some((_, rest)) if rest.starts_with("//") => {
                Err(ArchiveSpecError::NotYet(text.to_owned(), "object stores"))
            }
            _ => Err(ArchiveSpecError::Unknown(text.to_owned())),
        }
    }
}

/// The archive that this names. Touches nothing yet.
pub fn open(spec: &ArchiveSpec) -> Box<dyn DataArchive> {
    match spec {
        ArchiveSpec::Folder(path) => Box::new(FolderArchive::new(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_by_its_kind_and_place() {
        let spec: ArchiveSpec = "dir:./a:b".parse().unwrap();
        assert_eq!(spec, ArchiveSpec::Folder("./a:b".into()));
        assert_eq!(spec.to_string(), "dir:./a:b");
    }

    #[test]
    fn other_names_say_what_to_write_instead() {
        for (text, says) in [
            ("github:owner/repo@main", "GitHub are not supported yet"),
            ("s3://bucket/prefix", "object stores are not supported yet"),
            ("dir:", "needs a path"),
            ("archive", "is no archive; write `dir:PATH`"),
        ] {
            let error = text.parse::<ArchiveSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
