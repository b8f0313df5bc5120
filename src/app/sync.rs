//! `propsbot sync`: fetches what is missing until the mirror is complete.

use std::sync::Arc;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::{Error, bars::Bars, lines::Lines, providers::provider};
use crate::config::Config;
use propsbot_archive::Id;
use propsbot_mirror::{DataProvider as _, SyncRequest, SyncedState};

/// Fetches what is missing from one space, or from all mirrored ones, and returns a line about each.
/// With `json`, writes progress to stdout instead. With `recheck`, re-reads all history.
///
/// # Errors
/// No space to sync, or not the named one; a space that couldn't be synced; and [`Error::Incomplete`]
/// if the mirror lacks anything. Missing data is recorded, and is an error only once the rest is done.
pub async fn sync(
    config: &Config,
    space: Option<Id>,
    recheck: bool,
    json: bool,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let provider = Arc::new(provider(config));
    let request = SyncRequest { space, recheck };
    // The bars have to end before the last lines are printed, or they would erase them.
    let bars = Bars::show(provider.clone());
    let lines = json.then(|| Lines::write(provider.clone()));
    let done = provider.sync(&request, stop).await;
    bars.finish().await;
    if let Some(lines) = lines {
        lines.finish().await?;
    }
    let spaces = done?;
    let worst = spaces.iter().map(|space| space.state).max();
    let texts: Vec<String> = spaces.into_iter().map(|space| space.text).collect();
    match worst {
        None | Some(SyncedState::Complete) if json => Ok(Vec::new()),
        None | Some(SyncedState::Complete) => Ok(texts),
        Some(worst) => {
            let texts = anyhow!(
                "not everything could be fetched. `propsbot status` says why; run it again to retry\n{}",
                texts.join("\n")
            );
            Err(if worst == SyncedState::Failed {
                Error::Failed(texts)
            } else {
                Error::Incomplete(texts)
            })
        }
    }
}
