//! An archive in a repository on GitHub.
//!
//! Replaces a set of files atomically, although only a branch's head can be compared and set. Every
//! export is one commit. An export that is too large for one request is first put together on a
//! staging branch (`staging`).
//!
//! If the response to a commit is lost, the branch shows whether the commit was made. It is never
//! simply repeated: every commit is based on the head that was just fetched.
//!
//! `client` sends requests, `budget` keeps them within GitHub's limits, `refusal` interprets refusals,
//! `branch` and `tree` fetch the state, `commit` and `fresh` make commits, and `write` orders the steps. Only this
//! folder knows octocrab.

mod branch;
mod budget;
mod client;
mod commit;
mod error;
mod fresh;
mod refusal;
mod staging;
mod tarball;
mod tree;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream::BoxStream;
use serde::Deserialize;

pub use self::error::GithubError;
pub(crate) use self::{branch::ATTRIBUTES, fresh::KEEP_BYTES};
use self::{
    branch::{Head, Readers},
    budget::Tries,
    client::Client,
    commit::{Part, git_oid},
    write::Write,
};
use super::{GithubAccess, GithubPlace, History};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, FILE_LIMIT, Hash, Object, Probe, ROOT,
    check_bases, check_readable, is_manifest, is_space, needed,
};
use propsbot_network::Network;

/// The maximum size of one commit. Base64 adds a third and GitHub accepts about 30 MB; it is slow
/// with many files.
const PART: Part = Part {
    bytes: 20_000_000,
    files: 1000,
};

/// The largest commit, in bytes.
const MOST: usize = 22_000_000;

/// The largest file, in bytes. GitHub accepts no larger ones, so anything above isn't ours.
const LARGEST: u64 = 100 << 20;

/// What a file's description may add to it, in bytes, besides the half that base64 may.
const DESCRIBED: usize = 64 << 10;

/// An archive on a branch of a repository on GitHub.
pub struct GithubArchive {
    client: Client,
    place: GithubPlace,
    allow_public: bool,
    history: History,
    /// Whose spaces are written, if that is known.
    provider: Option<&'static str>,
    /// The maximum size of one commit.
    part: Part,
    /// Held by the only writer.
    writing: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

/// What was last seen of the branch.
#[derive(Default)]
struct Seen {
    /// The repository's current full name, which differs from the configured one if it was renamed.
    repository: Option<String>,
    /// The last head fetched. A commit's content never changes.
    known: Option<Head>,
    /// The commit that reads use.
    head: Option<String>,
    /// Manifests by path, with their git id.
    manifests: BTreeMap<String, (String, Vec<u8>)>,
}

/// Files of a tree by path in the archive, with their git ids.
type Files = BTreeMap<String, String>;

impl GithubArchive {
    /// The archive at this place. Makes no requests yet. Must be called within a tokio runtime.
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
            provider: None,
            part: PART,
            writing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// The same archive, for reading only: public data is read without a refused token.
    #[must_use]
    pub fn reading(self) -> Self {
        Self {
            client: self.client.reading(),
            ..self
        }
    }

    /// The same archive, for writing spaces of this provider.
    #[must_use]
    pub fn of_provider(self, provider: Option<&'static str>) -> Self {
        Self { provider, ..self }
    }

    /// The same archive, with at most this many bytes per commit.
    #[must_use]
    pub fn with_part(self, bytes: usize) -> Self {
        let part = Part { bytes, ..PART };
        Self { part, ..self }
    }

