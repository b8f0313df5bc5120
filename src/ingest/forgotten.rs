//! Finds and removes what the mirror could reveal of data deleted on request.
//!
//! A deleted message leaves no row, not even a tombstone. A message is taken for a deleted one if
//! the mirror should have it but doesn't, and it is older than the guild's latest deletion.

use std::collections::BTreeSet;

use super::{
    Rows,
    boundaries::{self, Boundaries},
    event,
    merge::settle,
    message, privacy, reaction, reactors,
};
use propsbot_model::{
    AdminAction, Channel, ChannelId, Coverage, Failure, FailureObject, Forget, Guild, GuildEntity,
    GuildId, InteractionId, Life, Member, Message, MessageId, MessageState, Millis, Named, Privacy,
    Props, Reason, Scrub, Tally, UserId, Walk, ids_in, jump_urls_in,
};

/// Returns the time of the guild's latest deletion on request.
pub(super) fn until<S: Rows>(rows: &S, guild: GuildId) -> Result<Option<Millis>, S::Error> {
    let chosen: Vec<Privacy> = rows.scan(guild)?;
    Ok(chosen.iter().filter_map(|chosen| chosen.forgotten).max())
}

/// Returns whether a message is unknown and old enough to have been deleted on request.
pub(super) fn may_be<S: Rows>(
    rows: &S,
    guild: GuildId,
    channel: ChannelId,
    id: MessageId,
) -> Result<bool, S::Error> {
    let known: Option<MessageState> = rows.get((channel, id))?;
    Ok(known.is_none() && until(rows, guild)?.is_some_and(|until| id.created_at() <= until))
}

/// Returns whether a message was deleted on request: [`may_be`], and it is or was covered.
pub(super) fn is<S: Rows>(
    rows: &S,
    guild: GuildId,
    channel: ChannelId,
    id: MessageId,
) -> Result<bool, S::Error> {
    Ok(boundaries::has_known(rows, guild, channel, id)? && may_be(rows, guild, channel, id)?)
}

/// Deletes all rows of a message, tombstone included.
pub(super) fn erase<S: Rows>(
    rows: &mut S,
    guild: GuildId,
    channel: ChannelId,
    id: MessageId,
) -> Result<(), S::Error> {
    if let Some(known) = rows.get::<MessageState>((channel, id))? {
        rows.delete(&known)?;
        let text_is_missing = known.message().is_some_and(Message::text_is_missing);
        message::tally(rows, guild, channel, |tally| {
            match known.state {
                Life::Alive(..) => tally.messages = tally.messages.saturating_sub(1),
                Life::Deleted(_) => tally.deleted = tally.deleted.saturating_sub(1),
            }
            let missing = u64::from(text_is_missing);
            tally.texts_missing = tally.texts_missing.saturating_sub(missing);
        })?;
    }
    settle(rows, guild, &FailureObject::Message(channel, id))?;
    reaction::forget(rows, guild, channel, id)
}

