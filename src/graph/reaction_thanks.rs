//! Decides which reactions are thanks to the author of their message.
//!
//! An admin can choose an emoji for it (`reaction_thanks` of a guild). A reaction with that emoji then
//! thanks the author of its message, as long as it is there, if
//!
//! * it was chosen when the reaction was added. That time is the time of the reaction's row: if the
//!   gateway told of the reaction, when it did, and else the time of its message, because Discord dates
//!   no reactions;
//! * a member wrote the message, who isn't hidden and isn't the one who reacts. Reactions to what bots
//!   and webhooks post thank nobody;
//! * the message isn't props itself. There, a reaction agrees with the thanks;
//! * who reacts is a known person, with one of the guild's `giver_roles` at that time, if it has any.
//!
//! A member thanks for a message once, with the first of their reactions that does. A quota applies to
//! these thanks as to all others, and a cooldown after commands and other such reactions: see
//! [`Quotas`](super::Quotas). Thanks have the date of the message, because that was the contribution.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::props::{Judged, NoProps, NoReaction, NotReceived, Props, Rules};
use propsbot_model::{
    AuthorKind, ChannelId, EmojiKey, GuildId, MessageId, MessageKind, Millis, ReactionThanks,
    UserId, reaction_time,
};
use propsbot_rows::{MessageRow, ReactionRow, Snapshot};

/// What gives thanks: a message, or a reaction to one. Ordered by when they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThanksKey {
    pub given: Millis,
    /// The message that gives them, or has the reaction.
    pub message: MessageId,
    /// Who reacted.
    pub reacted: Option<UserId>,
}

impl ThanksKey {
    /// The key of a message, plain or a command's.
    pub fn of_message(message: MessageId) -> Self {
        Self {
            given: message.created_at(),
            message,
            reacted: None,
        }
    }

    /// The key of the thanks that a reaction gives, if it gives any.
    pub fn of_reaction(row: &ReactionRow) -> Self {
        Self {
            given: time_of(row),
            message: row.message_id,
            reacted: Some(row.user_id),
        }
    }
}

/// The emoji of a reaction; `None` if it can't be read.
pub(super) fn emoji_of(row: &ReactionRow) -> Option<EmojiKey> {
    let text = || row.emoji.clone().map(EmojiKey::Unicode);
    row.emoji_id.map(EmojiKey::Custom).or_else(text)
}

/// The time of a reaction's row.
fn time_of(row: &ReactionRow) -> Millis {
    reaction_time(row.message_id, row.added_at.zip(row.added_by))
}

impl Rules<'_> {
    /// All states of thanks by reaction in a guild, by time.
    pub fn reaction_thanks(&self, guild: GuildId) -> &[ReactionThanks] {
        self.by_reaction.get(&guild).copied().unwrap_or_default()
    }

    /// Whether the reaction has the emoji that was thanks when it was added.
    pub fn has_thanks_emoji(&self, row: &ReactionRow) -> bool {
        let chosen = ReactionThanks::at(self.reaction_thanks(row.guild_id), time_of(row));
        chosen.is_some_and(|chosen| emoji_of(row).is_some_and(|emoji| chosen.is_with(&emoji)))
    }

    /// The thanks that a reaction gives to the author of its message, or why it gives none. Whether
    /// they are over a quota or too soon depends on what else the member gave.
    ///
    /// # Errors
    /// [`NoReaction::OtherEmoji`] if it isn't about thanks at all.
    pub fn judge_thanks(
        &self,
        message: &MessageRow,
        row: &ReactionRow,
    ) -> Result<Props<'static>, NoReaction> {
        let props = self.thanks_by(message, row)?;
        if props.receivers.contains_key(&props.giver) {
            return Err(NoReaction::ToSelf);
        }
        let at = props.given;
        let chosen = ReactionThanks::at(self.reaction_thanks(row.guild_id), at);
        let roles = chosen.map_or(&[][..], |chosen| &chosen.giver_roles);
        let has_one = || {
            let member = self.rows.get(&(row.guild_id, row.user_id));
            // Before the member was first seen, nobody knows better.
            let held = member.map_or(&[][..], |member| {
                member.roles_at(at).unwrap_or(&member.roles)
            });
            held.iter().any(|role| roles.contains(role))
        };
        if roles.is_empty() || has_one() {
            Ok(props)
        } else {
            Err(NoReaction::MayNotGive)
        }
    }

    /// Those of these reactions to a message that give thanks: of each member at most one.
    pub fn thanks_to<'r>(
        &self,
        message: &MessageRow,
        rows: impl IntoIterator<Item = &'r ReactionRow>,
    ) -> Vec<&'r ReactionRow> {
        let standing = rows.into_iter().filter(|row| row.removed_at.is_none());
        let first = first_of_each(self, message, standing).into_values();
        let counted = first.filter(|(_, judged)| judged.why_not.is_none());
        counted.map(|(row, _)| row).collect()
    }

    /// The thanks in a reaction, if everybody could give them, even to themselves.
    fn thanks_by(
        &self,
        message: &MessageRow,
        row: &ReactionRow,
    ) -> Result<Props<'static>, NoReaction> {
        if !self.has_thanks_emoji(row) {
            return Err(NoReaction::OtherEmoji);
        }
        let (emoji, giver) = self.judge_reaction(row)?;
        let author = self.author(message).ok_or(NoReaction::NoAuthor)?;
        if self.channels.is_deleted(message.channel_id) {
            return Err(NoReaction::NoAuthor);
        }
        if self.judge(message, None).props.is_ok() {
            return Err(NoReaction::Agrees);
        }
        Ok(Props {
            guild: message.guild_id,
            channel: message.channel_id,
            command: None,
            emoji: Some(emoji),
            given: time_of(row),
            at: message.id.created_at(),
            about: Some((message.channel_id, message.id)),
            giver,
            receivers: [(author, 1)].into(),
            reason: "",
            reactions: BTreeSet::new(),
        })
    }

    /// The member who wrote a message, if a reaction can thank them.
    fn author(&self, message: &MessageRow) -> Option<UserId> {
        let is_written = message.kind.is_some_and(MessageKind::is_written)
            && message.author_kind == Some(AuthorKind::User)
            && message.deleted_at.is_none();
        let author = message.author_id.filter(|_| is_written)?;
        let member = self.members.get(author)?;
        (!member.is_bot() && !member.is_nobody()).then_some(author)
    }
}

