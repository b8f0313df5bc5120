//! Archives from when a space's own tables were divided into other files.

use super::{damage::inflate, forum::id_at, *};
use crate::{
    file::{encode, pack},
    layout::{LIMITS, Limits},
    manifest::{Entry, Index, parse, print, print_checked},
};

/// 2026-11-23T13:00Z.
const NOW: Millis = Millis(1_795_438_800_000);

/// A forum with topics of three years, exported.
pub(super) fn exported() -> World {
    let mut world = World::new(LIMITS);
    for (number, year) in [1_500_000_000_000, 1_650_000_000_000, 1_770_000_000_000]
        .into_iter()
        .enumerate()
    {
        let topic = id_at(Millis(year), number as u64);
        world.topic(topic, "a topic");
        world.post(topic, topic + 1, "a post", None);
        // In the other half of the same year.
        let topic = id_at(Millis(year + 150 * DAY), number as u64);
        world.topic(topic, "another topic");
    }
    world.export(NOW);
    world
}

/// Divides the space's own tables into files of this unit.
fn divide(world: &mut World, unit: Unit) {
    let (_, mut manifest, _) = world.manifest.take().unwrap();
    let path = named(Kind::Index, manifest.index.unwrap().hash);
    let mut index: Index = parse(&inflate(&world.files.remove(&path).unwrap())).unwrap();
    for path in index.paths() {
        world.files.remove(&path).unwrap();
    }
    for (name, entries) in &mut index.tables {
        let mut rows: BTreeMap<Period, Vec<PartRow>> = BTreeMap::new();
        for ((_, table, _), row) in &world.mirror.rows {
            if *table == name.as_str() {
                let row = PartRow {
                    part: None,
                    table,
                    row: row.clone(),
                };
                let period = Period::of(unit, row.row.key.time);
                rows.entry(period).or_default().push(row);
            }
        }
        let files = rows.into_iter().map(|(period, mut rows)| {
            let (file, object) = pack(Kind::Rows, &encode(&SCHEMA, &Id::new(FORUM), &mut rows));
            world.files.insert(object.path, object.bytes);
            Entry {
                period,
                rows: rows.len() as u64,
                file,
            }
        });
        *entries = files.collect();
    }
    let (file, object) = pack(Kind::Index, &print(&index));
    world.files.insert(object.path, object.bytes);
    manifest.index = Some(file);
    let bytes = print_checked(&manifest);
    world.manifest = Some((Hash::of(&bytes), manifest, bytes));
}

#[test]
fn files_of_years_are_read_and_joined() {
    let mut world = exported();
    let whole = world.all_files();
    divide(&mut world, Unit::Year);
    assert_eq!(world.all_files().len(), whole.len() + 2);
    let (rows, _) = read(&world.all_files(), LIMITS, &Query::all()).unwrap();
    assert_eq!(rows, world.rows(|_, _, _| true));

    let renamed = *world.topics.first_key_value().unwrap().0;
    world.topic(renamed, "another name");
    world.export(Millis(NOW.0 + HOUR));
    let fresh = world.fresh(Millis(NOW.0 + HOUR));
    assert!(world.files.keys().eq(fresh.files.keys()));
    assert_eq!(world.files.len() + 2, whole.len());
    let (rows, _) = read(&world.all_files(), LIMITS, &Query::all()).unwrap();
    assert_eq!(rows, world.rows(|_, _, _| true));
}

#[test]
fn smaller_files_than_any_export_wrote_are_refused() {
    let mut world = exported();
    divide(&mut world, Unit::HalfYear);
    let refused = read(&world.all_files(), LIMITS, &Query::all()).unwrap_err();
    assert!(refused.to_string().contains("short enough"), "{refused}");
}

#[test]
fn longer_files_are_read_and_split() {
    let earlier = Limits {
        own: LIMITS.own_whole,
        ..LIMITS
    };
    let mut world = World::new(earlier);
    // About 110,000 bytes, from 2015 to 2026.
    for number in 0..1_000 {
        let topic = id_at(Millis(1_420_070_400_000 + number * 100 * HOUR), 0);
        world.topic(
            topic,
            &format!("topic {number}, {}", "of some length ".repeat(4)),
        );
    }
    world.export(NOW);
    let longest = |world: &World| {
        let files = world.files.iter();
        let rows = files.filter(|(path, _)| path.starts_with("rows/"));
        rows.map(|(_, file)| inflate(file).len() as u64)
            .max()
            .unwrap()
    };
    assert!(longest(&world) > LIMITS.own);
    let (rows, _) = read(&world.all_files(), LIMITS, &Query::all()).unwrap();
    assert_eq!(rows, world.rows(|_, _, _| true));

    world.limits = LIMITS;
    // A change of another table.
    let (id, name) = (Number(FORUM), "another name".to_owned());
    world.put(None, &Forum { id, name });
    world.export(Millis(NOW.0 + HOUR));
    let fresh = world.fresh(Millis(NOW.0 + HOUR));
    assert!(world.files.keys().eq(fresh.files.keys()));
    assert!(longest(&world) < LIMITS.own + 100);
    let (rows, _) = read(&world.all_files(), LIMITS, &Query::all()).unwrap();
    assert_eq!(rows, world.rows(|_, _, _| true));
}