pub(super) fn forget<S: Rows>(rows: &mut S, guild: GuildId, step: &Forget) -> Result<(), S::Error> {
    match step {
        Forget::Member(user) => {
            if let Some(member) = rows.get::<Member>((guild, *user))? {
                rows.delete(&member)?;
            }
        }
        Forget::Message(channel, id) | Forget::Tombstone(channel, id) => {
            erase(rows, guild, *channel, *id)?;
        }
        Forget::Reaction(it) => reactors::leave_out(rows, it)?,
        Forget::Props(channel, id) => {
            if let Some(props) = rows.get::<Props>((*channel, *id))? {
                rows.delete(&props)?;
                message::tally(rows, guild, *channel, |tally| {
                    tally.props = tally.props.saturating_sub(1);
                })?;
            }
        }
        Forget::InMessage(channel, id, named) => {
            let known: Option<MessageState> = rows.get((*channel, *id))?;
            if let Some(mut state) = known
                && let Life::Alive(_, message) = &mut state.state
            {
                named.take_from_message(message);
                rows.put(&state)?;
            }
        }
        Forget::InProps(channel, id, named) => {
            if let Some(mut props) = rows.get::<Props>((*channel, *id))? {
                named.take_from_props(&mut props);
                rows.put(&props)?;
            }
        }
        Forget::InChannel(id) => {
            let known: Option<GuildEntity<Channel>> = rows.get((guild, id.0))?;
            if let Some(mut part) = known
                && let Some(last) = &mut part.state.last
            {
                last.value = privacy::allowed_channel(rows, &last.value)?;
                rows.put(&part)?;
            }
        }
        Forget::InGuild => {
            let known: Option<GuildEntity<Guild>> = rows.get((guild, guild.0))?;
            if let Some(mut part) = known
                && let Some(last) = &mut part.state.last
            {
                last.value = privacy::allowed_guild(rows, &last.value)?;
                rows.put(&part)?;
            }
        }
        Forget::InEvent(id) => event::forget(rows, guild, *id)?,
        Forget::InActions(user) => {
            let named = Named {
                users: [*user].into(),
                ..Named::default()
            };
            for mut action in rows.scan::<AdminAction>(guild)? {
                let before = action.clone();
                named.take_from_action(&mut action);
                if action != before {
                    rows.put(&action)?;
                }
            }
        }
        Forget::Link(user) => privacy::forget_link(rows, guild, *user)?,
        Forget::InCoverage(channel) => {
            let known: Option<Coverage> = rows.get((guild, *channel))?;
            if let Some(mut coverage) = known {
                boundaries::settle(rows, guild, &mut coverage)?;
                rows.update(Coverage::unknown(guild, *channel), |row| *row = coverage)?;
            }
        }
        Forget::InWalk => {
            let known: Option<Scrub> = rows.get(guild)?;
            if let Some(mut scrub) = known
                && let Some(walk) = &mut scrub.walk
            {
                walk.value = allowed_walk(rows, guild, walk.value)?;
                rows.update(Scrub::unknown(guild), |row| *row = scrub)?;
            }
        }
        Forget::Thread(id) => drop_empty_thread(rows, guild, *id)?,
        Forget::Failure(object) => settle(rows, guild, object)?,
    }
    Ok(())
}

/// Removes all rows of a thread, if it holds no message and no props.
fn drop_empty_thread<S: Rows>(rows: &mut S, guild: GuildId, id: ChannelId) -> Result<(), S::Error> {
    if rows.last::<MessageState>(id)?.is_some() || rows.last::<Props>(id)?.is_some() {
        return Ok(());
    }
    if let Some(coverage) = rows.get::<Coverage>((guild, id))? {
        rows.delete(&coverage)?;
    }
    if let Some(tally) = rows.get::<Tally>((guild, id))? {
        rows.delete(&tally)?;
    }
    if let Some(thread) = rows.get::<GuildEntity<Channel>>((guild, id.0))? {
        rows.delete(&thread)?;
    }
    for failure in rows.scan::<Failure>(guild)? {
        if failure.object.channel() == Some(id) {
            rows.delete(&failure)?;
        }
    }
    Ok(())
}

/// Returns how far the scrub is, without the id of a message that was deleted on request.
pub(super) fn allowed_walk<S: Rows>(
    rows: &S,
    guild: GuildId,
    mut walk: Walk,
) -> Result<Walk, S::Error> {
    if let Some(before) = walk.before
        && let Some(boundaries) = Boundaries::of(rows, guild, walk.place)?
    {
        let read_on = boundaries.later(MessageId(before.0.saturating_sub(1)))?;
        walk.before = Some(MessageId(read_on.0.saturating_add(1)));
    }
    Ok(walk)
}

/// Returns the reason of a failure without what names a deleted message or a member who had their data deleted.
pub(super) fn reason_without<S: Rows>(
    rows: &S,
    guild: GuildId,
    object: &FailureObject,
    reason: &Reason,
) -> Result<Reason, S::Error> {
    let Reason::Other(words) = reason else {
        return Ok(reason.clone());
    };
    if !anybody_chose(rows, guild)? {
        return Ok(reason.clone());
    }
    let mut words = words.clone();
    let mut named = Named::default();
    for id in ids_in(&words) {
        let (user, message) = (UserId(id), MessageId(id));
        if privacy::is_gone(rows, guild, user)? {
            named.users.insert(user);
        }
        if let Some(channel) = object.channel()
            && id != channel.0
            && may_be(rows, guild, channel, message)?
        {
            named.messages.insert(message);
        }
    }
    named.take_from_title(&mut words);
    Ok(Reason::Other(words))
}

