//! The providers that this program has.

use std::{ops::Deref, sync::Arc};

use crate::config::Config;
use propsbot_archive::{self as archive, DataArchive, Id, ReadError};
use propsbot_github::{GithubOptions, GithubProvider};
use propsbot_jobs::provider::{DiscordOptions, DiscordProvider, Login};
use propsbot_mirror::{DataProvider, ForgetRequest, ProviderError, SyncRequest, SyncedSpace};
use tokio_util::sync::CancellationToken;

/// The provider that the configuration mirrors, with what commands ask of a running one.
#[derive(Clone)]
pub(super) enum Provider {
    Discord(Arc<DiscordProvider>),
    Github(Arc<GithubProvider>),
}

impl Deref for Provider {
    type Target = dyn DataProvider;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Discord(provider) => &**provider,
            Self::Github(provider) => &**provider,
        }
    }
}

impl Provider {
    /// The provider that is configured. Opens and connects nothing yet.
    pub(super) fn of(config: &Config) -> Self {
        match config.github {
            None => Self::Discord(Arc::new(discord(config))),
            Some(_) => Self::Github(Arc::new(github(config))),
        }
    }

    pub(super) fn shared(&self) -> Arc<dyn DataProvider> {
        match self {
            Self::Discord(provider) => Arc::clone(provider) as _,
            Self::Github(provider) => Arc::clone(provider) as _,
        }
    }

    pub(super) fn discord(&self) -> Option<&Arc<DiscordProvider>> {
        match self {
            Self::Discord(provider) => Some(provider),
            Self::Github(_) => None,
        }
    }

    /// Opens the store, which is created if missing.
    pub(super) async fn open(&self) -> Result<(), ProviderError> {
        match self {
            Self::Discord(provider) => provider.store().await.map(|_| ()),
            Self::Github(provider) => provider.store().await,
        }
    }

    /// Fails if this can't be the id of a space.
    pub(super) fn check_space(&self, space: Option<&Id>) -> Result<(), ProviderError> {
        match self {
            Self::Discord(provider) => provider.check_space(space),
            Self::Github(_) => Ok(()),
        }
    }

    pub(super) fn begin_progress(&self) {
        if let Self::Discord(provider) = self {
            provider.begin_progress();
        }
    }

    /// Reads all history again while the provider listens.
    pub(super) async fn recheck(
        &self,
        space: Option<Id>,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        let recheck = true;
        match self {
            Self::Discord(provider) => provider.recheck(space).await,
            Self::Github(provider) => provider.sync(&SyncRequest { space, recheck }, stop).await,
        }
    }

    /// Deletes data while the provider listens.
    pub(super) async fn forget_live(
        &self,
        request: &ForgetRequest,
    ) -> Result<Vec<String>, ProviderError> {
        match self {
            Self::Discord(provider) => provider.forget_live(request).await,
            Self::Github(provider) => provider.forget_live(request).await,
        }
    }

    /// Adopts the choices that an archive remembers while the provider listens.
    pub(super) async fn adopt_choices_live(
        &self,
        archive: &dyn DataArchive,
    ) -> Result<usize, ProviderError> {
        match self {
            Self::Discord(provider) => provider.adopt_choices_live(archive).await,
            Self::Github(provider) => provider.adopt_choices(archive).await,
        }
    }
}

/// Deletes data from a store that no process has open.
pub(super) async fn forget(
    config: &Config,
    request: &ForgetRequest,
) -> Result<Vec<String>, ProviderError> {
    match config.github {
        None => discord(config).forget(request).await,
        Some(_) => github(config).forget(request).await,
    }
}

fn discord(config: &Config) -> DiscordProvider {
    let login = config.discord.as_ref();
    DiscordProvider::new(DiscordOptions {
        store_path: config.store_path.clone(),
        login: login.map(|discord| Login {
            token: discord.token.clone(),
            api_url: discord.api_url.clone(),
        }),
        network: config.network.clone(),
        guilds: config.guilds.clone(),
        operators: config.operators.clone(),
    })
}

fn github(config: &Config) -> GithubProvider {
    let github = config.github.clone().unwrap_or_default();
    GithubProvider::new(GithubOptions {
        store_path: config.store_path.clone(),
        login: github.login,
        network: config.network.clone(),
        repositories: github.repositories,
        excluded: github.excluded,
        private: github.private,
        webhook: github.webhook,
    })
}

/// The provider that the archive names.
///
/// Discord if none has this name, or if the root is missing or damaged. Whatever reads the archive with its
/// schema then says so.
pub(super) async fn provider_of(
    config: &Config,
    archive: &dyn DataArchive,
) -> Result<Box<dyn DataProvider>, ReadError> {
    let name = match archive::provider_of(archive).await {
        // Asking once more would make a user wait, and use up what a server allows.
        Err(error @ ReadError::Archive(_)) => return Err(error),
        name => name.ok(),
    };
    let mut providers: Vec<Box<dyn DataProvider>> =
        vec![Box::new(discord(config)), Box::new(github(config))];
    let mut all = providers.iter().map(|provider| provider.schema().provider);
    let named = all.position(|known| name.as_deref() == Some(known));
    Ok(providers.swap_remove(named.unwrap_or_default()))
}