    /// Takes the lock for writing; fails if another write is in progress.
    fn writing(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, ArchiveError> {
        let busy = |_| ArchiveError::Busy(self.place.to_string().into());
        self.writing.try_lock().map_err(busy)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path in the repository of a file of the archive.
    fn path(&self, path: &str) -> String {
        let prefix = &self.place.prefix;
        if prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{prefix}/{path}")
        }
    }

    fn route(&self, end: &str) -> String {
        format!("/repos/{}{end}", self.repository())
    }

    /// The repository's full name.
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

    /// A file of at most `longest` bytes at a commit.
    ///
    /// # Errors
    /// [`GithubError::TooLarge`] if it is longer.
    async fn file(
        &self,
        path: &str,
        commit: &str,
        longest: u64,
    ) -> Result<Option<Vec<u8>>, GithubError> {
        let end = format!("/contents/{}?ref={commit}", self.path(path));
        let longest = usize::try_from(longest.min(LARGEST)).unwrap_or(usize::MAX);
        let most = longest + longest / 2 + DESCRIBED;
        let found = self.client.file(&self.route(&end), most).await?;
        let found = found.map(|found| unwrapped(&found).unwrap_or(found));
        match found {
            Some(found) if found.len() > longest => Err(self.client.too_large(longest)),
            found => Ok(found),
        }
    }

    async fn manifest_at(
        &self,
        path: &str,
        head: Option<&Head>,
    ) -> Result<Option<Hash>, GithubError> {
        let Some((head, oid)) = head.and_then(|head| Some((head, head.file(path)?))) else {
            return Ok(None);
        };
        if let Some((known, manifest)) = self.seen().manifests.get(path)
            && known == oid
        {
            return Ok(Some(Hash::of(manifest)));
        }
        let mut tries = Tries::new();
        loop {
            match self.file(path, &head.commit, FILE_LIMIT).await? {
                Some(found) => {
                    self.learn(path, &found);
                    return Ok(Some(Hash::of(&found)));
                }
                // GitHub hasn't replicated the file yet.
                None => tries.again(GithubError::Overtaken).await?,
            }
        }
    }

    /// The hashes of these manifests at the head.
    async fn found(&self, bases: &Bases, head: Option<&Head>) -> Result<Bases, GithubError> {
        let mut found = Bases::new();
        for path in bases.keys() {
            found.insert(path.clone(), self.manifest_at(path, head).await?);
        }
        Ok(found)
    }

    fn learn(&self, path: &str, manifest: &[u8]) {
        let known = (git_oid(manifest), manifest.to_vec());
        self.seen().manifests.insert(path.to_owned(), known);
    }

    /// A manifest at a commit, if nothing needs to be asked for it.
    fn known(&self, path: &str, commit: &str) -> Option<Vec<u8>> {
        let seen = self.seen();
        let head = seen.known.as_ref().filter(|head| head.commit == commit)?;
        let (oid, bytes) = seen.manifests.get(path)?;
        (head.file(path) == Some(oid)).then(|| bytes.clone())
    }

    /// The files that a sweep may remove and that nothing at the head needs.
    async fn leftovers(&self, head: &Head) -> Result<BTreeSet<String>, ArchiveError> {
        let listing = self.list(&head.tree).await.map_err(self.failed("list"))?;
        self.seen().head = Some(head.commit.clone());
        let needed = needed(self).await;
        let needed = needed.map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
        let paths = listing.own.into_keys();
        Ok(paths.filter(|path| !needed.contains(path)).collect())
    }
}

/// Decodes a file that a server sent as JSON although raw bytes were requested.
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
    /// Everything else is read from the root's commit, even if another export follows.
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        let seen = self.seen().head.clone().filter(|_| path != ROOT);
        let commit = match seen {
            Some(seen) => seen,
            None => match self.look().await.map_err(self.failed("read"))?.head {
                Some(head) => head.commit,
                None => return Ok(None),
            },
        };
        let known = self.known(path, &commit);
        if let Some(known) = known.filter(|known| known.len() as u64 <= longest) {
            return Ok(Some(known));
        }
        let found = match self.file(path, &commit, longest).await {
            Err(GithubError::TooLarge { .. }) => {
                let path = format!("{path} of {}", self.place);
                return Err(ArchiveError::TooLong { path, longest });
            }
            found => found.map_err(self.failed("read"))?,
        };
        if let Some(found) = found.as_ref().filter(|_| is_manifest(path)) {
            self.learn(path, found);
        }
        Ok(found)
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let write = Write::new(self, self.writing()?, bases);
        Ok(Box::new(write.begin().await?))
    }

    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        let list = async {
            match self.look().await?.head {
                Some(head) => self.replaceable(&head.tree).await,
                None => Ok(Files::new()),
            }
        };
        let paths = list.await.map_err(self.failed("list"))?.into_keys();
        Ok(Some(paths.filter(|path| is_space(path)).collect()))
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

    async fn probe(&self) -> Result<Probe, ArchiveError> {
        let look = self
            .look_to_write()
            .await
            .map_err(self.failed("write to"))?;
        self.try_to_write().await.map_err(self.failed("write to"))?;
        Ok(Probe {
            is_public: Some(!matches!(look.readers, Readers::Chosen)),
            expires: self.client.expires(),
        })
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
