//! The cred of each guild as the bot keeps it: a file a guild, and a board that says how it stands.
//!
//! Cred is computed elsewhere, in a process of its own. Members' questions are answered from the files, by
//! looking up on disk what they ask for, so memory doesn't grow with a guild.

mod board;
mod file;

pub use board::{CLEARED, CredBoard, CredFailure, CredStanding};
pub use file::{
    CredBasis, KeptContribution, KeptCred, KeptMember, KeptWhat, MemberDetails, NewCred, NewMember,
    WEEK_MS,
};
