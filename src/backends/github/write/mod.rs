//! The order of things in a write: parts, each on a head that was looked at a moment before, then the
//! commit that publishes (`publish`). Also removes what no manifest needs.

mod publish;

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::MutexGuard;

use self::publish::Publishing;
use super::{
    Files as Listed, GithubArchive, GithubError, History, MOST,
    branch::Head,
    client::Tries,
    commit::{Files, git_oid},
};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, Hash, MANIFEST, Object, Publish, Receipt,
};

/// Names who is writing, while a write has more than one commit.
pub(in crate::github) const WRITING: &str = ".writing";

/// How many files a commit adds at the most, and how many it removes: GitHub takes long for many.
const FILES: usize = 1000;

/// So many files are a part, however often GitHub failed.
const LEAST_FILES: usize = 50;

/// Objects of so many bytes are a part, however often GitHub failed.
const LEAST_PART: usize = 1_000_000;

/// A write under way.
pub(super) struct Write<'a> {
    archive: &'a GithubArchive,
    #[expect(dead_code, reason = "held until the write ends")]
    turn: MutexGuard<'a, ()>,
    bases: Bases,
    expected: Option<Hash>,
    /// Objects not committed yet.
    batch: BTreeMap<String, Vec<u8>>,
    /// Objects of so many bytes are a part: fewer, where GitHub failed at more.
    part: usize,
    /// So many files are one, too.
    files: usize,
    /// Parts committed.
    parts: u32,
    /// Who we are, in [`WRITING`].
    name: String,
    /// What [`WRITING`] has to be at the head, by its name in git: ours, once there are parts.
    writing: Option<String>,
    /// Objects at the head that nobody needs, as far as this write has not put them.
    leftovers: Listed,
    /// The commit that our last one was made on, and the one that our last attempt was.
    replaced: Option<String>,
    tried: Option<String>,
    /// Whether objects were dropped because the manifest is another: nothing can be published then,
    /// unless it has been already.
    stale: bool,
    /// Whether no step has failed or was cut off.
    is_whole: bool,
    /// Whether anything was put.
    has_put: bool,
}

impl<'a> Write<'a> {
    pub(super) fn new(archive: &'a GithubArchive, turn: MutexGuard<'a, ()>, bases: Bases) -> Self {
        Self {
            archive,
            turn,
            expected: bases.get(MANIFEST).copied().flatten(),
            bases,
            batch: BTreeMap::new(),
            part: archive.part,
            files: FILES,
            parts: 0,
            name: format!("{:032x}", rand::random::<u128>()),
            writing: None,
            leftovers: Listed::new(),
            replaced: None,
            tried: None,
            stale: false,
            is_whole: true,
            has_put: false,
        }
    }

    /// Looks at the branch, and at what an interrupted write left there.
    pub(super) async fn begin(mut self) -> Result<Self, ArchiveError> {
        let look = self.archive.look_to_write().await;
        let look = look.map_err(self.archive.failed("look at"))?;
        if let Some(head) = look.head.filter(|head| head.writing().is_some()) {
            self.leftovers = self.archive.leftovers(&head).await?;
            self.writing = head.writing().cloned();
        }
        Ok(self)
    }

    async fn put_object(&mut self, object: Object) -> Result<(), ArchiveError> {
        let Object { path, bytes } = object;
        // It is needed, whatever is there; and is there already, unless that is damaged.
        if self.leftovers.remove(&path) == Some(git_oid(&bytes)) || self.stale {
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
        self.batch.insert(path, bytes);
        while self.is_too_much(0) {
            self.put_part().await?;
        }
        Ok(())
    }

    /// Whether the batch, and so many bytes beside it, are more than one commit is to have.
    fn is_too_much(&self, beside: usize) -> bool {
        let bytes: usize = self.batch.values().map(Vec::len).sum();
        let is_part = bytes + beside >= self.part || self.batch.len() >= self.files;
        is_part && !self.batch.is_empty()
    }

    /// The beginning of the batch, as much as a commit is to have, and that it is ours.
    fn next_part(&mut self, says: &[u8]) -> Files {
        let mut files = Files::default();
        let mut bytes = 0;
        while bytes < self.part && files.put.len() < self.files {
            let Some((path, object)) = self.batch.pop_first() else {
                break;
            };
            if bytes > 0 && bytes + object.len() > MOST {
                self.batch.insert(path, object);
                break;
            }
            bytes += object.len();
            files.put.insert(path, object);
        }
        files.put.insert(WRITING.to_owned(), says.to_vec());
        files
    }

    /// Commits some of what has come together. If the manifest is not the expected one, drops it all.
    async fn put_part(&mut self) -> Result<(), ArchiveError> {
        self.parts += 1;
        let says = format!("{} {}\n", self.name, self.parts).into_bytes();
        let ours = git_oid(&says);
        let mut files = Files::default();
        let commit_message = format!("Archive, part {}: an export is under way", self.parts);
        let mut tries = Tries::new();
        loop {
            let head = self.head().await?;
            let found = self.found(head.as_ref()).await?;
            if found != self.expected {
                self.stale = true;
                self.batch.clear();
                break;
            }
            // The answer was lost. If it was one to more than this, the rest is only put once more.
            if head.as_ref().and_then(Head::writing) == Some(&ours) {
                self.replaced = self.tried.take();
                break;
            }
            self.check_writing(head.as_ref())?;
            self.batch_back(files);
            files = self.next_part(&says);
            if self
                .make_or_fail(head, &files, &commit_message, &mut tries)
                .await?
            {
                break;
            }
        }
        self.writing = Some(ours);
        Ok(())
    }

    /// Keeps the objects of a commit that was not made for the next attempt.
    fn batch_back(&mut self, files: Files) {
        let objects = files.put.into_iter();
        self.batch
            .extend(objects.filter(|(path, _)| Hash::in_path(path).is_some()));
    }

    /// Removes all objects that the manifest does not need.
    pub(super) async fn sweep(mut self) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        loop {
            let Some(head) = self.head().await? else {
                return Ok(());
            };
            let mut files = Files::default();
            let leftovers = self.archive.leftovers(&head).await?;
            files.remove.extend(leftovers.into_keys());
            if head.writing().is_some() {
                files.remove.insert(WRITING.to_owned());
            }
            let commit_message = "Remove what no manifest needs";
            if files.is_empty()
                || self
                    .make_or_fail(Some(head), &files, commit_message, &mut tries)
                    .await?
            {
                return Ok(());
            }
        }
    }

