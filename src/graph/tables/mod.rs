//! Derived tables: what everyone who reads an archive would work out again, guild by guild.
//!
//! Owns their rows and columns. Rows follow from the archive's alone; `thanks` and the graph share one decision about
//! what counts (`props`). Each guild stands alone, as on its leaderboard: only its own members are known.

mod coverage;
mod members;
mod thanks;

pub use coverage::{COVERAGE, CoverageRow, coverage};
pub use members::{MEMBERS, NamedMemberRow, members};
pub use thanks::{Origin, THANKS, ThanksRow, WhyNot, thanks};

use propsbot_archive::{
    Column, DerivedTable,
    Kind::{self, Id},
    Presence::{self, Required},
    Row as _,
};

/// The derived tables of Discord's archives.
pub static DERIVED: [DerivedTable; 3] = [
    DerivedTable {
        name: "thanks",
        columns: THANKS,
        is_by_month: true,
        rows: |from, each| {
            let rows = thanks(from.rows)?.into_iter();
            rows.for_each(|row| each.row(row.dated_at, &row));
            Ok(())
        },
    },
    DerivedTable {
        name: "members",
        columns: MEMBERS,
        is_by_month: false,
        rows: |from, each| {
            let rows = members(from.rows)?.into_iter();
            rows.for_each(|member| each.row(member.row.key().time, &member));
            Ok(())
        },
    },
    DerivedTable {
        name: "coverage",
        columns: COVERAGE,
        is_by_month: false,
        rows: |from, each| {
            let rows = coverage(&from.manifest.space, from.parts);
            rows.for_each(|row| each.row(row.after, &row));
            Ok(())
        },
    },
];

const fn column(name: &'static str, kind: Kind, presence: Presence, doc: &'static str) -> Column {
    Column {
        name,
        kind,
        presence,
        doc,
    }
}

const GUILD_ID: Column = column("guild_id", Id, Required, "");
const CHANNEL_ID: Column = column("channel_id", Id, Required, "");
