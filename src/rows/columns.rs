//! The columns of Discord's tables, made from the rows' fields, their types and their comments.

use propsbot_archive::{
    Column, Kind,
    Presence::{self, Nullable, Optional, Required},
};
use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, Command, EarlierMention, EmojiId, EventId, EventStatus,
    Evidence, GuildId, InteractionId, Limits, Mention, MessageId, MessageKind, Millis, Overwrite,
    PropsOrigin, ReactionThanks, RoleId, Tier, UserId,
};

use super::RoleSpanRow;

/// Defines rows with their `COLUMNS`. A field's comment is what the archive's page says of the column.
macro_rules! rows {
    ($($(#[doc = $about:literal])* pub struct $row:ident {$(
        $(#[doc = $doc:literal])* $(#[serde($($serde:tt)*)])? pub $field:ident: $cell:ty,
    )*})*) => {$(
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $row {$(
            $(#[doc = $doc])* $(#[serde($($serde)*)])? pub $field: $cell,
        )*}

        impl $row {
            /// The columns of its table.
            pub const COLUMNS: &[propsbot_archive::Column] = &[$(
                $crate::columns::column::<$cell>(
                    stringify!($field),
                    concat!($($(stringify!($serde)),*)?),
                    concat!($($doc),*),
                ),
            )*];
        }
    )*};
}

pub(crate) use rows;

/// A field's column. `serde` is what is told to serde of it, as text.
pub(crate) const fn column<C: Cell>(name: &'static str, serde: &str, doc: &'static str) -> Column {
    Column {
        name,
        kind: C::KIND,
        presence: match serde.as_bytes() {
            [b'd', b'e', b'f', ..] => Optional,
            _ => C::PRESENCE,
        },
        doc: doc.trim_ascii_start(),
    }
}

/// A type that fields have.
pub(crate) trait Cell {
    const KIND: Kind;
    /// Whether it is there, if serde is told nothing of it.
    const PRESENCE: Presence = Required;
}

impl<C: Cell> Cell for Option<C> {
    const KIND: Kind = C::KIND;
    const PRESENCE: Presence = Nullable;
}

impl<C: Cell> Cell for Vec<C> {
    const KIND: Kind = Kind::List(&C::KIND);
}

macro_rules! cells {
    ($($kind:expr => $($cell:ty),*;)*) => {$($(
        impl Cell for $cell {
            const KIND: Kind = $kind;
        }
    )*)*};
}

cells! {
    Kind::Id => ChannelId, EmojiId, EventId, GuildId, InteractionId, MessageId, RoleId;
    Kind::User => UserId;
    Kind::Bits => u64;
    Kind::Text => String;
    Kind::Time => Millis;
    Kind::Integer => i64, u16, u32, ChannelKind, EventStatus, MessageKind;
    Kind::Bool => bool;
    Kind::OneOf(&["user", "bot", "webhook"]) => AuthorKind;
    Kind::OneOf(&["gateway", "rest"]) => Evidence;
    Kind::OneOf(&["command", "answer"]) => PropsOrigin;
    Kind::OneOf(&["content", "identity", "everything"]) => Tier;
    Kind::Map(RoleSpanRow::COLUMNS) => RoleSpanRow;
    Kind::Map(&[
        field::<Millis>("since"),
        Column {
            kind: Kind::Map(&[
                field::<u32>("count"),
                Column { kind: Kind::OneOf(&["day", "week", "month"]), ..field::<String>("period") },
            ]),
            presence: Nullable,
            ..field::<String>("quota")
        },
        field::<bool>("commands_only"),
        field::<u32>("edit_minutes"),
    ]) => Limits;
    Kind::Map(&[
        field::<Millis>("since"),
        field::<Option<EmojiId>>("emoji_id"),
        field::<Option<String>>("emoji"),
        field::<u32>("cooldown_minutes"),
        field::<Vec<RoleId>>("giver_roles"),
    ]) => ReactionThanks;
    Kind::Map(&[
        Column { kind: Kind::OneOf(&["role", "member"]), ..field::<String>("kind") },
        Column { kind: Kind::User, doc: "the member's, or the role's", ..field::<RoleId>("id") },
        field::<u64>("allow"),
        field::<u64>("deny"),
    ]) => Overwrite;
    Kind::Map(&[field::<UserId>("user_id"), field::<u32>("count")]) => Mention;
    Kind::Map(&[field::<InteractionId>("id"), field::<UserId>("user_id"), field::<Option<String>>("name")]) => Command;
    Kind::Map(&[field::<UserId>("user_id"), field::<Millis>("at")]) => EarlierMention;
}

/// A field of a map in a row.
const fn field<C: Cell>(name: &'static str) -> Column {
    column::<C>(name, "", "")
}
