//! The archive's immutable files: how they are named, compressed, and how rows lie in them.
//!
//! A file is named by the SHA-256 of its *uncompressed* bytes, since libraries compress differently. What names
//! it says how long these are, which bounds what is decompressed.

use std::{
    io::{self, Read, Write as _},
    ops::Range,
};

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

use super::{
    canonical::{Canonical, Problem},
    layout::Timed,
};
use crate::{EncodedRow, Hash, Id, Millis, Object, Schema, Table};

/// Names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRef {
    /// The hash of its uncompressed bytes.
    pub hash: Hash,
    /// How long these are.
    pub bytes: u64,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Rows, in MessagePack.
    Rows,
    /// An index, in JSON.
    Index,
    /// The list of the open files by day, in JSON.
    Days,
    /// A part list or a shard of one: a line of JSON for each part.
    Parts,
    /// The directory of a part list's shards, in JSON.
    Directory,
}

const KINDS: [Kind; 5] = [
    Kind::Rows,
    Kind::Index,
    Kind::Days,
    Kind::Parts,
    Kind::Directory,
];

/// The longest that a file's uncompressed bytes can be.
pub const FILE_LIMIT: u64 = 128 << 20;

/// The path of a file.
pub fn named(kind: Kind, hash: Hash) -> String {
    let (folder, suffix) = match kind {
        Kind::Rows => ("rows", "msgpack.gz"),
        Kind::Index => ("indexes", "json.gz"),
        Kind::Days => ("days", "json.gz"),
        Kind::Parts => ("parts", "jsonl.gz"),
        Kind::Directory => ("parts", "json.gz"),
    };
    hash.path(folder, suffix)
}

/// The file with these bytes, and what names it.
pub fn pack(kind: Kind, bytes: &[u8]) -> (FileRef, Object) {
    let file = FileRef {
        hash: Hash::of(bytes),
        bytes: bytes.len() as u64,
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    let packed = gzip.write_all(bytes).and_then(|()| gzip.finish());
    let object = Object {
        path: named(kind, file.hash),
        bytes: packed.expect("memory takes it"),
    };
    (file, object)
}

/// Whether this is the path of a file.
pub fn is_named(path: &str) -> bool {
    Hash::in_name(path).is_some_and(|hash| KINDS.iter().any(|kind| named(*kind, hash) == path))
}

/// The longest that a file of this many uncompressed bytes can be: what nothing compresses, and its frame.
pub fn longest(bytes: u64) -> u64 {
    let bytes = bytes.min(FILE_LIMIT);
    bytes + (bytes >> 8) + 1024
}

/// Checks a file against its name alone. Keeps nothing of what is decompressed.
pub fn check(packed: &[u8], hash: Hash) -> Result<(), Problem> {
    let mut rest = packed;
    let gzip = inflate(&mut rest, FILE_LIMIT)?;
    let (found, bytes) = Hash::of_read(gzip).map_err(no_gzip)?;
    if bytes > FILE_LIMIT {
        return Err(format!("it is longer than {FILE_LIMIT} bytes"));
    }
    ends(rest)?;
    if found == hash {
        Ok(())
    } else {
        Err(OTHER_BYTES.to_owned())
    }
}

/// The uncompressed bytes of a file. Never takes more memory than what names it says.
pub fn unpack(packed: &[u8], file: FileRef) -> Result<Vec<u8>, Problem> {
    if packed.len() as u64 > longest(file.bytes) {
        return Err(format!(
            "{} bytes are more than what names it allows",
            packed.len()
        ));
    }
    if file.bytes > FILE_LIMIT {
        return Err(format!("it is longer than {FILE_LIMIT} bytes"));
    }
    let mut rest = packed;
    let mut bytes = Vec::new();
    // Grows with what comes, and by doubling never beyond four times of it.
    let read = inflate(&mut rest, file.bytes)?.read_to_end(&mut bytes);
    read.map_err(no_gzip)?;
    ends(rest)?;
    if bytes.len() as u64 != file.bytes || Hash::of(&bytes) != file.hash {
        return Err(OTHER_BYTES.to_owned());
    }
    Ok(bytes)
}

const OTHER_BYTES: &str = "its bytes are not those that its name says";

/// What these bytes decompress to, up to one byte more than `most`.
fn inflate<'a, 'b>(
    packed: &'b mut &'a [u8],
    most: u64,
) -> Result<impl Read + use<'a, 'b>, Problem> {
    // Without a name, a time or other fields, in which anything could lie.
    if packed.starts_with(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]) {
        Ok(GzDecoder::new(packed).take(most + 1))
    } else {
        Err("it is no gzip without name and time".to_owned())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn no_gzip(error: io::Error) -> Problem {
    format!("it cannot be decompressed: {error}")
}

fn ends(rest: &[u8]) -> Result<(), Problem> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err("something follows its compressed bytes".to_owned())
    }
}

