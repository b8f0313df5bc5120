//! The bare repository behind the API, driven by the `git` program, so its contents are git's own.
//!
//! `commit` describes commits, `write` creates objects and moves refs; reading is here. Knows nothing of HTTP, tokens
//! or limits. Blocking.

mod commit;
mod write;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

pub(crate) use commit::{Changes, Commit, Signature};

/// A stored object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) oid: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) oid: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

#[derive(Debug)]
pub(crate) struct Repository {
    path: PathBuf,
    /// A temporary folder; `None` if the caller named one.
    _folder: Option<TempDir>,
    count: AtomicU64,
}

impl Repository {
    /// Opens the repository at a path, or creates one there or in a temporary folder.
    pub(crate) fn open(path: Option<&Path>, branch: &str) -> anyhow::Result<Self> {
        let folder = match path {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("cannot make a temporary folder")?),
        };
        let path = match (path, &folder) {
            (Some(path), _) => path.to_owned(),
            (None, Some(folder)) => folder.path().join("repository.git"),
            (None, None) => bail!("no folder for the repository"),
        };
        let there = path.join("HEAD").exists();
        let repository = Self {
            path,
            _folder: folder,
            count: AtomicU64::new(0),
        };
        if !there {
            std::fs::create_dir_all(&repository.path)
                .with_context(|| format!("cannot make {}", repository.path.display()))?;
            let head = format!("--initial-branch={branch}");
            repository.run(["init", "--quiet", "--bare", &head], b"")?;
        }
        Ok(repository)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        // Ignores the caller's configuration and any surrounding repository. No fsync: nothing outlives its test.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_DIR", &self.path)
            .args(["-c", "core.fsync=none", "-c", "core.compression=0"])
            .args(["-c", "pack.compression=0", "-c", "gc.auto=0"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn output(command: &mut Command, stdin: &[u8]) -> anyhow::Result<Output> {
        let mut child = command
            .spawn()
            .context("cannot start git: is it installed?")?;
        let mut pipe = child.stdin.take().context("no pipe to git")?;
        // If git exits early, its answer counts, not the broken pipe.
        let written = pipe.write_all(stdin);
        drop(pipe);
        let output = child.wait_with_output().context("git did not end")?;
        if output.status.success() {
            written.context("git did not read all")?;
        }
        Ok(output)
    }

    fn run<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        stdin: &[u8],
    ) -> anyhow::Result<Vec<u8>> {
        let mut command = self.command(arguments);
        let output = Self::output(&mut command, stdin)?;
        ensure!(
            output.status.success(),
            "{:?} failed: {}",
            command.get_args().collect::<Vec<_>>(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(output.stdout)
    }

    fn line<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        stdin: &[u8],
    ) -> anyhow::Result<String> {
        let line = String::from_utf8(self.run(arguments, stdin)?).context("git wrote no text")?;
        Ok(line.trim_end().to_owned())
    }

    /// The object named by an expression such as `main:folder/file`.
    pub(crate) fn read(&self, expression: &str) -> anyhow::Result<Option<Object>> {
        let Some((head, mut bytes)) = self.batch("--batch", expression)? else {
            return Ok(None);
        };
        bytes.pop();
        let [oid, kind, _] = head;
        Ok(Some(Object { oid, kind, bytes }))
    }

    /// Hash, kind and size of an expression's object.
    pub(crate) fn look(&self, expression: &str) -> anyhow::Result<Option<(String, String, u64)>> {
        let found = self.batch("--batch-check", expression)?;
        let Some(([oid, kind, size], _)) = found else {
            return Ok(None);
        };
        Ok(Some((oid, kind, size.parse().context("git's size")?)))
    }

    fn batch(&self, how: &str, expression: &str) -> anyhow::Result<Option<([String; 3], Vec<u8>)>> {
        if expression.is_empty() || expression.contains(['\n', '\0']) {
            return Ok(None);
        }
        let mut said = self.run(["cat-file", how], format!("{expression}\n").as_bytes())?;
        let end = said
            .iter()
            .position(|byte| *byte == b'\n')
            .context("git said nothing")?;
        let rest = said.split_off(end + 1);
        let head = String::from_utf8_lossy(&said).trim_end().to_owned();
        let words: Vec<_> = head.split(' ').map(str::to_owned).collect();
        // "… missing", "… ambiguous": the name may contain spaces.
        let found = <[String; 3]>::try_from(words).ok();
        let found = found.filter(|[oid, _, size]| is_oid(oid) && size.parse::<u64>().is_ok());
        Ok(found.map(|words| (words, rest)))
    }

    /// The hash of the commit that a name refers to.
    pub(crate) fn commit_of(&self, name: &str) -> anyhow::Result<Option<String>> {
        let found = self.look(&format!("{name}^{{commit}}"))?;
        Ok(found.map(|(oid, _, _)| oid))
    }

    /// A commit by its name or hash.
    pub(crate) fn commit(&self, name: &str) -> anyhow::Result<Option<Commit>> {
        let found = self.read(&format!("{name}^{{commit}}"))?;
        found.map(|object| commit::parse(&object)).transpose()
    }

    /// Commits backwards from one, newest first.
    pub(crate) fn history(&self, from: &str, path: Option<&str>) -> anyhow::Result<Vec<String>> {
        let mut arguments = vec!["rev-list", from, "--"];
        arguments.extend(path);
        let list = self.line(arguments, b"")?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// Branches and tags below a prefix such as `refs/heads/`, by name.
    pub(crate) fn refs(&self, prefix: &str) -> anyhow::Result<Vec<(String, String, String)>> {
        let format = "--format=%(refname) %(objectname) %(objecttype)";
        let list = self.line(["for-each-ref", format, "refs/heads", "refs/tags"], b"")?;
        let parse = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?, words.next()?))
        };
        let fits = |name: &str| name.starts_with(prefix);
        Ok(list
            .lines()
            .filter_map(parse)
            .filter(|found| fits(&found.0))
            .collect())
    }

