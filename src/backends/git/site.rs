//! A site on a branch of its own, of which each generation is one commit without a parent.

use super::{
    GitArchive, GitError,
    error::Tries,
    spool::{Changes, Spool},
};
use crate::site::{LIST, SiteError, SiteFiles, SiteWritten};
use std::sync::Arc;

impl GitArchive {
    /// Replaces the branch by a commit of these files, unless it has just them.
    ///
    /// # Errors
    /// The branch has something other than a site, or can't be pushed.
    pub(crate) async fn replace_site(&self, files: SiteFiles) -> Result<SiteWritten, SiteError> {
        let place = self.settings.place.to_string();
        let files = Arc::new(files);
        let mut tries = Tries::new();
        loop {
            self.look_to_write()
                .await
                .map_err(self.failed("write to"))?;
            let there = self.with(|repository| {
                let head = repository.head.as_ref();
                let has_files = head.is_some_and(|head| !head.files.is_empty());
                Ok((
                    has_files,
                    head.is_some_and(|head| head.files.contains_key(LIST)),
                ))
            });
            let (has_files, is_site) = there.await.map_err(self.failed("read"))?;
            if has_files && !is_site {
                return Err(SiteError::NotASite(place));
            }
            let own = Arc::clone(&files);
            let made = self.with(move |repository| {
                let there = repository
                    .head
                    .as_ref()
                    .map(|head| head.files.clone())
                    .unwrap_or_default();
                let mut spool = Spool::new(repository.git.spool()?);
                for (path, bytes) in own.iter() {
                    let put = spool.put(path.clone(), bytes);
                    put.map_err(|error| {
                        GitError::Local("write a temporary file", error.to_string())
                    })?;
                }
                let remove = there.keys().filter(|path| !own.contains_key(*path));
                let changes = Changes {
                    remove: remove.cloned().collect(),
                    ..Changes::default()
                };
                let Some(commit) = repository.commit(Some(&spool), &changes, "Site", false)? else {
                    return Ok(SiteWritten::default());
                };
                repository.push(&commit)?;
                let now = repository.head.as_ref().map(|head| &head.files);
                let rewritten = own
                    .iter()
                    .filter(|(path, _)| now.and_then(|now| now.get(*path)) != there.get(*path));
                Ok(rewritten.fold(
                    SiteWritten {
                        removed: changes.remove.len(),
                        ..SiteWritten::default()
                    },
                    |done, (_, bytes)| SiteWritten {
                        written: done.written + 1,
                        bytes: done.bytes + bytes.len() as u64,
                        ..done
                    },
                ))
            });
            match made.await {
                Ok(done) => return Ok(done),
                Err(error) => tries.again(error).await.map_err(self.failed("write to"))?,
            }
        }
    }
}
