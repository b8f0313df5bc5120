//! How whole the mirror is: what `/sync-status` and `propsbot status` show.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use propsbot_jobs::{
    UNREADABLE,
    audit::Pace,
    export::{ExportReport, LastExport},
    progress::{Phase, Progress},
};
use propsbot_model::{
    ChannelId, Class, Coverage, Drift, Evidence, FailureObject, GuildId, MessageId, Millis,
    Pending, counted,
};
use propsbot_store::{Store, StoreError};

/// The state of a guild's mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuildStatus {
    /// The guild.
    pub id: GuildId,
    /// What it is called.
    pub name: String,
    /// When each class of data was last complete, ms since 1970; `None` if never.
    pub synced: BTreeMap<Class, Option<Millis>>,
    /// Members now.
    pub members: u64,
    /// Sums over all channels.
    pub totals: Totals,
    /// Every channel and thread with messages, those with most messages first.
    pub channels: Vec<ChannelStatus>,
    /// Lists of reactors still to be fetched. Those that Discord refuses are among the failures, those
    /// that contradict its counts among the contradictions.
    pub pending_lists: u64,
    /// Lists of reactors that are not as long as Discord counts, asked for twice.
    pub contradictions: Vec<ContradictionStatus>,
    /// Until when history is known, however old.
    pub history: HistoryStatus,
    /// The audit of older history.
    pub audit: AuditStatus,
    /// The last export, of all guilds together; `None` if there was none.
    pub export: Option<LastExport>,
    /// What could not be fetched.
    pub failures: Vec<FailureStatus>,
    /// What is being done now.
    pub doing: String,
}

/// How much is in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Messages that stand.
    pub messages: u64,
    /// Messages known to be deleted.
    pub deleted: u64,
    /// Reactions that stand.
    pub reactions: u64,
    /// Props given with commands.
    pub props: u64,
    /// Messages whose text Discord kept from the bot.
    pub texts_missing: u64,
}

impl Totals {
    /// Adds another channel's.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.deleted += other.deleted;
        self.reactions += other.reactions;
        self.props += other.props;
        self.texts_missing += other.texts_missing;
    }
}

/// The state of a channel's or thread's mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// The channel.
    pub id: ChannelId,
    /// Of a thread: the channel that it is in.
    pub parent: Option<ChannelId>,
    /// What it is called.
    pub name: String,
    /// How much of it is in the store.
    #[serde(flatten)]
    pub totals: Totals,
    /// What is known to be complete.
    pub coverage: CoverageStatus,
    /// The stretches of ids that are, how each became known (`gateway`: heard as it was posted,
    /// `rest`: fetched), and since when. What is in none is unknown.
    pub intervals: Vec<IntervalStatus>,
}

/// A stretch of ids of which every message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IntervalStatus {
    /// The last id before it.
    pub after: MessageId,
    /// Its last id.
    pub to: MessageId,
    /// How it became known.
    pub by: Evidence,
    /// Since when all of it is.
    pub since: Millis,
}

/// What of a channel is known to be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum CoverageStatus {
    /// All of it, and new messages arrive as they are posted.
    Live,
    /// All of it up to this message.
    Complete {
        /// The last message that is known to be there.
        to: MessageId,
    },
    /// Parts of it: this many stretches of ids are missing.
    Partial {
        /// How many.
        gaps: usize,
    },
    /// All of it: nothing was posted yet.
    Empty,
    /// Nothing yet.
    Unknown,
    /// The bot may not read it.
    Unreadable,
}

/// Until when all history is known, however old the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoryStatus {
    /// Until when every edit, deletion and reaction is known. What changed later in messages older than
    /// a look-back reads is found only when history is read again. `None` before the first look.
    pub known_until: Option<Millis>,
    /// When all history was last read again from end to end; `None` if never.
    pub reread: Option<Millis>,
}

/// How far the audit of older history is, and what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditStatus {
    /// Whether there is one; it goes on only while the bot runs.
    pub on: bool,
    /// How much of the guild's part of all requests it takes, per mille.
    pub share: u16,
    /// The round that is under way, or was the last one; 0 before the first.
    pub round: u64,
    /// Requests that this round has made for pages of messages and threads.
    pub pages_done: u64,
    /// Those that a round takes, as far as is known.
    pub pages_estimated: u64,
    /// The channel or thread that is being read; `None` between two rounds.
    pub channel: Option<ChannelId>,
    /// When a round was last finished.
    pub finished: Option<Millis>,
    /// Within how many seconds, while the bot runs, a change is found that messages and their counts
    /// show; `None` if there is no audit.
    pub shown_within: Option<u64>,
    /// Within how many seconds, while the bot runs, any change is found: also one member's reaction
    /// in the place of another's.
    pub found_within: Option<u64>,
    /// What was found ever, by looking back too.
    pub drift: Drift,
    /// What of it was found since this round began.
    pub round_drift: Drift,
}

