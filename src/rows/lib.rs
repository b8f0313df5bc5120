//! Discord's tables in an archive: the exported rows, and their conversion back to records.
//!
//! Owns the rows and their [`SCHEMA`], the [`Redactor`] for members' privacy choices, the
//! conversion to records ([`Restored`]), and a whole archive in memory ([`Snapshot`]). Only reading
//! an archive does I/O.

mod columns;
mod commit_message;
mod coverage;
mod exported;
#[cfg(test)]
mod place_tests;
mod readme;
mod records;
mod redactor;
mod rows;
mod schema;
mod snapshot;

pub use coverage::{covered_ids, covered_times, without_unseen};
pub use records::Restored;
pub use redactor::{RULES, Redactor};
pub use rows::{
    ChannelRow, EmojiRow, EventRow, GuildRow, LinkRow, MemberRow, MessageRow, PropsRow,
    ReactionRow, RoleRow, RoleSpanRow,
};
pub use schema::{
    CHANNELS, EMOJIS, EVENTS, GUILDS, LINKS, MEMBERS, MESSAGES, PROPS, REACTIONS, ROLES, SCHEMA,
    ids, marks,
};
pub use snapshot::{RowFilter, Snapshot};
