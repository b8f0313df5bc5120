//! Gateway events that serenity hands over as bare JSON because it could not read them: one odd
//! field is enough, and `MESSAGE_REACTION_REMOVE_EMOJI` never has the fields that serenity wants.
//!
//! What we need of them is read tolerantly. What even so cannot be read is reported, never dropped
//! in silence.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    convert::{Said, Signal, member, message},
    wire,
};
use crate::model::{ChannelId, Fact, GuildId, MessageId, ReactionEvent, RoleId, UserId};

/// Events that we need, of those that always name a guild or are about all of them. All others
/// are somebody else's: new ones appear often, and are no failures.
const NEEDED: [&str; 18] = [
    "READY",
    "RESUMED",
    "GUILD_CREATE",
    "GUILD_UPDATE",
    "GUILD_DELETE",
    "GUILD_ROLE_CREATE",
    "GUILD_ROLE_UPDATE",
    "GUILD_ROLE_DELETE",
    "GUILD_EMOJIS_UPDATE",
    "GUILD_MEMBER_ADD",
    "GUILD_MEMBER_UPDATE",
    "GUILD_MEMBER_REMOVE",
    "GUILD_MEMBERS_CHUNK",
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "THREAD_DELETE",
    "THREAD_LIST_SYNC",
    "INTERACTION_CREATE",
];

/// Events that we need where they name a guild; otherwise they are about direct messages.
const NEEDED_IN_GUILDS: [&str; 11] = [
    "CHANNEL_CREATE",
    "CHANNEL_UPDATE",
    "CHANNEL_DELETE",
    "MESSAGE_CREATE",
    "MESSAGE_UPDATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
];

/// The guild of an event, where it can be read.
#[derive(Deserialize)]
struct OfGuild {
    guild_id: GuildId,
}

/// The id of an event's object.
#[derive(Deserialize)]
struct OfId<T> {
    id: T,
}

/// The channel of an event about a message.
#[derive(Deserialize)]
struct OfChannel {
    channel_id: ChannelId,
}

#[derive(Deserialize)]
struct OfMessage {
    message_id: MessageId,
}

#[derive(Deserialize)]
struct Availability {
    #[serde(default, deserialize_with = "wire::lenient")]
    unavailable: bool,
}

#[derive(Deserialize)]
struct RoleEvent {
    role: wire::Role,
}

#[derive(Deserialize)]
struct RoleGone {
    role_id: RoleId,
}

#[derive(Deserialize)]
struct Reaction {
    user_id: Option<UserId>,
    channel_id: ChannelId,
    message_id: MessageId,
    emoji: wire::Emoji,
    #[serde(default, deserialize_with = "wire::lenient")]
    burst: bool,
}

/// What the event `name` with the payload `value` says.
pub(super) fn said(name: &str, value: &Value, bot: UserId) -> Said {
    let guild = guild_of(name, value);
    let is_needed = NEEDED.contains(&name) || (guild.is_some() && NEEDED_IN_GUILDS.contains(&name));
    if !is_needed {
        tracing::trace!(name, "an event that is not needed");
        return Said::default();
    }
    if let Some(said) = guild.and_then(|guild| read(name, value, guild, bot)) {
        return said;
    }
    tracing::warn!(name, ?guild, "a gateway event could not be read");
    failed(name, value, guild)
}

fn guild_of(name: &str, value: &Value) -> Option<GuildId> {
    if matches!(name, "GUILD_CREATE" | "GUILD_UPDATE" | "GUILD_DELETE") {
        return part(value).map(|OfId { id }| id);
    }
    part(value).map(|OfGuild { guild_id }| guild_id)
}

