//! The domain in plain values: ids, times, records, and the facts that change them.
//!
//! Owns the words everything else speaks. Refuses to know where a record is kept, how a fact
//! was learnt, or what time it is.

mod answer;
mod audit;
mod emoji;
mod fact;
mod guild;
mod id;
mod markdown;
mod member;
mod message;
pub mod permissions;
mod props;
mod reaction;
mod record;
mod role_history;
mod settings;
mod sync;
mod time;

pub use answer::{props_answer, read_answer};
pub use audit::{Audit, Drift, Walk};
pub use emoji::{Emoji, EmojiKey};
pub use fact::{Class, Fact, Observation, Page, PagedMessage, ReactionCount, ReactionEvent};
pub use guild::{
    Channel, ChannelKind, Guild, GuildEmoji, Listed, Overwrite, OverwriteKind, Role, Thread,
};
pub use id::{
    ChannelId, EmojiId, GuildId, InteractionId, MessageId, RoleId, SessionNumber, UserId, wide,
};
pub use markdown::escape;
pub use member::{Member, Presence, User};
pub use message::{Author, AuthorKind, Command, Life, Mention, Message, MessageKind, MessageState};
pub use props::{Props, PropsOrigin};
pub use reaction::{Evidence, Reaction, ReactionMark, ReactionMarks, Seen};
pub use record::{Entity, Kept, Part, Partition, Record, Stamped, Table, key};
pub use role_history::{RoleHistory, RoleSpan};
pub use settings::{AUDIT_REST_HOURS, AUDIT_SHARE, LOOK_BACK_DAYS, Settings};
pub use sync::{Coverage, Failure, FailureObject, Interval, Live, Pending, Session, Synced, Tally};
pub use time::{Millis, Stamp};
