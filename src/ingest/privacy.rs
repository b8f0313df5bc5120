//! What members want kept of themselves, and what admins did.
//!
//! What was deleted on a member's request stays so, whoever tells of it again: the request is
//! remembered, and all that comes later is held against it.

use super::Rows;
use crate::model::{
    AdminAction, ChannelId, GuildId, KEPT_ACTIONS, Life, Member, Message, MessageId, MessageState,
    Privacy, Props, Reaction, Record, Stamp, Stamped, User, UserId, key,
};

/// What a member has chosen, if anything.
pub(super) fn of<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user_id: UserId,
) -> Result<Option<Privacy>, S::Error> {
    rows.get(&key::ids([guild_id.0, user_id.0]))
}

/// A member chose. A deletion is never undone, and the latest of several counts.
pub(super) fn choose<S: Rows>(rows: &mut S, new: &Privacy) -> Result<(), S::Error> {
    let unknown = Privacy::unchosen(new.guild_id, new.user_id);
    rows.update(unknown, |it| {
        let forgotten = it.forgotten.max(new.forgotten);
        if (new.since, new.tier) >= (it.since, it.tier) {
            it.clone_from(new);
        }
        it.forgotten = forgotten;
    })?;
    // An id-only row is what the archive remembers of it.
    rows.update(Member::unknown(new.guild_id, new.user_id), |_| ())?;
    Ok(())
}

/// What may be kept of a message, as who speaks in it wants it.
pub(super) enum Allowed {
    /// It as it is, or without its text.
    Message(Message),
    /// That there was one.
    Nothing,
}

/// What may be kept of a message.
pub(super) fn allowed<S: Rows>(rows: &S, message: &Message) -> Result<Allowed, S::Error> {
    let mut message = message.clone();
    if let Some(speaker) = message.speaker()
        && let Some(privacy) = of(rows, message.guild_id, speaker)?
    {
        if privacy.forgets(message.id.created_at()) {
            return Ok(Allowed::Nothing);
        }
        if !privacy.tier.keeps_content() {
            message.content.clear();
        }
    }
    Ok(Allowed::Message(message))
}

/// What may be kept of props, as who gave them wants it.
pub(super) fn allowed_props<S: Rows>(rows: &S, props: &Props) -> Result<Props, S::Error> {
    let mut props = props.clone();
    if let Some(privacy) = of(rows, props.guild_id, props.giver)? {
        if let Some(until) = privacy
            .forgotten
            .filter(|_| privacy.forgets(props.id.created_at()))
        {
            props = props.forgotten(until);
        } else if !privacy.tier.keeps_content() {
            props.reason.clear();
        }
    }
    Ok(props)
}

/// As whom a member's reaction to a message is kept.
pub(super) fn reactor<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    message_id: MessageId,
    user_id: UserId,
) -> Result<UserId, S::Error> {
    let privacy = of(rows, guild_id, user_id)?;
    let forgets = privacy.is_some_and(|it| it.forgets(message_id.created_at()));
    Ok(if forgets {
        user_id.anonymous()
    } else {
        user_id
    })
}

/// What a user is called, as far as that may be kept.
pub(super) fn allowed_user<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user: &User,
) -> Result<(User, bool), S::Error> {
    let privacy = of(rows, guild_id, user.id)?;
    let hidden = privacy.is_some_and(|it| it.forgotten.is_some() && !it.tier.shows_names());
    let user = if hidden {
        user.nameless()
    } else {
        user.clone()
    };
    Ok((user, hidden))
}

/// A message's text is not kept any more.
pub(super) fn hush<S: Rows>(
    rows: &mut S,
    channel_id: ChannelId,
    id: MessageId,
) -> Result<(), S::Error> {
    let known: Option<MessageState> = rows.get(&key::ids([channel_id.0, id.0]))?;
    if let Some(mut state) = known
        && let Life::Alive(_, message) = &mut state.state
        && !message.content.is_empty()
    {
        message.content.clear();
        rows.put(&state)?;
    }
    Ok(())
}

/// A reaction is nobody's any more.
pub(super) fn anonymize<S: Rows>(rows: &mut S, reaction: &Reaction) -> Result<(), S::Error> {
    let known: Option<Reaction> = rows.get(&reaction.key())?;
    if let Some(mut known) = known {
        rows.delete(&known)?;
        known.user_id = known.user_id.anonymous();
        rows.put(&known)?;
    }
    Ok(())
}

/// Puts what may still be kept of props in their place.
pub(super) fn replace_props<S: Rows>(rows: &mut S, props: &Props) -> Result<(), S::Error> {
    let known: Option<Props> = rows.get(&props.key())?;
    if known.is_some_and(|known| known != *props) {
        rows.put(props)?;
    }
    Ok(())
}

/// A member's names and roles go; that they are a member stays, or nobody could thank them.
pub(super) fn forget_member<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    user_id: UserId,
) -> Result<(), S::Error> {
    rows.update(Member::unknown(guild_id, user_id), |it| {
        if let Some(user) = &it.user {
            it.user = Some(Stamped {
                at: user.at.max(at),
                value: user.value.nameless(),
            });
        }
        if let Some(presence) = &mut it.presence.last {
            presence.value.nick = None;
            presence.value.roles.clear();
            presence.value.joined_at = None;
        }
    })?;
    Ok(())
}

/// An admin did something. Only the latest are remembered.
pub(super) fn note<S: Rows>(rows: &mut S, action: &AdminAction) -> Result<(), S::Error> {
    rows.put(action)?;
    let all: Vec<AdminAction> = rows.scan(&key::ids([action.guild_id.0]))?;
    let many = all.len().saturating_sub(KEPT_ACTIONS);
    for old in &all[..many] {
        rows.delete(old)?;
    }
    Ok(())
}
