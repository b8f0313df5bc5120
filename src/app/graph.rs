//! `graph`: from an archive to the files that SourceCred reads.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Error, archive::incomplete};
use crate::{
    archive::{self, ArchiveSpec, Snapshot},
    config::Config,
    graph::{Document, Documents, PropsSieve, Weights, props_documents},
};

/// Builds the graph and writes `SourceCred`'s three files.
pub async fn graph(
    config: &Config,
    spec: &ArchiveSpec,
    out: &Path,
    weights: Option<&Path>,
) -> Result<Vec<String>, Error> {
    let weights = match weights {
        Some(path) => read_weights(path).map_err(Error::Wrong)?,
        None => Weights::default(),
    };
    let archive = archive::open(spec, &config.access)?;
    let snapshot = Snapshot::read_sifted(archive.as_ref(), PropsSieve::new)
        .await
        .with_context(|| format!("could not read {spec}"))?;
    let folder = out.to_owned();
    let drawing = tokio::task::spawn_blocking(move || {
        let documents = props_documents(&snapshot, &weights);
        drop(snapshot);
        let written = write(&documents, &folder)?;
        anyhow::Ok((documents.unusable(), written))
    });
    let (unusable, written) = drawing.await.context("drawing the graph")??;
    let mut lines: Vec<String> = written
        .iter()
        .map(|path| format!("wrote {}", path.display()))
        .collect();
    if let Some(unusable) = unusable {
        lines.push(format!("mind: {unusable}"));
    }
    lines.extend(incomplete(archive.as_ref()).await?);
    Ok(lines)
}

/// Writes the three files into a folder, and only then replaces those that are there.
fn write(documents: &Documents, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = |document: Document| folder.join(document.name());
    let partial = |document: Document| folder.join(format!(".{}.partial", document.name()));
    for document in Document::ALL {
        let path = partial(document);
        let write = || {
            let mut file = BufWriter::with_capacity(1 << 16, File::create(&path)?);
            documents.write(document, &mut file)?;
            file.flush()
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
    }
    for document in Document::ALL {
        let path = path(document);
        fs::rename(partial(document), &path)
            .with_context(|| format!("cannot replace {}", path.display()))?;
    }
    Ok(Document::ALL.map(path).to_vec())
}

fn read_weights(path: &Path) -> anyhow::Result<Weights> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the weights {}", path.display()))?;
    Weights::from_json(&text).with_context(|| format!("the weights {} are wrong", path.display()))
}
