//! Why git fails: which error its output stands for, and whether another attempt may help.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use propsbot_archive::one_line;

/// The longest part of git's output in an error, in characters.
const LONGEST: usize = 400;

/// Why git failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The program couldn't be started.
    #[error("could not start git ({0}): install it, and put it on PATH")]
    NoProgram(String),
    /// The program lacks what is used here.
    #[error("git {0} is too old: install git {least} or newer", least = super::program::OLDEST_TEXT)]
    TooOld(String),
    /// This machine's files.
    #[error("could not {0}: {1}")]
    Local(&'static str, String),
    /// The host refused the user.
    #[error(
        "the host refused the login ({0}): set GIT_TOKEN to a token that can read and write this \
         repository, or have git's own credential helper know it; for ssh, give the host this user's key"
    )]
    NoLogin(String),
    /// The host's key is unknown or has changed.
    #[error(
        "ssh doesn't know the host's key ({0}): compare it with what the host publishes, and add it to \
         known_hosts (`ssh-keyscan`)"
    )]
    HostKey(String),
    /// The user may not do that.
    #[error("the host refused ({0}): let the token or the key write to this repository")]
    NoRights(String),
    /// The repository doesn't exist, or the user can't see it.
    #[error(
        "there is no such repository, or the login can't see it ({0}): check the URL; an empty repository \
         is made with `git init --bare PATH`"
    )]
    NoRepository(String),
    /// The folder of the repository belongs to another user.
    #[error(
        "git trusts only repositories of the user who runs it ({0}): run propsbot as the owner, or set \
         safe.directory in that user's git configuration"
    )]
    Owner(String),
    /// The server's certificate isn't trusted.
    #[error(
        "git doesn't trust the server's certificate ({0}): SSL_CERT_FILE names others to trust"
    )]
    Certificate(String),
    /// A rule or a hook refused the push.
    #[error(
        "the host refused the push ({0}): let this login push to the branch (with GIT_HISTORY other than \
         keep, also force-push), or name another branch in ARCHIVE (git:URL@BRANCH)"
    )]
    Protected(String),
    /// No answer, or only part of one.
    #[error("no answer, or only part of one ({0}): check the connection and the URL")]
    Unreachable(String),
    /// Nothing came for so long that the program was stopped.
    #[error(
        "git was stopped: nothing came for {} s. Check the connection, and that an ssh command of your own asks for \
         nothing",
        .0.as_secs()
    )]
    Stalled(Duration),
    /// Another push to the branch came first.
    #[error("others keep pushing to the branch ({0}); try again later")]
    Overtaken(String),
    /// The repository doesn't say which branch is its default.
    #[error("the repository names no default branch: name one in ARCHIVE (git:URL@BRANCH)")]
    NoBranch,
    /// The branch was published to, and no longer exists.
    #[error(
        "the branch {0}, which this store has published to, is gone: restore it, or name another in ARCHIVE; \
         `propsbot export --replace` makes it again with all that is to be exported"
    )]
    BranchGone(String),
    /// A file is where the archive's folder should be.
    #[error("{0} is a file in the repository, not a folder: name another folder in ARCHIVE")]
    NotAFolder(String),
    /// Everyone can read the repository.
    #[error(
        "the repository can be read without a login: everyone could read what is exported, for ever. Make \
         it private, or set GIT_ALLOW_PUBLIC=yes if that is what your community wants"
    )]
    Public,
    /// The file is longer than the reader allows.
    #[error("longer than {0} bytes")]
    TooLong(u64),
    /// The operation was cancelled.
    #[error("git was stopped")]
    Stopped,
    /// Anything else.
    #[error("git failed: {0}")]
    Refused(String),
}

/// An error with a message.
type Meaning = fn(String) -> GitError;

