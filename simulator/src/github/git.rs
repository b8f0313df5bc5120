//! The bare repository behind the API, driven through the `git` program: what is kept here is git's own, to the byte.
//!
//! Knows nothing of HTTP, tokens or limits. Blocking.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use tempfile::TempDir;

use super::faults::Files;

/// Who wrote a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: Timestamp,
}

impl Signature {
    pub(crate) fn now(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            email: format!("{name}@users.noreply.github.com"),
            at: Timestamp::now(),
        }
    }

    fn line(&self) -> String {
        // What would end the name early is left out, as git does.
        let plain = |text: &str| text.replace(['<', '>', '\n'], "");
        let (name, email) = (plain(&self.name), plain(&self.email));
        format!("{name} <{email}> {} +0000", self.at.as_second())
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(" <")?;
        let (email, time) = rest.split_once("> ")?;
        let second = time.split(' ').next()?.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            email: email.to_owned(),
            at: Timestamp::from_second(second).ok()?,
        })
    }
}

/// A commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) oid: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

/// An object as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) oid: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
}

/// An entry of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) oid: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

/// What a commit changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(crate) additions: Files,
    pub(crate) deletions: Vec<String>,
}

/// The repository.
#[derive(Debug)]
pub(crate) struct Repository {
    path: PathBuf,
    /// Deleted with the repository; none where the caller named a folder.
    _folder: Option<TempDir>,
    count: AtomicU64,
}

impl Repository {
    /// Opens the repository at a path, or makes one there or in a temporary folder.
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
        // Nothing of the caller's: neither configuration nor a repository around the working folder. No fsync: nothing here outlives its test.
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
        // A git that ends early has said why; its answer counts, not the broken pipe.
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

    /// The object that an expression such as `main:folder/file` names.
    pub(crate) fn read(&self, expression: &str) -> anyhow::Result<Option<Object>> {
        let Some((head, mut bytes)) = self.batch("--batch", expression)? else {
            return Ok(None);
        };
        bytes.pop();
        let [oid, kind, _] = head;
        Ok(Some(Object { oid, kind, bytes }))
    }

