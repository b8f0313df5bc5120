//! SourceCred's files beside the archive, so that an instance needs only their addresses.

use std::collections::BTreeMap;

use tracing::warn;

use crate::{
    archive::{Beside, ExportRequest, PlanError, SOURCECRED, Snapshot, Source},
    graph::{Document, PropsSieve, Weights, props_documents},
};

/// Makes them with these weights.
#[derive(Clone, Debug)]
pub struct SourceCredFiles(pub Weights);

impl Beside for SourceCredFiles {
    /// The graph of what is exported. What changes while it is drawn may be in it one export before
    /// it is in the archive.
    fn documents(
        &self,
        request: &ExportRequest,
        source: &dyn Source,
    ) -> Result<BTreeMap<&'static str, Vec<u8>>, PlanError> {
        let snapshot = Snapshot::of_source(source, request, PropsSieve::new)?;
        let documents = props_documents(&snapshot, &self.0);
        drop(snapshot);
        if let Some(unusable) = documents.unusable() {
            warn!("of SourceCred's files in the archive: {unusable}");
        }
        let files = Document::ALL.map(|document| documents.bytes(document));
        Ok(SOURCECRED.into_iter().zip(files).collect())
    }
}
