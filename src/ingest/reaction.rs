//! Reactions: one by one from the gateway, as lists and counts from REST.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rows, forgotten, guild, merge::settle, message, privacy};
use crate::model::{
    ChannelId, Emoji, EmojiKey, Evidence, FailureObject, Field, GuildEmoji, GuildId, LeftOut,
    Message, MessageId, MessageState, Millis, Pending, Reaction, ReactionCount, ReactionEvent,
    ReactionMark, ReactionMarks, Record, Seen, Stamp, User, UserId, key,
};

/// Reactions of one kind to one message.
pub(super) struct List<'a> {
    pub(super) guild_id: GuildId,
    pub(super) channel_id: ChannelId,
    pub(super) message_id: MessageId,
    pub(super) emoji: &'a Emoji,
    pub(super) burst: bool,
}

/// Somebody reacted.
pub(super) fn add<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    it: &ReactionEvent,
) -> Result<(), S::Error> {
    if is_gone(rows, it.guild_id, it.channel_id, it.message_id)? {
        return Ok(());
    }
    see_emoji(rows, at, it.guild_id, &it.emoji)?;
    let marks = marks(rows, it.channel_id, it.message_id)?;
    change(rows, it, |reaction| {
        reaction.add(Seen { at, by });
        cleared(reaction, &marks);
    })
}

/// Somebody took a reaction back.
pub(super) fn remove<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    it: &ReactionEvent,
) -> Result<(), S::Error> {
    if is_gone(rows, it.guild_id, it.channel_id, it.message_id)? {
        return Ok(());
    }
    change(rows, it, |reaction| reaction.remove(Seen { at, by }))
}

/// All reactions to a message, or all with one emoji, were cleared.
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
            update(rows, &reaction, |it| it.remove(mark.seen))?;
        }
    }
    for left_out in rows.scan::<LeftOut>(&key::ids([channel_id.0, message_id.0]))? {
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
        |it| {
            it.marks
                .retain(|old| old.emoji != mark.emoji || old.seen > mark.seen);
            if it.marks.iter().all(|old| old.emoji != mark.emoji) {
                it.marks.push(mark);
                it.marks.sort_by(|a, b| a.emoji.cmp(&b.emoji));
            }
        },
    )?;
    Ok(())
}

/// These users, and no others, had reacted at that time.
pub(super) fn list<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    of: &List<'_>,
    users: &[User],
) -> Result<(), S::Error> {
    let pending: Option<Pending> = rows.get(&prefix(of))?;
    if let Some(pending) = pending {
        rows.delete(&pending)?;
    }
    if is_gone(rows, of.guild_id, of.channel_id, of.message_id)? {
        return Ok(());
    }
    see_emoji(rows, at, of.guild_id, of.emoji)?;
    let mut reacted: BTreeSet<UserId> = BTreeSet::new();
    let mut left_out = 0;
    for user in users {
        if privacy::forgets(rows, of.guild_id, user.id, of.message_id.created_at())? {
            left_out += 1;
        } else {
            reacted.insert(user.id);
        }
    }
    leave_out_all(rows, at, of, left_out)?;
    for reaction in rows.scan::<Reaction>(&prefix(of))? {
        if reaction.is_present() && !reacted.contains(&reaction.user_id) {
            update(rows, &reaction, |it| it.remove(Seen { at, by }))?;
        }
    }
    let marks = marks(rows, of.channel_id, of.message_id)?;
    for user in users.iter().filter(|user| reacted.contains(&user.id)) {
        guild::see_member(rows, at, of.guild_id, user, None)?;
        let event = ReactionEvent {
            guild_id: of.guild_id,
            channel_id: of.channel_id,
            message_id: of.message_id,
            user_id: user.id,
            emoji: of.emoji.clone(),
            burst: of.burst,
        };
        change(rows, &event, |reaction| {
            reaction.add(Seen { at, by });
            cleared(reaction, &marks);
        })?;
    }
    Ok(())
}

/// So many of a list's users are not kept.
fn leave_out_all<S: Rows>(
    rows: &mut S,
    at: Stamp,
    of: &List<'_>,
    count: u64,
) -> Result<(), S::Error> {
    let known: Option<LeftOut> = rows.get(&prefix(of))?;
    match known {
        Some(known) if known.at > at => Ok(()),
        Some(known) if count == 0 => rows.delete(&known),
        None if count == 0 => Ok(()),
        _ => rows.put(&LeftOut {
            guild_id: of.guild_id,
            channel_id: of.channel_id,
            message_id: of.message_id,
            emoji: of.emoji.key.clone(),
            burst: of.burst,
            count,
            at,
        }),
    }
}

