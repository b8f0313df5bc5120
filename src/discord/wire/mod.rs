//! Discord's JSON objects, as far as we read them, and what they are in our words.
//!
//! Read field by field: unknown fields are ignored, and a field that is odd costs only itself. Its
//! value is unknown, and noted so in the record ([`Unread`](propsbot_model::Unread)): it never replaces
//! what is known. Only ids are required: of the object, of a message's author, of a reaction's emoji.
//! Where nothing was ever known, what stands in its place is what makes nothing public.
//!
//! Lists are read item by item, see [`Items`](super::Items).

mod field;
mod message;
mod person;
mod place;

pub(super) use field::{Number, Told, lenient};
pub(super) use message::Message;
pub(super) use person::{Member, Membership, User};
pub(super) use place::{Channel, Emoji, Guild, GuildEmoji, Role};