/// What parts of git's output, in lower case, stand for. The first match counts.
const MEANINGS: [(&[&str], Meaning); 9] = [
    (
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "unable to get password",
            "permission denied (publickey",
            "permission denied (password",
            "permission denied (keyboard",
            "too many authentication failures",
        ],
        GitError::NoLogin,
    ),
    (
        &[
            "host key verification failed",
            "host identification has changed",
        ],
        GitError::HostKey,
    ),
    (&["dubious ownership"], GitError::Owner),
    (&["certificate"], GitError::Certificate),
    (
        &[
            "couldn't find remote ref",
            "could not find remote ref",
            "not our ref",
        ],
        GitError::Overtaken,
    ),
    (
        &[
            "error: 403",
            "http 403",
            "permission denied",
            "access denied",
            "not allowed to",
            "insufficient permission",
            "read-only",
        ],
        GitError::NoRights,
    ),
    (
        &[
            "not found",
            "does not appear to be a git repository",
            "does not exist",
            "not a git repository",
            "repository not exported",
            "error: 404",
        ],
        GitError::NoRepository,
    ),
    (
        &[
            "could not resolve",
            "connect",
            "timed out",
            "early eof",
            "hung up",
            "rpc failed",
            "unable to access",
            "unreachable",
            "no route to host",
            "broken pipe",
            "unexpected eof",
            "error: 429",
            "error: 5",
            "http 5",
        ],
        GitError::Unreachable,
    ),
    (
        &["could not read from remote repository"],
        GitError::Unreachable,
    ),
];

/// Progress and advice, which don't say what failed.
const NOISE: [&str; 15] = [
    "warning:",
    "hint:",
    "To ",
    "From ",
    "Cloning into",
    "Please make sure",
    "and the repository exists",
    "failed to push some refs",
    "Enumerating objects",
    "Counting objects",
    "Compressing objects",
    "Writing objects",
    "Delta compression",
    "Total ",
    "Everything up-to-date",
];

/// What git adds to anything that ssh or a local program says.
const UNREAD: &str = "Could not read from remote repository.";

/// Reasons for a refused push that mean that another one came first.
const RACES: [&str; 9] = [
    "stale info",
    "non-fast-forward",
    "fetch first",
    "needs force",
    "cannot lock ref",
    "failed to lock",
    "failed to update ref",
    "incorrect old value",
    "already exists",
];

impl GitError {
    /// What the program's stderr says.
    pub(super) fn of(stderr: &str) -> Self {
        let message = summary(stderr);
        let lower = message.to_lowercase();
        let means =
            |(parts, _): &&(&[&str], Meaning)| parts.iter().any(|part| lower.contains(part));
        let meaning = MEANINGS.iter().find(means);
        meaning.map_or(Self::Refused as Meaning, |(_, error)| *error)(message)
    }

    /// What a failed push says: the lines of `--porcelain`, and stderr.
    pub(super) fn of_push(stdout: &str, stderr: &str) -> Self {
        let refused = stdout.lines().find_map(|line| line.strip_prefix("!\t"));
        let Some((_, reason)) = refused.and_then(|line| line.split_once('\t')) else {
            return Self::of(stderr);
        };
        let is_race = RACES.iter().any(|race| reason.contains(race));
        let told = summary(stderr);
        let message = if told.is_empty() {
            short(reason)
        } else {
            short(&format!("{reason}: {told}"))
        };
        if is_race {
            Self::Overtaken(message)
        } else if reason.starts_with("[remote rejected]") {
            Self::Protected(message)
        } else {
            Self::Refused(message)
        }
    }

    /// Whether another attempt may help.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Overtaken(_))
    }
}

/// What matters in the program's output, on one line.
fn summary(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        let line = line.rsplit('\r').find(|part| !part.trim().is_empty());
        let line = line.unwrap_or_default().trim();
        let line = ["fatal: ", "error: ", "remote: "]
            .iter()
            .find_map(|prefix| line.strip_prefix(prefix))
            .unwrap_or(line)
            .trim();
        let is_progress = line.contains("% (") || line == "remote:";
        let is_noise = is_progress || NOISE.iter().any(|noise| line.starts_with(noise));
        if !line.is_empty() && !is_noise && !kept.contains(&line) {
            kept.push(line);
        }
    }
    if kept.len() > 1 {
        kept.retain(|line| *line != UNREAD);
    }
    short(&kept.join("; "))
}

fn short(text: &str) -> String {
    one_line(text).chars().take(LONGEST).collect()
}

/// Waits between attempts.
pub(super) struct Tries(ExponentialBackoff);

