//! Merges lists of reactors from REST and checks them against Discord's counts.
//!
//! Either may be wrong. A list removes reactions only if it agrees with the count, or with another
//! list an hour apart.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Rows, guild,
    merge::settle,
    message, privacy,
    reaction::{change, cleared, is_gone, marks, see_emoji, update},
};
use propsbot_mirror::Record;
use propsbot_model::{
    ChannelId, Contradiction, Emoji, EmojiKey, Evidence, FailureObject, Field, GuildEmoji,
    GuildEntity, GuildId, LeftOut, Message, MessageId, Millis, Pending, Reaction, ReactionCount,
    ReactionEvent, Seen, Slice, Stamp, User, UserId,
};

/// Identifies the reactions of one kind to one message.
pub(super) struct List<'a> {
    pub(super) guild_id: GuildId,
    pub(super) channel_id: ChannelId,
    pub(super) message_id: MessageId,
    pub(super) emoji: &'a Emoji,
    pub(super) burst: bool,
}

impl List<'_> {
    fn key(&self) -> (ChannelId, MessageId, EmojiKey, bool) {
        let emoji = self.emoji.key.clone();
        (self.channel_id, self.message_id, emoji, self.burst)
    }

    fn pending_key(&self) -> <Pending as Record>::Key {
        let (channel, message, emoji, burst) = self.key();
        (self.guild_id, channel, message, emoji, burst)
    }
}