/// As much of the payload as `T` needs.
fn part<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn read(name: &str, value: &Value, guild: GuildId, bot: UserId) -> Option<Said> {
    let shape_changed = Some(Signal::ShapeChanged(guild));
    match name {
        "MESSAGE_CREATE" => Some(message(part(value)?, Fact::Posted)),
        "MESSAGE_UPDATE" if value.get("content").is_some_and(Value::is_string) => {
            Some(message(part(value)?, Fact::Message))
        }
        "MESSAGE_REACTION_ADD" => reaction(value, guild, Fact::Reacted),
        "MESSAGE_REACTION_REMOVE" => reaction(value, guild, Fact::Unreacted),
        "MESSAGE_REACTION_REMOVE_EMOJI" => {
            let of: Reaction = part(value)?;
            let key = of.emoji.into_emoji()?.key;
            let fact = Fact::ReactionsCleared(guild, of.channel_id, of.message_id, Some(key));
            Some((vec![fact], None))
        }
        "GUILD_CREATE" | "GUILD_DELETE" if part::<Availability>(value)?.unavailable => {
            Some((Vec::new(), Some(Signal::GuildUnavailable(guild))))
        }
        "GUILD_DELETE" => Some((vec![Fact::GuildGone(guild)], Some(Signal::GuildLeft(guild)))),
        "GUILD_CREATE" => Some(guild_create(part(value)?)),
        "GUILD_UPDATE" => {
            let guild = part::<wire::Guild>(value)?.record();
            Some((vec![Fact::Guild(guild)], None))
        }
        "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
            let channel = part::<wire::Channel>(value)?.into_record(guild);
            Some((vec![Fact::Channel(channel)], shape_changed))
        }
        "CHANNEL_DELETE" | "THREAD_DELETE" => {
            let OfId { id } = part(value)?;
            Some((vec![Fact::ChannelGone(guild, id)], shape_changed))
        }
        "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
            let role = part::<RoleEvent>(value)?.role.into_record(guild);
            Some((vec![Fact::Role(role)], shape_changed))
        }
        "GUILD_ROLE_DELETE" => {
            let RoleGone { role_id } = part(value)?;
            Some((vec![Fact::RoleGone(guild, role_id)], shape_changed))
        }
        "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" => {
            let of: wire::Member = part(value)?;
            let signal = shape_changed.filter(|_| of.user.id == bot);
            Some((vec![member(of, guild)], signal))
        }
        _ => None,
    }
}

fn reaction(value: &Value, guild_id: GuildId, fact: fn(ReactionEvent) -> Fact) -> Option<Said> {
    let of: Reaction = part(value)?;
    let event = ReactionEvent {
        guild_id,
        channel_id: of.channel_id,
        message_id: of.message_id,
        user_id: of.user_id?,
        emoji: of.emoji.into_emoji()?,
        burst: of.burst,
    };
    Some((vec![fact(event)], None))
}

/// A guild. What is odd in it is read again over REST.
fn guild_create(mut of: wire::Guild) -> Said {
    let id = of.id;
    let channels = std::mem::take(&mut of.channels.items);
    let threads = std::mem::take(&mut of.threads.items);
    let shape = of.into_shape();
    let mut facts = vec![Fact::Guild(shape.guild)];
    if shape.emojis.all_readable() {
        facts.push(Fact::AllEmojis(id, shape.emojis.items));
    }
    facts.extend(shape.roles.items.into_iter().map(Fact::Role));
    let channels = channels.into_iter().chain(threads);
    facts.extend(channels.map(|it| Fact::Channel(it.into_record(id))));
    (facts, Some(Signal::GuildAvailable(id, None)))
}

/// What to do about an event that says nothing readable: fetch the message it is about; or else report
/// the event itself. Whoever hears it records it until then.
fn failed(name: &str, value: &Value, guild: Option<GuildId>) -> Said {
    let message = guild.zip(message_of(name, value));
    let Some((guild_id, (channel, message))) = message else {
        let event = name.to_owned();
        return (Vec::new(), Some(Signal::Unreadable { guild, event }));
    };
    (Vec::new(), Some(Signal::Reread(guild_id, channel, message)))
}

fn message_of(name: &str, value: &Value) -> Option<(ChannelId, MessageId)> {
    if !name.starts_with("MESSAGE_") {
        return None;
    }
    let OfChannel { channel_id } = part(value)?;
    let message = part(value)
        .map(|OfMessage { message_id }| message_id)
        .or_else(|| part(value).map(|OfId { id }| id))?;
    Some((channel_id, message))
}
