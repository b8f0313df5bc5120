//! The steps of a write. Changes that fit into one commit are committed on the head that was just
//! fetched. Larger ones are put together on a staging branch (`staging`), and then the archive's
//! branch moves once. Also removes objects that no manifest needs.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio::sync::MutexGuard;

use super::{
    GithubArchive, GithubError, History, MOST,
    branch::{ATTRIBUTES, BranchState, Head},
    budget::Tries,
    commit::{Changes, Part, git_oid},
    fresh::KEEP_BYTES,
    staging::{RefUpdate, Staging},
};
use propsbot_archive::{ArchiveError, ArchiveWrite, Bases, Documents, Object, Publish, Receipt};

pub(super) struct Write<'a> {
    archive: &'a GithubArchive,
    #[expect(dead_code, reason = "held until the write ends")]
    turn: MutexGuard<'a, ()>,
    bases: Bases,
    /// What isn't committed yet.
    changes: Changes,
    /// The maximum size of one commit, which shrinks when GitHub fails.
    part: Part,
    /// Tells our commits from another writer's.
    writer: String,
    /// The staging branch, if the export is too large for one commit.
    staging: Option<Staging>,
    /// Whether objects were dropped because the archive has other manifests. Then nothing can be
    /// published, unless that has already happened.
    is_stale: bool,
    /// Whether every step so far has completed.
    is_whole: bool,
}

impl<'a> Write<'a> {
    pub(super) fn new(archive: &'a GithubArchive, turn: MutexGuard<'a, ()>, bases: Bases) -> Self {
        Self {
            archive,
            turn,
            bases,
            changes: Changes::default(),
            part: archive.part,
            writer: format!("{:016x}", rand::random::<u64>()),
            staging: None,
            is_stale: false,
            is_whole: true,
        }
    }

    /// Checks that the branch may be written to, and deletes the leftovers of interrupted exports.
    pub(super) async fn begin(self) -> Result<Self, ArchiveError> {
        let state = self.archive.look_to_write().await;
        let state = state.map_err(self.archive.failed("look at"))?;
        if !state.is_empty {
            let ours = self.archive.staging_branch(&self.bases);
            self.archive.delete_stagings(&state, Some(&ours)).await;
        }
        Ok(self)
    }

    fn failed(&self, error: GithubError) -> ArchiveError {
        match error {
            GithubError::OtherWriter => self.busy(),
            error => self.archive.failed("write to")(error),
        }
    }

    fn busy(&self) -> ArchiveError {
        ArchiveError::Busy(self.archive.place.to_string().into())
    }

    /// Waits for a turn to write, then fetches the branch's state.
    async fn look(&self) -> Result<BranchState, GithubError> {
        self.archive.client.turn().await?;
        self.archive.look_to_write().await
    }

    /// Waits before another attempt, after `error` on this head with so many files.
    async fn again(
        &mut self,
        error: GithubError,
        head: Option<&Head>,
        files: usize,
        tries: &mut Tries,
    ) -> Result<(), GithubError> {
        if error.may_be_too_much() && files > 2 {
            self.part.halve();
        }
        let has_moved = error.may_be_overtaken() && {
            let now = self.archive.look().await?.head;
            now.map(|now| now.commit) != head.map(|head| head.commit.clone())
        };
        let error = if has_moved {
            GithubError::Overtaken
        } else {
            error
        };
        tries.again(error).await
    }

    async fn commit(
        &self,
        head: &Head,
        changes: &Changes,
        message: &str,
    ) -> Result<(), GithubError> {
        let (branch, commit) = (&head.branch, &head.commit);
        let made = self.archive.commit(branch, commit, changes, message);
        self.archive.seen().head = Some(made.await?.oid);
        Ok(())
    }