impl Tries {
    pub(super) fn new() -> Self {
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(5)
            .with_jitter();
        Self(waits.build())
    }

    /// Waits before another attempt, or returns the error if another can't help.
    pub(super) async fn again(&mut self, error: GitError) -> Result<(), GitError> {
        let wait = if error.may_pass() {
            self.0.next()
        } else {
            None
        };
        let Some(wait) = wait else {
            return Err(error);
        };
        tracing::debug!(%error, ?wait, "asking the git host again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As git 2.39 and 2.47, OpenSSH and the hosts print them.
    #[test]
    fn tells_what_failed() {
        type Check = fn(&GitError) -> bool;
        let cases: [(&str, Check); 12] = [
            (
                "fatal: Authentication failed for 'https://example.org/a.git/'",
                |error| matches!(error, GitError::NoLogin(_)),
            ),
            (
                "fatal: could not read Username for 'https://example.org': terminal prompts disabled",
                |error| matches!(error, GitError::NoLogin(_)),
            ),
            (
                "git@example.org: Permission denied (publickey).\r\nfatal: Could not read from remote \
                 repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
                |error| matches!(error, GitError::NoLogin(_)),
            ),
            (
                "Host key verification failed.\r\nfatal: Could not read from remote repository.",
                |error| matches!(error, GitError::HostKey(_)),
            ),
            (
                "fatal: unable to access 'https://example.org/a.git/': The requested URL returned error: 403",
                |error| matches!(error, GitError::NoRights(_)),
            ),
            (
                "remote: Not Found\nfatal: repository 'https://example.org/a.git/' not found",
                |error| matches!(error, GitError::NoRepository(_)),
            ),
            (
                "fatal: '/srv/a.git' does not appear to be a git repository\nfatal: Could not read from \
                 remote repository.",
                |error| matches!(error, GitError::NoRepository(_)),
            ),
            (
                "fatal: unable to access 'https://example.org/': Failed to connect to example.org port 443 \
                 after 1 ms: Couldn't connect to server",
                |error| matches!(error, GitError::Unreachable(_)),
            ),
            (
                "fatal: unable to access 'https://example.org/': The requested URL returned error: 503",
                |error| matches!(error, GitError::Unreachable(_)),
            ),
            (
                "fatal: unable to access 'https://example.org/': server certificate verification failed. \
                 CAfile: none CRLfile: none",
                |error| matches!(error, GitError::Certificate(_)),
            ),
            (
                "fatal: detected dubious ownership in repository at '/srv/a.git'",
                |error| matches!(error, GitError::Owner(_)),
            ),
            ("fatal: something else", |error| {
                *error == GitError::Refused("something else".to_owned())
            }),
        ];
        for (text, meant) in cases {
            let error = GitError::of(text);
            assert!(meant(&error), "{text}: {error:?}");
        }
    }

    #[test]
    fn tells_lost_races_from_protected_branches() {
        let line = |reason: &str| format!("To x\n!\tabc:refs/heads/main\t{reason}\nDone\n");
        for reason in [
            "[rejected] (stale info)",
            "[remote rejected] (failed to update ref)",
            "[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)",
        ] {
            let error = GitError::of_push(&line(reason), "error: failed to push some refs to 'x'");
            assert!(matches!(error, GitError::Overtaken(_)), "{error:?}");
        }
        let told =
            "remote: \nremote: GitLab: You are not allowed to push code to protected branches\n";
        let error = GitError::of_push(&line("[remote rejected] (pre-receive hook declined)"), told);
        let GitError::Protected(message) = error else {
            panic!("{error:?}");
        };
        let wanted = "[remote rejected] (pre-receive hook declined): GitLab: You are not allowed to push \
                      code to protected branches";
        assert_eq!(message, wanted);
    }

    #[test]
    fn output_is_short_and_on_one_line() {
        let text = format!(
            "Receiving: 1%\rReceiving: 100% (3/3)\rfatal: a\u{1b}[2J\nerror: {}",
            "b".repeat(9000)
        );
        let message = summary(&text);
        assert!(message.starts_with("a[2J; bbb"), "{message}");
        assert_eq!(message.chars().count(), LONGEST);
    }
}
