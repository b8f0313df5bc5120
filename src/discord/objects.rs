//! serenity's objects in our words. Messages and people take the way over `wire`, so that what
//! they mean is written once, for the gateway and for REST.

use serenity::model::{
    Timestamp, application, channel as places, event, guild as guilds, id, user as users,
};

use super::wire;
use crate::model::{
    Channel, ChannelId, ChannelKind, Emoji, EmojiId, GuildEmoji, GuildId, InteractionId, MessageId,
    Millis, Overwrite, OverwriteKind, Role, RoleId, Thread, Unread, User, UserId,
};

macro_rules! ids {
    ($($name:ident),*) => {$(
        impl From<id::$name> for $name {
            fn from(id: id::$name) -> Self {
                Self(id.get())
            }
        }
    )*};
}

ids!(
    GuildId,
    ChannelId,
    MessageId,
    UserId,
    RoleId,
    EmojiId,
    InteractionId
);

impl From<Timestamp> for Millis {
    fn from(time: Timestamp) -> Self {
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        Self(i64::try_from(millis).expect("a time between the years -9999 and 9999 fits"))
    }
}

impl From<users::User> for wire::User {
    fn from(of: users::User) -> Self {
        Self {
            id: of.id.into(),
            username: of.name.into(),
            global_name: of.global_name.into(),
            discriminator: wire::Digits(of.discriminator.map(std::num::NonZero::get)).into(),
            bot: of.bot.into(),
            system: of.system.into(),
            member: of.member.map(|member| Box::new((*member).into())),
        }
    }
}

fn time(of: Option<Timestamp>) -> wire::Told<Option<wire::Time>> {
    of.map(|at| wire::Time(at.into())).into()
}

/// The user who ran a command.
pub fn user(of: &users::User) -> User {
    wire::User::from(of.clone()).into()
}

impl From<guilds::PartialMember> for wire::Membership {
    fn from(of: guilds::PartialMember) -> Self {
        Self {
            nick: of.nick.into(),
            roles: of.roles.into_iter().map(Into::into).collect(),
            joined_at: time(of.joined_at),
        }
    }
}

impl From<guilds::Member> for wire::Member {
    fn from(of: guilds::Member) -> Self {
        Self {
            user: of.user.into(),
            membership: wire::Membership {
                nick: of.nick.into(),
                roles: of.roles.into_iter().map(Into::into).collect(),
                joined_at: time(of.joined_at),
            },
        }
    }
}

impl From<guilds::Role> for Role {
    fn from(of: guilds::Role) -> Self {
        Self {
            id: of.id.into(),
            guild_id: of.guild_id.into(),
            name: of.name,
            position: of.position.into(),
            permissions: of.permissions.bits(),
            managed: of.managed,
            unread: Unread::default(),
        }
    }
}

/// One of the guild's own emojis.
pub(super) fn guild_emoji(of: guilds::Emoji, guild_id: GuildId) -> GuildEmoji {
    GuildEmoji {
        id: of.id.into(),
        guild_id,
        name: Some(of.name),
        animated: of.animated,
        own: true,
        unread: Unread::default(),
    }
}

/// A reaction's emoji; nothing for a kind that serenity does not know either.
pub(super) fn emoji(of: places::ReactionType) -> Option<Emoji> {
    match of {
        places::ReactionType::Custom { animated, id, name } => {
            Some(Emoji::custom(id.into(), name, animated))
        }
        places::ReactionType::Unicode(text) => Some(Emoji::unicode(text)),
        _ => None,
    }
}

/// A channel or thread; the guild is told apart, since not every event repeats it.
pub(super) fn channel(of: places::GuildChannel, guild_id: GuildId) -> Channel {
    let kind = ChannelKind(of.kind.into());
    let mut overwrites: Vec<_> = of
        .permission_overwrites
        .iter()
        .filter_map(overwrite)
        .collect();
    overwrites.sort_unstable();
    Channel {
        id: of.id.into(),
        guild_id,
        kind,
        name: of.name,
        parent_id: of.parent_id.map(Into::into),
        position: of.position.into(),
        nsfw: of.nsfw,
        overwrites,
        thread: kind.is_thread().then(|| Thread {
            owner_id: of.owner_id.map(Into::into),
            archived: of.thread_metadata.is_some_and(|of| of.archived),
            archive_timestamp: of
                .thread_metadata
                .and_then(|of| of.archive_timestamp)
                .map(Into::into),
        }),
        unread: Unread::default(),
    }
}

