//! Merges one observation into the rows.

use super::{
    Rows, boundaries::Boundaries, event, forgotten, guild, message, privacy, reaction, reactors,
};
use propsbot_model::{
    ChannelId, Coverage, Evidence, Fact, Failure, FailureObject, Forget, Guild, GuildEntity,
    GuildId, InteractionId, Interest, Interval, Live, Lww, Message, MessageId, Millis, Observation,
    Pending, Props, Reason, Scrub, Session, Settings, Stamp, Synced,
};

/// How long before its answers a command was run at the most, in milliseconds: its token is valid for 15
/// minutes (<https://discord.com/developers/docs/interactions/receiving-and-responding>). Some more for clocks.
const INTERACTION_MS: i64 = 20 * 60_000;

/// Merges one observation; returns the lists of reactors found missing.
///
/// Those lists are also stored as [`Pending`] rows. Merging is idempotent. Facts may arrive in any
/// order, except that gateway facts keep theirs: the same facts give the same mirror.
#[expect(clippy::too_many_lines, reason = "a line or two for each fact")]
pub fn merge<S: Rows>(rows: &mut S, seen: &Observation) -> Result<Vec<Pending>, S::Error> {
    let (at, by) = (seen.at, seen.by);
    match &seen.fact {
        Fact::Guild(it) => {
            guild::see(rows, at, it.id, it.id.0, &privacy::allowed_guild(rows, it)?)?;
            rows.update(Settings::default_for(it.id), |settings| {
                settings.begin_limits(at.millis());
            })?;
        }
        Fact::GuildGone(id) => {
            guild::miss::<S, Guild>(rows, at, *id, id.0)?;
            next_session(rows, at, *id, at)?;
        }
        Fact::Channel(it) => guild::see_channel(rows, at, it)?,
        Fact::ChannelGone(guild_id, id) => guild::miss_channel(rows, at, *guild_id, *id)?,
        Fact::Role(it) => guild::see_role(rows, at, it)?,
        Fact::RoleGone(guild_id, id) => {
            guild::miss_role(rows, at, *guild_id, *id)?;
            next_session(rows, at, *guild_id, at)?;
        }
        Fact::Emoji(it) => guild::see(rows, at, it.guild_id, it.id.0, it)?,
        Fact::AllRoles(guild_id, ids) => guild::all_roles(rows, at, *guild_id, ids)?,
        Fact::AllEmojis(guild_id, emojis) => guild::all_emojis(rows, at, *guild_id, emojis)?,
        Fact::Member(guild_id, user, presence) => {
            guild::see_member(rows, at, *guild_id, user, Some(presence))?;
        }
        Fact::User(guild_id, user) => guild::see_member(rows, at, *guild_id, user, None)?,
        Fact::MemberGone(guild_id, user) => guild::miss_member(rows, at, *guild_id, *user)?,
        Fact::AllMembers(guild_id, ids) => guild::all_members(rows, at, *guild_id, ids)?,
        Fact::Posted(it) => {
            if message::tell(rows, at, it)? {
                message::extend_live(rows, it)?;
            } else {
                message::pass_over(rows, it)?;
            }
        }
        Fact::Message(it) => {
            message::tell(rows, at, it)?;
        }
        Fact::MessageGone(guild_id, channel_id, id) => {
            message::delete(rows, at, by, (*guild_id, *channel_id), *id)?;
        }
        Fact::Page(page) => return message::page(rows, at, by, page),
        Fact::Reacted(it) => reaction::add(rows, at, by, it)?,
        Fact::Unreacted(it) => reaction::remove(rows, at, by, it)?,
        Fact::ReactionsCleared(guild_id, channel_id, id, emoji) => {
            let message = (*guild_id, *channel_id, *id);
            reaction::clear(rows, at, by, message, emoji.as_ref())?;
        }
        Fact::Reactors {
            guild_id,
            channel_id,
            message_id,
            emoji,
            burst,
            users,
        } => {
            let list = reactors::List {
                guild_id: *guild_id,
                channel_id: *channel_id,
                message_id: *message_id,
                emoji,
                burst: *burst,
            };
            reactors::list(rows, at, by, &list, users)?;
            let object =
                FailureObject::Reactions(*channel_id, *message_id, emoji.key.to_string(), *burst);
            settle(rows, *guild_id, &object)?;
        }
        Fact::Props(it) => see_props(rows, it)?,
        Fact::Settings(it) => rows.put(it)?,
        Fact::SettingsChanged(guild_id, change) => {
            rows.update(Settings::default_for(*guild_id), |settings| {
                change.clone().apply(settings);
                settings.note_limits(at.millis());
            })?;
        }
        Fact::AdminAction(it) => privacy::note(rows, it)?,
        Fact::Privacy(it) => privacy::choose(rows, it)?,
        Fact::Hushed(_, channel_id, id) => privacy::hush(rows, *channel_id, *id)?,
        Fact::PropsHushed(_, channel_id, id) => privacy::hush_props(rows, *channel_id, *id)?,
        Fact::Forget(guild_id, step) => forgotten::forget(rows, *guild_id, step)?,
        Fact::GuildChosen(it) => rows.put(it)?,
        Fact::Registered(it) => rows.put(it)?,
        Fact::Event(guild_id, id, start, details) => {
            event::see(rows, at, (*guild_id, *id), *start, details)?;
        }
        Fact::EventGone(guild_id, id) => event::miss(rows, at, *guild_id, *id)?,
        Fact::Interest(guild_id, id, user_id, is_interested) => {
            let interest = Interest {
                user_id: *user_id,
                at,
                is_interested: *is_interested,
            };
            event::interest(rows, (*guild_id, *id), interest)?;
        }
        Fact::AllInterested(guild_id, id, users) => {
            event::all_interested(rows, at, (*guild_id, *id), users)?;
        }
        Fact::Recap(new) => {
            rows.update(*new, |row| *row = (*row).max(*new))?;
        }
        Fact::Link(new) => privacy::see_link(rows, new)?,
        Fact::SessionLost(guild_id, heard) => next_session(rows, at, *guild_id, *heard)?,
        Fact::Disconnected(guild_id, heard) => {
            rows.update(Session::none(*guild_id), |row| {
                row.disconnected.get_or_insert(*heard);
            })?;
        }
        Fact::Connected(guild_id) => {
            rows.update(Session::none(*guild_id), |row| row.disconnected = None)?;
        }
        Fact::Noted(guild_id, session, until) => {
            rows.update(Session::none(*guild_id), |row| {
                // A loss since then is still to be looked back at.
                if row.number == *session {
                    row.unheard = *until;
                }
            })?;
        }
        Fact::Unseen(guild_id, channel_id, since) => {
            rows.update(Coverage::unknown(*guild_id, *channel_id), |row| {
                row.unseen(*since);
            })?;
        }
        Fact::LookedBack(guild_id, channel_id) => {
            rows.update(Coverage::unknown(*guild_id, *channel_id), |row| {
                // The channel may have been hidden since.
                if at >= row.readers_changed {
                    row.unseen_since = None;
                }
            })?;
        }
        Fact::Live(guild_id, channel_id, live) => go_live(rows, at, *guild_id, *channel_id, *live)?,
        Fact::ArchivedThreads {
            guild_id,
            channel_id,
            private,
        } => {
            rows.update(Coverage::unknown(*guild_id, *channel_id), |row| {
                let known = if *private {
                    &mut row.private_threads
                } else {
                    &mut row.public_threads
                };
                *known = (*known).max(Some(at));
            })?;
        }
        Fact::Scrubbed(guild_id, walk) => {
            let value = forgotten::allowed_walk(rows, *guild_id, *walk)?;
            let walk = Lww { at, value };
            rows.update(Scrub::unknown(*guild_id), |row| row.walked(walk))?;
        }
        Fact::OlderUnseen(guild_id, since) => {
            rows.update(Scrub::unknown(*guild_id), |row| row.unhear(*since))?;
        }
        Fact::RecheckBegun(guild_id) => {
            rows.update(Scrub::unknown(*guild_id), |row| row.begin_recheck(at))?;
        }
        Fact::Reread(guild_id, channel_id, new) => {
            let mut new = *new;
            if let Some(boundaries) = Boundaries::of(rows, *guild_id, *channel_id)? {
                new.left = boundaries.later(new.left)?;
            }
            rows.update(Coverage::unknown(*guild_id, *channel_id), |row| {
                row.reread = Some(row.reread.map_or(new, |known| known.and(new)));
            })?;
        }
        Fact::RecheckEnded(guild_id, begun) => {
            rows.update(Scrub::unknown(*guild_id), |scrub| {
                scrub.give_up_recheck(*begun);
            })?;
        }
        Fact::Rechecked(guild_id, begun) => {
            rows.update(Scrub::unknown(*guild_id), |row| row.end_recheck(at, *begun))?;
        }
        Fact::Synced(guild_id, class) => {
            let unknown = Synced {
                guild_id: *guild_id,
                class: *class,
                at,
            };
            rows.update(unknown, |row| row.at = row.at.max(at))?;
        }
        Fact::Failed(guild_id, object, reason) => {
            fail(rows, at, *guild_id, object, (reason, false))?;
        }
        Fact::Refused(guild_id, object, reason) => {
            fail(rows, at, *guild_id, object, (reason, true))?;
            if let FailureObject::Reactions(channel_id, message_id, emoji, burst) = object {
                reactors::refuse(
                    rows,
                    at,
                    (*guild_id, *channel_id, *message_id),
                    emoji,
                    *burst,
                )?;
            }
        }
        Fact::Settled(guild_id, object) => settle(rows, *guild_id, object)?,
    }
    Ok(Vec::new())
}

