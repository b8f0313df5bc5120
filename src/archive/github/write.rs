//! The order of things in a write: parts, then the commit that publishes, each on a head that was
//! looked at a moment before.

use std::{collections::BTreeMap, mem};

use futures::{StreamExt as _, stream::BoxStream};

use super::{
    Files as Listed, GithubArchive, GithubError,
    branch::{ATTRIBUTES, Head},
    client::Tries,
    commit::{Files, git_oid},
    fresh::KEEP_BYTES,
};
use crate::archive::{ArchiveError, Change, Hash, MANIFEST, Object};

/// Names who is writing, while a write has more than one commit.
pub(super) const WRITING: &str = ".writing";

/// A write under way.
pub(super) struct Write<'a> {
    archive: &'a GithubArchive,
    expected: Option<Hash>,
    /// Objects not committed yet, and their bytes together.
    batch: BTreeMap<String, Vec<u8>>,
    bytes: usize,
    /// Parts committed.
    parts: u32,
    /// Who we are, in [`WRITING`].
    name: String,
    /// What [`WRITING`] has to be at the head, by its name in git: ours, once there are parts.
    writing: Option<String>,
    /// Objects at the head that nobody needs, as far as this write has not put them.
    leftovers: Listed,
    /// The commit that our last one was made on.
    replaced: Option<String>,
    /// Whether objects were dropped because the manifest is another: nothing can be published then,
    /// unless it has been already.
    stale: bool,
}

/// What is to be published.
struct Publish {
    manifest: Vec<u8>,
    hash: Hash,
    oid: String,
    remove: Vec<String>,
    documents: BTreeMap<&'static str, Option<Vec<u8>>>,
    headline: String,
}

impl<'a> Write<'a> {
    pub(super) fn new(archive: &'a GithubArchive, expected: Option<Hash>) -> Self {
        Self {
            archive,
            expected,
            batch: BTreeMap::new(),
            bytes: 0,
            parts: 0,
            name: format!("{:032x}", rand::random::<u128>()),
            writing: None,
            leftovers: Listed::new(),
            replaced: None,
            stale: false,
        }
    }

