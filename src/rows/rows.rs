//! The rows of the archive's tables: the public face of the records.
//!
//! What is here is format 1 (`docs/archive-format.md`): a field is added only as optional, never
//! renamed, never removed. When we learnt something (the records' stamps) is left out, so that
//! reading the same thing again changes no byte.

use serde::{Deserialize, Serialize};

use propsbot_model::{
    AuthorKind, Channel, ChannelId, ChannelKind, Command, EarlierMention, EmojiId, EmojiKey,
    Evidence, Guild, GuildEmoji, GuildEntity, GuildId, InteractionId, Life, Limits, Member,
    Mention, Message, MessageId, MessageKind, MessageState, Millis, Overwrite, Props, PropsOrigin,
    Reaction, Role, RoleId, Settings, Stamp, Tier, Tombstoned, UserId, wide,
};

/// A guild.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildRow {
    /// Its id.
    pub id: GuildId,
    /// What it is called.
    pub name: String,
    /// Who owns it.
    pub owner_id: UserId,
    /// The props channels that an admin chose; `None` where nobody has.
    pub props_channels: Option<Vec<ChannelId>>,
    /// When the bot was found to be no longer in it.
    pub left_at: Option<Millis>,
    /// Whether props hold although the bot's message that says so was deleted; `None` for no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_deleted_props: Option<bool>,
    /// The channels that an admin keeps out of the archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_channels: Vec<ChannelId>,
    /// The channels that an admin has put into it though not everyone may read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_channels: Vec<ChannelId>,
    /// What bounded the giving of props since when, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limits>,
    /// The bots whose posts in props channels are props.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub props_bots: Vec<UserId>,
    /// Whether age-restricted channels are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_restricted: Option<bool>,
}

/// A channel or thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Its id.
    pub id: ChannelId,
    /// Its guild.
    pub guild_id: GuildId,
    /// Discord's number for its type.
    pub kind: ChannelKind,
    /// What it is called.
    pub name: String,
    /// Its category; for a thread, its channel.
    pub parent_id: Option<ChannelId>,
    /// Where it stands among its siblings.
    pub position: i64,
    /// Whether it is age-restricted.
    pub nsfw: bool,
    /// Whether plain messages here that mention somebody are props.
    pub props_channel: bool,
    /// Permissions given or taken here, sorted.
    pub overwrites: Vec<Overwrite>,
    /// Who opened the thread.
    pub owner_id: Option<UserId>,
    /// Whether the thread is archived; `None` for what is no thread.
    pub archived: Option<bool>,
    /// When the thread was last archived or un-archived.
    pub archive_timestamp: Option<Millis>,
    /// When it was found to be deleted.
    pub deleted_at: Option<Millis>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRow {
    /// Its id.
    pub id: RoleId,
    /// Its guild.
    pub guild_id: GuildId,
    /// What it is called.
    pub name: String,
    /// Where it stands among the roles.
    pub position: i64,
    /// The permission bits that it gives, as decimal text.
    #[serde(with = "wide")]
    pub permissions: u64,
    /// Whether it belongs to an integration.
    pub managed: bool,
    /// When it was found to be deleted.
    pub deleted_at: Option<Millis>,
}

/// A custom emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmojiRow {
    /// Its id.
    pub id: EmojiId,
    /// The guild in which it was seen.
    pub guild_id: GuildId,
    /// What it is called, where that was ever seen.
    pub name: Option<String>,
    /// Whether it moves.
    pub animated: bool,
    /// Whether the guild owns it.
    pub own: bool,
    /// When it was found to be deleted.
    pub deleted_at: Option<Millis>,
}

/// A user who was seen in a guild.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The guild.
    pub guild_id: GuildId,
    /// The user.
    pub user_id: UserId,
    /// The unique name; empty where the user's names were never seen.
    pub username: String,
    /// The name that the user chose to show.
    pub global_name: Option<String>,
    /// The four digits that bots still have.
    pub discriminator: Option<u16>,
    /// Whether it is an application.
    pub bot: bool,
    /// Whether it is Discord's own; `None` for no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
    /// Whether the user is a member now.
    pub member: bool,
    /// The name in this guild.
    pub nick: Option<String>,
    /// The roles now, or when the user left; sorted.
    pub roles: Vec<RoleId>,
    /// When the user joined.
    pub joined_at: Option<Millis>,
    /// When the user was found to have left; `None` also for who was never seen as a member.
    pub left_at: Option<Millis>,
    /// How far the user has opted out; `None` for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Tier>,
    /// Until when what the user did was deleted on their request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_at: Option<Millis>,
    /// They opted in again at that time: the text of what they wrote until then is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_since: Option<Millis>,
    /// Which roles the user was seen to have over time, the oldest first; `None` where nothing else
    /// is known than what holds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_history: Option<Vec<RoleSpanRow>>,
}

