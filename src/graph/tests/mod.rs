//! The graph as a whole.

mod community;
mod comparison;
mod discord;
mod explain;
mod invariants;
mod limits;
mod links;
mod meetings;
mod minting;
mod page;
mod reaction_thanks;
mod rules;
mod tables;
mod together;

use super::*;
use propsbot_sourcecred::{Document, Unusable};

fn parsed(documents: &Documents, document: Document) -> serde_json::Value {
    serde_json::from_slice(&documents.bytes(document)).unwrap()
}

/// The complete files of a tiny community, so that the tests notice a change of any byte.
#[test]
fn the_files_of_a_tiny_community() {
    let documents = props_documents(&community::tiny(), &Weights::default());
    assert_eq!(documents.unusable(), None);
    for document in Document::ALL {
        let contents: serde_json::Value = parsed(&documents, document);
        // Spread over lines, so that differences are readable.
        insta::assert_snapshot!(
            document.name(),
            serde_json::to_string_pretty(&contents).unwrap()
        );
    }
}

#[test]
fn the_standings_of_a_tiny_community() {
    insta::assert_debug_snapshot!(standings(&community::tiny()));
}

#[test]
fn an_empty_archive_gives_files_and_a_warning() {
    let documents = props_documents(&Snapshot::default(), &Weights::default());
    assert_eq!(documents.unusable(), Some(Unusable::Empty));
    let graph = String::from_utf8(documents.bytes(Document::Graph)).unwrap();
    assert!(graph.contains(r#""nodes":[],"edges":[]"#));
    assert_eq!(documents.bytes(Document::IdentityProposals), b"[]\n");
}

#[test]
fn warns_if_everything_weighs_0() {
    let weights = Weights::from_json(r#"{"props": 0, "reaction": 0}"#).unwrap();
    let documents = props_documents(&community::tiny(), &weights);
    assert_eq!(documents.unusable(), Some(Unusable::MintsNothing));
}

#[test]
fn props_that_weigh_0_still_mint_by_their_reactions() {
    let weights = Weights::from_json(r#"{"props": 0}"#).unwrap();
    assert_eq!(
        props_documents(&community::tiny(), &weights).unusable(),
        None
    );
}
