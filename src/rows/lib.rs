//! Discord's tables in an archive: what of the mirror is written there, and how it comes back.
//!
//! Owns the rows and their [`SCHEMA`], what members do not want shown of them ([`Redactor`]), the way back from
//! rows to records ([`Restored`]), and a whole archive in memory ([`Snapshot`]). Pure but for reading
//! an archive.

mod commit_message;
mod coverage;
mod readme;
mod records;
mod redactor;
mod rows;
mod schema;
mod snapshot;

pub use coverage::exported_coverage;
pub use records::Restored;
pub use redactor::{RULES, Redactor};
pub use rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow,
    RoleSpanRow,
};
pub use schema::{
    CHANNELS, EMOJIS, GUILDS, MEMBERS, MESSAGES, PROPS, REACTIONS, ROLES, SCHEMA, dirty, ids,
};
pub use snapshot::{RowFilter, Snapshot};
