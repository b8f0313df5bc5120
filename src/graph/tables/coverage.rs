//! `coverage`: which times of each channel are complete.

use serde::{Deserialize, Serialize};

use super::{
    CHANNEL_ID, Column, DerivedTable, EncodedRow, GUILD_ID, Id, ReadError, Required, RowSource,
    Table, Time, column,
};
use propsbot_archive::{Level, Millis, Row, RowKey, Scope};

pub(super) const TABLE: DerivedTable = DerivedTable {
    table: Table::of::<CoverageRow>(Level::Part).with(
        "The times of which a channel's messages are all here, with the props and reactions that belong to them: \
         after `after`, up to and including `to`. What lies between two rows may have gaps. By `after`.",
        COLUMNS,
    ),
    rows,
};

const COLUMNS: &[Column] = &[
    GUILD_ID,
    CHANNEL_ID,
    column("after", Time, Required, "the last millisecond before them"),
    column("to", Time, Required, "the last of them"),
];

/// A time of which a channel's messages are all there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRow {
    pub guild_id: Id,
    pub channel_id: Id,
    /// The last millisecond before it.
    pub after: Millis,
    /// Its last millisecond.
    pub to: Millis,
}

impl Row for CoverageRow {
    const TABLE: &'static str = "coverage";

    fn is_of(&self, scope: &Scope) -> bool {
        (&self.guild_id, Some(&self.channel_id)) == (&scope.space, scope.part.as_ref())
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: self.after,
            sort: self.channel_id.as_str().into(),
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "other tables read rows, which may fail"
)]
fn rows(rows: &dyn RowSource, each: &mut dyn FnMut(&Id, EncodedRow)) -> Result<(), ReadError> {
    for (scope, covered) in rows.coverage() {
        let Some(channel_id) = scope.part else {
            continue;
        };
        for times in covered {
            let row = CoverageRow {
                guild_id: scope.space.clone(),
                channel_id: channel_id.clone(),
                after: times.after,
                to: times.to,
            };
            each(&scope.space, EncodedRow::new(&row));
        }
    }
    Ok(())
}
