//! What is props: the rules by which messages of the archive are thanks.
//!
//! Props are given in two ways, and both are told by a message that stands:
//!
//! * with a command, in whichever channel, by the member who ran it. The message is the bot's.
//!   Until that was seen, or once it was deleted, or once the giver took them back, nothing was
//!   given. (A guild may choose that its props hold although the message was deleted, or its channel.)
//!   Thanks for a message are dated to that message: there was the contribution.
//! * by a plain message that mentions somebody, in a props channel or in a thread of one. As in
//!   SourceCred's Discord plugin, a mention that is only a reply's ping counts as one, unless it
//!   pings a bot: then it answers what a bot posted, such as other props.
//!
//! A message is props only if it thanks somebody who is known, and not only its author. Nobody
//! gives props to themselves. Webhooks are nobody, and bots give no props, but may receive some.
//! Messages of deleted channels are deleted, as they are in Discord.
//!
//! The reactions on props are those that stand, of all people who are known; bots' reactions say
//! nothing. One member counts once with each emoji, whether as a burst or not. As in SourceCred's
//! props channels, givers' and receivers' own reactions count like any other's.

use std::collections::{BTreeMap, BTreeSet};

use super::{channels::Channels, members::Members};
use crate::{
    archive::{
        Snapshot,
        rows::{MessageRow, PropsRow, ReactionRow},
    },
    model::{AuthorKind, ChannelId, EmojiKey, GuildId, MessageId, MessageKind, Millis, UserId},
};

/// A message that thanks somebody.
#[derive(Debug)]
pub struct Props<'a> {
    pub(super) guild: GuildId,
    pub(super) channel: ChannelId,
    /// When they were given.
    pub(super) given: Millis,
    /// When the contribution was made.
    pub at: Millis,
    /// The message that is thanked for, where it is another.
    pub about: Option<(ChannelId, MessageId)>,
    /// Who thanks.
    pub giver: UserId,
    /// How often each is thanked.
    pub receivers: BTreeMap<UserId, u32>,
    /// What for, as it was typed.
    pub reason: &'a str,
    /// Who reacted, and with what.
    pub(super) reactions: BTreeSet<(EmojiKey, UserId)>,
}

/// What has to be known of a community to tell which of its messages are props.
pub struct Rules<'a> {
    pub(super) channels: Channels<'a>,
    pub(super) members: Members<'a>,
    /// The guilds whose props hold although the message was deleted.
    keeping: BTreeSet<GuildId>,
}

/// What a message is to the graph.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The props, without reactions; or why they are none.
    pub props: Result<Props<'a>, NoProps>,
    /// Who is thanked in it and receives nothing.
    pub left_out: Vec<(UserId, NotReceived)>,
}

/// Why a message is no props.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProps {
    /// Its channel was deleted.
    ChannelDeleted,
    /// It was deleted.
    MessageDeleted,
    /// The giver took them back.
    Withdrawn,
    /// It is in no props channel, and no command posted it.
    NoPropsChannel,
    /// An integration posted it.
    ByWebhook,
    /// A bot posted it.
    ByBot,
    /// Nobody wrote it: Discord did, or a command.
    NotWritten,
    /// It thanks nobody who counts.
    NobodyThanked,
}

/// Why somebody who is thanked receives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReceived {
    /// They are the giver.
    Giver,
    /// Nothing is known of them.
    Unknown,
    /// A bot that is only answered.
    BotAnswered,
}

/// Why a reaction says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReaction {
    /// It was taken back.
    Removed,
    /// A bot's.
    ByBot,
    /// Of somebody of whom nothing is known.
    ByUnknown,
    /// It is not known with what.
    NoEmoji,
}

