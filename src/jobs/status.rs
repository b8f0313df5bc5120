//! How complete the mirror is: what `/sync-status` and `propsbot status` show.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    progress::{Phase, Progress},
    scrub::Pace,
};
use propsbot_discord::Shards;
use propsbot_mirror::FinishedExport;
use propsbot_model::{
    Channel, ChannelId, Class, Coverage, Drift, Evidence, FailureObject, GuildId, MessageId,
    Millis, Pending, Reason, Stamp, Tally, counted,
};
use propsbot_store::{Reader, Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuildStatus {
    pub id: GuildId,
    pub name: String,
    /// Until when the mirror is known to follow Discord: the later one of the last complete sync and of
    /// the gateway's last event; `None` if there was neither.
    #[serde(skip)]
    pub current: Option<Millis>,
    /// When each class of data was last complete, ms since 1970; `None` if never.
    pub synced: BTreeMap<Class, Option<Millis>>,
    /// How many members the guild has now.
    pub members: u64,
    /// Sums over all channels.
    pub totals: Totals,
    /// Every channel and thread with messages, sorted by their count, descending.
    pub channels: Vec<ChannelStatus>,
    /// How many reaction lists are still to fetch. Lists that Discord refuses count as failures, lists
    /// that contradict its counts as contradictions.
    pub pending_lists: u64,
    /// Reaction lists whose length differs from Discord's count even when fetched again.
    pub contradictions: Vec<ContradictionStatus>,
    pub history: HistoryStatus,
    pub scrub: ScrubStatus,
    /// The last export, of all guilds together; `None` if there was none.
    pub export: Option<FinishedExport>,
    /// What couldn't be fetched.
    pub failures: Vec<FailureStatus>,
    /// The current work, in words.
    pub doing: String,
    /// The bot's shards, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardsStatus>,
}

/// How many of the bot's shards are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShardsStatus {
    pub connected: usize,
    pub all: u32,
}

impl ShardsStatus {
    /// Returns the status of several shards; `None` if there are fewer.
    pub fn of(shards: &Shards) -> Option<Self> {
        let count = shards.count();
        (count.all > 1).then_some(Self {
            connected: count.connected,
            all: count.all,
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Messages that aren't deleted.
    pub messages: u64,
    /// Messages known to be deleted.
    pub deleted: u64,
    /// Reactions that aren't removed.
    pub reactions: u64,
    /// Props given with commands.
    pub props: u64,
    /// Messages whose text Discord withheld.
    pub texts_missing: u64,
}

impl From<&Tally> for Totals {
    fn from(tally: &Tally) -> Self {
        Self {
            messages: tally.messages,
            deleted: tally.deleted,
            reactions: tally.reactions,
            props: tally.props,
            texts_missing: tally.texts_missing,
        }
    }
}

impl Totals {
    /// Adds another channel's counts.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.deleted += other.deleted;
        self.reactions += other.reactions;
        self.props += other.props;
        self.texts_missing += other.texts_missing;
    }
}

/// The sync status of a channel or thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    pub id: ChannelId,
    /// The channel of a thread.
    pub parent: Option<ChannelId>,
    pub name: String,
    #[serde(flatten)]
    pub totals: Totals,
    pub coverage: CoverageStatus,
    /// The complete id ranges, with their source (`gateway` or `rest`) and since when. All other
    /// ids are unknown.
    pub intervals: Vec<IntervalStatus>,
}

/// A range of ids in which every message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IntervalStatus {
    /// The last id before the range.
    pub after: MessageId,
    /// The last id of the range.
    pub to: MessageId,
    /// Where its messages came from.
    pub by: Evidence,
    /// Since when it's complete.
    pub since: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum CoverageStatus {
    /// Complete, and new messages arrive through the gateway.
    Live,
    /// Complete up to this message.
    Complete {
        /// The last known message.
        to: MessageId,
    },
    /// Some ranges of ids are missing.
    Partial {
        /// How many ranges are missing.
        gaps: usize,
    },
    /// Complete: it has no messages.
    Empty,
    /// Nothing is fetched yet.
    Unknown,
    /// The bot has no permission to read it.
    Unreadable,
}

/// Up to when changes to history are known, however old the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoryStatus {
    /// Up to when every edit, deletion and reaction is known. Later changes to messages older than the
    /// look-back are found only by re-reading history. `None` before the first sync.
    pub known_until: Option<Millis>,
    /// When all history was last re-read from end to end; `None` if never.
    pub reread: Option<Millis>,
}

