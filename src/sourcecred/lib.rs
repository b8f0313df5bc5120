//! SourceCred's formats as version 0.11.2 reads them, and what draws them: [`GraphPlugin`].
//!
//! Owns addresses, the weighted graph, the declaration of a plugin's types, and identity proposals; also
//! what a graph mints, and how two graphs differ. Knows no platform, does no I/O, and reads no clock. The
//! same graph always gives the same bytes.

#![warn(missing_docs)]

mod address;
mod comparison;
pub mod cred;
mod declaration;
pub mod description;
mod documents;
mod flow;
mod identity;
mod joined;
mod object;
mod plugin;
mod side_files;
mod stored;
mod unmatched;
mod weight;
mod weighted_graph;

pub use address::{EdgeAddress, NodeAddress, Parts};
pub use comparison::{BeforeAndNow, Changes, Comparison, MemberChange};
pub use declaration::{Declaration, EdgeType, Keys, NodeType};
pub use documents::{Document, Documents};
pub use flow::{Minted, Weigher};
pub use identity::{Alias, IdentityProposal, IdentityType, NAME_LENGTH, legal_name};
pub use joined::join;
pub use object::object;
pub use plugin::{DrawError, Drawing, GraphPlugin, Reference, Standing, draw, draw_all, draw_each};
pub use side_files::{NoSourceCredFiles, SourceCredFiles};
pub use stored::{NotStored, Types};
pub use unmatched::unmatched;
pub use weight::{EdgeWeight, Weight, WeightError};
pub use weighted_graph::{Edge, Node, Unusable, WeightedGraph};
