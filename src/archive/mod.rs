//! The archive: the mirror as immutable blobs, for anyone to read.

pub mod rows;
mod snapshot;

pub use snapshot::Snapshot;

/// tmp
#[derive(Clone, Debug)]
pub struct ArchiveSpec;
impl std::str::FromStr for ArchiveSpec {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        Ok(Self)
    }
}
