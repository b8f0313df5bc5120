//! Decides which messages are props, and which reactions to them count.
//!
//! There are three ways to give props. All need a message that still exists:
//!
//! * A command, in any channel. The message is the bot's answer. Props don't count before the answer was
//!   seen, after it was deleted, or after the giver took them back. (A guild can choose to keep props whose
//!   message or channel was deleted.) Props for a message have the time of that message, because that was
//!   the contribution.
//! * A plain message with a mention, in a props channel or a thread of one. As in SourceCred's Discord
//!   plugin, a reply's ping counts as a mention. The ping of a bot doesn't: it answers what the bot posted,
//!   such as other props.
//! * A reaction with the emoji that an admin chose for it: see `reaction_thanks`.
//!
//! A message is props only if it thanks somebody who is known and isn't its author. Webhooks give none.
//! Bots may receive props, but give them only if an admin chose them for it. Messages in deleted channels
//! are deleted, as in Discord.
//!
//! Limits (a quota, commands only, mentions added by an edit) apply from the time they were first in
//! effect. Bots that an admin chose have no limits.
//!
//! A reaction counts if it wasn't taken back and is by a known person. A member counts once for each emoji,
//! with or without a burst. As in SourceCred's props channels, the reactions of givers and receivers count
//! like everyone else's.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    channels::Channels,
    members::Members,
    quota::{QuotaEntry, Quotas},
    reaction_thanks::{self, ThanksKey, emoji_of},
};
use propsbot_model::{
    AuthorKind, ChannelId, EmojiKey, GuildId, InteractionId, Limits, MessageId, MessageKind,
    Millis, Quota, ReactionThanks, UserId,
};
use propsbot_rows::{GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, Snapshot};

/// A message that thanks somebody.
#[derive(Debug)]
pub struct Props<'a> {
    pub(super) guild: GuildId,
    pub(super) channel: ChannelId,
    /// The command's run; `None` for a plain message.
    pub(super) command: Option<InteractionId>,
    /// The emoji of the reaction that gives them; `None` if a message does.
    pub(super) emoji: Option<EmojiKey>,
    /// When they were given: the time of the message or reaction that gives them.
    pub(super) given: Millis,
    pub at: Millis,
    /// The message that they are for, if it is another one.
    pub about: Option<(ChannelId, MessageId)>,
    pub giver: UserId,
    /// How often each receiver is thanked.
    pub receivers: BTreeMap<UserId, u32>,
    /// What for, raw.
    pub reason: &'a str,
    pub(super) reactions: BTreeSet<(EmojiKey, UserId)>,
}

/// What it takes to decide which messages of a community are props.
pub struct Rules<'a> {
    pub(super) channels: Channels<'a>,
    pub(super) members: Members<'a>,
    /// The guilds that keep props whose message was deleted.
    keeping: BTreeSet<GuildId>,
    /// The limits on giving props, and since when they apply.
    limits: BTreeMap<GuildId, &'a [Limits]>,
    bots: BTreeSet<(GuildId, UserId)>,
    /// How reactions give thanks, and since when.
    pub(super) by_reaction: BTreeMap<GuildId, &'a [ReactionThanks]>,
    /// The members of guilds where certain roles can give by reaction.
    pub(super) rows: BTreeMap<(GuildId, UserId), &'a MemberRow>,
}

#[derive(Debug)]
pub struct Verdict<'a> {
    /// The props without reactions, or why the message isn't props.
    pub props: Result<Props<'a>, NoProps>,
    /// Who is thanked in it but receives nothing.
    pub left_out: Vec<(UserId, NotReceived)>,
}

/// A message that thanks somebody, counted or not.
pub(super) struct Judged<'a> {
    /// Who thanks whom. Without reactions if it doesn't count.
    pub(super) props: Props<'a>,
    /// Who is thanked but receives nothing.
    pub(super) left_out: Vec<(UserId, NotReceived)>,
    /// Why it isn't props.
    pub(super) why_not: Option<NoProps>,
}

/// Why a message isn't props.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProps {
    ChannelDeleted,
    MessageDeleted,
    /// The giver took them back.
    Withdrawn,
    /// It isn't in a props channel, and no command posted it.
    NoPropsChannel,
    ByWebhook,
    ByBot,
    /// Nobody wrote it: Discord did, or a command.
    NotWritten,
    NobodyThanked,
    /// Only commands could give props when it was posted.
    CommandsOnly,
    /// It exceeds its giver's quota.
    OverQuota(Quota),
    /// The member who reacted has no role that can give.
    MayNotGive,
    /// The member who reacted thanked the same member less than this many minutes before.
    TooSoon(u32),
}

/// Why somebody who is thanked receives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReceived {
    Giver,
    /// They aren't in the archive.
    Unknown,
    /// They are a bot that the message only replies to.
    BotAnswered,
    /// As far as is known, they were first mentioned by an edit, more than this many minutes after the
    /// message was posted.
    AddedLate(u32),
}

