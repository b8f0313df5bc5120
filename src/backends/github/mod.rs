//! An archive in a repository on GitHub.
//!
//! Owns how a set of files is replaced where the only compare-and-set is that of a branch's head. Every export
//! is one commit, which is atomic by itself. One that is too large for a request is put together on a branch of
//! its own first (`staging`).
//!
//! Whether a commit was made of which no answer came is found out by looking at the branch, never by
//! making it again: no commit is made but on the head that was looked at.
//!
//! `client` asks, within GitHub's limits; `error` understands refusals. `branch` and `tree` are what is
//! looked at, `commit` what is made of it, `write` the order of things, `fresh` how branches begin.
//! Only this folder knows octocrab.

mod branch;
mod client;
mod commit;
mod error;
mod fresh;
mod staging;
mod tarball;
mod tree;
mod write;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream::BoxStream;
use serde::Deserialize;

pub use self::error::GithubError;
use self::{
    branch::Head,
    client::{Client, RAW, Tries},
    commit::{Part, git_oid},
    write::Write,
};
use super::{GithubAccess, GithubPlace, History};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Hash, MANIFEST, Object, check_bases,
    check_readable, needed,
};
use propsbot_network::Network;

/// How much one commit has. In base64 the bytes are a third more, and GitHub takes about 30 MB; it takes long
/// for many files.
const PART: Part = Part {
    bytes: 20_000_000,
    files: 1000,
};

/// The most bytes that one commit can add.
const MOST: usize = 22_000_000;

