//! Translates each event from its JSON.

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, value::RawValue};

use super::{GuildSnapshot, Signal, Translation};
use crate::{GuildShape, Items, json, wire};
use propsbot_model::{
    ChannelId, EventId, Fact, GuildId, Listed, Message, MessageId, ReactionEvent, RoleId, Stamp,
    UserId,
};

/// Needed events that always name a guild or concern all of them. Others are ignored without a
/// report: Discord often adds new ones.
const NEEDED: [&str; 22] = [
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
    "GUILD_SCHEDULED_EVENT_CREATE",
    "GUILD_SCHEDULED_EVENT_UPDATE",
    "GUILD_SCHEDULED_EVENT_DELETE",
    "GUILD_SCHEDULED_EVENT_USER_ADD",
    "GUILD_SCHEDULED_EVENT_USER_REMOVE",
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "THREAD_DELETE",
    "THREAD_LIST_SYNC",
];

/// Needed events if they name a guild; otherwise they are about direct messages.
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

/// Returns the name of an event that is needed or answered, or `other`.
pub(crate) fn kind(name: &str) -> &'static str {
    let known = NEEDED.iter().chain(&NEEDED_IN_GUILDS);
    let mut known = known.chain(&["READY", "RESUMED", "INTERACTION_CREATE"]);
    known.find(|known| **known == name).unwrap_or(&"other")
}

/// Returns whether an event of this name may contain something we need.
pub(crate) fn is_needed(name: &str) -> bool {
    NEEDED.contains(&name) || NEEDED_IN_GUILDS.contains(&name)
}

enum Of {
    Guild(GuildId),
    /// No guild: a direct message.
    None,
    /// Unreadable.
    Odd,
}

#[derive(Deserialize)]
struct OfGuild<'a> {
    #[serde(borrow, default)]
    guild_id: Option<&'a RawValue>,
}

/// The id of an event's object.
#[derive(Deserialize)]
struct OfId<T> {
    id: T,
}

#[derive(Deserialize)]
struct OfChannel {
    channel_id: ChannelId,
}

#[derive(Deserialize)]
struct OfMessage {
    channel_id: ChannelId,
    message_id: MessageId,
}

#[derive(Deserialize)]
struct Ready {
    guilds: Items<OfId<GuildId>>,
}

#[derive(Deserialize)]
struct Availability {
    #[serde(default, deserialize_with = "wire::lenient")]
    unavailable: bool,
}

