//! Discord's JSON objects, as far as we read them, and what they are in our words.
//!
//! Read tolerantly: unknown fields are ignored, missing ones have a meaning, and where a field is
//! odd the object is kept without it, unless that could make something public: permissions that
//! cannot be read are taken as none. Only an object without its id is unreadable.

mod field;
mod message;
mod person;
mod place;

pub(super) use message::{Interaction, Message, Reference, messages};
pub(super) use person::{Member, Membership, User};
pub(super) use place::{Channel, Emoji, Guild, Role};
