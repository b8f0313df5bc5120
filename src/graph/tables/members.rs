//! `members`: the archive's members, with the names that the bot shows.

use serde::{Deserialize, Serialize};

use super::{Column, DerivedTable, EncodedRow, Id, ReadError, Required, RowSource, Table, column};
use crate::members::{Member, Members};
use propsbot_archive::{
    Kind::{Bool, Text},
    Level, Row, RowKey, Scope,
};
use propsbot_model::Tier;
use propsbot_rows::{MEMBER_COLUMNS, MemberRow, Snapshot};

pub(super) const TABLE: DerivedTable = DerivedTable {
    table: Table::of::<DerivedMemberRow>(Level::Space).with(
        "Everyone who was seen in the guild, and how the bot shows them. By `user_id`.",
        &COLUMNS,
    ),
    rows,
};

const MORE: [Column; 3] = [
    column(
        "name",
        Text,
        Required,
        "what the bot calls them in this guild: their nick, else their display name, else their username; \"someone\" for \
         hidden members",
    ),
    column(
        "named",
        Bool,
        Required,
        "they show a name; the bot's leaderboard leaves out everyone else",
    ),
    column(
        "main",
        Bool,
        Required,
        "of a user's rows in several guilds, the one whose name a graph shows: each user has one",
    ),
];

const COLUMNS: [Column; MEMBER_COLUMNS.len() + MORE.len()] = {
    let mut all = [MORE[0]; MEMBER_COLUMNS.len() + MORE.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(MEMBER_COLUMNS.len()) {
            None => MEMBER_COLUMNS[at],
            Some(at) => MORE[at],
        };
        at += 1;
    }
    all
};

/// A user seen in a guild, and how the bot shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerivedMemberRow {
    #[serde(flatten)]
    pub row: MemberRow,
    /// What the bot calls them.
    pub name: String,
    /// Whether they show a name.
    pub named: bool,
    /// Whether this is the user's row that a graph draws.
    pub main: bool,
}

impl Row for DerivedMemberRow {
    const TABLE: &'static str = MemberRow::TABLE;

    fn is_of(&self, scope: &Scope) -> bool {
        self.row.is_of(scope)
    }

    fn key(&self) -> RowKey {
        self.row.key()
    }
}

fn rows(rows: &dyn RowSource, each: &mut dyn FnMut(&Id, EncodedRow)) -> Result<(), ReadError> {
    let snapshot = Snapshot {
        members: rows.all()?,
        ..Snapshot::default()
    };
    let members = Members::new(&snapshot);
    for row in &snapshot.members {
        let id = row.user_id;
        let shows_names = row.privacy.is_none_or(Tier::shows_names);
        let derived = DerivedMemberRow {
            name: Member::of(row).name(),
            named: shows_names && !id.is_anonymous(),
            main: members.get(id).is_some_and(|main| main.is(row)),
            row: row.clone(),
        };
        each(&Id::new(row.guild_id), EncodedRow::new(&derived));
    }
    Ok(())
}
