//! From the gateway's events to facts. Pure: what an event says does not depend on what was said
//! before, nor on the time.
//!
//! Owns which events matter and what each one says. Refuses to know what becomes of it.
//! Source: <https://discord.com/developers/docs/events/gateway-events#receive-events>.

use serenity::model::{event, event::Event, guild as guilds};

use super::{GuildShape, Items, objects, unparsed, wire};
use crate::model::{
    ChannelId, Evidence, Fact, Guild, GuildId, Listed, MessageId, Observation, ReactionEvent, Role,
    Stamp, Unread, UserId,
};

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// What held when it was received.
    pub observations: Vec<Observation>,
    /// What the jobs should see to.
    pub signal: Option<Signal>,
}

/// Something that no fact says but that is to be acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A new session began, with these guilds: what happened before it has to be fetched.
    SessionStarted {
        /// The guilds that the bot is in.
        guilds: Vec<GuildId>,
    },
    /// The session went on after an interruption, and nothing was missed.
    Resumed,
    /// A guild can be seen: at the session's start, after an outage, or because the bot joined it.
    /// With what the event tells of it, if it tells as much as REST would.
    GuildAvailable(GuildId, Option<Box<GuildTold>>),
    /// A guild has an outage; [`Self::GuildAvailable`] tells its end.
    GuildUnavailable(GuildId),
    /// The bot is no longer in the guild.
    GuildLeft(GuildId),
    /// The guild's channels, threads, roles or the bot's own roles changed: it may see more, or
    /// less, than before.
    ShapeChanged(GuildId),
    /// An event about this message said too little: fetch the message and its reactions.
    Reread(GuildId, ChannelId, MessageId),
    /// An event that we need could not be read at all.
    Unreadable {
        /// The guild, where that much could be read.
        guild: Option<GuildId>,
        /// The event's name.
        event: String,
    },
}

/// A guild as `GUILD_CREATE` describes it. (Its threads are asked for: only the active ones would be
/// here.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildTold {
    /// When it was so.
    pub at: Stamp,
    /// The guild with its roles and emojis.
    pub shape: GuildShape,
    /// All of its channels.
    pub channels: Items<Listed>,
}

/// What an event says: facts, and perhaps a signal.
pub(super) type Said = (Vec<Fact>, Option<Signal>);

/// Translates one event, received at `at` by the bot whose user is `bot`.
///
/// Events that concern no guild (direct messages) say nothing, nor do those we have no use for.
pub fn translate(event: Event, at: Stamp, bot: UserId) -> Translated {
    let (facts, mut signal) = said(event, bot);
    if let Some(Signal::GuildAvailable(_, Some(told))) = &mut signal {
        told.at = at;
    }
    Translated {
        observations: facts
            .into_iter()
            .map(|fact| Observation {
                at,
                by: Evidence::Gateway,
                fact,
            })
            .collect(),
        signal,
    }
}

fn said(event: Event, bot: UserId) -> Said {
    match event {
        Event::Ready(event) => {
            let guilds = event
                .ready
                .guilds
                .iter()
                .map(|guild| guild.id.into())
                .collect();
            (Vec::new(), Some(Signal::SessionStarted { guilds }))
        }
        Event::Resumed(_) => (Vec::new(), Some(Signal::Resumed)),
        Event::Unknown(event) => unparsed::said(&event.kind, &event.value, bot),
        Event::MessageCreate(event) => message(event.message.into(), Fact::Posted),
        Event::MessageUpdate(event) => updated(event),
        Event::MessageDelete(event) => match event.guild_id {
            Some(guild) => {
                let (channel, message) = (event.channel_id.into(), event.message_id.into());
                (
                    vec![Fact::MessageGone(guild.into(), channel, message)],
                    None,
                )
            }
            None => Said::default(),
        },
        Event::MessageDeleteBulk(event) => {
            let Some(guild) = event.guild_id else {
                return Said::default();
            };
            let gone = |id: serenity::model::id::MessageId| {
                Fact::MessageGone(guild.into(), event.channel_id.into(), id.into())
            };
            (event.ids.into_iter().map(gone).collect(), None)
        }
        Event::ReactionAdd(event) => reaction(event.reaction, Fact::Reacted),
        Event::ReactionRemove(event) => reaction(event.reaction, Fact::Unreacted),
        Event::ReactionRemoveAll(event) => match event.guild_id {
            Some(guild) => {
                let (channel, message) = (event.channel_id.into(), event.message_id.into());
                (
                    vec![Fact::ReactionsCleared(guild.into(), channel, message, None)],
                    None,
                )
            }
            None => Said::default(),
        },
        Event::ReactionRemoveEmoji(event) => {
            let (of, guild) = (event.reaction.emoji, event.reaction.guild_id);
            let (Some(guild), Some(emoji)) = (guild, objects::emoji(of)) else {
                return Said::default();
            };
            let channel = event.reaction.channel_id.into();
            let message = event.reaction.message_id.into();
            let cleared = Fact::ReactionsCleared(guild.into(), channel, message, Some(emoji.key));
            (vec![cleared], None)
        }
        other => shape(other, bot),
    }
}

