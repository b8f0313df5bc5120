//! The graph: what SourceCred reads to turn thanks into cred.
//!
//! Owns what counts as props (`props`), the graph drawn from them (`plugin`), the graph of
//! SourceCred's own Discord plugin (`discord`), and SourceCred's files. A pure function of an archive and weights: it refuses to know where the
//! archive was, where the files go, and what time it is. The same rows give the same bytes, in
//! whichever order the rows come.

mod address;
mod channels;
mod comparison;
mod declaration;
mod description;
pub mod discord;
mod documents;
mod explain;
mod flow;
mod identities;
mod members;
mod minting;
mod object;
mod plugin;
mod prefix;
mod props;
mod quota;
mod sieve;
mod standings;
mod stored;
mod unmatched;
mod weighted_graph;
mod weights;

#[cfg(test)]
mod tests;

pub use address::{EdgeAddress, NodeAddress};
pub use comparison::{BeforeAndNow, Changes, Comparison, MemberChange};
pub use declaration::{Declaration, EdgeType, Keys, NodeType, declaration};
pub use documents::{Document, Documents};
pub use explain::{Explanation, Part, PartEdge, PartNode, explain};
pub use flow::Minted;
pub use identities::{Alias, IdentityProposal, IdentityType, identity_proposals};
pub use plugin::props_graph;
pub use props::{NoProps, NoReaction, NotReceived, Props, Rules, Verdict};
pub use quota::{Gift, Quotas};
pub use sieve::PropsSieve;
pub use standings::{Standing, Thanks, standings};
pub use stored::{NotStored, Types};
pub use weighted_graph::{Edge, Node, Unusable, WeightedGraph};
pub use weights::{EdgeWeight, EdgeWeights, RolesAsOf, Weight, WeightError, Weights, WeightsError};

use propsbot_archive::Snapshot;

/// The props plugin's documents for a snapshot: a whole one, or what [`PropsSieve`] left of it.
pub fn props_documents(snapshot: &Snapshot, weights: &Weights) -> Documents {
    let graph = props_graph(snapshot, weights);
    Documents {
        declaration: declaration(weights),
        proposals: identity_proposals(snapshot, &graph),
        graph,
    }
}