/// A reaction goes, and is left out of its list from now on.
pub(super) fn leave_out<S: Rows>(rows: &mut S, reaction: &Reaction) -> Result<(), S::Error> {
    let Some(known) = rows.get::<Reaction>(&reaction.key())? else {
        return Ok(());
    };
    rows.delete(&known)?;
    if !known.is_present() {
        return Ok(());
    }
    message::tally(rows, known.guild_id, known.channel_id, |it| {
        it.reactions = it.reactions.saturating_sub(1);
    })?;
    let none = LeftOut {
        guild_id: known.guild_id,
        channel_id: known.channel_id,
        message_id: known.message_id,
        emoji: known.emoji,
        burst: known.burst,
        count: 0,
        // Any list that is asked for tells better.
        at: Stamp::default(),
    };
    rows.update(none, |it| it.count += 1)?;
    Ok(())
}

/// Discord does not let us have this list.
pub(super) fn refuse<S: Rows>(
    rows: &mut S,
    at: Stamp,
    (channel_id, message_id): (ChannelId, MessageId),
    emoji: &str,
    burst: bool,
) -> Result<(), S::Error> {
    let lists: Vec<Pending> = rows.scan(&key::ids([channel_id.0, message_id.0]))?;
    for mut list in lists {
        if list.burst == burst && list.emoji.key.to_string() == emoji {
            list.refused = list.refused.saturating_add(1);
            list.refused_at = list.refused_at.max(at.millis());
            rows.put(&list)?;
        }
    }
    Ok(())
}

/// A list need not be fetched any more.
fn drop_list<S: Rows>(rows: &mut S, list: &Pending) -> Result<(), S::Error> {
    rows.delete(list)?;
    let emoji = list.emoji.key.to_string();
    let object = FailureObject::Reactions(list.channel_id, list.message_id, emoji, list.burst);
    settle(rows, list.guild_id, &object)
}

/// What is known of the reactions to a message.
pub(super) struct Known {
    pub(super) reactions: Vec<Reaction>,
    /// The lists that were found to be missing before.
    pub(super) lists: Vec<Pending>,
    /// How many of each list are not kept.
    pub(super) left_out: Vec<LeftOut>,
}

/// How a message's reactions are not as they were known to be.
pub(super) struct Found {
    /// The lists that have to be fetched.
    pub(super) missing: Vec<Pending>,
    /// The kinds of reactions that changed, and nobody said so.
    pub(super) drift: u64,
}

/// Compares what Discord counted with the message's reactions that are known. Kinds that Discord no
/// longer counts at all need no list: they are gone.
pub(super) fn compare<S: Rows>(
    rows: &mut S,
    seen: Seen,
    message: &Message,
    counts: &[ReactionCount],
    Known {
        reactions,
        lists,
        left_out,
    }: Known,
) -> Result<Found, S::Error> {
    let mut known: BTreeMap<(EmojiKey, bool), u64> = BTreeMap::new();
    let counted = |emoji: &EmojiKey, burst: bool| {
        let count = counts.iter().find(|it| it.emoji.key == *emoji);
        count.map_or(0, |it| if burst { it.burst } else { it.normal })
    };
    // Where some counts could not be read, what is not among the others is not known to be none.
    let all_told = !message.unread.has(Field::Reactions);
    let is_none = |emoji: &EmojiKey, burst: bool| {
        let is_told = all_told || counts.iter().any(|it| it.emoji.key == *emoji);
        is_told && counted(emoji, burst) == 0
    };
    let mut ended = BTreeSet::new();
    // Where something happened after Discord counted, the count says nothing of what was unheard.
    let mut moved = BTreeSet::new();
    for reaction in reactions {
        let kind = (reaction.emoji.clone(), reaction.burst);
        if reaction.confirmed.max(reaction.removed.map(|it| it.at)) > Some(seen.at) {
            moved.insert(kind.clone());
        }
        if !reaction.is_present() {
            continue;
        }
        if is_none(&reaction.emoji, reaction.burst) {
            update(rows, &reaction, |it| it.remove(seen))?;
            ended.insert(kind);
        } else {
            *known.entry(kind).or_default() += 1;
        }
    }
    for it in left_out {
        if !is_none(&it.emoji, it.burst) {
            *known.entry((it.emoji, it.burst)).or_default() += it.count;
        } else if it.at < seen.at {
            rows.delete(&it)?;
        }
    }
    for list in &lists {
        if is_none(&list.emoji.key, list.burst) && list.counted < seen.at {
            drop_list(rows, list)?;
        }
    }
    let mut changed = ended;
    let mut missing = Vec::new();
    for count in counts {
        for (burst, number) in [(false, count.normal), (true, count.burst)] {
            let kind = (count.emoji.key.clone(), burst);
            if number == known.get(&kind).copied().unwrap_or_default() {
                continue;
            }
            let same = |it: &&Pending| it.burst == burst && it.emoji.key == count.emoji.key;
            let before = lists.iter().find(same);
            let refused = before.filter(|it| it.count == number);
            if refused.is_some_and(|it| !it.is_due(seen.at.millis())) {
                continue;
            }
            if before.is_none() {
                changed.insert(kind);
            }
            let pending = Pending {
                guild_id: message.guild_id,
                channel_id: message.channel_id,
                message_id: message.id,
                emoji: count.emoji.clone(),
                burst,
                count: number,
                counted: before.map_or(seen.at, |it| it.counted.max(seen.at)),
                refused: refused.map_or(0, |it| it.refused),
                refused_at: refused.map_or(Millis(0), |it| it.refused_at),
            };
            rows.put(&pending)?;
            missing.push(pending);
        }
    }
    let drift = changed.difference(&moved).count() as u64;
    Ok(Found { missing, drift })
}

