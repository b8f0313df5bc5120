//! What a provider defines: its observations, and how they change its records.

use crate::{OldRow, OldRows, PartRecord, Rows, Stamp, StoreError, View};

/// Something that a provider learned.
pub trait Observed {
    /// When it held.
    fn at(&self) -> Stamp;

    /// Whether it came as an event, so the provider's events arrived until then.
    fn is_event(&self) -> bool;
}

/// A provider's facts and their rules. The store is generic over it.
pub trait Domain: 'static {
    /// What is merged.
    type Observation: Observed;

    /// What a merge can find to be missing, to be fetched next.
    type Missing;

    /// The program's queries on the rows.
    type Reader: From<View>;

    /// Version of what a deletion removes. Bump it when deletions remove more.
    ///
    /// [`Mirror::rewrite`] stores the version it ran under.
    ///
    /// [`Mirror::rewrite`]: crate::Mirror::rewrite
    const DELETION_RULES: u8;

    /// All kinds of records whose rows lie in parts, to index them in stores of earlier schemas. A
    /// provider that is newer than schema 4 keeps the default.
    const PART_RECORDS: &'static [PartRecord] = &[];

    /// Merges one observation and returns what it found to be missing.
    ///
    /// Must be idempotent and independent of the order of observations.
    fn merge<S: Rows>(
        rows: &mut S,
        seen: &Self::Observation,
    ) -> Result<Vec<Self::Missing>, S::Error>;

    /// Returns a function that converts each row of schema 1 to the current schema.
    ///
    /// Called once, when such a store is opened. A provider that is newer than schema 2 keeps the
    /// default.
    fn upgrade(
        _: OldRows<'_>,
    ) -> Result<impl FnMut(OldRow) -> Result<Option<OldRow>, StoreError> + '_, StoreError> {
        Ok(|row| Ok(Some(row)))
    }
}
