//! Discord's graph plugins: what SourceCred reads to turn thanks into cred.
//!
//! Owns what counts as props (`props`), the graph drawn from them (`plugin`), [`PropsPlugin`], and the tables that
//! follow from the same rules ([`tables`]). The graph of SourceCred's own Discord plugin is [`discord`]. Pure: the rows and the weights decide, not where
//! the archive is, where the files go, or what time it is. The same rows in any order give the same bytes.

mod about;
mod channels;
mod declaration;
mod didathing;
pub mod discord;
mod explain;
mod identities;
mod leaderboard;
mod links;
pub mod meetings;
mod members;
mod minting;
mod openrank;
mod people;
mod plugin;
mod prefix;
mod props;
mod quota;
mod reaction_thanks;
mod references;
mod row_filter;
pub mod tables;
mod weights;

#[cfg(test)]
mod tests;

pub use about::{About, member_of};
pub use declaration::declaration;
pub use didathing::{DidathingConfig, DidathingConfigError, DidathingPlugin};
pub use explain::{Explanation, Part, PartEdge, PartNode, explain};
pub use identities::identity_proposals;
pub use leaderboard::{LeaderboardEntry, Thanks, standings};
pub use links::wishes;
pub use openrank::{Trust, trust};
pub use people::People;
pub use plugin::props_graph;
pub use props::{NoProps, NoReaction, NotReceived, Props, Rules, Verdict};
pub use quota::{QuotaEntry, Quotas, Way};
pub use reaction_thanks::ThanksKey;
pub use row_filter::PropsRowFilter;
pub use weights::{EdgeWeights, RolesAsOf, Weights, WeightsError};

use propsbot_archive::{RowSource, Schema};
use propsbot_rows::{SCHEMA, Snapshot};
use propsbot_sourcecred::{
    Documents, DrawError, Drawing, GraphPlugin, NodeAddress, Standing, WeightedGraph,
};

/// The props plugin: who thanked whom, and who agreed.
#[derive(Clone, Debug, Default)]
pub struct PropsPlugin {
    weights: Weights,
}

impl PropsPlugin {
    pub fn new(weights: Weights) -> Self {
        Self { weights }
    }
}

impl GraphPlugin for PropsPlugin {
    fn name(&self) -> &'static str {
        "props"
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn standing(&self) -> Standing {
        Standing::First
    }

    fn node_of(&self, contribution: &str, _: &WeightedGraph) -> Option<NodeAddress> {
        prefix::PROPS.message(contribution)
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let snapshot = Snapshot::of(rows, PropsRowFilter::new)?;
        let documents = props_documents(&snapshot, &self.weights);
        Ok(Drawing {
            warnings: self.weights.unmatched(&snapshot),
            references: references::references(&snapshot, prefix::PROPS, &documents.graph),
            documents,
        })
    }
}

/// The props plugin's documents for a snapshot: a whole one, or what [`PropsRowFilter`] keeps of it.
pub fn props_documents(snapshot: &Snapshot, weights: &Weights) -> Documents {
    let graph = props_graph(snapshot, weights);
    Documents {
        declaration: declaration(weights),
        proposals: identity_proposals(snapshot, &graph),
        graph,
    }
}
