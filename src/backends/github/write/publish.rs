//! The commit that publishes: the manifest, what lies beside it, and what goes.

use super::{FILES, WRITING, Write};
use crate::github::{
    Files as Listed, GithubArchive, GithubError, MOST,
    branch::{ATTRIBUTES, Head},
    client::Tries,
    commit::{Files, git_oid},
    fresh::KEEP_BYTES,
};
use propsbot_archive::{ArchiveError, Documents, Hash, MANIFEST, Publish};

/// What is to be published.
pub(super) struct Publishing {
    pub(super) manifest: Vec<u8>,
    pub(super) hash: Hash,
    pub(super) oid: String,
    pub(super) remove: Vec<String>,
    pub(super) documents: Documents,
    pub(super) commit_message: String,
}

impl Publishing {
    /// Also returns the documents that are left out.
    pub(super) fn new(archive: &GithubArchive, publish: Publish) -> (Self, Vec<String>) {
        let mut manifests = publish.manifests;
        let manifest = manifests.remove(MANIFEST).unwrap_or_default();
        let (documents, too_large) = fitting(archive, publish.documents, manifest.len());
        let publishing = Self {
            hash: Hash::of(&manifest),
            oid: git_oid(&manifest),
            documents,
            manifest,
            remove: publish.remove.into_iter().collect(),
            commit_message: publish.commit_message,
        };
        (publishing, too_large)
    }
}

impl Write<'_> {
    /// Makes the commit that publishes; finds that it is made.
    pub(super) async fn make_published(&mut self, publish: Publishing) -> Result<(), ArchiveError> {
        let mut tries = Tries::new();
        let mut listed = None;
        let documents_too = publish.documents.values().flatten();
        let beside = publish.manifest.len() + documents_too.map(Vec::len).sum::<usize>();
        loop {
            while self.is_too_much(beside) {
                self.put_part().await?;
            }
            let head = self.head().await?;
            let found = self.found(head.as_ref()).await?;
            let is_published = found == Some(publish.hash);
            if !is_published && (self.stale || found != self.expected) {
                let expected = self.expected;
                return Err(ArchiveError::Stale { expected, found });
            }
            let mut later = Listed::new();
            let files = if is_published {
                documents(&publish, head.as_ref())
            } else {
                self.check_writing(head.as_ref())?;
                let mut files = self.files(&publish, head.as_ref(), listed.as_ref());
                later = self.put_off(&mut files);
                files
            };
            if files.is_empty() {
                return Ok(());
            }
            let made = self.make(head.clone(), &files, &publish.commit_message, &mut tries);
            match made.await {
                Ok(false) => {}
                Ok(true) => {
                    self.archive.seen().manifest = Some((publish.oid, publish.hash));
                    self.remove_later(later, files.put.get(WRITING)).await;
                    return Ok(());
                }
                Err(GithubError::NoFile(_)) if listed.is_none() => {
                    if let Some(head) = &head {
                        let objects = self.archive.objects(head).await;
                        listed = Some(objects.map_err(self.archive.failed("list"))?);
                    }
                }
                Err(error) => return Err(self.archive.failed("write to")(error)),
            }
            self.batch_back(files);
        }
    }

    /// All that the publishing commit changes, the batch included, which is given back by
    /// [`Self::batch_back`].
    fn files(
        &mut self,
        publish: &Publishing,
        head: Option<&Head>,
        listed: Option<&Listed>,
    ) -> Files {
        let mut files = documents(publish, head);
        for path in publish.remove.iter().chain(self.leftovers.keys()) {
            let was_put = self.batch.remove(path).is_some();
            if !was_put && listed.is_none_or(|listed| listed.contains_key(path)) {
                files.remove.insert(path.clone());
            }
        }
        files.put.append(&mut self.batch);
        files
            .put
            .insert(MANIFEST.to_owned(), publish.manifest.clone());
        if head.is_none_or(|head| head.file(ATTRIBUTES).is_none()) {
            files.put.insert(ATTRIBUTES.to_owned(), KEEP_BYTES.into());
        }
        if self.writing.is_some() {
            files.remove.insert(WRITING.to_owned());
        }
        files
    }

    /// Takes from a commit what it would remove beyond what one can: that goes later, while [`WRITING`]
    /// says so.
    fn put_off(&self, files: &mut Files) -> Listed {
        let Some(first) = files.remove.iter().nth(FILES).cloned() else {
            return Listed::new();
        };
        let later = files.remove.split_off(&first).into_iter();
        files.remove.remove(WRITING);
        let says = format!("{} removes\n", self.name).into_bytes();
        files.put.insert(WRITING.to_owned(), says);
        later.map(|later| (later, String::new())).collect()
    }

    /// Removes what was put off. What goes wrong is made up for by the next write.
    async fn remove_later(&mut self, later: Listed, says: Option<&Vec<u8>>) {
        let Some(says) = says else {
            return;
        };
        self.writing = Some(git_oid(says));
        self.leftovers = later;
        if let Err(error) = self.clean_up().await {
            tracing::warn!(%error, "published, but not all that goes with it is done: the next export makes up for it");
        }
    }
}

/// The documents that are not as they should be.
fn documents(publish: &Publishing, head: Option<&Head>) -> Files {
    let mut files = Files::default();
    for (path, document) in &publish.documents {
        let there = head.and_then(|head| head.file(path));
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

/// The documents that one commit can have beside the manifest, and those that are too large for that. These
/// go: they would be taken for the present.
fn fitting(
    archive: &GithubArchive,
    documents: Documents,
    manifest: usize,
) -> (Documents, Vec<String>) {
    let mut left = MOST.saturating_sub(manifest);
    let mut too_large = Vec::new();
    let mut sorted: Vec<_> = documents.into_iter().collect();
    sorted.sort_by_key(|(path, document)| (document.as_ref().map(Vec::len), *path));
    let fit = |(path, document): (&'static str, Option<Vec<u8>>)| {
        let bytes = document.as_ref().map_or(0, Vec::len);
        let Some(rest) = left.checked_sub(bytes) else {
            let place = &archive.place;
            tracing::warn!(%place, path, bytes, "too large for GitHub: it is left out");
            too_large.push(path.to_owned());
            return (path, None);
        };
        left = rest;
        (path, document)
    };
    let fitting = sorted.into_iter().map(fit).collect();
    (fitting, too_large)
}
