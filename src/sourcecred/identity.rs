//! Accounts to add to SourceCred's ledger: `identityProposals.json`.
//!
//! Source: SourceCred 0.11.2, `core/ledger/identityProposal.js`. A proposal has no effect if an account
//! already has its alias.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::NodeAddress;

/// The longest name to propose. SourceCred's limit is 42, but it appends up to `-discord-99` to a name that
/// is taken, and the whole run fails if the result is too long.
pub const NAME_LENGTH: usize = 31;

/// An account that the ledger should have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProposal {
    /// Its name, unless another account has it: 1 to [`NAME_LENGTH`] of `A-Z a-z 0-9 -`.
    pub name: String,
    /// What SourceCred appends to the name if it is taken.
    pub plugin_name: Cow<'static, str>,
    /// Whom it belongs to.
    pub r#type: IdentityType,
    /// The node that becomes the account's alias.
    pub alias: Alias,
}

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IdentityType {
    /// A person.
    User,
    /// A bot.
    Bot,
    /// A project, such as one that this one depends on.
    Project,
    /// An organization.
    Organization,
}

/// A node that belongs to an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// What the ledger shows for it.
    pub description: String,
    /// The node's address.
    pub address: NodeAddress,
}

/// The name as SourceCred's ledger allows it: the ASCII letters and digits, with a hyphen for whatever is
/// between them, cut to [`NAME_LENGTH`]. Empty if there are none.
pub fn legal_name(name: &str) -> String {
    let mut legal = String::new();
    for char in name.chars() {
        if char.is_ascii_alphanumeric() {
            legal.push(char);
        } else if !legal.is_empty() && !legal.ends_with('-') {
            legal.push('-');
        }
    }
    legal.truncate(NAME_LENGTH);
    legal.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_legal() {
        assert_eq!(legal_name("ana_b.c"), "ana-b-c");
        assert_eq!(legal_name("✨ Ana 🎉 (she) ✨"), "Ana-she");
        assert_eq!(legal_name("Анна"), "");
        assert_eq!(legal_name(&format!("{}-b", "a".repeat(30))), "a".repeat(30));
        assert_eq!(legal_name(&"a".repeat(50)), "a".repeat(31));
    }
}
