//! The files of a commit, read from git's trees.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Files, GithubArchive, GithubError, branch::ATTRIBUTES, client::read};
use propsbot_archive::{DOCUMENTS, FOLDERS, Hash, MANIFEST, format2::manifest::is_manifest};

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    mode: String,
    r#type: String,
    sha: String,
}

#[derive(Deserialize)]
struct Created {
    sha: String,
}

/// Whether this entry of the archive's folder belongs to the archive.
fn is_own(name: &str) -> bool {
    let documents = DOCUMENTS.iter().filter_map(|path| path.split('/').next());
    let own = FOLDERS.into_iter().chain([MANIFEST, ATTRIBUTES]);
    own.chain(documents).any(|own| own == name)
}

/// Whether this file of the archive may be replaced.
fn is_replaceable(path: &str) -> bool {
    is_manifest(path) || path == ATTRIBUTES || DOCUMENTS.contains(&path)
}

/// Whether this folder of the archive may hold files that may be replaced.
fn may_hold_replaceable(folder: &str) -> bool {
    let holds = |path: &&str| path.starts_with(folder);
    folder == "spaces/" || DOCUMENTS.iter().any(holds)
}

impl GithubArchive {
    async fn tree(&self, sha: &str, ask: &str) -> Result<Tree, GithubError> {
        let route = self.route(&format!("/git/trees/{sha}{ask}"));
        let found = self.client.get(&route).await?;
        read(&found.ok_or(GithubError::Overtaken)?)
    }

    /// The entries of the archive's folder in a tree; empty if it doesn't exist.
    async fn folder(&self, tree: &str) -> Result<Vec<Entry>, GithubError> {
        let mut found = self.tree(tree, "").await?.tree;
        for name in self.place.prefix.split('/').filter(|name| !name.is_empty()) {
            let folder = found.into_iter().find(|entry| entry.path == name);
            found = match folder.filter(|folder| folder.r#type == "tree") {
                Some(folder) => self.tree(&folder.sha, "").await?.tree,
                None => return Ok(Vec::new()),
            };
        }
        Ok(found)
    }

    /// Creates a tree with everything in `theirs`, but with the archive from `ours`.
    pub(super) async fn graft(&self, theirs: &str, ours: &str) -> Result<String, GithubError> {
        let base_tree = theirs;
        let own = |mut entries: Vec<Entry>| {
            entries.retain(|entry| is_own(&entry.path));
            entries
        };
        let (theirs, ours) = (self.folder(theirs).await?, self.folder(ours).await?);
        let (theirs, ours) = (own(theirs), own(ours));
        let is_gone = |entry: &&Entry| ours.iter().all(|own| own.path != entry.path);
        let gone = theirs.iter().filter(is_gone);
        let gone = gone.map(|entry| (entry, None));
        let all = gone.chain(ours.iter().map(|entry| (entry, Some(&entry.sha))));
        let entries = all.map(|(entry, sha)| {
            let path = self.path(&entry.path);
            json!({"path": path, "mode": entry.mode, "type": entry.r#type, "sha": sha})
        });
        let entries: Vec<_> = entries.collect();
        let tree = json!({"base_tree": base_tree, "tree": entries});
        let route = self.route("/git/trees");
        let made: Created = self.client.create(Method::POST, &route, &tree).await?;
        Ok(made.sha)
    }

    /// The archive's manifests and documents in a tree, and git's own file.
    pub(super) async fn replaceable(&self, tree: &str) -> Result<Files, GithubError> {
        let prefix = self.path("");
        let mut files = Files::new();
        let mut folders = vec![(String::new(), tree.to_owned())];
        while let Some((folder, sha)) = folders.pop() {
            for entry in self.tree(&sha, "").await?.tree {
                let path = format!("{folder}{}", entry.path);
                let inside = format!("{path}/");
                let own = inside.strip_prefix(&prefix);
                let may_hold = own.map_or(prefix.starts_with(&inside), may_hold_replaceable);
                if entry.r#type == "tree" && may_hold {
                    folders.push((inside, entry.sha));
                } else if let Some(own) = path.strip_prefix(&prefix)
                    && is_replaceable(own)
                {
                    files.insert(own.to_owned(), entry.sha);
                }
            }
        }
        Ok(files)
    }

    /// All objects in a tree, needed or not.
    pub(super) async fn objects(&self, tree: &str) -> Result<Files, GithubError> {
        let prefix = self.path("");
        let mut files = Files::new();
        let mut trees = vec![(String::new(), tree.to_owned())];
        while let Some((folder, sha)) = trees.pop() {
            let mut found = self.tree(&sha, "?recursive=1").await?;
            if found.truncated {
                // The tree is too large for one response, so it is read folder by folder.
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
