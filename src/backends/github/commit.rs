//! A commit: files that come and files that go, on a head that was looked at.

use std::collections::{BTreeMap, BTreeSet};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};
use sha1::{Digest as _, Sha1};

use super::{GithubArchive, GithubError, branch::Head};

/// The name that git has for a file with these bytes.
pub(super) fn git_oid(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex::encode(hash.finalize())
}

/// What a commit changes, by path in the archive.
#[derive(Default)]
pub(super) struct Files {
    pub(super) put: BTreeMap<String, Vec<u8>>,
    pub(super) remove: BTreeSet<String>,
}

impl Files {
    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

const COMMIT: &str = "mutation($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
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
    file_changes: Changes<'a>,
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
struct Changes<'a> {
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
    create_commit_on_branch: Option<Made>,
}

#[derive(Deserialize)]
struct Made {
    commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    oid: String,
}

impl GithubArchive {
    /// Commits these files on this head, unless the branch has moved. What is read from now on is
    /// read there.
    pub(super) async fn commit(
        &self,
        head: &Head,
        files: &Files,
        headline: &str,
    ) -> Result<(), GithubError> {
        let additions = files.put.iter().map(|(path, contents)| Addition {
            path: self.path(path),
            contents,
        });
        let deletions = files.remove.iter().map(|path| Deletion {
            path: self.path(path),
        });
        let input = Input {
            branch: Branch {
                repository_name_with_owner: self.repository(),
                branch_name: &head.branch,
            },
            expected_head_oid: &head.commit,
            message: Message { headline },
            file_changes: Changes {
                additions: additions.collect(),
                deletions: deletions.collect(),
            },
        };
        let bytes = files.put.values().map(Vec::len).sum::<usize>() / 3 * 4;
        let variables = Variables { input };
        let answer: Answer = self.client.mutate(COMMIT, &variables, bytes).await?;
        let made = answer
            .create_commit_on_branch
            .and_then(|create_commit_on_branch| create_commit_on_branch.commit);
        let made = made.ok_or_else(|| GithubError::Unreadable("it names no commit".to_owned()))?;
        self.seen().head = Some(made.oid);
        Ok(())
    }
}