/// All thanks by reaction in a snapshot. They count unless they are over a quota or too soon.
pub(super) fn judged<'a>(
    snapshot: &'a Snapshot,
    rules: &Rules<'_>,
) -> BTreeMap<ThanksKey, Judged<'a>> {
    let mut reactions: BTreeMap<(ChannelId, MessageId), Vec<&ReactionRow>> = BTreeMap::new();
    for row in &snapshot.reactions {
        if row.removed_at.is_none() && rules.has_thanks_emoji(row) {
            let of_message = reactions.entry((row.channel_id, row.message_id));
            of_message.or_default().push(row);
        }
    }
    let mut all = BTreeMap::new();
    if reactions.is_empty() {
        return all;
    }
    for message in &snapshot.messages {
        if let Some(rows) = reactions.remove(&(message.channel_id, message.id)) {
            let first = first_of_each(rules, message, rows);
            all.extend(
                first
                    .into_values()
                    .map(|(row, judged)| (ThanksKey::of_reaction(row), judged)),
            );
        }
    }
    all
}

/// The thanks that each member gives by reaction to a message: those that count if there are any, and of
/// those the first. A member may have added several emojis that were chosen one after the other.
fn first_of_each<'a, 'r>(
    rules: &Rules<'_>,
    message: &MessageRow,
    rows: impl IntoIterator<Item = &'r ReactionRow>,
) -> BTreeMap<UserId, (&'r ReactionRow, Judged<'a>)> {
    let mut first: BTreeMap<UserId, (&ReactionRow, Judged<'a>)> = BTreeMap::new();
    for row in rows {
        let Some(new) = considered(rules, message, row) else {
            continue;
        };
        let rank = |judged: &Judged<'_>| {
            let props = &judged.props;
            (judged.why_not.is_some(), props.given, props.emoji.clone())
        };
        match first.entry(row.user_id) {
            Entry::Occupied(known) if rank(&known.get().1) <= rank(&new) => {}
            entry => {
                entry.insert_entry((row, new));
            }
        }
    }
    first
}

/// The thanks in a reaction, whether they count or not; `None` if there are none.
fn considered<'a>(
    rules: &Rules<'_>,
    message: &MessageRow,
    row: &ReactionRow,
) -> Option<Judged<'a>> {
    let props = rules.thanks_by(message, row).ok()?;
    Some(match rules.judge_thanks(message, row) {
        Ok(props) => Judged {
            props,
            left_out: Vec::new(),
            why_not: None,
        },
        Err(NoReaction::ToSelf) => Judged {
            left_out: vec![(props.giver, NotReceived::Giver)],
            props: Props {
                receivers: BTreeMap::new(),
                ..props
            },
            why_not: Some(NoProps::NobodyThanked),
        },
        Err(_) => Judged {
            props,
            left_out: Vec::new(),
            why_not: Some(NoProps::MayNotGive),
        },
    })
}
