//! The graph plugins that this program has, by name, and the files that configure them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Error,
    exec_plugin::{self, ExecPlugin},
    graph_instance::GraphInstance,
    providers::configured,
};
use crate::{config::Config, text_file::read_text};
use propsbot_archive::{Millis, SOURCECRED, SOURCECRED_GITHUB, Schema, SideFiles, printable_json};
use propsbot_github::graph::{GithubConfig, GithubPlugin, Rules as GithubRules};
use propsbot_graph::{
    DidathingConfig, DidathingPlugin, PropsPlugin, Weights,
    discord::{DiscordConfig, DiscordPlugin, Rules},
    meetings::{MeetingsConfig, MeetingsPlugin},
};
use propsbot_network::Network;
use propsbot_sourcecred::{GraphPlugin, NoSourceCredFiles, SourceCredFiles};

/// Help for `--plugin`.
const PLUGIN: &str = "\
Which graph to build: NAME, or NAME=FILE with the file that configures it. Several times for several graphs, which
are drawn together: each file of the archive is read once, and each person is one participant.

props      Who was thanked: messages in props channels and /props. FILE, or --weights, changes its weights.
didathing  What people did: they say so in channels that FILE names (\"didathing_channels\").
discord    Exactly the graph of SourceCred 0.11.2's own Discord plugin, from the same config.json (FILE, or
           --config). It lets an instance drop that plugin: in sourcecred.json, replace
           \"sourcecred/discord\" with \"external/discord\", and put the three files into
           config/plugins/external/discord. Nodes, edges, weights and the members' addresses stay the
           same, and so do the ledger, the cred and config/weights.json. Rename the plugin in
           config/pluginBudgets.json too. Never run both: they produce the same nodes.
meetings   Who attended, hosted and took notes of meetings: FILE names the channels (\"meeting_channels\"). See
           docs/meetings.md.
github     Exactly the graph of SourceCred 0.11.2's own GitHub plugin, from an archive of GitHub repositories: of all
           that are in it, or of those in that plugin's config.json (FILE, or --config). See docs/github.md.
instance   Another community: FILE says where its SourceCred instance is, and whether its members' shares of cred count
           or its whole graph.

Without --plugin and --plugin-exec, it is props. See docs/plugins.md.";

/// Help for `--plugin-exec`.
const PLUGIN_EXEC: &str = "\
A program that draws a graph: PROGRAM, or PROGRAM=FILE with its settings, a JSON file.

It is told what there is, says which rows it needs, gets them as JSON lines, and writes nodes and edges as JSON
lines. See docs/plugins.md, which has an example in Python.";

/// Help for `--improved`.
const IMPROVED: &str = "\
With --plugin discord or github: improve on the rules of SourceCred's plugin. This changes cred.

Members who left the guild still count, with their messages, reactions and mentions. Announcement, voice
and stage channels count. So do threads and forum posts: they take the weight, category, props and NSFW
setting of their channel unless they have a weight of their own. Super reactions count. Proposed names
have at most 31 characters, so that two equal names can't fail the whole run.

On GitHub, references between repositories count, links and names mean the same in whatever case they are
written, co-authors of commits are authors, and discussions and releases count.";

/// The names of the graph plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum PluginName {
    /// Who was thanked
    #[default]
    Props,
    /// What people did
    Didathing,
    /// Who was at meetings
    Meetings,
    /// The graph of SourceCred's own Discord plugin
    Discord,
    /// The graph of SourceCred's own GitHub plugin
    Github,
    /// Another community's cred or graph
    Instance,
}

/// What there is to say about a plugin.
#[derive(Serialize)]
struct Described {
    name: PluginName,
    draws: &'static str,
    /// The file after `NAME=`.
    configured_by: &'static str,
    needs_file: bool,
}

/// The plugins of this program.
const ALL: [Described; 6] = [
    Described {
        name: PluginName::Props,
        draws: "who was thanked, and who agreed",
        configured_by: "its weights",
        needs_file: false,
    },
    Described {
        name: PluginName::Didathing,
        draws: "what people say that they did, and who agreed",
        configured_by: "its channels and weights",
        needs_file: true,
    },
    Described {
        name: PluginName::Meetings,
        draws: "who attended, hosted and took notes of meetings",
        configured_by: "its channels, weights and words",
        needs_file: true,
    },
    Described {
        name: PluginName::Discord,
        draws: "the graph of SourceCred 0.11.2's own Discord plugin",
        configured_by: "that plugin's config.json",
        needs_file: true,
    },
    Described {
        name: PluginName::Github,
        draws: "the graph of SourceCred 0.11.2's own GitHub plugin",
        configured_by: "that plugin's config.json",
        needs_file: false,
    },
    Described {
        name: PluginName::Instance,
        draws: "the cred, or the whole graph, of another community's SourceCred instance",
        configured_by: "where that instance is, and what it is worth",
        needs_file: true,
    },
];

