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
mod plugins;
mod run;
mod status;
mod sync;

pub use archive::{ExportOrder, dry_run, export, restore, verify};
pub use error::Error;
pub use forget::forget;
pub use graph::{GraphOrder, graph};
pub use log::{log, warn_of_exposed_secrets};
pub use output::{print_line, printed};
pub use plugins::{PluginName, PluginOrder};
pub use run::run;
pub use status::status;
pub use sync::sync;

use crate::config::Config;
use propsbot_jobs::provider::{DiscordOptions, DiscordProvider, Login};

/// The provider that this program mirrors.
fn provider(config: &Config) -> DiscordProvider {
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