/// A list of reactors that is not as long as Discord counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContradictionStatus {
    /// The message's channel or thread.
    pub channel: ChannelId,
    /// The message.
    pub message: MessageId,
    /// The emoji: its text, or a custom one's id.
    pub emoji: String,
    /// Normal or burst.
    pub burst: bool,
    /// Reactions that Discord counts.
    pub counted: u64,
    /// Users that it lists.
    pub listed: u64,
    /// Since when it has listed just these.
    pub since: Millis,
    /// Whether the list is believed, since it was the same an hour apart. Until then the message is
    /// not complete.
    pub settled: bool,
}

/// What could not be fetched, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureStatus {
    /// What.
    pub object: String,
    /// Why.
    pub reason: String,
    /// How often in a row.
    pub times: u32,
    /// When, the last time.
    pub at: Millis,
}

/// The state of a guild's mirror; what is being done is told by whoever does it, and where nobody
/// does, nobody listens.
pub fn of_guild(
    store: &Store,
    guild: GuildId,
    progress: Option<&Progress>,
    is_mirrored: &dyn Fn(GuildId) -> bool,
) -> Result<GuildStatus, StoreError> {
    let _reading = store.reading();
    let listening = progress.is_some();
    let session = store.session(guild)?.number;
    let coverage = store.coverage()?;
    let failures = store.failures(guild)?;
    let unreadable: BTreeSet<ChannelId> = failures
        .iter()
        .filter(|failure| failure.reason == UNREADABLE)
        .filter_map(|failure| match failure.object {
            FailureObject::Channel(id) => Some(id),
            _ => None,
        })
        .collect();
    let tallies: BTreeMap<ChannelId, Totals> = store
        .tallies(guild)?
        .into_iter()
        .map(|tally| {
            (
                tally.channel_id,
                Totals {
                    messages: tally.messages,
                    deleted: tally.deleted,
                    reactions: tally.reactions,
                    props: tally.props,
                    texts_missing: tally.texts_missing,
                },
            )
        })
        .collect();
    let mut channels = Vec::new();
    let mut totals = Totals::default();
    for part in store.channels(guild)? {
        let Some(channel) = part
            .state
            .now()
            .filter(|channel| channel.kind.has_messages())
        else {
            continue;
        };
        let of_channel = tallies.get(&channel.id).copied().unwrap_or_default();
        totals.add(&of_channel);
        let covered = match coverage.get(&channel.id) {
            _ if unreadable.contains(&channel.id) => CoverageStatus::Unreadable,
            None => CoverageStatus::Unknown,
            Some(coverage) => {
                // In the command line nobody listens, whatever the last session was.
                let live = coverage
                    .live
                    .filter(|live| listening && live.session == session);
                let end = live.map_or(coverage.top(), |live| live.after.max(coverage.top()));
                match coverage.gaps(end).len() {
                    0 if live.is_some() => CoverageStatus::Live,
                    0 if end.0 == 0 => CoverageStatus::Empty,
                    0 => CoverageStatus::Complete { to: end },
                    gaps => CoverageStatus::Partial { gaps },
                }
            }
        };
        channels.push(ChannelStatus {
            id: channel.id,
            parent: channel.thread_parent(),
            name: channel.name.clone(),
            totals: of_channel,
            coverage: covered,
            intervals: coverage.get(&channel.id).map(intervals).unwrap_or_default(),
        });
    }
    let audit = audit(store, guild, is_mirrored)?;
    channels.sort_by_key(|channel| (std::cmp::Reverse(channel.totals.messages), channel.id));
    let lists = store.pending(guild)?;
    let pending = lists
        .iter()
        .filter(|list| list.is_missing() && list.contradiction.is_none() && list.refused == 0);
    Ok(GuildStatus {
        id: guild,
        name: name(store, guild)?,
        synced: synced(store, guild)?,
        members: store
            .members(guild)?
            .iter()
            .filter(|member| member.presence.now().is_some())
            .count() as u64,
        totals,
        channels,
        history: history(store, guild)?,
        pending_lists: pending.count() as u64,
        contradictions: lists.iter().filter_map(contradiction).collect(),
        audit,
        export: ExportReport::of(store)?.last,
        failures: failures
            .into_iter()
            .filter(|failure| failure.reason != UNREADABLE)
            .map(|failure| FailureStatus {
                object: failure.object.to_string(),
                reason: failure.reason,
                times: failure.times,
                at: failure.at,
            })
            .collect(),
        doing: doing(guild, progress),
    })
}

