//! Commits without parents: the first one of a repository or branch, and those of squashed
//! branches.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    GithubArchive, GithubError,
    branch::{ATTRIBUTES, BranchState},
    budget::Tries,
    staging::RefUpdate,
};

/// The content of [`ATTRIBUTES`]. Converted line ends would change hashes.
pub(crate) const KEEP_BYTES: &str = "* -text\n";

const BEGIN: &str = "Begin the archive";

#[derive(Deserialize)]
struct Created {
    sha: String,
}

/// Turns "already exists" into [`GithubError::Overtaken`]: we or another process just created it.
fn there_already(error: GithubError) -> GithubError {
    match &error {
        GithubError::Refused { message, .. }
            if message.contains("already exists") || message.contains("\"sha\"") =>
        {
            GithubError::Overtaken
        }
        _ => error,
    }
}

impl GithubArchive {
    /// Creates the missing branch with a commit that has no parent. So the archive's history
    /// includes no other branch.
    ///
    /// The caller checks whether it exists afterwards, whatever the outcome.
    pub(super) async fn begin(&self) -> Result<(), GithubError> {
        // One turn per write; the caller has waited for the commit's own.
        for _ in 0..3 {
            self.client.turn().await?;
        }
        let look = self.look_to_write().await?;
        if look.head.is_some() {
            return Ok(());
        }
        let is_default = self.place.branch.is_none() && look.branch.is_some();
        if look.is_empty || is_default {
            match self.begin_repository().await {
                // There are other branches, so the default branch is created like any other.
                Err(GithubError::NoRepository) if is_default => {}
                begun => return begun,
            }
        }
        let Some(branch) = &look.branch else {
            return Err(GithubError::Refused {
                status: 404,
                message: "the repository has no default branch; name one in ARCHIVE \
                          (github:OWNER/REPO@BRANCH)"
                    .to_owned(),
            });
        };
        let entry = json!({"path": self.path(ATTRIBUTES), "mode": "100644", "type": "blob",
                           "content": KEEP_BYTES});
        let route = self.route("/git/trees");
        let tree = json!({"tree": [entry]});
        let tree: Created = match self.client.create(Method::POST, &route, &tree).await {
            Err(GithubError::NoCommit) => return self.begin_repository().await,
            tree => tree?,
        };
        let commit = self.commit_tree(&tree.sha, &[], BEGIN).await?;
        let branch = json!({"ref": format!("refs/heads/{branch}"), "sha": commit});
        let route = self.route("/git/refs");
        let made: Result<Value, _> = self.client.create(Method::POST, &route, &branch).await;
        made.map(drop).map_err(there_already)
    }

    /// Makes the first commit of an empty repository. GitHub accepts only a single file for it.
    async fn begin_repository(&self) -> Result<(), GithubError> {
        let route = self.route(&format!("/contents/{}", self.path(ATTRIBUTES)));
        let file = json!({"message": BEGIN, "content": STANDARD.encode(KEEP_BYTES)});
        let put: Result<Value, _> = self.client.create(Method::PUT, &route, &file).await;
        put.map(drop).map_err(there_already)
    }

    /// Creates a commit of this tree with these parents, on no branch yet.
    pub(super) async fn commit_tree(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
    ) -> Result<String, GithubError> {
        let commit = json!({"message": message, "tree": tree, "parents": parents});
        let route = self.route("/git/commits");
        let made: Created = self.client.create(Method::POST, &route, &commit).await?;
        Ok(made.sha)
    }

    /// Replaces the branch by a single commit of its content, unless it is one already.
    pub(super) async fn squash(&self) -> Result<(), GithubError> {
        if self.look().await?.head.is_none_or(|head| !head.has_parent) {
            return Ok(());
        }
        let mut tries = Tries::new();
        loop {
            // One turn for the commit, one for moving the branch.
            for _ in 0..2 {
                self.client.turn().await?;
            }
            let look = self.look_to_write().await?;
            match self.squash_once(look).await {
                Ok(()) => return Ok(()),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn squash_once(&self, look: BranchState) -> Result<(), GithubError> {
        let Some(head) = look.head.filter(|head| head.has_parent) else {
            return Ok(());
        };
        let message = "Archive: all of it, without what was before";
        let commit = self.commit_tree(&head.tree, &[], message).await?;
        let squashed = RefUpdate {
            branch: &head.branch,
            before: Some(&head.commit),
            after: Some(&commit),
            force: true,
        };
        self.update_refs(&look.id, &[squashed]).await?;
        self.seen().head = Some(commit);
        Ok(())
    }
}