/// Fields that an update needs to replace a message.
#[derive(Deserialize)]
#[expect(dead_code, reason = "that they can be read is what matters")]
struct Whole {
    content: String,
    mentions: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct DeletedBulk {
    channel_id: ChannelId,
    ids: Vec<MessageId>,
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
struct OfUser {
    user: wire::User,
}

#[derive(Deserialize)]
struct Members {
    members: Items<wire::Member>,
}

#[derive(Deserialize)]
struct Emojis {
    emojis: Items<wire::GuildEmoji>,
}

#[derive(Deserialize)]
struct Threads {
    threads: Items<wire::Channel>,
}

#[derive(Deserialize)]
struct EventInterest {
    guild_scheduled_event_id: EventId,
    #[serde(flatten)]
    user: wire::EventUser,
}

/// What `GUILD_CREATE` has besides the guild.
#[derive(Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "wire::lenient")]
    member_count: Option<u64>,
    #[serde(default)]
    members: Items<wire::Member>,
    /// Those that aren't over. One that ends soon after isn't in any list that is asked for later.
    #[serde(default)]
    guild_scheduled_events: Items<wire::Event>,
}

#[derive(Deserialize)]
struct Reaction {
    user_id: Option<UserId>,
    channel_id: ChannelId,
    message_id: MessageId,
    emoji: wire::Emoji,
    #[serde(default, deserialize_with = "wire::lenient")]
    burst: bool,
    #[serde(default, deserialize_with = "wire::lenient")]
    member: Option<wire::Member>,
}

/// Translates the event `name` with the payload `data`; also returns its guild.
pub(super) fn said(name: &str, data: &[u8], bot: UserId) -> (Option<GuildId>, Translation) {
    let guild = match guild_of(name, data) {
        Of::Guild(guild) => Some(guild),
        Of::None if NEEDED_IN_GUILDS.contains(&name) => return Default::default(),
        Of::None | Of::Odd => None,
    };
    if !is_needed(name) {
        return Default::default();
    }
    let read = match (name, guild) {
        ("READY", _) => ready(data),
        ("RESUMED", _) => Some((Vec::new(), Some(Signal::Resumed))),
        (_, Some(guild)) if name.starts_with("MESSAGE_") => of_message(name, data, guild),
        (_, Some(guild)) => of_guild(name, data, guild, bot),
        (_, None) => None,
    };
    let said = read.unwrap_or_else(|| {
        tracing::warn!(name, ?guild, "unreadable gateway event");
        failed(name, data, guild)
    });
    (guild, said)
}

fn guild_of(name: &str, data: &[u8]) -> Of {
    if matches!(name, "GUILD_CREATE" | "GUILD_UPDATE" | "GUILD_DELETE") {
        return part(data).map_or(Of::Odd, |OfId { id }| Of::Guild(id));
    }
    if !data.starts_with(b"{") {
        return Of::Odd;
    }
    let mended = json::mend(data);
    match serde_json::from_slice::<OfGuild<'_>>(&mended) {
        Ok(OfGuild { guild_id: None }) => Of::None,
        Ok(OfGuild { guild_id: Some(id) }) => part(id.get().as_bytes()).map_or(Of::Odd, Of::Guild),
        Err(_) => Of::Odd,
    }
}

/// Reads the fields that `T` needs.
fn part<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    json::read(data).ok()
}

fn ready(data: &[u8]) -> Option<Translation> {
    let Ready { guilds } = part(data)?;
    // An incomplete list would mean that the bot has left a guild.
    guilds.all_readable().then(|| {
        let guilds = guilds.items.into_iter().map(|OfId { id }| id).collect();
        (Vec::new(), Some(Signal::SessionStarted { guilds }))
    })
}

/// Translates events about messages and reactions.
fn of_message(name: &str, data: &[u8], guild: GuildId) -> Option<Translation> {
    let facts = match name {
        "MESSAGE_CREATE" => return message(part(data)?, guild, Fact::Posted),
        // Discord sends complete messages; don't guess from an incomplete one.
        "MESSAGE_UPDATE" => {
            let _: Whole = part(data)?;
            return message(part(data)?, guild, Fact::Message);
        }
        "MESSAGE_DELETE" => {
            let (OfChannel { channel_id }, OfId { id }) = (part(data)?, part(data)?);
            vec![Fact::MessageGone(guild, channel_id, id)]
        }
        "MESSAGE_DELETE_BULK" => {
            let DeletedBulk { channel_id, ids } = part(data)?;
            let gone = |id| Fact::MessageGone(guild, channel_id, id);
            ids.into_iter().map(gone).collect()
        }
        "MESSAGE_REACTION_ADD" => reaction(part(data)?, guild, Fact::Reacted)?,
        "MESSAGE_REACTION_REMOVE" => reaction(part(data)?, guild, Fact::Unreacted)?,
        "MESSAGE_REACTION_REMOVE_ALL" => {
            let of: OfMessage = part(data)?;
            vec![Fact::ReactionsCleared(
                guild,
                of.channel_id,
                of.message_id,
                None,
            )]
        }
        "MESSAGE_REACTION_REMOVE_EMOJI" => {
            let of: Reaction = part(data)?;
            let key = of.emoji.into_emoji()?.key;
            vec![Fact::ReactionsCleared(
                guild,
                of.channel_id,
                of.message_id,
                Some(key),
            )]
        }
        _ => return None,
    };
    Some((facts, None))
}