/// Forgets all reactions to a message that was deleted, and what was still to be fetched of them.
pub(super) fn forget<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<(), S::Error> {
    let reactions = of_message(rows, channel_id, message_id)?;
    let stood = reactions.iter().filter(|it| it.is_present()).count() as u64;
    for reaction in &reactions {
        rows.delete(reaction)?;
    }
    let prefix = key::ids([channel_id.0, message_id.0]);
    for list in rows.scan::<Pending>(&prefix)? {
        drop_list(rows, &list)?;
    }
    if let Some(marks) = rows.get::<ReactionMarks>(&prefix)? {
        rows.delete(&marks)?;
    }
    for left_out in rows.scan::<LeftOut>(&prefix)? {
        rows.delete(&left_out)?;
    }
    if stood > 0 {
        message::tally(rows, guild_id, channel_id, |it| {
            it.reactions = it.reactions.saturating_sub(stood);
        })?;
    }
    Ok(())
}

/// Rows about reactions to each of the channel's messages with ids in `(after, to]`.
pub(super) fn of_page<S: Rows, R: Record>(
    rows: &S,
    channel_id: ChannelId,
    (after, to): (MessageId, MessageId),
    message: fn(&R) -> MessageId,
) -> Result<BTreeMap<MessageId, Vec<R>>, S::Error> {
    let bound = |id: u64| key::ids([channel_id.0, id.saturating_add(1)]);
    let mut of: BTreeMap<MessageId, Vec<R>> = BTreeMap::new();
    for row in rows.range::<R>(&bound(after.0), &bound(to.0))? {
        of.entry(message(&row)).or_default().push(row);
    }
    Ok(of)
}

fn of_message<S: Rows>(
    rows: &S,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<Vec<Reaction>, S::Error> {
    rows.scan(&key::ids([channel_id.0, message_id.0]))
}

fn prefix(of: &List<'_>) -> Vec<u8> {
    key::reactions(of.channel_id.0, of.message_id.0, &of.emoji.key, of.burst)
}

/// Whether a message was deleted, there or here.
fn is_gone<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<bool, S::Error> {
    let state: Option<MessageState> = rows.get(&key::ids([channel_id.0, message_id.0]))?;
    match state {
        Some(state) => Ok(state.message().is_none()),
        None => forgotten::is(rows, guild_id, channel_id, message_id),
    }
}

fn marks<S: Rows>(
    rows: &S,
    channel_id: ChannelId,
    message_id: MessageId,
) -> Result<Vec<ReactionMark>, S::Error> {
    let marks: Option<ReactionMarks> = rows.get(&key::ids([channel_id.0, message_id.0]))?;
    Ok(marks.map(|it| it.marks).unwrap_or_default())
}

fn cleared(reaction: &mut Reaction, marks: &[ReactionMark]) {
    for mark in marks {
        if mark.covers(&reaction.emoji) {
            reaction.remove(mark.seen);
        }
    }
}

fn see_emoji<S: Rows>(
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
        unread: crate::model::Unread::default(),
    };
    guild::see_emoji_in_use(rows, at, &seen)
}

fn change<S: Rows>(
    rows: &mut S,
    of: &ReactionEvent,
    change: impl FnOnce(&mut Reaction),
) -> Result<(), S::Error> {
    if privacy::forgets(rows, of.guild_id, of.user_id, of.message_id.created_at())? {
        // Not kept; the message's next count tells that the list is to be fetched, which counts it.
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

/// Changes a reaction and keeps count.
fn update<S: Rows>(
    rows: &mut S,
    reaction: &Reaction,
    change: impl FnOnce(&mut Reaction),
) -> Result<(), S::Error> {
    let (before, after) = rows.update(reaction.clone(), change)?;
    let was = before.is_some_and(|it| it.is_present());
    if was != after.is_present() {
        message::tally(rows, reaction.guild_id, reaction.channel_id, |it| {
            it.reactions = if was {
                it.reactions.saturating_sub(1)
            } else {
                it.reactions + 1
            };
        })?;
    }
    Ok(())
}
