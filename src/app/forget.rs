//! `propsbot forget`: deletes a member's data if they can't request that themselves, or a guild's.

use super::{Error, providers::provider};
use crate::config::Config;
use propsbot_backends::{ArchiveSpec, History, drop_copies};
use propsbot_mirror::{DataProvider as _, ForgetRequest};

/// Deletes data from the store and the cached archives, and returns how much, and what stays elsewhere.
///
/// # Errors
/// A missing store or one in use, and a user or guild that it can't delete.
pub async fn forget(config: &Config, request: &ForgetRequest) -> Result<Vec<String>, Error> {
    let mut lines = provider(config).forget(request).await?;
    if let Err(error) = drop_copies(&config.access) {
        lines.push(format!(
            "warning: could not remove the cached copies of archives (CACHE_PATH): {error}"
        ));
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
