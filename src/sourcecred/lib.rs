//! SourceCred's formats, as version 0.11.2 reads them: addresses, the weighted graph, the declaration of a
//! plugin's types, and identities; what a graph mints, and how two of them differ.
//!
//! Pure: knows no platform, does no I/O, and tells no time. Sorted output: the same graph gives the same
//! bytes.

#![warn(missing_docs)]

mod address;
mod comparison;
mod declaration;
pub mod description;
mod documents;
mod flow;
mod identity;
mod object;
mod stored;
mod weight;
mod weighted_graph;

pub use address::{EdgeAddress, NodeAddress, Parts};
pub use comparison::{BeforeAndNow, Changes, Comparison, MemberChange};
pub use declaration::{Declaration, EdgeType, Keys, NodeType};
pub use documents::{Document, Documents};
pub use flow::{Minted, Weigher};
pub use identity::{Alias, IdentityProposal, IdentityType, NAME_LENGTH};
pub use object::object;
pub use stored::{NotStored, Types};
pub use weight::{EdgeWeight, Weight, WeightError};
pub use weighted_graph::{Edge, Node, Unusable, WeightedGraph};