    /// Removes what was left, and nothing else.
    async fn clean_up(&mut self) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        let commit_message = "Remove what no export needs any more";
        loop {
            let head = self.head().await?;
            if head.as_ref().is_none_or(|head| head.writing().is_none()) {
                return Ok(());
            }
            self.check_writing(head.as_ref())?;
            let mut files = Files::default();
            files
                .remove
                .extend(self.leftovers.keys().take(FILES).cloned());
            let is_last = files.remove.len() == self.leftovers.len();
            if is_last {
                files.remove.insert(WRITING.to_owned());
            }
            if self
                .make_or_fail(head, &files, commit_message, &mut tries)
                .await?
            {
                if is_last {
                    return Ok(());
                }
                self.leftovers
                    .retain(|path, _| !files.remove.contains(path));
            }
        }
    }

    /// The branch's head, when it is our turn to commit to it. The one that our last commit has
    /// replaced is shown no more, a moment later at the latest.
    async fn head(&self) -> Result<Option<Head>, ArchiveError> {
        let turn = self.archive.client.turn().await;
        turn.map_err(self.archive.failed("write to"))?;
        let mut tries = Tries::new();
        let look = async {
            loop {
                let head = self.archive.look_to_write().await?.head;
                if head
                    .as_ref()
                    .is_none_or(|head| Some(&head.commit) != self.replaced.as_ref())
                {
                    return Ok(head);
                }
                tries.again(GithubError::Overtaken).await?;
            }
        };
        look.await.map_err(self.archive.failed("write to"))
    }

    async fn found(&self, head: Option<&Head>) -> Result<Option<Hash>, ArchiveError> {
        let found = self.archive.manifest_at(head).await;
        found.map_err(self.archive.failed("read"))
    }

    /// Whether nobody else has begun or ended a write since we looked.
    fn check_writing(&self, head: Option<&Head>) -> Result<(), ArchiveError> {
        if head.and_then(Head::writing) == self.writing.as_ref() {
            Ok(())
        } else {
            let place = self.archive.place.to_string();
            Err(ArchiveError::Busy(place.into()))
        }
    }

    /// Makes a commit, or the branch that it takes first. `false`: look again.
    async fn make(
        &mut self,
        head: Option<Head>,
        files: &Files,
        commit_message: &str,
        tries: &mut Tries,
    ) -> Result<bool, GithubError> {
        self.tried = head.as_ref().map(|head| head.commit.clone());
        let made = match &head {
            Some(head) => self
                .archive
                .commit(head, files, commit_message)
                .await
                .map(|()| true),
            None => self.archive.begin().await.map(|()| false),
        };
        match made {
            Ok(true) => {
                self.replaced = self.tried.take();
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                let overtaken = error.may_be_overtaken() && self.is_another(head.as_ref()).await?;
                if error.may_be_too_much() && files.put.len() > 2 {
                    self.part = (self.part / 2).max(LEAST_PART.min(self.part));
                    self.files = (self.files / 2).max(LEAST_FILES);
                }
                let error = if overtaken {
                    GithubError::Overtaken
                } else {
                    error
                };
                tries.again(error).await.map(|()| false)
            }
        }
    }

    /// Whether the branch has another head by now.
    async fn is_another(&self, head: Option<&Head>) -> Result<bool, GithubError> {
        let now = self.archive.look().await?.head;
        Ok(now.map(|now| now.commit) != head.map(|head| head.commit.clone()))
    }

    /// As [`Self::make`], where nothing is removed that may not be there.
    async fn make_or_fail(
        &mut self,
        head: Option<Head>,
        files: &Files,
        commit_message: &str,
        tries: &mut Tries,
    ) -> Result<bool, ArchiveError> {
        let made = self.make(head, files, commit_message, tries).await;
        made.map_err(self.archive.failed("write to"))
    }
}

#[async_trait]
impl ArchiveWrite for Write<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        self.is_whole = false;
        self.has_put = true;
        self.put_object(object).await?;
        self.is_whole = true;
        Ok(())
    }

    async fn publish(mut self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        publish.check(&self.bases)?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        let published = publish.hashes();
        let (publishing, too_large) = Publishing::new(self.archive, publish);
        self.make_published(publishing).await?;
        let archive = self.archive;
        if archive.history == History::Squash {
            match archive.squash().await {
                // What was published is; the history goes with the next export.
                Err(error @ GithubError::Overtaken) => {
                    tracing::warn!(%error, place = %archive.place, "the history was not squashed");
                }
                squashed => squashed.map_err(archive.failed("squash"))?,
            }
        }
        Ok(Receipt {
            published,
            requests: archive.client.take_requests(),
            commit: archive.seen().head.clone(),
            too_large,
        })
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), ArchiveError> {
        if !self.has_put && self.writing.is_some() {
            self.clean_up().await?;
        }
        self.archive.client.take_requests();
        Ok(())
    }
}
