//! What of each part is known to be complete, in two places: what ends before the open files in the part's line,
//! which seldom changes, and what follows in the manifest, where one time serves nearly all parts.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{layout::Stamps, manifest::Covered};
use crate::{Id, Millis};

/// The last millisecond of the base, with which a line's coverage ends at the latest. Without stamps there are
/// no rows, and nothing that seldom changes.
fn last_of_base(stamps: Option<Stamps>) -> Millis {
    stamps.map_or(Millis(i64::MIN), |stamps| {
        Millis(stamps.days_from.start().0 - 1)
    })
}

/// What is covered up to a time. Nothing is known to be complete after its provider was last heard or read.
pub(super) fn up_to(covered: &[Covered], last: Option<Millis>) -> Vec<Covered> {
    let last = last.unwrap_or(Millis(i64::MIN));
    let own = covered.iter().filter(|range| range.after < last);
    own.map(|range| Covered {
        to: range.to.min(last),
        ..*range
    })
    .collect()
}

/// What a part's line says.
pub(super) fn of_base(covered: &[Covered], stamps: Option<Stamps>) -> Vec<Covered> {
    up_to(covered, Some(last_of_base(stamps)))
}

fn of_open(covered: &[Covered], last: Millis) -> Vec<Covered> {
    let own = covered.iter().filter(|range| range.to > last);
    own.map(|range| Covered {
        after: range.after.max(last),
        ..*range
    })
    .collect()
}

/// Whether the ranges reach the end of the base and go on.
fn goes_on(covered: &[Covered], last: Millis) -> Option<Millis> {
    let around = covered
        .iter()
        .find(|range| range.after < last && last < range.to);
    around.map(|range| range.to)
}

/// What the manifest says of the time from `days_from` on: until when most parts are covered, and what holds for
/// the others. Never says more than is known: a part that is covered longer than most counts as they do.
pub(super) fn of_manifest<'a>(
    parts: impl Iterator<Item = (&'a Id, &'a [Covered])> + Clone,
    stamps: Option<Stamps>,
) -> (Option<Millis>, IndexMap<Id, Vec<Covered>>) {
    let last = last_of_base(stamps);
    let mut ends: BTreeMap<Millis, usize> = BTreeMap::new();
    for to in parts
        .clone()
        .filter_map(|(_, covered)| goes_on(covered, last))
    {
        *ends.entry(to).or_default() += 1;
    }
    let most = ends.into_iter().max_by_key(|(to, parts)| (*parts, *to));
    let covered_to = most.map(|(to, _)| to);
    let mut exceptions: Vec<(Id, Vec<Covered>)> = parts
        .filter_map(|(id, covered)| {
            let open = of_open(covered, last);
            let by_rule = of_reader(&of_base(covered, stamps), covered_to, None, stamps);
            let told: Vec<Covered> = of_open(&by_rule, last);
            let is_told = match (&told[..], &open[..]) {
                ([told], [open]) => told.after == open.after && told.to <= open.to,
                (told, open) => told == open,
            };
            (!is_told).then(|| (id.clone(), open))
        })
        .collect();
    exceptions.sort_by(|one, next| one.0.cmp(&next.0));
    (covered_to, exceptions.into_iter().collect())
}

/// What is covered of a part, from its line and the manifest.
pub(super) fn of_reader(
    line: &[Covered],
    covered_to: Option<Millis>,
    exception: Option<&[Covered]>,
    stamps: Option<Stamps>,
) -> Vec<Covered> {
    let last = last_of_base(stamps);
    let by_rule: Vec<Covered> = match (line.last(), covered_to) {
        (Some(end), Some(to)) if end.to == last && to > last => vec![Covered { after: last, to }],
        _ => Vec::new(),
    };
    let mut covered = line.to_vec();
    for next in exception.unwrap_or(&by_rule) {
        match covered.last_mut() {
            Some(end) if end.to == next.after => end.to = next.to,
            _ => covered.push(*next),
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(borders: &[i64]) -> Vec<Covered> {
        let pairs = borders.chunks_exact(2).filter(|pair| pair[0] < pair[1]);
        pairs
            .map(|pair| Covered {
                after: Millis(pair[0]),
                to: Millis(pair[1]),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn readers_are_told_what_is_covered_and_no_more(
            parts in prop::collection::vec(prop::collection::btree_set(0..60_i64, 0..8), 1..6),
            since in 0..60_i64,
        ) {
            // Borders in days around a month's beginning.
            let stamps = Stamps::of(Millis(86_400_000 * 45));
            let day = |at: i64| stamps.days_from.start().0 - 1 + (at - since) * 86_400_000;
            let parts: Vec<(Id, Vec<Covered>)> = parts
                .iter()
                .enumerate()
                .map(|(id, borders)| {
                    let borders: Vec<i64> = borders.iter().map(|border| day(*border)).collect();
                    (Id::new(id), ranges(&borders))
                })
                .collect();
            let told = parts.iter().map(|(id, covered)| (id, &covered[..]));
            let (to, exceptions) = of_manifest(told, Some(stamps));
            for (id, covered) in &parts {
                let line = of_base(covered, Some(stamps));
                let exception = exceptions.get(id).map(Vec::as_slice);
                let read = of_reader(&line, to, exception, Some(stamps));
                let mut expected = covered.clone();
                if exception.is_none()
                    && let Some(to) = to
                    && let Some(last) = expected.last_mut()
                {
                    last.to = last.to.min(to.max(last.after));
                }
                prop_assert_eq!(&read, &expected);
            }
        }
    }
}
