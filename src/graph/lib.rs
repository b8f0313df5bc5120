//! Discord's graph plugins: what SourceCred reads to turn thanks into cred.
//!
//! Owns what counts as props (`props`), the graph drawn from them (`plugin`), and the graph of
//! SourceCred's own Discord plugin (`discord`). A pure function of an archive and weights: it refuses to know where the
//! archive was, where the files go, and what time it is. The same rows give the same bytes, in
//! whichever order the rows come.

mod channels;
mod declaration;
pub mod discord;
mod explain;
mod identities;
mod leaderboard;
mod members;
mod minting;
mod plugin;
mod prefix;
mod props;
mod quota;
mod row_filter;
mod unmatched;
mod weights;

#[cfg(test)]
mod tests;

pub use declaration::declaration;
pub use explain::{Explanation, Part, PartEdge, PartNode, explain};
pub use identities::identity_proposals;
pub use leaderboard::{LeaderboardEntry, Thanks, standings};
pub use plugin::props_graph;
pub use props::{NoProps, NoReaction, NotReceived, Props, Rules, Verdict};
pub use quota::{Gift, Quotas};
pub use row_filter::PropsRowFilter;
pub use weights::{EdgeWeights, RolesAsOf, Weights, WeightsError};

use propsbot_rows::Snapshot;
use propsbot_sourcecred::Documents;

/// The props plugin's documents for a snapshot: a whole one, or what [`PropsRowFilter`] left of it.
pub fn props_documents(snapshot: &Snapshot, weights: &Weights) -> Documents {
    let graph = props_graph(snapshot, weights);
    Documents {
        declaration: declaration(weights),
        proposals: identity_proposals(snapshot, &graph),
        graph,
    }
}