/// An archive on a branch of a repository on GitHub.
pub struct GithubArchive {
    client: Client,
    place: GithubPlace,
    allow_public: bool,
    history: History,
    /// How much one commit has.
    part: Part,
    /// Held by the one writer.
    writing: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

/// What was last seen of the branch.
#[derive(Default)]
struct Seen {
    /// The repository's name with its owner's: it may be another than the configured one, which was
    /// its name once.
    repository: Option<String>,
    /// The last head that was looked at: what a commit has does not change.
    known: Option<Head>,
    /// Its head: what is read is read there.
    head: Option<String>,
    /// Manifests by path, with their names in git and ours.
    manifests: BTreeMap<String, (String, Hash)>,
}

/// Files of a tree, by path in the archive, with their names in git.
type Files = BTreeMap<String, String>;

impl GithubArchive {
    /// The archive at this place. Touches nothing yet. Must be called within a tokio runtime.
    pub fn new(
        place: GithubPlace,
        access: &GithubAccess,
        network: &Network,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            client: Client::new(access, &place.to_string(), network)?,
            place,
            allow_public: access.allow_public,
            history: access.history,
            part: PART,
            writing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// The same, to read only: where the token is refused, what is public is read without it.
    #[must_use]
    pub fn reading(self) -> Self {
        Self {
            client: self.client.reading(),
            ..self
        }
    }

    /// The same, with commits of so many bytes at the most.
    #[must_use]
    pub fn with_part(self, bytes: usize) -> Self {
        let part = Part { bytes, ..PART };
        Self { part, ..self }
    }

    /// The right to write, for one at a time.
    fn writing(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, ArchiveError> {
        let busy = |_| ArchiveError::Busy(self.place.to_string().into());
        self.writing.try_lock().map_err(busy)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a file of the archive is in the repository.
    fn path(&self, path: &str) -> String {
        let prefix = &self.place.prefix;
        if prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{prefix}/{path}")
        }
    }

    /// A route of the repository.
    fn route(&self, end: &str) -> String {
        format!("/repos/{}{end}", self.repository())
    }

    /// The repository's name with its owner's.
    fn repository(&self) -> String {
        let GithubPlace { owner, repo, .. } = &self.place;
        let seen = self.seen().repository.clone();
        seen.unwrap_or_else(|| format!("{owner}/{repo}"))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(GithubError) -> ArchiveError {
        let place = self.place.to_string();
        move |source| ArchiveError::Remote {
            action,
            place,
            source: Box::new(source),
        }
    }

    /// A file as a commit has it.
    async fn file(&self, path: &str, commit: &str) -> Result<Option<Vec<u8>>, GithubError> {
        let end = format!("/contents/{}?ref={commit}", self.path(path));
        let found = self.client.get(&self.route(&end), RAW).await?;
        Ok(found.map(|found| unwrapped(&found).unwrap_or(found)))
    }

    /// The hash of this manifest as the head has it.
    async fn manifest_at(
        &self,
        path: &str,
        head: Option<&Head>,
    ) -> Result<Option<Hash>, GithubError> {
        let Some((head, oid)) = head.and_then(|head| Some((head, head.file(path)?))) else {
            return Ok(None);
        };
        if let Some((known, hash)) = self.seen().manifests.get(path)
            && known == oid
        {
            return Ok(Some(*hash));
        }
        let mut tries = Tries::new();
        loop {
            match self.file(path, &head.commit).await? {
                Some(found) => return Ok(Some(self.learn(path, &found))),
                // It is not everywhere yet.
                None => tries.again(GithubError::Overtaken).await?,
            }
        }
    }

    /// The hashes of the manifests of these paths as the head has them.
    async fn found(&self, bases: &Bases, head: Option<&Head>) -> Result<Bases, GithubError> {
        let mut found = Bases::new();
        for path in bases.keys() {
            found.insert(path.clone(), self.manifest_at(path, head).await?);
        }
        Ok(found)
    }

    /// Remembers a manifest.
    fn learn(&self, path: &str, manifest: &[u8]) -> Hash {
        let hash = Hash::of(manifest);
        let known = (git_oid(manifest), hash);
        self.seen().manifests.insert(path.to_owned(), known);
        hash
    }

    /// The objects that the manifest at the head does not need.
    async fn leftovers(&self, head: &Head) -> Result<Files, ArchiveError> {
        let mut files = self
            .objects(&head.tree)
            .await
            .map_err(self.failed("list"))?;
        self.seen().head = Some(head.commit.clone());
        let needed = needed(self).await;
        let needed = needed.map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
        files.retain(|path, _| !needed.contains(path));
        Ok(files)
    }
}

/// A file's bytes, where a server describes it although its bytes were asked for.
fn unwrapped(answer: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct File {
        encoding: String,
        content: String,
    }
    if !answer.starts_with(b"{") {
        return None;
    }
    let file: File = serde_json::from_slice(answer).ok()?;
    let content: String = file.content.split_ascii_whitespace().collect();
    STANDARD
        .decode(content)
        .ok()
        .filter(|_| file.encoding == "base64")
}

#[async_trait]
impl DataArchive for GithubArchive {
    /// What follows a manifest is read from the same commit as that was, whatever is exported
    /// meanwhile.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        let failed = self.failed("read");
        let read = async {
            let seen = self.seen().head.clone().filter(|_| path != MANIFEST);
            let commit = match seen {
                Some(seen) => seen,
                None => match self.look().await?.head {
                    Some(head) => head.commit,
                    None => return Ok(None),
                },
            };
            let found = self.file(path, &commit).await?;
            if let Some(found) = found.as_ref().filter(|_| path == MANIFEST) {
                self.learn(MANIFEST, found);
            }
            Ok(found)
        };
        read.await.map_err(failed)
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let write = Write::new(self, self.writing()?, bases);
        Ok(Box::new(write.begin().await?))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let write = Write::new(self, self.writing()?, Bases::new());
        write.sweep().await
    }

    async fn forget_history(&self) -> Result<(), ArchiveError> {
        if self.history == History::Keep {
            return Ok(());
        }
        let _writing = self.writing()?;
        self.squash().await.map_err(self.failed("squash"))
    }

    async fn check_place(&self, has_published: bool) -> Result<(), ArchiveError> {
        let checked = self.check_branch(has_published).await;
        checked.map_err(self.failed("write to"))
    }

    async fn check_writable(&self) -> Result<(), ArchiveError> {
        let looked = self.look_to_write().await;
        looked.map(drop).map_err(self.failed("write to"))
    }

    async fn has(&self, path: &str, bytes: &[u8]) -> Result<bool, ArchiveError> {
        let look = self.look().await.map_err(self.failed("look at"))?;
        let there = look.head.as_ref().and_then(|head| head.file(path));
        Ok(there == Some(&git_oid(bytes)))
    }

    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        self.tarball().await.map_err(self.failed("download"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_its_description() {
        let described = br#"{"name":"a","encoding":"base64","content":"eyJm\nIjoxfQ==\n"}"#;
        assert_eq!(unwrapped(described).unwrap(), br#"{"f":1}"#);
        for itself in [&br#"{"format":1}"#[..], b"", b"{", b"\x91\x80"] {
            assert_eq!(unwrapped(itself), None);
        }
    }
}
