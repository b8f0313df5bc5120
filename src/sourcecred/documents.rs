//! The three files that SourceCred's External plugin reads.

use std::io::{self, Write};

use super::{Declaration, IdentityProposal, Unusable, WeightedGraph, weighted_graph::write_json};

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// `graph.json`
    Graph,
    /// `declaration.json`
    Declaration,
    /// `identityProposals.json`
    IdentityProposals,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Graph, Self::Declaration, Self::IdentityProposals];

    /// What SourceCred calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph.json",
            Self::Declaration => "declaration.json",
            Self::IdentityProposals => "identityProposals.json",
        }
    }
}

/// What the files say, whichever plugin drew the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// The graph, and the weights in it.
    pub graph: WeightedGraph,
    /// The types, and what they weigh.
    pub declaration: Declaration,
    /// Who the members are.
    pub proposals: Vec<IdentityProposal>,
}

/// The longest text that Node reads, in UTF-16 code units, and so the longest file of ASCII.
/// Source: V8's `String::kMaxLength` on 64 bits.
const LONGEST: u64 = (1 << 29) - 24;

impl Document {
    /// Why SourceCred fails on this document if it has so many bytes; `None` if it does not.
    pub fn too_long(self, bytes: u64) -> Option<String> {
        (bytes > LONGEST).then(|| {
            format!(
                "{} has {} MiB, and SourceCred fails on more than 512: Node reads no longer text. Give channels \
                 the weight 0; in the config of the discord plugin, simplifyGraph and beginningDate help too",
                self.name(),
                bytes >> 20
            )
        })
    }
}

impl Documents {
    /// Why SourceCred will fail on them although they are sound, if it will.
    pub fn unusable(&self) -> Option<Unusable> {
        self.graph.check(&self.declaration).err()
    }

    /// Writes one of them.
    pub fn write(&self, document: Document, to: impl Write) -> io::Result<()> {
        match document {
            Document::Graph => self.graph.write_json(to),
            Document::Declaration => self.declaration.write_json(to),
            Document::IdentityProposals => write_json(to, &self.proposals),
        }
    }

    /// One of them, in memory.
    pub fn bytes(&self, document: Document) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(document, &mut bytes)
            .expect("text and numbers are always JSON, and memory takes it");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_node_cannot_read_is_too_long() {
        assert_eq!(Document::Graph.too_long(536_870_888), None);
        let says = Document::Graph.too_long(600 << 20).unwrap();
        assert!(says.starts_with("graph.json has 600 MiB"), "{says}");
    }
}
