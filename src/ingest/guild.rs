//! The guild and its parts: channels, roles, emojis, members.

use std::collections::BTreeSet;

use super::{
    Rows,
    merge::{next_session, session},
    privacy,
};
use propsbot_model::{
    Channel, ChannelId, Coverage, Entity, Failure, GuildEmoji, GuildEntity, GuildId, Lww, Member,
    Overwrite, Pending, Presence, Record, Role, RoleId, Stamp, User, UserId, key,
    permissions::READING,
};

/// An entity was there.
pub(super) fn see<S: Rows, T: Entity + Clone>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    id: u64,
    value: &T,
) -> Result<(), S::Error> {
    rows.update(GuildEntity::unknown(guild_id, id), |row| {
        row.state.see(at, value.clone());
    })?;
    Ok(())
}

/// An entity was not there.
pub(super) fn miss<S: Rows, T: Entity + Clone>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    id: u64,
) -> Result<(), S::Error> {
    rows.update(GuildEntity::<T>::unknown(guild_id, id), |row| {
        row.state.miss(at);
    })?;
    Ok(())
}

/// A channel was there. Where its overwrites changed who may read it, so may what we see of it: it is
/// no longer live, and neither are its threads.
pub(super) fn see_channel<S: Rows>(
    rows: &mut S,
    at: Stamp,
    channel: &Channel,
) -> Result<(), S::Error> {
    let unknown = GuildEntity::unknown(channel.guild_id, channel.id.0);
    let channel = &privacy::allowed_channel(rows, channel)?;
    let (before, after) = rows.update(unknown, |row| row.state.see(at, channel.clone()))?;
    if before.is_some_and(|before| readers(&before) != readers(&after)) {
        end_live(rows, at, channel.guild_id, channel.id)?;
    }
    Ok(())
}

/// What a channel's overwrites say of who may read it.
fn readers(part: &GuildEntity<Channel>) -> Option<Vec<Overwrite>> {
    let reading = |overwrite: &Overwrite| Overwrite {
        allow: overwrite.allow & READING,
        deny: overwrite.deny & READING,
        ..*overwrite
    };
    let mut readers: Vec<Overwrite> = part.state.ever()?.overwrites.iter().map(reading).collect();
    readers.retain(|reader| reader.allow | reader.deny != 0);
    Some(readers)
}

/// A message tells of a thread: where nothing is known of it, that much is kept, so that it is
/// asked for.
pub(super) fn hear_of_thread<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    id: ChannelId,
) -> Result<(), S::Error> {
    let unknown = GuildEntity::<Channel>::unknown(guild_id, id.0);
    if rows.get::<GuildEntity<Channel>>(&unknown.key())?.is_none() {
        rows.put(&unknown)?;
    }
    Ok(())
}

fn end_live<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    id: ChannelId,
) -> Result<(), S::Error> {
    let session = session(rows, guild_id)?;
    // Until then it was heard, unless there is something of the guild to be looked back at anyway.
    let since = session.unheard.unwrap_or(at).min(at);
    let channels: Vec<GuildEntity<Channel>> = rows.scan(&key::ids([guild_id.0]))?;
    let below = channels
        .iter()
        .filter_map(|channel| channel.state.ever())
        .filter(|known| known.id == id || known.thread_parent() == Some(id));
    for channel in below {
        rows.update(Coverage::unknown(channel.id), |row| {
            row.live = row.live.filter(|live| live.session != session.number);
            row.unseen(since);
            row.readers_changed = row.readers_changed.max(at);
            // Threads archived while it could not be seen were not announced.
            (row.public_threads, row.private_threads) = (None, None);
        })?;
    }
    Ok(())
}

/// A channel was deleted, and with it its threads.
pub(super) fn miss_channel<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    id: ChannelId,
) -> Result<(), S::Error> {
    let channels: Vec<GuildEntity<Channel>> = rows.scan(&key::ids([guild_id.0]))?;
    let threads = channels.iter().filter_map(|channel| channel.state.now());
    let threads = threads.filter(|thread| thread.thread_parent() == Some(id));
    let mut gone = BTreeSet::new();
    for id in threads.map(|thread| thread.id).chain([id]) {
        let unknown = GuildEntity::<Channel>::unknown(guild_id, id.0);
        let (_, part) = rows.update(unknown, |row| row.state.miss(at))?;
        gone.extend(part.state.now().is_none().then_some(id));
    }
    // Of what is gone there is nothing left to fetch.
    for id in &gone {
        for pending in rows.scan::<Pending>(&key::ids([id.0]))? {
            rows.delete(&pending)?;
        }
    }
    for failure in rows.scan::<Failure>(&key::ids([guild_id.0]))? {
        if failure
            .object
            .channel()
            .is_some_and(|channel| gone.contains(&channel))
        {
            rows.delete(&failure)?;
        }
    }
    Ok(())
}

