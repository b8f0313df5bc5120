//! Converts records to rows, for an export.

use super::{
    ChannelRow, EmojiRow, EventRow, GuildRow, LinkRow, MemberRow, MessageRow, PropsRow,
    ReactionRow, RoleRow, RoleSpanRow,
};
use propsbot_model::{
    Channel, EarlierMention, EmojiKey, Guild, GuildEmoji, GuildEntity, GuildId, Life, Link, Member,
    Message, MessageState, Millis, Occurrence, Props, Reaction, Role, ScheduledEvent, Settings,
    Stamp, Tombstoned, UserId,
};

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
            reaction_thanks: settings.reaction_thanks.clone(),
            meeting_events: settings.meeting_events.then_some(true),
        })
    }
}

impl EventRow {
    /// The rows of an event, by start.
    pub fn all(event: &ScheduledEvent) -> Vec<Self> {
        let row = |occurrence: &Occurrence| {
            let details = &occurrence.details;
            Self {
                guild_id: event.guild_id,
                id: event.id,
                start: occurrence.start,
                end: details.end,
                began_at: occurrence.began_at(),
                name: details.name.clone(),
                status: details.status,
                creator_id: details.creator_id,
                channel_id: details.channel_id,
                recurring: details.recurring,
                user_count: None,
                interested_ids: Vec::new(),
                deleted_at: event.deleted_at(occurrence).map(Stamp::millis),
            }
        };
        let mut rows: Vec<Self> = event.announced().map(row).collect();
        if let Some(last) = rows.last_mut() {
            last.user_count = event.counted.map(|(_, count)| count);
            last.interested_ids = event.interested().collect();
        }
        rows
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

impl From<&Link> for LinkRow {
    fn from(link: &Link) -> Self {
        let github = link.github.as_ref();
        let linked = link.linked();
        Self {
            guild_id: link.guild_id,
            user_id: link.user_id,
            github_id: linked.map(|linked| linked.id.clone()),
            github_login: linked.map(|linked| linked.login.clone()),
            linked_at: github.map(|github| github.since),
            undone_at: github.and_then(|github| github.undone),
            grain: link.grain.map(|grain| grain.wanted),
            grain_at: link.grain.map(|grain| grain.since),
        }
    }
}
