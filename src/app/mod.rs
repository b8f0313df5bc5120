//! The composition root: builds the parts, connects them and runs them.
//!
//! Each subcommand of the command line is one function here. They take a [`Config`], never read the
//! environment, and never end the process.

mod archive;
mod bars;
mod error;
mod forget;
mod graph;
mod lines;
mod log;
mod output;
mod run;
mod status;
mod sync;

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};
use tokio::sync::oneshot;
use tracing::{info, warn};

pub use archive::{ExportOrder, dry_run, export, restore, verify};
pub use error::Error;
pub use forget::{forget, forget_guild};
pub use graph::{GraphOrder, GraphPlugin, graph};
pub use log::{log, warn_of_exposed_secrets};
pub use output::{print_line, printed};
pub use run::run;
pub use status::status;
pub use sync::sync;

use crate::config::{Config, DiscordConfig};
use propsbot_discord::{DiscordApi, Rest};
use propsbot_jobs::{
    backfill::{Backfill, Permit},
    clock::Clock,
    guilds::PerGuild,
    mirrored::MirroredGuilds,
    privacy,
    progress::ProgressBoard,
    writer::{self, Writer},
};
use propsbot_model::{Evidence, Fact, Observation, User};
use propsbot_network::Network;
use propsbot_store::{Rewrite, Store, StoreError};

use error::Tried as _;

/// The store with its writer.
struct Mirror {
    store: Arc<Store>,
    writer: Writer,
    clock: Clock,
    stopped: oneshot::Receiver<Result<(), StoreError>>,
}

impl Mirror {
    /// Opens the store, and first purges what deletions left in its files.
    async fn open(path: &Path) -> Result<Self, Error> {
        let mirror = Self::start(path).await?;
        let store = Arc::clone(&mirror.store);
        let owes = tokio::task::spawn_blocking(move || store.owes_rewrite()).await??;
        if !owes {
            return Ok(mirror);
        }
        info!("rewriting the store to purge data that members had deleted");
        mirror.rewrite(path).await?;
        Self::start(path).await
    }

    /// Finishes deletions, rewrites the store without the deleted data, and closes it. If the rewrite
    /// fails, logs and returns why; the next start tries again.
    async fn rewrite(self, path: &Path) -> Result<Option<String>, Error> {
        privacy::resume(&self.store, &self.writer, &self.clock).await?;
        self.close().await?;
        let store = open_store(path).await?;
        let why = match tokio::task::spawn_blocking(move || store.rewrite()).await? {
            Ok(Rewrite::Done) => return Ok(None),
            Ok(Rewrite::NoRoom(bytes)) => format!(
                "the store's files still contain data that members had deleted: purging it takes {} MB of \
                 free disk space. The next start tries again",
                bytes.div_ceil(1_000_000)
            ),
            Err(error) => format!(
                "the store's files still contain data that members had deleted: they could not be \
                 rewritten ({error}). The next start tries again"
            ),
        };
        warn!("{why}");
        Ok(Some(why))
    }

    async fn start(path: &Path) -> Result<Self, Error> {
        let store = Arc::new(open_store(path).await?);
        let clock = Clock::after(store.newest()?);
        let (writer, stopped) = writer::start(Arc::clone(&store));
        let mirror = Self {
            store,
            writer,
            clock,
            stopped,
        };
        mirror.lose_sessions().await?;
        Ok(mirror)
    }

    /// Records that the earlier gateway session of every guild is lost. This must be durable before
    /// anything newer is.
    async fn lose_sessions(&self) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        let (guilds, heard) = tokio::task::spawn_blocking(move || {
            Ok::<_, StoreError>((store.guilds()?, store.heard()?))
        })
        .await??;
        let lost = guilds.iter().map(|guild| Observation {
            at: self.clock.stamp(),
            by: Evidence::Rest,
            fact: Fact::SessionLost(guild.guild_id, heard),
        });
        self.writer.write(lost.collect()).await?;
        Ok(())
    }

    fn backfill(
        &self,
        config: &Config,
        history: DiscordApi,
        bot: User,
        boards: PerGuild<ProgressBoard>,
    ) -> Backfill {
        Backfill {
            history,
            guilds: MirroredGuilds::new(&config.guilds, &config.operators),
            store: Arc::clone(&self.store),
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            bot,
            boards,
            progress: ProgressBoard::default(),
            page_sizes: Arc::default(),
            turns: PerGuild::default(),
            turn: Permit::default(),
        }
    }

    /// Waits until everything handed to the writer is durable. All other [`Writer`]s must be dropped.
    async fn close(self) -> Result<(), Error> {
        drop(self.writer);
        writer_result(self.stopped.await)
    }
}

fn writer_result(
    stopped: Result<Result<(), StoreError>, oneshot::error::RecvError>,
) -> Result<(), Error> {
    match stopped {
        Ok(result) => Ok(result.context("the store's writer stopped")?),
        Err(_) => Err(Error::Failed(anyhow!(
            "the store's writer panicked; report this"
        ))),
    }
}

async fn open_store(path: &Path) -> Result<Store, Error> {
    let path = path.to_owned();
    Ok(tokio::task::spawn_blocking(move || Store::open(&path))
        .await
        .context("could not open the store")??)
}

/// Opens a store that already exists.
async fn open_existing_store(path: &Path) -> Result<Store, Error> {
    if !path.exists() {
        return Err(Error::Wrong(anyhow!(
            "there is no store at {} (STORE_PATH); `propsbot sync` creates one",
            path.display()
        )));
    }
    open_store(path).await
}

/// Connects to Discord and returns the bot's user. Asks Discord for it, unless the store already knows
/// the token's bot.
async fn log_in(
    config: &DiscordConfig,
    network: &Network,
    store: &Arc<Store>,
) -> Result<(DiscordApi, User), Error> {
    let rest = Rest::new(config.api_url.as_deref(), &config.token, network);
    let history = DiscordApi::new(rest);
    if let Some(id) = config.token.bot() {
        let store = Arc::clone(store);
        let known = tokio::task::spawn_blocking(move || store.bot(id)).await??;
        if let Some(bot) = known {
            return Ok((history, bot));
        }
    }
    let bot = history.me().await.tried(|| match &config.api_url {
        Some(url) => format!("could not log in at {url} (DISCORD_API_URL)"),
        None => "could not log in to Discord".to_owned(),
    })?;
    Ok((history, bot))
}
