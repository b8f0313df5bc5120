//! The graph: what SourceCred reads to turn thanks into cred.
//!
//! Owns what counts as props (`props`), the graph drawn from them (`plugin`), and
//! SourceCred's files. A pure function of an archive and weights: it refuses to know where the
//! archive was, where the files go, and what time it is. The same rows give the same bytes, in
//! whichever order the rows come.

mod address;
mod channels;
mod declaration;
mod description;
mod identities;
mod members;
mod minting;
mod plugin;
mod prefix;
mod props;
mod standings;
mod weighted_graph;
mod weights;

#[cfg(test)]
mod tests;

pub use address::{EdgeAddress, NodeAddress};
pub use declaration::{Declaration, EdgeType, Keys, NodeType, declaration};
pub use identities::{
    Alias, IdentityProposal, IdentityType, identity_proposals, identity_proposals_json,
};
pub use plugin::props_graph;
pub use standings::{Standing, Thanks, standings};
pub use weighted_graph::{Edge, Node, Unusable, WeightedGraph};
pub use weights::{EdgeWeight, EdgeWeights, RolesAsOf, Weight, WeightError, Weights, WeightsError};

use crate::archive::Snapshot;

/// What SourceCred's External plugin reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    /// Each file's name and contents.
    pub files: [(&'static str, String); 3],
    /// Why SourceCred will fail on them although they are sound, if it will.
    pub unusable: Option<Unusable>,
}

/// The props plugin's documents for a snapshot.
pub fn props_documents(snapshot: &Snapshot, weights: &Weights) -> Documents {
    let graph = props_graph(snapshot, weights);
    let declaration = declaration(weights);
    let proposals = identity_proposals(snapshot, &graph);
    Documents {
        unusable: graph.check(&declaration).err(),
        files: [
            ("graph.json", graph.to_json()),
            ("declaration.json", declaration.to_json()),
            (
                "identityProposals.json",
                identity_proposals_json(&proposals),
            ),
        ],
    }
}
