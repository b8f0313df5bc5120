//! Storage for archives: a folder, a repository on GitHub or another git host, or an object store.
//!
//! Decides how each of them replaces a set of files atomically, and how archives are named. Reads
//! nothing of the files beyond the manifest and the indexes. Only the program depends on it.

mod access;
mod bucket;
mod claims;
mod folder;
mod folder_tables;
mod git;
mod github;
mod site;
mod spec;
mod tables;

pub use access::{Access, BucketAccess, GitAccess, GithubAccess, History};
pub use bucket::BucketArchive;
pub use claims::Claims;
pub use folder::FolderArchive;
pub use git::{GitArchive, GitError, GitPlace};
pub use github::{GithubArchive, GithubError};
pub use site::{SiteError, SiteFiles, SiteSpec, SiteSpecError, SiteWritten};
pub use spec::{
    ArchiveSpec, ArchiveSpecError, BucketPlace, GithubPlace, ObjectStoreKind, drop_copies, open,
    open_to_query, open_to_read, open_to_write,
};
pub use tables::{TablesSpec, TablesSpecError};
