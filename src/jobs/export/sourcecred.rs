//! SourceCred's files beside the archive, so that an instance needs only their addresses.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tracing::warn;

use propsbot_archive::{ExportRequest, PlanError, SOURCECRED, SideFiles, Source};
use propsbot_graph::{PropsRowFilter, Weights, props_documents};
use propsbot_rows::Snapshot;
use propsbot_sourcecred::Document;

/// Makes them with certain weights.
#[derive(Debug)]
pub struct SourceCredFiles {
    weights: Weights,
    /// What was last found wrong with them: it is logged once.
    logged: Mutex<Vec<String>>,
}

impl SourceCredFiles {
    /// Makes them with these weights.
    pub fn new(weights: Weights) -> Self {
        Self {
            weights,
            logged: Mutex::default(),
        }
    }

    fn log(&self, warnings: Vec<String>) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings.iter().filter(|warning| !logged.contains(warning)) {
            warn!("SourceCred's files in the archive: {warning}");
        }
        *logged = warnings;
    }
}

impl SideFiles for SourceCredFiles {
    /// The graph of what is exported. What changes while it is drawn may be in it one export before
    /// it is in the archive.
    fn documents(
        &self,
        request: &ExportRequest,
        source: &dyn Source,
    ) -> Result<BTreeMap<&'static str, Vec<u8>>, PlanError> {
        let snapshot = Snapshot::of_source(source, request, PropsRowFilter::new)?;
        let documents = props_documents(&snapshot, &self.weights);
        let mut warnings = self.weights.unmatched(&snapshot);
        drop(snapshot);
        warnings.extend(documents.unusable().map(|unusable| unusable.to_string()));
        let files = Document::ALL.map(|document| documents.bytes(document));
        for (document, bytes) in Document::ALL.iter().zip(&files) {
            warnings.extend(document.too_long(bytes.len() as u64));
        }
        self.log(warnings);
        Ok(SOURCECRED.into_iter().zip(files).collect())
    }
}
