//! `propsbot forget`: deletes a member's data if they can't request that themselves, or a guild's.

use anyhow::anyhow;

use super::{Error, Mirror};
use crate::config::Config;
use propsbot_backends::{ArchiveSpec, History, drop_copies};
use propsbot_jobs::{clock::Clock, privacy};
use propsbot_model::{GuildChoice, GuildId, UserId, counted};

/// Deletes a user's data in one guild or in all, and returns how much that was.
///
/// # Errors
/// A missing store or one in use, and a guild that it doesn't know.
pub async fn forget(
    config: &Config,
    user: UserId,
    guild: Option<GuildId>,
) -> Result<Vec<String>, Error> {
    if user.is_anonymous() {
        return Err(Error::Wrong(anyhow!(
            "{user} is not a user id (--user): those have 17 digits or more"
        )));
    }
    deleting(config, async |mirror| forget_in(mirror, user, guild).await).await
}

/// Deletes all data of a guild. It's no longer mirrored unless `DISCORD_GUILDS` names it again.
///
/// # Errors
/// A missing store or one in use, a guild that it doesn't know, and one that is still named.
pub async fn forget_guild(config: &Config, guild: GuildId) -> Result<Vec<String>, Error> {
    if config.guilds.contains(&guild) {
        return Err(Error::Wrong(anyhow!(
            "DISCORD_GUILDS names the guild {guild}, so the next run would mirror it again; remove it \
             there first"
        )));
    }
    deleting(config, async |mirror| {
        if mirror.store.guild(guild)?.is_none() {
            let choices = mirror.store.guild_choices()?;
            let is_it = |choice: &GuildChoice| choice.guild_id == guild && choice.place.is_none();
            if choices.iter().any(is_it) {
                // An earlier run was interrupted; opening the store finished its work.
                return Ok(vec![format!(
                    "guild {guild}: nothing is left to delete; the archive follows with the next export \
                     (`propsbot export`)"
                )]);
            }
            return Err(Error::Wrong(anyhow!(
                "the store has no guild {guild} (--guild)"
            )));
        }
        privacy::forget_guild(&mirror.store, &mirror.writer, &mirror.clock, guild).await?;
        Ok(vec![format!(
            "guild {guild}: deleted all its data. It is no longer mirrored unless DISCORD_GUILDS names it; \
             the archive follows with the next export (`propsbot export`)"
        )])
    })
    .await
}

/// Deletes data from an existing store, purges it from its files, and returns what stays elsewhere.
async fn deleting(
    config: &Config,
    delete: impl AsyncFnOnce(&Mirror) -> Result<Vec<String>, Error>,
) -> Result<Vec<String>, Error> {
    if !config.store_path.exists() {
        return Err(Error::Wrong(anyhow!(
            "there is no store at {} (STORE_PATH), so there is nothing to delete",
            config.store_path.display()
        )));
    }
    let mirror = Mirror::open(&config.store_path).await?;
    let outcome = delete(&mirror).await;
    let left = if outcome.is_ok() {
        mirror.rewrite(&config.store_path).await?
    } else {
        mirror.close().await?;
        None
    };
    let mut lines = outcome?;
    if let Err(error) = drop_copies(&config.access) {
        lines.push(format!(
            "warning: could not remove the cached copies of archives (CACHE_PATH): {error}"
        ));
    }
    lines.extend(left.map(|why| format!("warning: {why}")));
    let keeps = config.access.github.history == History::Keep;
    if matches!(config.archive, ArchiveSpec::Github(_)) && keeps {
        let archive = &config.archive;
        lines.push(format!(
            "warning: the history of {archive} still has earlier exports (GITHUB_HISTORY=keep). To drop it, \
             set GITHUB_HISTORY=squash for the next export"
        ));
    }
    Ok(lines)
}

async fn forget_in(
    mirror: &Mirror,
    user: UserId,
    guild: Option<GuildId>,
) -> Result<Vec<String>, Error> {
    let mut guilds: Vec<GuildId> = mirror
        .store
        .guilds()?
        .iter()
        .map(|guild| guild.guild_id)
        .collect();
    if let Some(only) = guild {
        guilds.retain(|id| *id == only);
        if guilds.is_empty() {
            return Err(Error::Wrong(anyhow!(
                "the store has no guild {only} (--guild)"
            )));
        }
    }
    if guilds.is_empty() {
        return Err(Error::Wrong(anyhow!(
            "the store has no guild, so it has no data of user {user} to delete. Is it the right store \
             (STORE_PATH)?"
        )));
    }
    let mut lines = Vec::new();
    for guild in guilds {
        let is_known = mirror.store.member(guild, user)?.is_some();
        let done = privacy::forget(
            &mirror.store,
            &mirror.writer,
            &mirror.clock,
            (guild, user),
            Clock::now(),
        );
        let done = done.await?;
        let seen = if is_known {
            ""
        } else {
            " (never seen there; is the id right?)"
        };
        lines.push(format!(
            "guild {guild}: deleted {}, {} and {} of user {user}{seen}, and their names; the archive \
             follows with the next export (`propsbot export`)",
            counted(done.messages, "message"),
            counted(done.reactions, "reaction"),
            counted(done.props, "props message")
        ));
    }
    Ok(lines)
}
