//! The steps of a write: objects wait in a spool; a commit on the head that was just looked at has
//! everything, and one push makes it the branch's head, unless another came first.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::MutexGuard;

use super::{
    GitArchive, GitError,
    error::Tries,
    spool::{Changes, Spool},
};
use crate::{
    History,
    github::{ATTRIBUTES, KEEP_BYTES},
};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, FILE_LIMIT, Hash, Object, Publish, Receipt, blocking,
    is_swept, needed,
};

/// A write in progress.
pub(super) struct Write<'a> {
    archive: &'a GitArchive,
    #[expect(dead_code, reason = "held until the write ends")]
    turn: MutexGuard<'a, ()>,
    bases: Bases,
    /// What was put; `None` after a failed or cancelled step.
    spool: Option<Spool>,
}

impl<'a> Write<'a> {
    /// Checks that the branch may be written to.
    pub(super) async fn begin(
        archive: &'a GitArchive,
        turn: MutexGuard<'a, ()>,
        bases: Bases,
    ) -> Result<Self, ArchiveError> {
        archive
            .drop_grown()
            .await
            .map_err(archive.failed("write to"))?;
        archive
            .look_to_write()
            .await
            .map_err(archive.failed("write to"))?;
        let spool = archive.with(|repository| repository.git.spool());
        let spool = spool.await.map_err(archive.failed("write to"))?;
        Ok(Self {
            archive,
            turn,
            bases,
            spool: Some(Spool::new(spool)),
        })
    }
}

impl GitArchive {
    /// The hashes of these manifests at the head, which is looked at now.
    async fn found(&self, bases: &Bases) -> Result<Bases, GitError> {
        let paths: Vec<String> = bases.keys().cloned().collect();
        self.retry(move |repository| {
            repository.look()?;
            let files = repository.head.as_ref().map(|head| &head.files);
            let there = paths
                .iter()
                .filter_map(|path| Some((path, files?.get(path)?.clone())));
            let (there, oids): (Vec<&String>, Vec<String>) = there.unzip();
            let contents = repository.contents(&oids, FILE_LIMIT)?;
            let mut found: Bases = paths.iter().map(|path| (path.clone(), None)).collect();
            let hashes = contents.iter().map(|bytes| Some(Hash::of(bytes)));
            found.extend(there.into_iter().cloned().zip(hashes));
            Ok(found)
        })
        .await
    }

    /// Commits changes to the head that was looked at last, and pushes that. Returns whether there was
    /// anything to push.
    async fn commit(
        &self,
        spool: Option<Arc<Spool>>,
        mut changes: Changes,
        message: String,
        keeps_history: bool,
    ) -> Result<bool, GitError> {
        self.with(move |repository| {
            let has = |path: &str| {
                repository
                    .head
                    .as_ref()
                    .is_some_and(|head| head.files.contains_key(path))
            };
            if !changes.put.is_empty() && !has(ATTRIBUTES) {
                changes.put.insert(ATTRIBUTES.to_owned(), KEEP_BYTES.into());
            }
            let made = repository.commit(spool.as_deref(), &changes, &message, keeps_history)?;
            made.as_deref()
                .map(|commit| repository.push(commit))
                .transpose()?;
            Ok(made.is_some())
        })
        .await
    }

    /// Removes all objects that no manifest needs.
    pub(super) async fn remove_unneeded(&self) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        loop {
            self.look_to_write()
                .await
                .map_err(self.failed("write to"))?;
            let needed = needed(self).await;
            let needed = needed.map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
            let swept = self.with(move |repository| {
                let paths = repository.files().map(|(path, _)| path);
                let swept = paths.filter(|path| is_swept(path) && !needed.contains(*path));
                Ok(swept.cloned().collect())
            });
            let changes = Changes {
                remove: swept.await.map_err(self.failed("list"))?,
                ..Changes::default()
            };
            if changes.remove.is_empty() {
                return Ok(());
            }
            let message = "Remove what no manifest needs".to_owned();
            let keeps_history = self.history != History::Squash;
            match self.commit(None, changes, message, keeps_history).await {
                Ok(_) => return Ok(()),
                Err(error) => tries.again(error).await.map_err(self.failed("write to"))?,
            }
        }
    }

    /// Replaces the branch by a single commit of its content, unless it is one already.
    pub(super) async fn squash(&self) -> Result<(), GitError> {
        let mut tries = Tries::new();
        loop {
            self.look_to_write().await?;
            if self
                .with(|repository| Ok(repository.head.is_none()))
                .await?
            {
                return Ok(());
            }
            let message = "Archive: all of it, without what was before".to_owned();
            match self.commit(None, Changes::default(), message, false).await {
                Ok(_) => return Ok(()),
                Err(error) => tries.again(error).await?,
            }
        }
    }
}

#[async_trait]
impl ArchiveWrite for Write<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        let mut spool = self.spool.take().ok_or(ArchiveError::Failed)?;
        let put = blocking(move || {
            let put = spool.put(object.path, &object.bytes);
            Ok(put.map(|()| spool))
        });
        let failed =
            |error: std::io::Error| GitError::Local("write a temporary file", error.to_string());
        let spool = put.await?.map_err(failed);
        self.spool = Some(spool.map_err(self.archive.failed("write to"))?);
        Ok(())
    }

    async fn publish(self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        publish.check(&self.bases)?;
        let archive = self.archive;
        let spool = Arc::new(self.spool.ok_or(ArchiveError::Failed)?);
        let mut bases = self.bases;
        let mut tries = Tries::new();
        loop {
            let found = archive
                .found(&bases)
                .await
                .map_err(archive.failed("read"))?;
            let hashes = publish.compare(&bases, &found)?;
            let is_published =
                |(path, hash): (&String, &Option<Hash>)| found.get(path) == Some(hash);
            let mut changes = Changes::default();
            let documents = publish
                .documents
                .iter()
                .map(|(path, bytes)| ((*path).to_owned(), bytes));
            let manifests = publish
                .manifests
                .iter()
                .map(|(path, bytes)| (path.clone(), bytes));
            // Once published, at most the documents are left to write.
            let objects = if hashes.iter().all(is_published) {
                bases = found;
                None
            } else {
                changes.remove.clone_from(&publish.remove);
                Some(Arc::clone(&spool))
            };
            for (path, bytes) in documents.chain(manifests.filter(|_| objects.is_some())) {
                match bytes {
                    Some(bytes) => drop(changes.put.insert(path, bytes.clone())),
                    None => drop(changes.remove.insert(path)),
                }
            }
            let message = publish.commit_message.clone();
            let keeps_history = archive.history != History::Squash;
            match archive
                .commit(objects, changes, message, keeps_history)
                .await
            {
                Ok(_) => break,
                Err(error) => tries
                    .again(error)
                    .await
                    .map_err(archive.failed("write to"))?,
            }
        }
        let commit = archive.with(|repository| {
            let head = repository.head.as_ref();
            Ok(head.map(|head| head.commit.clone()))
        });
        Ok(Receipt {
            published: publish.hashes(),
            requests: archive.take_requests(),
            commit: commit.await.map_err(archive.failed("read"))?,
            too_large: Vec::new(),
        })
    }

    async fn abandon(self: Box<Self>) -> Result<(), ArchiveError> {
        self.archive.take_requests();
        Ok(())
    }
}
