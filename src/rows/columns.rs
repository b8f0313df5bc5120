//! The columns of Discord's tables: what is in each row, in its order, and what it means.
//!
//! `rows.rs` has the same fields in the same order; a test holds them to it.

use propsbot_archive::{
    Column,
    Kind::{self, Bits, Bool, Id, Integer, List, Map, OneOf, Text, Time, User},
    Presence::{self, Nullable, Optional, Required},
};

const fn column(name: &'static str, kind: Kind, presence: Presence, doc: &'static str) -> Column {
    Column {
        name,
        kind,
        presence,
        doc,
    }
}

const ID: Column = column("id", Id, Required, "");
const GUILD_ID: Column = column("guild_id", Id, Required, "");
const CHANNEL_ID: Column = column("channel_id", Id, Required, "");
const DELETED_AT: Column = column("deleted_at", Time, Nullable, "found");
const IDS: Kind = List(&Id);
const USERS: Kind = List(&User);
const EVIDENCE: Kind = OneOf(&["gateway", "rest"]);

pub(crate) const GUILDS: &[Column] = &[
    ID,
    column("name", Text, Required, ""),
    column("owner_id", User, Required, ""),
    column(
        "props_channels",
        IDS,
        Nullable,
        "the props channels that an admin chose; a category stands for its channels; nil if no admin chose any",
    ),
    column(
        "left_at",
        Time,
        Nullable,
        "found: the bot is no longer in the guild",
    ),
    column(
        "keep_deleted_props",
        Bool,
        Optional,
        "props still count after the message that announces them was deleted",
    ),
    column(
        "excluded_channels",
        IDS,
        Optional,
        "what an admin keeps out; a category stands for its channels",
    ),
    column(
        "included_channels",
        IDS,
        Optional,
        "what an admin put in although not everyone can read it; a category stands for its channels",
    ),
    column(
        "limits",
        List(&Map(LIMITS)),
        Optional,
        "what limits the giving of props, by `since`; each applies until the next",
    ),
    column(
        "props_bots",
        USERS,
        Optional,
        "the bots whose posts in props channels are props",
    ),
    column(
        "age_restricted",
        Bool,
        Optional,
        "age-restricted channels are in the archive; otherwise only those that are included",
    ),
];

const LIMITS: &[Column] = &[
    column("since", Time, Required, ""),
    column("quota", Map(QUOTA), Nullable, ""),
    column("commands_only", Bool, Required, ""),
    column("edit_minutes", Integer, Required, ""),
];

const QUOTA: &[Column] = &[
    column("count", Integer, Required, ""),
    column("period", OneOf(&["day", "week", "month"]), Required, ""),
];

pub(crate) const CHANNELS: &[Column] = &[
    ID,
    GUILD_ID,
    column("kind", Integer, Required, "Discord's channel type"),
    column(
        "name",
        Text,
        Required,
        "empty for a thread opened by a member whose text is not shown",
    ),
    column(
        "parent_id",
        Id,
        Nullable,
        "the category, or a thread's channel; it may not be in the archive",
    ),
    column("position", Integer, Required, ""),
    column("nsfw", Bool, Required, "age-restricted"),
    column(
        "props_channel",
        Bool,
        Required,
        "plain messages here that mention someone are props",
    ),
    column(
        "overwrites",
        List(&Map(OVERWRITE)),
        Required,
        "permissions of roles and members here, without those of members who hide everything",
    ),
    column(
        "owner_id",
        User,
        Nullable,
        "who opened the thread; nil if they hide everything",
    ),
    column("archived", Bool, Nullable, "nil if this is not a thread"),
    column(
        "archive_timestamp",
        Time,
        Nullable,
        "when the thread was last archived or unarchived",
    ),
    DELETED_AT,
];

const OVERWRITE: &[Column] = &[
    column("kind", OneOf(&["role", "member"]), Required, ""),
    column("id", User, Required, "the member's, or the role's"),
    column("allow", Bits, Required, ""),
    column("deny", Bits, Required, ""),
];

pub(crate) const ROLES: &[Column] = &[
    column("id", Id, Required, "for @everyone, the guild's own"),
    GUILD_ID,
    column("name", Text, Required, ""),
    column("position", Integer, Required, ""),
    column("permissions", Bits, Required, ""),
    column("managed", Bool, Required, "it belongs to an integration"),
    DELETED_AT,
];

pub(crate) const EMOJIS: &[Column] = &[
    ID,
    GUILD_ID,
    column("name", Text, Nullable, "nil if it was never seen"),
    column("animated", Bool, Required, ""),
    column("own", Bool, Required, "it belongs to this guild"),
    DELETED_AT,
];