/// Merges a list of reactors.
///
/// It is complete only if Discord's count agrees, or a list of the same users an hour earlier.
/// Otherwise it only proves who reacted.
pub(super) fn list<S: Rows>(
    rows: &mut S,
    at: Stamp,
    by: Evidence,
    of: &List<'_>,
    users: &[User],
) -> Result<(), S::Error> {
    let pending: Option<Pending> = rows.get(of.pending_key())?;
    if is_gone(rows, of.guild_id, of.channel_id, of.message_id)? {
        return match pending {
            Some(pending) => rows.delete(&pending),
            None => Ok(()),
        };
    }
    see_emoji(rows, at, of.guild_id, of.emoji)?;
    let mut reacted: BTreeSet<UserId> = users.iter().map(|user| user.id).collect();
    let listed = reacted.len() as u64;
    for user in users {
        if privacy::forgets(rows, of.guild_id, user.id, of.message_id.created_at())? {
            reacted.remove(&user.id);
        }
    }
    let was_read_again = pending.as_ref().is_some_and(|pending| pending.again);
    let is_whole = judge(rows, pending, Contradiction::new(listed, &reacted, at))?;
    let left_out = listed - reacted.len() as u64;
    leave_out_all(rows, at, of, left_out, is_whole)?;
    let before: Vec<Reaction> = rows.scan(of.key())?;
    if is_whole {
        for reaction in &before {
            if reaction.is_present() && !reacted.contains(&reaction.user_id) {
                update(rows, reaction, |reaction| reaction.remove(Seen { at, by }))?;
            }
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
    if is_whole && was_read_again {
        let after: Vec<Reaction> = rows.scan(of.key())?;
        let present = |all: Vec<Reaction>| -> BTreeSet<UserId> {
            let present = all.into_iter().filter(Reaction::is_present);
            present.map(|present| present.user_id).collect()
        };
        if present(before) != present(after) {
            message::note_swap(rows, of.guild_id, of.channel_id, of.message_id)?;
        }
    }
    Ok(())
}

/// Returns whether a list is complete, and records what is still to be checked.
fn judge<S: Rows>(
    rows: &mut S,
    pending: Option<Pending>,
    list: Contradiction,
) -> Result<bool, S::Error> {
    // Without a pending row, or with a newer count, the list only proves who reacted.
    let Some(mut pending) = pending.filter(|pending| list.last >= pending.counted) else {
        return Ok(false);
    };
    let known = pending.contradiction;
    let is_newest = known.is_none_or(|known| list.last >= known.last);
    let agrees = pending.agrees(list.listed);
    if !is_newest && (agrees || pending.is_settled()) {
        return Ok(false);
    }
    if agrees && list.listed == pending.count {
        rows.delete(&pending)?;
        return Ok(true);
    }
    let list = match known.filter(|known| !known.settled) {
        // The count is off by a known difference.
        _ if agrees => list.settle(),
        Some(known) => known.and(list),
        None => list,
    };
    (pending.refused, pending.refused_at, pending.again) = (0, Millis(0), false);
    pending.contradiction = Some(list);
    rows.put(&pending)?;
    Ok(list.settled)
}

/// Records how many of a list's users aren't kept; a minimum if the list is incomplete.
fn leave_out_all<S: Rows>(
    rows: &mut S,
    at: Stamp,
    of: &List<'_>,
    count: u64,
    is_whole: bool,
) -> Result<(), S::Error> {
    let known: Option<LeftOut> = rows.get(of.key())?;
    match known {
        Some(known) if known.at > at || !is_whole && known.count >= count => Ok(()),
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

/// Deletes a reaction and counts it as left out of its list.
pub(super) fn leave_out<S: Rows>(rows: &mut S, reaction: &Reaction) -> Result<(), S::Error> {
    let Some(known) = rows.get::<Reaction>(reaction.key())? else {
        return Ok(());
    };
    rows.delete(&known)?;
    let list = (
        known.guild_id,
        known.channel_id,
        known.message_id,
        known.emoji.clone(),
        known.burst,
    );
    if let Some(mut list) = rows.get::<Pending>(list)?
        && let Some(of) = &mut list.contradiction
    {
        // The digest would give away the user's id.
        of.digest = 0;
        rows.put(&list)?;
    }
    if !known.is_present() {
        return Ok(());
    }
    message::tally(rows, known.guild_id, known.channel_id, |tally| {
        tally.reactions = tally.reactions.saturating_sub(1);
    })?;
    let none = LeftOut {
        guild_id: known.guild_id,
        channel_id: known.channel_id,
        message_id: known.message_id,
        emoji: known.emoji,
        burst: known.burst,
        count: 0,
        // Any list requested later knows better.
        at: Stamp::default(),
    };
    rows.update(none, |row| row.count += 1)?;
    Ok(())
}

/// Records that Discord refused this list.
pub(super) fn refuse<S: Rows>(
    rows: &mut S,
    at: Stamp,
    message: (GuildId, ChannelId, MessageId),
    emoji: &str,
    burst: bool,
) -> Result<(), S::Error> {
    let lists: Vec<Pending> = rows.scan(message)?;
    for mut list in lists {
        if list.burst == burst && list.emoji.key.to_string() == emoji {
            list.refused = list.refused.saturating_add(1);
            list.refused_at = list.refused_at.max(at.millis());
            rows.put(&list)?;
        }
    }
    Ok(())
}

/// Deletes a list that no longer has to be fetched.
pub(super) fn drop_list<S: Rows>(rows: &mut S, list: &Pending) -> Result<(), S::Error> {
    rows.delete(list)?;
    let emoji = list.emoji.key.to_string();
    let object = FailureObject::Reactions(list.channel_id, list.message_id, emoji, list.burst);
    settle(rows, list.guild_id, &object)
}

pub(super) struct Known {
    pub(super) reactions: Vec<Reaction>,
    /// Lists found missing earlier.
    pub(super) lists: Vec<Pending>,
    /// How many users of each list aren't kept.
    pub(super) left_out: Vec<LeftOut>,
}

/// How a message's reactions differ from what was known.
#[derive(Default)]
pub(super) struct Found {
    pub(super) missing: Vec<Pending>,
    /// How many kinds of reactions changed without an event.
    pub(super) drift: u64,
}

/// Compares Discord's counts with the known reactions.
/// For messages in `lists_again`, lists with matching counts are fetched again too.
pub(super) fn compare<S: Rows>(
    rows: &mut S,
    at: Stamp,
    message: &Message,
    counts: &[ReactionCount],
    Known {
        reactions,
        lists,
        left_out,
    }: Known,
    lists_again: Option<Slice>,
) -> Result<Found, S::Error> {
    let read_again = lists_again.is_some_and(|slice| slice.has(message.id));
    let mut kinds: BTreeMap<(EmojiKey, bool), Kind<'_>> = BTreeMap::new();
    for count in counts {
        for (burst, number) in [(false, count.normal), (true, count.burst)] {
            if number > 0 {
                let kind = kinds.entry((count.emoji.key.clone(), burst)).or_default();
                (kind.counted, kind.emoji) = (number, Some(&count.emoji));
            }
        }
    }
    for reaction in &reactions {
        let key = (reaction.emoji.clone(), reaction.burst);
        let kind = kinds.entry(key).or_default();
        kind.known += u64::from(stood(reaction, at));
        // Something happened after Discord counted, so the count can't show what was missed.
        kind.moved |= reaction
            .confirmed
            .max(reaction.removed.map(|removed| removed.at))
            > Some(at);
    }
    for list in left_out {
        let kind = kinds.entry((list.emoji, list.burst)).or_default();
        kind.known += list.count;
    }
    for list in lists {
        let key = (list.emoji.key.clone(), list.burst);
        kinds.entry(key).or_default().pending = Some(list);
    }
    let mut found = Found::default();
    // If some counts were unreadable, an absent kind may still exist.
    let all_told = !message.unread.has(Field::Reactions);
    let is_told =
        |emoji: &EmojiKey| all_told || counts.iter().any(|count| count.emoji.key == *emoji);
    for ((emoji, burst), kind) in kinds {
        if kind.counted == 0 && !is_told(&emoji) {
            continue;
        }
        let Kind {
            counted,
            known,
            pending,
            ..
        } = kind;
        let expected = pending
            .as_ref()
            .map_or(counted.into(), |pending| pending.expected(counted));
        let differs = i128::from(known) != expected;
        let Some(before) = pending else {
            if differs || read_again && counted > 0 {
                let emoji = match kind.emoji {
                    Some(emoji) => emoji.clone(),
                    None => named(rows, message.guild_id, emoji)?,
                };
                found.drift += u64::from(differs && !kind.moved);
                let pending = Pending {
                    guild_id: message.guild_id,
                    channel_id: message.channel_id,
                    message_id: message.id,
                    emoji,
                    burst,
                    count: counted,
                    counted: at,
                    refused: 0,
                    refused_at: Millis(0),
                    contradiction: None,
                    again: !differs,
                };
                rows.put(&pending)?;
                found.missing.push(pending);
            }
            continue;
        };
        if at < before.counted {
            // A newer count is already known.
            continue;
        }
        if counted == known && (counted == 0 || before.is_settled() && !read_again) {
            drop_list(rows, &before)?;
            continue;
        }
        let pending = recount(&before, at, (counted, known), read_again);
        let differs = i128::from(known) != pending.expected(counted);
        found.drift += u64::from(before.again && differs && !kind.moved);
        if pending != before {
            rows.put(&pending)?;
        }
        if is_wanted(&before, &pending, differs || read_again) {
            found.missing.push(pending);
        }
    }
    Ok(found)
}

/// Returns whether a list is to be fetched now; `before` is its earlier record.
fn is_wanted(before: &Pending, now: &Pending, is_missing: bool) -> bool {
    let counted = now.counted;
    let is_known = Pending {
        counted,
        ..before.clone()
    } == *now;
    // Two pages may list the same message: its list is already being fetched.
    let is_in_hand = is_known && before.contradiction.is_none() && before.refused == 0;
    let is_open = before.is_contradicted() && !now.is_contradicted();
    (is_missing || is_open) && !is_in_hand && now.is_due(counted.millis())
}

/// Updates a pending list after Discord counted again.
fn recount(before: &Pending, at: Stamp, (counted, known): (u64, u64), read_again: bool) -> Pending {
    let mut pending = Pending {
        counted: at,
        ..before.clone()
    };
    let expected = before.expected(counted);
    let is_over = if before.is_settled() {
        i128::from(known) != expected
    } else {
        counted != before.count
    };
    if is_over {
        // A new count voids refusals and contradictions.
        (pending.refused, pending.refused_at) = (0, Millis(0));
        pending.contradiction = None;
    } else if let Some(known) = &mut pending.contradiction
        && known.settled
    {
        known.listed = u64::try_from(expected).unwrap_or(known.listed);
    }
    pending.count = counted;
    let differs = i128::from(known) != pending.expected(counted);
    pending.again = !differs && !pending.is_contradicted() && (before.again || read_again);
    pending
}

/// What is known of one kind of reaction to a message.
#[derive(Default)]
struct Kind<'a> {
    counted: u64,
    /// As the message shows it.
    emoji: Option<&'a Emoji>,
    /// How many existed when Discord counted.
    known: u64,
    /// Whether something happened after that.
    moved: bool,
    pending: Option<Pending>,
}

/// Returns whether a reaction existed at `at`, undoing what the gateway reported later.
fn stood(reaction: &Reaction, at: Stamp) -> bool {
    let heard_since =
        |seen: Option<Seen>| seen.is_some_and(|seen| seen.by == Evidence::Gateway && seen.at > at);
    if reaction.is_present() {
        !heard_since(reaction.added)
    } else {
        heard_since(reaction.removed) && reaction.added.is_none_or(|added| added.at <= at)
    }
}

/// Returns the emoji with its name, which Discord's URL of the list needs.
fn named<S: Rows>(rows: &S, guild_id: GuildId, key: EmojiKey) -> Result<Emoji, S::Error> {
    Ok(match key {
        EmojiKey::Unicode(text) => Emoji::unicode(text),
        EmojiKey::Custom(id) => {
            let unknown = GuildEntity::<GuildEmoji>::unknown(guild_id, id.0);
            let known: Option<GuildEntity<GuildEmoji>> = rows.get(unknown.key())?;
            let known = known.as_ref().and_then(|known| known.state.ever());
            Emoji::custom(
                id,
                known.and_then(|known| known.name.clone()),
                known.is_some_and(|known| known.animated),
            )
        }
    })
}
