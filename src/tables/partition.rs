//! Partitions: the files of a table, by space and month.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use propsbot_archive::{Hash, Id, Millis, Period, Unit};

/// What stays as it is in the name of a folder. Engines decode the rest.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The longest name of a folder with an id in it.
const LONGEST: usize = 200;

/// A partition of one space: a table's rows, or those of one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition {
    pub(crate) table: &'static str,
    pub(crate) month: Option<Period>,
}

impl Partition {
    /// The partition of a row of this time.
    pub(crate) fn of(table: &'static str, is_by_month: bool, time: Millis) -> Self {
        let month = is_by_month.then(|| Period::of(Unit::Month, time));
        Self { table, month }
    }

    /// The path of its file.
    pub(crate) fn path(self, space: &Id) -> String {
        let (table, space) = (self.table, folder(space));
        match self.month {
            Some(month) => format!("{table}/{space}/month={month}/part-0.parquet"),
            None => format!("{table}/{space}/part-0.parquet"),
        }
    }
}

/// The name of a space's folder. Ids that are too long for one are told by their hash.
pub(crate) fn folder(space: &Id) -> String {
    let id = utf8_percent_encode(space.as_str(), ESCAPED).to_string();
    if id.len() <= LONGEST {
        format!("space={id}")
    } else {
        format!("space={}", Hash::of(space.as_str().as_bytes()))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.month {
            Some(month) => write!(f, "{}/{month}", self.table),
            None => f.write_str(self.table),
        }
    }
}
