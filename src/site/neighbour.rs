//! What the same archive has of other providers.

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
    pub fn show_neighbours(&mut self, neighbours: &[Neighbour]) {
        self.neighbours = neighbours.iter().map(Neighbour::shown).collect();
    }
}

impl Neighbour {
    /// The same, with a name that pages can show.
    pub(crate) fn shown(&self) -> Self {
        let name = shown_name(&self.name, &self.provider);
        Self {
            name,
            ..self.clone()
        }
    }
}
