//! What was written, and what from: small files of JSON beside the tables.
//!
//! [`ROOT`] names the spaces; `_propsbot/space=ID.json` names the files of a space. Every file that may exist is
//! named before it is written, so that whatever goes away in the archive can be removed here, whenever the
//! process was killed. Engines pass over what begins with `_`.

use std::collections::BTreeMap;

use propsbot_archive::{Hash, Id};
use serde::{Deserialize, Serialize};

use super::partition::folder;

/// Where the spaces are named.
pub const ROOT: &str = "_propsbot.json";

/// The longest state that is read.
pub(crate) const LONGEST: u64 = 64 << 20;

/// The format of these files.
const FORMAT: u32 = 1;

/// Names the spaces that may have files.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Root {
    format: u32,
    pub(crate) provider: String,
    pub(crate) spaces: BTreeMap<Id, Space>,
}

/// A space whose tables were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Space {
    /// The generation that they are of; 0 before they are all there.
    pub(crate) generation: u64,
    /// What they were made from; `None`: some files may be of another generation.
    pub(crate) origin: Option<Hash>,
}

/// Names the files of a space.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct SpaceState {
    /// By path.
    pub(crate) files: BTreeMap<String, Made>,
}

/// A file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Made {
    /// What it was made from; `None`: it may be of any generation, or not be there.
    pub(crate) origin: Option<Hash>,
    /// The hash of the file; `None`: there is no file, because there are no rows.
    pub(crate) file: Option<Hash>,
    /// How many rows it has.
    pub(crate) rows: u64,
}

impl Root {
    pub(crate) fn new(provider: &str) -> Self {
        Self {
            format: FORMAT,
            provider: provider.to_owned(),
            spaces: BTreeMap::new(),
        }
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.format == FORMAT
    }
}

/// Where a space's files are named.
pub(crate) fn state_path(space: &Id) -> String {
    format!("_propsbot/{}.json", folder(space))
}
