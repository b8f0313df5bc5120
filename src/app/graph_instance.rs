//! The cred of another community as a graph: what members earned there counts here, at a rate.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Deserialize;

use super::{cred::read_json, plugins};
use propsbot_archive::{Millis, RowSource, Schema, TableQuery};
use propsbot_graph::People;
use propsbot_rows::{MEMBERS, SCHEMA};
use propsbot_sourcecred::{
    Declaration, Documents, DrawError, Drawing, EdgeAddress, EdgeType, EdgeWeight, GraphPlugin,
    Keys, NodeAddress, NodeType, Weight, WeightedGraph, description,
};

/// Where an instance keeps cred by participant and week.
const VIEW: &str = "output/credGrainView";

/// How much of a participant's name a description shows, in UTF-16 code units.
const NAME_UNITS: usize = 40;

/// The members' shares of another instance's cred, week by week.
///
/// Each member and week is a node that mints the member's share of all cred of that week, times the rate. So
/// all of them mint the rate in a week at most, however much cred there is over there, and two instances that
/// read each other converge.
#[derive(Debug)]
pub(super) struct GraphInstance {
    /// `instance-` and the other community's name.
    plugin: String,
    config: Config,
    view: View,
}

/// The file that configures it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What the other community is called, in addresses.
    name: String,
    /// The folder of its SourceCred instance, from the config's own folder.
    folder: PathBuf,
    /// What all cred of a week mints here.
    rate: f64,
}

/// What is read of a `credGrainView`.
#[derive(Debug, Deserialize)]
struct View {
    participants: Vec<Participant>,
    intervals: Vec<Interval>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    identity: Identity,
    cred_per_interval: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Identity {
    id: String,
    name: String,
    aliases: Vec<Alias>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    address: NodeAddress,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    start_time_ms: i64,
    end_time_ms: i64,
}

impl GraphInstance {
    /// Reads the instance that this config names.
    ///
    /// # Errors
    /// A config or an instance that isn't there or has mistakes.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let tried = || format!("the config {} is invalid", path.display());
        let config: Config = serde_json::from_str(&plugins::config(path)?).with_context(tried)?;
        let is_legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if config.name.is_empty() || !config.name.bytes().all(is_legal) {
            return Err(anyhow::anyhow!(
                "name has to have lower-case letters, digits and hyphens, unlike {:?}",
                config.name
            ))
            .with_context(tried);
        }
        if !(config.rate > 0.0 && Weight::try_from(config.rate).is_ok()) {
            return Err(anyhow::anyhow!(
                "rate has to be a number above 0 and at most 1000000: what all cred of a week there mints here"
            ))
            .with_context(tried);
        }
        let folder = path.parent().unwrap_or(Path::new("")).join(&config.folder);
        let view = folder.join(VIEW);
        let read: Option<View> = read_json(&view)?;
        let read = read.with_context(|| {
            format!(
                "{} has no {VIEW}: run `sourcecred credrank` there first, or `propsbot cred --out`",
                folder.display()
            )
        })?;
        let weeks = read.intervals.len();
        for participant in &read.participants {
            let cred = &participant.cred_per_interval;
            let is_cred = |cred: &f64| cred.is_finite() && *cred >= 0.0;
            if cred.len() != weeks || !cred.iter().all(is_cred) {
                bail!(
                    "{}: the cred of {:?} isn't one number, from 0 on, for each of the {weeks} weeks",
                    view.display(),
                    participant.identity.name
                );
            }
        }
        Ok(Self {
            plugin: format!("instance-{}", config.name),
            config,
            view: read,
        })
    }

    fn nodes(&self) -> NodeAddress {
        NodeAddress::new(&[&"external", &self.plugin])
    }

    fn edges(&self) -> EdgeAddress {
        EdgeAddress::new(&[&"external", &self.plugin])
    }

    /// The shares of those who are known here.
    fn graph(&self, known: &BTreeSet<NodeAddress>) -> WeightedGraph {
        let mut graph = WeightedGraph::default();
        let all = |week: usize| -> f64 {
            let participants = self.view.participants.iter();
            participants.map(|own| own.cred_per_interval[week]).sum()
        };
        let totals: Vec<f64> = (0..self.view.intervals.len()).map(all).collect();
        for Participant {
            identity,
            cred_per_interval,
        } in &self.view.participants
        {
            let mut aliases = identity.aliases.iter().map(|alias| &alias.address);
            let Some(member) = aliases.find(|alias| known.contains(alias)) else {
                continue;
            };
            let weeks = self.view.intervals.iter().zip(&totals);
            for ((week, total), cred) in weeks.zip(cred_per_interval) {
                // SourceCred writes weights as JavaScript does: too small ones are nothing.
                let share = if *total > 0.0 { cred / total } else { 0.0 };
                let weight = Weight::computed(share * self.config.rate);
                if weight <= Weight::ZERO {
                    continue;
                }
                let start = week.start_time_ms;
                let node = self.nodes().with(&[&"CRED", &identity.id, &start]);
                let edge = self.edges().with(&[&"EARNS", &identity.id, &start]);
                // Not where the week begins: SourceCred counts that to the week before.
                let at = Millis(start + (week.end_time_ms - start) / 2);
                let name = description::text(&identity.name, NAME_UNITS);
                let text = format!(
                    "Cred of {name} in {}, week of {}",
                    self.config.name,
                    date(start)
                );
                graph.add_node(node.clone(), text, Some(at));
                graph.node_weights.insert(node.clone(), weight);
                graph.add_edge(edge, node, member.clone(), at);
            }
        }
        graph
    }
}

impl GraphPlugin for GraphInstance {
    fn name(&self) -> &str {
        &self.plugin
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let table = SCHEMA.table(MEMBERS).expect("there is a table of members");
        let mut people = People::default();
        rows.scan(&TableQuery::of(table), &|_| true, &mut |batch| {
            people.take(&batch)
        })?;
        let known = people.addresses().into_values().collect();
        let mut documents = Documents {
            graph: self.graph(&known),
            declaration: Declaration {
                name: format!("Cred of {}", self.config.name),
                node_prefix: self.nodes(),
                edge_prefix: self.edges(),
                node_types: vec![NodeType {
                    name: "Cred of a week".into(),
                    plural_name: "Cred of weeks".into(),
                    prefix: self.nodes().with(&[&"CRED"]),
                    default_weight: Weight::ONE,
                    description: "A member's share of another community's cred in one week".into(),
                }],
                edge_types: vec![EdgeType {
                    forward_name: "is earned by".into(),
                    backward_name: "earns".into(),
                    prefix: self.edges().with(&[&"EARNS"]),
                    default_weight: EdgeWeight::new(1.0, 0.0),
                    description: "Connects cred of another community to whoever earned it".into(),
                }],
                user_types: Vec::new(),
                keys: Keys::default(),
            },
            proposals: Vec::new(),
        };
        people.complete(&mut documents);
        Ok(Drawing::from(documents))
    }
}

fn date(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis);
    time.map_or_else(
        |_| millis.to_string(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}
