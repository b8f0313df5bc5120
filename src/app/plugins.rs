//! The graph plugins that this program has, by name, and the files that configure them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};

use super::Error;
use crate::{config::Config, text_file::read_text};
use propsbot_archive::SideFiles;
use propsbot_graph::{
    PropsPlugin, Weights,
    discord::{DiscordConfig, DiscordPlugin, Rules},
};
use propsbot_sourcecred::{GraphPlugin, SourceCredFiles};

/// Help for `--plugin`.
const DISCORD_PLUGIN: &str = "\
The graph to build.

props    Who was thanked: messages in props channels and /props. --weights changes its weights.
discord  Exactly the graph of SourceCred 0.11.2's own Discord plugin, from the same config.json
         (--config). It lets an instance drop that plugin: in sourcecred.json, replace
         \"sourcecred/discord\" with \"external/discord\", and put the three files into
         config/plugins/external/discord. Nodes, edges, weights and the members' addresses stay the
         same, and so do the ledger, the cred and config/weights.json. Rename the plugin in
         config/pluginBudgets.json too. Never run both: they produce the same nodes.";

/// Help for `--improved`.
const IMPROVED: &str = "\
With --plugin discord: improve on the rules of SourceCred's plugin. This changes cred.

Members who left the guild still count, with their messages, reactions and mentions. Announcement, voice
and stage channels count. So do threads and forum posts: they take the weight, category, props and NSFW
setting of their channel unless they have a weight of their own. Super reactions count. Proposed names
have at most 31 characters, so that two equal names can't fail the whole run.";

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
#[derive(Args, Clone, Debug, Default)]
pub struct PluginOrder {
    /// Which graph to build
    #[arg(id = "plugin", long = "plugin", value_name = "PLUGIN", default_value = "props",
          long_help = DISCORD_PLUGIN)]
    pub name: PluginName,
    /// JSON file with weights that replace the defaults, for the props plugin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "improved"])]
    pub weights: Option<PathBuf>,
    /// The config.json of SourceCred's Discord plugin, for the discord plugin
    #[arg(long, value_name = "FILE", required_if_eq("plugin", "discord"))]
    pub config: Option<PathBuf>,
    /// Improve on the rules of SourceCred's Discord plugin
    #[arg(long, requires = "config", long_help = IMPROVED)]
    pub improved: bool,
}

impl PluginOrder {
    /// Whether it is the default plugin with its default configuration.
    pub(super) fn is_default(&self) -> bool {
        matches!(self.name, PluginName::Props) && self.weights.is_none() && self.config.is_none()
    }

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
