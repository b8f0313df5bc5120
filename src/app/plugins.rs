//! The graph plugins that this program has, by name, and the files that configure them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;

use super::Error;
use crate::{config::Config, text_file::read_text};
use propsbot_archive::SideFiles;
use propsbot_graph::{
    PropsPlugin, Weights,
    discord::{DiscordConfig, DiscordPlugin, Rules},
};
use propsbot_sourcecred::{GraphPlugin, SourceCredFiles};

/// The names of the graph plugins.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum PluginName {
    /// Who was thanked
    #[default]
    Props,
    /// The graph of SourceCred's own Discord plugin
    Discord,
}

/// A graph plugin, and what configures it.
#[derive(Clone, Debug, Default)]
pub struct PluginOrder {
    /// The plugin.
    pub name: PluginName,
    /// The file with its weights; `None` for the defaults.
    pub weights: Option<PathBuf>,
    /// The `config.json` of SourceCred's Discord plugin.
    pub config: Option<PathBuf>,
    /// Whether to improve on the rules of that plugin.
    pub improved: bool,
}

impl PluginOrder {
    /// The plugin, configured.
    ///
    /// # Errors
    /// Files that are missing or invalid.
    pub(super) fn open(&self) -> Result<Arc<dyn GraphPlugin>, Error> {
        let plugin = match (self.name, &self.config) {
            (PluginName::Props, None) => props(self.weights.as_deref()),
            (PluginName::Discord, Some(config)) => discord(config, self.improved),
            _ => Err(anyhow!(
                "--config and --plugin discord have to be used together"
            )),
        };
        plugin.map_err(Error::Wrong)
    }
}

/// The files beside the archive for `SourceCred`, if configured.
///
/// # Errors
/// Weights that are missing or invalid.
pub(super) fn beside(config: &Config) -> Result<Option<Arc<dyn SideFiles>>, Error> {
    let Some(configured) = &config.sourcecred else {
        return Ok(None);
    };
    let plugin = props(configured.weights.as_deref())
        .context("SOURCECRED_WEIGHTS")
        .map_err(Error::Wrong)?;
    Ok(Some(Arc::new(SourceCredFiles::new(plugin))))
}

fn props(weights: Option<&Path>) -> anyhow::Result<Arc<dyn GraphPlugin>> {
    let weights = match weights {
        None => Weights::default(),
        Some(path) => {
            let text = read_text(path)
                .with_context(|| format!("could not read the weights {}", path.display()))?;
            Weights::from_json(&text)
                .with_context(|| format!("the weights {} are invalid", path.display()))?
        }
    };
    Ok(Arc::new(PropsPlugin::new(weights)))
}

fn discord(path: &Path, improved: bool) -> anyhow::Result<Arc<dyn GraphPlugin>> {
    let text =
        read_text(path).with_context(|| format!("could not read the config {}", path.display()))?;
    let config = DiscordConfig::from_json(&text)
        .with_context(|| format!("the config {} is invalid", path.display()))?;
    let rules = if improved {
        Rules::Improved
    } else {
        Rules::Native
    };
    Ok(Arc::new(DiscordPlugin::new(config, rules)))
}
