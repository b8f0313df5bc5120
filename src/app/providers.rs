//! The providers that this program has.

use std::{ops::Deref, sync::Arc};

use anyhow::Context as _;

use crate::config::Config;
use propsbot_archive::{self as archive, DataArchive, Id, ReadError, Schema};
use propsbot_github::{GithubOptions, GithubProvider, GithubVitals};
use propsbot_jobs::provider::{DiscordOptions, DiscordProvider, Login, Vitals};
use propsbot_mirror::{
    Census, DataProvider, ForgetRequest, ProviderError, SyncRequest, SyncedSpace,
};
use tokio_util::sync::CancellationToken;

/// The provider that the configuration mirrors, with what commands ask of a running one.
#[derive(Clone)]
pub(super) enum Provider {
    Discord(Arc<DiscordProvider>),
    Github(Arc<GithubProvider>),
}

/// How the running provider is at one instant.
#[derive(Clone, Debug)]
pub(super) enum ProviderVitals {
    Discord(Vitals),
    Github(GithubVitals),
}

impl Default for ProviderVitals {
    fn default() -> Self {
        Self::Discord(Vitals::default())
    }
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

    /// How the running provider is now. Taking it reads neither the store nor the network.
    pub(super) fn vitals(&self) -> ProviderVitals {
        match self {
            Self::Discord(provider) => ProviderVitals::Discord(provider.vitals()),
            Self::Github(provider) => ProviderVitals::Github(provider.vitals()),
        }
    }

    /// Counts of what the store, which must exist, holds.
    pub(super) async fn census(&self) -> Result<Census, ProviderError> {
        match self {
            Self::Discord(provider) => provider.census().await,
            Self::Github(provider) => provider.census().await,
        }
    }

    /// How many bytes the contents of the store have. Reads all of it.
    pub(super) async fn store_logical_bytes(&self) -> Result<u64, ProviderError> {
        match self {
            Self::Discord(provider) => provider.store_logical_bytes().await,
            Self::Github(provider) => provider.store_logical_bytes().await,
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

/// The schemas of all providers that this program has.
pub(super) static SCHEMAS: [&Schema; 2] = [&propsbot_rows::SCHEMA, &propsbot_github::SCHEMA];

/// The schema of the provider that is configured.
pub(super) fn configured(config: &Config) -> &'static Schema {
    match config.github {
        None => &propsbot_rows::SCHEMA,
        Some(_) => &propsbot_github::SCHEMA,
    }
}

/// The providers of an archive.
pub(super) struct Providers {
    /// Those that this program has, each with its spaces. Never empty.
    pub(super) known: Vec<(&'static Schema, Vec<Id>)>,
    /// The names of the others.
    pub(super) unknown: Vec<String>,
}

impl Providers {
    /// The providers that the archive's root names.
    ///
    /// Discord without spaces if this program has none of them, or if the root is missing or damaged. Whatever reads
    /// the archive with its schema then says so.
    pub(super) async fn of(archive: &dyn DataArchive) -> Result<Self, ReadError> {
        let mut spaces = match archive::spaces_of(archive).await {
            // Asking once more would make a user wait, and use up what a server allows.
            Err(error @ ReadError::Archive(_)) => return Err(error),
            spaces => spaces.unwrap_or_default(),
        };
        let known = SCHEMAS.into_iter().filter_map(|schema| {
            let spaces = spaces.remove(schema.provider)?;
            Some((schema, spaces))
        });
        let mut known: Vec<_> = known.collect();
        if known.is_empty() {
            known.push((&propsbot_rows::SCHEMA, Vec::new()));
        }
        let unknown = spaces.into_keys().collect();
        Ok(Self { known, unknown })
    }

    /// Their schemas.
    pub(super) fn schemas(&self) -> Vec<&'static Schema> {
        self.known.iter().map(|(schema, _)| *schema).collect()
    }

    /// The one with this name.
    pub(super) fn named(&self, name: &str) -> anyhow::Result<&'static Schema> {
        let all = self.schemas();
        let found = all.iter().find(|schema| schema.provider == name);
        found.copied().with_context(|| {
            let names: Vec<&str> = all.iter().map(|schema| schema.provider).collect();
            let names = names.join(" and ");
            format!("the archive has no spaces of {name:?}; it has those of {names}")
        })
    }

    /// The one that has this space.
    pub(super) fn of_space(&self, space: &Id) -> Option<&'static Schema> {
        let mut known = self.known.iter();
        let has = known.find(|(_, spaces)| spaces.contains(space));
        has.map(|(schema, _)| *schema)
    }

    /// The configured one, if the archive has spaces of it; otherwise the first.
    pub(super) fn preferred(&self, config: &Config) -> &'static Schema {
        let (configured, schemas) = (configured(config), self.schemas());
        let mut all = schemas.iter();
        let is_there = all.any(|schema| schema.provider == configured.provider);
        if is_there { configured } else { schemas[0] }
    }

    /// What is left out by whatever reads all of the archive: spaces of providers that this program doesn't have.
    pub(super) fn left_out(&self) -> Option<String> {
        let names = self.unknown.join(" and ");
        (!names.is_empty()).then(|| {
            format!("warning: left out the spaces of {names}, which this propsbot doesn't know")
        })
    }
}

/// The provider of this schema, which is one of [`SCHEMAS`].
pub(super) fn provider_of(config: &Config, schema: &Schema) -> Box<dyn DataProvider> {
    if schema.provider == propsbot_github::SCHEMA.provider {
        Box::new(github(config))
    } else {
        Box::new(discord(config))
    }
}
