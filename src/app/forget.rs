//! `propsbot forget`: a member's request for deletion, where they cannot make it themselves, or a
//! guild's.

use anyhow::anyhow;

use super::{Error, Mirror};
use crate::config::Config;
use propsbot_backends::{ArchiveSpec, History, drop_copies};
use propsbot_jobs::{clock::Clock, privacy};
use propsbot_model::{GuildChoice, GuildId, UserId};

/// Deletes what is kept of a user, in one guild or in all, and says how much that was.
///
/// # Errors
/// A store that is not there or in use, and a guild that it does not know.
pub async fn forget(
    config: &Config,
    user: UserId,
    guild: Option<GuildId>,
) -> Result<Vec<String>, Error> {
    if user.is_anonymous() {
        return Err(Error::Wrong(anyhow!(
            "{user} is nobody's id: a user's has 17 digits or more (--user)"
        )));
    }
    deleting(config, async |mirror| forget_in(mirror, user, guild).await).await
}

/// Deletes all that is kept of a guild, which is not mirrored any more unless it is named again.
///
/// # Errors
/// A store that is not there or in use, a guild that it does not know, and one that is still named.
pub async fn forget_guild(config: &Config, guild: GuildId) -> Result<Vec<String>, Error> {
    if config.guilds.contains(&guild) {
        return Err(Error::Wrong(anyhow!(
            "DISCORD_GUILDS names the guild {guild}, so the next run would mirror it again: take it out \
             there first"
        )));
    }
    deleting(config, async |mirror| {
        if mirror.store.guild(guild)?.is_none() {
            let choices = mirror.store.guild_choices()?;
            let is_it = |choice: &GuildChoice| choice.guild_id == guild && choice.place.is_none();
            if choices.iter().any(is_it) {
                // An earlier run was cut off, and what it left is gone since the store was opened.
                return Ok(vec![format!(
                    "guild {guild}: nothing is kept of it any more; the archive follows with the next export \
                     (`propsbot export`)"
                )]);
            }
            return Err(Error::Wrong(anyhow!(
                "the store knows no guild {guild} (--guild)"
            )));
        }
        privacy::forget_guild(&mirror.store, &mirror.writer, &mirror.clock, guild).await?;
        Ok(vec![format!(
            "guild {guild}: deleted everything that was kept of it. It is not mirrored any more, unless \
             DISCORD_GUILDS names it; the archive follows with the next export (`propsbot export`)"
        )])
    })
    .await
}

/// Deletes something of an existing store, rewrites it without that, and says what stays elsewhere.
async fn deleting(
    config: &Config,
    delete: impl AsyncFnOnce(&Mirror) -> Result<Vec<String>, Error>,
) -> Result<Vec<String>, Error> {
    if !config.store_path.exists() {
        return Err(Error::Wrong(anyhow!(
            "there is no store at {} (STORE_PATH): nothing is kept of anybody",
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
            "warning: copies of what was read of archives could not be removed (CACHE_PATH): {error}"
        ));
    }
    lines.extend(left.map(|why| format!("warning: {why}")));
    let keeps = config.access.github.history == History::Keep;
    if matches!(config.archive, ArchiveSpec::Github(_)) && keeps {
        let archive = &config.archive;
        lines.push(format!(
            "mind: earlier exports stay in the history of {archive} (GITHUB_HISTORY=keep). To drop it, set \
             GITHUB_HISTORY=squash for the next export"
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
        .map(|it| it.guild_id)
        .collect();
    if let Some(only) = guild {
        guilds.retain(|it| *it == only);
        if guilds.is_empty() {
            return Err(Error::Wrong(anyhow!(
                "the store knows no guild {only} (--guild)"
            )));
        }
    }
    if guilds.is_empty() {
        return Err(Error::Wrong(anyhow!(
            "the store has no guild, so nothing was kept of user {user}, and nothing was deleted: is it the \
             right store (STORE_PATH)?"
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
            " (who was never seen there: is it the right id?)"
        };
        lines.push(format!(
            "guild {guild}: deleted {} messages, {} reactions and {} props of user {user}{seen}, and \
             their names; the archive follows with the next export (`propsbot export`)",
            done.messages, done.reactions, done.props
        ));
    }
    Ok(lines)
}
