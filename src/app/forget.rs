//! `propsbot forget`: deletes a member's data if they can't request that themselves, or a guild's.

use std::io;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::{Error, console::Console, control::Session, cred, providers};
use propsbot_backends::{ArchiveSpec, History, drop_copies};
use propsbot_jobs::clock::Clock;
use propsbot_mirror::ForgetRequest;

/// Deletes data from the store and the cached archives, and returns how much, and what stays elsewhere.
///
/// # Errors
/// A missing store or one in use, and a user or guild that it can't delete.
pub(super) async fn forget(
    session: &Session,
    request: &ForgetRequest,
    console: &Console,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let config = &session.config;
    let mut lines = if session.running.is_some() {
        let forgetting = session.provider.forget_live(request);
        let lines = stop.run_until_cancelled(forgetting).await;
        let lines = lines.ok_or_else(|| {
            Error::Failed(anyhow!(
                "the running propsbot is stopping; run this again, since not everything may be deleted"
            ))
        })??;
        let note =
            "the store's files still contain what was deleted, until propsbot starts the next time";
        console.notify(note.to_owned()).await;
        lines
    } else {
        providers::forget(config, request).await?
    };
    let cred = cred::kept(config);
    if let Err(error) = cred.clear(None, Clock::now()) {
        lines.push(format!(
            "warning: could not remove the cred that is kept ({}): {error}",
            config.store_path.join("cred").display()
        ));
    }
    if let Err(error) = drop_copies(&config.access) {
        lines.push(left_copies(&error));
    }
    let (archive, access) = (&config.archive, &config.access);
    let history = match archive {
        ArchiveSpec::Github(_) => Some(("GITHUB_HISTORY", access.github.history)),
        ArchiveSpec::Git(_) => Some(("GIT_HISTORY", access.git.history)),
        ArchiveSpec::Folder(_) | ArchiveSpec::Bucket(_) => None,
    };
    if let Some((variable, History::Keep)) = history {
        lines.push(format!(
            "warning: the history of {archive} still has earlier exports ({variable}=keep). To drop it, \
             set {variable}=squash for the next export"
        ));
    }
    Ok(lines)
}

/// The warning that cached archives may still contain what was deleted.
pub(super) fn left_copies(error: &io::Error) -> String {
    format!("warning: could not remove the cached copies of archives (CACHE_PATH): {error}")
}
