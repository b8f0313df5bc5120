//! Another community as a graph: its members' shares of cred, at a rate, or its whole graph, within a budget.

mod place;
mod shares;
mod view;
mod whole;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use tokio::time::timeout;

use self::{place::Place, view::View};
use super::plugins;
use propsbot_archive::{Millis, RowSource, Schema, TableQuery};
use propsbot_graph::People;
use propsbot_network::Network;
use propsbot_rows::{MEMBERS, SCHEMA};
use propsbot_sourcecred::{
    Declaration, Documents, DrawError, Drawing, EdgeAddress, GraphPlugin, Keys, NodeAddress,
    Weight, WeightedGraph,
};

/// The longest name: SourceCred knows the plugin by it.
const NAME: usize = 40;

/// How long all of its files may take to come.
const PATIENCE: Duration = Duration::from_mins(10);

/// Another instance, as it was when this was made.
///
/// Its people are known by their accounts on Discord. The whole graph may mint its [budget](GraphPlugin::budget) in a week.
/// Of shares, all together mint the rate in a week at most, however much cred there is over there; so two
/// instances that read each other converge.
pub(super) struct GraphInstance {
    /// `instance-` and the other community's name.
    plugin: String,
    community: String,
    addresses: Addresses,
    view: View,
    mode: Mode,
    /// When that was.
    now: Millis,
}

enum Mode {
    /// Each member and week is a node that mints the member's share of all cred of that week, times the rate.
    Shares {
        rate: f64,
    },
    Whole {
        budget: f64,
        graph: WeightedGraph,
    },
}

/// What the addresses of the plugin begin with.
struct Addresses {
    nodes: NodeAddress,
    edges: EdgeAddress,
}

/// The members here, by the addresses of their nodes.
struct Members {
    /// Those who didn't opt out of everything, with their names, which are raw.
    known: BTreeMap<NodeAddress, String>,
    /// Those who did.
    hidden: BTreeSet<NodeAddress>,
}

/// The file that configures it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What the other community is called, in addresses.
    name: String,
    /// The folder of its SourceCred instance, from the config's own folder.
    folder: Option<PathBuf>,
    /// The address of its `output/`, instead of a folder.
    url: Option<String>,
    /// What all cred of a week mints here.
    rate: Option<f64>,
    /// What its graph may mint here in a week, instead of a rate.
    budget: Option<f64>,
    /// Of which of its plugins; of all if it doesn't say.
    plugins: Option<Vec<String>>,
}

impl GraphInstance {
    /// Reads the instance that this config names.
    ///
    /// # Errors
    /// A config or an instance that isn't there or has mistakes.
    pub(super) async fn open(path: &Path, network: &Network, now: Millis) -> anyhow::Result<Self> {
        let tried = || format!("the config {} is invalid", path.display());
        let config: Config = serde_json::from_str(&plugins::config(path)?).with_context(tried)?;
        config.check().with_context(tried)?;
        let mut place = match (&config.folder, &config.url) {
            (Some(folder), None) => {
                let own = path.parent().unwrap_or(Path::new(""));
                Place::folder(own.join(folder))
            }
            (None, Some(url)) => Place::web(url, network).with_context(tried)?,
            _ => {
                let wrong = "it needs either folder or url, where the other instance is";
                return Err(anyhow!(wrong)).with_context(tried);
            }
        };
        let reading = async {
            let view = View::read(&mut place, now).await?;
            let mode = match (config.rate, config.budget) {
                (Some(rate), None) => Mode::Shares { rate },
                (None, Some(budget)) => Mode::Whole {
                    budget,
                    graph: whole::read(&mut place, config.plugins.as_deref()).await?,
                },
                _ => unreachable!("a checked config has either"),
            };
            anyhow::Ok((view, mode))
        };
        let read = timeout(PATIENCE, reading).await;
        let (view, mode) = read.with_context(|| {
            let minutes = PATIENCE.as_secs() / 60;
            format!("{place} took longer than {minutes} minutes to send its files")
        })??;
        let plugin = format!("instance-{}", config.name);
        Ok(Self {
            addresses: Addresses {
                nodes: NodeAddress::new(&[&"external", &plugin]),
                edges: EdgeAddress::new(&[&"external", &plugin]),
            },
            plugin,
            community: config.name,
            view,
            mode,
            now,
        })
    }
}

impl Config {
    fn check(&self) -> anyhow::Result<()> {
        let is_legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=NAME).contains(&self.name.len()) || !self.name.bytes().all(is_legal) {
            bail!(
                "name has to have 1 to {NAME} lower-case letters, digits and hyphens, unlike {:?}",
                self.name
            );
        }
        let is_amount = |number: f64| number > 0.0 && Weight::try_from(number).is_ok();
        match (self.rate, self.budget) {
            (Some(rate), None) if !is_amount(rate) => bail!(
                "rate has to be a number above 0 and at most 1000000: what all cred of a week there mints here"
            ),
            (None, Some(budget)) if !is_amount(budget) => bail!(
                "budget has to be a number above 0 and at most 1000000: what that graph may mint here in a week"
            ),
            (Some(_), None) if self.plugins.is_some() => {
                bail!("plugins are those whose graphs are taken over: they go with budget")
            }
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => bail!(
                "it needs either rate, for the members' shares of its cred, or budget, for its whole graph"
            ),
        }
    }
}

impl GraphPlugin for GraphInstance {
    fn name(&self) -> &str {
        &self.plugin
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn budget(&self) -> Option<f64> {
        match self.mode {
            Mode::Shares { .. } => None,
            Mode::Whole { budget, .. } => Some(budget),
        }
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let table = SCHEMA.table(MEMBERS).expect("there is a table of members");
        let mut people = People::default();
        rows.scan(&TableQuery::of(table), &|_| true, &mut |batch| {
            people.take(&batch)
        })?;
        let members = Members {
            known: people.known(),
            hidden: people.hidden(),
        };
        let (community, addresses) = (&self.community, &self.addresses);
        let (graph, proposals, (node_types, edge_types), user_types) = match &self.mode {
            Mode::Shares { rate } => {
                let graph = shares::graph(&self.view, *rate, community, addresses, &members);
                (graph, Vec::new(), shares::types(addresses), Vec::new())
            }
            Mode::Whole { graph, .. } => {
                let (graph, proposals) =
                    whole::graph(graph, &self.view, community, addresses, &members, self.now);
                let people = vec![whole::person(addresses)];
                (graph, proposals, whole::types(addresses), people)
            }
        };
        let name = match self.mode {
            Mode::Shares { .. } => format!("Cred of {community}"),
            Mode::Whole { .. } => format!("Graph of {community}"),
        };
        let mut documents = Documents {
            graph,
            declaration: Declaration {
                name,
                node_prefix: addresses.nodes.clone(),
                edge_prefix: addresses.edges.clone(),
                node_types,
                edge_types,
                user_types,
                keys: Keys::default(),
            },
            proposals,
        };
        people.complete(&mut documents);
        Ok(Drawing::from(documents))
    }
}