/// Translates all other events.
fn of_guild(name: &str, data: &[u8], guild: GuildId, bot: UserId) -> Option<Translation> {
    let shape_changed = Some(Signal::ShapeChanged(guild));
    match name {
        "GUILD_CREATE" | "GUILD_DELETE" if part::<Availability>(data)?.unavailable => {
            Some((Vec::new(), Some(Signal::GuildUnavailable(guild))))
        }
        "GUILD_DELETE" => Some((vec![Fact::GuildGone(guild)], Some(Signal::GuildLeft(guild)))),
        "GUILD_CREATE" => guild_create(data),
        "GUILD_UPDATE" => {
            let guild = part::<wire::Guild>(data)?.record();
            Some((vec![Fact::Guild(guild)], None))
        }
        "GUILD_EMOJIS_UPDATE" => {
            let emojis = part::<Emojis>(data)?.emojis;
            emojis.all_readable().then(|| {
                let mut emojis = emojis.map(|emoji| emoji.into_record(guild)).items;
                emojis.sort_unstable();
                (vec![Fact::AllEmojis(guild, emojis)], None)
            })
        }
        "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
            let channel = part::<wire::Channel>(data)?.into_record(guild);
            Some((vec![Fact::Channel(channel)], shape_changed))
        }
        "CHANNEL_DELETE" | "THREAD_DELETE" => {
            let OfId { id } = part(data)?;
            Some((vec![Fact::ChannelGone(guild, id)], shape_changed))
        }
        "THREAD_LIST_SYNC" => {
            let threads = part::<Threads>(data)?.threads;
            threads.all_readable().then(|| {
                let threads = threads.items.into_iter();
                let facts = threads.map(|thread| Fact::Channel(thread.into_record(guild)));
                (facts.collect(), shape_changed)
            })
        }
        "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
            let role = part::<RoleEvent>(data)?.role.into_record(guild);
            Some((vec![Fact::Role(role)], shape_changed))
        }
        "GUILD_ROLE_DELETE" => {
            let RoleGone { role_id } = part(data)?;
            Some((vec![Fact::RoleGone(guild, role_id)], shape_changed))
        }
        "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" => {
            let of: wire::Member = part(data)?;
            let signal = shape_changed.filter(|_| of.user.id == bot);
            Some((vec![member(of, guild)], signal))
        }
        "GUILD_MEMBER_REMOVE" => {
            let OfUser { user } = part(data)?;
            let id = user.id;
            let facts = vec![Fact::User(guild, user.into()), Fact::MemberGone(guild, id)];
            Some((facts, None))
        }
        "GUILD_SCHEDULED_EVENT_CREATE" | "GUILD_SCHEDULED_EVENT_UPDATE" => {
            let event: wire::Event = part(data)?;
            Some((vec![event.into_fact(guild)], None))
        }
        "GUILD_SCHEDULED_EVENT_DELETE" => {
            let OfId { id } = part(data)?;
            Some((vec![Fact::EventGone(guild, id)], None))
        }
        "GUILD_SCHEDULED_EVENT_USER_ADD" | "GUILD_SCHEDULED_EVENT_USER_REMOVE" => {
            let of: EventInterest = part(data)?;
            let (user, _, is_coming) = of.user.into_parts();
            let is_interested = name.ends_with("ADD") && is_coming;
            let id = of.guild_scheduled_event_id;
            Some((vec![Fact::Interest(guild, id, user, is_interested)], None))
        }
        "GUILD_MEMBERS_CHUNK" => {
            let members = part::<Members>(data)?.members;
            members.all_readable().then(|| {
                let members = members.items.into_iter();
                (members.map(|of| member(of, guild)).collect(), None)
            })
        }
        _ => None,
    }
}

