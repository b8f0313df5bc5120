//! The three files that SourceCred's External plugin reads.

use std::io::{self, Write};

use super::{Declaration, IdentityProposal, Unusable, WeightedGraph, weighted_graph::write_json};

/// One of the three files.
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
    /// All three.
    pub const ALL: [Self; 3] = [Self::Graph, Self::Declaration, Self::IdentityProposals];

    /// The file name that SourceCred expects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph.json",
            Self::Declaration => "declaration.json",
            Self::IdentityProposals => "identityProposals.json",
        }
    }
}

/// The contents of the three files.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// The graph, with the weights in it.
    pub graph: WeightedGraph,
    /// The types of nodes and edges, with their weights.
    pub declaration: Declaration,
    /// The accounts that the ledger should have.
    pub proposals: Vec<IdentityProposal>,
}

/// The longest text that Node can read, in UTF-16 code units, and so the longest ASCII file in bytes.
/// Source: V8's `String::kMaxLength` on 64 bits.
const LONGEST: u64 = (1 << 29) - 24;

impl Document {
    /// A warning if SourceCred fails on this document because it has so many bytes.
    pub fn too_long(self, bytes: u64) -> Option<String> {
        (bytes > LONGEST).then(|| {
            format!(
                "{} has {} MiB, but SourceCred can't read more than 512. Give channels the weight 0; in the \
                 config of the discord plugin, simplifyGraph and beginningDate help too",
                self.name(),
                bytes >> 20
            )
        })
    }
}

impl Documents {
    /// Why SourceCred's `credrank` will fail on the graph, if it will.
    pub fn unusable(&self) -> Option<Unusable> {
        self.graph.check(&self.declaration).err()
    }

    /// Writes one of the files.
    pub fn write(&self, document: Document, to: impl Write) -> io::Result<()> {
        match document {
            Document::Graph => self.graph.write_json(to),
            Document::Declaration => self.declaration.write_json(to),
            Document::IdentityProposals => write_json(to, &self.proposals),
        }
    }

    /// One of the files, in memory.
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
    fn warns_of_files_that_node_cannot_read() {
        assert_eq!(Document::Graph.too_long(536_870_888), None);
        let says = Document::Graph.too_long(600 << 20).unwrap();
        assert!(says.starts_with("graph.json has 600 MiB"), "{says}");
    }
}
