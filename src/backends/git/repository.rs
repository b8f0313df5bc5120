//! A temporary bare repository with what is needed of the archive's: the head commit, its trees, and the
//! files that were read.
//!
//! It is removed when it is dropped. Only its owner uses it, so what a stopped program leaves in it is
//! never seen: the owner drops it then.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use super::{
    GitError,
    objects::Found,
    place::GitPlace,
    program::{Environment, Git, REMOTE, Running, SSH},
    scratch::Scratch,
    spool::{Changes, Spool},
};
use propsbot_archive::is_manifest;

/// Where the head is kept once it is fetched.
const HEAD: &str = "refs/propsbot/head";

/// Where a new commit is put until it is pushed.
const NEXT: &str = "refs/propsbot/next";

/// The most that is read of a listing, in bytes: some 500,000 files.
const LISTING: u64 = 64 << 20;

/// The most that is read of any other output, in bytes.
const ANSWER: u64 = 1 << 20;

/// A repository that has grown by this many KiB, besides doubling, is made anew.
const GROWTH: u64 = 64 << 10;

/// What is needed to make a repository.
pub(super) struct Settings {
    pub(super) place: GitPlace,
    pub(super) environment: Environment,
    /// Where to make it; `None` for the system's folder for temporary files.
    pub(super) cache: Option<PathBuf>,
    pub(super) requests: Arc<AtomicU64>,
}

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

pub(super) struct Repository {
    pub(super) git: Git,
    settings: Arc<Settings>,
    /// The branch, once it is known.
    branch: Option<String>,
    /// The head that was seen last; `None` if the branch doesn't exist.
    pub(super) head: Option<Head>,
    /// Whether the branch was ever looked at.
    pub(super) has_looked: bool,
    /// Whether the format of a repository without this branch was asked for.
    has_probed: bool,
    /// How large it was when it was new, in KiB.
    begun: Option<u64>,
}

impl Repository {
    /// Makes an empty one.
    pub(super) fn create(settings: &Arc<Settings>, running: Running) -> Result<Self, GitError> {
        let failed =
            |error: io::Error| GitError::Local("make a temporary folder", error.to_string());
        let folder = Scratch::new(settings.cache.as_deref()).map_err(failed)?;
        let mut git = Git {
            directory: folder.path().join("sha1"),
            folder: Arc::new(folder),
            environment: settings.environment.clone(),
            running,
            requests: Arc::clone(&settings.requests),
        };
        init(&git, "sha1")?;
        if settings.place.is_ssh() {
            let asked = ["config", "--get", "core.sshCommand"];
            let (_, configured) = git.output(&asked, None, ANSWER)?;
            if !configured.is_success {
                // GIT_SSH_COMMAND outweighs it.
                git.environment.set("core.sshCommand", SSH);
            }
        }
        Ok(Self {
            git,
            settings: Arc::clone(settings),
            branch: settings.place.branch.clone(),
            head: None,
            has_looked: false,
            has_probed: false,
            begun: None,
        })
    }

    /// Whether it is still there.
    pub(super) fn is_usable(&self) -> bool {
        self.git.directory.join("HEAD").exists()
    }

    /// Whether it has more than twice of what it began with.
    pub(super) fn has_grown(&mut self) -> Result<bool, GitError> {
        let counted = self.git.ok(&["count-objects", "-v"], None, ANSWER)?;
        let sizes = counted.lines().filter_map(|line| {
            let (name, size) = line.split_once(": ")?;
            matches!(name, "size" | "size-pack").then(|| size.parse::<u64>().ok())?
        });
        let size: u64 = sizes.sum();
        let begun = *self.begun.get_or_insert(size);
        Ok(size > begun.saturating_mul(2).saturating_add(GROWTH))
    }

    fn full_name(branch: &str) -> String {
        format!("refs/heads/{branch}")
    }

    /// The archive's branch; known once it was looked at.
    pub(super) fn branch(&self) -> Result<&str, GitError> {
        self.branch.as_deref().ok_or(GitError::NoBranch)
    }

