//! Random rows of random tables are in the file that is written of them.

use std::{collections::BTreeMap, fs::File, sync::Arc};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use propsbot_archive::{Column, Kind, Millis, Presence, RawRow};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{file::Files, partition::Partition, schema::Shape};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn column((number, kind): (usize, Kind)) -> Column {
    Column {
        name: NAMES[number],
        kind,
        presence: Presence::Optional,
        doc: "",
    }
}

fn columns(kinds: Vec<Kind>) -> &'static [Column] {
    let columns: Vec<Column> = kinds.into_iter().enumerate().map(column).collect();
    // Schemas are static.
    Box::leak(columns.into())
}

fn kind() -> impl Strategy<Value = Kind> {
    let plain = prop_oneof![
        Just(Kind::Id),
        Just(Kind::User),
        Just(Kind::Bits),
        Just(Kind::Text),
        Just(Kind::OneOf(&["one", "other"])),
        Just(Kind::Time),
        Just(Kind::Integer),
        Just(Kind::Bool),
    ];
    plain.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|kind| Kind::List(Box::leak(kind.into()))),
            vec(inner, 1..=3).prop_map(|kinds| Kind::Map(columns(kinds))),
        ]
    })
}

/// What a row says, and what a file of it should say.
type Told = (Value, Value);

fn value(kind: Kind, has_numeric_ids: bool) -> BoxedStrategy<Told> {
    let number = prop_oneof![any::<u64>(), Just(u64::MAX), Just(1 << 63), Just(0)];
    let number = number.prop_map(|id| (json!(id.to_string()), json!(id.cast_signed())));
    let text = "\\PC{0,12}".prop_map(|text| (json!(text), json!(text)));
    let there = match kind {
        Kind::Id | Kind::User if has_numeric_ids => number.boxed(),
        Kind::Bits => number.boxed(),
        Kind::Id | Kind::User | Kind::Text | Kind::OneOf(_) => text.boxed(),
        Kind::Time => {
            let year = |time: i64| (-62_135_596_800_000..=253_402_300_799_999).contains(&time);
            let told = move |time| (json!(time), json!(year(time).then(|| time * 1000)));
            let common = 0..=4_000_000_000_000i64;
            let times = prop_oneof![common, any::<i64>(), Just(i64::MAX), Just(i64::MIN)];
            times.prop_map(told).boxed()
        }
        Kind::Integer => {
            let large = any::<u64>()
                .prop_map(|integer| (json!(integer), json!(i64::try_from(integer).ok())));
            let usual = any::<i64>().prop_map(|integer| (json!(integer), json!(integer)));
            prop_oneof![usual, large].boxed()
        }
        Kind::Bool => any::<bool>()
            .prop_map(|bool| (json!(bool), json!(bool)))
            .boxed(),
        Kind::List(item) => {
            let items = vec(value(*item, has_numeric_ids), 0..4);
            items
                .prop_map(|items| {
                    let (said, told): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                    (json!(said), json!(told))
                })
                .boxed()
        }
        Kind::Map(columns) => row(columns, has_numeric_ids).boxed(),
    };
    prop_oneof![4 => there, 1 => Just((Value::Null, Value::Null))].boxed()
}

/// A map with these fields. One that is nil may also be absent.
fn row(columns: &[Column], has_numeric_ids: bool) -> impl Strategy<Value = Told> + use<> {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let columns = columns.iter();
    let values: Vec<_> = columns
        .map(|column| (value(column.kind, has_numeric_ids), any::<bool>()))
        .collect();
    values.prop_map(move |values| {
        let mut maps = (serde_json::Map::new(), serde_json::Map::new());
        for (name, ((said, told), is_absent)) in names.iter().zip(values) {
            if !(said.is_null() && is_absent) {
                maps.0.insert((*name).to_owned(), said);
            }
            maps.1.insert((*name).to_owned(), told);
        }
        (maps.0.into(), maps.1.into())
    })
}