/// Roles that a user was seen to have from a time on, until the next such row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpanRow {
    /// When they were first seen to be these.
    pub since: Millis,
    /// The roles, sorted; `None` while the user was no member. One that was deleted counts until
    /// then.
    pub roles: Option<Vec<RoleId>>,
}

/// A message, or the tombstone of one: then only the ids and `deleted_at` say anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// Its id.
    pub id: MessageId,
    /// When it was first known to be deleted.
    pub deleted_at: Option<Millis>,
    /// Who wrote it: a user's id, or a webhook's.
    pub author_id: Option<UserId>,
    /// What wrote it.
    pub author_kind: Option<AuthorKind>,
    /// Discord's number for its type.
    pub kind: Option<MessageKind>,
    /// Its text.
    pub content: Option<String>,
    /// Whom it mentions and how often, sorted by user.
    pub mentions: Vec<Mention>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The command that it answers.
    pub command: Option<Command>,
    /// When its text last changed.
    pub edited_at: Option<Millis>,
    /// Whether it came through a webhook although its author is no webhook; `None` for what answers
    /// no command, or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_webhook: Option<bool>,
    /// Those of the mentioned whom it is known to have mentioned before its latest edit, by user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_mentions: Vec<EarlierMention>,
}

impl MessageRow {
    /// When the first version known to mention a user was written.
    pub fn mentioned_at(&self, user: UserId) -> Millis {
        let mut earlier = self.earlier_mentions.iter();
        let earlier = earlier
            .find(|mention| mention.user_id == user)
            .map(|mention| mention.at);
        let written = || self.edited_at.unwrap_or_else(|| self.id.created_at());
        earlier.unwrap_or_else(written)
    }
}

/// A reaction, present or past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionRow {
    /// The guild.
    pub guild_id: GuildId,
    /// The message's channel or thread.
    pub channel_id: ChannelId,
    /// The message.
    pub message_id: MessageId,
    /// Who reacted.
    pub user_id: UserId,
    /// The custom emoji's id; `None` for a Unicode emoji.
    pub emoji_id: Option<EmojiId>,
    /// The Unicode emoji; `None` for a custom one.
    pub emoji: Option<String>,
    /// Whether it is a burst.
    pub burst: bool,
    /// When it was first seen.
    pub added_at: Option<Millis>,
    /// How that is known.
    pub added_by: Option<Evidence>,
    /// When it was seen to be gone.
    pub removed_at: Option<Millis>,
    /// How that is known.
    pub removed_by: Option<Evidence>,
}

/// Props given with a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropsRow {
    /// The command's run.
    pub id: InteractionId,
    /// The guild.
    pub guild_id: GuildId,
    /// Where the answer was posted.
    pub channel_id: ChannelId,
    /// The message that says so.
    pub message_id: Option<MessageId>,
    /// Who gave them.
    pub giver_id: UserId,
    /// To whom, sorted, each once.
    pub receiver_ids: Vec<UserId>,
    /// What for.
    pub reason: String,
    /// How they were given.
    pub origin: PropsOrigin,
    /// When the giver took them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Millis>,
    /// The channel of the message that they thank for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_channel_id: Option<ChannelId>,
    /// The message that they thank for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_message_id: Option<MessageId>,
}

fn gone<T>(state: &Tombstoned<T>) -> Option<Millis> {
    state.gone.map(Stamp::millis)
}

impl GuildRow {
    /// The guild with its settings; `None` if it was never seen.
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
    /// The channel, as the settings see it; `None` if it was never seen.
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
    /// Whether it is a thread, be its type known or not.
    pub fn is_thread(&self) -> bool {
        self.archived.is_some() || self.kind.is_thread()
    }
}

impl RoleRow {
    /// The role; `None` if it was never seen.
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
    /// The emoji; `None` if it was never seen.
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
    /// A row that says nothing of anybody.
    pub fn nameless(guild_id: GuildId) -> Self {
        Self::from(&Member::unknown(guild_id, UserId::default()))
    }

    /// What is known of the user's roles at a time: `None` if nothing is, or the user was no
    /// member then. Before the first time at which any were seen, nothing is known.
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

/// The member's spans, where they say more than the present.
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

/// What is not mentioned any more is nobody else's matter.
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
