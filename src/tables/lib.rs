//! An archive's rows as Parquet files, for `DuckDB`, Spark, pandas and other engines.
//!
//! Owns how a provider's [`Schema`](propsbot_archive::Schema) becomes columns of Parquet, how rows are divided
//! into partitions, and which partitions are written again. Knows no platform; where the files are kept is a
//! [`TablesPlace`].
//!
//! A partition is one file, `TABLE/space=ID/month=YYYY-MM/part-0.parquet` or, for tables that are not divided
//! by month, `TABLE/space=ID/part-0.parquet`. It is replaced as a whole, so a reader never sees a row twice.

#![warn(missing_docs)]

mod error;
mod file;
mod partition;
mod place;
mod schema;
mod shred;
mod state;
#[cfg(test)]
mod tests;
mod update;

pub use error::TablesError;
pub use place::{TablesPlace, TablesWrite};
pub use state::ROOT;
pub use update::{Tables, Updated};
