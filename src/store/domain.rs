//! Discord as a mirror's domain.

use propsbot_ingest as ingest;
use propsbot_mirror::{Domain, OldRow, OldRows, PartRecord, Rows, StoreError};
use propsbot_model::{MessageState, Observation, Pending, Props, Reaction};

use crate::{Reader, reader::DELETION_RULES, upgrade};

/// Discord's facts and merge rules.
pub struct Discord;

impl Domain for Discord {
    type Observation = Observation;
    type Missing = Pending;
    type Reader = Reader;

    const DELETION_RULES: u8 = DELETION_RULES;

    const PART_RECORDS: &'static [PartRecord] = &[
        PartRecord::of::<MessageState>(),
        PartRecord::of::<Reaction>(),
        PartRecord::of::<Props>(),
    ];

    fn merge<S: Rows>(rows: &mut S, seen: &Observation) -> Result<Vec<Pending>, S::Error> {
        ingest::merge(rows, seen)
    }

    fn upgrade(
        old: OldRows<'_>,
    ) -> Result<impl FnMut(OldRow) -> Result<Option<OldRow>, StoreError> + '_, StoreError> {
        upgrade::upgrade(&old)
    }
}