/// Events about anything but messages and reactions.
fn shape(event: Event, bot: UserId) -> Said {
    match event {
        Event::GuildCreate(event) => guild_create(event.guild),
        Event::GuildUpdate(event) => {
            let guild = Guild {
                id: event.guild.id.into(),
                name: event.guild.name,
                owner_id: event.guild.owner_id.into(),
                unread: Unread::default(),
            };
            (vec![Fact::Guild(guild)], None)
        }
        Event::GuildDelete(event) => {
            let guild = event.guild.id.into();
            if event.guild.unavailable {
                (Vec::new(), Some(Signal::GuildUnavailable(guild)))
            } else {
                (vec![Fact::GuildGone(guild)], Some(Signal::GuildLeft(guild)))
            }
        }
        Event::ChannelCreate(event::ChannelCreateEvent { channel, .. })
        | Event::ChannelUpdate(event::ChannelUpdateEvent { channel, .. })
        | Event::ThreadCreate(event::ThreadCreateEvent {
            thread: channel, ..
        })
        | Event::ThreadUpdate(event::ThreadUpdateEvent {
            thread: channel, ..
        }) => {
            let guild = channel.guild_id.into();
            let fact = Fact::Channel(objects::channel(channel, guild));
            (vec![fact], Some(Signal::ShapeChanged(guild)))
        }
        Event::ChannelDelete(event) => gone(event.channel.guild_id, event.channel.id),
        Event::ThreadDelete(event) => gone(event.thread.guild_id, event.thread.id),
        Event::ThreadListSync(event) => {
            let guild = event.guild_id.into();
            let threads = event.threads.into_iter();
            let facts = threads
                .map(|it| Fact::Channel(objects::channel(it, guild)))
                .collect();
            (facts, Some(Signal::ShapeChanged(guild)))
        }
        Event::GuildRoleCreate(event::GuildRoleCreateEvent { role, .. })
        | Event::GuildRoleUpdate(event::GuildRoleUpdateEvent { role, .. }) => {
            let signal = Signal::ShapeChanged(role.guild_id.into());
            (vec![Fact::Role(role.into())], Some(signal))
        }
        Event::GuildRoleDelete(event) => {
            let guild = event.guild_id.into();
            let fact = Fact::RoleGone(guild, event.role_id.into());
            (vec![fact], Some(Signal::ShapeChanged(guild)))
        }
        Event::GuildEmojisUpdate(event) => {
            let guild = event.guild_id.into();
            let mut emojis: Vec<_> = event
                .emojis
                .into_values()
                .map(|emoji| objects::guild_emoji(emoji, guild))
                .collect();
            emojis.sort_unstable();
            (vec![Fact::AllEmojis(guild, emojis)], None)
        }
        other => people(other, bot),
    }
}

/// Events about members.
fn people(event: Event, bot: UserId) -> Said {
    match event {
        Event::GuildMemberAdd(event) => {
            let guild = event.member.guild_id.into();
            (vec![member(event.member.into(), guild)], None)
        }
        Event::GuildMemberUpdate(event) => {
            let guild = event.guild_id.into();
            let of = wire::Member {
                user: event.user.into(),
                membership: wire::Membership {
                    nick: event.nick.into(),
                    roles: event.roles.into_iter().map(Into::into).collect(),
                    joined_at: Some(wire::Time(event.joined_at.into())).into(),
                },
            };
            let signal = (of.user.id == bot).then_some(Signal::ShapeChanged(guild));
            (vec![member(of, guild)], signal)
        }
        Event::GuildMemberRemove(event) => {
            let guild = event.guild_id.into();
            let user = wire::User::from(event.user);
            let id = user.id;
            (
                vec![Fact::User(guild, user.into()), Fact::MemberGone(guild, id)],
                None,
            )
        }
        Event::GuildMembersChunk(event) => {
            let guild = event.guild_id.into();
            let members = event.members.into_values();
            (members.map(|of| member(of.into(), guild)).collect(), None)
        }
        _ => Said::default(),
    }
}