fn table() -> impl Strategy<Value = (Shape, Vec<(i64, Told)>)> {
    (vec(kind(), 1..=4), any::<bool>()).prop_flat_map(|(kinds, has_numeric_ids)| {
        let columns = columns(kinds);
        let shape = Shape {
            name: "table",
            columns: columns.to_vec(),
            month_of: None,
            has_numeric_ids,
            is_by_month: false,
        };
        (
            Just(shape),
            vec((any::<i64>(), row(columns, has_numeric_ids)), 0..40),
        )
    })
}

/// What Parquet's own reader makes of a value.
fn read(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => json!(value),
        Field::Long(value) | Field::TimestampMicros(value) => json!(value),
        Field::Str(value) => json!(value),
        Field::ListInternal(list) => list.elements().iter().map(read).collect(),
        Field::Group(row) => {
            let columns = row.get_column_iter();
            let columns = columns.map(|(name, field)| (name.clone(), read(field)));
            columns.collect::<serde_json::Map<_, _>>().into()
        }
        other => panic!("{other:?} was never written"),
    }
}

fn partition(shape: &Shape) -> Partition {
    Partition::of(shape.name, shape.is_by_month, Millis(0))
}

/// Writes rows, each of a time, and reads the file.
fn written(shape: Shape, rows: &[(i64, Option<Millis>, Value)]) -> Vec<Value> {
    let scratch = tempfile::tempdir().unwrap();
    let (partition, shape) = (partition(&shape), Arc::new(shape));
    let mut files = Files::new(scratch.path());
    for (time, belongs_to, row) in rows {
        let row = RawRow {
            time: Millis(*time),
            belongs_to: *belongs_to,
            bytes: &rmp_serde::to_vec_named(row).unwrap(),
        };
        files.push(partition, &shape, row).unwrap();
    }
    let mut written: BTreeMap<_, _> = files.finish().unwrap();
    let Some(written) = written.remove(&partition) else {
        return Vec::new();
    };
    assert_eq!(written.rows, rows.len() as u64);
    let file = SerializedFileReader::new(File::open(&written.file).unwrap()).unwrap();
    let rows = file.get_row_iter(None).unwrap();
    rows.map(|row| read(&Field::Group(row.unwrap()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rows_come_back((shape, rows) in table()) {
        let said: Vec<_> = rows.iter().map(|(time, (said, _))| (*time, None, said.clone())).collect();
        let mut rows = rows;
        rows.sort_by_key(|(time, (said, _))| (*time, rmp_serde::to_vec_named(said).unwrap()));
        let told: Vec<Value> = rows.into_iter().map(|(_, (_, told))| told).collect();
        prop_assert_eq!(written(shape, &said), told);
    }
}

#[test]
fn a_row_tells_the_month_of_the_one_it_belongs_to() {
    let month = column((1, Kind::Text));
    let shape = Shape {
        name: "table",
        columns: vec![column((0, Kind::Bool)), month],
        month_of: Some(month.name),
        has_numeric_ids: true,
        is_by_month: true,
    };
    let march = Some(Millis(1_772_323_200_000));
    let rows = [
        (0, None, json!({"a": true})),
        (1, march, json!({"a": false})),
    ];
    let read = written(shape, &rows);
    let expected = [
        json!({"a": true, "b": null}),
        json!({"a": false, "b": "2026-03"}),
    ];
    assert_eq!(read, expected);
}

#[test]
fn many_rows_are_several_row_groups() {
    let shape = Shape {
        name: "table",
        columns: vec![column((0, Kind::Text))],
        month_of: None,
        has_numeric_ids: true,
        is_by_month: false,
    };
    let text = "long ".repeat(200_000);
    let rows: Vec<_> = (0..20)
        .map(|time| (time, None, json!({"a": text})))
        .collect();
    let read = written(shape, &rows);
    assert_eq!(
        read,
        rows.iter().map(|(.., row)| row.clone()).collect::<Vec<_>>()
    );
}
