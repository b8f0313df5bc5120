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
    Column,
    Kind::{self, Id},
    Presence::{self, Required},
};

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