pub(super) fn session<S: Rows>(rows: &S, guild_id: GuildId) -> Result<Session, S::Error> {
    let session = rows.get(guild_id)?;
    Ok(session.unwrap_or_else(|| Session::none(guild_id)))
}

/// Starts a new session, which ends all live channels. Events arrived until `heard`.
/// A guild seen for the first time has nothing that could have changed.
pub(super) fn next_session<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    heard: Stamp,
) -> Result<(), S::Error> {
    let known: Option<GuildEntity<Guild>> = rows.get((guild_id, guild_id.0))?;
    let heard = known.map_or(at, |_| heard.min(at));
    rows.update(Session::none(guild_id), |row| {
        let heard = row.disconnected.map_or(heard, |until| until.min(heard));
        row.unheard.get_or_insert(heard);
        row.number += 1;
        row.since = row.since.max(at);
    })?;
    Ok(())
}

/// Makes a channel live if its last message, `live.after`, was reported in this session.
fn go_live<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    channel_id: ChannelId,
    live: Live,
) -> Result<(), S::Error> {
    // Evidence from another session, or from before this one began or the channel was shown again,
    // misses what was posted in between.
    let session = session(rows, guild_id)?;
    if session.number != live.session || at < session.since {
        return Ok(());
    }
    let newest = message::newest(rows, channel_id)?.unwrap_or_default();
    let boundaries = Boundaries::of(rows, guild_id, channel_id)?;
    let after = match &boundaries {
        Some(boundaries) => boundaries.end_of_newest(live.after, live.since)?,
        None => live.after,
    };
    let live = Live { after, ..live };
    let known: Option<Coverage> = rows.get((guild_id, channel_id))?;
    let mut known = known.unwrap_or_else(|| Coverage::unknown(guild_id, channel_id));
    if at < known.readers_changed {
        return Ok(());
    }
    known.add(Interval {
        after,
        to: newest,
        by: Evidence::Gateway,
        since: live.since,
    });
    known.live = Some(live);
    if let Some(boundaries) = boundaries {
        boundaries.settle(&mut known)?;
    }
    rows.update(Coverage::unknown(guild_id, channel_id), |row| *row = known)?;
    Ok(())
}

