//! Discord's domain as plain values: ids, times, records, and the facts that change them.
//!
//! No I/O, no clock, no storage: every other Discord crate builds on these types.

mod admin;
mod answer;
mod counted;
mod coverage;
mod emoji;
mod fact;
mod guild;
mod guild_choice;
mod id;
mod limits;
mod link;
mod markdown;
mod meeting;
mod member;
mod message;
mod message_state;
pub mod permissions;
mod privacy;
mod props;
mod pseudonym;
mod reaction;
mod reaction_thanks;
mod recap;
mod record;
mod role_history;
mod scheduled_event;
mod scrub;
mod settings;
mod settings_change;
mod sync;
mod unread;
mod withheld;

pub use admin::{AdminAction, KEPT_ACTIONS, Registered};
pub use answer::{Answer, jump_url, props_answer, read_answer, read_jump_url};
pub use counted::counted;
pub use emoji::{Emoji, EmojiKey};
pub use fact::{
    Class, Fact, Observation, Page, PagedMessage, PagesBefore, ReactionCount, ReactionEvent, Slice,
};
pub use guild::{
    Channel, ChannelKind, Guild, GuildEmoji, Listed, Overwrite, OverwriteKind, Role, Thread,
};
pub use guild_choice::GuildChoice;
pub use id::{
    ChannelId, EmojiId, EventId, GuildId, InteractionId, MessageId, RoleId, SessionNumber, UserId,
    WITHIN_MS, wide,
};
pub use limits::{Limits, QUOTA, Quota, QuotaPeriod};
pub use link::{GithubLink, GrainWish, Link};
pub use markdown::escape;
pub use meeting::Meeting;
pub use member::{Member, Presence, User};
pub use message::{Author, AuthorKind, Command, EarlierMention, Mention, Message, MessageKind};
pub use message_state::{Life, MessageState};
pub use privacy::{Forget, Privacy, Tier};
pub use props::{Props, PropsOrigin};
pub use propsbot_archive::{Millis, is_row_time, one_line, printable, printable_json};
pub use propsbot_mirror::Stamp;
pub use pseudonym::{Named, Pseudonyms, ids_in, jump_urls_in};
pub use reaction::{Evidence, LeftOut, Reaction, ReactionMark, ReactionMarks, Seen, reaction_time};
pub use reaction_thanks::ReactionThanks;
pub use recap::{Recap, RecapPeriod, RecapSetting};
pub use record::{Entity, GuildEntity, Lww, Tombstoned, tables};
pub use role_history::{RoleHistory, RoleSpan};
pub use scheduled_event::{
    EventDetails, EventStatus, Interest, MOST_INTERESTED, Occurrence, ScheduledEvent,
};
pub use scrub::{Drift, Recheck, Reread, Scrub, Walk};
pub use settings::{Language, Settings};
pub use settings_change::{SETTINGS, SettingsChange};
pub use sync::{
    CONTRADICTED_FOR, Contradiction, Coverage, Failure, FailureObject, IdRange, Interval, Live,
    Pending, Reason, Session, Synced, Tally,
};
pub use unread::{Field, Fields, Unread};
pub use withheld::Withheld;
