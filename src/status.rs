//! How whole the mirror is: what `/sync-status` and `propsbot status` show.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    jobs::progress::{Phase, Progress},
    model::{ChannelId, Class, Coverage, Evidence, FailureObject, GuildId, MessageId, Millis},
    store::{Store, StoreError},
};

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
    /// Lists of reactors still to be fetched.
    pub pending_lists: u64,
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
}

/// The state of a channel's or thread's mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// The channel.
    pub id: ChannelId,
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

/// Why a channel is not mirrored, in the words under which it is recorded.
pub const UNREADABLE: &str =
    "the bot lacks View Channel or Read Message History (in voice channels also Connect) here";

/// The state of a guild's mirror; what is being done is told by whoever does it, and where nobody
/// does, nobody listens.
pub fn of_guild(
    store: &Store,
    guild: GuildId,
    progress: Option<&Progress>,
) -> Result<GuildStatus, StoreError> {
    let _reading = store.reading();
    let listening = progress.is_some();
    let session = store.session(guild)?;
    let coverage = store.coverage()?;
    let failures = store.failures(guild)?;
    let unreadable: BTreeSet<ChannelId> = failures
        .iter()
        .filter(|it| it.reason == UNREADABLE)
        .filter_map(|it| match it.object {
            FailureObject::Channel(id) => Some(id),
            _ => None,
        })
        .collect();
    let tallies: BTreeMap<ChannelId, Totals> = store
        .tallies(guild)?
        .into_iter()
        .map(|it| {
            (
                it.channel_id,
                Totals {
                    messages: it.messages,
                    deleted: it.deleted,
                    reactions: it.reactions,
                    props: it.props,
                },
            )
        })
        .collect();
    let mut channels = Vec::new();
    let mut totals = Totals::default();
    for part in store.channels(guild)? {
        let Some(channel) = part.state.now().filter(|it| it.kind.has_messages()) else {
            continue;
        };
        let of_channel = tallies.get(&channel.id).copied().unwrap_or_default();
        totals.messages += of_channel.messages;
        totals.deleted += of_channel.deleted;
        totals.reactions += of_channel.reactions;
        totals.props += of_channel.props;
        let covered = match coverage.get(&channel.id) {
            _ if unreadable.contains(&channel.id) => CoverageStatus::Unreadable,
            None => CoverageStatus::Unknown,
            Some(it) => {
                // In the command line nobody listens, whatever the last session was.
                let live = it.live.filter(|live| listening && live.session == session);
                let end = live.map_or(it.top(), |live| live.after.max(it.top()));
                match it.gaps(end).len() {
                    0 if live.is_some() => CoverageStatus::Live,
                    0 if end.0 == 0 => CoverageStatus::Empty,
                    0 => CoverageStatus::Complete { to: end },
                    gaps => CoverageStatus::Partial { gaps },
                }
            }
        };
        channels.push(ChannelStatus {
            id: channel.id,
            name: channel.name.clone(),
            totals: of_channel,
            coverage: covered,
            intervals: coverage.get(&channel.id).map(intervals).unwrap_or_default(),
        });
    }
    channels.sort_by_key(|it| (std::cmp::Reverse(it.totals.messages), it.id));
    Ok(GuildStatus {
        id: guild,
        name: name(store, guild)?,
        synced: synced(store, guild)?,
        members: store
            .members(guild)?
            .iter()
            .filter(|it| it.presence.now().is_some())
            .count() as u64,
        totals,
        channels,
        pending_lists: store.pending(guild)?.len() as u64,
        failures: failures
            .into_iter()
            .filter(|it| it.reason != UNREADABLE)
            .map(|it| FailureStatus {
                object: it.object.to_string(),
                reason: it.reason,
                times: it.times,
                at: it.at,
            })
            .collect(),
        doing: doing(guild, progress),
    })
}

fn intervals(coverage: &Coverage) -> Vec<IntervalStatus> {
    let known = coverage.intervals.iter().map(|it| IntervalStatus {
        after: it.after,
        to: it.to,
        by: it.by,
        since: it.since.millis(),
    });
    known.collect()
}

fn name(store: &Store, guild: GuildId) -> Result<String, StoreError> {
    let part = store.guild(guild)?;
    Ok(part
        .and_then(|it| it.state.ever().map(|it| it.name.clone()))
        .unwrap_or_default())
}

fn synced(store: &Store, guild: GuildId) -> Result<BTreeMap<Class, Option<Millis>>, StoreError> {
    let mut all: BTreeMap<_, _> = Class::ALL.into_iter().map(|class| (class, None)).collect();
    for it in store.synced(guild)? {
        all.insert(it.class, Some(it.at.millis()));
    }
    Ok(all)
}

fn doing(guild: GuildId, progress: Option<&Progress>) -> String {
    let Some(progress) = progress else {
        return "nothing: the bot is not running".to_owned();
    };
    match (&progress.guild, progress.phase) {
        (Some((of, _)), Phase::Discovering) if *of == guild => {
            "looking at channels, threads and members".to_owned()
        }
        (Some((of, _)), Phase::Fetching) if *of == guild => format!(
            "fetching history: {} of {} channels done, {} messages, {} of {} reaction lists, {}",
            progress.channels_done,
            progress.channels,
            progress.messages,
            progress.lists_done,
            progress.lists,
            progress.time_left(),
        ),
        (Some((of, _)), Phase::Waiting) if *of == guild => {
            "waiting to try again what failed".to_owned()
        }
        _ => "listening".to_owned(),
    }
}
