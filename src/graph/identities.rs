//! The ledger accounts that the props plugin proposes for members.
//!
//! A proposal has no effect if an account already has its alias. The addresses are those of SourceCred's
//! Discord plugin, so a ledger that has the members from there stays as it is.

use std::collections::BTreeSet;

use propsbot_sourcecred::{Alias, IdentityProposal, NAME_LENGTH, WeightedGraph, legal_name};

use super::members::{Member, Members};
use propsbot_rows::Snapshot;

/// Proposes an account for every member in `graph`, the oldest Discord account first.
///
/// Members who opted out of everything are left out, so no account gets the cred that flows to
/// them. Unlike SourceCred's Discord plugin, this doesn't propose members who aren't in the graph:
/// a ledger is often public, and needn't list people who neither gave nor received props. If
/// several members would get the same name, the first one gets it, and the others get it with their
/// id.
pub fn identity_proposals(snapshot: &Snapshot, graph: &WeightedGraph) -> Vec<IdentityProposal> {
    let members = Members::new(snapshot);
    let mut taken = BTreeSet::new();
    members
        .iter()
        .map(|member| (member, member.address()))
        .filter(|(member, address)| graph.nodes.contains_key(address) && !member.is_nobody())
        .map(|(member, _)| proposal(member, &mut taken))
        .collect()
}

/// Proposes an account for a member, with a name that isn't in `taken` yet.
pub(super) fn proposal(member: Member<'_>, taken: &mut BTreeSet<String>) -> IdentityProposal {
    IdentityProposal {
        name: free_name(member, taken),
        plugin_name: "discord".into(),
        r#type: member.identity_type(),
        alias: Alias {
            description: member.label(),
            address: member.address(),
        },
    }
}

/// A name for `member` that isn't in `taken` yet, and adds it. Case doesn't distinguish names.
fn free_name(member: Member<'_>, taken: &mut BTreeSet<String>) -> String {
    let id = member.id().to_string();
    let by_id = format!("discord-{id}");
    let plain = [member.nick().unwrap_or_default(), member.username()]
        .into_iter()
        .map(legal_name)
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| by_id.clone());
    let room = NAME_LENGTH - 1 - id.len();
    let with_id = format!("{}-{id}", &plain[..plain.len().min(room)]);
    [plain, with_id]
        .into_iter()
        .find(|name| taken.insert(name.to_ascii_lowercase()))
        .unwrap_or(by_id)
}
