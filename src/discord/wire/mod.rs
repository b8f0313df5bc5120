//! Discord's JSON objects, as far as we read them, and what they are in our words.
//!
//! Read tolerantly: unknown fields are ignored, and a field that is missing, `null` or odd costs
//! only itself wherever there is something harmless to take instead. Where there is not, the object
//! is unreadable, and its id is told: without an id, a channel without its type, a message without
//! its author, or one of which we cannot tell who wrote it, who may see it, who ran its command or
//! what others react with. Permissions that cannot be read are taken as none: nothing may become
//! public because we could not read it.
//!
//! Lists are read item by item, see [`Items`](super::Items).

mod field;
mod message;
mod person;
mod place;

pub(super) use field::{Number, lenient};
pub(super) use message::{Interaction, Message, Reference};
pub(super) use person::{Member, Membership, User};
pub(super) use place::{Channel, Emoji, Guild, Role};