/// Translates `GUILD_CREATE`. Odd parts are fetched again over REST.
fn guild_create(data: &[u8]) -> Option<Translation> {
    let mut of: wire::Guild = part(data)?;
    let id = of.id;
    let Created {
        member_count,
        members,
        guild_scheduled_events: events,
    } = part(data)?;
    let channels = std::mem::take(&mut of.channels);
    let threads = std::mem::take(&mut of.threads.items);
    let mut shape = of.into_shape();
    shape.members = member_count;
    // What the lists lack isn't gone: a backfill checks contradictions.
    let mut facts = vec![Fact::Guild(shape.guild.clone())];
    facts.extend(shape.emojis.items.iter().cloned().map(Fact::Emoji));
    facts.extend(shape.roles.items.iter().cloned().map(Fact::Role));
    let channels = channels.map(|channel| Listed {
        last_message_id: channel.last_message_id(),
        channel: channel.into_record(id),
    });
    let told = channels.items.iter().map(|listed| listed.channel.clone());
    let threads = threads.into_iter().map(|thread| thread.into_record(id));
    facts.extend(told.chain(threads).map(Fact::Channel));
    facts.extend(members.items.into_iter().map(|of| member(of, id)));
    facts.extend(events.items.into_iter().map(|event| event.into_fact(id)));
    let told = is_whole(&shape, &channels).then(|| {
        Box::new(GuildSnapshot {
            at: Stamp::default(),
            shape,
            channels,
        })
    });
    Some((facts, Some(Signal::GuildAvailable(id, told))))
}

/// Returns whether the roles can be complete: every guild has an `@everyone` role.
fn lists_all_roles(shape: &GuildShape) -> bool {
    let everyone = shape.guild.id.0;
    shape.roles.all_readable() && shape.roles.items.iter().any(|role| role.id.0 == everyone)
}

/// Returns whether the event has as much as REST would return. One without channels may be partial.
fn is_whole(shape: &GuildShape, channels: &Items<Listed>) -> bool {
    shape.guild.unread.is_empty()
        && lists_all_roles(shape)
        && shape.emojis.all_readable()
        && channels.all_readable()
        && channels.len > 0
}

/// Translates a message: its users first, so that they are known, then itself.
fn message(
    mut of: wire::Message,
    guild: GuildId,
    fact: fn(Message) -> Fact,
) -> Option<Translation> {
    let channel = of.channel_id?;
    match of.is_ephemeral() {
        Some(false) => {}
        Some(true) => return Some(Translation::default()),
        // If the flags are unreadable, only a list shows whether everyone can see it.
        None => return None,
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
    Some((facts, None))
}

fn reaction(of: Reaction, guild_id: GuildId, fact: fn(ReactionEvent) -> Fact) -> Option<Vec<Fact>> {
    let event = ReactionEvent {
        guild_id,
        channel_id: of.channel_id,
        message_id: of.message_id,
        user_id: of.user_id?,
        emoji: of.emoji.into_emoji()?,
        burst: of.burst,
    };
    let known = of.member.map(|of| member(of, guild_id));
    Some(known.into_iter().chain([fact(event)]).collect())
}

fn member(of: wire::Member, guild: GuildId) -> Fact {
    Fact::Member(guild, of.user.into(), of.membership.into())
}

/// Handles an unreadable event: has its message fetched, or reports the event.
fn failed(name: &str, data: &[u8], guild: Option<GuildId>) -> Translation {
    let message = guild.zip(message_of(name, data));
    let Some((guild_id, (channel, message))) = message else {
        let event = name.to_owned();
        return (Vec::new(), Some(Signal::Unreadable { guild, event }));
    };
    (Vec::new(), Some(Signal::Reread(guild_id, channel, message)))
}

fn message_of(name: &str, data: &[u8]) -> Option<(ChannelId, MessageId)> {
    if !name.starts_with("MESSAGE_") {
        return None;
    }
    // Events name the message in different fields.
    let of: Value = part(data)?;
    let id = |field: &str| serde_json::from_value(of.get(field)?.clone()).ok();
    let message = id("message_id").or_else(|| id("id"))?;
    let channel = serde_json::from_value(of.get("channel_id")?.clone()).ok()?;
    Some((channel, message))
}