/// Why a reaction doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReaction {
    Removed,
    ByBot,
    /// Somebody who isn't in the archive added it.
    ByUnknown,
    NoEmoji,
    /// Its emoji didn't give thanks when it was added.
    OtherEmoji,
    /// There is no member to thank: a bot or an integration posted the message, its author is hidden, or
    /// it was deleted.
    NoAuthor,
    /// The message is props, with which the reaction agrees.
    Agrees,
    ToSelf,
    MayNotGive,
    TooSoon(u32),
    OverQuota(Quota),
}

impl NoReaction {
    /// Why thanks by reaction that exceed what a member can give don't count.
    pub fn exceeding(why: NoProps) -> Option<Self> {
        match why {
            NoProps::OverQuota(quota) => Some(Self::OverQuota(quota)),
            NoProps::TooSoon(minutes) => Some(Self::TooSoon(minutes)),
            _ => None,
        }
    }
}

impl<'a> Rules<'a> {
    /// The rules of a snapshot's guilds. They don't use its messages, props and reactions.
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
            rows: givers(snapshot),
            by_reaction: snapshot
                .guilds
                .iter()
                .map(|guild| (guild.id, guild.reaction_thanks.as_slice()))
                .collect(),
        }
    }

    /// Whether a message is props; `given` is the command's row if a command posted it.
    pub fn judge<'r>(&self, message: &'r MessageRow, given: Option<&'r PropsRow>) -> Verdict<'r> {
        let (props, left_out) = match self.thanks_in(message, given) {
            Ok(judged) => match judged.why_not {
                None => (Ok(judged.props), judged.left_out),
                Some(why @ NoProps::NobodyThanked) => (Err(why), judged.left_out),
                Some(why) => (Err(why), Vec::new()),
            },
            Err(why) => (Err(why), Vec::new()),
        };
        Verdict { props, left_out }
    }

    /// Who thanks whom in a message, and whether that counts; or why it isn't about thanks at all.
    fn thanks_in<'r>(
        &self,
        message: &'r MessageRow,
        given: Option<&'r PropsRow>,
    ) -> Result<Judged<'r>, NoProps> {
        let deleted = message.deleted_at.is_some();
        let is_kept = given.is_some_and(|row| self.keeping.contains(&row.guild_id));
        let gone = (!is_kept && self.channels.is_deleted(message.channel_id))
            .then_some(NoProps::ChannelDeleted);
        let (judged, why_not) = match given {
            Some(row) => {
                let why_not = match row.withdrawn_at {
                    Some(_) => Some(NoProps::Withdrawn),
                    None => (deleted && !is_kept).then_some(NoProps::MessageDeleted),
                };
                (self.given_in(message.id, row), why_not)
            }
            None if deleted => return Err(gone.unwrap_or(NoProps::MessageDeleted)),
            None => {
                let author = giver_of(message, &self.bots).map_err(|why| gone.unwrap_or(why))?;
                if !self.channels.are_props(message.channel_id) {
                    return Err(gone.unwrap_or(NoProps::NoPropsChannel));
                }
                let limits = self.bounds(message);
                let commands_only = limits.is_some_and(|limits| limits.commands_only);
                let why_not = commands_only.then_some(NoProps::CommandsOnly);
                (self.written_in(message, author), why_not)
            }
        };
        Ok(Judged {
            why_not: gone.or(why_not).or(judged.why_not),
            ..judged
        })
    }

    /// What a member says that they did, and whom they mention, in a message of any channel.
    pub(super) fn done_in<'r>(&self, message: &'r MessageRow) -> Option<Props<'r>> {
        if message.deleted_at.is_some() || self.channels.is_deleted(message.channel_id) {
            return None;
        }
        let author = giver_of(message, &self.bots).ok()?;
        Some(self.written_in(message, author).props)
    }

    /// The emoji and the member of a reaction to props, or why it doesn't count.
    pub fn judge_reaction(&self, row: &ReactionRow) -> Result<(EmojiKey, UserId), NoReaction> {
        let member = self.members.get(row.user_id);
        if row.removed_at.is_some() {
            return Err(NoReaction::Removed);
        }
        if member.ok_or(NoReaction::ByUnknown)?.is_bot() {
            return Err(NoReaction::ByBot);
        }
        let emoji = emoji_of(row).ok_or(NoReaction::NoEmoji)?;
        Ok((emoji, row.user_id))
    }

    /// Whether an admin chose that a bot's posts are props.
    pub fn is_props_bot(&self, guild: GuildId, user: UserId) -> bool {
        self.bots.contains(&(guild, user))
    }

    /// The limits on giving props, and since when they apply.
    pub fn limits(&self, guild: GuildId) -> &'a [Limits] {
        self.limits.get(&guild).copied().unwrap_or_default()
    }

    /// The limits on a plain message at the time it was posted.
    fn bounds(&self, message: &MessageRow) -> Option<&'a Limits> {
        let author = message.author_id?;
        if self.is_props_bot(message.guild_id, author) {
            return None;
        }
        Limits::at(self.limits(message.guild_id), message.id.created_at())
    }

    /// Whether plain messages in this channel or thread may be props.
    pub fn is_props_channel(&self, id: ChannelId) -> bool {
        self.channels.are_props(id)
    }

    /// The name that others see. Raw: escape it before you show it.
    pub fn name(&self, user: UserId) -> String {
        self.members.name(user)
    }

    /// The text with names instead of ids; otherwise raw.
    pub fn named_in(&self, text: &str) -> String {
        self.members.named_in(text)
    }

    /// Whether a channel, or one that it is in, was deleted.
    pub fn is_deleted(&self, channel: ChannelId) -> bool {
        self.channels.is_deleted(channel)
    }

    /// Whether the user has a name: is known, and doesn't want to be hidden.
    pub fn is_somebody(&self, user: UserId) -> bool {
        self.members
            .get(user)
            .is_some_and(|member| !member.is_nobody())
    }

    /// Who thanks whom with a command.
    pub(super) fn given_in<'r>(&self, answer: MessageId, row: &'r PropsRow) -> Judged<'r> {
        let about = row.about_channel_id.zip(row.about_message_id);
        let props = Props {
            guild: row.guild_id,
            channel: row.channel_id,
            command: Some(row.id),
            emoji: None,
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

    /// Who thanks whom in a plain message.
    fn written_in<'r>(&self, message: &'r MessageRow, giver: UserId) -> Judged<'r> {
        let props = Props {
            guild: message.guild_id,
            channel: message.channel_id,
            command: None,
            emoji: None,
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

    fn received<'r>(
        &self,
        mut props: Props<'r>,
        thanked: impl Iterator<Item = Thanked>,
    ) -> Judged<'r> {
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
        let why_not = props.receivers.is_empty();
        Judged {
            why_not: why_not.then_some(NoProps::NobodyThanked),
            props,
            left_out,
        }
    }
}

