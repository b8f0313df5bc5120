//! The parts of an instance's configuration that change cred: weights, budgets, dependencies and personal
//! attributions.
//!
//! Source: SourceCred 0.11.2, `core/weights.js`, `api/pluginBudgetConfig.js`, `api/dependenciesConfig.js`
//! and `api/config/personalAttributionsConfig.js`.

use std::collections::BTreeMap;

use propsbot_archive::Millis;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{IdentityId, event::Name, iso};
use crate::{EdgeAddress, EdgeWeight, NodeAddress, Weight};

/// `config/weights.json`: weights that replace those of the plugins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    pub(super) nodes: BTreeMap<NodeAddress, Weight>,
    pub(super) edges: BTreeMap<EdgeAddress, EdgeWeight>,
}

impl<'de> Deserialize<'de> for Overrides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "read to be checked")]
        struct Mark {
            r#type: Type,
            version: Version,
        }
        #[derive(Deserialize)]
        enum Type {
            #[serde(rename = "sourcecred/weights")]
            Weights,
        }
        #[derive(Deserialize)]
        enum Version {
            #[serde(rename = "0.2.0")]
            Current,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Both {
            node_weights: BTreeMap<NodeAddress, f64>,
            edge_weights: BTreeMap<EdgeAddress, Ways>,
        }
        #[derive(Deserialize)]
        struct Ways {
            forwards: f64,
            backwards: f64,
        }
        let (_, both): (Mark, Both) = Deserialize::deserialize(deserializer)?;
        let nodes = both.node_weights.into_iter();
        let edges = both.edge_weights.into_iter();
        Ok(Self {
            nodes: nodes
                .map(|(prefix, weight)| (prefix, Weight::computed(weight)))
                .collect(),
            edges: edges
                .map(|(prefix, ways)| (prefix, EdgeWeight::new(ways.forwards, ways.backwards)))
                .collect(),
        })
    }
}

/// A date in a configuration: as it was written, and when it is.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    text: String,
    pub(super) at: Millis,
}

impl When {
    /// This time, as SourceCred writes it.
    pub(super) fn of(at: Millis) -> Self {
        let text = jiff::Timestamp::from_millisecond(at.0)
            .map_or_else(|_| at.0.to_string(), |time| format!("{time:.3}"));
        Self { text, at }
    }
}

impl Serialize for When {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match iso::parse(&text) {
            Some(at) => Ok(Self { text, at }),
            None => Err(D::Error::custom(format_args!(
                "{text:?} is no date: write it like 2021-01-30 or 2021-01-30T12:00:00Z"
            ))),
        }
    }
}

/// `config/pluginBudgets.json`: how much each plugin may mint in a week.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetConfig {
    /// Read to be checked: there is only one.
    #[expect(dead_code, reason = "read to be checked")]
    interval_length: IntervalLength,
    /// By the plugin's id.
    pub(super) plugins: BTreeMap<String, Vec<BudgetPeriod>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum IntervalLength {
    #[serde(rename = "WEEKLY")]
    Weekly,
}

/// From when a plugin may mint how much in a week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetPeriod {
    pub(super) start_time: When,
    pub(super) budget: f64,
}

impl BudgetConfig {
    /// The ids of the plugins that have a budget.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        self.plugins.keys().map(String::as_str)
    }
}

/// A budget with the prefix of the nodes that it holds for.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub(super) plugin: String,
    pub(super) prefix: NodeAddress,
    pub(super) periods: Vec<BudgetPeriod>,
}

impl Budget {
    /// What has an earlier time isn't limited: its week begins before 1970, and so before every weekly budget.
    pub const SINCE: Millis = Millis(3 * 86_400_000);

    /// A plugin with this prefix of nodes may mint so much in each week from [`Self::SINCE`] on.
    pub fn weekly(plugin: String, prefix: NodeAddress, budget: f64) -> Self {
        let start_time = When::of(Millis(0));
        Self {
            plugin,
            prefix,
            periods: vec![BudgetPeriod { start_time, budget }],
        }
    }

    /// The id of the plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The `config/pluginBudgets.json` with these budgets, as text.
    pub fn json(budgets: &[Self]) -> String {
        let plugins: BTreeMap<&str, &[BudgetPeriod]> = budgets
            .iter()
            .map(|budget| (&*budget.plugin, &*budget.periods))
            .collect();
        let config = serde_json::json!({"intervalLength": "WEEKLY", "plugins": plugins});
        format!("{config:#}\n")
    }

    /// The budgets of a configuration, with the prefix of each plugin's nodes.
    pub fn all<E>(
        config: BudgetConfig,
        prefix: impl Fn(&str) -> Result<NodeAddress, E>,
    ) -> Result<Vec<Self>, E> {
        let plugins = config.plugins.into_iter();
        let budgets = plugins.map(|(plugin, periods)| {
            Ok(Self {
                prefix: prefix(&plugin)?,
                plugin,
                periods,
            })
        });
        budgets.collect()
    }
}

/// An entry of `config/dependencies.json`: a project that a share of what is minted is added for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Whether a new account takes part in distributions of grain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auto_activate_on_identity_creation: Option<bool>,
    /// The share from today on, if there are no periods yet.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "not_negative"
    )]
    pub(super) auto_inject_starting_period_weight: Option<f64>,
    /// Its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<IdentityId>,
    /// Its name.
    pub(super) name: Name,
    /// The shares.
    pub(super) periods: Vec<MintPeriod>,
}

/// From when a dependency has which share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MintPeriod {
    pub(super) start_time: When,
    pub(super) weight: f64,
}

fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let weight = f64::deserialize(deserializer)?;
    if weight < 0.0 {
        return Err(D::Error::custom(
            "autoInjectStartingPeriodWeight is negative",
        ));
    }
    Ok(Some(weight))
}

/// An entry of `config/personalAttributions.json`: whom a participant passes cred on to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribution {
    /// Who passes it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from_participant_id: Option<IdentityId>,
    pub(super) from_participant_name: Name,
    /// To whom.
    pub(super) recipients: Vec<Recipient>,
}

/// Who gets cred of somebody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The shares.
    pub(super) proportions: Vec<Proportion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to_participant_id: Option<IdentityId>,
    pub(super) to_participant_name: Name,
}

/// From when somebody gets which share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proportion {
    #[serde(deserialize_with = "proportion")]
    pub(super) decimal_proportion: f64,
    pub(super) start_date: When,
}

fn proportion<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err(D::Error::custom(format_args!(
            "{number} is not a share from 0 to 1"
        )))
    }
}
