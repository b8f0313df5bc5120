//! What is checked of each file, whoever reads it: `verify`, `restore` and `graph` refuse the same. Pure.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::{
    canonical::Problem,
    file::overhead,
    layout::{Base, LIMITS, Limits, Stamps},
    manifest::{
        Covered, Days, Directory, Entry, Index, LAST_GENERATION, Line, ListHead, Manifest, Open,
        Root, SHARDS, Spaces, add, manifest_path, parse, parse_checked, parse_list, shard_of,
    },
    period::Unit,
};
use crate::{Id, Level, Millis, Schema, manifest::Counts};

/// How long an open file can be that is not of a second: its rows are within the limit, and with a head for each row
/// they are not longer than this. So what is longer need not be read.
const LONGEST_OPEN: u64 = 8 * LIMITS.parts;

pub(super) fn ensure(holds: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn is_of_provider(schema: &Schema, provider: &str) -> Result<(), Problem> {
    ensure(provider == schema.provider, || {
        format!(
            "it is of the provider {provider:?}, not of {:?}",
            schema.provider
        )
    })
}

fn is_id(schema: &Schema, id: &Id) -> Result<(), Problem> {
    ensure((schema.is_id)(id.as_str()), || {
        format!("{:?} stands where an id should", id.as_str())
    })
}

/// Reads the root. Of ids of other providers, nothing is known.
pub(super) fn root(schema: &Schema, bytes: &[u8]) -> Result<Spaces, Problem> {
    let root: Root = parse_checked(bytes)?;
    let mut others = root.others.iter();
    let are_apart =
        others.all(|(provider, spaces)| root.provider < *provider && !spaces.is_empty());
    ensure(are_apart, || {
        "its providers are out of order, repeated or without spaces".to_owned()
    })?;
    let all = root.by_provider();
    for (provider, spaces) in &all {
        if provider == schema.provider {
            spaces.iter().try_for_each(|space| is_id(schema, space))?;
        }
        let sorted = spaces.is_sorted_by(|one, next| one < next);
        ensure(sorted, || {
            "its spaces are out of order or repeated".to_owned()
        })?;
    }
    let ids: BTreeSet<&Id> = all.values().flatten().collect();
    let count: usize = all.values().map(Vec::len).sum();
    ensure(ids.len() == count, || {
        "two providers have the same space".to_owned()
    })?;
    Ok(all)
}

/// Reads the manifest of a space.
pub(super) fn manifest(schema: &Schema, space: &Id, bytes: &[u8]) -> Result<Manifest, Problem> {
    let manifest: Manifest = parse_checked(bytes)?;
    let Manifest {
        generation,
        previous,
        stamps,
        created_at,
        ..
    } = &manifest;
    is_of_provider(schema, &manifest.provider)?;
    ensure(manifest.space == *space, || {
        format!("it is of {}", manifest_path(&manifest.space))
    })?;
    ensure((1..LAST_GENERATION).contains(generation), || {
        format!("generation {generation}")
    })?;
    ensure((*generation == 1) == previous.is_none(), || {
        format!("generation {generation}, and its predecessor is {previous:?}")
    })?;
    ensure(stamps.is_none_or(Stamps::are_sound), || {
        "its stamps are no day and month".to_owned()
    })?;
    let from = stamps.map(Stamps::hours);
    open_files(&manifest.hours, from.as_ref(), Unit::Hour)?;
    ensure(manifest.days.is_none() || stamps.is_some(), || {
        "days without stamps".to_owned()
    })?;
    let parts = manifest.parts;
    ensure((parts.count == 0) == parts.list.is_none(), || {
        "its parts are not listed".to_owned()
    })?;
    let last = manifest.known_until();
    ensure(last <= Some(*created_at), || {
        "it knows what was after it was written".to_owned()
    })?;
    let covered = manifest
        .exceptions
        .values()
        .flatten()
        .map(|covered| covered.to);
    ensure(
        covered
            .chain(manifest.covered_to)
            .all(|to| Some(to) <= last),
        || "it covers what was after its provider was last heard or read".to_owned(),
    )?;
    let exceptions = manifest.exceptions.keys();
    ensure(exceptions.is_sorted_by(|one, next| one < next), || {
        "exceptions are out of order".to_owned()
    })?;
    for (id, covered) in &manifest.exceptions {
        is_id(schema, id)?;
        is_coverage(covered)?;
        let first = stamps.map_or(i64::MIN, |stamps| stamps.days_from.start().0 - 1);
        ensure(covered.iter().all(|range| range.after.0 >= first), || {
            format!("the exception of {id} begins before days_from")
        })?;
    }
    Ok(manifest)
}

fn is_coverage(covered: &[Covered]) -> Result<(), Problem> {
    let apart = covered.is_sorted_by(|one, next| one.to <= next.after);
    ensure(
        apart && covered.iter().all(|range| range.after < range.to),
        || "what is covered overlaps, is out of order or empty".to_owned(),
    )
}

/// Open files lie apart, in order, in their times.
fn open_files(
    files: &[Open],
    times: Option<&RangeInclusive<Millis>>,
    largest: Unit,
) -> Result<(), Problem> {
    let apart = |one: &Open, next: &Open| one.period.end() < next.period.start();
    ensure(files.is_sorted_by(apart), || {
        "open files overlap or are out of order".to_owned()
    })?;
    for file in files {
        let period = file.period;
        let is_within = times
            .is_some_and(|times| times.contains(&period.start()) && times.contains(&period.end()));
        ensure(is_within && period.unit() >= largest, || {
            format!("{period} is no open file's")
        })?;
        ensure(file.rows.values().all(|rows| *rows > 0), || {
            format!("{period} has a table without rows")
        })?;
        ensure(!file.rows.is_empty(), || format!("{period} has no rows"))?;
        let is_split = file.file.bytes <= LONGEST_OPEN || period.unit().finer().is_none();
        ensure(is_split, || {
            format!("the rows in {period} are too long for one open file")
        })?;
    }
    Ok(())
}

/// Reads the list of the open files by day.
pub(super) fn days(manifest: &Manifest, bytes: &[u8]) -> Result<Vec<Open>, Problem> {
    let days: Days = parse(bytes)?;
    ensure(days.space == manifest.space, || {
        format!("it is of {}", days.space)
    })?;
    ensure(!days.days.is_empty(), || "it lists nothing".to_owned())?;
    let times = manifest.stamps.map(Stamps::days);
    open_files(&days.days, times.as_ref(), Unit::Day)?;
    Ok(days.days)
}

/// Reads the directory of a part list.
pub(super) fn directory(manifest: &Manifest, bytes: &[u8]) -> Result<Directory, Problem> {
    let directory: Directory = parse(bytes)?;
    ensure(directory.space == manifest.space, || {
        format!("it is of {}", directory.space)
    })?;
    let numbers = directory.shards.iter().map(|shard| shard.shard);
    let sorted = numbers.clone().is_sorted_by(|one, next| one < next);
    ensure(sorted && numbers.max() < Some(SHARDS), || {
        "its shards are out of order".to_owned()
    })?;
    Ok(directory)
}

/// Reads a part list, or a shard of one.
pub(super) fn list(
    schema: &Schema,
    manifest: &Manifest,
    shard: Option<u8>,
    bytes: &[u8],
) -> Result<Vec<Line>, Problem> {
    let (head, lines) = parse_list(bytes)?;
    let space = manifest.space.clone();
    ensure(head == ListHead { space, shard }, || {
        "it is another list".to_owned()
    })?;
    ensure(lines.is_sorted_by(|one, next| one.id < next.id), || {
        "its parts are out of order or repeated".to_owned()
    })?;
    let end = manifest
        .stamps
        .map(|stamps| Millis(stamps.days_from.start().0 - 1));
    for line in &lines {
        is_id(schema, &line.id)?;
        is_coverage(&line.covered)?;
        let last = line.covered.last().map(|range| range.to);
        ensure(last <= end, || {
            format!("{} is covered beyond its base", line.id)
        })?;
        ensure(last <= manifest.known_until(), || {
            format!(
                "{} is covered after its provider was last heard or read",
                line.id
            )
        })?;
        ensure(
            shard.is_none_or(|shard| shard_of(&line.id) == shard),
            || format!("{} belongs in another shard", line.id),
        )?;
        ensure(line.index.is_none() == line.rows.is_empty(), || {
            format!(
                "{} has rows without an index, or an index without rows",
                line.id
            )
        })?;
    }
    Ok(lines)
}

/// Checks that these are the parts of the manifest, all of them.
pub(super) fn parts(manifest: &Manifest, lines: &[Line]) -> Result<(), Problem> {
    let count = manifest.parts.count;
    ensure(count == lines.len(), || {
        format!("{count} parts, and {} are listed", lines.len())
    })?;
    let known: BTreeSet<&Id> = lines.iter().map(|line| &line.id).collect();
    ensure(count == known.len(), || "a part is listed twice".to_owned())?;
    let strange = manifest.exceptions.keys().find(|id| !known.contains(id));
    ensure(strange.is_none(), || {
        format!("{strange:?} is an exception, and no part")
    })
}

/// Checks how many rows the lists have together. Returns how many are left for the space's own tables.
pub(super) fn together(
    schema: &Schema,
    manifest: &Manifest,
    lines: &[Line],
    days: &[Open],
) -> Result<Counts, Problem> {
    let mut rows = Counts::new();
    let open = days.iter().chain(&manifest.hours).map(|open| &open.rows);
    for counts in open.chain(lines.iter().map(|line| &line.rows)) {
        add(&mut rows, counts);
    }
    let mut own = Counts::new();
    for (table, count) in &manifest.rows {
        let sum = rows.swap_remove(table).unwrap_or_default();
        let rest = count.checked_sub(sum);
        let is_of_parts = schema
            .table(table)
            .is_some_and(|table| table.level == Level::Part);
        let rest = rest.filter(|rest| *rest == 0 || !is_of_parts);
        let rest = rest.ok_or_else(|| format!("{count} {table}, and its files have {sum}"))?;
        if rest > 0 {
            own.insert(table.clone(), rest);
        }
    }
    ensure(rows.is_empty(), || format!("its files have {rows:?} more"))?;
    ensure(own.is_empty() == manifest.index.is_none(), || {
        "the space has rows without an index, or an index without rows".to_owned()
    })?;
    Ok(own)
}

/// Reads an index, and compares it with what is listed of its rows. Without that, of a space's own tables, with
/// the manifest, which says how many rows the known ones have.
pub(super) fn index(
    schema: &Schema,
    limits: Limits,
    manifest: &Manifest,
    part: Option<&Id>,
    listed: Option<&Counts>,
    bytes: &[u8],
) -> Result<Index, Problem> {
    let index: Index = parse(bytes)?;
    let is_it = index.space == manifest.space && index.part.as_ref() == part;
    ensure(is_it, || "it is the index of something else".to_owned())?;
    let level = part.map_or(Level::Space, |_| Level::Part);
    let base = Base::of(level, manifest.stamps, limits);
    for (table, entries) in &index.tables {
        let known = schema.table(table);
        ensure(known.is_none_or(|table| table.level == level), || {
            format!("{table} is not kept here")
        })?;
        ensure(!entries.is_empty(), || {
            format!("{table} without rows are listed")
        })?;
        let apart = |one: &Entry, next: &Entry| one.period.end() < next.period.start();
        ensure(entries.is_sorted_by(apart), || {
            format!("files of {table} overlap or are out of order")
        })?;
        let rows = |entry: &Entry| {
            let head = overhead(&index.space, index.part.as_ref(), table, entry.rows);
            (entry.period, entry.file.bytes.saturating_sub(head))
        };
        for entry in entries {
            let (period, bytes) = rows(entry);
            ensure(base.allows(period) && entry.rows > 0, || {
                format!("{period} is no file of {table}")
            })?;
            let is_split = bytes <= base.whole || period.unit().finer().is_none();
            ensure(is_split, || {
                format!("{table} in {period} are too long for one file")
            })?;
        }
        let split = base.needlessly_split(entries.iter().map(rows));
        ensure(split.is_none(), || {
            format!("{table} in {split:?} are short enough for one file")
        })?;
    }
    let mut rows = index.rows();
    let listed = listed.cloned().unwrap_or_else(|| {
        let is_known = |name: &String, _: &mut u64| {
            schema.table(name).is_some_and(|table| table.level == level)
        };
        let mut known = manifest.rows.clone();
        rows.retain(is_known);
        known.retain(is_known);
        known
    });
    ensure(rows == listed, || {
        format!("{rows:?}, and {listed:?} are listed")
    })?;
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::{FORMAT, print_checked},
        tests::forum::SCHEMA,
    };

    fn ids(ids: &[&str]) -> Vec<Id> {
        ids.iter().map(Id::new).collect()
    }

    #[test]
    fn a_root_has_the_spaces_of_several_providers() {
        let all: Spaces = [
            ("zine".to_owned(), ids(&["b", "a"])),
            ("forum".to_owned(), ids(&["9", "7"])),
            ("chat".to_owned(), Vec::new()),
        ]
        .into();
        let found = root(&SCHEMA, &Root::print_all("chat", all)).unwrap();
        let expected = [
            ("forum".to_owned(), ids(&["7", "9"])),
            ("zine".to_owned(), ids(&["a", "b"])),
        ];
        assert_eq!(found, expected.into());
        // Of one provider, it is as if there were no others.
        let one = Root::print("forum", ids(&["7"]));
        assert!(!String::from_utf8(one).unwrap().contains("others"));
        let none = Root::print_all("forum", Spaces::new());
        assert_eq!(
            root(&SCHEMA, &none).unwrap(),
            [("forum".to_owned(), Vec::new())].into()
        );
    }

    #[test]
    fn a_root_in_disorder_is_refused() {
        for (provider, other, spaces) in [
            ("forum", "chat", ids(&["a"])),
            ("forum", "forum", ids(&["8"])),
            ("forum", "zine", ids(&[])),
            ("forum", "zine", ids(&["b", "a"])),
            ("forum", "zine", ids(&["7"])),
            ("chat", "forum", ids(&["no id"])),
        ] {
            let printed = print_checked(&Root {
                format: FORMAT,
                provider: provider.to_owned(),
                spaces: ids(&["7"]),
                others: [(other.to_owned(), spaces)].into(),
            });
            assert!(root(&SCHEMA, &printed).is_err(), "{other}");
        }
    }
}