/// A row, and whose it is.
#[derive(Clone, Debug)]
pub struct PartRow {
    /// The part; `None` for a row of the space's own tables.
    pub part: Option<Id>,
    /// Its table.
    pub table: &'static str,
    /// The row.
    pub row: EncodedRow,
}

impl Timed for PartRow {
    fn time(&self) -> Millis {
        self.row.key.time
    }

    fn bytes(&self) -> u64 {
        self.row.bytes.len() as u64
    }
}

/// Writes rows of a space: sorted by part, table and key, in an array for each part and table.
pub fn encode(schema: &Schema, space: &Id, rows: &mut [PartRow]) -> Vec<u8> {
    rows.sort_by(|one, next| {
        let own = |row: &PartRow| (row.part.clone(), schema.order(row.table));
        own(one)
            .cmp(&own(next))
            .then_with(|| one.row.key.sort.cmp(&next.row.key.sort))
    });
    let groups: Vec<&[PartRow]> = rows
        .chunk_by(|one, next| (&one.part, one.table) == (&next.part, next.table))
        .collect();
    let mut bytes = head(space, groups.len());
    for group in groups {
        let first = &group[0];
        bytes.extend(group_head(first.part.as_ref(), first.table, group.len()));
        for row in group {
            bytes.extend_from_slice(&row.row.bytes);
        }
    }
    bytes
}

fn head(space: &Id, groups: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_map(&mut bytes, 2);
    write_text(&mut bytes, "space");
    write_text(&mut bytes, space.as_str());
    write_text(&mut bytes, "tables");
    write_array(&mut bytes, groups);
    bytes
}

fn group_head(part: Option<&Id>, table: &str, rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_map(&mut bytes, 3);
    write_text(&mut bytes, "part");
    match part {
        Some(part) => write_text(&mut bytes, part.as_str()),
        None => rmp::encode::write_nil(&mut bytes).expect(MEMORY),
    }
    write_text(&mut bytes, "table");
    write_text(&mut bytes, table);
    write_text(&mut bytes, "rows");
    write_array(&mut bytes, rows);
    bytes
}

const MEMORY: &str = "memory takes it";

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    rmp::encode::write_str(bytes, text).expect(MEMORY);
}

fn write_map(bytes: &mut Vec<u8>, fields: u32) {
    rmp::encode::write_map_len(bytes, fields).expect(MEMORY);
}

fn write_array(bytes: &mut Vec<u8>, items: usize) {
    let items = u32::try_from(items).expect("a file has fewer rows than 2^32");
    rmp::encode::write_array_len(bytes, items).expect(MEMORY);
}

/// How long a file of one table is without its rows.
pub fn overhead(space: &Id, part: Option<&Id>, table: &str, rows: u64) -> u64 {
    let rows = usize::try_from(rows)
        .unwrap_or(usize::MAX)
        .min(u32::MAX as usize);
    (head(space, 1).len() + group_head(part, table, rows).len()) as u64
}

