//! Discord's JSON objects, and their conversion to our records.
//!
//! Unknown fields are ignored, and an odd field spoils only itself: the record marks it as unknown
//! ([`Unread`](propsbot_model::Unread)), and it never replaces a known value. Only ids are
//! required: of the object, of a message's author, of a reaction's emoji. Defaults for values never
//! known make nothing public.
//!
//! Lists are read item by item, see [`Items`](super::Items).

mod event;
mod field;
mod message;
mod person;
mod place;

pub(super) use event::{Event, EventUser};
pub use field::low_bits;
pub(super) use field::{Number, Told, lenient};
pub(super) use message::Message;
pub(super) use person::{Member, Membership, User};
pub(super) use place::{Channel, Emoji, Guild, GuildEmoji, Role};