/// Returns what a message names of deleted data; `replied` is the author of what it answers.
pub(super) fn named_in_message<S: Rows>(
    rows: &S,
    message: &Message,
    replied: Option<UserId>,
) -> Result<Named, S::Error> {
    let mut named = Named::default();
    if !anybody_chose(rows, message.guild_id)? {
        return Ok(named);
    }
    let time = message.id.created_at();
    let mentioned = message.mentions.iter().map(|mention| mention.user_id);
    let mentioned = mentioned.chain(message.earlier.iter().map(|earlier| earlier.user_id));
    let users = mentioned.chain(ids_in(&message.content).into_iter().map(UserId));
    named.users = forgotten(rows, message.guild_id, users, time)?;
    named.messages = linked(rows, message.guild_id, &message.content)?;
    let name = message
        .command
        .as_ref()
        .and_then(|command| command.name.as_deref());
    let parts: Vec<u64> = name.map_or_else(Vec::new, |name| {
        name.split(':')
            .filter_map(|part| part.parse().ok())
            .collect()
    });
    for pair in parts.windows(2) {
        let (channel, id) = (ChannelId(pair[0]), MessageId(pair[1]));
        if is(rows, message.guild_id, channel, id)?
            || is_by_forgotten(rows, message.guild_id, channel, id)?
        {
            named.messages.insert(id);
        }
    }
    if let Some(id) = message.reply_to
        && is_answered_forgotten(rows, message, id, replied)?
    {
        named.messages.insert(id);
    }
    Ok(named)
}

/// Returns what props name of deleted data.
pub(super) fn named_in_props<S: Rows>(rows: &S, props: &Props) -> Result<Named, S::Error> {
    let mut named = Named::default();
    if !anybody_chose(rows, props.guild_id)? {
        return Ok(named);
    }
    let receivers = props.receivers.iter().copied();
    let users = receivers.chain(ids_in(&props.reason).into_iter().map(UserId));
    named.users = forgotten(rows, props.guild_id, users, props.id.created_at())?;
    named.messages = linked(rows, props.guild_id, &props.reason)?;
    if let Some((channel, id)) = props.about
        && (may_be(rows, props.guild_id, channel, id)?
            || is_by_forgotten(rows, props.guild_id, channel, id)?)
    {
        named.messages.insert(id);
    }
    Ok(named)
}

fn anybody_chose<S: Rows>(rows: &S, guild: GuildId) -> Result<bool, S::Error> {
    Ok(rows.last::<Privacy>(guild)?.is_some())
}

fn forgotten<S: Rows>(
    rows: &S,
    guild: GuildId,
    users: impl Iterator<Item = UserId>,
    time: Millis,
) -> Result<BTreeSet<UserId>, S::Error> {
    let mut found = BTreeSet::new();
    for user in users {
        if privacy::forgets(rows, guild, user, time)? {
            found.insert(user);
        }
    }
    Ok(found)
}

fn linked<S: Rows>(rows: &S, guild: GuildId, text: &str) -> Result<BTreeSet<MessageId>, S::Error> {
    let mut found = BTreeSet::new();
    for (channel, id) in jump_urls_in(text) {
        // Links to a command's run look like links to messages.
        let run = InteractionId(id.0);
        if rows.get::<Props>((channel, run))?.is_some() {
            continue;
        }
        if is(rows, guild, channel, id)? || is_by_forgotten(rows, guild, channel, id)? {
            found.insert(id);
        }
    }
    Ok(found)
}

/// Returns whether the message that `message` answers was deleted on request.
/// Its author decides. If Discord names no author, the answered message is gone or unknown.
fn is_answered_forgotten<S: Rows>(
    rows: &S,
    message: &Message,
    id: MessageId,
    replied: Option<UserId>,
) -> Result<bool, S::Error> {
    let (guild, channel) = (message.guild_id, message.channel_id);
    match replied {
        Some(author) if privacy::forgets(rows, guild, author, id.created_at())? => Ok(true),
        // A bot may have posted it for a member.
        Some(_) => Ok(is(rows, guild, channel, id)? || is_by_forgotten(rows, guild, channel, id)?),
        None => Ok(may_be(rows, guild, channel, id)? || is_by_forgotten(rows, guild, channel, id)?),
    }
}

/// Returns whether a known message is about to be deleted on request.
fn is_by_forgotten<S: Rows>(
    rows: &S,
    guild: GuildId,
    channel: ChannelId,
    id: MessageId,
) -> Result<bool, S::Error> {
    let known: Option<MessageState> = rows.get((channel, id))?;
    let speaker = known.as_ref().and_then(MessageState::message);
    match speaker.and_then(Message::speaker) {
        Some(speaker) => privacy::forgets(rows, guild, speaker, id.created_at()),
        None => Ok(false),
    }
}
