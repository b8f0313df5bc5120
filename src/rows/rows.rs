//! The rows of the archive's tables: the exported form of the records.
//!
//! `columns.rs` says what each field means, for the page that archives carry. New fields must be optional,
//! and existing ones must never be renamed or removed. Rows omit when something was learned, so that reading
//! it again changes no bytes.

use serde::{Deserialize, Serialize};

use propsbot_model::{
    AuthorKind, Channel, ChannelId, ChannelKind, Command, EarlierMention, EmojiId, EmojiKey,
    Evidence, Guild, GuildEmoji, GuildEntity, GuildId, InteractionId, Life, Limits, Member,
    Mention, Message, MessageId, MessageKind, MessageState, Millis, Overwrite, Props, PropsOrigin,
    Reaction, Role, RoleId, Settings, Stamp, Tier, Tombstoned, UserId, wide,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildRow {
    pub id: GuildId,
    pub name: String,
    pub owner_id: UserId,
    /// `None` if no admin has chosen any.
    pub props_channels: Option<Vec<ChannelId>>,
    /// When the bot was found to have left.
    pub left_at: Option<Millis>,
    /// Whether props outlive the bot's message that announces them; `None` means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_deleted_props: Option<bool>,
    /// Channels that an admin excluded from the archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_channels: Vec<ChannelId>,
    /// Channels that an admin included although not everyone can read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_channels: Vec<ChannelId>,
    /// All limits on giving, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limits>,
    /// Bots whose posts in props channels are props.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub props_bots: Vec<UserId>,
    /// Whether age-restricted channels are exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_restricted: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    pub id: ChannelId,
    pub guild_id: GuildId,
    /// Discord's number of its type.
    pub kind: ChannelKind,
    pub name: String,
    /// Its category; for a thread, its channel.
    pub parent_id: Option<ChannelId>,
    /// Sort position among its siblings.
    pub position: i64,
    pub nsfw: bool,
    /// Whether plain messages here that mention someone are props.
    pub props_channel: bool,
    /// Permission overwrites, sorted.
    pub overwrites: Vec<Overwrite>,
    /// The creator of a thread.
    pub owner_id: Option<UserId>,
    /// Whether the thread is archived; `None` for other channels.
    pub archived: Option<bool>,
    /// When the thread was last archived or unarchived.
    pub archive_timestamp: Option<Millis>,
    pub deleted_at: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRow {
    pub id: RoleId,
    pub guild_id: GuildId,
    pub name: String,
    /// Sort position among the roles.
    pub position: i64,
    /// Permission bits, as decimal text in JSON.
    #[serde(with = "wide")]
    pub permissions: u64,
    pub managed: bool,
    pub deleted_at: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmojiRow {
    pub id: EmojiId,
    pub guild_id: GuildId,
    /// `None` if never seen.
    pub name: Option<String>,
    pub animated: bool,
    pub own: bool,
    pub deleted_at: Option<Millis>,
}

/// A user seen in a guild.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    pub guild_id: GuildId,
    pub user_id: UserId,
    /// Empty if the names were never seen.
    pub username: String,
    /// The display name.
    pub global_name: Option<String>,
    /// The four digits that bots still have.
    pub discriminator: Option<u16>,
    pub bot: bool,
    /// Whether it belongs to Discord itself; `None` means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
    /// Whether the user is a member now.
    pub member: bool,
    /// The name in this guild.
    pub nick: Option<String>,
    /// The current roles, or those when the user left; sorted.
    pub roles: Vec<RoleId>,
    pub joined_at: Option<Millis>,
    /// When the user was found to have left; `None` if never seen as a member.
    pub left_at: Option<Millis>,
    /// How far the user opted out; `None` means not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Tier>,
    /// Everything the user did up to this time was deleted on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_at: Option<Millis>,
    /// They opted in again at that time; earlier texts aren't stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_since: Option<Millis>,
    /// Roles over time, oldest first; `None` if only the current ones are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_history: Option<Vec<RoleSpanRow>>,
}

/// Roles as seen from a time on, until the next row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpanRow {
    /// First sighting.
    pub since: Millis,
    /// Sorted; `None` while the user wasn't a member. A deleted role counts until its deletion.
    pub roles: Option<Vec<RoleId>>,
}

/// A message, or its tombstone, which has only the ids and `deleted_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    pub id: MessageId,
    /// When the deletion was first known.
    pub deleted_at: Option<Millis>,
    /// The user's id, or the webhook's.
    pub author_id: Option<UserId>,
    pub author_kind: Option<AuthorKind>,
    pub kind: Option<MessageKind>,
    pub content: Option<String>,
    /// Mentioned users and how often, sorted by user.
    pub mentions: Vec<Mention>,
    pub reply_to: Option<MessageId>,
    pub command: Option<Command>,
    /// Time of the last edit.
    pub edited_at: Option<Millis>,
    /// Whether it has a `webhook_id` although its author isn't a webhook; `None` if it isn't a
    /// command response, or if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_webhook: Option<bool>,
    /// Users already mentioned before the latest edit, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_mentions: Vec<EarlierMention>,
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

/// A reaction, current or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionRow {
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    pub message_id: MessageId,
    pub user_id: UserId,
    /// `None` for a Unicode emoji.
    pub emoji_id: Option<EmojiId>,
    /// `None` for a custom emoji.
    pub emoji: Option<String>,
    pub burst: bool,
    /// First sighting.
    pub added_at: Option<Millis>,
    pub added_by: Option<Evidence>,
    pub removed_at: Option<Millis>,
    pub removed_by: Option<Evidence>,
}

