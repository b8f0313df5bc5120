//! SourceCred's files beside the archive, so that an instance needs only their URLs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::warn;

use propsbot_archive::{Documents, RowSource, SideFiles, SourceError};

use crate::{Document, Drawing, GraphPlugin, draw};

/// The files that a plugin creates from the rows of each export.
pub struct SourceCredFiles {
    plugin: Arc<dyn GraphPlugin>,
    paths: [&'static str; 3],
    /// The warnings of the last export. Each is logged once while it lasts.
    logged: Mutex<Vec<String>>,
}

impl SourceCredFiles {
    /// The files of this plugin: its graph, declaration and identity proposals at these paths.
    pub fn new(plugin: Arc<dyn GraphPlugin>, paths: [&'static str; 3]) -> Self {
        Self {
            plugin,
            paths,
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

impl fmt::Debug for SourceCredFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut files = f.debug_struct("SourceCredFiles");
        files.field("plugin", &self.plugin.name());
        files.finish_non_exhaustive()
    }
}

impl SideFiles for SourceCredFiles {
    /// Rows that change meanwhile may be in the graph one export before they are in the archive.
    fn documents(&self, rows: &dyn RowSource) -> Result<Documents, SourceError> {
        let Drawing {
            documents,
            mut warnings,
            ..
        } = draw(self.plugin.as_ref(), rows)?;
        warnings.extend(documents.unusable().map(|unusable| unusable.to_string()));
        let files = Document::ALL.map(|document| documents.bytes(document));
        for (document, bytes) in Document::ALL.iter().zip(&files) {
            warnings.extend(document.too_long(bytes.len() as u64));
        }
        self.log(warnings);
        Ok(self.paths.into_iter().zip(files.map(Some)).collect())
    }
}

/// No files, where an earlier export may have left some at these paths.
#[derive(Debug)]
pub struct NoSourceCredFiles(pub [&'static str; 3]);

impl SideFiles for NoSourceCredFiles {
    fn documents(&self, _: &dyn RowSource) -> Result<Documents, SourceError> {
        Ok(self.0.into_iter().map(|path| (path, None)).collect())
    }
}
