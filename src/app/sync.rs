//! `propsbot sync`: backfills without a gateway until the mirror is complete.

use anyhow::anyhow;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Error, Mirror, bars::Bars, lines::Lines, log_in};
use crate::config::Config;
use propsbot_discord::{RestError, invitation};
use propsbot_jobs::{
    backfill::{Backfill, BackfillError, Depth, Summary, listed},
    guilds::PerGuild,
    progress::ProgressBoard,
};
use propsbot_model::{Drift, GuildId, counted, one_line};

/// Fetches what is missing from one guild, or from all mirrored ones, and returns a line about each.
/// With `json`, writes progress to stdout instead. With `recheck`, re-reads all history.
///
/// # Errors
/// No guild to sync, or not the named one; a guild that couldn't be synced; and [`Error::Incomplete`]
/// if the mirror lacks anything. Missing data is recorded, and is an error only once the rest is done.
pub async fn sync(
    config: &Config,
    only: Option<GuildId>,
    recheck: bool,
    json: bool,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let discord = config
        .discord
        .as_ref()
        .expect("the command line reads what this command needs");
    // Mistakes on this machine come before anything Discord answers.
    let stopped = || {
        Error::Failed(anyhow!(
            "stopped before the mirror was complete; what was fetched is saved. Run it again to continue"
        ))
    };
    let opening = stop.run_until_cancelled(Mirror::open(&config.store_path));
    let mirror = opening.await.ok_or_else(stopped)??;
    let boards: PerGuild<ProgressBoard> = PerGuild::default();
    // The bars have to end before the last lines are printed, or they would erase them.
    let bars = Bars::show(boards.clone());
    let done = stop.run_until_cancelled(async {
        let (history, bot) = log_in(discord, &config.network, &mirror.store).await?;
        let backfill = mirror.backfill(config, history, bot, boards.clone());
        let (guilds, absent) = choose(&backfill, only).await?;
        backfill.check_application().await?;
        let depth = if recheck {
            Depth::Recheck
        } else {
            Depth::Whole
        };
        // Concurrently: all guilds share the client, which keeps Discord's limits and bounds memory.
        let work = guilds.iter().map(|(guild, name)| {
            let (backfill, board) = (&backfill, boards.of(*guild));
            async move {
                let written = json.then(|| Lines::write(board.clone()));
                let done = backfill.run(*guild, name, depth, None, false).await;
                if let Some(written) = written {
                    let ended = done.as_ref().map_err(ToString::to_string);
                    written.finish((*guild, name), &board.look(), ended).await?;
                }
                Ok::<_, Error>(done)
            }
        });
        let all = join_all(work).await;
        let mut lines = Vec::new();
        let (mut whole, mut all_seen) = (true, absent.is_empty());
        lines.extend(absent);
        for ((guild, name), done) in guilds.into_iter().zip(all) {
            match done? {
                Ok(done) => {
                    whole &= done.is_complete();
                    lines.push(line(guild, &name, &done));
                }
                Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                    all_seen = false;
                    let name = one_line(&name);
                    lines.push(format!("{name} ({guild}): not synced: {error}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if whole && all_seen {
            return Ok(lines);
        }
        let lines = anyhow!(
            "not everything could be fetched. `propsbot status` says why; run it again to retry\n{}",
            lines.join("\n")
        );
        Err(if all_seen {
            Error::Incomplete(lines)
        } else {
            Error::Failed(lines)
        })
    });
    let done = done.await;
    bars.finish().await;
    mirror.close().await?;
    match done {
        Some(Ok(_)) if json => Ok(Vec::new()),
        Some(done) => done,
        None => Err(stopped()),
    }
}

/// The guilds to sync, with their names, and a line about each named guild that the bot isn't in.
async fn choose(
    backfill: &Backfill,
    only: Option<GuildId>,
) -> Result<(Vec<(GuildId, String)>, Vec<String>), Error> {
    let mirrored = &backfill.guilds;
    if let Some(only) = only.filter(|id| mirrored.is_named() && !mirrored.has(*id)) {
        return Err(Error::Wrong(anyhow!(
            "the guild {only} (--guild) is not mirrored; add it to DISCORD_GUILDS"
        )));
    }
    let invite = invitation(backfill.bot.id);
    let invite = format!("an admin of the server can invite it with {invite}");
    let (mut joined, unnamed) = match backfill.history.guilds().await {
        // A Discord-compatible server may not list them.
        Err(RestError::NotFound { .. }) if only.is_some() || mirrored.is_named() => {
            let named = only.map_or_else(|| mirrored.all(), |only| vec![only]);
            let named = named.into_iter().map(|id| (id, id.to_string()));
            (named.collect(), 0)
        }
        joined => joined?,
    };
    if unnamed > 0 {
        warn!(
            "Discord's list has no readable id for {} of the bot; mirrored guilds are fetched by their own id",
            counted(unnamed, "guild")
        );
        add_unlisted(backfill, only, &mut joined).await?;
    }
    if joined.is_empty() && unnamed > 0 {
        return Err(Error::Failed(anyhow!(
            "Discord's list has no readable id for any of the bot's guilds; name the guilds to mirror in \
             DISCORD_GUILDS"
        )));
    }
    if joined.is_empty() {
        return Err(Error::Failed(anyhow!("the bot is in no guild: {invite}")));
    }
    let names = || {
        let names = joined
            .iter()
            .map(|(id, name)| format!("{id} ({})", one_line(name)));
        names.collect::<Vec<_>>().join(", ")
    };
    let is_joined = |guild: GuildId| joined.iter().any(|(id, _)| *id == guild);
    if let Some(only) = only.filter(|id| !is_joined(*id)) {
        return Err(Error::Failed(anyhow!(
            "the bot is not in the guild {only} (--guild). Name one it is in: {}; or {invite}",
            names()
        )));
    }
    let ids = joined.iter().map(|(id, _)| *id).collect();
    backfill.choose_guilds(only, Some(ids)).await?;
    for (guild, name) in joined.iter().filter(|(id, _)| !mirrored.has(*id)) {
        warn!(
            %guild, ?name,
            "the bot is in a guild that is not mirrored, so nothing of it is kept. If it is yours, add its \
             id to DISCORD_GUILDS"
        );
    }
    let wanted = |id: GuildId| mirrored.has(id) && only.is_none_or(|only| only == id);
    let guilds = joined.iter().filter(|(id, _)| wanted(*id));
    let guilds: Vec<(GuildId, String)> = guilds.cloned().collect();
    if !mirrored.is_named() {
        if guilds.is_empty() {
            return Err(Error::Failed(anyhow!(
                "the bot mirrors none of its guilds. Name those to mirror in DISCORD_GUILDS; it is in: {}",
                names()
            )));
        }
        return Ok((guilds, Vec::new()));
    }
    let expected = mirrored.all().into_iter();
    let absent = expected.filter(|id| only.is_none() && !is_joined(*id));
    let absent = absent.map(|id| {
        format!(
            "guild {id}: not synced: DISCORD_GUILDS names it, but the bot is not in it; {invite}"
        )
    });
    Ok((guilds, absent.collect()))
}

/// Adds the guilds to sync that Discord's list lacks although the bot is in them.
async fn add_unlisted(
    backfill: &Backfill,
    only: Option<GuildId>,
    joined: &mut Vec<(GuildId, String)>,
) -> Result<(), Error> {
    let listed: Vec<GuildId> = joined.iter().map(|(id, _)| *id).collect();
    let wanted = if let Some(only) = only {
        vec![only]
    } else {
        backfill.choose_guilds(None, Some(listed.clone())).await?;
        backfill.guilds.all()
    };
    for id in wanted.into_iter().filter(|id| !listed.contains(id)) {
        match backfill.history.guild(id).await {
            Ok(shape) => joined.push((id, shape.guild.name)),
            Err(RestError::NotFound { .. } | RestError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn line(guild: GuildId, name: &str, done: &Summary) -> String {
    let state = if done.is_complete() {
        "complete"
    } else {
        "incomplete"
    };
    let name = one_line(name);
    let missing = match &*done.missing {
        [] => String::new(),
        missing => format!("; missing: {}", one_line(&listed(missing))),
    };
    let names: Vec<String> = done
        .unreadable
        .iter()
        .map(|(_, name)| format!("#{}", one_line(name)))
        .collect();
    let unreadable = match &*names {
        [] => String::new(),
        names => format!("; no permission to read {}", listed(names)),
    };
    let contradicted = match done.contradicted {
        0 => String::new(),
        lists => format!(
            "; contradicting Discord's count, and asked for again after an hour: {}",
            counted(lists, "reaction list")
        ),
    };
    let found = done.found;
    let found = if found == Drift::default() {
        String::new()
    } else {
        format!(
            "; missed changes found: {}, {}, {}, {}",
            counted(found.edited, "edit"),
            counted(found.deleted, "deletion"),
            counted(found.found, "message"),
            counted(found.reactions, "reaction")
        )
    };
    format!(
        "{name} ({guild}): {state}. Channels and threads: {}; fetched {} and {}{found}{missing}\
         {unreadable}{contradicted}",
        done.channels,
        counted(done.messages, "message"),
        counted(done.lists, "reaction list")
    )
}
