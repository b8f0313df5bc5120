//! An archive's thanks as web pages that need no server.
//!
//! Owns which pages there are, what they show and how they look. Pure: a [`Community`] is read from a space's rows,
//! which are redacted already, and [`render`] turns it into files. The same rows give the same files, and one more
//! thanks changes only the files that it is on. Where files go, and when, is the program's.
//!
//! Members who hide their name are dropped in `community`, so no page can show them: they are "someone".

#![warn(missing_docs)]

mod assets;
mod buckets;
mod chart;
mod community;
mod cred;
mod layout;
mod neighbour;
mod pages;
mod stats;

use std::collections::BTreeMap;

pub use community::{Community, Fact};
pub use cred::{Cred, CredError};
pub use neighbour::Neighbour;

/// Files by path. Paths have `/` between letters, digits, `.`, `_` and `-`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The site of these communities. One of them has its pages at the root; of several, each has them in a folder named
/// by its id, and the root lists them. Without any, the root lists what the archive has of other providers.
///
/// # Errors
/// A template can't be rendered.
pub fn render(communities: &[Community], neighbours: &[Neighbour]) -> Result<Files, askama::Error> {
    let mut files = assets::files();
    if let [community] = communities {
        pages::write(&mut files, community, "")?;
        return Ok(files);
    }
    for community in communities {
        let folder = format!("{}/", community.id);
        pages::write(&mut files, community, &folder)?;
    }
    let neighbours: Vec<Neighbour> = neighbours.iter().map(Neighbour::shown).collect();
    let choice = pages::choice(communities, &neighbours)?;
    files.insert("index.html".to_owned(), choice);
    Ok(files)
}