/// A whole guild. Its channels are facts one by one only: serenity drops those it cannot read, and
/// what it dropped is not gone. (Backfill asks Discord where a channel that it knows is not told.)
fn guild_create(of: guilds::Guild) -> Said {
    let id = of.id.into();
    if of.unavailable {
        return (Vec::new(), Some(Signal::GuildUnavailable(id)));
    }
    let guild = Guild {
        id,
        name: of.name,
        owner_id: of.owner_id.into(),
        unread: Unread::default(),
    };
    let mut emojis: Vec<_> = of
        .emojis
        .into_values()
        .map(|emoji| objects::guild_emoji(emoji, id))
        .collect();
    emojis.sort_unstable();
    let listed: Vec<Listed> = of
        .channels
        .values()
        .map(|channel| Listed {
            last_message_id: channel.last_message_id.map(Into::into),
            channel: objects::channel(channel.clone(), id),
        })
        .collect();
    let roles: Vec<Role> = of.roles.values().cloned().map(Into::into).collect();
    // A guild has at least the role that everyone has; one without channels may be told in part.
    let told = (!roles.is_empty() && !listed.is_empty()).then(|| {
        Box::new(GuildTold {
            at: Stamp::default(),
            shape: GuildShape {
                guild: guild.clone(),
                roles: roles.into(),
                emojis: emojis.clone().into(),
                members: Some(of.member_count),
            },
            channels: listed.into(),
        })
    });
    let mut facts = vec![
        Fact::Guild(guild),
        Fact::AllRoles(id, of.roles.keys().copied().map(Into::into).collect()),
        Fact::AllEmojis(id, emojis),
    ];
    facts.extend(of.roles.into_values().map(|role| Fact::Role(role.into())));
    let channels = of.channels.into_values().chain(of.threads);
    facts.extend(channels.map(|channel| Fact::Channel(objects::channel(channel, id))));
    facts.extend(of.members.into_values().map(|of| member(of.into(), id)));
    (facts, Some(Signal::GuildAvailable(id, told)))
}

/// A message that the gateway showed: first its people, so that they are known, then itself.
pub(super) fn message(mut of: wire::Message, fact: fn(crate::model::Message) -> Fact) -> Said {
    let (Some(guild), Some(channel)) = (of.guild_id, of.channel_id) else {
        return Said::default();
    };
    match of.is_ephemeral() {
        Some(false) => {}
        Some(true) => return Said::default(),
        // Only what is in a list is everyone's.
        None => return (Vec::new(), Some(Signal::Reread(guild, channel, of.id))),
    }
    let author_membership = of.member.take();
    let mention_memberships: Vec<_> = of
        .mentions
        .iter_mut()
        .map(|user| user.member.take())
        .collect();
    let paged = of.into_paged(guild, channel);
    let author = paged
        .author
        .map(|user| (user, author_membership.map(Box::new)));
    let mentioned = paged.mentioned.into_iter().zip(mention_memberships);
    let mut facts: Vec<_> = author
        .into_iter()
        .chain(mentioned)
        .map(|(user, membership)| match membership {
            Some(membership) => Fact::Member(guild, user, (*membership).into()),
            None => Fact::User(guild, user),
        })
        .collect();
    facts.push(fact(paged.message));
    (facts, None)
}

/// A message that changed. Discord sends it whole; from a part of one, nothing is made up.
fn updated(event: event::MessageUpdateEvent) -> Said {
    let Some(guild) = event.guild_id else {
        return Said::default();
    };
    let reread = Signal::Reread(guild.into(), event.channel_id.into(), event.id.into());
    match objects::whole(event) {
        Some(whole) => message(whole, Fact::Message),
        None => (Vec::new(), Some(reread)),
    }
}

fn reaction(of: serenity::model::channel::Reaction, fact: fn(ReactionEvent) -> Fact) -> Said {
    let (Some(guild), Some(user)) = (of.guild_id, of.user_id) else {
        return Said::default();
    };
    let Some(emoji) = objects::emoji(of.emoji) else {
        return Said::default();
    };
    let guild_id = guild.into();
    let event = ReactionEvent {
        guild_id,
        channel_id: of.channel_id.into(),
        message_id: of.message_id.into(),
        user_id: user.into(),
        emoji,
        burst: of.burst,
    };
    let known = of.member.map(|of| member(of.into(), guild_id));
    (known.into_iter().chain([fact(event)]).collect(), None)
}

/// A member with its user.
pub(super) fn member(of: wire::Member, guild: GuildId) -> Fact {
    Fact::Member(guild, of.user.into(), of.membership.into())
}

fn gone(guild: serenity::model::id::GuildId, channel: serenity::model::id::ChannelId) -> Said {
    let guild = guild.into();
    (
        vec![Fact::ChannelGone(guild, channel.into())],
        Some(Signal::ShapeChanged(guild)),
    )
}

#[cfg(test)]
mod tests;
