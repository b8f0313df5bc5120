//! What is props: the rules by which messages of the archive are thanks.
//!
//! Props are given in two ways, and both are told by a message that stands:
//!
//! * with a command, in whichever channel, by the member who ran it. The message is the bot's.
//!   Until that was seen, or once it was deleted, or once the giver took them back, nothing was
//!   given. (A guild may choose that its props hold although the message was deleted.) Thanks for
//!   a message are dated to that message: there was the contribution.
//! * by a plain message that mentions somebody, in a props channel or in a thread of one. As in
//!   SourceCred's Discord plugin, a mention that is only a reply's ping counts as one, unless it
//!   pings a bot: then it answers what a bot posted, such as other props.
//!
//! A message is props only if it thanks somebody who is known, and not only its author. Nobody
//! gives props to themselves. Webhooks are nobody, and bots give no props, but may receive some.
//! Messages of deleted channels are gone, as they are in Discord.
//!
//! The reactions on props are those that stand, of all people who are known; bots' reactions say
//! nothing. One member counts once with each emoji, whether as a burst or not. As in SourceCred's
//! props channels, givers' and receivers' own reactions count like any other's.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    channels::Channels,
    members::{Member, Members},
};
use crate::{
    archive::{
        Snapshot,
        rows::{MessageRow, PropsRow, ReactionRow},
    },
    model::{AuthorKind, ChannelId, EmojiKey, GuildId, MessageId, MessageKind, Millis, UserId},
};

/// A message that thanks somebody.
#[derive(Debug)]
pub(super) struct Props<'a> {
    pub(super) guild: GuildId,
    pub(super) channel: ChannelId,
    /// When they were given.
    pub(super) given: Millis,
    /// When the contribution was made.
    pub(super) at: Millis,
    /// The message that is thanked for, where it is another.
    pub(super) about: Option<(ChannelId, MessageId)>,
    pub(super) giver: UserId,
    /// How often each is thanked.
    pub(super) receivers: BTreeMap<UserId, u32>,
    /// What for, as it was typed.
    pub(super) reason: &'a str,
    /// Who reacted, and with what.
    pub(super) reactions: BTreeSet<(EmojiKey, UserId)>,
}

/// All props that a snapshot shows, by message.
pub(super) fn props<'a>(
    snapshot: &'a Snapshot,
    members: &Members<'_>,
    channels: &Channels<'_>,
) -> BTreeMap<MessageId, Props<'a>> {
    let answers = by_answer(snapshot);
    let keeping: BTreeSet<GuildId> = snapshot
        .guilds
        .iter()
        .filter(|guild| guild.keep_deleted_props == Some(true))
        .map(|guild| guild.id)
        .collect();

    let mut all = BTreeMap::new();
    for message in &snapshot.messages {
        if channels.is_deleted(message.channel_id) {
            continue;
        }
        let deleted = message.deleted_at.is_some();
        let given = match answers.get(&message.id) {
            Some(row) if !deleted || keeping.contains(&row.guild_id) => {
                from_command(message.id, row, members)
            }
            None if !deleted => from_plain(message, channels, members),
            _ => None,
        };
        if let Some(given) = given {
            all.insert(message.id, given);
        }
    }
    for reaction in &snapshot.reactions {
        if let Some(on) = all.get_mut(&reaction.message_id) {
            on.reactions.extend(standing(reaction, members));
        }
    }
    all
}

/// What was given with `/props`, by the message that says so. An answer tells of one run: should
/// several rows claim it, the first.
fn by_answer(snapshot: &Snapshot) -> BTreeMap<MessageId, &PropsRow> {
    let mut answers = BTreeMap::<_, &PropsRow>::new();
    for row in &snapshot.props {
        if let Some(message) = row.message_id {
            let known = answers.entry(message).or_insert(row);
            if row.id < known.id {
                *known = row;
            }
        }
    }
    answers
}

fn from_command<'a>(
    answer: MessageId,
    row: &'a PropsRow,
    members: &Members<'_>,
) -> Option<Props<'a>> {
    if row.withdrawn_at.is_some() {
        return None;
    }
    let receivers = row.receiver_ids.iter().map(|id| (*id, 1));
    let about = row.about_channel_id.zip(row.about_message_id);
    Props {
        guild: row.guild_id,
        channel: row.channel_id,
        given: answer.created_at(),
        at: about.map_or(answer, |(_, message)| message).created_at(),
        about,
        giver: row.giver_id,
        receivers: valid(receivers, row.giver_id, members),
        reason: &row.reason,
        reactions: BTreeSet::new(),
    }
    .if_received()
}

fn from_plain<'a>(
    message: &'a MessageRow,
    channels: &Channels<'_>,
    members: &Members<'_>,
) -> Option<Props<'a>> {
    if !may_be_given(message) || !channels.are_props(message.channel_id) {
        return None;
    }
    let giver = message.author_id?;
    let is_bot = |id| members.get(id).is_some_and(Member::is_bot);
    let receivers = message
        .mentions
        .iter()
        .filter(|mention| mention.count > 0 || !is_bot(mention.user_id))
        .map(|mention| (mention.user_id, mention.count.max(1)));
    Props {
        guild: message.guild_id,
        channel: message.channel_id,
        given: message.id.created_at(),
        at: message.id.created_at(),
        about: None,
        giver,
        receivers: valid(receivers, giver, members),
        reason: message.content.as_deref().unwrap_or_default(),
        reactions: BTreeSet::new(),
    }
    .if_received()
}

/// Whether a plain message, in a props channel, may be props: a person wrote it, and it mentions
/// somebody.
pub(super) fn may_be_given(message: &MessageRow) -> bool {
    message.kind.is_some_and(MessageKind::is_written)
        && message.author_kind == Some(AuthorKind::User)
        && !message.mentions.is_empty()
}

/// Those of the thanked who are known and are not the giver.
fn valid(
    thanked: impl Iterator<Item = (UserId, u32)>,
    giver: UserId,
    members: &Members<'_>,
) -> BTreeMap<UserId, u32> {
    thanked
        .filter(|(id, _)| *id != giver && members.get(*id).is_some())
        .collect()
}

impl Props<'_> {
    fn if_received(self) -> Option<Self> {
        (!self.receivers.is_empty()).then_some(self)
    }
}

/// The reaction, if it stands and somebody known added it.
fn standing(row: &ReactionRow, members: &Members<'_>) -> Option<(EmojiKey, UserId)> {
    let member = members.get(row.user_id)?;
    if row.removed_at.is_some() || member.is_bot() {
        return None;
    }
    let emoji = match (row.emoji_id, &row.emoji) {
        (Some(id), _) => EmojiKey::Custom(id),
        (None, Some(text)) => EmojiKey::Unicode(text.clone()),
        (None, None) => return None,
    };
    Some((emoji, row.user_id))
}