/// The rows of a table and part in a file.
#[derive(Debug)]
pub struct Group {
    /// The part; `None` for the space's own tables.
    pub part: Option<Id>,
    /// The table; `None` if the schema does not have it.
    pub table: Option<&'static Table>,
    /// What the table is called.
    pub name: String,
    /// How many rows.
    pub count: u32,
    /// Where in the file's bytes the array of the rows begins.
    array: u32,
    /// Where each row of a known table begins, and where the last ends.
    borders: Vec<u32>,
}

impl Group {
    /// Where in the file's bytes the rows of a known table are, as one array.
    pub fn array(&self) -> Range<usize> {
        let end = self.borders.last().copied().unwrap_or(self.array);
        self.array as usize..end as usize
    }

    /// Where in the file's bytes each row of a known table begins and ends.
    pub fn spans(&self) -> impl Iterator<Item = (u32, u32)> {
        self.borders.windows(2).map(|row| (row[0], row[1]))
    }
}

/// Checks a file of rows byte by byte, and finds the rows in it. What they say is not looked at.
pub fn decode(schema: &Schema, space: &Id, bytes: &[u8]) -> Result<Vec<Group>, Problem> {
    let mut reader = Canonical::new(bytes, schema.is_id);
    let mut groups: Vec<Group> = Vec::new();
    let fields = reader.expect_map()?;
    field(&mut reader, "space")?;
    if reader.expect_text()? != space.as_str() {
        return Err(format!("it is not of {space}"));
    }
    field(&mut reader, "tables")?;
    for _ in 0..reader.expect_array()? {
        let group = group(schema, &mut reader)?;
        if let Some(last) = groups.last() {
            let own = |group: &Group| (group.part.clone(), schema.order(&group.name));
            let is_after = own(last) < own(&group)
                // Tables that this schema does not know come in some order of their own.
                || (own(last) == own(&group) && group.table.is_none() && last.name != group.name);
            if !is_after {
                return Err("its tables are out of order or repeated".to_owned());
            }
        }
        groups.push(group);
    }
    for _ in 2..fields {
        reader.expect_text()?;
        reader.skip()?;
    }
    reader.end()?;
    Ok(groups)
}

/// Checks an array of rows of a table byte by byte.
pub fn check_array(schema: &Schema, table: &Table, array: &[u8]) -> Result<(), Problem> {
    let mut reader = Canonical::new(array, schema.is_id);
    for _ in 0..reader.expect_array()? {
        reader.row(table.columns)?;
    }
    reader.end()
}

fn group(schema: &Schema, reader: &mut Canonical<'_>) -> Result<Group, Problem> {
    let fields = reader.expect_map()?;
    field(reader, "part")?;
    let part = match reader.next()? {
        super::canonical::Token::Nil => None,
        super::canonical::Token::Text(part) if !part.is_empty() && part.len() <= 255 => {
            Some(Id::from(part))
        }
        _ => return Err("something else stands where a part should".to_owned()),
    };
    field(reader, "table")?;
    let name = reader.expect_text()?.to_owned();
    let table = schema.table(&name);
    field(reader, "rows")?;
    let at = |reader: &Canonical<'_>| u32::try_from(reader.at()).map_err(|_| "it is too long");
    let array = at(reader)?;
    let count = reader.expect_array()?;
    if count == 0 {
        return Err("it has a table without rows".to_owned());
    }
    let mut borders = vec![at(reader)?];
    for _ in 0..count {
        match table {
            Some(table) => {
                reader.row(table.columns)?;
                borders.push(at(reader)?);
            }
            None => reader.skip()?,
        }
    }
    for _ in 3..fields {
        reader.expect_text()?;
        reader.skip()?;
    }
    Ok(Group {
        part,
        table,
        name,
        count,
        array,
        borders,
    })
}

fn field(reader: &mut Canonical<'_>, name: &str) -> Result<(), Problem> {
    if reader.expect_text()? == name {
        Ok(())
    } else {
        Err(format!("its field {name:?} is not where it should be"))
    }
}
