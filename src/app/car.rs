//! `car`: an archive's current generation in one file, for stores that keep data by its content.

use std::path::Path;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::{Error, error::Tried as _, providers::Providers, verify::as_of};
use crate::config::Config;
use propsbot_archive::write_car;
use propsbot_backends::ArchiveSpec;
use propsbot_jobs::clock::Clock;
use propsbot_model::counted;

/// Writes the file. On `stop`, it leaves none.
pub async fn car(
    config: &Config,
    spec: &ArchiveSpec,
    out: &Path,
    replace: bool,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    // Known before everything is read.
    if !replace && out.exists() {
        return Err(Error::Wrong(anyhow!(
            "{} exists already: name another file, or replace it with --replace",
            out.display()
        )));
    }
    let archive = propsbot_backends::open_to_read(spec, &config.access, &config.network)?;
    let tried = || format!("could not write {} from {spec}", out.display());
    let writing = async {
        let providers = Providers::of(archive.as_ref()).await.tried(tried)?;
        if let Some(left_out) = providers.left_out() {
            // The root names them, so whoever reads the file would miss them.
            return Err(anyhow!("{left_out}: update propsbot")).tried(tried);
        }
        let (schemas, now) = (providers.schemas(), Clock::now());
        let written = write_car(archive.as_ref(), &schemas, now, out, replace).await;
        let written = written.tried(tried)?;
        let as_of = as_of(&written.manifests, now).tried(tried)?;
        Ok::<_, Error>((as_of, written))
    };
    let Some(written) = stop.run_until_cancelled(writing).await else {
        let stopped = anyhow!("stopped before {} was complete", out.display());
        return Err(Error::Failed(stopped));
    };
    let (mut lines, written) = written?;
    lines.push(format!(
        "wrote {}: {}, {}",
        out.display(),
        counted(written.files, "file"),
        counted(written.bytes, "byte")
    ));
    lines.push(format!("manifest: {}", written.manifest));
    lines.push(format!("folder: {}", written.folder));
    Ok(lines)
}