    async fn put_object(&mut self, object: Object) -> Result<(), ArchiveError> {
        let Object { path, bytes } = object;
        if self.is_stale {
            return Ok(());
        }
        if bytes.len() > MOST {
            return Err(ArchiveError::TooLarge {
                path,
                bytes: bytes.len(),
                most: MOST,
                place: self.archive.place.to_string(),
            });
        }
        self.changes.put.insert(path, bytes);
        while !self.changes.fit(self.part) {
            let staged = self.stage().await;
            staged.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Commits a part of the pending changes to the staging branch. Drops all of them if the
    /// archive has other manifests now.
    async fn stage(&mut self) -> Result<(), GithubError> {
        let mut tries = Tries::new();
        loop {
            let state = self.look().await?;
            let head = state.head.as_ref();
            if self.archive.found(&self.bases, head).await? != self.bases {
                self.is_stale = true;
                self.changes = Changes::default();
                return Ok(());
            }
            let files = self.changes.put.len().min(self.part.files);
            let staged = match head {
                Some(head) => self.stage_part(&state, head).await,
                None => self.archive.begin().await,
            };
            match staged {
                Ok(()) if head.is_some() => return Ok(()),
                Ok(()) => {}
                Err(error) => self.again(error, head, files, &mut tries).await?,
            }
        }
    }

    async fn stage_part(&mut self, state: &BranchState, head: &Head) -> Result<(), GithubError> {
        let staging = match &mut self.staging {
            Some(staging) => staging,
            none => {
                let begun = self.archive.begin_staging(state, head, &self.bases).await;
                none.insert(begun.map_err(GithubError::of_staging)?)
            }
        };
        let part = self.changes.take(self.part);
        let staged = self.archive.stage(staging, &part, &self.writer).await;
        if staged.is_err() {
            self.changes.extend(part);
        }
        staged.map_err(GithubError::of_staging)
    }

    /// Makes the commit that publishes, unless it already exists.
    async fn make_published(&mut self, publish: &Publish) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        // The existing objects, fetched once GitHub says that one to be removed is missing.
        let mut there = None;
        loop {
            let state = self.look().await.map_err(|error| self.failed(error))?;
            let head = state.head.as_ref();
            let found = self.archive.found(&self.bases, head).await;
            let found = found.map_err(self.archive.failed("read"))?;
            let hashes = publish.compare(&self.bases, &found)?;
            if hashes
                .iter()
                .all(|(path, hash)| found.get(path) == Some(hash))
            {
                // Already published: at most the documents are left to write.
                self.give_up_staging().await;
                self.changes = Changes::default();
                self.bases = found;
            } else if self.is_stale {
                return Err(self.busy());
            } else {
                self.add_manifests(publish, head, there.as_ref());
            }
            self.changes.extend(documents(publish, head));
            if self.changes.is_empty() {
                return Ok(());
            }
            let files = self.changes.put.len();
            let is_whole = self.staging.is_none() && self.changes.fit(self.part);
            let made = match head {
                Some(head) if is_whole => {
                    let made = self.commit(head, &self.changes, &publish.commit_message);
                    made.await.map(|()| true)
                }
                None if is_whole => self.archive.begin().await.map(|()| false),
                _ => self.stage_all().await.map(|()| !self.is_stale),
            };
            match made {
                Ok(true) => break,
                Ok(false) => {}
                Err(GithubError::NoFile(_)) if there.is_none() => {
                    let staged = self.staging.as_ref().map(|staging| &staging.head.tree);
                    if let Some(tree) = staged.or(head.map(|head| &head.tree)) {
                        let listed = self.archive.list(tree).await;
                        let listed = listed.map_err(self.archive.failed("list"))?;
                        there = Some(listed.own.into_keys().collect::<BTreeSet<_>>());
                    }
                }
                Err(error) => {
                    let again = self.again(error, head, files, &mut tries).await;
                    again.map_err(|error| self.failed(error))?;
                }
            }
        }
        if self.staging.is_some() {
            self.move_branch(publish).await?;
        }
        for (path, manifest) in &publish.manifests {
            if let Some(manifest) = manifest {
                self.archive.learn(path, manifest);
            }
        }
        Ok(())
    }

    /// Adds the manifests, and removes the objects that they no longer need.
    fn add_manifests(
        &mut self,
        publish: &Publish,
        head: Option<&Head>,
        there: Option<&BTreeSet<String>>,
    ) {
        let Changes { put, remove } = &mut self.changes;
        remove.clone_from(&publish.remove);
        remove.retain(|path| put.remove(path).is_none());
        remove.retain(|path| there.is_none_or(|there| there.contains(path)));
        for (path, manifest) in &publish.manifests {
            match manifest {
                Some(manifest) => {
                    put.insert(path.clone(), manifest.clone());
                }
                None if head.is_some_and(|head| head.file(path).is_some()) => {
                    remove.insert(path.clone());
                }
                None => {}
            }
        }
        if head.is_none_or(|head| head.file(ATTRIBUTES).is_none()) {
            put.insert(ATTRIBUTES.to_owned(), KEEP_BYTES.into());
        }
    }

    /// Commits all pending changes to the staging branch.
    async fn stage_all(&mut self) -> Result<(), GithubError> {
        while !self.changes.is_empty() {
            self.stage().await?;
        }
        Ok(())
    }

    /// Moves the archive's branch to the staged tree, as one commit on its head.
    async fn move_branch(&mut self, publish: &Publish) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        loop {
            let state = self.look().await.map_err(|error| self.failed(error))?;
            let head = state.head.as_ref();
            let found = self.archive.found(&self.bases, head).await;
            let found = found.map_err(self.archive.failed("read"))?;
            let hashes = publish.compare(&self.bases, &found)?;
            let is_published = found != self.bases
                && hashes
                    .iter()
                    .all(|(path, hash)| found.get(path) == Some(hash));
            let (Some(head), false) = (head, is_published) else {
                self.staging = None;
                return Ok(());
            };
            match self.move_once(&state, head, &publish.commit_message).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let again = self.again(error, Some(head), 0, &mut tries).await;
                    again.map_err(|error| self.failed(error))?;
                }
            }
        }
    }

    async fn move_once(
        &mut self,
        state: &BranchState,
        head: &Head,
        message: &str,
    ) -> Result<(), GithubError> {
        let Some(staging) = &self.staging else {
            return Ok(());
        };
        let tree = if head.commit == staging.base.oid {
            staging.head.tree.clone()
        } else {
            // Someone else has committed; their changes are kept.
            self.archive.client.turn().await?;
            let (base, ours) = (&staging.base.tree, &staging.head.tree);
            self.archive.graft(base, &head.tree, ours).await?
        };
        if tree == head.tree {
            // The branch has moved already, but the response was lost.
            self.staging = None;
            return Ok(());
        }
        let parents = [head.commit.as_str()];
        let commit = self.archive.commit_tree(&tree, &parents, message).await?;
        self.archive.client.turn().await?;
        let moved = RefUpdate {
            branch: &head.branch,
            before: Some(&head.commit),
            after: Some(&commit),
            force: false,
        };
        let gone = RefUpdate {
            branch: &staging.branch,
            before: Some(&staging.head.oid),
            after: None,
            force: false,
        };
        self.archive.update_refs(&state.id, &[moved, gone]).await?;
        self.archive.seen().head = Some(commit);
        self.staging = None;
        Ok(())
    }

    async fn give_up_staging(&mut self) {
        if let Some(staging) = self.staging.take() {
            self.archive.drop_staging(&staging).await;
        }
    }

    /// Removes all objects that the manifest doesn't need.
    pub(super) async fn sweep(mut self) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        loop {
            let state = self.look().await.map_err(|error| self.failed(error))?;
            let Some(head) = &state.head else {
                return Ok(());
            };
            let mut changes = Changes::default();
            let leftovers = self.archive.leftovers(head).await?.into_iter();
            changes.remove.extend(leftovers.take(self.part.files));
            if changes.is_empty() {
                return Ok(());
            }
            let message = "Remove what no manifest needs";
            if let Err(error) = self.commit(head, &changes, message).await {
                let again = self.again(error, Some(head), 0, &mut tries).await;
                again.map_err(|error| self.failed(error))?;
            }
        }
    }
}

