//! Where tables are kept: a folder, or a bucket.

use std::path::Path;

use async_trait::async_trait;
use propsbot_archive::ArchiveError;
use tempfile::TempPath;

use super::TablesError;

/// A place for tables.
#[async_trait]
pub trait TablesPlace: Send + Sync {
    /// Begins to write, and keeps other writers out until the end.
    ///
    /// # Errors
    /// [`ArchiveError::Busy`] while another process writes; [`TablesError::NotTables`] where a folder has other
    /// files, and nothing was made in it.
    async fn write<'a>(&'a self) -> Result<Box<dyn TablesWrite + 'a>, TablesError>;
}

/// Writes files to a place. Paths have `/` between folders, and no other character that a file system or an
/// object store would change.
#[async_trait]
pub trait TablesWrite: Send {
    /// A local folder for files that are not whole yet. Nobody else may read it.
    fn scratch(&self) -> &Path;

    /// Whether the place has no files yet.
    async fn is_empty(&mut self) -> Result<bool, ArchiveError>;

    /// A file of at most `longest` bytes; `None` if there is none.
    async fn read(&mut self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Puts a file from [`scratch`](Self::scratch), or replaces it, at once and as a whole. It is durable on
    /// return.
    async fn put(&mut self, path: &str, file: TempPath) -> Result<(), ArchiveError>;

    /// Removes a file, if it is there.
    async fn remove(&mut self, path: &str) -> Result<(), ArchiveError>;

    /// Lets other writers in.
    async fn end(self: Box<Self>) -> Result<(), ArchiveError>;
}
