//! Why requests to GitHub fail, and whether a retry may help.

use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// 401: the token is invalid.
    #[error(
        "GitHub refused GITHUB_TOKEN: it is mistyped, has expired, or was revoked; make a new \
         fine-grained token with \"Contents: read and write\" on this repository"
    )]
    BadToken,
    /// The repository doesn't exist, or the token can't see it.
    #[error(
        "there is no such repository, or GITHUB_TOKEN was not given it: check the name, that the \
         token may use this repository, and GITHUB_API_URL if it is set"
    )]
    NoRepository,
    /// 409: the repository has no commits.
    #[error("the repository is empty")]
    NoCommit,
    #[error(
        "GITHUB_TOKEN may not do that ({0}): give it \"Contents: read and write\" on this \
         repository, and its owner the right to write there"
    )]
    NoRights(String),
    #[error("GitHub refused ({message}): {remedy}")]
    Remedied {
        message: String,
        remedy: &'static str,
    },
    #[error("GitHub says that one request asked for too much ({0})")]
    TooMuch(String),
    /// A rule protects the branch, for example by requiring pull requests.
    #[error(
        "the branch is protected ({0}): let the token's owner bypass the rule, or name another \
         branch in ARCHIVE (github:OWNER/REPO@BRANCH)"
    )]
    Protected(String),
    #[error(
        "an export that is too large for one commit is put together on a branch of its own, \
         propsbot-staging/…, and a rule of the repository forbids that ({0}): let the rule leave out branches \
         named propsbot-staging/**/* (Settings, Rules, Rulesets), or let the token's owner bypass it"
    )]
    NoStaging(String),
    #[error("another process is writing to the archive")]
    OtherWriter,
    #[error("the repository was archived on GitHub, so that nobody can write: unarchive it")]
    Archived,
    #[error(
        "the repository is public: everyone could read what is exported, for ever. Make it private, \
         or set GITHUB_ALLOW_PUBLIC=yes if that is what your community wants"
    )]
    Public,
    #[error(
        "the repository is internal: everyone in the enterprise could read what is exported. Make it \
         private, or set GITHUB_ALLOW_PUBLIC=yes if that is what your community wants"
    )]
    Internal,
    #[error(
        "the branch {from} was renamed to {to}: name that one in ARCHIVE (github:OWNER/REPO@{to}), or begin \
         a new branch {from} with `propsbot export --replace`"
    )]
    Renamed {
        /// Its name in the configuration.
        from: String,
        /// Its name now.
        to: String,
    },
    #[error(
        "the branch {0}, which this store has published to, is gone: restore it on GitHub, or name another in \
         ARCHIVE; `propsbot export --replace` makes it again with all that is to be exported"
    )]
    BranchGone(String),
    #[error("GitHub limits our requests{}", again(*.0))]
    Limited(Option<Duration>),
    /// 5xx.
    #[error("GitHub failed ({0}), several times in a row; try again later")]
    Failing(String),
    #[error("no answer ({0}): check the connection, and GITHUB_API_URL")]
    Unreachable(String),
    #[error("the answer of {host} is larger than {} MiB: check GITHUB_API_URL", most >> 20)]
    TooLarge {
        host: String,
        /// The limit, in bytes.
        most: usize,
    },
    #[error("the answer could not be read ({0}): check GITHUB_API_URL")]
    Unreadable(String),
    #[error("others keep committing to the branch; try again later")]
    Overtaken,
    #[error("a file to be removed is not there: {0}")]
    NoFile(String),
    #[error("GitHub refused ({status}): {message}")]
    Refused { status: u16, message: String },
}

fn again(wait: Option<Duration>) -> String {
    wait.map_or_else(
        || "; try again later".to_owned(),
        |wait| format!("; try again in {} s", wait.as_secs()),
    )
}

/// The first wait after a rate limit without a given time. It doubles each time.
pub(super) const UNTOLD_WAIT: Duration = Duration::from_mins(1);

/// The longest wait; if GitHub asks for more, we give up.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

impl GithubError {
    /// The minimum wait before a retry; `None` if a retry can't help.
    ///
    /// `limited` is the number of rate limits in a row before this error.
    pub(super) fn retry(&self, limited: u32) -> Option<Duration> {
        match self {
            Self::Limited(told) => {
                let untold = UNTOLD_WAIT * 2_u32.saturating_pow(limited);
                Some(told.unwrap_or(untold)).filter(|wait| *wait <= PATIENCE)
            }
            Self::Failing(_)
            | Self::Unreachable(_)
            | Self::Unreadable(_)
            | Self::Overtaken
            | Self::TooMuch(_) => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// Whether GitHub refused the token or its owner. Public data may be readable without it.
    pub(super) fn is_about_token(&self) -> bool {
        matches!(
            self,
            Self::BadToken | Self::NoRights(_) | Self::Remedied { .. }
        )
    }

    /// The same error, for a staging branch.
    pub(super) fn of_staging(self) -> Self {
        match self {
            Self::Protected(message) => Self::NoStaging(message),
            error => error,
        }
    }

    /// Whether a refused commit may have been based on something that no longer exists. GitHub
    /// reports that in many ways.
    pub(super) fn may_be_overtaken(&self) -> bool {
        matches!(self, Self::NoRepository | Self::Refused { .. })
    }

    /// Whether a smaller request may help.
    pub(super) fn may_be_too_much(&self) -> bool {
        matches!(
            self,
            Self::Failing(_) | Self::Unreachable(_) | Self::TooMuch(_)
        )
    }
}