    /// The target of a full ref name such as `refs/heads/main`.
    pub(crate) fn target(&self, name: &str) -> anyhow::Result<Option<(String, String)>> {
        let found = self.refs(name)?.into_iter().find(|found| found.0 == name);
        Ok(found.map(|(_, oid, kind)| (oid, kind)))
    }

    pub(crate) fn is_empty(&self) -> anyhow::Result<bool> {
        Ok(self.refs("refs/")?.is_empty())
    }

    /// The default branch, existing or not.
    pub(crate) fn default_branch(&self) -> anyhow::Result<String> {
        self.line(["symbolic-ref", "--short", "HEAD"], b"")
    }

    pub(crate) fn set_default_branch(&self, branch: &str) -> anyhow::Result<()> {
        let name = format!("refs/heads/{branch}");
        self.run(["symbolic-ref", "HEAD", &name], b"").map(drop)
    }

    /// The entries of a tree or a commit's tree, including subfolders if `recursive`.
    pub(crate) fn tree(&self, oid: &str, recursive: bool) -> anyhow::Result<Vec<Entry>> {
        let mut arguments = vec!["ls-tree", "-z", "-l", "--full-tree"];
        if recursive {
            arguments.extend(["-r", "-t"]);
        }
        arguments.push(oid);
        let list = self.run(arguments, b"")?;
        let parse = |line: &str| {
            let (head, path) = line.split_once('\t')?;
            let mut words = head.split_whitespace().map(str::to_owned);
            Some(Entry {
                mode: words.next()?,
                kind: words.next()?,
                oid: words.next()?,
                size: words.next()?.parse().ok(),
                path: path.to_owned(),
            })
        };
        let text = String::from_utf8_lossy(&list);
        Ok(text.split('\0').filter_map(parse).collect())
    }

    /// Whether one commit is an ancestor of another.
    pub(crate) fn is_ancestor(&self, older: &str, newer: &str) -> anyhow::Result<bool> {
        let mut command = self.command(["merge-base", "--is-ancestor", older, newer]);
        Ok(Self::output(&mut command, b"")?.status.success())
    }

    /// Whether git accepts a full ref name.
    pub(crate) fn is_ref_name(&self, name: &str) -> anyhow::Result<bool> {
        let mut command = self.command(["check-ref-format", name]);
        Ok(Self::output(&mut command, b"")?.status.success())
    }

    /// A commit's files as a gzip tar, in one folder.
    pub(crate) fn archive(&self, commit: &str, folder: &str) -> anyhow::Result<Vec<u8>> {
        let prefix = format!("--prefix={folder}/");
        self.run(["archive", "--format=tar.gz", "-0", &prefix, commit], b"")
    }

    /// Bytes on disk.
    pub(crate) fn size(&self) -> anyhow::Result<u64> {
        let said = self.line(["count-objects", "-v"], b"")?;
        let figure = |name: &str| -> Option<u64> {
            said.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
        };
        Ok((figure("size").unwrap_or(0) + figure("size-pack").unwrap_or(0)) * 1024)
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether it is a complete object hash.
pub(crate) fn is_oid(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether git can store a file at this path.
pub(crate) fn is_path(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git"))
}
