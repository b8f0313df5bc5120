//! Counts of the mirror, for metrics. Costs what the guilds' channels, failures and missing lists cost,
//! not their history.

use std::collections::BTreeMap;

use super::status::{CoverageStatus, coverages};
use propsbot_mirror::ExportReport;
use propsbot_model::{Drift, GuildId, Reason};
use propsbot_store::{Store, StoreError};

/// Counts of the whole mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The guilds that the bot is in.
    pub guilds: Vec<GuildCensus>,
    pub exports: ExportReport,
}

/// Counts of one guild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuildCensus {
    pub guild: GuildId,
    /// Channels and threads that the bot may read.
    pub parts: u64,
    /// Those whose messages are all mirrored.
    pub complete_parts: u64,
    /// Messages that aren't deleted.
    pub messages: u64,
    /// Reactions that aren't removed.
    pub reactions: u64,
    /// Reaction lists that are still to fetch.
    pub pending_lists: u64,
    /// Objects that couldn't be fetched, by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// All missed changes found so far.
    pub drift: Drift,
}

/// Counts what the store holds.
pub fn census(store: &Store) -> Result<Census, StoreError> {
    let guilds = store.guilds()?.into_iter();
    let present = guilds.filter(|guild| guild.state.now().is_some());
    Ok(Census {
        guilds: present
            .map(|guild| of_guild(store, guild.guild_id))
            .collect::<Result<_, _>>()?,
        exports: store.export_report()?,
    })
}

fn of_guild(store: &Store, guild: GuildId) -> Result<GuildCensus, StoreError> {
    let mut census = GuildCensus {
        guild,
        drift: store.scrub(guild)?.drift,
        ..GuildCensus::default()
    };
    for (_, coverage) in coverages(store, guild, true)? {
        match coverage {
            CoverageStatus::Unreadable => {}
            CoverageStatus::Live | CoverageStatus::Empty | CoverageStatus::Complete { .. } => {
                census.parts += 1;
                census.complete_parts += 1;
            }
            CoverageStatus::Partial { .. } | CoverageStatus::Unknown => census.parts += 1,
        }
    }
    for tally in store.tallies(guild)? {
        census.messages += tally.messages;
        census.reactions += tally.reactions;
    }
    let lists = store.pending(guild)?;
    let pending = lists.iter().filter(|list| list.is_to_fetch());
    census.pending_lists = pending.count() as u64;
    for failure in store.failures(guild)? {
        if failure.reason != Reason::Unreadable {
            *census.failures.entry(failure.object.class()).or_default() += 1;
        }
    }
    Ok(census)
}
