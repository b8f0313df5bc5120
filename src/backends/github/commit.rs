//! Commits that add and remove files on top of a known commit.

use std::collections::{BTreeMap, BTreeSet};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};
use sha1::{Digest as _, Sha1};

use super::{GithubArchive, GithubError, MOST};

/// The git id of a file with these bytes.
pub(super) fn git_oid(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex::encode(hash.finalize())
}

/// The changes of one or several commits, by path in the archive.
#[derive(Clone, Default)]
pub(super) struct Changes {
    pub(super) put: BTreeMap<String, Vec<u8>>,
    pub(super) remove: BTreeSet<String>,
}

/// The maximum size of one commit, which shrinks when GitHub fails.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Bytes added. A larger file gets a commit of its own.
    pub(super) bytes: usize,
    /// Files added, and likewise files removed.
    pub(super) files: usize,
}

impl Part {
    /// The smallest limits, however often GitHub fails.
    const LEAST: Self = Self {
        bytes: 1_000_000,
        files: 50,
    };

    pub(super) fn halve(&mut self) {
        self.bytes = (self.bytes / 2).max(Self::LEAST.bytes.min(self.bytes));
        self.files = (self.files / 2).max(Self::LEAST.files.min(self.files));
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }

    pub(super) fn fit(&self, part: Part) -> bool {
        let bytes: usize = self.put.values().map(Vec::len).sum();
        let files = self.put.len().max(self.remove.len());
        files <= 1 || bytes < part.bytes && files <= part.files
    }

    /// Removes and returns as many changes as fit into one commit.
    pub(super) fn take(&mut self, part: Part) -> Self {
        let mut taken = Self::default();
        let mut bytes = 0;
        while bytes < part.bytes && taken.put.len() < part.files {
            let Some((path, file)) = self.put.pop_first() else {
                break;
            };
            if bytes > 0 && bytes + file.len() > MOST {
                self.put.insert(path, file);
                break;
            }
            bytes += file.len();
            taken.put.insert(path, file);
        }
        while taken.remove.len() < part.files {
            let Some(path) = self.remove.pop_first() else {
                break;
            };
            taken.remove.insert(path);
        }
        taken
    }

    /// Adds other changes.
    pub(super) fn extend(&mut self, others: Self) {
        self.put.extend(others.put);
        self.remove.extend(others.remove);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) oid: String,
    /// Its tree's id.
    pub(super) tree: String,
}

const COMMIT: &str = "mutation($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid tree { oid } } }
}";

#[derive(Serialize)]
struct Variables<'a> {
    input: Input<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    branch: Branch<'a>,
    expected_head_oid: &'a str,
    message: Message<'a>,
    file_changes: FileChanges<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Branch<'a> {
    repository_name_with_owner: String,
    branch_name: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    headline: &'a str,
}

#[derive(Serialize)]
struct FileChanges<'a> {
    additions: Vec<Addition<'a>>,
    deletions: Vec<Deletion>,
}

#[derive(Serialize)]
struct Addition<'a> {
    path: String,
    #[serde(serialize_with = "base64")]
    contents: &'a [u8],
}

#[derive(Serialize)]
struct Deletion {
    path: String,
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    create_commit_on_branch: Option<NewCommit>,
}

#[derive(Deserialize)]
struct NewCommit {
    commit: Option<MadeCommit>,
}

#[derive(Deserialize)]
struct MadeCommit {
    oid: String,
    tree: MadeTree,
}

#[derive(Deserialize)]
struct MadeTree {
    oid: String,
}

impl GithubArchive {
    /// Commits these changes to a branch, unless its head has moved.
    pub(super) async fn commit(
        &self,
        branch: &str,
        head: &str,
        changes: &Changes,
        headline: &str,
    ) -> Result<Commit, GithubError> {
        let additions = changes.put.iter().map(|(path, contents)| Addition {
            path: self.path(path),
            contents,
        });
        let deletions = changes.remove.iter().map(|path| Deletion {
            path: self.path(path),
        });
        let input = Input {
            branch: Branch {
                repository_name_with_owner: self.repository(),
                branch_name: branch,
            },
            expected_head_oid: head,
            message: Message { headline },
            file_changes: FileChanges {
                additions: additions.collect(),
                deletions: deletions.collect(),
            },
        };
        let bytes = changes.put.values().map(Vec::len).sum::<usize>() / 3 * 4;
        let variables = Variables { input };
        let answer: Answer = self.client.mutate(COMMIT, &variables, bytes).await?;
        let made = answer
            .create_commit_on_branch
            .and_then(|create_commit_on_branch| create_commit_on_branch.commit);
        let made = made.ok_or_else(|| GithubError::Unreadable("it names no commit".to_owned()))?;
        Ok(Commit {
            oid: made.oid,
            tree: made.tree.oid,
        })
    }
}