    /// Finds the branch's head, and fetches it if it is new.
    pub(super) fn look(&mut self) -> Result<(), GitError> {
        let found = self.ask()?;
        let known = self.head.as_ref().map(|head| &head.commit);
        match &found {
            None => {
                self.head = None;
                self.probe()?;
            }
            Some(commit) if known == Some(commit) => {}
            Some(commit) => {
                self.use_format(if commit.len() == 64 { "sha256" } else { "sha1" })?;
                self.fetch()?;
            }
        }
        self.has_looked = true;
        Ok(())
    }

    /// The branch's head according to the host.
    fn ask(&mut self) -> Result<Option<String>, GitError> {
        let name = self.branch.as_deref().map(Self::full_name);
        let name = name.as_deref().unwrap_or("HEAD");
        self.git.asks();
        let told = self
            .git
            .ok(&["ls-remote", "--symref", "--", REMOTE, name], None, ANSWER)?;
        let mut found = None;
        for line in told.lines() {
            match line.split_once('\t') {
                Some((target, "HEAD")) if name == "HEAD" => {
                    match target.strip_prefix("ref: refs/heads/") {
                        Some(branch) => self.branch = Some(branch.to_owned()),
                        None => found = Some(target.to_owned()),
                    }
                }
                Some((commit, of)) if of == name => found = Some(commit.to_owned()),
                _ => {}
            }
        }
        // A head that is on no branch can't be replaced.
        Ok(found.filter(|_| self.branch.is_some()))
    }

    /// Learns what a repository without this branch doesn't list: the default branch of an empty one,
    /// and how it names objects.
    fn probe(&mut self) -> Result<(), GitError> {
        if self.has_probed {
            return Ok(());
        }
        let folder = self.git.folder.path().join("probe");
        let git = Git {
            directory: folder.clone(),
            ..self.git.clone()
        };
        let (to, from) = (folder.display().to_string(), self.settings.place.remote());
        let clone = [
            "clone",
            "--quiet",
            "--bare",
            "--no-local",
            "--template=",
            "--depth=1",
            "--filter=tree:0",
            "--no-tags",
            "--single-branch",
            "--",
            &from,
            &to,
        ];
        self.git.asks();
        let probed = git.ok(&clone, None, ANSWER).and_then(|_| {
            let (branch, _) = git.output(&["symbolic-ref", "--quiet", "HEAD"], None, ANSWER)?;
            let format = git.ok(&["rev-parse", "--show-object-format"], None, ANSWER)?;
            Ok((String::from_utf8_lossy(&branch).into_owned(), format))
        });
        let _ = fs::remove_dir_all(&folder);
        let (branch, format) = probed?;
        self.use_format(format.trim())?;
        if self.branch.is_none() {
            let branch = branch.trim().strip_prefix("refs/heads/");
            self.branch = branch.map(str::to_owned);
        }
        self.has_probed = true;
        self.branch().map(drop)
    }

    /// Uses a repository that names objects like this.
    fn use_format(&mut self, format: &str) -> Result<(), GitError> {
        let directory = self.git.folder.path().join(format);
        if directory != self.git.directory {
            self.git.directory = directory;
            self.head = None;
            init(&self.git, format)?;
        }
        Ok(())
    }

    /// Fetches the head and its trees, and files only if the host can't leave them out.
    fn fetch(&mut self) -> Result<(), GitError> {
        let refspec = format!("+{}:{HEAD}", Self::full_name(self.branch()?));
        self.git.asks();
        let fetch = [
            "fetch",
            "--progress",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            "--depth=1",
            "--filter=blob:none",
            "--",
            REMOTE,
            &refspec,
        ];
        self.git.ok(&fetch, None, ANSWER)?;
        let head = self.load(HEAD)?;
        // They are always read.
        let manifests = head.files.iter().filter(|(path, _)| is_manifest(path));
        let manifests: Vec<String> = manifests.map(|(_, oid)| oid.clone()).collect();
        self.head = Some(head);
        let are_here = self.git.objects(&manifests, 0, |_, found| {
            Ok(!matches!(found, Found::Missing))
        })?;
        if !are_here {
            self.fetch_objects(&manifests)?;
        }
        Ok(())
    }