fn overwrite(of: &places::PermissionOverwrite) -> Option<Overwrite> {
    let (kind, id) = match of.kind {
        places::PermissionOverwriteType::Role(id) => (OverwriteKind::Role, id.get()),
        places::PermissionOverwriteType::Member(id) => (OverwriteKind::Member, id.get()),
        _ => return None,
    };
    Some(Overwrite {
        kind,
        id,
        allow: of.allow.bits(),
        deny: of.deny.bits(),
    })
}

impl From<places::Message> for wire::Message {
    fn from(of: places::Message) -> Self {
        #[expect(deprecated, reason = "it alone tells the command's name")]
        let legacy = of.interaction;
        Self {
            id: of.id.into(),
            channel_id: Some(of.channel_id.into()),
            author: of.author.into(),
            kind: wire::Small(of.kind.into()).into(),
            content: Some(of.content).into(),
            mentions: of.mentions.into_iter().map(Into::into).collect(),
            reference: of.message_reference.map(wire::Reference::from).into(),
            replied: None,
            interaction_metadata: of.interaction_metadata.and_then(|of| metadata(*of)).into(),
            interaction: legacy.map(|of| wire::Interaction::from(*of)).into(),
            webhook_id: of.webhook_id.map(|id| UserId(id.get())).into(),
            application_id: of.application_id.map(|id| UserId(id.get())).into(),
            edited_timestamp: time(of.edited_timestamp),
            flags: of.flags.map(|flags| wire::Number(flags.bits())).into(),
            reactions: Vec::new().into(),
            extras: wire::Extras::unknown(),
            guild_id: of.guild_id.map(Into::into),
            member: of.member.map(|member| (*member).into()),
        }
    }
}

impl From<places::MessageReference> for wire::Reference {
    fn from(of: places::MessageReference) -> Self {
        Self {
            kind: Some(wire::Number(match of.kind {
                places::MessageReferenceKind::Default => 0,
                _ => 1,
            }))
            .into(),
            message_id: of.message_id.map(MessageId::from).into(),
            channel_id: Some(ChannelId::from(of.channel_id)).into(),
        }
    }
}

impl From<application::MessageInteraction> for wire::Interaction {
    fn from(of: application::MessageInteraction) -> Self {
        Self {
            id: of.id.into(),
            name: Some(of.name),
            user: of.user.into(),
        }
    }
}

/// Which run a message answers; nothing for a kind that serenity does not know either.
fn metadata(of: application::MessageInteractionMetadata) -> Option<wire::Interaction> {
    use application::MessageInteractionMetadata as Metadata;
    let (id, user) = match of {
        Metadata::Command(of) => (of.id, of.user),
        Metadata::Component(of) => (of.id, of.user),
        Metadata::ModalSubmit(of) => (of.id, of.user),
        _ => return None,
    };
    Some(wire::Interaction {
        id: id.into(),
        name: None,
        user: user.into(),
    })
}

/// The message of an update, if the event has all of it.
pub(super) fn whole(of: event::MessageUpdateEvent) -> Option<wire::Message> {
    #[expect(deprecated, reason = "it alone tells the command's name")]
    let legacy = of.interaction.flatten();
    Some(wire::Message {
        id: of.id.into(),
        channel_id: Some(of.channel_id.into()),
        author: of.author?.into(),
        kind: wire::Small(of.kind?.into()).into(),
        content: Some(of.content?).into(),
        mentions: of.mentions?.into_iter().map(Into::into).collect(),
        reference: of
            .message_reference
            .flatten()
            .map(wire::Reference::from)
            .into(),
        replied: None,
        interaction_metadata: of
            .interaction_metadata
            .flatten()
            .and_then(|of| metadata(*of))
            .into(),
        interaction: legacy.map(|of| wire::Interaction::from(*of)).into(),
        webhook_id: of.webhook_id.flatten().map(|id| UserId(id.get())).into(),
        application_id: of
            .application_id
            .flatten()
            .map(|id| UserId(id.get()))
            .into(),
        edited_timestamp: time(of.edited_timestamp),
        flags: of
            .flags
            .flatten()
            .map(|flags| wire::Number(flags.bits()))
            .into(),
        reactions: Vec::new().into(),
        extras: wire::Extras::unknown(),
        guild_id: of.guild_id.map(Into::into),
        member: of.member.flatten().map(|member| (*member).into()),
    })
}