/// Props given with a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropsRow {
    /// The command's run.
    pub id: InteractionId,
    pub guild_id: GuildId,
    /// Where the announcing message is posted.
    pub channel_id: ChannelId,
    pub message_id: Option<MessageId>,
    pub giver_id: UserId,
    /// Sorted, without duplicates.
    pub receiver_ids: Vec<UserId>,
    pub reason: String,
    pub origin: PropsOrigin,
    /// When the giver took them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Millis>,
    /// The channel of the thanked-for message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_channel_id: Option<ChannelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_message_id: Option<MessageId>,
}

fn gone<T>(state: &Tombstoned<T>) -> Option<Millis> {
    state.gone.map(Stamp::millis)
}

impl GuildRow {
    /// The row of a guild and its settings; `None` if it was never seen.
    pub fn new(part: &GuildEntity<Guild>, settings: &Settings) -> Option<Self> {
        let guild = part.state.ever()?;
        Some(Self {
            id: guild.id,
            name: guild.name.clone(),
            owner_id: guild.owner_id,
            props_channels: settings.props_channels.clone(),
            left_at: gone(&part.state),
            keep_deleted_props: settings.keep_deleted_props.then_some(true),
            excluded_channels: settings.excluded_channels.clone(),
            included_channels: settings.included_channels.clone(),
            limits: settings.limits.clone(),
            props_bots: settings.props_bots.clone(),
            age_restricted: settings.age_restricted.then_some(true),
        })
    }
}

impl ChannelRow {
    /// The row of a channel; `None` if it was never seen.
    pub fn new(part: &GuildEntity<Channel>, settings: &Settings) -> Option<Self> {
        let channel = part.state.ever()?;
        Some(Self {
            id: channel.id,
            guild_id: channel.guild_id,
            kind: channel.kind,
            name: channel.name.clone(),
            parent_id: channel.parent_id,
            position: channel.position,
            nsfw: channel.nsfw,
            props_channel: settings.is_props_channel(channel),
            overwrites: channel.overwrites.clone(),
            owner_id: channel.thread.as_ref().and_then(|thread| thread.owner_id),
            archived: channel.thread.as_ref().map(|thread| thread.archived),
            archive_timestamp: channel
                .thread
                .as_ref()
                .and_then(|thread| thread.archive_timestamp),
            deleted_at: gone(&part.state),
        })
    }
}

impl ChannelRow {
    /// Whether it is a thread, even of an unknown type.
    pub fn is_thread(&self) -> bool {
        self.archived.is_some() || self.kind.is_thread()
    }
}

impl RoleRow {
    /// The row of a role; `None` if it was never seen.
    pub fn new(part: &GuildEntity<Role>) -> Option<Self> {
        let role = part.state.ever()?;
        Some(Self {
            id: role.id,
            guild_id: role.guild_id,
            name: role.name.clone(),
            position: role.position,
            permissions: role.permissions,
            managed: role.managed,
            deleted_at: gone(&part.state),
        })
    }
}

impl EmojiRow {
    /// The row of an emoji; `None` if it was never seen.
    pub fn new(part: &GuildEntity<GuildEmoji>) -> Option<Self> {
        let emoji = part.state.ever()?;
        Some(Self {
            id: emoji.id,
            guild_id: emoji.guild_id,
            name: emoji.name.clone(),
            animated: emoji.animated,
            own: emoji.own,
            deleted_at: gone(&part.state),
        })
    }
}

