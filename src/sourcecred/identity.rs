//! Who the members of a graph are to SourceCred's ledger: `identityProposals.json`.
//!
//! Source: SourceCred 0.11.2, `core/ledger/identityProposal.js`. A proposal whose alias some account
//! already has changes nothing.

use serde::Serialize;

use super::NodeAddress;

/// The longest name that is proposed. SourceCred's limit is 42, but where a name is taken it
/// appends up to `-discord-99`, and fails as a whole if that is too long.
pub const NAME_LENGTH: usize = 31;

/// An account that the ledger should have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProposal {
    /// What it should be called, unless another account is: 1 to 31 of `A-Z a-z 0-9 -`.
    pub name: String,
    /// What SourceCred appends to the name if that is taken.
    pub plugin_name: &'static str,
    /// Whether it is a person.
    pub r#type: IdentityType,
    /// The member's node.
    pub alias: Alias,
}

/// What an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IdentityType {
    /// A person.
    User,
    /// A bot.
    Bot,
}

/// A node that is the account's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alias {
    /// What it is.
    pub description: String,
    /// Where it is.
    pub address: NodeAddress,
}
