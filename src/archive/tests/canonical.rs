//! Only rows in canonical form are read.

use serde::Serialize;

use super::*;
use crate::file::{decode, encode};

/// A file with one like, written by someone else.
fn file_of(row: &impl Serialize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes)
        .with_struct_map()
        .with_human_readable();
    row.serialize(&mut serializer).unwrap();
    change(&mut bytes);
    let row = EncodedRow {
        key: crate::RowKey {
            time: Millis(0),
            sort: Vec::new(),
        },
        bytes,
        part: None,
    };
    let part = Some(Id::new(9));
    encode(
        &SCHEMA,
        &Id::new(FORUM),
        &mut [PartRow {
            part,
            table: Like::TABLE,
            row,
        }],
    )
}

fn is_sound(file: &[u8]) -> bool {
    decode(&SCHEMA, &Id::new(FORUM), file).is_ok()
}

/// Replaces the first place where these bytes are.
fn replace(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let at = bytes
        .windows(old.len())
        .position(|window| window == old)
        .unwrap();
    bytes.splice(at..at + old.len(), new.iter().copied());
}

#[test]
fn only_canonical_rows_with_their_columns_are_read() {
    let like = || {
        serde_json::json!({
            "forum": "7", "topic": "9", "post": "12", "user": "5", "emoji": "heart",
            "added_at": 1_800_000_000_000_i64, "added_by": "gateway",
        })
    };
    // serde_json sorts fields by name: the columns have another order.
    let ordered = |row: serde_json::Value| {
        let mut fields = IndexMap::new();
        let names = [
            "forum", "topic", "post", "user", "emoji", "added_at", "added_by",
        ];
        for name in names.iter().chain(&["removed_at", "is_super"]) {
            if let Some(value) = row.get(name) {
                fields.insert((*name).to_owned(), value.clone());
            }
        }
        fields
    };
    let as_is = |_: &mut Vec<u8>| ();
    let sound = file_of(&ordered(like()), as_is);
    assert!(is_sound(&sound));
    let with = |name: &str, value: serde_json::Value| {
        let mut row = like();
        row[name] = value;
        file_of(&ordered(row), as_is)
    };
    let without = |name: &str| {
        let mut row = ordered(like());
        row.shift_remove(name);
        file_of(&row, as_is)
    };
    let changed =
        |old: &[u8], new: &[u8]| file_of(&ordered(like()), |bytes| replace(bytes, old, new));

    // A field that nobody knows yet, and one that may be nil or absent.
    assert!(is_sound(&with("is_super", true.into())));
    assert!(is_sound(&with("removed_at", ().into())));
    assert!(is_sound(&with("added_by", ().into())));

    let refused = [
        ("a number as an id", with("post", 12.into())),
        ("an id with a leading zero", with("post", "012".into())),
        ("a number as an enum", with("added_by", 0.into())),
        ("an unknown variant", with("added_by", "fax".into())),
        ("nil where something is required", with("emoji", ().into())),
        ("a text as a time", with("added_at", "now".into())),
        ("an absent field", without("added_at")),
        ("an absent last field", without("added_by")),
        ("a text as bytes", changed(b"\xa5heart", b"\xc4\x05heart")),
        (
            "a text not in its shortest form",
            changed(b"\xa5heart", b"\xd9\x05heart"),
        ),
        (
            "a text that is no UTF-8",
            changed(b"\xa5heart", b"\xa5hea\xffx"),
        ),
        ("a repeated field", changed(b"\xa4user", b"\xa4post")),
        (
            "a row that is an array",
            changed(b"\x87\xa5forum", b"\x97\xa5forum"),
        ),
        (
            "more fields than there are",
            changed(b"\x87\xa5forum", b"\x88\xa5forum"),
        ),
        (
            "a map not in its shortest form",
            changed(b"\x87\xa5forum", b"\xde\x00\x07\xa5forum"),
        ),
        (
            "a number in more bytes than it takes",
            changed(b"\xcf\x00\x00\x01", b"\xd3\x00\x00\x01"),
        ),
        ("a float", changed(b"\xcf\x00\x00\x01", b"\xcb\x00\x00\x01")),
        ("something after the rows", [&sound[..], b"\x91"].concat()),
        ("another space's", encode(&SCHEMA, &Id::new(8), &mut [])),
    ];
    for (what, file) in refused {
        assert!(!is_sound(&file), "{what}");
    }
    let mut swapped = ordered(like());
    swapped.swap_indices(2, 3);
    assert!(
        !is_sound(&file_of(&swapped, as_is)),
        "fields in another order"
    );
}