/// The progress of the scrub of older history, and what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScrubStatus {
    /// Whether it's switched on. It only works while the bot runs.
    pub on: bool,
    /// Its share of the guild's requests, in thousandths.
    pub share: u16,
    /// The current or last round; 0 before the first.
    pub round: u64,
    /// How many pages of messages and threads this round has requested.
    pub pages_done: u64,
    /// An estimate of the pages that a round requests.
    pub pages_estimated: u64,
    /// The channel or thread being read; `None` between rounds.
    pub channel: Option<ChannelId>,
    /// When the last round finished.
    pub finished: Option<Millis>,
    /// The seconds within which a change that messages or their counts show is found while the bot
    /// runs; `None` if it's switched off.
    pub shown_within: Option<u64>,
    /// The same for any change, even one member's reaction replaced by another's.
    pub found_within: Option<u64>,
    /// All missed changes found so far, also by look-backs.
    pub drift: Drift,
    /// The missed changes found since this round began.
    pub round_drift: Drift,
}

/// A reaction list whose length differs from Discord's count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContradictionStatus {
    /// The channel or thread of the message.
    pub channel: ChannelId,
    pub message: MessageId,
    /// The emoji's text, or a custom emoji's id.
    pub emoji: String,
    /// Whether these are burst reactions.
    pub burst: bool,
    /// How many reactions Discord counts.
    pub counted: u64,
    /// How many users it lists.
    pub listed: u64,
    /// Since when the list has been the same.
    pub since: Millis,
    /// Whether the list is final because it was the same an hour apart. Until then, the message is
    /// incomplete.
    pub settled: bool,
}

/// An object that couldn't be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureStatus {
    pub object: String,
    pub reason: String,
    /// How often it failed in a row.
    pub times: u32,
    /// When it last failed.
    pub at: Millis,
}

impl GuildStatus {
    /// What the mirror of the guild lacks, a line each; empty if it is complete.
    pub fn lacks(&self) -> Vec<String> {
        let is_partial = |channel: &&ChannelStatus| {
            use CoverageStatus::{Partial, Unknown};
            matches!(channel.coverage, Partial { .. } | Unknown)
        };
        let partial = self.channels.iter().filter(is_partial).count() as u64;
        let unsettled = self.contradictions.iter().filter(|list| !list.settled);
        let unsettled = unsettled.count() as u64;
        let never = self.synced.values().all(Option::is_none);
        let lacks = [
            never.then(|| "it was never completely fetched".to_owned()),
            lack(partial, "channel", "whose messages are not all there"),
            lack(self.pending_lists, "reaction list", "still to fetch"),
            lack(
                unsettled,
                "reaction list",
                "that contradict Discord's count",
            ),
            lack(
                self.failures.len() as u64,
                "object",
                "that could not be fetched",
            ),
        ];
        lacks.into_iter().flatten().collect()
    }
}

fn lack(count: u64, what: &str, why: &str) -> Option<String> {
    (count > 0).then(|| format!("{} {why}", counted(count, what)))
}