/// A role was there. Where its permission to read changed, so may what we see of the guild.
pub(super) fn see_role<S: Rows>(rows: &mut S, at: Stamp, role: &Role) -> Result<(), S::Error> {
    let unknown = GuildEntity::unknown(role.guild_id, role.id.0);
    let (before, after) = rows.update(unknown, |row| row.state.see(at, role.clone()))?;
    let permissions =
        |part: &GuildEntity<Role>| part.state.ever().map(|part| part.permissions & READING);
    if before.is_some_and(|before| permissions(&before) != permissions(&after)) {
        next_session(rows, at, role.guild_id, at)?;
    }
    Ok(())
}

/// A role was deleted: nobody has it any more, though nobody says so of each member.
pub(super) fn miss_role<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    id: RoleId,
) -> Result<(), S::Error> {
    miss::<S, Role>(rows, at, guild_id, id.0)?;
    if !is_gone(rows, guild_id, id)? {
        return Ok(());
    }
    let members: Vec<Member> = rows.scan(&key::ids([guild_id.0]))?;
    for mut member in members {
        let presence = member
            .presence
            .last
            .as_mut()
            .map(|presence| &mut presence.value);
        if let Some(presence) = presence
            && presence.roles.contains(&id)
        {
            presence.roles.retain(|role| *role != id);
            rows.put(&member)?;
        }
    }
    Ok(())
}

fn is_gone<S: Rows>(rows: &S, guild_id: GuildId, role: RoleId) -> Result<bool, S::Error> {
    let role: Option<GuildEntity<Role>> = rows.get(&key::ids([guild_id.0, role.0]))?;
    Ok(role.is_some_and(|role| role.state.gone.is_some()))
}

/// These roles are all there are.
pub(super) fn all_roles<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    ids: &BTreeSet<RoleId>,
) -> Result<(), S::Error> {
    let known: Vec<GuildEntity<Role>> = rows.scan(&key::ids([guild_id.0]))?;
    for role in known.iter().filter_map(|known| known.state.now()) {
        if !ids.contains(&role.id) {
            miss_role(rows, at, guild_id, role.id)?;
        }
    }
    Ok(())
}

/// These custom emojis are all that the guild owns.
pub(super) fn all_emojis<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    emojis: &[GuildEmoji],
) -> Result<(), S::Error> {
    for emoji in emojis {
        see(rows, at, guild_id, emoji.id.0, emoji)?;
    }
    let known: Vec<GuildEntity<GuildEmoji>> = rows.scan(&key::ids([guild_id.0]))?;
    for emoji in known.iter().filter_map(|known| known.state.now()) {
        if emoji.own && emojis.iter().all(|known| known.id != emoji.id) {
            miss::<S, GuildEmoji>(rows, at, guild_id, emoji.id.0)?;
        }
    }
    Ok(())
}

/// A custom emoji was seen in use. That tells nothing new of one that is known with its name.
pub(super) fn see_emoji_in_use<S: Rows>(
    rows: &mut S,
    at: Stamp,
    emoji: &GuildEmoji,
) -> Result<(), S::Error> {
    let unknown = GuildEntity::unknown(emoji.guild_id, emoji.id.0);
    let known: Option<GuildEntity<GuildEmoji>> = rows.get(&unknown.key())?;
    let named = known
        .as_ref()
        .and_then(|known| known.state.ever())
        .is_some_and(|known| known.name.is_some());
    if known.is_none() || !named && emoji.name.is_some() {
        rows.update(unknown, |row| row.state.see(at, emoji.clone()))?;
    }
    Ok(())
}

/// A user was called this and, where `presence` is given, was a member.
pub(super) fn see_member<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    user: &User,
    presence: Option<&Presence>,
) -> Result<(), S::Error> {
    if privacy::is_gone(rows, guild_id, user.id)? {
        return Ok(());
    }
    let user = user.clone();
    let named = presence.map_or(&[][..], |presence| presence.roles.as_slice());
    let mut presence = presence.cloned();
    if let Some(presence) = &mut presence {
        // Told late: a role that is known to be deleted is nobody's, though it was.
        let mut roles = Vec::with_capacity(presence.roles.len());
        for role in presence.roles.drain(..) {
            if !is_gone(rows, guild_id, role)? {
                roles.push(role);
            }
        }
        presence.roles = roles;
    }
    rows.update(Member::unknown(guild_id, user.id), |row| {
        let seen = Lww { at, value: user };
        match &mut row.user {
            Some(known) => known.merge(seen),
            known => *known = Some(seen),
        }
        if let Some(presence) = presence {
            row.see(at, presence, named);
        }
    })?;
    Ok(())
}

/// A user was no member.
pub(super) fn miss_member<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    user: UserId,
) -> Result<(), S::Error> {
    if privacy::is_gone(rows, guild_id, user)? {
        return Ok(());
    }
    rows.update(Member::unknown(guild_id, user), |row| row.miss(at))?;
    Ok(())
}

/// These members are all there are.
pub(super) fn all_members<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    ids: &BTreeSet<UserId>,
) -> Result<(), S::Error> {
    let known: Vec<Member> = rows.scan(&key::ids([guild_id.0]))?;
    for member in &known {
        if member.presence.now().is_some() && !ids.contains(&member.user_id) {
            miss_member(rows, at, guild_id, member.user_id)?;
        }
    }
    Ok(())
}