impl PluginName {
    /// The name on the command line.
    fn text(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Serialize for PluginName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// Lists the graph plugins.
pub fn plugins(json: bool) -> Result<Vec<String>, Error> {
    if json {
        return Ok(vec![printable_json(&serde_json::to_string(&ALL)?)]);
    }
    let line = |plugin: &Described| {
        let file = if plugin.needs_file {
            "=FILE"
        } else {
            "[=FILE]"
        };
        let given = format!("{}{file}", plugin.name.text());
        format!(
            "{given:<15}  {}; FILE: {}",
            plugin.draws, plugin.configured_by
        )
    };
    let mut lines: Vec<String> = ALL.iter().map(line).collect();
    lines.push("Others: --plugin-exec PROGRAM[=FILE]. See docs/plugins.md.".to_owned());
    Ok(lines)
}

/// A plugin, and the file that configures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginChoice {
    pub name: PluginName,
    pub file: Option<PathBuf>,
}

impl FromStr for PluginChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = with_file(text);
        let name = PluginName::from_str(name, false).map_err(|_| {
            let names: Vec<String> = ALL.iter().map(|plugin| plugin.name.text()).collect();
            format!(
                "it is one of {}, or one of them and =FILE",
                names.join(", ")
            )
        })?;
        Ok(Self { name, file })
    }
}

/// A name, and the file after `=`.
fn with_file(text: &str) -> (&str, Option<PathBuf>) {
    match text.split_once('=') {
        Some((name, file)) => (name, Some(file.into())),
        None => (text, None),
    }
}

/// A program that is a plugin, and the file with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecChoice {
    pub program: PathBuf,
    pub file: Option<PathBuf>,
}

impl FromStr for ExecChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (program, file) = match Path::new(text) {
            program if program.is_file() => (text, None),
            _ => with_file(text),
        };
        let program = program.into();
        Ok(Self { program, file })
    }
}

/// Graph plugins, and what configures them.
#[derive(Args, Clone, Debug, Default)]
pub struct PluginOrder {
    /// Which graph to build [default: props]; several times for several
    #[arg(id = "plugin", long = "plugin", value_name = "PLUGIN", long_help = PLUGIN)]
    pub plugins: Vec<PluginChoice>,
    /// A program that draws a graph; several times for several
    #[arg(long, value_name = "PROGRAM", long_help = PLUGIN_EXEC)]
    pub plugin_exec: Vec<ExecChoice>,
    /// How long each program may take for a step [default: 5m]
    #[arg(long, value_name = "TIME", requires = "plugin_exec", value_parser = humantime::parse_duration)]
    pub plugin_timeout: Option<Duration>,
    /// JSON file with weights that replace the defaults, for the props plugin
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The config.json of SourceCred's own plugin, for the discord and the github plugin
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Improve on the rules of SourceCred's own plugin
    #[arg(long, long_help = IMPROVED)]
    pub improved: bool,
}

impl PluginOrder {
    /// Only this plugin, configured by this file.
    pub fn only(name: PluginName, file: Option<PathBuf>) -> Self {
        Self {
            plugins: vec![PluginChoice { name, file }],
            ..Self::default()
        }
    }

    /// Whether it is the default plugin with its default configuration.
    pub(super) fn is_default(&self) -> bool {
        let is_default =
            |choice: &PluginChoice| choice.name == PluginName::default() && choice.file.is_none();
        self.plugins.iter().all(is_default)
            && self.plugin_exec.is_empty()
            && self.weights.is_none()
            && self.config.is_none()
            && !self.improved
    }

    /// The plugins, configured: at least one, each once.
    ///
    /// # Errors
    /// Files that are missing or invalid, and options of plugins that aren't there.
    pub(super) async fn open(
        &self,
        network: &Network,
        now: Millis,
    ) -> Result<Vec<Arc<dyn GraphPlugin>>, Error> {
        self.opened(network, now).await.map_err(Error::Wrong)
    }

    async fn opened(
        &self,
        network: &Network,
        now: Millis,
    ) -> anyhow::Result<Vec<Arc<dyn GraphPlugin>>> {
        let mut choices = self.plugins.clone();
        if choices.is_empty() && self.plugin_exec.is_empty() {
            choices.push(PluginChoice {
                name: PluginName::default(),
                file: None,
            });
        }
        let has = |name| choices.iter().any(|choice| choice.name == name);
        let is_own = has(PluginName::Discord) || has(PluginName::Github);
        if !is_own && (self.config.is_some() || self.improved) {
            let wrong = "--config and --plugin discord or github have to be used together, and --improved is for them";
            return Err(anyhow!(wrong));
        }
        if !has(PluginName::Props) && self.weights.is_some() {
            return Err(anyhow!(
                "--weights and --plugin props have to be used together"
            ));
        }
        let mut plugins = Vec::new();
        for choice in &choices {
            plugins.push(self.plugin(choice, network, now).await?);
        }
        for ExecChoice { program, file } in &self.plugin_exec {
            let patience = self.plugin_timeout.unwrap_or(exec_plugin::PATIENCE);
            plugins.push(Arc::new(ExecPlugin::new(
                program,
                file.as_deref(),
                patience,
            )?));
        }
        let mut names = BTreeSet::new();
        let mut all = plugins.iter();
        match all.find(|plugin| !names.insert(plugin.name())) {
            Some(twice) => Err(anyhow!(
                "there are two plugins {:?}: leave one",
                twice.name()
            )),
            None => Ok(plugins),
        }
    }

