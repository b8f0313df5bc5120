//! Discord's tables in an archive: what of the mirror is written there, and how it comes back.
//!
//! Owns the rows and their [`SCHEMA`], what members do not want shown of them ([`Veil`]), the way back from
//! rows to records ([`Restored`]), and a whole archive in memory ([`Snapshot`]). Pure but for reading
//! an archive.

mod commit_message;
mod covered;
mod readme;
mod records;
mod rows;
mod schema;
mod snapshot;
mod veil;

pub use covered::covered;
pub use records::Restored;
pub use rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow,
    RoleSpanRow,
};
pub use schema::{
    CHANNELS, EMOJIS, GUILDS, MEMBERS, MESSAGES, PROPS, REACTIONS, ROLES, SCHEMA, dirty, ids,
};
pub use snapshot::{Sieve, Snapshot};
pub use veil::{RULES, Veil};
