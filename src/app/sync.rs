//! `propsbot sync`: backfill without a gateway, until complete.

use std::sync::Arc;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::{Error, Mirror, bars::Bars, log_in};
use crate::{
    config::Config,
    jobs::{
        backfill::{Backfill, Depth, Summary},
        progress::ProgressBoard,
    },
    model::{Evidence, Fact, GuildId, Observation},
};

/// Fetches what is missing of one guild, or of all that the bot is in, and returns a line about
/// each.
///
/// # Errors
/// A guild that the bot is not in; whatever keeps a guild from being synced as a whole. What could
/// not be fetched of a guild is recorded, and ends in an error only after all the rest is done.
pub async fn sync(
    config: &Config,
    only: Option<GuildId>,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let discord = config
        .discord
        .as_ref()
        .expect("the command line reads what this command needs");
    // First what is wrong on this machine, then what Discord says.
    let mirror = Mirror::open(&config.store_path).await?;
    let (history, bot) = log_in(discord).await?;
    let mut guilds = history.guilds().await?;
    if let Some(only) = only {
        let names: Vec<_> = guilds
            .iter()
            .map(|(id, name)| format!("{id} ({name})"))
            .collect();
        guilds.retain(|(id, _)| *id == only);
        if guilds.is_empty() {
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(Error::Wrong(anyhow!(
                "the bot is not in the guild {only}: give --guild one of those it is in: {names}"
            )));
        }
    }
    let progress = ProgressBoard::default();
    let backfill = Backfill {
        history,
        store: Arc::clone(&mirror.store),
        writer: mirror.writer.clone(),
        clock: mirror.clock.clone(),
        bot,
        progress: progress.clone(),
    };
    let mut lines = Vec::new();
    let mut failures = 0;
    for (guild, name) in guilds {
        // Nobody listened since the last session, whatever the store says.
        let lost = Observation {
            at: mirror.clock.stamp(),
            by: Evidence::Rest,
            fact: Fact::SessionLost(guild),
        };
        mirror.writer.write(vec![lost]).await?;
        let bars = Bars::show(progress.clone());
        let done = stop
            .run_until_cancelled(backfill.run(guild, &name, Depth::Whole, false))
            .await;
        bars.finish().await;
        let Some(done) = done else {
            drop(backfill);
            mirror.close().await?;
            return Err(Error::Failed(anyhow!(
                "stopped before {name} was complete; what was fetched is kept, start again to go on"
            )));
        };
        let done = done?;
        failures += done.failures;
        lines.push(line(guild, &name, &done));
    }
    drop(backfill);
    mirror.close().await?;
    if failures > 0 {
        return Err(Error::Failed(anyhow!(
            "{}\n{failures} object(s) could not be fetched: `propsbot status` names them; start \
             again to try them again",
            lines.join("\n")
        )));
    }
    Ok(lines)
}

fn line(guild: GuildId, name: &str, done: &Summary) -> String {
    let refused = match done.refused {
        0 => String::new(),
        refused => format!("; {refused} objects refused or gone, see `propsbot status`"),
    };
    let unreadable = match done.unreadable {
        0 => String::new(),
        1 => "; 1 channel that the bot may not read".to_owned(),
        unreadable => format!("; {unreadable} channels that the bot may not read"),
    };
    format!(
        "{name} ({guild}): complete. {} channels and threads, {} messages and {} lists of reactors \
         fetched{refused}{unreadable}",
        done.channels, done.messages, done.lists
    )
}
