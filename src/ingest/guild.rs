//! Merges guilds and their channels, roles, emojis and members.

use std::collections::BTreeSet;

use super::{
    Rows,
    merge::{next_session, session},
    privacy,
};
use propsbot_mirror::Record as _;
use propsbot_model::{
    Channel, ChannelId, Coverage, Entity, Failure, GuildEmoji, GuildEntity, GuildId, Lww, Member,
    Overwrite, Pending, Presence, Role, RoleId, Stamp, User, UserId, permissions::READING,
};

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

/// Merges a channel that exists.
/// If its overwrites changed who may read it, what the bot sees may have changed too: it and its
/// threads stop being live.
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

/// Returns the overwrites that decide who may read a channel.
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

/// Records an unknown thread that a message mentions, so that it is fetched.
pub(super) fn hear_of_thread<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    id: ChannelId,
) -> Result<(), S::Error> {
    let unknown = GuildEntity::<Channel>::unknown(guild_id, id.0);
    if rows.get::<GuildEntity<Channel>>(unknown.key())?.is_none() {
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
    // Events of the channel arrived until now, unless a look-back of the guild is already pending.
    let since = session.unheard.unwrap_or(at).min(at);
    let channels: Vec<GuildEntity<Channel>> = rows.scan(guild_id)?;
    let below = channels
        .iter()
        .filter_map(|channel| channel.state.ever())
        .filter(|known| known.id == id || known.thread_parent() == Some(id));
    for channel in below {
        rows.update(Coverage::unknown(guild_id, channel.id), |row| {
            row.live = row.live.filter(|live| live.session != session.number);
            row.unseen(since);
            row.readers_changed = row.readers_changed.max(at);
            // Discord doesn't announce threads archived while a channel was hidden.
            (row.public_threads, row.private_threads) = (None, None);
        })?;
    }
    Ok(())
}

/// Marks a channel and its threads as deleted.
pub(super) fn miss_channel<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    id: ChannelId,
) -> Result<(), S::Error> {
    let channels: Vec<GuildEntity<Channel>> = rows.scan(guild_id)?;
    let threads = channels.iter().filter_map(|channel| channel.state.now());
    let threads = threads.filter(|thread| thread.thread_parent() == Some(id));
    let mut gone = BTreeSet::new();
    for id in threads.map(|thread| thread.id).chain([id]) {
        let unknown = GuildEntity::<Channel>::unknown(guild_id, id.0);
        let (_, part) = rows.update(unknown, |row| row.state.miss(at))?;
        gone.extend(part.state.now().is_none().then_some(id));
    }
    // Nothing is left to fetch of what is gone.
    for id in &gone {
        for pending in rows.scan::<Pending>((guild_id, *id))? {
            rows.delete(&pending)?;
        }
    }
    for failure in rows.scan::<Failure>(guild_id)? {
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

/// Merges a role. If its permission to read changed, a new session begins.
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

/// Marks a role as deleted and removes it from members, since no event does.
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
    let members: Vec<Member> = rows.scan(guild_id)?;
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
    let role: Option<GuildEntity<Role>> = rows.get((guild_id, role.0))?;
    Ok(role.is_some_and(|role| role.state.gone.is_some()))
}

/// Merges a complete list of roles: all others are gone.
pub(super) fn all_roles<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    ids: &BTreeSet<RoleId>,
) -> Result<(), S::Error> {
    let known: Vec<GuildEntity<Role>> = rows.scan(guild_id)?;
    for role in known.iter().filter_map(|known| known.state.now()) {
        if !ids.contains(&role.id) {
            miss_role(rows, at, guild_id, role.id)?;
        }
    }
    Ok(())
}

/// Merges a complete list of the guild's own emojis: all others are gone.
pub(super) fn all_emojis<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    emojis: &[GuildEmoji],
) -> Result<(), S::Error> {
    for emoji in emojis {
        see(rows, at, guild_id, emoji.id.0, emoji)?;
    }
    let known: Vec<GuildEntity<GuildEmoji>> = rows.scan(guild_id)?;
    for emoji in known.iter().filter_map(|known| known.state.now()) {
        if emoji.own && emojis.iter().all(|known| known.id != emoji.id) {
            miss::<S, GuildEmoji>(rows, at, guild_id, emoji.id.0)?;
        }
    }
    Ok(())
}

/// Merges an emoji seen in use, unless it is already known by name.
pub(super) fn see_emoji_in_use<S: Rows>(
    rows: &mut S,
    at: Stamp,
    emoji: &GuildEmoji,
) -> Result<(), S::Error> {
    let unknown = GuildEntity::unknown(emoji.guild_id, emoji.id.0);
    let known: Option<GuildEntity<GuildEmoji>> = rows.get(unknown.key())?;
    let named = known
        .as_ref()
        .and_then(|known| known.state.ever())
        .is_some_and(|known| known.name.is_some());
    if known.is_none() || !named && emoji.name.is_some() {
        rows.update(unknown, |row| row.state.see(at, emoji.clone()))?;
    }
    Ok(())
}

/// Merges a user's names and, if `presence` is given, their membership.
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
        // A late sighting may name roles deleted since.
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

/// Merges a complete list of members: all others have left.
pub(super) fn all_members<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    ids: &BTreeSet<UserId>,
) -> Result<(), S::Error> {
    let known: Vec<Member> = rows.scan(guild_id)?;
    for member in &known {
        if member.presence.now().is_some() && !ids.contains(&member.user_id) {
            miss_member(rows, at, guild_id, member.user_id)?;
        }
    }
    Ok(())
}