    pub(super) async fn carry_out(
        mut self,
        mut changes: BoxStream<'_, Change>,
    ) -> Result<(), ArchiveError> {
        let failed = || self.archive.failed("look at");
        let look = self.archive.look_to_write().await.map_err(failed())?;
        if let Some(head) = look.head.filter(|it| it.writing.is_some()) {
            self.leftovers = self.archive.leftovers(&head).await?;
            self.writing = head.writing;
        }
        let mut puts = false;
        while let Some(change) = changes.next().await {
            change.check()?;
            match change {
                Change::Put(object) => {
                    puts = true;
                    self.put(object).await?;
                }
                Change::Publish {
                    manifest,
                    remove,
                    documents,
                    headline,
                } => {
                    let publish = Publish {
                        hash: Hash::of(&manifest),
                        oid: git_oid(&manifest),
                        manifest,
                        remove: remove.into_iter().collect(),
                        documents,
                        headline,
                    };
                    return self.publish(publish).await;
                }
            }
        }
        if !puts && self.writing.is_some() {
            self.clean_up().await?;
        }
        Ok(())
    }

    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        let Object { path, bytes } = object;
        // It is needed, whatever is there; and is there already, unless that is damaged.
        if self.leftovers.remove(&path) == Some(git_oid(&bytes)) {
            return Ok(());
        }
        self.bytes += bytes.len();
        self.batch.insert(path, bytes);
        if self.bytes >= self.archive.part {
            self.put_part().await?;
        }
        Ok(())
    }

    /// Commits what has come together. If the manifest is not the expected one, drops it.
    async fn put_part(&mut self) -> Result<(), ArchiveError> {
        self.parts += 1;
        self.bytes = 0;
        let says = format!("{} {}\n", self.name, self.parts).into_bytes();
        let ours = git_oid(&says);
        let mut files = Files {
            put: mem::take(&mut self.batch),
            ..Files::default()
        };
        files.put.insert(WRITING.to_owned(), says);
        let headline = format!("Archive, part {}: an export is under way", self.parts);
        let mut tries = Tries::new();
        while !self.stale {
            let head = self.head().await?;
            let found = self.found(head.as_ref()).await?;
            if found != self.expected {
                self.stale = true;
                break;
            }
            if head
                .as_ref()
                .is_some_and(|it| it.writing.as_ref() == Some(&ours))
            {
                // The answer was lost.
                break;
            }
            self.check_writing(head.as_ref())?;
            if self
                .make_or_fail(head, &files, &headline, &mut tries)
                .await?
            {
                break;
            }
        }
        self.writing = Some(ours);
        Ok(())
    }

    /// Makes the commit that publishes; finds that it is made.
    async fn publish(&mut self, publish: Publish) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        let mut listed = None;
        loop {
            let head = self.head().await?;
            let found = self.found(head.as_ref()).await?;
            let is_published = found == Some(publish.hash);
            if !is_published && (self.stale || found != self.expected) {
                let expected = self.expected;
                return Err(ArchiveError::Stale { expected, found });
            }
            let files = if is_published {
                documents(&publish, head.as_ref())
            } else {
                self.check_writing(head.as_ref())?;
                self.files(&publish, head.as_ref(), listed.as_ref())
            };
            if files.is_empty() {
                return Ok(());
            }
            let made = self.make(head.clone(), &files, &publish.headline, &mut tries);
            match made.await {
                Ok(false) => {}
                Ok(true) => {
                    let mut seen = self.archive.seen();
                    seen.manifest = Some((publish.oid, publish.hash));
                    return Ok(());
                }
                Err(GithubError::NoFile(_)) if listed.is_none() => {
                    let Some(head) = &head else { continue };
                    let objects = self.archive.objects(head).await;
                    listed = Some(objects.map_err(self.archive.failed("list"))?);
                }
                Err(error) => return Err(self.archive.failed("write to")(error)),
            }
            self.batch_back(files);
        }
    }

    /// All that the publishing commit changes, the batch included, which is given back by
    /// [`Self::batch_back`].
    fn files(&mut self, publish: &Publish, head: Option<&Head>, listed: Option<&Listed>) -> Files {
        let mut files = documents(publish, head);
        for path in publish.remove.iter().chain(self.leftovers.keys()) {
            let was_put = self.batch.remove(path).is_some();
            if !was_put && listed.is_none_or(|it| it.contains_key(path)) {
                files.remove.insert(path.clone());
            }
        }
        files.put.append(&mut self.batch);
        files
            .put
            .insert(MANIFEST.to_owned(), publish.manifest.clone());
        if head.is_none_or(|it| it.attributes.is_none()) {
            files.put.insert(ATTRIBUTES.to_owned(), KEEP_BYTES.into());
        }
        if self.writing.is_some() {
            files.remove.insert(WRITING.to_owned());
        }
        files
    }

    /// Keeps the objects of a commit that was not made for the next attempt.
    fn batch_back(&mut self, files: Files) {
        let objects = files.put.into_iter();
        self.batch
            .extend(objects.filter(|(path, _)| Hash::in_path(path).is_some()));
    }

    /// Removes what was left, and nothing else.
    async fn clean_up(&mut self) -> Result<(), ArchiveError> {
        let mut files = Files::default();
        files.remove.extend(self.leftovers.keys().cloned());
        files.remove.insert(WRITING.to_owned());
        let mut tries = Tries::new();
        let headline = "Remove what an interrupted export left";
        loop {
            let head = self.head().await?;
            if head.as_ref().is_none_or(|it| it.writing.is_none()) {
                return Ok(());
            }
            self.check_writing(head.as_ref())?;
            if self
                .make_or_fail(head, &files, headline, &mut tries)
                .await?
            {
                return Ok(());
            }
        }
    }

    /// The branch's head. The one that our last commit has replaced is shown no more, a moment later
    /// at the latest.
    async fn head(&self) -> Result<Option<Head>, ArchiveError> {
        let mut tries = Tries::new();
        let look = async {
            loop {
                let head = self.archive.look_to_write().await?.head;
                if head
                    .as_ref()
                    .is_none_or(|it| Some(&it.commit) != self.replaced.as_ref())
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
        if head.and_then(|it| it.writing.as_ref()) == self.writing.as_ref() {
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
        headline: &str,
        tries: &mut Tries,
    ) -> Result<bool, GithubError> {
        let made = match &head {
            Some(head) => self
                .archive
                .commit(head, files, headline)
                .await
                .map(|()| true),
            None => self.archive.begin().await.map(|()| false),
        };
        match made {
            Ok(true) => {
                self.replaced = head.map(|it| it.commit);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => tries.again(error).await.map(|()| false),
        }
    }

    /// As [`Self::make`], where nothing is removed that may not be there.
    async fn make_or_fail(
        &mut self,
        head: Option<Head>,
        files: &Files,
        headline: &str,
        tries: &mut Tries,
    ) -> Result<bool, ArchiveError> {
        let made = self.make(head, files, headline, tries).await;
        made.map_err(self.archive.failed("write to"))
    }
}

/// The documents that are not as they should be.
fn documents(publish: &Publish, head: Option<&Head>) -> Files {
    let mut files = Files::default();
    for (path, document) in &publish.documents {
        let there = head.and_then(|it| it.documents.get(path));
        match document {
            Some(bytes) if there != Some(&git_oid(bytes)) => {
                files.put.insert((*path).to_owned(), bytes.clone());
            }
            None if there.is_some() => {
                files.remove.insert((*path).to_owned());
            }
            _ => {}
        }
    }
    files
}
