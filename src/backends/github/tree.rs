//! What files a commit has: git's trees.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    Files, GithubArchive, GithubError,
    branch::Head,
    client::{JSON, read},
};
use propsbot_archive::Hash;

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    r#type: String,
    sha: String,
}

impl GithubArchive {
    async fn tree(&self, sha: &str, ask: &str) -> Result<Tree, GithubError> {
        let route = self.route(&format!("/git/trees/{sha}{ask}"));
        let found = self.client.get(&route, JSON).await?;
        read(&found.ok_or(GithubError::Overtaken)?)
    }

    /// Those of these files of the repository that a tree has, by path in the archive.
    pub(super) async fn files(
        &self,
        tree: &str,
        wanted: &BTreeSet<String>,
    ) -> Result<Files, GithubError> {
        let prefix = self.path("");
        let mut files = Files::new();
        let mut folders = vec![(String::new(), tree.to_owned())];
        while let Some((folder, sha)) = folders.pop() {
            for entry in self.tree(&sha, "").await?.tree {
                let path = format!("{folder}{}", entry.path);
                let inside = format!("{path}/");
                if entry.r#type == "tree" && wanted.iter().any(|wanted| wanted.starts_with(&inside))
                {
                    folders.push((inside, entry.sha));
                } else if wanted.contains(&path) {
                    files.insert(path[prefix.len()..].to_owned(), entry.sha);
                }
            }
        }
        Ok(files)
    }

    /// The objects that a tree has, whether they are needed or not.
    pub(super) async fn objects(&self, head: &Head) -> Result<Files, GithubError> {
        let prefix = self.path("");
        let mut files = Files::new();
        let mut trees = vec![(String::new(), head.tree.clone())];
        while let Some((folder, sha)) = trees.pop() {
            let mut found = self.tree(&sha, "?recursive=1").await?;
            if found.truncated {
                // Too large for one answer: folder by folder.
                found = self.tree(&sha, "").await?;
                for entry in found.tree.iter().filter(|tree| tree.r#type == "tree") {
                    let path = format!("{folder}{}/", entry.path);
                    if path.starts_with(&prefix) || prefix.starts_with(&path) {
                        trees.push((path, entry.sha.clone()));
                    }
                }
            }
            for entry in found.tree.into_iter().filter(|tree| tree.r#type == "blob") {
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
}
