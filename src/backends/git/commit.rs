//! Makes commits and pushes them.

use std::{fs, fs::File};

use super::{
    GitError,
    environment::REMOTE,
    program::{ANSWER, Git},
    repository::{Repository, full_name},
    spool::{Changes, Spool},
};
use crate::github::{ATTRIBUTES, KEEP_BYTES};

/// Where a new commit is put until it is pushed.
const NEXT: &str = "refs/propsbot/next";

impl Repository {
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

    /// Asks the host whether it lets us push to the branch, without pushing anything. Rules and hooks
    /// that look at what is pushed have no say in that.
    pub(super) fn try_push(&mut self) -> Result<(), GitError> {
        let changes = Changes {
            put: [(ATTRIBUTES.to_owned(), KEEP_BYTES.into())].into(),
            ..Changes::default()
        };
        let made = self.commit(None, &changes, "Probe", true)?;
        let there = self.head.as_ref().map(|head| head.commit.clone());
        let commit = made.or(there).unwrap_or_default();
        self.run_push(&commit, &["--dry-run"])
    }

    /// Makes this commit the branch's head, unless another one came first.
    pub(super) fn push(&mut self, commit: &str) -> Result<(), GitError> {
        self.run_push(commit, &[])?;
        // As after a fetch: a push from a shallow repository leaves out all that the old head has, even
        // if the new one isn't its child.
        let shallow = fs::write(self.git.directory.join("shallow"), format!("{commit}\n"));
        shallow.map_err(|error| GitError::Local("write a file of git's", error.to_string()))?;
        self.head = Some(self.load(commit)?);
        Ok(())
    }

    fn run_push(&self, commit: &str, options: &[&str]) -> Result<(), GitError> {
        let name = full_name(self.branch()?);
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
        ];
        let push = [&push, options, &["--", REMOTE, &refspec]].concat();
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
        Ok(())
    }
}