pub const MEMBERS: &[Column] = &[
    GUILD_ID,
    column("user_id", User, Required, ""),
    column("username", Text, Required, "empty if unknown or hidden"),
    column("global_name", Text, Nullable, ""),
    column(
        "discriminator",
        Integer,
        Nullable,
        "the four digits that bots still have",
    ),
    column("bot", Bool, Required, ""),
    column("system", Bool, Optional, "Discord's own account"),
    column("member", Bool, Required, "is a member now"),
    column("nick", Text, Nullable, ""),
    column("roles", IDS, Required, "now, or when they left"),
    column("joined_at", Time, Nullable, "as Discord says"),
    column("left_at", Time, Nullable, "found"),
    column(
        "privacy",
        OneOf(&["content", "identity", "everything"]),
        Optional,
        "how far they opted out (\"everything\": then the row says no more than that)",
    ),
    column(
        "forgotten_at",
        Time,
        Optional,
        "what they did until then was deleted on their request",
    ),
    column(
        "texts_since",
        Time,
        Optional,
        "when they opted in again; what they wrote until then has no text",
    ),
    column(
        "role_history",
        List(&Map(ROLE_SPAN)),
        Optional,
        "by `since`, found: which roles they had from then until the next entry; nil while not a member",
    ),
];

const ROLE_SPAN: &[Column] = &[
    column("since", Time, Required, ""),
    column("roles", IDS, Nullable, ""),
];

pub(crate) const MESSAGES: &[Column] = &[
    GUILD_ID,
    CHANNEL_ID,
    ID,
    column(
        "deleted_at",
        Time,
        Nullable,
        "found; if set, everything below is nil or empty; if not, the author, both kinds and `content` are not nil",
    ),
    column("author_id", User, Nullable, "a user's or webhook's"),
    column(
        "author_kind",
        OneOf(&["user", "bot", "webhook"]),
        Nullable,
        "",
    ),
    column("kind", Integer, Nullable, "Discord's message type"),
    column(
        "content",
        Text,
        Nullable,
        "as Discord has it: mentions are `<@id>`; empty if it has none, or if its author hides it",
    ),
    column(
        "mentions",
        List(&Map(MENTION)),
        Required,
        "by user; `count` is how often the text names them, 0 if only a reply's ping does",
    ),
    column("reply_to", Id, Nullable, "the message it replies to"),
    column(
        "command",
        Map(COMMAND),
        Nullable,
        "the slash command that it answers, and who ran it",
    ),
    column("edited_at", Time, Nullable, "the last edit"),
    column(
        "by_webhook",
        Bool,
        Optional,
        "for answers to commands: it came through the application's webhook, as answers do",
    ),
    column(
        "earlier_mentions",
        List(&Map(EARLIER_MENTION)),
        Optional,
        "by user: those of `mentions` that an earlier version is known to have had, and when the first such \
         version was written (the message's own time, or an edit's)",
    ),
];

const MENTION: &[Column] = &[
    column("user_id", User, Required, ""),
    column("count", Integer, Required, ""),
];

const COMMAND: &[Column] = &[
    ID,
    column("user_id", User, Required, ""),
    column("name", Text, Nullable, ""),
];

const EARLIER_MENTION: &[Column] = &[
    column("user_id", User, Required, ""),
    column("at", Time, Required, ""),
];

pub(crate) const REACTIONS: &[Column] = &[
    GUILD_ID,
    CHANNEL_ID,
    column("message_id", Id, Required, ""),
    column("user_id", User, Required, ""),
    column("emoji_id", Id, Nullable, "a custom emoji"),
    column(
        "emoji",
        Text,
        Nullable,
        "a Unicode emoji; exactly one of the two is set",
    ),
    column("burst", Bool, Required, ""),
    column(
        "added_at",
        Time,
        Nullable,
        "when it was first seen; nil if only its removal was",
    ),
    column(
        "added_by",
        EVIDENCE,
        Nullable,
        "\"gateway\": seen as it happened; \"rest\": seen in a list, so it happened at that time or before",
    ),
    column("removed_at", Time, Nullable, "nil while it exists"),
    column("removed_by", EVIDENCE, Nullable, "as `added_by`"),
];

pub(crate) const PROPS: &[Column] = &[
    column("id", Id, Required, "the interaction's, which tells when"),
    GUILD_ID,
    CHANNEL_ID,
    column(
        "message_id",
        Id,
        Nullable,
        "the message that announces them; nil if it wasn't seen, or isn't in the archive",
    ),
    column("giver_id", User, Required, ""),
    column("receiver_ids", USERS, Required, "each once"),
    column("reason", Text, Required, ""),
    column(
        "origin",
        OneOf(&["command", "answer"]),
        Required,
        "\"command\": recorded as given; \"answer\": read back from the bot's message",
    ),
    column(
        "withdrawn_at",
        Time,
        Optional,
        "when the giver took them back",
    ),
    column(
        "about_channel_id",
        Id,
        Optional,
        "where the message is that they thank for, perhaps in a channel that is not in the archive",
    ),
    column("about_message_id", Id, Optional, "that message"),
];