    /// Fetches these objects in one go.
    pub(super) fn fetch_objects(&self, oids: &[String]) -> Result<(), GitError> {
        if oids.is_empty() {
            return Ok(());
        }
        let input = self.git.input((oids.join("\n") + "\n").as_bytes())?;
        self.git.asks();
        // Else the host would leave out what belongs to a commit that is here.
        let fetch = [
            "-c",
            "fetch.negotiationAlgorithm=noop",
            "fetch",
            "--progress",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            "--filter=blob:none",
            "--stdin",
            "--",
            REMOTE,
        ];
        self.git.ok(&fetch, Some(input), ANSWER).map(drop)
    }

    /// What a commit has.
    fn load(&self, commit: &str) -> Result<Head, GitError> {
        let text = self.git.ok(&["cat-file", "commit", commit], None, ANSWER)?;
        let header = text.split("\n\n").next().unwrap_or_default();
        let value = |name: &str| header.lines().find_map(|line| line.strip_prefix(name));
        let tree =
            value("tree ").ok_or_else(|| GitError::Refused("a commit has no tree".to_owned()))?;
        let commit = self
            .git
            .ok(&["rev-parse", "--verify", commit], None, ANSWER)?;
        let prefix = &self.settings.place.prefix;
        let inside = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let mut list = vec!["ls-tree", "-r", "-z", "--full-tree", tree];
        if !inside.is_empty() {
            list.extend(["--", &inside]);
        }
        let listed = self.git.ok(&list, None, LISTING)?;
        let entries = listed.split('\0').filter_map(Entry::parse);
        let files = entries.filter(|entry| entry.kind == "blob" && entry.mode.starts_with("100"));
        let files = files.filter_map(|entry| {
            Some((
                entry.path.strip_prefix(&inside)?.to_owned(),
                entry.oid.to_owned(),
            ))
        });
        let parents = prefix.match_indices('/').map(|(end, _)| &prefix[..end]);
        let mut ask = vec!["ls-tree", "-z", "--full-tree", tree, "--"];
        ask.extend(
            parents
                .chain([prefix.as_str()])
                .filter(|path| !path.is_empty()),
        );
        let parents = if prefix.is_empty() {
            String::new()
        } else {
            self.git.ok(&ask, None, ANSWER)?
        };
        let mut parents = parents.split('\0').filter_map(Entry::parse);
        Ok(Head {
            commit: commit.trim().to_owned(),
            tree: tree.to_owned(),
            has_parent: value("parent ").is_some(),
            files: files.collect(),
            in_the_way: parents
                .find(|entry| entry.kind != "tree")
                .map(|entry| entry.path.to_owned()),
        })
    }

    /// The contents of these objects, fetched if they aren't here.
    pub(super) fn contents(&self, oids: &[String], longest: u64) -> Result<Vec<Vec<u8>>, GitError> {
        let mut fetched = false;
        loop {
            let mut contents = Vec::new();
            let mut is_too_long = false;
            let all = self.git.objects(oids, longest, |_, found| match found {
                Found::Bytes(bytes) => {
                    contents.push(bytes);
                    Ok(true)
                }
                Found::TooLong => {
                    is_too_long = true;
                    Ok(false)
                }
                Found::Missing => Ok(false),
            })?;
            match () {
                () if all => return Ok(contents),
                () if is_too_long => return Err(GitError::TooLong(longest)),
                () if fetched => {
                    return Err(GitError::Refused("the host didn't send a file".to_owned()));
                }
                () => self.fetch_objects(oids)?,
            }
            fetched = true;
        }
    }

