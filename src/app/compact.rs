//! `propsbot compact`: makes the store's folder as small as what is in it.

use anyhow::anyhow;
use tokio::task::spawn_blocking;

use super::{Error, error::Tried as _};
use crate::config::Config;
use propsbot_mirror::{self as mirror, Compacted};

/// Rewrites the store without what was replaced and removed, and returns a line about its size. Nothing
/// may use the store. Can be killed at any time: what is in the store stays.
pub async fn compact(config: &Config) -> Result<Vec<String>, Error> {
    let path = &config.store_path;
    if !path.exists() {
        return Err(Error::Wrong(anyhow!(
            "there is no store at {} (STORE_PATH), so there is nothing to compact",
            path.display()
        )));
    }
    let folder = path.to_owned();
    let done = spawn_blocking(move || mirror::compact(&folder)).await?;
    let Compacted { before, after } =
        done.tried(|| format!("could not compact the store {}", path.display()))?;
    Ok(vec![format!(
        "compacted the store {}: {:.1} MB before, {:.1} MB now",
        path.display(),
        megabytes(before),
        megabytes(after)
    )])
}

#[expect(clippy::cast_precision_loss, reason = "only one decimal is shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
