//! What rows refer to: what of it the archive lacks, and what it may not lack.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{canonical::Problem, manifest::Covered};
use crate::{Id, Millis};

/// That a row refers to another.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// The table and id of the other row.
    pub(super) to: (&'static str, u64),
    /// When the other is of, if it must be there wherever that is covered.
    pub(super) belongs_to: Option<Millis>,
}

/// The rows that others may refer to, and the references that are not resolved yet.
#[derive(Default)]
pub(super) struct References {
    own: HashSet<(&'static str, u64)>,
    parts: HashMap<Id, PartReferences>,
    /// Rows that refer to one that the archive does not have, by their table and the other.
    pub(super) unresolved: BTreeMap<(&'static str, &'static str), u64>,
}

#[derive(Default)]
struct PartReferences {
    ids: HashSet<(&'static str, u64)>,
    references: Vec<(&'static str, Reference)>,
}

impl References {
    /// Takes rows of a table. Those of the space come before those of parts.
    pub(super) fn take(
        &mut self,
        part: Option<&Id>,
        table: &'static str,
        ids: &[u64],
        references: Vec<Reference>,
    ) {
        let ids = ids.iter().map(|id| (table, *id));
        let Some(part) = part else {
            self.own.extend(ids);
            return;
        };
        let own = &self.own;
        let part = self.parts.entry(part.clone()).or_default();
        part.ids.extend(ids);
        let open = references.into_iter();
        let open = open.filter(|reference| !own.contains(&reference.to));
        part.references
            .extend(open.map(|reference| (table, reference)));
    }

    /// Resolves what is left of a part, of whose tables all rows were taken that `is_read` is true for.
    pub(super) fn end(
        &mut self,
        id: &Id,
        covered: &[Covered],
        is_read: impl Fn(&'static str) -> bool,
    ) -> Result<(), Problem> {
        let part = self.parts.remove(id).unwrap_or_default();
        let mut missing = Ok(());
        for (table, Reference { to, belongs_to }) in part.references {
            if part.ids.contains(&to) || !is_read(to.0) {
                continue;
            }
            *self.unresolved.entry((table, to.0)).or_default() += 1;
            let is_covered = |time: Millis| {
                covered
                    .iter()
                    .any(|range| range.after < time && time <= range.to)
            };
            if belongs_to.is_some_and(is_covered) {
                missing = Err(format!(
                    "{table} of {id} belong to {} that are missing, although their time is covered",
                    to.0
                ));
            }
        }
        missing
    }
}
