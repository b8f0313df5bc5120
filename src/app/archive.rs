//! What is done with archives: `export`, `verify`, `graph`.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};

use super::{Error, open_store};
use crate::{
    archive::{self, ArchiveSpec, Snapshot},
    config::Config,
    graph::{self, Weights},
    jobs::{clock::Clock, export},
};

/// Exports once and says what was written.
pub async fn export(config: &Config, to: Option<&ArchiveSpec>) -> Result<Vec<String>, Error> {
    let spec = to.unwrap_or(&config.archive);
    let store = Arc::new(open_store(&config.store_path).await?);
    let archive = archive::open(spec);
    let done = export::export(&store, archive.as_ref(), Clock::now())
        .await
        .with_context(|| format!("could not export to {spec}"))?;
    Ok(vec![if done.changed {
        format!(
            "{spec} is at generation {}: {} rows in {} new blobs ({} bytes), {} objects removed",
            done.generation, done.rows, done.blobs, done.bytes, done.removed
        )
    } else {
        format!("{spec} is at generation {}: nothing changed", done.generation)
    }])
}

/// Checks an archive.
///
/// # Errors
/// Any fault, each named on a line of its own.
pub async fn verify(spec: &ArchiveSpec) -> Result<Vec<String>, Error> {
    let archive = archive::open(spec);
    let found = archive::verify(archive.as_ref())
        .await
        .with_context(|| format!("could not verify {spec}"))?;
    if found.faults.is_empty() {
        return Ok(vec![format!("{spec}: {found}")]);
    }
    let faults: Vec<String> = found.faults.iter().map(|fault| format!("  {fault}")).collect();
    Err(Error::Failed(anyhow!("{spec}: {found}\n{}", faults.join("\n"))))
}

/// Builds the graph and writes `SourceCred`'s three files.
pub async fn graph(
    spec: &ArchiveSpec,
    out: &Path,
    weights: Option<&Path>,
) -> Result<Vec<String>, Error> {
    let weights = match weights {
        Some(path) => read_weights(path).map_err(Error::Wrong)?,
        None => Weights::default(),
    };
    let archive = archive::open(spec);
    let snapshot = Snapshot::read(archive.as_ref())
        .await
        .with_context(|| format!("could not read {spec}"))?;
    let documents = graph::props_documents(&snapshot, &weights);
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let files = [
        ("graph.json", &documents.graph),
        ("declaration.json", &documents.declaration),
        ("identityProposals.json", &documents.identity_proposals),
    ];
    for (name, text) in files {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut lines = vec![format!("wrote {} of {spec}", files.map(|(name, _)| name).join(", "))];
    lines.extend(documents.warnings);
    Ok(lines)
}

fn read_weights(path: &Path) -> anyhow::Result<Weights> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the weights {}", path.display()))?;
    Weights::from_json(&text).with_context(|| format!("the weights {} are wrong", path.display()))
}
