//! What is done with archives: `export`, `verify`, `graph`.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};

use super::{Error, open_existing_store};
use crate::{
    archive::{self, ArchiveReader, ArchiveSpec, DataArchive, ManifestGuild, Snapshot},
    config::Config,
    graph::{self, Weights},
    jobs::{clock::Clock, export},
    model::Class,
};

/// Exports once and says what was written.
pub async fn export(
    config: &Config,
    to: Option<&ArchiveSpec>,
    replace: bool,
) -> Result<Vec<String>, Error> {
    let spec = to.unwrap_or(&config.archive);
    let store = Arc::new(open_existing_store(&config.store_path).await?);
    let archive = archive::open(spec, &config.access)?;
    let done = export::export(&store, archive.as_ref(), Clock::now(), replace)
        .await
        .with_context(|| format!("could not export to {spec}"))?;
    Ok(vec![if done.changed {
        format!(
            "{spec} is at generation {}: {} rows in {} new blobs ({} bytes), {} objects removed",
            done.generation, done.rows, done.blobs, done.bytes, done.removed
        )
    } else {
        format!(
            "{spec} is at generation {}: nothing changed",
            done.generation
        )
    }])
}

/// Checks an archive.
///
/// # Errors
/// Any fault, each named on a line of its own.
pub async fn verify(config: &Config, spec: &ArchiveSpec) -> Result<Vec<String>, Error> {
    let archive = archive::open(spec, &config.access)?;
    let found = archive::verify(archive.as_ref())
        .await
        .with_context(|| format!("could not verify {spec}"))?;
    if found.generation == 0 {
        return Err(Error::Failed(anyhow!(
            "{spec}: {}",
            found.faults.join("\n  ")
        )));
    }
    let rows: Vec<String> = found
        .rows
        .iter()
        .map(|(table, count)| format!("{count} {table}"))
        .collect();
    let checked = format!(
        "{spec}: generation {}, {} indexes, {} blobs: {}",
        found.generation,
        found.indexes,
        found.blobs,
        rows.join(", ")
    );
    if found.is_valid() {
        let mut lines = vec![format!("{checked}. No fault.")];
        lines.extend(incomplete(archive.as_ref()).await?);
        return Ok(lines);
    }
    let faults = found.faults.join("\n  ");
    Err(Error::Failed(anyhow!(
        "{checked}. Faults: {}\n  {faults}",
        found.faults.len()
    )))
}

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
    let snapshot = Snapshot::read(archive.as_ref())
        .await
        .with_context(|| format!("could not read {spec}"))?;
    let documents = graph::props_documents(&snapshot, &weights);
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let mut lines = Vec::new();
    for (name, text) in &documents.files {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        lines.push(format!("wrote {}", path.display()));
    }
    if let Some(unusable) = documents.unusable {
        lines.push(format!("mind: {unusable}"));
    }
    lines.extend(incomplete(archive.as_ref()).await?);
    Ok(lines)
}

/// What has never been complete in the archive, as sentences.
async fn incomplete(archive: &dyn DataArchive) -> Result<Vec<String>, Error> {
    let reader = ArchiveReader::open(archive).await?;
    let never = |guild: &ManifestGuild| {
        let synced = |class: &Class| guild.synced.get(class).copied().flatten().is_some();
        let classes: Vec<String> = Class::ALL
            .iter()
            .filter(|class| !synced(class))
            .map(ToString::to_string)
            .collect();
        (!classes.is_empty()).then(|| {
            format!(
                "mind: of {}, these were never complete when it was exported: {}. Cred is computed \
                 from what is there; `propsbot sync` fetches the rest",
                guild.name,
                classes.join(", ")
            )
        })
    };
    Ok(reader.manifest().guilds.iter().filter_map(never).collect())
}

fn read_weights(path: &Path) -> anyhow::Result<Weights> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the weights {}", path.display()))?;
    Weights::from_json(&text).with_context(|| format!("the weights {} are wrong", path.display()))
}