fn see_props<S: Rows>(rows: &mut S, new: &Props) -> Result<(), S::Error> {
    let Some(new) = &privacy::allowed_props(rows, new)? else {
        let gone = Forget::Props(new.channel_id, new.id);
        return forgotten::forget(rows, new.guild_id, &gone);
    };
    let (before, _) = rows.update(new.clone(), |row| row.merge(new))?;
    if before.is_none() {
        message::tally(rows, new.guild_id, new.channel_id, |tally| tally.props += 1)?;
    }
    Ok(())
}

/// Links a command's props to the message that announces them. Marks them if it is new: they are exported
/// with a message that is stored.
pub(super) fn link_props<S: Rows>(
    rows: &mut S,
    message: &Message,
    is_new: bool,
) -> Result<(), S::Error> {
    let Some(command) = message
        .command
        .as_ref()
        .filter(|_| message.kind.is_command_answer())
    else {
        return Ok(());
    };
    let props: Option<Props> = rows.get((message.channel_id, command.id))?;
    if let Some(mut props) = props
        && (is_new || props.message_id.is_none())
    {
        props.message_id.get_or_insert(message.id);
        rows.put(&props)?;
    }
    Ok(())
}

/// Marks the props that a message announces which was deleted before it was stored: they are exported with it.
pub(super) fn mark_props_of<S: Rows>(
    rows: &mut S,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<(), S::Error> {
    let run_from = Millis(message_id.created_at().0 - INTERACTION_MS);
    let runs = InteractionId::at(run_from)..=InteractionId(message_id.0);
    let (first, last) = runs.into_inner();
    for props in rows.range::<Props>((channel_id, first)..=(channel_id, last))? {
        if props.message_id == Some(message_id) {
            rows.put(&props)?;
        }
    }
    Ok(())
}

pub(super) fn fail<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    object: &FailureObject,
    (reason, refused): (&Reason, bool),
) -> Result<(), S::Error> {
    if let FailureObject::Reactions(channel_id, message_id, ..) = object
        && forgotten::is(rows, guild_id, *channel_id, *message_id)?
    {
        return Ok(());
    }
    let reason = forgotten::reason_without(rows, guild_id, object, reason)?;
    let unknown = Failure {
        guild_id,
        object: object.clone(),
        reason: reason.clone(),
        times: 0,
        at: at.millis(),
        refused,
    };
    rows.update(unknown, |row| {
        row.refused = refused;
        row.reason.clone_from(&reason);
        row.times = row.times.saturating_add(1);
        row.at = row.at.max(at.millis());
    })?;
    Ok(())
}

pub(super) fn settle<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    object: &FailureObject,
) -> Result<(), S::Error> {
    if let Some(failure) = rows.get::<Failure>((guild_id, object.clone()))? {
        rows.delete(&failure)?;
    }
    Ok(())
}
