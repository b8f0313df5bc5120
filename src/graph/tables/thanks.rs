//! `thanks`: who thanked whom, and whether that counts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CHANNEL_ID, GUILD_ID, column};
use crate::{
    NoProps, NotReceived, PropsRowFilter, Rules,
    props::{Judged, judged},
};
use propsbot_archive::{
    Column,
    Kind::{self, Bool, Integer, OneOf, Text, Time},
    Millis,
    Presence::{Nullable, Required},
    ReadError, RowSource,
};
use propsbot_model::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use propsbot_rows::Snapshot;

/// The columns of [`ThanksRow`].
pub const THANKS: &[Column] = &[
    GUILD_ID,
    CHANNEL_ID,
    column(
        "message_id",
        Kind::Id,
        Nullable,
        "the message that gives thanks, or has the reaction that does; null if the archive has none for the command",
    ),
    column(
        "command_id",
        Kind::Id,
        Nullable,
        "the `id` in `props` if a command gave them",
    ),
    column("giver_id", Kind::User, Required, ""),
    column("receiver_id", Kind::User, Required, ""),
    column(
        "dated_at",
        Time,
        Required,
        "the date in a graph: when the message was posted that they thank for, or else `given_at`",
    ),
    column(
        "given_at",
        Time,
        Required,
        "when the message that gives thanks was posted, the command run, or the reaction added, as far as that is known (its row's time)",
    ),
    column(
        "about_channel_id",
        Kind::Id,
        Nullable,
        "the channel of the message that they thank for, if that is another one",
    ),
    column(
        "about_message_id",
        Kind::Id,
        Nullable,
        "the message that they thank for, if it is another one",
    ),
    column("reason", Text, Required, "what for, as Discord has it"),
    column(
        "origin",
        OneOf(&["command", "message", "reaction"]),
        Required,
        "a command gave them, a message in a props channel, or a reaction that is thanks",
    ),
    column(
        "times",
        Integer,
        Required,
        "how often the message names the receiver, which a graph weighs; 0 if it doesn't count",
    ),
    column(
        "reactions",
        Integer,
        Required,
        "how many reactions to the message count; 0 if it doesn't itself",
    ),
    column(
        "counted",
        Bool,
        Required,
        "the graph and the leaderboard count it",
    ),
    column(
        "why_not",
        OneOf(WhyNot::NAMES),
        Nullable,
        "why it isn't counted",
    ),
];

/// Somebody whom a command names, or whom a message mentions that a member, or one of the guild's
/// `props_bots`, wrote in a props channel, or to whose message a member reacted with thanks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThanksRow {
    pub guild_id: GuildId,
    pub channel_id: ChannelId,
    /// The message that gives thanks.
    pub message_id: Option<MessageId>,
    /// The command's run.
    pub command_id: Option<InteractionId>,
    pub giver_id: UserId,
    pub receiver_id: UserId,
    /// When the contribution was made, which is its date in a graph.
    pub dated_at: Millis,
    /// When thanks were given.
    pub given_at: Millis,
    /// The channel of the thanked-for message.
    pub about_channel_id: Option<ChannelId>,
    /// The thanked-for message.
    pub about_message_id: Option<MessageId>,
    /// What for, raw.
    pub reason: String,
    pub origin: Origin,
    /// How often the receiver is named; 0 if not counted.
    pub times: u32,
    /// How many reactions count; 0 if not counted.
    pub reactions: u32,
    pub counted: bool,
    pub why_not: Option<WhyNot>,
}

/// How thanks were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Command,
    Message,
    Reaction,
}

/// Why thanks don't count. What is about the receiver comes before what is about the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// The receiver is the giver.
    ToSelf,
    /// The receiver isn't among the members.
    Unknown,
    /// The receiver is a bot that the message only replies to.
    BotAnswered,
    /// The receiver was first mentioned by an edit that came too late.
    AddedLate,
    /// The archive doesn't have the message that the command posted.
    NoMessage,
    ChannelDeleted,
    MessageDeleted,
    /// The giver took them back.
    Withdrawn,
    /// Only commands could give props.
    CommandsOnly,
    /// The message or reaction exceeds the giver's quota.
    OverQuota,
    /// The giver of a reaction has no role that can give.
    MayNotGive,
    /// The giver of a reaction thanked the receiver too short a time before.
    TooSoon,
}

