//! Which guilds and channels an export has to look at, and which of their rows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dirty, ExportRequest};
use crate::{Hash, IndexRef, Manifest, Scope};

/// Which rows of a table to read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All.
    All,
    /// Those of these days, counted from 1970-01-01, UTC.
    Days(BTreeSet<i64>),
}

/// A space or part whose index changes.
pub(super) struct Task {
    pub(super) scope: Scope,
    /// Its index so far.
    pub(super) previous: Option<IndexRef>,
    /// What to read anew; nothing means that all of it is withdrawn.
    pub(super) extents: BTreeMap<&'static str, Extent>,
}

/// All that the request asks for, against what the manifest lists.
pub(super) fn tasks(previous: Option<(&Manifest, Hash)>, request: &ExportRequest) -> Vec<Task> {
    let known_store =
        request.anew.is_empty() && previous.is_some_and(|(_, hash)| request.since == Some(hash));
    let mut before: BTreeMap<Scope, Option<IndexRef>> = BTreeMap::new();
    for space in previous
        .into_iter()
        .flat_map(|(manifest, _)| &manifest.spaces)
    {
        before.insert(space.scope(), space.index);
        for part in &space.parts {
            before.insert(Scope::part(&space.id, &part.id), part.index);
        }
    }
    let dirty = dirty_extents(&request.dirty);
    let mut tasks = Vec::new();
    for space in &request.spaces {
        let whole = Scope::space(&space.id);
        let mut after: BTreeSet<Scope> = space
            .parts
            .iter()
            .map(|part| Scope::part(&space.id, &part.id))
            .collect();
        after.insert(whole.clone());
        let known = before.keys().filter(|scope| scope.space == space.id);
        let same_parts = known.eq(&after);
        for scope in after {
            let known = before.remove(&scope);
            let everything = !known_store || known.is_none();
            let mut extents: BTreeMap<&'static str, Extent> = BTreeMap::new();
            for table in request.schema.tables_of(scope.level()) {
                // Whether a part is exported also decides on its row.
                let other_parts = table.name == request.schema.parts && !same_parts;
                let extent = if everything || other_parts {
                    Some(Extent::All)
                } else {
                    let of = |scope: &Scope| dirty.get(&(scope, table.name)).cloned();
                    let all = of(&whole).filter(|extent| *extent == Extent::All);
                    all.or_else(|| of(&scope))
                };
                extents.extend(extent.map(|extent| (table.name, extent)));
            }
            if !extents.is_empty() {
                let previous = known.flatten();
                tasks.push(Task {
                    scope,
                    previous,
                    extents,
                });
            }
        }
    }
    let withdrawn = before.into_iter().map(|(scope, previous)| Task {
        scope,
        previous,
        extents: BTreeMap::new(),
    });
    tasks.extend(withdrawn);
    tasks
}

/// What changed of each table, by scope.
fn dirty_extents(dirty: &[Dirty]) -> BTreeMap<(&Scope, &'static str), Extent> {
    let mut extents: BTreeMap<(&Scope, &'static str), Extent> = BTreeMap::new();
    for changed in dirty {
        let key = (&changed.scope, changed.table);
        match changed.day {
            None => {
                extents.insert(key, Extent::All);
            }
            Some(day) => {
                let extent = extents
                    .entry(key)
                    .or_insert_with(|| Extent::Days(BTreeSet::new()));
                if let Extent::Days(days) = extent {
                    days.insert(day);
                }
            }
        }
    }
    extents
}