/// Somebody who is thanked by a message.
struct Thanked {
    user: UserId,
    count: u32,
    /// By a mention, not only by a reply.
    named: bool,
    /// Only by an edit, more than this many minutes after the message was posted.
    late: Option<u32>,
}

/// Everything in a snapshot that gives thanks and counts.
pub(super) fn props<'a>(
    snapshot: &'a Snapshot,
    rules: &Rules<'_>,
) -> BTreeMap<ThanksKey, Props<'a>> {
    let all = judged(snapshot, rules).into_iter();
    let counted = all.filter(|(_, judged)| judged.why_not.is_none());
    counted
        .map(|(message, judged)| (message, judged.props))
        .collect()
}

/// Everything in a snapshot that gives thanks, counted or not.
pub(super) fn judged<'a>(
    snapshot: &'a Snapshot,
    rules: &Rules<'_>,
) -> BTreeMap<ThanksKey, Judged<'a>> {
    let answers = by_answer(snapshot);
    let mut all = reaction_thanks::judged(snapshot, rules);
    for message in &snapshot.messages {
        let given = answers.get(&message.id).copied();
        if let Ok(judged) = rules.thanks_in(message, given) {
            all.insert(ThanksKey::of_message(message.id), judged);
        }
    }
    let mut quotas = Quotas::new(rules);
    for judged in all.values_mut() {
        if judged.why_not.is_none() {
            judged.why_not = quotas.take(&QuotaEntry::from(&judged.props));
        }
    }
    for reaction in &snapshot.reactions {
        if let Some(on) = all.get_mut(&ThanksKey::of_message(reaction.message_id))
            && on.why_not.is_none()
        {
            on.props.reactions.extend(rules.judge_reaction(reaction));
        }
    }
    all
}

/// The rows of `/props` by the bot's answer. An answer belongs to one run: if several rows claim it, the
/// first one has it.
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

/// The members of guilds where certain roles can give by reaction, by guild.
fn givers(snapshot: &Snapshot) -> BTreeMap<(GuildId, UserId), &MemberRow> {
    let mut guilds = snapshot.guilds.iter();
    let has_roles = |guild: &GuildRow| {
        let mut states = guild.reaction_thanks.iter();
        states.any(|state| !state.giver_roles.is_empty())
    };
    if !guilds.any(has_roles) {
        return BTreeMap::new();
    }
    let rows = snapshot.members.iter();
    rows.map(|row| ((row.guild_id, row.user_id), row)).collect()
}

pub(super) fn props_bots(snapshot: &Snapshot) -> BTreeSet<(GuildId, UserId)> {
    let mut bots = BTreeSet::new();
    for guild in &snapshot.guilds {
        bots.extend(guild.props_bots.iter().map(|bot| (guild.id, *bot)));
    }
    bots
}

/// The person, or the chosen bot, who wrote a message; or why it can't give props.
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

/// Whether a plain message in a props channel may be props: a person or one of these bots wrote it, and it
/// mentions somebody.
pub(super) fn may_be_given(message: &MessageRow, bots: &BTreeSet<(GuildId, UserId)>) -> bool {
    giver_of(message, bots).is_ok() && !message.mentions.is_empty()
}
