//! The providers that this program has.

use crate::config::Config;
use propsbot_archive::{self as archive, DataArchive, ReadError};
use propsbot_jobs::provider::{DiscordOptions, DiscordProvider, Login};
use propsbot_mirror::DataProvider;

/// The provider that the configuration mirrors. Opens and connects nothing yet.
pub(super) fn provider(config: &Config) -> DiscordProvider {
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

fn providers(config: &Config) -> Vec<Box<dyn DataProvider>> {
    vec![Box::new(provider(config))]
}

/// The provider that the archive names.
///
/// The first one if none has this name, or if the root is missing or damaged. Whatever reads the
/// archive with its schema then says so.
pub(super) async fn provider_of(
    config: &Config,
    archive: &dyn DataArchive,
) -> Result<Box<dyn DataProvider>, ReadError> {
    let name = match archive::provider_of(archive).await {
        // Asking once more would make a user wait, and use up what a server allows.
        Err(error @ ReadError::Archive(_)) => return Err(error),
        name => name.ok(),
    };
    let mut providers = providers(config);
    let mut all = providers.iter().map(|provider| provider.schema().provider);
    let named = all.position(|known| name.as_deref() == Some(known));
    Ok(providers.swap_remove(named.unwrap_or_default()))
}
