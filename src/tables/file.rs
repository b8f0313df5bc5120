//! Files of tables in the making: rows wait in memory, in bounds, until a row group of them is written.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufWriter,
    mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{BoolType, ByteArrayType, DataType, Int64Type},
    errors::{ParquetError, Result},
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
};
use propsbot_archive::{Hash, Millis, Period, RawRow, Unit};
use serde_json::Value;
use tempfile::{NamedTempFile, TempPath};

use super::{
    error::TablesError,
    partition::Partition,
    schema::Shape,
    shred::{Leaf, Shredder, Values},
};

/// How long the rows of a row group may be, in MessagePack. They take several times of it while it is written.
const ROW_GROUP: usize = 8 << 20;

/// How long the rows that wait may be, of all files together.
const WAITING: usize = 32 << 20;

/// A file that is whole.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: TempPath,
    pub(crate) hash: Hash,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// The files of some partitions of a space.
pub(crate) struct Files {
    scratch: PathBuf,
    making: BTreeMap<Partition, TableFile>,
    /// How long the rows that wait are.
    waiting: usize,
}

/// The file of a partition.
struct TableFile {
    shape: Arc<Shape>,
    waiting: Waiting,
    rows: u64,
    writer: Option<(SerializedFileWriter<BufWriter<File>>, TempPath)>,
}

/// Rows, one after the other in memory.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    rows: Vec<WaitingRow>,
}

struct WaitingRow {
    time: Millis,
    belongs_to: Option<Millis>,
    start: usize,
    end: usize,
}

impl Files {
    /// Files that are made in this folder.
    pub(crate) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            making: BTreeMap::new(),
            waiting: 0,
        }
    }

    /// Adds a row to a partition.
    pub(crate) fn push(
        &mut self,
        partition: Partition,
        shape: &Arc<Shape>,
        row: RawRow<'_>,
    ) -> std::result::Result<(), TablesError> {
        let file = self.making.entry(partition).or_insert_with(|| TableFile {
            shape: Arc::clone(shape),
            waiting: Waiting::default(),
            rows: 0,
            writer: None,
        });
        self.waiting += row.bytes.len();
        file.waiting.push(row);
        let longest = if file.waiting.bytes.len() >= ROW_GROUP {
            file
        } else if self.waiting >= WAITING {
            let files = self.making.values_mut();
            files
                .max_by_key(|file| file.waiting.bytes.len())
                .expect("the row waits in one")
        } else {
            return Ok(());
        };
        self.waiting -= longest.waiting.bytes.len();
        let table = longest.shape.name;
        let flushed = longest.flush(&self.scratch);
        flushed.map_err(|source| TablesError::File { table, source })
    }

    /// Ends all files. Partitions without rows have none.
    pub(crate) fn finish(self) -> std::result::Result<BTreeMap<Partition, Written>, TablesError> {
        let mut all = BTreeMap::new();
        for (partition, file) in self.making {
            let table = partition.table;
            let written = file.finish(&self.scratch);
            let written = written.map_err(|source| TablesError::File { table, source })?;
            all.insert(partition, written);
        }
        Ok(all)
    }
}

impl Waiting {
    fn push(&mut self, row: RawRow<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(row.bytes);
        self.rows.push(WaitingRow {
            time: row.time,
            belongs_to: row.belongs_to,
            start,
            end: self.bytes.len(),
        });
    }
}

impl TableFile {
    /// Writes the rows that wait as a row group, by time.
    fn flush(&mut self, scratch: &Path) -> Result<()> {
        let Waiting { bytes, mut rows } = mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        let (writer, _) = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(create(&self.shape, scratch)?),
        };
        let encoded = |row: &WaitingRow| &bytes[row.start..row.end];
        // By bytes at equal times, so that the order of reading does not matter.
        rows.sort_unstable_by(|one, next| {
            (one.time, encoded(one)).cmp(&(next.time, encoded(next)))
        });
        let mut shredder = Shredder::new(&self.shape);
        for row in &rows {
            let read = rmp_serde::from_slice(encoded(row));
            let mut read: Value = read.map_err(|error| ParquetError::External(error.into()))?;
            if let (Some(name), Value::Object(fields)) = (self.shape.month_of, &mut read) {
                let month = row.belongs_to.map(|time| Period::of(Unit::Month, time));
                let month = month.map_or(Value::Null, |month| month.to_string().into());
                fields.insert(name.to_owned(), month);
            }
            shredder.row(&read);
        }
        self.rows += rows.len() as u64;
        drop((bytes, rows));
        let mut group = writer.next_row_group()?;
        for leaf in shredder.leaves {
            let column = group.next_column()?;
            let mut column = column.expect("the columns are those of the same shape");
            write(&mut column, leaf)?;
            column.close()?;
        }
        group.close().map(drop)
    }

    fn finish(mut self, scratch: &Path) -> Result<Written> {
        self.flush(scratch)?;
        let (writer, file) = match self.writer {
            Some(writer) => writer,
            None => create(&self.shape, scratch)?,
        };
        let written = writer.into_inner()?;
        written
            .into_inner()
            .map_err(|error| ParquetError::External(error.into_error().into()))?
            .sync_all()?;
        let (hash, bytes) = Hash::of_read(File::open(&file)?)?;
        Ok(Written {
            file,
            hash,
            bytes,
            rows: self.rows,
        })
    }
}

fn create(
    shape: &Shape,
    scratch: &Path,
) -> Result<(SerializedFileWriter<BufWriter<File>>, TempPath)> {
    let (file, path) = NamedTempFile::new_in(scratch)?.into_parts();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("propsbot ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let writer =
        SerializedFileWriter::new(BufWriter::new(file), shape.parquet()?, Arc::new(properties))?;
    Ok((writer, path))
}

fn write(column: &mut SerializedColumnWriter<'_>, leaf: Leaf) -> Result<()> {
    let Leaf {
        values,
        definitions,
        repetitions,
        ..
    } = leaf;
    match values {
        Values::Bool(values) => batch::<BoolType>(column, &values, &definitions, &repetitions),
        Values::Long(values) => batch::<Int64Type>(column, &values, &definitions, &repetitions),
        Values::Bytes(values) => {
            batch::<ByteArrayType>(column, &values, &definitions, &repetitions)
        }
    }
}

fn batch<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    definitions: &[i16],
    repetitions: &[i16],
) -> Result<()> {
    let column = column.typed::<T>();
    let written = column.write_batch(values, Some(definitions), Some(repetitions));
    written.map(drop)
}