    /// Makes a commit of the head's files with these changes, as the next of the branch or without a
    /// parent. `None` if it would change nothing.
    pub(super) fn commit(
        &self,
        spool: Option<&Spool>,
        changes: &Changes,
        message: &str,
        keeps_history: bool,
    ) -> Result<Option<String>, GitError> {
        let head = self.head.as_ref();
        if let Some(path) = head.and_then(|head| head.in_the_way.clone()) {
            return Err(GitError::NotAFolder(path));
        }
        let commands = changes.commands(
            &self.settings.place.prefix,
            head,
            NEXT,
            message,
            keeps_history,
            spool,
        );
        let input = match spool {
            Some(spool) => spool.with(&commands),
            None => return self.import(self.git.input(&commands)?, keeps_history),
        };
        let input =
            input.map_err(|error| GitError::Local("write a temporary file", error.to_string()))?;
        self.import(input, keeps_history)
    }

    /// Makes the commit of these commands; `None` if it would change nothing.
    fn import(&self, input: File, keeps_history: bool) -> Result<Option<String>, GitError> {
        let import = [
            "fast-import",
            "--quiet",
            "--force",
            "--done",
            "--date-format=now",
        ];
        self.git.ok(&import, Some(input), ANSWER)?;
        let made = self.git.ok(
            &["rev-parse", NEXT, &format!("{NEXT}^{{tree}}")],
            None,
            ANSWER,
        )?;
        let mut made = made.lines();
        let (commit, tree) = (made.next().unwrap_or_default(), made.next());
        let is_same = self.head.as_ref().is_some_and(|head| {
            Some(head.tree.as_str()) == tree && (keeps_history || !head.has_parent)
        });
        Ok((!is_same).then(|| commit.to_owned()))
    }

    /// Makes this commit the branch's head, unless another one came first.
    pub(super) fn push(&mut self, commit: &str) -> Result<(), GitError> {
        let name = Self::full_name(self.branch()?);
        let before = self.head.as_ref().map_or("", |head| &head.commit);
        let lease = format!("--force-with-lease={name}:{before}");
        let refspec = format!("{commit}:{name}");
        let push = [
            "push",
            "--porcelain",
            "--progress",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            &lease,
            "--",
            REMOTE,
            &refspec,
        ];
        // What git has to compare a changed file with may be missing here. It fetches that by itself.
        let git = Git {
            environment: self.git.environment.with("GIT_NO_LAZY_FETCH", "0"),
            ..self.git.clone()
        };
        git.asks();
        let (stdout, ended) = git.output(&push, None, ANSWER)?;
        if !ended.is_success {
            let stdout = String::from_utf8_lossy(&stdout);
            return Err(GitError::of_push(&stdout, &ended.told));
        }
        // As after a fetch: a push from a shallow repository leaves out all that the old head has, even
        // if the new one isn't its child.
        let shallow = fs::write(git.directory.join("shallow"), format!("{commit}\n"));
        shallow.map_err(|error| GitError::Local("write a file of git's", error.to_string()))?;
        self.head = Some(self.load(commit)?);
        Ok(())
    }

    /// Fails if everyone can read the repository. Can be told only over http and https.
    pub(super) fn refuse_public(&self) -> Result<(), GitError> {
        let place = &self.settings.place;
        let Some(origin) = place.origin().filter(|_| !place.is_near()) else {
            return Ok(());
        };
        let git = Git {
            environment: self.git.environment.anonymous(origin),
            ..self.git.clone()
        };
        self.git.asks();
        match git.output(&["ls-remote", "--", REMOTE, "HEAD"], None, ANSWER)? {
            (_, ended) if ended.is_success => Err(GitError::Public),
            _ => Ok(()),
        }
    }

    /// The archive's files at the head, with their git ids.
    pub(super) fn files(&self) -> impl Iterator<Item = (&String, &String)> {
        self.head.iter().flat_map(|head| &head.files)
    }
}

/// Makes the repository.
fn init(git: &Git, format: &str) -> Result<(), GitError> {
    let format = format!("--object-format={format}");
    let path = git.directory.display().to_string();
    let init = [
        "init",
        "--quiet",
        "--bare",
        "--template=",
        &format,
        "--",
        &path,
    ];
    git.ok(&init, None, ANSWER).map(drop)
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
