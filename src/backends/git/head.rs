//! The head of the archive's branch: its commit, and the files of the archive's folder.

use std::collections::BTreeMap;

use super::{
    GitError,
    program::{ANSWER, Git},
};

/// The most that is read of a listing, in bytes: some 500,000 files.
const LISTING: u64 = 64 << 20;

/// The branch's head.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) commit: String,
    pub(super) tree: String,
    pub(super) has_parent: bool,
    /// The git ids of the archive's files, by path in the archive.
    pub(super) files: BTreeMap<String, String>,
    /// A file where a folder of the archive's path should be.
    pub(super) in_the_way: Option<String>,
}

impl Head {
    /// What a commit has in this folder.
    pub(super) fn load(git: &Git, folder: &str, commit: &str) -> Result<Self, GitError> {
        let text = git.ok(&["cat-file", "commit", commit], None, ANSWER)?;
        let header = text.split("\n\n").next().unwrap_or_default();
        let value = |name: &str| header.lines().find_map(|line| line.strip_prefix(name));
        let tree = value("tree ");
        let tree = tree.ok_or_else(|| GitError::Refused("a commit has no tree".to_owned()))?;
        let commit = git.ok(&["rev-parse", "--verify", commit], None, ANSWER)?;
        let mut head = Self {
            commit: commit.trim().to_owned(),
            tree: tree.to_owned(),
            has_parent: value("parent ").is_some(),
            files: BTreeMap::new(),
            in_the_way: None,
        };
        let mut list = vec!["ls-tree", "-r", "-z", "--full-tree", tree];
        let mut inside = String::new();
        if !folder.is_empty() {
            inside = format!("{folder}/");
            let parents = folder.match_indices('/').map(|(end, _)| &folder[..end]);
            let mut ask = vec!["ls-tree", "-z", "--full-tree", tree, "--"];
            ask.extend(parents.chain([folder]));
            let found = git.ok(&ask, None, ANSWER)?;
            let mut found = found.split('\0').filter_map(Entry::parse);
            let file = found.find(|entry| entry.kind != "tree");
            head.in_the_way = file.map(|entry| entry.path.to_owned());
            list.extend(["--", &inside]);
        }
        let listed = git.ok(&list, None, LISTING)?;
        let entries = listed.split('\0').filter_map(Entry::parse);
        // Links and submodules aren't files of an archive.
        let files = entries.filter(|entry| entry.kind == "blob" && entry.mode.starts_with("100"));
        head.files.extend(files.filter_map(|entry| {
            let path = entry.path.strip_prefix(&inside)?;
            Some((path.to_owned(), entry.oid.to_owned()))
        }));
        Ok(head)
    }
}

/// An entry of a tree.
struct Entry<'a> {
    mode: &'a str,
    kind: &'a str,
    oid: &'a str,
    path: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, path) = line.split_once('\t')?;
        let mut words = head.split(' ');
        Some(Self {
            mode: words.next()?,
            kind: words.next()?,
            oid: words.next()?,
            path,
        })
    }
}
