//! Backfills without a gateway until the mirror is complete.

use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    DiscordProvider,
    forget::{guild_id, wrong},
    mirror::Mirror,
};
use crate::backfill::{Backfill, BackfillError, Depth, Summary, listed};
use propsbot_archive::Id;
use propsbot_discord::{RestError, invitation};
use propsbot_mirror::{ProviderError, SyncRequest, SyncedSpace, SyncedState};
use propsbot_model::{Drift, Fact, GuildId, counted, one_line};

impl DiscordProvider {
    pub(super) async fn sync_guilds(
        &self,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        // A mistake must not leave a new store behind.
        self.check_space(request.space.as_ref())?;
        let opening = async { Mirror::start(self.store().await?).await };
        let mirror = stop
            .run_until_cancelled(opening)
            .await
            .ok_or_else(stopped)??;
        let showing = self.show(&mirror);
        let syncing = async {
            let (history, bot) = self.log_in(&mirror.store).await?;
            let backfill = self.backfill(&mirror, history, bot);
            showing.connected(&backfill);
            self.sync_with(&backfill, request, false).await
        };
        let done = stop.run_until_cancelled(syncing).await;
        drop(showing);
        mirror.close().await?;
        done.ok_or_else(stopped)?
    }

    /// Fails if this isn't the id of a guild. Reads nothing.
    pub fn check_space(&self, space: Option<&Id>) -> Result<(), ProviderError> {
        space.map(guild_id).transpose().map(|_| ())
    }

    /// `live` says that the gateway is connected and reports everything new.
    pub(super) async fn sync_with(
        &self,
        backfill: &Backfill,
        request: &SyncRequest,
        live: bool,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        let only = request.space.as_ref().map(guild_id).transpose()?;
        let before = backfill.guilds.all();
        let (guilds, mut spaces) = choose(backfill, only).await?;
        if live {
            // The gateway's events of a newly mirrored guild count from here on.
            let at = backfill.clock.stamp();
            let new = guilds.iter().filter(|(id, _)| !before.contains(id));
            let new = new.map(|(id, _)| Fact::SessionLost(*id, at));
            backfill.write(at, new.collect()).await?;
        }
        backfill.check_application().await?;
        let depth = if request.recheck {
            Depth::Recheck
        } else {
            Depth::Whole
        };
        // Concurrently: all guilds share the client, which keeps Discord's limits and bounds memory.
        let work = guilds.iter().map(|(guild, name)| async move {
            let done = backfill.run(*guild, name, depth, None, live).await;
            self.ended(*guild, name, &done);
            done
        });
        let all = join_all(work).await;
        for ((guild, name), done) in guilds.into_iter().zip(all) {
            let (state, text) = match done {
                Ok(done) if done.is_complete() => {
                    (SyncedState::Complete, line(guild, &name, &done))
                }
                Ok(done) => (SyncedState::Incomplete, line(guild, &name, &done)),
                Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                    let name = one_line(&name);
                    let text = format!("{name} ({guild}): not synced: {error}");
                    (SyncedState::Failed, text)
                }
                Err(fatal) => return Err(fatal.into()),
            };
            spaces.push(SyncedSpace {
                space: Id::new(guild),
                state,
                text,
            });
        }
        Ok(spaces)
    }
}

fn stopped() -> ProviderError {
    failed(
        "stopped before the mirror was complete; what was fetched is saved. Run it again to continue",
    )
}

fn failed(text: impl Into<String>) -> ProviderError {
    ProviderError::Failed(text.into().into())
}

/// The guilds to sync, with their names, and a report of each named guild that the bot isn't in.
async fn choose(
    backfill: &Backfill,
    only: Option<GuildId>,
) -> Result<(Vec<(GuildId, String)>, Vec<SyncedSpace>), ProviderError> {
    let mirrored = &backfill.guilds;
    if let Some(only) = only.filter(|id| mirrored.is_named() && !mirrored.has(*id)) {
        return Err(wrong(format!(
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
        return Err(failed(
            "Discord's list has no readable id for any of the bot's guilds; name the guilds to mirror in \
             DISCORD_GUILDS",
        ));
    }
    if joined.is_empty() {
        return Err(failed(format!("the bot is in no guild: {invite}")));
    }
    let names = || {
        let names = joined
            .iter()
            .map(|(id, name)| format!("{id} ({})", one_line(name)));
        names.collect::<Vec<_>>().join(", ")
    };
    let is_joined = |guild: GuildId| joined.iter().any(|(id, _)| *id == guild);
    if let Some(only) = only.filter(|id| !is_joined(*id)) {
        return Err(failed(format!(
            "the bot is not in the guild {only} (--guild). Name one it is in: {}; or {invite}",
            names()
        )));
    }
    let ids = joined.iter().map(|(id, _)| *id).collect();
    backfill.choose_guilds(only, Some(ids)).await?;
    let others = joined.iter().filter(|(id, _)| !mirrored.has(*id));
    for (guild, name) in others.filter(|_| !mirrored.is_up_to_admins()) {
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
        if guilds.is_empty() && mirrored.is_up_to_admins() {
            return Err(failed(
                "no guild's admins have switched its mirror on; they do that with `/setup` while \
                 `propsbot run` is up",
            ));
        }
        if guilds.is_empty() {
            return Err(failed(format!(
                "the bot mirrors none of its guilds. Name those to mirror in DISCORD_GUILDS; it is in: {}",
                names()
            )));
        }
        return Ok((guilds, Vec::new()));
    }
    let expected = mirrored.all().into_iter();
    let absent = expected.filter(|id| only.is_none() && !is_joined(*id));
    let absent = absent.map(|id| SyncedSpace {
        space: Id::new(id),
        state: SyncedState::Failed,
        text: format!(
            "guild {id}: not synced: DISCORD_GUILDS names it, but the bot is not in it; {invite}"
        ),
    });
    Ok((guilds, absent.collect()))
}

/// Adds the guilds to sync that Discord's list lacks although the bot is in them.
async fn add_unlisted(
    backfill: &Backfill,
    only: Option<GuildId>,
    joined: &mut Vec<(GuildId, String)>,
) -> Result<(), ProviderError> {
    let listed: Vec<GuildId> = joined.iter().map(|(id, _)| *id).collect();
    let wanted = if let Some(only) = only {
        vec![only]
    } else {
        let chosen = backfill.choose_guilds(None, Some(listed.clone()));
        chosen.await?;
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
