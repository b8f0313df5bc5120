//! Who the members in the graph are to SourceCred's ledger: `identityProposals.json`.
//!
//! Source: SourceCred 0.11.2, `core/ledger/identityProposal.js`. A proposal whose alias some
//! account already has changes nothing; so a ledger that knows the members through the Discord
//! plugin, by the same addresses, goes on as it was.

use std::collections::BTreeSet;

use propsbot_sourcecred::{Alias, IdentityProposal, NAME_LENGTH, WeightedGraph};

use super::members::{Member, Members};
use propsbot_rows::Snapshot;

/// Proposes an account for every member in `graph`, by age of the Discord account.
///
/// Who wants nothing shown is not proposed: cred that others gave them stays with nobody. Others are
/// not proposed either, unlike by the Discord plugin: a ledger is often public, and who neither
/// gave nor received thanks need not be listed. The first of those who would be called the same
/// gets the plain name, the others one with their id.
pub fn identity_proposals(snapshot: &Snapshot, graph: &WeightedGraph) -> Vec<IdentityProposal> {
    let members = Members::new(snapshot);
    let mut taken = BTreeSet::new();
    members
        .iter()
        .map(|member| (member, member.address()))
        .filter(|(member, address)| graph.nodes.contains_key(address) && !member.is_nobody())
        .map(|(member, address)| IdentityProposal {
            name: free_name(member, &mut taken),
            plugin_name: "discord",
            r#type: member.identity_type(),
            alias: Alias {
                description: member.label(),
                address,
            },
        })
        .collect()
}

/// A name for `member` that is not taken; now it is. Names are the same if only their case differs.
fn free_name(member: Member<'_>, taken: &mut BTreeSet<String>) -> String {
    let id = member.id().to_string();
    let by_id = format!("discord-{id}");
    let plain = [member.nick().unwrap_or_default(), member.username()]
        .into_iter()
        .map(legal)
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| by_id.clone());
    let room = NAME_LENGTH - 1 - id.len();
    let with_id = format!("{}-{id}", &plain[..plain.len().min(room)]);
    [plain, with_id]
        .into_iter()
        .find(|name| taken.insert(name.to_ascii_lowercase()))
        .unwrap_or(by_id)
}

/// What the ledger allows of a name: letters and digits of ASCII, hyphens for the rest.
fn legal(name: &str) -> String {
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
        assert_eq!(legal("ana_b.c"), "ana-b-c");
        assert_eq!(legal("✨ Ana 🎉 (she) ✨"), "Ana-she");
        assert_eq!(legal("Анна"), "");
        assert_eq!(legal(&format!("{}-b", "a".repeat(30))), "a".repeat(30));
        assert_eq!(legal(&"a".repeat(50)), "a".repeat(31));
    }
}
