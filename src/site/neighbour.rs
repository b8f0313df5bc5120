//! What the same archive has of other providers.

use std::sync::Arc;

use propsbot_archive::Millis;

use crate::{Community, community::shown_name};

/// A space of another provider in the same archive, which everyone may know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The provider, as people write it.
    pub provider: &'static str,
    /// What the space is called.
    pub name: String,
    /// Its parts, as people call them, with until when each is complete; `None` if it isn't.
    pub parts: Vec<(&'static str, Option<Millis>)>,
}

impl Community {
    /// Shows what the same archive has of other providers.
    pub fn show_neighbours(&mut self, mut neighbours: Vec<Neighbour>) {
        for neighbour in &mut neighbours {
            neighbour.name = shown_name(&neighbour.name, &neighbour.provider);
        }
        self.neighbours = Arc::from(neighbours);
    }
}
