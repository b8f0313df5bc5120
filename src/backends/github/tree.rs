//! The files of a commit, read from git's trees.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Files, GithubArchive, GithubError, branch::ATTRIBUTES, client::read};
use propsbot_archive::{DOCUMENTS, FOLDERS, ROOT, SPACES, is_manifest, is_swept};

/// What one request costs, in bytes that could be downloaded meanwhile.
const REQUEST: u64 = 100_000;

/// The most files that are read one by one. GitHub allows 5000 requests an hour.
const MOST_READS: u64 = 2_500;

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
    /// Its length in bytes, if it's a file.
    #[serde(default)]
    size: u64,
}

/// The files in a tree that a sweep may remove, needed or not.
#[derive(Default)]
pub(super) struct Listing {
    /// Their lengths in bytes, by path in the archive.
    pub(super) own: BTreeMap<String, u64>,
    /// How long all files of the tree are together; `None` if the tree is too large to tell.
    pub(super) all: Option<u64>,
}

#[derive(Deserialize)]
struct Created {
    sha: String,
}

/// Whether this entry of the archive's folder belongs to the archive.
fn is_own(name: &str) -> bool {
    let documents = DOCUMENTS.iter().filter_map(|path| path.split('/').next());
    let own = FOLDERS.into_iter().chain([ROOT, ATTRIBUTES]);
    own.chain(documents).any(|own| own == name)
}

/// Whether this file of the archive may be replaced.
fn is_replaceable(path: &str) -> bool {
    is_manifest(path) || path == ATTRIBUTES || DOCUMENTS.contains(&path)
}

/// Whether this folder of the archive may hold files that may be replaced.
fn may_hold_replaceable(folder: &str) -> bool {
    let holds = |path: &&str| path.starts_with(folder);
    folder.strip_suffix('/') == Some(SPACES) || DOCUMENTS.iter().any(holds)
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

    /// Creates a tree with everything in `theirs`, but with the archive from `ours`. Both began with `base`.
    ///
    /// # Errors
    /// [`GithubError::OtherWriter`] if the archive has changed in `theirs`: another provider's process has exported.
    pub(super) async fn graft(
        &self,
        base: &str,
        theirs: &str,
        ours: &str,
    ) -> Result<String, GithubError> {
        let base_tree = theirs;
        let own = |mut entries: Vec<Entry>| {
            entries.retain(|entry| is_own(&entry.path));
            entries
        };
        let (base, theirs) = (self.folder(base).await?, self.folder(theirs).await?);
        let ours = self.folder(ours).await?;
        let (base, theirs, ours) = (own(base), own(theirs), own(ours));
        let ids = |entries: &[Entry]| -> BTreeMap<String, String> {
            let entries = entries.iter();
            entries
                .map(|entry| (entry.path.clone(), entry.sha.clone()))
                .collect()
        };
        if ids(&base) != ids(&theirs) {
            return Err(GithubError::OtherWriter);
        }
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

    /// Lists the files in the tree of a commit or in a tree.
    pub(super) async fn list(&self, tree: &str) -> Result<Listing, GithubError> {
        let prefix = self.path("");
        let mut listing = Listing {
            all: Some(0),
            ..Listing::default()
        };
        let mut trees = vec![(String::new(), tree.to_owned())];
        while let Some((folder, sha)) = trees.pop() {
            let mut found = self.tree(&sha, "?recursive=1").await?;
            if found.truncated {
                // The tree is too large for one response, so it is read folder by folder.
                listing.all = None;
                found = self.tree(&sha, "").await?;
                for entry in found.tree.iter().filter(|tree| tree.r#type == "tree") {
                    let path = format!("{folder}{}/", entry.path);
                    if path.starts_with(&prefix) || prefix.starts_with(&path) {
                        trees.push((path, entry.sha.clone()));
                    }
                }
            }
            for entry in found.tree.into_iter().filter(|tree| tree.r#type == "blob") {
                listing.all = listing.all.map(|all| all.saturating_add(entry.size));
                let path = format!("{folder}{}", entry.path);
                if let Some(path) = path.strip_prefix(&prefix)
                    && is_swept(path)
                {
                    listing.own.insert(path.to_owned(), entry.size);
                }
            }
        }
        Ok(listing)
    }
}

impl Listing {
    /// Whether downloading the whole tree costs less than reading its own files one by one.
    pub(super) fn is_worth_a_download(&self) -> bool {
        let count = self.own.len() as u64;
        let one_by_one = self.own.values().sum::<u64>() + count * REQUEST;
        count > MOST_READS || self.all.is_some_and(|all| all <= one_by_one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_archives_in_large_repositories_are_read_one_by_one() {
        let listing = |files: u64, bytes, all| Listing {
            own: (0..files).map(|n| (n.to_string(), bytes)).collect(),
            all,
        };
        for (files, bytes, all, is_worth) in [
            (5, 6_000, Some(30_000), true),
            (5, 6_000, Some(100_000), true),
            (5, 6_000, Some(403_000_000), false),
            (1_200, 60_000, Some(72_000_000), true),
            (1_200, 60_000, Some(2_000_000_000), false),
            (1_200, 60_000, None, false),
            // So many requests take an hour of the budget.
            (4_000, 60_000, Some(2_000_000_000), true),
        ] {
            let listing = listing(files, bytes, all);
            assert_eq!(listing.is_worth_a_download(), is_worth, "{files} {all:?}");
        }
    }
}
