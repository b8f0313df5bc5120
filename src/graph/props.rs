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
//! gives props to themselves. Webhooks are nobody. Bots may receive props, and give some only if an
//! admin chose them for it.
//! Messages of deleted channels are deleted, as they are in Discord.
//!
//! What bounds the giving of props (a quota, commands only, mentions that an edit adds) holds from
//! when it was first in effect. The posts of bots that an admin chose are not bounded.
//!
//! The reactions on props are those that stand, of all people who are known; bots' reactions say
//! nothing. One member counts once with each emoji, whether as a burst or not. As in SourceCred's
//! props channels, givers' and receivers' own reactions count like any other's.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    channels::Channels,
    members::Members,
    quota::{Gift, Quotas},
};
use propsbot_model::{
    AuthorKind, ChannelId, EmojiKey, GuildId, Limits, MessageId, MessageKind, Millis, Quota, UserId,
};
use propsbot_rows::{MessageRow, PropsRow, ReactionRow, Snapshot};

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
    /// What bounds the giving of props, and since when.
    limits: BTreeMap<GuildId, &'a [Limits]>,
    /// Whose posts are props although they are bots.
    bots: BTreeSet<(GuildId, UserId)>,
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
    /// Only commands gave props when it was posted.
    CommandsOnly,
    /// Its giver had given as much as counts.
    OverQuota(Quota),
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
    /// They are not known to have been mentioned before an edit that came later than this many minutes
    /// after the message.
    AddedLate(u32),
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
            limits: snapshot
                .guilds
                .iter()
                .map(|guild| (guild.id, guild.limits.as_slice()))
                .collect(),
            bots: props_bots(snapshot),
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
            None if !deleted => match giver_of(message, &self.bots) {
                Err(why) => no(why),
                Ok(_) if !self.channels.are_props(message.channel_id) => {
                    no(NoProps::NoPropsChannel)
                }
                Ok(_)
                    if self
                        .bounds(message)
                        .is_some_and(|bounds| bounds.commands_only) =>
                {
                    no(NoProps::CommandsOnly)
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

    /// Whether a bot's posts are props, as an admin chose.
    pub fn is_props_bot(&self, guild: GuildId, user: UserId) -> bool {
        self.bots.contains(&(guild, user))
    }

    /// What bounds the giving of props, and since when.
    pub fn limits(&self, guild: GuildId) -> &'a [Limits] {
        self.limits.get(&guild).copied().unwrap_or_default()
    }

    /// What bounded a plain message when it was posted.
    fn bounds(&self, message: &MessageRow) -> Option<&'a Limits> {
        let author = message.author_id?;
        if self.is_props_bot(message.guild_id, author) {
            return None;
        }
        Limits::at(self.limits(message.guild_id), message.id.created_at())
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
        self.members
            .get(user)
            .is_some_and(|member| !member.is_nobody())
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
        let thanked = row.receiver_ids.iter().map(|user| Thanked {
            user: *user,
            count: 1,
            named: true,
            late: None,
        });
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
        let minutes = self.bounds(message).map(|limits| limits.edit_minutes);
        let posted = message.id.created_at();
        let is_late = |user: UserId, minutes: u32| {
            message.mentioned_at(user).0 - posted.0 > i64::from(minutes) * 60_000
        };
        let thanked = message.mentions.iter().map(|mention| Thanked {
            user: mention.user_id,
            count: mention.count.max(1),
            named: mention.count > 0,
            late: minutes.filter(|minutes| is_late(mention.user_id, *minutes)),
        });
        self.received(props, thanked)
    }

    /// Gives props to those of the thanked who are known and are not the giver.
    fn received<'r>(
        &self,
        mut props: Props<'r>,
        thanked: impl Iterator<Item = Thanked>,
    ) -> Verdict<'r> {
        let mut left_out = Vec::new();
        for of in thanked {
            let why = match self.members.get(of.user) {
                _ if of.user == props.giver => NotReceived::Giver,
                None => NotReceived::Unknown,
                Some(member) if member.is_bot() && !of.named => NotReceived::BotAnswered,
                Some(_) => {
                    let Some(minutes) = of.late else {
                        props.receivers.insert(of.user, of.count);
                        continue;
                    };
                    NotReceived::AddedLate(minutes)
                }
            };
            left_out.push((of.user, why));
        }
        let props = if props.receivers.is_empty() {
            Err(NoProps::NobodyThanked)
        } else {
            Ok(props)
        };
        Verdict { props, left_out }
    }
}

/// Somebody whom a message thanks.
struct Thanked {
    user: UserId,
    /// How often.
    count: u32,
    /// By name, rather than by answering them.
    named: bool,
    /// Only since an edit that came later than this many minutes after the message.
    late: Option<u32>,
}

/// All props that a snapshot shows and that count, by message.
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
    let mut quotas = Quotas::new(rules);
    all.retain(|_, props| quotas.take(&Gift::from(&*props)).is_none());
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

/// The bots whose posts are props.
pub(super) fn props_bots(snapshot: &Snapshot) -> BTreeSet<(GuildId, UserId)> {
    let mut bots = BTreeSet::new();
    for guild in &snapshot.guilds {
        bots.extend(guild.props_bots.iter().map(|bot| (guild.id, *bot)));
    }
    bots
}

/// The person who wrote a message, or one of these bots.
fn giver_of(message: &MessageRow, bots: &BTreeSet<(GuildId, UserId)>) -> Result<UserId, NoProps> {
    let author = message.author_id;
    let is_chosen = author.is_some_and(|bot| bots.contains(&(message.guild_id, bot)));
    match message.author_kind {
        Some(AuthorKind::Webhook) => Err(NoProps::ByWebhook),
        Some(AuthorKind::Bot) if !is_chosen => Err(NoProps::ByBot),
        _ if !message.kind.is_some_and(MessageKind::is_written) => Err(NoProps::NotWritten),
        Some(AuthorKind::User | AuthorKind::Bot) => author.ok_or(NoProps::NotWritten),
        None => Err(NoProps::NotWritten),
    }
}

/// Whether a plain message, in a props channel, may be props: a person wrote it, or one of these bots,
/// and it mentions somebody.
pub(super) fn may_be_given(message: &MessageRow, bots: &BTreeSet<(GuildId, UserId)>) -> bool {
    giver_of(message, bots).is_ok() && !message.mentions.is_empty()
}