    /// What an expression names: hash, kind, size.
    pub(crate) fn look(&self, expression: &str) -> anyhow::Result<Option<(String, String, u64)>> {
        let found = self.batch("--batch-check", expression)?;
        let [oid, kind, size] = match found {
            Some((head, _)) => head,
            None => return Ok(None),
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
        // "… missing", "… ambiguous": the name itself may have blanks in it.
        let found = <[String; 3]>::try_from(words).ok();
        let found = found.filter(|[oid, _, size]| is_oid(oid) && size.parse::<u64>().is_ok());
        Ok(found.map(|words| (words, rest)))
    }

    /// The hash of the commit that a name leads to.
    pub(crate) fn commit_of(&self, name: &str) -> anyhow::Result<Option<String>> {
        let found = self.look(&format!("{name}^{{commit}}"))?;
        Ok(found.map(|(oid, _, _)| oid))
    }

    /// A commit by its name or hash.
    pub(crate) fn commit(&self, name: &str) -> anyhow::Result<Option<Commit>> {
        let found = self.read(&format!("{name}^{{commit}}"))?;
        found.map(|object| parse_commit(&object)).transpose()
    }

    /// Commits from one backwards, newest first.
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

    /// Where a full ref name such as `refs/heads/main` points.
    pub(crate) fn target(&self, name: &str) -> anyhow::Result<Option<(String, String)>> {
        let found = self.refs(name)?.into_iter().find(|found| found.0 == name);
        Ok(found.map(|(_, oid, kind)| (oid, kind)))
    }

    pub(crate) fn is_empty(&self) -> anyhow::Result<bool> {
        Ok(self.refs("refs/")?.is_empty())
    }

    /// The default branch, whether it exists or not.
    pub(crate) fn default_branch(&self) -> anyhow::Result<String> {
        self.line(["symbolic-ref", "--short", "HEAD"], b"")
    }

    pub(crate) fn set_default_branch(&self, branch: &str) -> anyhow::Result<()> {
        let name = format!("refs/heads/{branch}");
        self.run(["symbolic-ref", "HEAD", &name], b"").map(drop)
    }

    /// The entries of a tree or a commit's tree, folders in it too where it is read to the bottom.
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

    pub(crate) fn write_blob(&self, bytes: &[u8]) -> anyhow::Result<String> {
        self.line(["hash-object", "-w", "--stdin"], bytes)
    }

    /// A tree from another one (or none) and entries: mode, hash (none deletes) and path. None where git refuses them.
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
        for (mode, oid, path) in entries.iter().filter(|entry| entry.0 != "040000") {
            let (mode, oid) = match oid {
                Some(oid) => (mode.as_str(), oid.clone()),
                None => ("0", "0".repeat(40)),
            };
            lines += &format!("{mode} {oid}\t{path}\0");
        }
        let mut steps = vec![(
            match base {
                Some(base) => vec!["read-tree".to_owned(), base.to_owned()],
                None => vec!["read-tree".to_owned(), "--empty".to_owned()],
            },
            String::new(),
        )];
        for (_, oid, path) in entries.iter().filter(|entry| entry.0 == "040000") {
            let prefix = format!("--prefix={path}/");
            let oid = oid.clone().unwrap_or_default();
            steps.push((vec!["read-tree".to_owned(), prefix, oid], String::new()));
        }
        let update = ["update-index", "-z", "--index-info"].map(str::to_owned);
        steps.push((update.to_vec(), lines));
        let mut written = None;
        for (arguments, stdin) in steps {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
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

    /// A commit object of a tree; no ref is moved.
    pub(crate) fn write_commit(&self, commit: &Commit) -> anyhow::Result<String> {
        let mut text = format!("tree {}\n", commit.tree);
        for parent in &commit.parents {
            text += &format!("parent {parent}\n");
        }
        let (author, committer) = (commit.author.line(), commit.committer.line());
        text += &format!(
            "author {author}\ncommitter {committer}\n\n{}",
            commit.message
        );
        self.line(
            ["hash-object", "-t", "commit", "-w", "--stdin"],
            text.as_bytes(),
        )
    }

    /// A commit of changes to another one (or to nothing), all of it in one pack; no branch is moved. Paths must be sound, deletions exist.
    pub(crate) fn change(
        &self,
        parent: Option<&str>,
        changes: &Changes,
        author: &Signature,
        message: &str,
    ) -> anyhow::Result<String> {
        let size: usize = changes.additions.iter().map(|(_, it)| it.len() + 300).sum();
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

    /// Moves a ref if it still points where it did: `None` stands for a ref that is not there. False if it was moved by somebody else.
    pub(crate) fn move_ref(
        &self,
        name: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> anyhow::Result<bool> {
        self.move_refs(&[(name, from, to)])
    }

    /// Moves all these refs, or none of them: see [`Repository::move_ref`].
    pub(crate) fn move_refs(
        &self,
        moves: &[(&str, Option<&str>, Option<&str>)],
    ) -> anyhow::Result<bool> {
        let zero = "0".repeat(40);
        let mut orders = String::new();
        for (name, from, to) in moves {
            let from = from.unwrap_or(&zero);
            orders += &match to {
                Some(to) => format!("update {name} {to} {from}\n"),
                None => format!("delete {name} {from}\n"),
            };
        }
        let mut command = self.command(["update-ref", "--stdin"]);
        let output = Self::output(&mut command, orders.as_bytes())?;
        if output.status.success() {
            return Ok(true);
        }
        let mut moved = false;
        for (name, from, _) in moves {
            let now = self.target(name)?.map(|(oid, _)| oid);
            moved |= now.as_deref() != *from;
        }
        // Two at once also meet at the ref's lock file, before either is through.
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            moved || said.contains("lock"),
            "refs cannot be moved: {said}"
        );
        Ok(false)
    }

    /// Whether one commit can be reached from another.
    pub(crate) fn is_ancestor(&self, older: &str, newer: &str) -> anyhow::Result<bool> {
        let mut command = self.command(["merge-base", "--is-ancestor", older, newer]);
        Ok(Self::output(&mut command, b"")?.status.success())
    }

    /// Whether git takes a full ref name.
    pub(crate) fn is_ref_name(&self, name: &str) -> anyhow::Result<bool> {
        let mut command = self.command(["check-ref-format", name]);
        Ok(Self::output(&mut command, b"")?.status.success())
    }

    /// A commit's files as a gzip tar, below one folder.
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

/// Whether it is the whole hash of an object.
pub(crate) fn is_oid(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether git can keep a file at this path.
pub(crate) fn is_path(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git"))
}

/// A path as git fast-import reads it.
fn quoted(path: &str) -> String {
    let escaped = path
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

fn parse_commit(object: &Object) -> anyhow::Result<Commit> {
    let text = String::from_utf8_lossy(&object.bytes);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let all = |name: &str| -> Vec<String> {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        head.lines().filter_map(value).collect()
    };
    let signature = |name| all(name).first().and_then(|line| Signature::parse(line));
    Ok(Commit {
        oid: object.oid.clone(),
        tree: all("tree").pop().context("a commit without a tree")?,
        parents: all("parent"),
        author: signature("author").context("a commit without an author")?,
        committer: signature("committer").context("a commit without a committer")?,
        message: message.to_owned(),
    })
}
