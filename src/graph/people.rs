//! The members, for plugins that only say where their edges lead.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_archive::{ReadError, TableRows};
use propsbot_model::UserId;
use propsbot_rows::Snapshot;
use propsbot_sourcecred::{Documents, NodeAddress};

use super::{
    declaration, identity_proposals,
    members::{Member, Members},
    prefix,
};

/// The members in the rows of an archive.
#[derive(Debug, Default)]
pub struct People(Snapshot);

impl People {
    /// Takes some rows of the members' table.
    ///
    /// # Errors
    /// Rows of another table.
    pub fn take(&mut self, rows: &TableRows) -> Result<(), ReadError> {
        self.0.members.extend(rows.rows().map(Iterator::cloned)?);
        Ok(())
    }

    /// The node's address and the display name of each member who didn't opt out of everything. Names are raw: escape
    /// them before you show them.
    pub fn known(&self) -> BTreeMap<NodeAddress, String> {
        let members = Members::new(&self.0);
        let known = members.iter().filter(|member| !member.is_hidden());
        known
            .map(|member| (member.address(), member.name()))
            .collect()
    }

    /// The addresses of members who opted out of everything.
    pub fn hidden(&self) -> BTreeSet<NodeAddress> {
        let members = Members::new(&self.0);
        let hidden = members.iter().filter(|member| member.is_hidden());
        hidden.map(Member::address).collect()
    }

    /// The address of each member's node.
    pub fn addresses(&self) -> BTreeMap<UserId, NodeAddress> {
        let members = Members::new(&self.0);
        let members = members.iter();
        members
            .map(|member| (member.id(), member.address()))
            .collect()
    }

    /// Adds the members to whom edges lead: their nodes, types and accounts, as all plugins of Discord have
    /// them. Returns how many such edges lead to nobody whom the archive knows; SourceCred ignores those.
    pub fn complete(&self, documents: &mut Documents) -> usize {
        let members = Members::new(&self.0);
        let prefixes = [false, true].map(prefix::members);
        let edges = documents.graph.edges.values();
        let ends = edges.flat_map(|edge| [&edge.src, &edge.dst]);
        let ends = ends.filter(|end| prefixes.iter().any(|prefix| end.has_prefix(prefix)));
        let mut wanted: BTreeSet<NodeAddress> = ends.cloned().collect();
        for member in members.iter() {
            let address = member.address();
            if wanted.remove(&address) {
                documents.graph.add_node(address, member.label(), None);
            }
        }
        let types = declaration::members();
        documents.declaration.node_types.extend(types.clone());
        documents.declaration.user_types.extend(types);
        let proposals = identity_proposals(&self.0, &documents.graph);
        documents.proposals.extend(proposals);
        wanted.len()
    }
}
