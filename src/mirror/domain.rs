//! What a provider brings: its observations, and how they change its records.

use crate::{OldRow, OldRows, Rows, Stamp, StoreError, View};

/// Something that a provider learnt.
pub trait Observed {
    /// When it held.
    fn at(&self) -> Stamp;

    /// Whether an event told it: the provider was heard until then.
    fn is_event(&self) -> bool;
}

/// A provider's facts and their rules. The store is generic over it.
pub trait Domain: 'static {
    /// What is merged.
    type Observation: Observed;

    /// What a merge may show to be missing, to be fetched next.
    type Missing;

    /// The questions that the program asks of the rows.
    type Reader: From<View>;

    /// Version of what a deletion removes. Bump it when deletions remove more: [`Mirror::rewrite`]
    /// notes under which one the store was last rewritten.
    ///
    /// [`Mirror::rewrite`]: crate::Mirror::rewrite
    const DELETION_RULES: u8;

    /// Merges one observation, and returns what it showed to be missing.
    ///
    /// Merging again what was merged before must change nothing, and the order of arrival must not
    /// matter.
    fn merge<S: Rows>(
        rows: &mut S,
        seen: &Self::Observation,
    ) -> Result<Vec<Self::Missing>, S::Error>;

    /// How rows of schema 1 are written today. Called once, when such a store is opened; the answer
    /// is then called with each row. A provider that is younger than schema 2 leaves it as it is.
    fn upgrade(
        _: OldRows<'_>,
    ) -> Result<impl FnMut(OldRow) -> Result<Option<OldRow>, StoreError> + '_, StoreError> {
        Ok(|row| Ok(Some(row)))
    }
}