impl WhyNot {
    const NAMES: &'static [&'static str] = &[
        "to_self",
        "unknown",
        "bot_answered",
        "added_late",
        "no_message",
        "channel_deleted",
        "message_deleted",
        "withdrawn",
        "commands_only",
        "over_quota",
        "may_not_give",
        "too_soon",
    ];

    fn of_message(why: NoProps) -> Option<Self> {
        match why {
            NoProps::ChannelDeleted => Some(Self::ChannelDeleted),
            NoProps::MessageDeleted => Some(Self::MessageDeleted),
            NoProps::Withdrawn => Some(Self::Withdrawn),
            NoProps::CommandsOnly => Some(Self::CommandsOnly),
            NoProps::OverQuota(_) => Some(Self::OverQuota),
            NoProps::MayNotGive => Some(Self::MayNotGive),
            NoProps::TooSoon(_) => Some(Self::TooSoon),
            // Nobody in it receives anything, so there is no receiver to explain it to.
            NoProps::NobodyThanked
            | NoProps::NoPropsChannel
            | NoProps::ByWebhook
            | NoProps::ByBot
            | NoProps::NotWritten => None,
        }
    }
}

impl From<NotReceived> for WhyNot {
    fn from(why: NotReceived) -> Self {
        match why {
            NotReceived::Giver => Self::ToSelf,
            NotReceived::Unknown => Self::Unknown,
            NotReceived::BotAnswered => Self::BotAnswered,
            NotReceived::AddedLate(_) => Self::AddedLate,
        }
    }
}

/// The thanks in the rows of a guild. What doesn't count is there, too.
///
/// # Errors
/// Rows that can't be read.
pub fn thanks(rows: &dyn RowSource) -> Result<Vec<ThanksRow>, ReadError> {
    let snapshot = Snapshot::of(rows, PropsRowFilter::new)?;
    let rules = Rules::new(&snapshot);
    let judged = judged(&snapshot, &rules);
    let mut thanks = Vec::new();
    let mut answered = BTreeSet::new();
    for (key, given) in &judged {
        answered.extend(given.props.command);
        let why_not = given.why_not.and_then(WhyNot::of_message);
        thanks.extend(receivers(given, Some(key.message), why_not));
    }
    for row in &snapshot.props {
        if !answered.contains(&row.id) {
            let why_not = match row.withdrawn_at {
                Some(_) => WhyNot::Withdrawn,
                None => WhyNot::NoMessage,
            };
            let given = rules.given_in(MessageId(row.id.0), row);
            thanks.extend(receivers(&given, None, Some(why_not)));
        }
    }
    Ok(thanks)
}

/// A row for everyone who is thanked in a message; `why_not` is why those who would receive don't.
fn receivers(
    Judged {
        props, left_out, ..
    }: &Judged<'_>,
    message_id: Option<MessageId>,
    why_not: Option<WhyNot>,
) -> Vec<ThanksRow> {
    let row = |receiver_id: UserId, times: u32, why_not: Option<WhyNot>| {
        let counted = why_not.is_none();
        let reactions = u32::try_from(props.reactions.len()).unwrap_or(u32::MAX);
        ThanksRow {
            guild_id: props.guild,
            channel_id: props.channel,
            message_id,
            command_id: props.command,
            giver_id: props.giver,
            receiver_id,
            dated_at: props.at,
            given_at: props.given,
            about_channel_id: props.about.map(|(channel, _)| channel),
            about_message_id: props.about.map(|(_, message)| message),
            reason: props.reason.to_owned(),
            origin: match props.command {
                Some(_) => Origin::Command,
                None if props.emoji.is_some() => Origin::Reaction,
                None => Origin::Message,
            },
            times: if counted { times } else { 0 },
            reactions: if counted { reactions } else { 0 },
            counted,
            why_not,
        }
    };
    let receivers = props.receivers.iter();
    let receivers = receivers.map(|(user, times)| row(*user, *times, why_not));
    let left_out = left_out.iter();
    receivers
        .chain(left_out.map(|(user, why)| row(*user, 0, Some((*why).into()))))
        .collect()
}
