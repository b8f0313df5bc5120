//! The rows of the archive's tables: the exported form of the records.
//!
//! A field's comment says what it means, also on the page that archives carry. New fields must be optional,
//! and existing ones must never be renamed or removed. Rows omit when something was learned, so that reading
//! it again changes no bytes.

use serde::{Deserialize, Serialize};

use super::columns::rows;
use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, Command, EarlierMention, EmojiId, EventId, EventStatus,
    Evidence, GuildId, InteractionId, Limits, Mention, MessageId, MessageKind, Millis, Overwrite,
    PropsOrigin, ReactionThanks, RoleId, Tier, UserId, wide,
};

rows! {
    pub struct GuildRow {
        pub id: GuildId,
        pub name: String,
        pub owner_id: UserId,
        /// the props channels that an admin chose; a category stands for its channels; nil if no admin chose any
        pub props_channels: Option<Vec<ChannelId>>,
        /// found: the bot is no longer in the guild
        pub left_at: Option<Millis>,
        /// props still count after the message that announces them was deleted
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub keep_deleted_props: Option<bool>,
        /// what an admin keeps out; a category stands for its channels
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub excluded_channels: Vec<ChannelId>,
        /// what an admin put in although not everyone can read it; a category stands for its channels
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub included_channels: Vec<ChannelId>,
        /// what limits the giving of props, by `since`; each applies until the next
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub limits: Vec<Limits>,
        /// the bots whose posts in props channels are props
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub props_bots: Vec<UserId>,
        /// age-restricted channels are in the archive; otherwise only those that are included
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub age_restricted: Option<bool>,
        /// which reactions are thanks to the author of their message, by `since`; each applies until the
        /// next; without an emoji, none are
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub reaction_thanks: Vec<ReactionThanks>,
        /// scheduled events are in the archive
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub meeting_events: Option<bool>,
    }

    pub struct ChannelRow {
        pub id: ChannelId,
        pub guild_id: GuildId,
        /// Discord's channel type
        pub kind: ChannelKind,
        /// empty for a thread opened by a member whose text is not shown
        pub name: String,
        /// the category, or a thread's channel; it may not be in the archive
        pub parent_id: Option<ChannelId>,
        pub position: i64,
        /// age-restricted
        pub nsfw: bool,
        /// plain messages here that mention someone are props
        pub props_channel: bool,
        /// permissions of roles and members here, without those of members who hide everything
        pub overwrites: Vec<Overwrite>,
        /// who opened the thread; nil if they hide everything
        pub owner_id: Option<UserId>,
        /// nil if this is not a thread
        pub archived: Option<bool>,
        /// when the thread was last archived or unarchived
        pub archive_timestamp: Option<Millis>,
        /// found
        pub deleted_at: Option<Millis>,
    }

    pub struct RoleRow {
        /// for @everyone, the guild's own
        pub id: RoleId,
        pub guild_id: GuildId,
        pub name: String,
        pub position: i64,
        #[serde(with = "wide")]
        pub permissions: u64,
        /// it belongs to an integration
        pub managed: bool,
        /// found
        pub deleted_at: Option<Millis>,
    }

    pub struct EmojiRow {
        pub id: EmojiId,
        pub guild_id: GuildId,
        /// nil if it was never seen
        pub name: Option<String>,
        pub animated: bool,
        /// it belongs to this guild
        pub own: bool,
        /// found
        pub deleted_at: Option<Millis>,
    }

    /// A user seen in a guild.
    pub struct MemberRow {
        pub guild_id: GuildId,
        pub user_id: UserId,
        /// empty if unknown or hidden
        pub username: String,
        pub global_name: Option<String>,
        /// the four digits that bots still have
        pub discriminator: Option<u16>,
        pub bot: bool,
        /// Discord's own account
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub system: Option<bool>,
        /// is a member now
        pub member: bool,
        pub nick: Option<String>,
        /// now, or when they left
        pub roles: Vec<RoleId>,
        /// as Discord says
        pub joined_at: Option<Millis>,
        /// found
        pub left_at: Option<Millis>,
        /// how far they opted out ("everything": then the row says no more than that)
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub privacy: Option<Tier>,
        /// what they did until then was deleted on their request
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub forgotten_at: Option<Millis>,
        /// when they opted in again; what they wrote until then has no text
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub texts_since: Option<Millis>,
        /// by `since`, found: which roles they had from then until the next entry; nil while not a member
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub role_history: Option<Vec<RoleSpanRow>>,
    }

    /// Roles as seen from a time on, until the next row.
    pub struct RoleSpanRow {
        pub since: Millis,
        pub roles: Option<Vec<RoleId>>,
    }

    /// A message, or its tombstone, which has only the ids and `deleted_at`.
    pub struct MessageRow {
        pub guild_id: GuildId,
        pub channel_id: ChannelId,
        pub id: MessageId,
        /// found; if set, everything below is nil or empty; if not, the author, both kinds and `content` are not nil
        pub deleted_at: Option<Millis>,
        /// a user's or webhook's
        pub author_id: Option<UserId>,
        pub author_kind: Option<AuthorKind>,
        /// Discord's message type
        pub kind: Option<MessageKind>,
        /// as Discord has it: mentions are `<@id>`; empty if it has none, or if its author hides it
        pub content: Option<String>,
        /// by user; `count` is how often the text names them, 0 if only a reply's ping does
        pub mentions: Vec<Mention>,
        /// the message it replies to
        pub reply_to: Option<MessageId>,
        /// the slash command that it answers, and who ran it
        pub command: Option<Command>,
        /// the last edit
        pub edited_at: Option<Millis>,
        /// for answers to commands: it came through the application's webhook, as answers do
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub by_webhook: Option<bool>,
        /// by user: those of `mentions` that an earlier version is known to have had, and when the first such
        /// version was written (the message's own time, or an edit's)
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub earlier_mentions: Vec<EarlierMention>,
    }

    /// A reaction, current or removed.
    pub struct ReactionRow {
        pub guild_id: GuildId,
        pub channel_id: ChannelId,
        pub message_id: MessageId,
        pub user_id: UserId,
        /// a custom emoji
        pub emoji_id: Option<EmojiId>,
        /// a Unicode emoji; exactly one of the two is set
        pub emoji: Option<String>,
        pub burst: bool,
        /// when it was first seen; nil if only its removal was
        pub added_at: Option<Millis>,
        /// "gateway": seen as it happened; "rest": seen in a list, so it happened at that time or before
        pub added_by: Option<Evidence>,
        /// nil while it exists
        pub removed_at: Option<Millis>,
        /// as `added_by`
        pub removed_by: Option<Evidence>,
    }

    /// Props given with a command.
    pub struct PropsRow {
        /// the interaction's, which tells when
        pub id: InteractionId,
        pub guild_id: GuildId,
        pub channel_id: ChannelId,
        /// the message that announces them; nil if it wasn't seen, or isn't in the archive
        pub message_id: Option<MessageId>,
        pub giver_id: UserId,
        /// each once
        pub receiver_ids: Vec<UserId>,
        pub reason: String,
        /// "command": recorded as given; "answer": read back from the bot's message
        pub origin: PropsOrigin,
        /// when the giver took them back
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub withdrawn_at: Option<Millis>,
        /// where the message is that they thank for, perhaps in a channel that is not in the archive
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub about_channel_id: Option<ChannelId>,
        /// that message
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub about_message_id: Option<MessageId>,
    }

    /// What a member asked of SourceCred's ledger. Members who hide their name have none.
    pub struct LinkRow {
        pub guild_id: GuildId,
        pub user_id: UserId,
        /// GitHub's global id of the account that they proved to be theirs; nil once the link was undone
        pub github_id: Option<String>,
        /// its login at that time; nil once the link was undone
        pub github_login: Option<String>,
        /// when they proved it
        pub linked_at: Option<Millis>,
        /// when the link was undone
        pub undone_at: Option<Millis>,
        /// whether they want to receive Grain; nil if they never said
        pub grain: Option<bool>,
        /// when they last said so
        pub grain_at: Option<Millis>,
    }

    /// A start of a scheduled event.
    pub struct EventRow {
        pub guild_id: GuildId,
        pub id: EventId,
        /// when it is to begin
        pub start: Millis,
        /// when it is to end
        pub end: Option<Millis>,
        /// when it began, if it took place: at its `start`, or when the bot first saw it active if that was earlier
        pub began_at: Option<Millis>,
        /// empty if its creator's text is not shown
        pub name: String,
        /// Discord's status of an event, as last seen: 1 scheduled, 2 active, 3 completed, 4 canceled
        pub status: EventStatus,
        /// who scheduled it; nil if unknown or if they hide everything
        pub creator_id: Option<UserId>,
        /// the voice or stage channel; nil if it takes place elsewhere
        pub channel_id: Option<ChannelId>,
        /// it has a recurrence rule
        pub recurring: bool,
        /// how many members were interested when that was last counted, only in the row of the last start
        pub user_count: Option<u32>,
        /// who is interested, at most 2,000, only in the row of the last start; nobody has to attend
        pub interested_ids: Vec<UserId>,
        /// when the event was deleted before it began
        pub deleted_at: Option<Millis>,
    }
}

impl MessageRow {
    /// When the first known version that mentions a user was written.
    pub fn mentioned_at(&self, user: UserId) -> Millis {
        let mut earlier = self.earlier_mentions.iter();
        let earlier = earlier
            .find(|mention| mention.user_id == user)
            .map(|mention| mention.at);
        let written = || self.edited_at.unwrap_or_else(|| self.id.created_at());
        earlier.unwrap_or_else(written)
    }
}

impl MemberRow {
    /// The user's roles at a time; `None` if unknown or not a member. Unknown before the first
    /// sighting.
    pub fn roles_at(&self, time: Millis) -> Option<&[RoleId]> {
        match &self.role_history {
            Some(history) => {
                let begun = history.partition_point(|history| history.since <= time);
                history[..begun].last()?.roles.as_deref()
            }
            None => self.member.then_some(&self.roles),
        }
    }
}

impl ChannelRow {
    /// Whether it is a thread, even of an unknown type.
    pub fn is_thread(&self) -> bool {
        self.archived.is_some() || self.kind.is_thread()
    }
}
