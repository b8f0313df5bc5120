//! Discord as a provider: implements the program's interface to mirrors for a bot's guilds.
//!
//! Connects the parts of this crate. Opens the store on first use.

mod adopt;
mod check;
mod error;
mod forget;
mod listen;
mod live;
mod mirror;
mod progress;
mod status;
mod sync;
mod vitals;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use self::{error::LogInError, live::Stage, mirror::Mirror, progress::Ended, vitals::Signals};
use super::{
    backfill::{Backfill, Permit},
    guilds::PerGuild,
    mirrored::{MirroredGuilds, Selection},
    progress::ProgressBoard,
    restore,
};
use propsbot_archive::{DataArchive, Schema};
use propsbot_discord::{DiscordApi, Rest, Shards, Token};
use propsbot_mirror::{
    DataProvider, Exports, Finding, ForgetRequest, Progress, ProviderError, SpaceStatus,
    SyncRequest, SyncedSpace,
};
use propsbot_model::{GuildId, User, UserId};
use propsbot_network::Network;
use propsbot_rows::SCHEMA;
use propsbot_store::Store;

pub use listen::{Answering, Connected};
pub use vitals::{GatewayVitals, Vitals, WriterVitals};

/// How a bot reaches Discord.
#[derive(Clone, Debug)]
pub struct Login {
    pub token: Token,
    /// The origin of a Discord-compatible server, without a path; `None` for Discord.
    pub api_url: Option<String>,
}

#[derive(Clone, Debug)]
pub struct DiscordOptions {
    pub store_path: PathBuf,
    /// How to reach Discord; `None` if only the store is needed.
    pub login: Option<Login>,
    pub network: Network,
    /// Who decides which guilds are mirrored.
    pub guilds: Selection,
    /// Users who may change what affects all guilds, besides the first guild's admins, who may
    /// unless it's up to each guild's admins whether it is mirrored.
    pub operators: Vec<UserId>,
}

/// Mirrors the guilds of a Discord bot.
pub struct DiscordProvider {
    options: DiscordOptions,
    store: OnceCell<Arc<Store>>,
    boards: PerGuild<ProgressBoard>,
    /// The gateway's shards, while listening.
    shards: Shards,
    /// How each guild's sync ended.
    ended: Mutex<BTreeMap<GuildId, Ended>>,
    /// Taken by the next [`DataProvider::listen`].
    answering: Mutex<Option<Answering>>,
    /// What commands can use meanwhile.
    stage: watch::Sender<Stage>,
    signals: Signals,
}

impl DiscordProvider {
    /// A provider that answers no commands. Opens and connects nothing yet.
    pub fn new(options: DiscordOptions) -> Self {
        Self {
            options,
            store: OnceCell::new(),
            boards: PerGuild::default(),
            shards: Shards::default(),
            ended: Mutex::default(),
            answering: Mutex::new(None),
            stage: watch::Sender::default(),
            signals: Signals::default(),
        }
    }

    /// Sets the command handler for the next [`DataProvider::listen`].
    pub fn answer_with(&self, answering: Answering) {
        let mut own = self.answering.lock().expect("no assignment panics");
        *own = Some(answering);
    }

    /// The store, created if missing. Opening it purges what deletions left in its files.
    pub async fn store(&self) -> Result<&Arc<Store>, ProviderError> {
        self.store
            .get_or_try_init(|| mirror::open_purged(&self.options.store_path))
            .await
    }

    /// The store, which must exist.
    async fn existing_store(&self) -> Result<&Arc<Store>, ProviderError> {
        self.store
            .get_or_try_init(|| mirror::open_existing(&self.options.store_path))
            .await
    }

    fn login(&self) -> &Login {
        let login = self.options.login.as_ref();
        login.expect("what connects to Discord is configured with a login")
    }

    fn discord(&self) -> DiscordApi {
        let Login { token, api_url } = self.login();
        DiscordApi::new(Rest::new(api_url.as_deref(), token, &self.options.network))
    }

    async fn bot(&self, discord: &DiscordApi) -> Result<User, ProviderError> {
        let bot = discord.me().await.map_err(|error| LogInError {
            place: self.place(),
            error,
        });
        Ok(bot?)
    }

    /// Where the bot logs in, and the variable that configures it.
    fn place(&self) -> String {
        match &self.login().api_url {
            Some(url) => format!("at {url} (DISCORD_API_URL)"),
            None => "to Discord".to_owned(),
        }
    }

    /// Connects to Discord. Requests the bot's user unless the store knows it already.
    async fn log_in(&self, store: &Arc<Store>) -> Result<(DiscordApi, User), ProviderError> {
        let discord = self.discord();
        if let Some(id) = self.login().token.bot() {
            let known = mirror::read(store, move |store| store.bot(id)).await?;
            if let Some(bot) = known {
                return Ok((discord, bot));
            }
        }
        let bot = self.bot(&discord).await?;
        Ok((discord, bot))
    }

    fn backfill(&self, mirror: &Mirror, history: DiscordApi, bot: User) -> Backfill {
        Backfill {
            history,
            guilds: MirroredGuilds::new(self.options.guilds.clone(), &self.options.operators),
            store: Arc::clone(&mirror.store),
            writer: mirror.writer.clone(),
            clock: mirror.clock.clone(),
            bot,
            boards: self.boards.clone(),
            progress: ProgressBoard::default(),
            page_sizes: Arc::default(),
            turns: PerGuild::default(),
            turn: Permit::default(),
        }
    }
}

#[async_trait]
impl DataProvider for DiscordProvider {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn check(&self) -> Vec<Finding> {
        self.check_discord().await
    }

    async fn sync(
        &self,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        self.sync_guilds(request, stop).await
    }

    async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError> {
        self.listen_until(stop).await
    }

    fn progress(&self) -> Vec<Progress> {
        self.progress_of_guilds()
    }

    async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError> {
        self.status_of_guilds().await
    }

    async fn exports(&self) -> Result<Arc<dyn Exports>, ProviderError> {
        Ok(crate::export::exports(self.existing_store().await?))
    }

    async fn adopt_choices(&self, archive: &dyn DataArchive) -> Result<usize, ProviderError> {
        self.adopt_choices_from(archive).await
    }

    async fn restore(
        &self,
        archive: &dyn DataArchive,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<String, ProviderError> {
        let store = Arc::new(mirror::open_to_restore(&self.options.store_path).await?);
        Ok(restore::restore(&store, archive, told).await?)
    }

    async fn forget(&mut self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
        self.forget_and_purge(request).await
    }
}
