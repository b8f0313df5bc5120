//! The archive: the mirror as immutable blobs, for anyone to read.

pub mod rows;
mod snapshot;

pub use snapshot::Snapshot;
