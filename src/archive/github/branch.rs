//! What the branch is like right now: one question, so that its answers fit together.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{GithubArchive, GithubError, write::WRITING};
use crate::archive::{DOCUMENTS, MANIFEST};

/// What keeps git from changing line ends, and so hashes, on some machines.
pub(super) const ATTRIBUTES: &str = ".gitattributes";

/// The repository and its branch.
pub(super) struct Look {
    /// The repository's id.
    pub(super) id: String,
    /// Whether everyone can read it.
    pub(super) is_public: bool,
    /// Whether nobody can write it.
    pub(super) is_archived: bool,
    /// Whether it has no commit on any branch.
    pub(super) is_empty: bool,
    /// What the branch points to; `None` if there is no such branch.
    pub(super) head: Option<Head>,
}

/// The branch's head. Files by their names in git; `None` for those that are not there.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The branch's name, without `refs/heads/`.
    pub(super) branch: String,
    /// The commit.
    pub(super) commit: String,
    /// Its tree.
    pub(super) tree: String,
    /// The commit before it, if any.
    pub(super) has_parent: bool,
    pub(super) manifest: Option<String>,
    /// Those of [`DOCUMENTS`] that are there.
    pub(super) documents: BTreeMap<&'static str, String>,
    pub(super) attributes: Option<String>,
    pub(super) writing: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    id: String,
    visibility: String,
    is_archived: bool,
    is_empty: bool,
    branch: Option<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    oid: String,
    tree: Named,
    history: Commits,
    manifest: Option<Named>,
    attributes: Option<Named>,
    writing: Option<Named>,
    /// The documents, by their [`alias`].
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Commits {
    nodes: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    oid: String,
}

/// What the document with this number is called in the question.
fn alias(number: usize) -> String {
    format!("document{number}")
}

fn question(named: bool) -> String {
    let (variable, branch) = if named {
        ("$branch: String!, ", "ref(qualifiedName: $branch)")
    } else {
        ("", "defaultBranchRef")
    };
    let aliases = || (0..DOCUMENTS.len()).map(alias);
    let variables: Vec<String> = aliases().map(|it| format!("${it}: String!, ")).collect();
    let variables = variables.concat();
    let documents: Vec<String> = aliases()
        .map(|it| format!("{it}: file(path: ${it}) {{ oid }}"))
        .collect();
    let documents = documents.join(" ");
    format!(
        "query({variable}{variables}$owner: String!, $name: String!, $manifest: String!, \
         $attributes: String!, $writing: String!) {{
           repository(owner: $owner, name: $name) {{
             id visibility isArchived isEmpty
             branch: {branch} {{
               name
               target {{ __typename ... on Commit {{
                 oid
                 tree {{ oid }}
                 history(first: 2) {{ nodes {{ oid }} }}
                 manifest: file(path: $manifest) {{ oid }}
                 {documents}
                 attributes: file(path: $attributes) {{ oid }}
                 writing: file(path: $writing) {{ oid }}
               }} }}
             }}
           }}
         }}"
    )
}

impl GithubArchive {
    /// Looks at the branch. What is read from now on is read there.
    pub(super) async fn look(&self) -> Result<Look, GithubError> {
        let mut variables = json!({
            "owner": self.place.owner,
            "name": self.place.repo,
            "manifest": self.path(MANIFEST),
            "attributes": self.path(ATTRIBUTES),
            "writing": self.path(WRITING),
        });
        for (number, path) in DOCUMENTS.iter().enumerate() {
            variables[alias(number)] = json!(self.path(path));
        }
        if let Some(branch) = &self.place.branch {
            variables["branch"] = json!(format!("refs/heads/{branch}"));
        }
        let question = question(self.place.branch.is_some());
        let answer: Answer = self.client.query(&question, &variables).await?;
        let repository = answer.repository.ok_or(GithubError::NoRepository)?;
        let head = repository.branch.and_then(|branch| {
            let commit = branch.target?;
            let oid = |it: Option<Named>| it.map(|it| it.oid);
            let documents = DOCUMENTS.iter().enumerate().filter_map(|(number, path)| {
                let oid = commit.others.get(&alias(number))?.get("oid")?.as_str()?;
                Some((*path, oid.to_owned()))
            });
            let documents = documents.collect();
            Some(Head {
                branch: branch.name,
                commit: commit.oid,
                tree: commit.tree.oid,
                has_parent: commit.history.nodes.len() > 1,
                manifest: oid(commit.manifest),
                documents,
                attributes: oid(commit.attributes),
                writing: oid(commit.writing),
            })
        });
        self.seen().head = head.as_ref().map(|it| it.commit.clone());
        Ok(Look {
            id: repository.id,
            is_public: repository.visibility == "PUBLIC",
            is_archived: repository.is_archived,
            is_empty: repository.is_empty,
            head,
        })
    }

    /// Looks at the branch, and whether it may be written to.
    pub(super) async fn look_to_write(&self) -> Result<Look, GithubError> {
        let look = self.look().await?;
        if look.is_public && !self.allow_public {
            return Err(GithubError::Public);
        }
        if look.is_archived {
            return Err(GithubError::Archived);
        }
        Ok(look)
    }
}
