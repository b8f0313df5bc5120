//! Counts of the mirror, for metrics. Costs what the guilds' channels, failures and missing lists cost,
//! not their history.

use super::status::{CoverageStatus, coverages};
use propsbot_mirror::{Census, Id, SpaceCensus};
use propsbot_model::{Drift, GuildId, Reason};
use propsbot_store::{Store, StoreError};

/// Counts what the store holds of the guilds that the bot is in.
pub(crate) fn census(store: &Store) -> Result<Census, StoreError> {
    let guilds = store.guilds()?.into_iter();
    let present = guilds.filter(|guild| guild.state.now().is_some());
    Ok(Census {
        spaces: present
            .map(|guild| of_guild(store, guild.guild_id))
            .collect::<Result<_, _>>()?,
        exports: store.export_report()?,
    })
}

fn of_guild(store: &Store, guild: GuildId) -> Result<SpaceCensus, StoreError> {
    let mut census = SpaceCensus::new(Id::new(guild));
    let Drift {
        edited,
        deleted,
        found,
        reactions,
        threads,
    } = store.scrub(guild)?.drift;
    census.drift = [
        ("edit", edited),
        ("deletion", deleted),
        ("message", found),
        ("reaction", reactions),
        ("thread", threads),
    ]
    .into();
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
    let (mut messages, mut reactions) = (0, 0);
    for tally in store.tallies(guild)? {
        messages += tally.messages;
        reactions += tally.reactions;
    }
    census.items = [("messages", messages), ("reactions", reactions)].into();
    let lists = store.pending(guild)?;
    let pending = lists.iter().filter(|list| list.is_to_fetch());
    census.pending_lists = Some(pending.count() as u64);
    for failure in store.failures(guild)? {
        if failure.reason != Reason::Unreadable {
            *census.failures.entry(failure.object.class()).or_default() += 1;
        }
    }
    Ok(census)
}