/// The channels and threads of a guild that have messages, and how much of each is known. A channel can
/// be live only while the bot is `listening`.
pub(super) fn coverages(
    store: &Reader,
    guild: GuildId,
    listening: bool,
) -> Result<Vec<(Channel, CoverageStatus)>, StoreError> {
    let session = store.session(guild)?.number;
    let coverage = store.coverage(guild)?;
    let unreadable: BTreeSet<ChannelId> = store
        .failures(guild)?
        .iter()
        .filter(|failure| failure.reason == Reason::Unreadable)
        .filter_map(|failure| match failure.object {
            FailureObject::Channel(id) => Some(id),
            _ => None,
        })
        .collect();
    let status = |channel: &Channel| match coverage.get(&channel.id) {
        _ if unreadable.contains(&channel.id) => CoverageStatus::Unreadable,
        None => CoverageStatus::Unknown,
        Some(coverage) => {
            // The command line has no gateway session, so no channel is live there.
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
    let channels = store.channels(guild)?.into_iter();
    let present = channels.filter_map(|channel| channel.state.now().cloned());
    let with_messages = present.filter(|channel| channel.kind.has_messages());
    Ok(with_messages
        .map(|channel| {
            let status = status(&channel);
            (channel, status)
        })
        .collect())
}

/// The sync status of a guild, without the bot's shards. `progress` is `None` when the bot isn't
/// running.
pub fn of_guild(
    store: &Store,
    guild: GuildId,
    progress: Option<&Progress>,
    is_mirrored: &dyn Fn(GuildId) -> bool,
) -> Result<GuildStatus, StoreError> {
    let store = &store.view();
    let failures = store.failures(guild)?;
    let coverage = store.coverage(guild)?;
    let tallies = store.tallies(guild)?.into_iter();
    let tallies: BTreeMap<ChannelId, Totals> = tallies
        .map(|tally| (tally.channel_id, Totals::from(&tally)))
        .collect();
    let mut channels = Vec::new();
    let mut totals = Totals::default();
    for (channel, covered) in coverages(store, guild, progress.is_some())? {
        let of_channel = tallies.get(&channel.id).copied().unwrap_or_default();
        totals.add(&of_channel);
        channels.push(ChannelStatus {
            id: channel.id,
            parent: channel.thread_parent(),
            name: channel.name,
            totals: of_channel,
            coverage: covered,
            intervals: coverage.get(&channel.id).map(intervals).unwrap_or_default(),
        });
    }
    let scrub = scrub(store, guild, is_mirrored)?;
    channels.sort_by_key(|channel| (std::cmp::Reverse(channel.totals.messages), channel.id));
    let lists = store.pending(guild)?;
    let pending = lists.iter().filter(|list| list.is_to_fetch());
    Ok(GuildStatus {
        id: guild,
        name: name(store, guild)?,
        current: current(store, guild)?,
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
        scrub,
        export: store.export_report()?.last,
        failures: failures
            .into_iter()
            .filter(|failure| failure.reason != Reason::Unreadable)
            .map(|failure| FailureStatus {
                object: failure.object.to_string(),
                reason: failure.reason.to_string(),
                times: failure.times,
                at: failure.at,
            })
            .collect(),
        doing: doing(guild, progress),
        shards: None,
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

fn scrub(
    store: &Reader,
    guild: GuildId,
    is_mirrored: &dyn Fn(GuildId) -> bool,
) -> Result<ScrubStatus, StoreError> {
    let settings = store.settings(guild)?;
    let scrub = store.scrub(guild)?;
    let walk = scrub.walk.map(|walk| walk.value);
    let channels = store.channels(guild)?;
    let mut ids = channels.iter().filter_map(|channel| channel.state.now());
    let under_way = walk.filter(|walk| walk.finished.is_none());
    let channel = under_way.and_then(|walk| ids.find(|channel| channel.id >= walk.place));
    let pace = Pace::of(store, guild, is_mirrored)?;
    Ok(ScrubStatus {
        on: pace.found_within().is_some(),
        share: settings.scrub_share,
        round: walk.map_or(0, |walk| walk.round),
        pages_done: walk.map_or(0, |walk| walk.requests),
        pages_estimated: pace.pages,
        channel: channel.map(|channel| channel.id),
        finished: scrub.last.and_then(|round| round.finished),
        shown_within: pace.shown_within().map(|time| time.as_secs()),
        found_within: pace.found_within().map(|time| time.as_secs()),
        drift: scrub.drift,
        round_drift: scrub.drift.since(scrub.drift_before),
    })
}

fn history(store: &Reader, guild: GuildId) -> Result<HistoryStatus, StoreError> {
    let is_known = store
        .synced(guild)?
        .iter()
        .any(|synced| synced.class == Class::Guild);
    let known = store.history_known_until(guild)?.millis();
    Ok(HistoryStatus {
        known_until: is_known.then_some(known),
        reread: store.scrub(guild)?.last_reread(),
    })
}

fn name(store: &Reader, guild: GuildId) -> Result<String, StoreError> {
    let part = store.guild(guild)?;
    Ok(part
        .and_then(|guild| guild.state.ever().map(|guild| guild.name.clone()))
        .unwrap_or_default())
}

fn current(store: &Reader, guild: GuildId) -> Result<Option<Millis>, StoreError> {
    let unheard = store.session(guild)?.unheard;
    let heard = store.last_event()?;
    let heard = heard.map(|heard| unheard.map_or(heard, |unheard| unheard.min(heard)));
    let synced = store.synced(guild)?;
    let is_whole = synced.len() == Class::ALL.len();
    let synced = synced.into_iter().map(|synced| synced.at).min();
    let current = heard.max(synced.filter(|_| is_whole));
    Ok(current.map(Stamp::millis))
}

fn synced(store: &Reader, guild: GuildId) -> Result<BTreeMap<Class, Option<Millis>>, StoreError> {
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
