//! `propsbot sync`: fetches what is missing until the mirror is complete.

use std::sync::Arc;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    bars::Bars,
    console::Console,
    control::{Running, Session, serve, stopping},
    lines::Lines,
};
use crate::config::Config;
use propsbot_archive::Id;
use propsbot_mirror::{SyncRequest, SyncedSpace, SyncedState};

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
    let session = Arc::new(Session::new(config, Some(Running::default())));
    let provider = &session.provider;
    let request = SyncRequest { space, recheck };
    provider.check_space(request.space.as_ref())?;
    let opened = stop.run_until_cancelled(provider.open()).await;
    // If it was stopped, the sync says so.
    opened.transpose()?;
    let server = serve(&session, stop);
    // The bars have to end before the last lines are printed, or they would erase them.
    let bars = Bars::show(provider.shared());
    let lines = json.then(|| Lines::write(provider.shared(), Console::Own));
    let done = provider.sync(&request, stop).await;
    bars.finish().await;
    if let Some(lines) = lines {
        lines.finish().await?;
    }
    if let Some(server) = server {
        server.finish().await;
    }
    report(done?, json)
}

/// Re-reads all history, in a process that listens or syncs if there is one.
///
/// # Errors
/// As [`sync`].
pub(super) async fn recheck(
    session: &Session,
    space: Option<Id>,
    json: bool,
    console: &Console,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    if session.running.is_none() {
        return Box::pin(sync(&session.config, space, true, json, stop)).await;
    }
    let provider = &session.provider;
    provider.begin_progress();
    let lines = json.then(|| Lines::write(provider.shared(), console.clone()));
    let done = stop
        .run_until_cancelled(provider.recheck(space, stop))
        .await;
    if let Some(lines) = lines {
        lines.finish().await?;
    }
    // What the process does next isn't done yet.
    provider.begin_progress();
    report(done.ok_or_else(stopping)??, json)
}

/// A line about each space.
fn report(spaces: Vec<SyncedSpace>, json: bool) -> Result<Vec<String>, Error> {
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