impl From<&Member> for MemberRow {
    fn from(member: &Member) -> Self {
        let user = member.user.as_ref().map(|user| &user.value);
        let presence = member.presence.ever();
        Self {
            guild_id: member.guild_id,
            user_id: member.user_id,
            username: user.map(|user| user.username.clone()).unwrap_or_default(),
            global_name: user.and_then(|user| user.global_name.clone()),
            discriminator: user.and_then(|user| user.discriminator),
            bot: user.is_some_and(|user| user.bot),
            system: user.is_some_and(|user| user.system).then_some(true),
            member: member.presence.now().is_some(),
            nick: presence.and_then(|presence| presence.nick.clone()),
            roles: presence
                .map(|presence| presence.roles.clone())
                .unwrap_or_default(),
            joined_at: presence.and_then(|presence| presence.joined_at),
            left_at: gone(&member.presence),
            privacy: None,
            forgotten_at: None,
            texts_since: None,
            role_history: role_history(member),
        }
    }
}

impl MemberRow {
    /// A row without any personal data.
    pub fn nameless(guild_id: GuildId) -> Self {
        Self::from(&Member::unknown(guild_id, UserId::default()))
    }

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

/// The member's role spans, if they add anything to the current roles.
fn role_history(member: &Member) -> Option<Vec<RoleSpanRow>> {
    let spans = member.history.spans();
    let present = member.presence.now().map(|now| &now.roles);
    if let [] | [_] = spans
        && spans.iter().all(|span| span.roles.as_ref() == present)
    {
        return None;
    }
    let rows = spans.iter().map(|span| RoleSpanRow {
        since: span.since.millis(),
        roles: span.roles.clone(),
    });
    Some(rows.collect())
}

impl From<&MessageState> for MessageRow {
    fn from(of: &MessageState) -> Self {
        let message = of.message();
        Self {
            guild_id: of.guild_id,
            channel_id: of.channel_id,
            id: of.id,
            deleted_at: match of.state {
                Life::Deleted(at) => Some(at),
                Life::Alive(..) => None,
            },
            author_id: message.map(|message| message.author.id),
            author_kind: message.map(|message| message.author.kind),
            kind: message.map(|message| message.kind),
            content: message.map(|message| message.content.clone()),
            mentions: message
                .map(|message| message.mentions.clone())
                .unwrap_or_default(),
            reply_to: message.and_then(|message| message.reply_to),
            command: message.and_then(|message| message.command.clone()),
            edited_at: message.and_then(|message| message.edited_at),
            by_webhook: message.and_then(|message| message.by_webhook),
            earlier_mentions: message.map(earlier_mentions).unwrap_or_default(),
        }
    }
}

/// Keeps only users who are still mentioned, because former mentions are private.
fn earlier_mentions(message: &Message) -> Vec<EarlierMention> {
    let is_mentioned = |user: UserId| {
        message
            .mentions
            .iter()
            .any(|mention| mention.user_id == user)
    };
    let mut earlier = message.earlier.clone();
    earlier.retain(|mention| is_mentioned(mention.user_id));
    earlier
}

impl From<&Reaction> for ReactionRow {
    fn from(reaction: &Reaction) -> Self {
        let (emoji_id, emoji) = match &reaction.emoji {
            EmojiKey::Unicode(text) => (None, Some(text.clone())),
            EmojiKey::Custom(id) => (Some(*id), None),
        };
        let removed = reaction.removed.filter(|_| !reaction.is_present());
        Self {
            guild_id: reaction.guild_id,
            channel_id: reaction.channel_id,
            message_id: reaction.message_id,
            user_id: reaction.user_id,
            emoji_id,
            emoji,
            burst: reaction.burst,
            added_at: reaction.added.map(|seen| seen.at.millis()),
            added_by: reaction.added.map(|seen| seen.by),
            removed_at: removed.map(|seen| seen.at.millis()),
            removed_by: removed.map(|seen| seen.by),
        }
    }
}

impl From<&Props> for PropsRow {
    fn from(props: &Props) -> Self {
        Self {
            id: props.id,
            guild_id: props.guild_id,
            channel_id: props.channel_id,
            message_id: props.message_id,
            giver_id: props.giver,
            receiver_ids: props.receivers.clone(),
            reason: props.reason.clone(),
            origin: props.origin,
            withdrawn_at: props.withdrawn,
            about_channel_id: props.about.map(|(channel, _)| channel),
            about_message_id: props.about.map(|(_, message)| message),
        }
    }
}
