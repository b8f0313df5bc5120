//! Why an archive can't be read or written.

use std::{error::Error, io, path::PathBuf};

use super::Hash;

/// Why an archive couldn't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A server refused or couldn't be reached.
    #[error("could not {action} {place}: {source}")]
    Remote {
        /// The operation.
        action: &'static str,
        /// The archive or a file in it.
        place: String,
        /// The server's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Access to the archive isn't configured.
    #[error("{place} takes {}: set them in the environment or .env", .variables.join(" and "))]
    NoAccess {
        /// The archive.
        place: String,
        /// The missing variables.
        variables: Vec<&'static str>,
    },
    /// A program that this kind of archive takes is missing or too old.
    #[error("{place}: {problem}")]
    NoProgram {
        /// The archive.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Another writer replaced the manifest first.
    #[error(
        "the archive changed while it was written to: it is at manifest {}, this write built on \
         {}; nothing was published, export again",
        or_none(*.found), or_none(*.expected)
    )]
    Stale {
        /// The manifest that the write is based on.
        expected: Option<Hash>,
        /// The current manifest.
        found: Option<Hash>,
    },
    /// Another writer is active.
    #[error(
        "another process is writing to the archive in {}, or was cut off a moment ago; try again \
         later (in an object store, another store's claim holds until it is half an hour old)",
        .0.display()
    )]
    Busy(PathBuf),
    /// The object store ignores conditions, so it can't hold an archive.
    #[error(
        "{place} keeps no conditions (it replaced an object that was to be made only where there is \
         none): two exports at a time would spoil the archive; use another store"
    )]
    Unconditional {
        /// The archive.
        place: String,
    },
    /// The file is longer than the reader allows.
    #[error(
        "{path} is longer than {longest} bytes, which is the most that it may have: put back an intact \
         copy of the archive"
    )]
    TooLong {
        /// The file.
        path: String,
        /// The limit in bytes.
        longest: u64,
    },
    /// The bytes aren't those that the path names.
    #[error("refused to write {path}: {problem}; this is a bug, please report it")]
    BadObject {
        /// The object's path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The object exceeds the archive's size limit.
    #[error(
        "{path} is {bytes} bytes long, and {place} takes {most} at the most: keep the archive in a \
         folder or an object store (ARCHIVE), or exclude the part that has so much in one second"
    )]
    TooLarge {
        /// The object's path.
        path: String,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        most: usize,
        /// The archive.
        place: String,
    },
    /// The path doesn't belong to an archive.
    #[error("refused {0}: it is no path of an archive; this is a bug, please report it")]
    BadPath(String),
    /// The manifest can't be read, so needed objects can't be told from the leftovers of an
    /// interrupted write.
    #[error("could not clean up after an interrupted export: {0}")]
    Unreadable(#[from] Box<super::ReadError>),
    /// A backend's task was stopped.
    #[error("the archive's task was stopped: {0}")]
    Stopped(String),
    /// An earlier step of the same write failed or was cancelled.
    #[error("nothing was published: an earlier step of this write has failed")]
    Failed,
}

fn or_none(hash: Option<Hash>) -> String {
    hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
}
