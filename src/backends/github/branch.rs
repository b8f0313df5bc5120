//! The current state of the branch. Only its head moves; everything else is requested by the ids
//! found there, so that the responses are consistent.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Files, GithubArchive, GithubError, budget::Tries, client::read};

/// Keeps git from converting line ends, which would change hashes.
pub(crate) const ATTRIBUTES: &str = ".gitattributes";

pub(super) struct BranchState {
    /// The repository's node id.
    pub(super) id: String,
    /// Who can read it.
    pub(super) readers: Readers,
    /// Whether the repository is archived, and so read-only.
    pub(super) is_archived: bool,
    pub(super) is_empty: bool,
    /// The branch's name, even if it doesn't exist; `None` if the repository has no default branch.
    pub(super) branch: Option<String>,
    /// The branch's head; `None` if the branch doesn't exist.
    pub(super) head: Option<Head>,
}

/// Who can read a repository.
#[derive(Clone, Copy)]
pub(super) enum Readers {
    /// Invited users.
    Chosen,
    /// Every member of the enterprise.
    Enterprise,
    /// Everyone; also assumed if GitHub doesn't say.
    Everyone,
}

#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The branch's name, without `refs/heads/`.
    pub(super) branch: String,
    /// The commit's id.
    pub(super) commit: String,
    /// Its tree's id.
    pub(super) tree: String,
    pub(super) has_parent: bool,
    /// The manifests and documents, and git's own file.
    files: Files,
}

impl Head {
    /// The git id of a manifest or document; `None` if it is missing.
    pub(super) fn file(&self, path: &str) -> Option<&String> {
        self.files.get(path)
    }
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    node_id: String,
    #[serde(default)]
    full_name: Option<String>,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    visibility: Option<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
}

#[derive(Deserialize)]
struct Reference {
    object: Named,
}

#[derive(Deserialize)]
struct Commit {
    tree: Named,
    #[serde(default)]
    parents: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    sha: String,
}

impl GithubArchive {
    /// Fetches the branch's state. Later reads use the head found here.
    pub(super) async fn look(&self) -> Result<BranchState, GithubError> {
        let mut tries = Tries::new();
        loop {
            match self.look_once().await {
                // GitHub hasn't replicated the head's data yet.
                Err(error @ GithubError::Overtaken) => tries.again(error).await?,
                outcome => return outcome,
            }
        }
    }

    async fn look_once(&self) -> Result<BranchState, GithubError> {
        let home = format!("/repos/{}/{}", self.place.owner, self.place.repo);
        let found = self.client.get(&home).await?;
        let found = found.ok_or(GithubError::NoRepository)?;
        let repository: Repository = read(&found)?;
        let is_said = |name: &str| {
            let said = repository.visibility.as_deref();
            said.is_some_and(|said| said.eq_ignore_ascii_case(name))
        };
        let readers = if !repository.private || is_said("public") {
            Readers::Everyone
        } else if is_said("internal") {
            // `private` is also true for internal repositories.
            Readers::Enterprise
        } else {
            Readers::Chosen
        };
        // Only reads follow the redirect of a renamed repository, so its current name is kept.
        self.seen().repository = repository.full_name;
        let mut look = BranchState {
            id: repository.node_id,
            readers,
            is_archived: repository.archived,
            is_empty: false,
            branch: self.place.branch.clone().or(repository.default_branch),
            head: None,
        };
        if let Some(branch) = look.branch.clone() {
            match self.head(branch).await {
                Err(GithubError::NoCommit) => look.is_empty = true,
                head => look.head = head?,
            }
        }
        self.seen().head = look.head.as_ref().map(|head| head.commit.clone());
        Ok(look)
    }

    async fn head(&self, branch: String) -> Result<Option<Head>, GithubError> {
        let route = self.route(&format!("/git/ref/heads/{branch}"));
        let Some(found) = self.client.get(&route).await? else {
            return Ok(None);
        };
        let Reference { object } = read(&found)?;
        let known = self.seen().known.clone();
        if let Some(known) =
            known.filter(|known| known.commit == object.sha && known.branch == branch)
        {
            return Ok(Some(known));
        }
        let route = self.route(&format!("/git/commits/{}", object.sha));
        let found = self.client.get(&route).await?;
        let commit: Commit = read(&found.ok_or(GithubError::Overtaken)?)?;
        let head = Head {
            branch,
            files: self.replaceable(&commit.tree.sha).await?,
            commit: object.sha,
            tree: commit.tree.sha,
            has_parent: !commit.parents.is_empty(),
        };
        self.seen().known = Some(head.clone());
        Ok(Some(head))
    }

    /// Fails if the configured branch is gone.
    ///
    /// It was renamed if GitHub says so, or deleted if this store `has_published` to it.
    pub(super) async fn check_branch(&self, has_published: bool) -> Result<(), GithubError> {
        let Some(from) = &self.place.branch else {
            return Ok(());
        };
        let look = self.look().await?;
        if look.head.is_some() {
            return Ok(());
        }
        if !look.is_empty {
            // Unlike the ref route, this one redirects to the new name of a renamed branch.
            let route = self.route(&format!("/branches/{from}"));
            let found = self.client.get(&route).await?;
            let found: Option<Branch> = found.map(|found| read(&found)).transpose()?;
            if let Some(Branch { name: to }) = found.filter(|found| found.name != *from) {
                let from = from.clone();
                return Err(GithubError::Renamed { from, to });
            }
        }
        if has_published {
            return Err(GithubError::BranchGone(from.clone()));
        }
        Ok(())
    }

    /// Fetches the branch's state and checks that it may be written to.
    pub(super) async fn look_to_write(&self) -> Result<BranchState, GithubError> {
        let look = self.look().await?;
        match look.readers {
            Readers::Everyone if !self.allow_public => return Err(GithubError::Public),
            Readers::Enterprise if !self.allow_public => return Err(GithubError::Internal),
            _ => {}
        }
        if look.is_archived {
            return Err(GithubError::Archived);
        }
        Ok(look)
    }

    /// Checks the token's right to write with a blob that no commit names: nobody sees it, and GitHub
    /// removes it. An account's rights in the repository don't tell a token's.
    pub(super) async fn try_to_write(&self) -> Result<(), GithubError> {
        let mut tries = Tries::new();
        loop {
            self.client.turn().await?;
            let blob = json!({"content": "propsbot\n", "encoding": "utf-8"});
            let route = self.route("/git/blobs");
            let made = self.client.create::<Named>(Method::POST, &route, &blob);
            match made.await {
                // Rights come first, so an empty repository would take a commit.
                Ok(_) | Err(GithubError::NoCommit) => return Ok(()),
                Err(error) => tries.again(error).await?,
            }
        }
    }
}
