//! Deletes the data of a member who can't request it themselves, or of a guild.

use std::time::Duration;

use tokio::{sync::OwnedMutexGuard, time::timeout};

use super::{
    DiscordProvider,
    mirror::{self, Mirror, OpenStore},
};
use crate::{backfill::Backfill, clock::Clock, mirrored::Selection, privacy};
use propsbot_archive::Id;
use propsbot_mirror::{ForgetRequest, ProviderError};
use propsbot_model::{GuildChoice, GuildId, UserId, counted};

/// How long the running work on a guild may take to pause.
const PAUSING: Duration = Duration::from_secs(20);

impl DiscordProvider {
    pub(super) async fn forget_and_purge(
        &mut self,
        request: &ForgetRequest,
    ) -> Result<Vec<String>, ProviderError> {
        let path = self.options.store_path.clone();
        if !path.exists() {
            return Err(wrong(format!(
                "there is no store at {} (STORE_PATH), so there is nothing to delete",
                path.display()
            )));
        }
        let mirror = Mirror::start(self.store().await?).await?;
        let done = match request {
            ForgetRequest::User { user, space } => forget_user(&mirror, user, space.as_ref()).await,
            ForgetRequest::Space(space) => self.forget_guild(&mirror, None, space).await,
        };
        mirror.close().await?;
        let mut lines = done?;
        let store = self.store.take().expect("it was opened above");
        let left = mirror::purge(store, &path).await?;
        lines.extend(left.map(|why| format!("warning: {why}")));
        Ok(lines)
    }

    /// Deletes data while [`listen`](propsbot_mirror::DataProvider::listen) or
    /// [`sync`](propsbot_mirror::DataProvider::sync) runs. The store's files still contain it
    /// until the store is opened again.
    ///
    /// # Errors
    /// As `forget`; the other work is ending, or doesn't pause for the deletion.
    pub async fn forget_live(&self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
        match request {
            ForgetRequest::User { user, space } => {
                let live = self.live().await?;
                forget_user(&live.open, user, space.as_ref()).await
            }
            ForgetRequest::Space(space) => {
                let (open, backfill) = self.connected().await?;
                self.forget_guild(&open, Some(&backfill), space).await
            }
        }
    }

    async fn forget_guild(
        &self,
        open: &OpenStore,
        running: Option<&Backfill>,
        space: &Id,
    ) -> Result<Vec<String>, ProviderError> {
        let guild = guild_id(space)?;
        if matches!(&self.options.guilds, Selection::Named(named) if named.contains(&guild)) {
            return Err(wrong(format!(
                "DISCORD_GUILDS names the guild {guild}, so the next run would mirror it again; remove it \
                 there first"
            )));
        }
        let (known, choices) = mirror::read(&open.store, move |store| {
            Ok((store.guild(guild)?, store.guild_choices()?))
        })
        .await?;
        if known.is_none() {
            let is_of_guild =
                |choice: &GuildChoice| choice.guild_id == guild && choice.place.is_none();
            if choices.iter().any(is_of_guild) {
                // An earlier run was interrupted; opening the store finished its work.
                return Ok(vec![format!(
                    "guild {guild}: nothing is left to delete; the archive follows with the next export \
                     (`propsbot export`)"
                )]);
            }
            return Err(unknown(guild));
        }
        let _paused = match running {
            Some(backfill) => Some(end_mirroring(backfill, guild).await?),
            None => None,
        };
        let done = privacy::forget_guild(&open.store, &open.writer, &open.clock, guild);
        done.await?;
        let again = match self.options.guilds {
            Selection::Admins => "its admins switch its mirror on again",
            Selection::First | Selection::Named(_) => "DISCORD_GUILDS names it",
        };
        Ok(vec![format!(
            "guild {guild}: deleted all its data. It is no longer mirrored unless {again}; the archive \
             follows with the next export (`propsbot export`)"
        )])
    }
}

/// Stops mirroring a guild, and waits until everything heard of it is written. No backfill of it
/// runs while the returned permit is held.
///
/// Single messages that are being read again may still come. The next start deletes them.
async fn end_mirroring(
    backfill: &Backfill,
    guild: GuildId,
) -> Result<OwnedMutexGuard<()>, ProviderError> {
    let was_mirrored = backfill.guilds.remove(guild);
    let permit = backfill.turns.of(guild).lock_owned();
    let Ok(permit) = timeout(PAUSING, permit).await else {
        if let Some(place) = was_mirrored {
            backfill.guilds.insert(place, guild);
        }
        return Err(ProviderError::Failed(
            format!(
                "the running propsbot is fetching the history of guild {guild}, so nothing was deleted; \
                 stop it first, then run this again"
            )
            .into(),
        ));
    };
    backfill.writer.write(Vec::new()).await?;
    Ok(permit)
}

async fn forget_user(
    open: &OpenStore,
    user: &Id,
    space: Option<&Id>,
) -> Result<Vec<String>, ProviderError> {
    let user = user
        .as_str()
        .parse()
        .ok()
        .filter(|user: &UserId| !user.is_anonymous())
        .ok_or_else(|| {
            wrong(format!(
                "{user} is not a user id (--user): those have 17 digits or more"
            ))
        })?;
    let guilds = mirror::read(&open.store, |store| store.guilds()).await?;
    let mut guilds: Vec<GuildId> = guilds.iter().map(|guild| guild.guild_id).collect();
    if let Some(only) = space {
        let only = guild_id(only)?;
        guilds.retain(|id| *id == only);
        if guilds.is_empty() {
            return Err(unknown(only));
        }
    }
    if guilds.is_empty() {
        return Err(wrong(format!(
            "the store has no guild, so it has no data of user {user} to delete. Is it the right store \
             (STORE_PATH)?"
        )));
    }
    let mut lines = Vec::new();
    for guild in guilds {
        let member = mirror::read(&open.store, move |store| store.member(guild, user)).await?;
        let done = privacy::forget(
            &open.store,
            &open.writer,
            &open.clock,
            (guild, user),
            Clock::now(),
        );
        let done = done.await?;
        let seen = match member {
            Some(_) => "",
            None => " (never seen there; is the id right?)",
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

pub(super) fn guild_id(space: &Id) -> Result<GuildId, ProviderError> {
    let id = space.as_str().parse();
    id.map_err(|_| wrong(format!("{space} is not a guild id (--guild)")))
}

fn unknown(guild: GuildId) -> ProviderError {
    wrong(format!("the store has no guild {guild} (--guild)"))
}

pub(super) fn wrong(text: String) -> ProviderError {
    ProviderError::Wrong(text.into())
}
