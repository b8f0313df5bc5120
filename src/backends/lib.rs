//! Archives in places: a folder, a repository on GitHub, an object store.
//!
//! Owns how each place replaces a set of files as one, and how places are named. Knows nothing of
//! what the files say beyond the manifest and the indexes. Only the program depends on it.

mod access;
mod bucket;
mod claims;
mod folder;
mod github;
mod spec;

pub use access::{Access, BucketAccess, GithubAccess, History};
pub use bucket::BucketArchive;
pub use claims::Claims;
pub use folder::FolderArchive;
pub use github::{GithubArchive, GithubError};
pub use spec::{
    ArchiveSpec, ArchiveSpecError, BucketPlace, GithubPlace, ObjectStoreKind, drop_copies, open,
    open_to_read, open_to_write,
};
