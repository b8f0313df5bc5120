//! The archive's README beside the manifest: when it is written again.
//!
//! How much there is changes with every row, and an export of one row shall touch no more files than it
//! has to. So a README says as of which generation its figures are, and goes out with those exports that
//! change more than that, or what is beside the figures. What it says is the provider's (`Schema::readme`).

use super::{Manifest, Schema};

/// Where it is.
pub const README: &str = "README.md";

/// What is around the figures.
pub const FIGURES: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

impl Manifest {
    /// Whether this is a README of an archive with this manifest, or one that was, before some rows came.
    pub(super) fn fits(&self, readme: &[u8], schema: &Schema) -> bool {
        let readme = String::from_utf8_lossy(readme);
        without_figures(&readme) == without_figures(&(schema.readme)(self))
    }

    /// Whether the README says of the manifest before that what is no more, figures aside.
    pub(super) fn names_others(&self, before: &Self) -> bool {
        let names = |manifest: &Self| -> Vec<_> {
            let spaces = manifest.spaces.iter();
            spaces
                .map(|space| (space.id.clone(), space.name.clone()))
                .collect()
        };
        names(self) != names(before)
    }
}

/// What is before the figures, and after them.
pub(super) fn without_figures(readme: &str) -> Option<(&str, &str)> {
    let (before, rest) = readme.split_once(FIGURES[0])?;
    let (_, after) = rest.split_once(FIGURES[1])?;
    Some((before, after))
}