impl<'a> Rules<'a> {
    /// Those of the snapshot's guilds: messages, props and reactions need not be in it.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let keeping = snapshot.guilds.iter();
        Self {
            channels: Channels::new(snapshot),
            members: Members::new(snapshot),
            keeping: keeping
                .filter(|guild| guild.keep_deleted_props == Some(true))
                .map(|guild| guild.id)
                .collect(),
        }
    }

    /// What a message is; `given` if a command posted it.
    pub fn judge<'r>(&self, message: &'r MessageRow, given: Option<&'r PropsRow>) -> Verdict<'r> {
        let deleted = message.deleted_at.is_some();
        let no = |why| Verdict {
            props: Err(why),
            left_out: Vec::new(),
        };
        let is_kept = given.is_some_and(|row| self.keeping.contains(&row.guild_id));
        if !is_kept && self.channels.is_deleted(message.channel_id) {
            return no(NoProps::ChannelDeleted);
        }
        match given {
            Some(row) if row.withdrawn_at.is_some() => no(NoProps::Withdrawn),
            Some(row) if !deleted || is_kept => self.judge_command(message.id, row),
            None if !deleted => match giver_of(message) {
                Err(why) => no(why),
                Ok(_) if !self.channels.are_props(message.channel_id) => {
                    no(NoProps::NoPropsChannel)
                }
                Ok(author) => self.judge_plain(message, author),
            },
            _ => no(NoProps::MessageDeleted),
        }
    }

    /// What a reaction on props is: with what, and by whom.
    pub fn judge_reaction(&self, row: &ReactionRow) -> Result<(EmojiKey, UserId), NoReaction> {
        let member = self.members.get(row.user_id);
        if row.removed_at.is_some() {
            return Err(NoReaction::Removed);
        }
        if member.ok_or(NoReaction::ByUnknown)?.is_bot() {
            return Err(NoReaction::ByBot);
        }
        let emoji = match (row.emoji_id, &row.emoji) {
            (Some(id), _) => EmojiKey::Custom(id),
            (None, Some(text)) => EmojiKey::Unicode(text.clone()),
            (None, None) => return Err(NoReaction::NoEmoji),
        };
        Ok((emoji, row.user_id))
    }

    /// Whether plain messages here, in a channel or thread, may be props.
    pub fn is_props_channel(&self, id: ChannelId) -> bool {
        self.channels.are_props(id)
    }

    /// What others call a user, as typed: escape it before it is shown.
    pub fn name(&self, user: UserId) -> String {
        self.members.name(user)
    }

    /// A text as typed, but with names instead of ids.
    pub fn named_in(&self, text: &str) -> String {
        self.members.named_in(text)
    }

    /// Whether it is somebody with a name: neither unknown, nor one who wants nothing shown.
    pub fn is_somebody(&self, user: UserId) -> bool {
        self.members.get(user).is_some_and(|it| !it.is_nobody())
    }

    fn judge_command<'r>(&self, answer: MessageId, row: &'r PropsRow) -> Verdict<'r> {
        let about = row.about_channel_id.zip(row.about_message_id);
        let props = Props {
            guild: row.guild_id,
            channel: row.channel_id,
            given: answer.created_at(),
            at: about.map_or(answer, |(_, message)| message).created_at(),
            about,
            giver: row.giver_id,
            receivers: BTreeMap::new(),
            reason: &row.reason,
            reactions: BTreeSet::new(),
        };
        let thanked = row.receiver_ids.iter().map(|id| (*id, 1, true));
        self.received(props, thanked)
    }

    fn judge_plain<'r>(&self, message: &'r MessageRow, giver: UserId) -> Verdict<'r> {
        let props = Props {
            guild: message.guild_id,
            channel: message.channel_id,
            given: message.id.created_at(),
            at: message.id.created_at(),
            about: None,
            giver,
            receivers: BTreeMap::new(),
            reason: message.content.as_deref().unwrap_or_default(),
            reactions: BTreeSet::new(),
        };
        let mentions = message.mentions.iter();
        let thanked = mentions.map(|it| (it.user_id, it.count.max(1), it.count > 0));
        self.received(props, thanked)
    }

    /// Gives props to those of the thanked who are known and are not the giver. Each comes with how
    /// often, and whether by name rather than by answering them.
    fn received<'r>(
        &self,
        mut props: Props<'r>,
        thanked: impl Iterator<Item = (UserId, u32, bool)>,
    ) -> Verdict<'r> {
        let mut left_out = Vec::new();
        for (id, count, named) in thanked {
            match self.members.get(id) {
                _ if id == props.giver => left_out.push((id, NotReceived::Giver)),
                None => left_out.push((id, NotReceived::Unknown)),
                Some(it) if it.is_bot() && !named => left_out.push((id, NotReceived::BotAnswered)),
                Some(_) => {
                    props.receivers.insert(id, count);
                }
            }
        }
        let props = if props.receivers.is_empty() {
            Err(NoProps::NobodyThanked)
        } else {
            Ok(props)
        };
        Verdict { props, left_out }
    }
}

/// All props that a snapshot shows, by message.
pub(super) fn props<'a>(
    snapshot: &'a Snapshot,
    rules: &Rules<'_>,
) -> BTreeMap<MessageId, Props<'a>> {
    let answers = by_answer(snapshot);
    let mut all = BTreeMap::new();
    for message in &snapshot.messages {
        let given = answers.get(&message.id).copied();
        if let Ok(props) = rules.judge(message, given).props {
            all.insert(message.id, props);
        }
    }
    for reaction in &snapshot.reactions {
        if let Some(on) = all.get_mut(&reaction.message_id) {
            on.reactions.extend(rules.judge_reaction(reaction));
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

/// The person who wrote a message.
fn giver_of(message: &MessageRow) -> Result<UserId, NoProps> {
    match message.author_kind {
        Some(AuthorKind::Webhook) => Err(NoProps::ByWebhook),
        Some(AuthorKind::Bot) => Err(NoProps::ByBot),
        _ if !message.kind.is_some_and(MessageKind::is_written) => Err(NoProps::NotWritten),
        Some(AuthorKind::User) => message.author_id.ok_or(NoProps::NotWritten),
        None => Err(NoProps::NotWritten),
    }
}

/// Whether a plain message, in a props channel, may be props: a person wrote it, and it mentions
/// somebody.
pub(super) fn may_be_given(message: &MessageRow) -> bool {
    giver_of(message).is_ok() && !message.mentions.is_empty()
}
