//! Creates objects, and moves refs by compare-and-set.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::ensure;

use super::{Changes, Commit, Repository, Signature, is_oid};

impl Repository {
    pub(crate) fn write_blob(&self, bytes: &[u8]) -> anyhow::Result<String> {
        self.line(["hash-object", "-w", "--stdin"], bytes)
    }

    /// A tree from another one (or none) and entries: mode, hash (none deletes) and path. A folder replaces all that is at its path. None if git refuses them.
    pub(crate) fn write_tree(
        &self,
        base: Option<&str>,
        entries: &[(String, Option<String>, String)],
    ) -> anyhow::Result<Option<String>> {
        let index = self.path.join(format!("index-{}", self.next()));
        let with_index = |arguments: &[&str], stdin: &[u8]| {
            Self::output(self.command(arguments).env("GIT_INDEX_FILE", &index), stdin)
        };
        let mut lines = String::new();
        let zero = "0".repeat(40);
        let (folders, files): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.0 == "040000");
        // All that a folder replaces goes; then its own files come. (`read-tree --prefix` needs a work tree.)
        for entry in base.map_or(Ok(Vec::new()), |base| self.tree(base, true))? {
            let is_in = |folder: &str| {
                let rest = entry.path.strip_prefix(folder);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if entry.kind != "tree" && folders.iter().any(|(_, _, folder)| is_in(folder)) {
                write!(lines, "0 {zero}\t{}\0", entry.path)?;
            }
        }
        for (_, oid, folder) in folders {
            let Some(oid) = oid else {
                continue;
            };
            for entry in self.tree(oid, true)? {
                let (mode, oid, path) = (&entry.mode, &entry.oid, &entry.path);
                if entry.kind != "tree" {
                    write!(lines, "{mode} {oid}\t{folder}/{path}\0")?;
                }
            }
        }
        for (mode, oid, path) in files {
            match oid {
                Some(oid) => write!(lines, "{mode} {oid}\t{path}\0")?,
                None => write!(lines, "0 {zero}\t{path}\0")?,
            }
        }
        let read = match base {
            Some(base) => vec!["read-tree", base],
            None => vec!["read-tree", "--empty"],
        };
        let update = vec!["update-index", "-z", "--index-info"];
        let steps = [(read, String::new()), (update, lines)];
        let mut written = None;
        for (arguments, stdin) in steps {
            if !with_index(&arguments, stdin.as_bytes())?.status.success() {
                let _ = std::fs::remove_file(&index);
                return Ok(None);
            }
        }
        let output = with_index(&["write-tree"], b"")?;
        if output.status.success() {
            written = Some(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let _ = std::fs::remove_file(&index);
        Ok(written)
    }

    /// Creates a commit object; no ref moves.
    pub(crate) fn write_commit(&self, commit: &Commit) -> anyhow::Result<String> {
        let mut text = format!("tree {}\n", commit.tree);
        for parent in &commit.parents {
            writeln!(text, "parent {parent}")?;
        }
        let (author, committer) = (commit.author.line(), commit.committer.line());
        write!(
            text,
            "author {author}\ncommitter {committer}\n\n{}",
            commit.message
        )?;
        self.line(
            ["hash-object", "-t", "commit", "-w", "--stdin"],
            text.as_bytes(),
        )
    }

    /// Commits changes on top of another commit (or nothing), in one pack; no branch moves. Paths must be valid,
    /// deleted files must exist.
    pub(crate) fn change(
        &self,
        parent: Option<&str>,
        changes: &Changes,
        author: &Signature,
        message: &str,
    ) -> anyhow::Result<String> {
        let size: usize = changes
            .additions
            .iter()
            .map(|(_, addition)| addition.len() + 300)
            .sum();
        let mut stream = Vec::with_capacity(size + 1000);
        let scratch = format!("refs/simulator/{}-{}", std::process::id(), self.next());
        let line = author.line();
        let length = message.len();
        write!(
            stream,
            "commit {scratch}\nmark :1\nauthor {line}\ncommitter {line}\ndata {length}\n{message}\n"
        )?;
        if let Some(parent) = parent {
            writeln!(stream, "from {parent}")?;
        }
        for path in &changes.deletions {
            writeln!(stream, "D {}", quoted(path))?;
        }
        for (path, bytes) in &changes.additions {
            writeln!(stream, "M 100644 inline {}", quoted(path))?;
            writeln!(stream, "data {}", bytes.len())?;
            stream.extend_from_slice(bytes);
            stream.push(b'\n');
        }
        stream.extend_from_slice(b"get-mark :1\ndone\n");
        let oid = self.line(
            ["fast-import", "--quiet", "--done", "--depth=0"],
            stream.as_slice(),
        )?;
        self.run(["update-ref", "-d", &scratch], b"")?;
        ensure!(is_oid(&oid), "git fast-import did not say what it made");
        Ok(oid)
    }

    /// Moves a ref if it still has this target; `None` if it must not exist. False if someone else moved it.
    pub(crate) fn move_ref(
        &self,
        name: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> anyhow::Result<bool> {
        self.move_refs(&[(name, from, to)])
    }

    /// Moves all of these refs or none; see [`Repository::move_ref`].
    pub(crate) fn move_refs(
        &self,
        moves: &[(&str, Option<&str>, Option<&str>)],
    ) -> anyhow::Result<bool> {
        let zero = "0".repeat(40);
        let mut orders = String::new();
        for (name, from, to) in moves {
            let from = from.unwrap_or(&zero);
            match to {
                Some(to) => writeln!(orders, "update {name} {to} {from}")?,
                None => writeln!(orders, "delete {name} {from}")?,
            }
        }
        let mut command = self.command(["update-ref", "--stdin"]);
        let output = Self::output(&mut command, orders.as_bytes())?;
        if output.status.success() {
            return Ok(true);
        }
        let mut overtaken = false;
        for (name, from, _) in moves {
            let now = self.target(name)?.map(|(oid, _)| oid);
            overtaken |= now.as_deref() != *from;
        }
        // Concurrent updates can also collide at the ref's lock file.
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            overtaken || said.contains("lock"),
            "refs cannot be moved: {said}"
        );
        Ok(false)
    }
}

/// A path for git fast-import.
fn quoted(path: &str) -> String {
    let escaped = path
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