fn documents(publish: &Publish, head: Option<&Head>) -> Changes {
    let mut changes = Changes::default();
    for (path, document) in &publish.documents {
        let there = head.and_then(|head| head.file(path));
        match document {
            Some(bytes) if there != Some(&git_oid(bytes)) => {
                changes.put.insert((*path).to_owned(), bytes.clone());
            }
            None if there.is_some() => {
                changes.remove.insert((*path).to_owned());
            }
            _ => {}
        }
    }
    changes
}

/// Drops the documents that are too large for any commit, and returns their paths. Earlier versions
/// are removed, because readers would take them for current.
fn leave_out(archive: &GithubArchive, documents: &mut Documents) -> Vec<String> {
    let mut too_large = Vec::new();
    for (path, document) in documents {
        let bytes = document.as_ref().map_or(0, Vec::len);
        if bytes > MOST {
            let place = &archive.place;
            tracing::warn!(%place, path, bytes, "too large for GitHub: it is left out");
            too_large.push((*path).to_owned());
            *document = None;
        }
    }
    too_large
}

#[async_trait]
impl ArchiveWrite for Write<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        self.is_whole = false;
        self.put_object(object).await?;
        self.is_whole = true;
        Ok(())
    }

    async fn publish(mut self: Box<Self>, mut publish: Publish) -> Result<Receipt, ArchiveError> {
        publish.check(&self.bases)?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        let archive = self.archive;
        let too_large = leave_out(archive, &mut publish.documents);
        let made = self.make_published(&publish).await;
        self.give_up_staging().await;
        made?;
        if archive.history == History::Squash {
            match archive.squash().await {
                // The export is published; the next one squashes the history.
                Err(error @ GithubError::Overtaken) => {
                    tracing::warn!(%error, place = %archive.place, "the history was not squashed");
                }
                squashed => squashed.map_err(archive.failed("squash"))?,
            }
        }
        Ok(Receipt {
            published: publish.hashes(),
            requests: archive.client.take_requests(),
            commit: archive.seen().head.clone(),
            too_large,
        })
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), ArchiveError> {
        self.give_up_staging().await;
        self.archive.client.take_requests();
        Ok(())
    }
}
