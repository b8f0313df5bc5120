//! What the branch is like right now. Only its head moves: all else is asked for by the names that it
//! leads to, so that the answers fit together.

use serde::Deserialize;

use super::{
    Files, GithubArchive, GithubError,
    client::{JSON, Tries, read},
};
use propsbot_archive::{DOCUMENTS, MANIFEST};

/// What keeps git from changing line ends, and so hashes, on some machines.
pub(super) const ATTRIBUTES: &str = ".gitattributes";

/// The repository and its branch.
pub(super) struct BranchState {
    /// The repository's id.
    pub(super) id: String,
    /// Who can read it.
    pub(super) readers: Readers,
    /// Whether nobody can write it.
    pub(super) is_archived: bool,
    /// Whether it has no commit on any branch.
    pub(super) is_empty: bool,
    /// The branch's name, whether it is there or not; `None` if the repository has no default branch.
    pub(super) branch: Option<String>,
    /// What the branch points to; `None` if there is no such branch.
    pub(super) head: Option<Head>,
}

/// Who can read a repository.
#[derive(Clone, Copy)]
pub(super) enum Readers {
    /// Those who were let in.
    Chosen,
    /// Everyone in the enterprise.
    Enterprise,
    /// Everyone, or it is not said that not everyone can.
    Everyone,
}

/// The branch's head.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The branch's name, without `refs/heads/`.
    pub(super) branch: String,
    /// The commit.
    pub(super) commit: String,
    /// Its tree.
    pub(super) tree: String,
    /// Whether there is a commit before it.
    pub(super) has_parent: bool,
    /// The files beside the objects that are there.
    files: Files,
}

impl Head {
    /// The name that git has for a file beside the objects; `None` if it is not there.
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
    /// Looks at the branch. What is read from now on is read there.
    pub(super) async fn look(&self) -> Result<BranchState, GithubError> {
        let mut tries = Tries::new();
        loop {
            match self.look_once().await {
                // What the head leads to is not everywhere yet.
                Err(error @ GithubError::Overtaken) => tries.again(error).await?,
                outcome => return outcome,
            }
        }
    }

    async fn look_once(&self) -> Result<BranchState, GithubError> {
        let home = format!("/repos/{}/{}", self.place.owner, self.place.repo);
        let found = self.client.get(&home, JSON).await?;
        let found = found.ok_or(GithubError::NoRepository)?;
        let repository: Repository = read(&found)?;
        let is_said = |name: &str| {
            let said = repository.visibility.as_deref();
            said.is_some_and(|said| said.eq_ignore_ascii_case(name))
        };
        let readers = if !repository.private || is_said("public") {
            Readers::Everyone
        } else if is_said("internal") {
            // `private` is true of it, too.
            Readers::Enterprise
        } else {
            Readers::Chosen
        };
        // It may have been renamed: then only reading is led to where it is now.
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
        let Some(found) = self.client.get(&route, JSON).await? else {
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
        let found = self.client.get(&route, JSON).await?;
        let commit: Commit = read(&found.ok_or(GithubError::Overtaken)?)?;
        let beside = [MANIFEST, ATTRIBUTES];
        let beside = beside
            .into_iter()
            .chain(DOCUMENTS)
            .map(|beside| self.path(beside));
        let head = Head {
            branch,
            files: self.files(&commit.tree.sha, &beside.collect()).await?,
            commit: object.sha,
            tree: commit.tree.sha,
            has_parent: !commit.parents.is_empty(),
        };
        self.seen().known = Some(head.clone());
        Ok(Some(head))
    }

    /// Whether the branch that is named is not there, although it was once: renamed, as GitHub tells, or
    /// gone, where this store `has_published` to it.
    pub(super) async fn check_branch(&self, has_published: bool) -> Result<(), GithubError> {
        let Some(from) = &self.place.branch else {
            return Ok(());
        };
        let look = self.look().await?;
        if look.head.is_some() {
            return Ok(());
        }
        if !look.is_empty {
            // Asked for so, and not as a ref, a renamed branch leads to the one that it is now.
            let route = self.route(&format!("/branches/{from}"));
            let found = self.client.get(&route, JSON).await?;
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

    /// Looks at the branch, and whether it may be written to.
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
}
