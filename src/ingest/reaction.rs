//! Merges single reactions from the gateway; `reactors.rs` merges lists and counts from REST.

use std::collections::BTreeMap;

use super::{Rows, forgotten, guild, message, privacy, reactors::drop_list};
use propsbot_mirror::{PrefixOf, Record};
use propsbot_model::{
    ChannelId, Emoji, EmojiKey, Evidence, GuildEmoji, GuildId, LeftOut, MessageId, MessageState,
    Pending, Reaction, ReactionEvent, ReactionMark, ReactionMarks, Seen, Stamp,
};

pub(super) fn add<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    event: &ReactionEvent,
) -> Result<(), S::Error> {
    if is_gone(rows, event.guild_id, event.channel_id, event.message_id)? {
        return Ok(());
    }
    see_emoji(rows, at, event.guild_id, &event.emoji)?;
    let marks = marks(rows, event.channel_id, event.message_id)?;
    change(rows, event, |reaction| {
        reaction.add(Seen { at, by });
        cleared(reaction, &marks);
    })
}

pub(super) fn remove<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    event: &ReactionEvent,
) -> Result<(), S::Error> {
    if is_gone(rows, event.guild_id, event.channel_id, event.message_id)? {
        return Ok(());
    }
    change(rows, event, |reaction| reaction.remove(Seen { at, by }))
}

/// Removes all reactions to a message, or all with one emoji.
pub(super) fn clear<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    (guild_id, channel_id, message_id): (GuildId, ChannelId, MessageId),
    emoji: Option<&EmojiKey>,
) -> Result<(), S::Error> {
    if is_gone(rows, guild_id, channel_id, message_id)? {
        return Ok(());
    }
    let mark = ReactionMark {
        emoji: emoji.cloned(),
        seen: Seen { at, by },
    };
    for reaction in of_message(rows, channel_id, message_id)? {
        if mark.covers(&reaction.emoji) {
            update(rows, &reaction, |reaction| reaction.remove(mark.seen))?;
        }
    }
    for left_out in rows.scan::<LeftOut>((channel_id, message_id))? {
        if mark.covers(&left_out.emoji) && left_out.at < at {
            rows.delete(&left_out)?;
        }
    }
    rows.update(
        ReactionMarks {
            channel_id,
            message_id,
            marks: Vec::new(),
        },
        |row| {
            row.marks
                .retain(|old| old.emoji != mark.emoji || old.seen > mark.seen);
            if row.marks.iter().all(|old| old.emoji != mark.emoji) {
                row.marks.push(mark);
                row.marks.sort_by(|a, b| a.emoji.cmp(&b.emoji));
            }
        },
    )?;
    Ok(())
}

/// Deletes all rows about reactions to a deleted message.
pub(super) fn forget<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<(), S::Error> {
    let reactions = of_message(rows, channel_id, message_id)?;
    let stood = reactions
        .iter()
        .filter(|reaction| reaction.is_present())
        .count() as u64;
    for reaction in &reactions {
        rows.delete(reaction)?;
    }
    for list in rows.scan::<Pending>((guild_id, channel_id, message_id))? {
        drop_list(rows, &list)?;
    }
    for left_out in rows.scan::<LeftOut>((channel_id, message_id))? {
        rows.delete(&left_out)?;
    }
    if let Some(marks) = rows.get::<ReactionMarks>((channel_id, message_id))? {
        rows.delete(&marks)?;
    }
    if stood > 0 {
        message::tally(rows, guild_id, channel_id, |tally| {
            tally.reactions = tally.reactions.saturating_sub(stood);
        })?;
    }
    Ok(())
}

/// Marks the reactions to a message for the next export.
pub(super) fn mark_again<S: Rows>(
    rows: &mut S,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<(), S::Error> {
    for reaction in of_message(rows, channel_id, message_id)? {
        rows.put(&reaction)?;
    }
    Ok(())
}

/// Groups rows about reactions by message, for messages with ids in `(after, to]`. `key` returns the
/// prefix of a message's keys.
pub(super) fn of_page<S: Rows, R: Record, P: PrefixOf<R::Key>>(
    rows: &S,
    key: impl Fn(MessageId) -> P,
    (after, to): (MessageId, MessageId),
    message: fn(&R) -> MessageId,
) -> Result<BTreeMap<MessageId, Vec<R>>, S::Error> {
    let mut of: BTreeMap<MessageId, Vec<R>> = BTreeMap::new();
    let first = MessageId(after.0.saturating_add(1));
    for row in rows.range::<R>(key(first)..=key(to))? {
        of.entry(message(&row)).or_default().push(row);
    }
    Ok(of)
}

fn of_message<S: Rows>(
    rows: &S,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<Vec<Reaction>, S::Error> {
    rows.scan((channel_id, message_id))
}

/// Returns whether a message was deleted, on Discord or on request.
pub(super) fn is_gone<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<bool, S::Error> {
    let state: Option<MessageState> = rows.get((channel_id, message_id))?;
    match state {
        Some(state) => Ok(state.message().is_none()),
        None => forgotten::is(rows, guild_id, channel_id, message_id),
    }
}

pub(super) fn marks<S: Rows>(
    rows: &S,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<Vec<ReactionMark>, S::Error> {
    let marks: Option<ReactionMarks> = rows.get((channel_id, message_id))?;
    Ok(marks.map(|mark| mark.marks).unwrap_or_default())
}

pub(super) fn cleared(reaction: &mut Reaction, marks: &[ReactionMark]) {
    for mark in marks {
        if mark.covers(&reaction.emoji) {
            reaction.remove(mark.seen);
        }
    }
}

pub(super) fn see_emoji<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    emoji: &Emoji,
) -> Result<(), S::Error> {
    let EmojiKey::Custom(id) = emoji.key else {
        return Ok(());
    };
    let (name, animated) = (emoji.name.clone(), emoji.animated);
    let seen = GuildEmoji {
        id,
        guild_id,
        name,
        animated,
        own: false,
        unread: propsbot_model::Unread::default(),
    };
    guild::see_emoji_in_use(rows, at, &seen)
}

pub(super) fn change<S: Rows>(
    rows: &mut S,
    of: &ReactionEvent,
    change: impl FnOnce(&mut Reaction),
) -> Result<(), S::Error> {
    if privacy::forgets(rows, of.guild_id, of.user_id, of.message_id.created_at())? {
        // Not kept. The message's next count triggers a fetch of the list, which counts the user.
        return Ok(());
    }
    let unknown = Reaction {
        guild_id: of.guild_id,
        channel_id: of.channel_id,
        message_id: of.message_id,
        user_id: of.user_id,
        emoji: of.emoji.key.clone(),
        burst: of.burst,
        added: None,
        confirmed: None,
        removed: None,
    };
    update(rows, &unknown, change)
}

pub(super) fn update<S: Rows>(
    rows: &mut S,
    reaction: &Reaction,
    change: impl FnOnce(&mut Reaction),
) -> Result<(), S::Error> {
    let (before, after) = rows.update(reaction.clone(), change)?;
    let was = before.is_some_and(|before| before.is_present());
    if was != after.is_present() {
        message::tally(rows, reaction.guild_id, reaction.channel_id, |tally| {
            tally.reactions = if was {
                tally.reactions.saturating_sub(1)
            } else {
                tally.reactions + 1
            };
        })?;
    }
    Ok(())
}
