//! `members`: the archive's members, with the names that the bot shows.

use serde::{Deserialize, Serialize};

use super::column;
use crate::members::Member;
use propsbot_archive::{
    Column,
    Kind::{Bool, Text},
    Presence::Required,
    ReadError, RowSource,
};
use propsbot_model::Tier;
use propsbot_rows::MemberRow;

const MORE: [Column; 2] = [
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
];

/// The columns of [`NamedMemberRow`]: those of the archive's `members`, and two more.
pub const MEMBERS: &[Column] = &JOINED;

const JOINED: [Column; MemberRow::COLUMNS.len() + MORE.len()] = {
    let mut all = [MORE[0]; MemberRow::COLUMNS.len() + MORE.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(MemberRow::COLUMNS.len()) {
            None => MemberRow::COLUMNS[at],
            Some(at) => MORE[at],
        };
        at += 1;
    }
    all
};

/// A user seen in a guild, and how the bot shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedMemberRow {
    #[serde(flatten)]
    pub row: MemberRow,
    /// What the bot calls them.
    pub name: String,
    /// Whether they show a name.
    pub named: bool,
}

/// The members in the rows of a guild.
///
/// # Errors
/// Rows that can't be read.
pub fn members(rows: &dyn RowSource) -> Result<Vec<NamedMemberRow>, ReadError> {
    let members = rows.all::<MemberRow>()?.into_iter();
    let named = members.map(|row| NamedMemberRow {
        name: Member::of(&row).name(),
        named: row.privacy.is_none_or(Tier::shows_names) && !row.user_id.is_anonymous(),
        row,
    });
    Ok(named.collect())
}
