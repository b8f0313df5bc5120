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
