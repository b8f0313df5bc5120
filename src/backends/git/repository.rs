//! A temporary bare repository with what is needed of the archive's: the head commit, its trees, and the
//! files that were read.
//!
//! It is removed when it is dropped. Only its owner uses it, so what a stopped program leaves in it is
//! never seen: the owner drops it then.

use std::{
    env, fs, io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use super::{
    GitError,
    environment::{Environment, REMOTE, SSH},
    head::Head,
    objects::Found,
    place::GitPlace,
    program::{ANSWER, Git, Running},
    scratch::Scratch,
};
use propsbot_archive::is_manifest;

/// Where the head is kept once it is fetched.
const HEAD: &str = "refs/propsbot/head";

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

pub(super) struct Repository {
    pub(super) git: Git,
    pub(super) settings: Arc<Settings>,
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

/// Whether the operator names a program in place of ssh.
#[expect(
    clippy::disallowed_methods,
    reason = "a setting of git, which inherits it: git can't be asked for this one"
)]
fn names_program() -> bool {
    env::var_os("GIT_SSH").is_some()
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
        if settings.place.is_ssh() && !names_program() {
            let asked = ["config", "--get", "core.sshCommand"];
            let (_, configured) = git.output(&asked, None, ANSWER)?;
            if !configured.is_success {
                // GIT_SSH_COMMAND outweighs it, but GIT_SSH doesn't.
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
        let name = self.branch.as_deref().map(full_name);
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
            // The operator may have configured a remote of the usual name.
            "--origin=propsbot-probe",
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
        let refspec = format!("+{}:{HEAD}", full_name(self.branch()?));
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

    /// What a commit has in the archive's folder.
    pub(super) fn load(&self, commit: &str) -> Result<Head, GitError> {
        Head::load(&self.git, &self.settings.place.prefix, commit)
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

/// The full name of a branch.
pub(super) fn full_name(branch: &str) -> String {
    format!("refs/heads/{branch}")
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