fn contradiction(list: &Pending) -> Option<ContradictionStatus> {
    let of = list.contradiction?;
    Some(ContradictionStatus {
        channel: list.channel_id,
        message: list.message_id,
        emoji: list.emoji.key.to_string(),
        burst: list.burst,
        counted: list.count,
        listed: of.listed,
        since: of.since.millis(),
        settled: of.settled,
    })
}

fn intervals(coverage: &Coverage) -> Vec<IntervalStatus> {
    let known = coverage.intervals.iter().map(|interval| IntervalStatus {
        after: interval.after,
        to: interval.to,
        by: interval.by,
        since: interval.since.millis(),
    });
    known.collect()
}

fn audit(
    store: &Store,
    guild: GuildId,
    is_mirrored: &dyn Fn(GuildId) -> bool,
) -> Result<AuditStatus, StoreError> {
    let settings = store.settings(guild)?;
    let audit = store.audit(guild)?;
    let walk = audit.walk.map(|walk| walk.value);
    let channels = store.channels(guild)?;
    let mut ids = channels.iter().filter_map(|channel| channel.state.now());
    let under_way = walk.filter(|walk| walk.finished.is_none());
    let channel = under_way.and_then(|walk| ids.find(|channel| channel.id >= walk.place));
    let pace = Pace::of(store, guild, is_mirrored)?;
    Ok(AuditStatus {
        on: pace.found_within().is_some(),
        share: settings.audit_share,
        round: walk.map_or(0, |walk| walk.round),
        pages_done: walk.map_or(0, |walk| walk.requests),
        pages_estimated: pace.pages,
        channel: channel.map(|channel| channel.id),
        finished: audit.last.and_then(|round| round.finished),
        shown_within: pace.shown_within().map(|time| time.as_secs()),
        found_within: pace.found_within().map(|time| time.as_secs()),
        drift: audit.drift,
        round_drift: audit.drift.since(audit.drift_before),
    })
}

fn history(store: &Store, guild: GuildId) -> Result<HistoryStatus, StoreError> {
    let is_known = store
        .synced(guild)?
        .iter()
        .any(|synced| synced.class == Class::Guild);
    let known = store.history_known_until(guild)?.millis();
    Ok(HistoryStatus {
        known_until: is_known.then_some(known),
        reread: store.audit(guild)?.last_reread(),
    })
}

fn name(store: &Store, guild: GuildId) -> Result<String, StoreError> {
    let part = store.guild(guild)?;
    Ok(part
        .and_then(|guild| guild.state.ever().map(|guild| guild.name.clone()))
        .unwrap_or_default())
}

fn synced(store: &Store, guild: GuildId) -> Result<BTreeMap<Class, Option<Millis>>, StoreError> {
    let mut all: BTreeMap<_, _> = Class::ALL.into_iter().map(|class| (class, None)).collect();
    for synced in store.synced(guild)? {
        all.insert(synced.class, Some(synced.at.millis()));
    }
    Ok(all)
}

fn doing(guild: GuildId, progress: Option<&Progress>) -> String {
    let Some(progress) = progress else {
        return "not running".to_owned();
    };
    match (&progress.guild, progress.phase) {
        (Some((of, _)), Phase::Discovering) if *of == guild => {
            "listing channels, threads and members".to_owned()
        }
        (Some((of, _)), Phase::Fetching) if *of == guild => format!(
            "fetching history: {} of {} done, {}, {} of {}, {}",
            progress.channels_done,
            counted(progress.channels, "channel"),
            counted(progress.messages, "message"),
            progress.lists_done,
            counted(progress.lists, "reaction list"),
            progress.time_left(),
        ),
        (Some((of, _)), Phase::Waiting) if *of == guild => {
            "waiting to retry what failed".to_owned()
        }
        _ => "listening".to_owned(),
    }
}
