//! An archive in a repository on GitHub.
//!
//! Owns how a set of files is replaced where the only compare-and-set is that of a branch's head.
//! An export that fits into one commit is one commit, which is atomic by itself. A larger one is put
//! in parts: commits of objects, while a file `.writing` names their writer. The last commit has the
//! manifest, and removes that file with all that is no longer needed. Found by a later writer, it
//! says that an export was cut off: what is of use of it is used, the rest goes.
//!
//! Whether a commit was made of which no answer came is found out by looking at the branch, never by
//! making it again: no commit is made but on the head that was looked at.
//!
//! `client` asks, within GitHub's limits; `error` understands refusals. `branch` is what is looked
//! at, `commit` what is made of it, `write` the order of things, `fresh` how branches begin.
//! Only this folder knows octocrab.

mod branch;
mod client;
mod commit;
mod error;
mod fresh;
mod tarball;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::Deserialize;

pub use self::error::GithubError;
use self::{branch::Head, client::Client, client::RAW, commit::git_oid, write::Write};
use super::{
    ArchiveError, ArchiveReader, Change, DataArchive, GithubAccess, GithubPlace, Hash, History,
    MANIFEST, Object, ReadError, Traffic, data_archive::check_readable,
};

/// In base64 it is a third more; GitHub takes about 30 MB.
const PART: usize = 20_000_000;

/// An archive on a branch of a repository on GitHub.
pub struct GithubArchive {
    client: Client,
    place: GithubPlace,
    allow_public: bool,
    history: History,
    /// Objects of so many bytes are a part.
    part: usize,
    /// Held by the one writer.
    writing: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

/// What was last seen of the branch.
#[derive(Default)]
struct Seen {
    /// Its head: what is read is read there.
    head: Option<String>,
    /// A manifest by its name in git and ours.
    manifest: Option<(String, Hash)>,
}

/// Files of a tree, by path in the archive, with their names in git.
type Files = BTreeMap<String, String>;

impl GithubArchive {
    /// The archive at this place. Touches nothing yet. Must be called within a tokio runtime.
    pub fn new(place: GithubPlace, access: &GithubAccess) -> Result<Self, ArchiveError> {
        Ok(Self {
            client: Client::new(access, &place.to_string())?,
            place,
            allow_public: access.allow_public,
            history: access.history,
            part: PART,
            writing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// The same, with parts of so many bytes.
    #[must_use]
    pub fn with_part(self, part: usize) -> Self {
        Self { part, ..self }
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
        format!("/repos/{}/{}{end}", self.place.owner, self.place.repo)
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
        self.client.get(&self.route(&end), RAW).await
    }

    /// The hash of the manifest that the head has.
    async fn manifest_at(&self, head: Option<&Head>) -> Result<Option<Hash>, GithubError> {
        let Some((head, oid)) = head.and_then(|it| Some((it, it.manifest.as_ref()?))) else {
            return Ok(None);
        };
        if let Some((known, hash)) = &self.seen().manifest
            && known == oid
        {
            return Ok(Some(*hash));
        }
        let found = self.file(MANIFEST, &head.commit).await?;
        let found = found.ok_or(GithubError::Overtaken)?;
        Ok(Some(self.learn(&found)))
    }

    /// Remembers a manifest.
    fn learn(&self, manifest: &[u8]) -> Hash {
        let hash = Hash::of(manifest);
        self.seen().manifest = Some((git_oid(manifest), hash));
        hash
    }

    /// The objects that a tree has, whether they are needed or not.
    async fn objects(&self, head: &Head) -> Result<Files, GithubError> {
        #[derive(Deserialize)]
        struct Listing {
            sha: String,
            tree: Vec<Entry>,
            truncated: bool,
        }
        #[derive(Deserialize)]
        struct Entry {
            path: String,
            r#type: String,
            sha: String,
        }
        let tree = async |sha: &str, ask: &str| {
            let route = self.route(&format!("/git/trees/{sha}{ask}"));
            let found = self.client.get(&route, client::JSON).await?;
            let found = found.ok_or(GithubError::Overtaken)?;
            let found = serde_json::from_slice::<Listing>(&found);
            found.map_err(|error| GithubError::Unreadable(error.to_string()))
        };
        let prefix = self.path("");
        let mut files = Files::new();
        let mut trees = vec![(String::new(), tree(&head.tree, "?recursive=1").await?)];
        while let Some((folder, mut found)) = trees.pop() {
            if found.truncated {
                // Too large for one answer: folder by folder.
                found = tree(&found.sha, "").await?;
                for entry in found.tree.iter().filter(|it| it.r#type == "tree") {
                    let path = format!("{folder}{}/", entry.path);
                    if path.starts_with(&prefix) || prefix.starts_with(&path) {
                        trees.push((path, tree(&entry.sha, "?recursive=1").await?));
                    }
                }
            }
            for entry in found.tree.into_iter().filter(|it| it.r#type == "blob") {
                let path = format!("{folder}{}", entry.path);
                if let Some(path) = path.strip_prefix(&prefix)
                    && Hash::in_path(path).is_some()
                {
                    files.insert(path.to_owned(), entry.sha);
                }
            }
        }
        Ok(files)
    }

    /// The objects that the manifest at the head does not need.
    async fn leftovers(&self, head: &Head) -> Result<Files, ArchiveError> {
        let mut files = self.objects(head).await.map_err(self.failed("list"))?;
        self.seen().head = Some(head.commit.clone());
        let needed = self.needed().await;
        let needed = needed.map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
        files.retain(|path, _| !needed.contains(path));
        Ok(files)
    }

    async fn needed(&self) -> Result<BTreeSet<String>, ReadError> {
        let mut needed = BTreeSet::new();
        let reader = match ArchiveReader::open(self).await {
            Err(ReadError::Empty) => return Ok(needed),
            reader => reader?,
        };
        for (scope, reference) in reader.manifest().indexes() {
            let index = reader.index(scope, reference).await?;
            needed.extend(index.blob_paths());
            needed.insert(reference.path());
        }
        Ok(needed)
    }
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
                self.learn(found);
            }
            Ok(found)
        };
        read.await.map_err(failed)
    }

    async fn write(
        &self,
        expected: Option<Hash>,
        changes: BoxStream<'_, Change>,
    ) -> Result<(), ArchiveError> {
        let Ok(_writing) = self.writing.try_lock() else {
            return Err(ArchiveError::Busy(self.place.to_string().into()));
        };
        Write::new(self, expected).carry_out(changes).await?;
        if self.history == History::Squash {
            match self.squash().await {
                // What was published is; the history goes with the next export.
                Err(error @ GithubError::Overtaken) => {
                    tracing::warn!(%error, place = %self.place, "the history was not squashed");
                }
                squashed => squashed.map_err(self.failed("squash"))?,
            }
        }
        Ok(())
    }

    async fn forget_history(&self) -> Result<(), ArchiveError> {
        if self.history == History::Keep {
            return Ok(());
        }
        let Ok(_writing) = self.writing.try_lock() else {
            return Err(ArchiveError::Busy(self.place.to_string().into()));
        };
        self.squash().await.map_err(self.failed("squash"))
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.client.requests(),
            commit: self.seen().head.clone(),
        }
    }

    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        self.tarball().await.map_err(self.failed("download"))
    }
}