    async fn plugin(
        &self,
        choice: &PluginChoice,
        network: &Network,
        now: Millis,
    ) -> anyhow::Result<Arc<dyn GraphPlugin>> {
        let own = choice.file.as_deref();
        let required = || {
            own.with_context(|| {
                let name = choice.name.text();
                format!("the plugin {name} has to be configured: --plugin {name}=FILE")
            })
        };
        let either = |option: &'static str, other: &'_ Option<PathBuf>| match (own, other) {
            (Some(_), Some(_)) => Err(anyhow!(
                "--plugin {}=FILE and {option} name two files: leave one",
                choice.name.text()
            )),
            (own, other) => Ok(own.map(Path::to_owned).or_else(|| other.clone())),
        };
        match choice.name {
            PluginName::Props => props(either("--weights", &self.weights)?.as_deref()),
            PluginName::Didathing => didathing(required()?),
            PluginName::Meetings => meetings(required()?),
            PluginName::Instance => {
                let opened = GraphInstance::open(required()?, network, now);
                Ok(Arc::new(opened.await?))
            }
            PluginName::Github => {
                github(either("--config", &self.config)?.as_deref(), self.improved)
            }
            PluginName::Discord => match either("--config", &self.config)? {
                Some(config) => discord(&config, self.improved),
                None => Err(anyhow!(
                    "--plugin discord needs the config.json of SourceCred's Discord plugin: --config <FILE>"
                )),
            },
        }
    }
}

/// The files beside the archive for `SourceCred`, if configured; otherwise none of an earlier export.
///
/// # Errors
/// Weights that are missing or invalid.
pub(super) fn beside(config: &Config) -> Result<Arc<dyn SideFiles>, Error> {
    let paths = side_files(configured(config));
    let Some(sourcecred) = &config.sourcecred else {
        return Ok(Arc::new(NoSourceCredFiles(paths)));
    };
    let plugin = match config.github {
        Some(_) => github(None, false),
        None => props(sourcecred.weights.as_deref()).context("SOURCECRED_WEIGHTS"),
    };
    let plugin = plugin.map_err(Error::Wrong)?;
    Ok(Arc::new(SourceCredFiles::new(plugin, paths)))
}

/// The paths of a provider's files for `SourceCred` beside an archive.
pub(super) fn side_files(schema: &Schema) -> [&'static str; 3] {
    if schema.provider == propsbot_github::SCHEMA.provider {
        SOURCECRED_GITHUB
    } else {
        SOURCECRED
    }
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

fn didathing(path: &Path) -> anyhow::Result<Arc<dyn GraphPlugin>> {
    let config = DidathingConfig::from_json(&config(path)?)
        .with_context(|| format!("the config {} is invalid", path.display()))?;
    Ok(Arc::new(DidathingPlugin::new(config)))
}

fn meetings(path: &Path) -> anyhow::Result<Arc<dyn GraphPlugin>> {
    let config = MeetingsConfig::from_json(&config(path)?)
        .with_context(|| format!("the config {} is invalid", path.display()))?;
    Ok(Arc::new(MeetingsPlugin::new(config)))
}

fn discord(path: &Path, improved: bool) -> anyhow::Result<Arc<dyn GraphPlugin>> {
    let config = DiscordConfig::from_json(&config(path)?)
        .with_context(|| format!("the config {} is invalid", path.display()))?;
    let rules = if improved {
        Rules::Improved
    } else {
        Rules::Native
    };
    Ok(Arc::new(DiscordPlugin::new(config, rules)))
}

/// The meetings plugin for scheduled events alone, which an admin switches on in Discord. Which channels have meetings, its file
/// says.
pub(super) fn scheduled_events() -> Arc<dyn GraphPlugin> {
    let config = MeetingsConfig::of(BTreeSet::new());
    Arc::new(MeetingsPlugin::new(config))
}

/// The github plugin with SourceCred's rules, for these repositories.
pub(super) fn github_of(repositories: Vec<String>) -> Arc<dyn GraphPlugin> {
    let config = GithubConfig { repositories };
    Arc::new(GithubPlugin::new(config, GithubRules::Native))
}

fn github(path: Option<&Path>, improved: bool) -> anyhow::Result<Arc<dyn GraphPlugin>> {
    let config = match path {
        Some(path) => GithubConfig::from_json(&config(path)?)
            .with_context(|| format!("the config {} is invalid", path.display()))?,
        None => GithubConfig::default(),
    };
    let rules = if improved {
        GithubRules::Improved
    } else {
        GithubRules::Native
    };
    Ok(Arc::new(GithubPlugin::new(config, rules)))
}

/// A plugin's config, as text.
pub(super) fn config(path: &Path) -> anyhow::Result<String> {
    read_text(path).with_context(|| format!("could not read the config {}", path.display()))
}
