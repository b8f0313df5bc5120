//! The files of a commit, read from git's trees.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Files, GithubArchive, GithubError, branch::ATTRIBUTES, client::read};
use propsbot_archive::{DOCUMENTS, FOLDERS, ROOT, SPACES, is_manifest, is_swept};

/// What one request costs, in bytes that could be downloaded meanwhile.
const REQUEST: u64 = 100_000;

/// The most files that are read one by one. GitHub allows 5000 requests an hour.
const MOST_READS: u64 = 2_500;

/// The most folders that both of two exports may have changed. Each takes three requests.
const MOST_FOLDERS: usize = 200;

/// The most entries of a tree that are sent at once: GitHub takes too long for many more.
const ENTRIES: usize = 150;

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

/// The entries of one folder, by name: their mode, type and id.
type Names = BTreeMap<String, (String, String, String)>;

/// The same folder in three trees, by its path in the archive; `None` where it doesn't exist.
type Folder = (String, [Option<String>; 3]);

/// A file or folder that is to be in a tree; without an id, it is to go.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    path: String,
    mode: String,
    r#type: String,
    sha: Option<String>,
}

fn by_name(entries: impl IntoIterator<Item = Entry>) -> Names {
    let entries = entries.into_iter();
    let named = entries.map(|entry| (entry.path, (entry.mode, entry.r#type, entry.sha)));
    named.collect()
}

/// Collects what changed in a folder from its base to ours, for a tree in which theirs changed, too. Folders that both
/// changed have to be looked into.
///
/// # Errors
/// [`GithubError::OtherWriter`] if both changed the same file.
fn merge(
    folder: &str,
    [base, theirs, ours]: [Names; 3],
    changed: &mut Vec<Change>,
    folders: &mut Vec<Folder>,
) -> Result<(), GithubError> {
    let names: BTreeSet<&String> = base.keys().chain(ours.keys()).collect();
    for name in names {
        let all = [base.get(name), theirs.get(name), ours.get(name)];
        let [before, other, after] = all;
        if after == before || after == other {
            continue;
        }
        let path = format!("{folder}{name}");
        let is_tree = |entry: &&(String, String, String)| entry.1 == "tree";
        if other == before {
            let (mode, kind, _) = after.or(before).expect("the name is that of one of them");
            changed.push(Change {
                path,
                mode: mode.clone(),
                r#type: kind.clone(),
                sha: after.map(|(_, _, sha)| sha.clone()),
            });
        } else if all.iter().flatten().all(is_tree) {
            let trees = all.map(|entry| entry.map(|(_, _, sha)| sha.clone()));
            folders.push((format!("{path}/"), trees));
        } else {
            return Err(GithubError::OtherWriter);
        }
    }
    Ok(())
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

    /// Creates a tree with everything in `theirs`, and with what the archive changed from `base` to `ours`.
    ///
    /// # Errors
    /// [`GithubError::OtherWriter`] if both changed the same file, or so many of the same folders that beginning again
    /// costs less. What another provider's process exports is in other files, so it is kept.
    pub(super) async fn graft(
        &self,
        base: &str,
        theirs: &str,
        ours: &str,
    ) -> Result<String, GithubError> {
        let (mut changed, mut folders) = (Vec::new(), Vec::new());
        let own = |entries: Vec<Entry>| {
            let own = entries.into_iter().filter(|entry| is_own(&entry.path));
            by_name(own)
        };
        let at = [
            own(self.folder(base).await?),
            own(self.folder(theirs).await?),
            own(self.folder(ours).await?),
        ];
        merge("", at, &mut changed, &mut folders)?;
        let mut read = 0;
        while let Some((folder, trees)) = folders.pop() {
            read += 1;
            if read > MOST_FOLDERS {
                return Err(GithubError::OtherWriter);
            }
            let mut at = [Names::new(), Names::new(), Names::new()];
            for (names, tree) in at.iter_mut().zip(trees) {
                if let Some(tree) = tree {
                    *names = by_name(self.tree(&tree, "").await?.tree);
                }
            }
            merge(&folder, at, &mut changed, &mut folders)?;
        }
        let mut tree = theirs.to_owned();
        for (number, some) in changed.chunks(ENTRIES).enumerate() {
            // The caller has waited for the first one's turn.
            if number > 0 {
                self.client.turn().await?;
            }
            let entries = some.iter().map(|change| {
                let path = self.path(&change.path);
                json!({"path": path, "mode": change.mode, "type": change.r#type, "sha": change.sha})
            });
            let entries: Vec<_> = entries.collect();
            let request = json!({"base_tree": tree, "tree": entries});
            let route = self.route("/git/trees");
            let made: Created = self.client.create(Method::POST, &route, &request).await?;
            tree = made.sha;
        }
        Ok(tree)
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

    /// Files of a folder, each with its id; those that end with a slash are folders.
    fn names(all: &[(&str, &str)]) -> Names {
        let entries = all.iter().map(|(name, sha)| {
            let (kind, mode) = if name.ends_with('/') {
                ("tree", "040000")
            } else {
                ("blob", "100644")
            };
            let name = name.trim_end_matches('/').to_owned();
            (name, (mode.to_owned(), kind.to_owned(), (*sha).to_owned()))
        });
        entries.collect()
    }

    #[test]
    fn merges_what_two_exports_changed_and_refuses_what_both_did() {
        let base = names(&[
            ("kept", "1"),
            ("mine", "1"),
            ("gone", "1"),
            ("rows/", "1"),
            ("days/", "1"),
        ]);
        let theirs = names(&[
            ("kept", "2"),
            ("mine", "1"),
            ("gone", "1"),
            ("rows/", "2"),
            ("days/", "1"),
            ("new", "3"),
        ]);
        let ours = names(&[
            ("kept", "1"),
            ("mine", "4"),
            ("rows/", "4"),
            ("days/", "4"),
            ("both/", "4"),
        ]);
        let (mut changed, mut folders) = (Vec::new(), Vec::new());
        let all = [base.clone(), theirs.clone(), ours.clone()];
        merge("in/", all, &mut changed, &mut folders).unwrap();
        let changed: Vec<_> = changed
            .iter()
            .map(|change| (change.path.as_str(), change.sha.as_deref()))
            .collect();
        let expected = [
            ("in/both", Some("4")),
            ("in/days", Some("4")),
            ("in/gone", None),
            ("in/mine", Some("4")),
        ];
        assert_eq!(changed, expected);
        let rows = ["1", "2", "4"].map(|sha| Some(sha.to_owned()));
        assert_eq!(folders, [("in/rows/".to_owned(), rows)]);

        // Both added the same, or removed it.
        let same = [base.clone(), ours.clone(), ours.clone()];
        let (mut changed, mut folders) = (Vec::new(), Vec::new());
        merge("", same, &mut changed, &mut folders).unwrap();
        assert_eq!((changed.len(), folders.len()), (0, 0));
        for theirs in [names(&[("mine", "5")]), names(&[])] {
            let all = [names(&[("mine", "1")]), theirs, names(&[("mine", "4")])];
            let refused = merge("", all, &mut changed, &mut folders);
            assert!(
                matches!(refused, Err(GithubError::OtherWriter)),
                "{refused:?}"
            );
        }
    }

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
