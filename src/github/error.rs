//! Why requests to GitHub fail, and whether asking again may help.

use std::time::Duration;

use propsbot_archive::ReadError;
use propsbot_mirror::{Ending, ProviderError, StoreError, kinds};

/// The longest wait that is obeyed; if GitHub asks for more, the reading ends and goes on later.
pub(crate) const PATIENCE: Duration = Duration::from_hours(1);

/// Why GitHub gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// 401.
    #[error(
        "GitHub refused GITHUB_SOURCE_TOKEN: it is mistyped, has expired, or was revoked; make a new personal \
         access token that can read these repositories"
    )]
    BadToken,
    /// 404, or 410 for what was deleted.
    #[error("GitHub has nothing there, or GITHUB_SOURCE_TOKEN can't read it")]
    NotFound,
    /// 403.
    #[error("GitHub refused ({0}): let GITHUB_SOURCE_TOKEN read the repository")]
    Forbidden(String),
    /// Only a part is refused.
    #[error(
        "GitHub doesn't show all of it: let GITHUB_SOURCE_TOKEN read the repository's contents, discussions, issues and \
         pull requests"
    )]
    Partial,
    /// Too many requests.
    #[error("GitHub limits our requests; what is missing is read later")]
    Limited(Option<Duration>),
    /// One request asked for too much.
    #[error("GitHub says that one request asked for too much ({0})")]
    TooMuch(String),
    /// 5xx, also as a page for people.
    #[error("GitHub failed ({0}), several times in a row; try again later")]
    Failing(String),
    /// No answer.
    #[error("no answer ({0}): check the connection, and GITHUB_SOURCE_API_URL")]
    Unreachable(String),
    /// An answer that makes no sense.
    #[error("the answer could not be read ({0}): check GITHUB_SOURCE_API_URL")]
    Unreadable(String),
    /// Anything else.
    #[error("GitHub refused ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What GitHub said.
        message: String,
    },
}

impl GithubError {
    /// How long to wait at least before asking again; `None` if that can't help.
    pub(crate) fn retry(&self, limited: u32) -> Option<Duration> {
        match self {
            Self::Limited(told) => {
                let untold = Duration::from_mins(1) * 2_u32.saturating_pow(limited);
                Some(told.unwrap_or(untold)).filter(|wait| *wait <= PATIENCE)
            }
            Self::Failing(_) | Self::Unreachable(_) | Self::Unreadable(_) => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// Whether a smaller request may help.
    pub(crate) fn may_be_too_much(&self) -> bool {
        matches!(
            self,
            Self::TooMuch(_) | Self::Failing(_) | Self::Unreachable(_) | Self::Unreadable(_)
        )
    }
}

/// Why a repository couldn't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Github(#[from] GithubError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ending(#[from] Ending),
    #[error("stopped before everything was read; what was read is saved")]
    Stopped,
}

kinds! {
    ProviderError;
    GithubError: |error| matches!(error, GithubError::BadToken);
    SyncError: |error| matches!(error, SyncError::Github(GithubError::BadToken));
}

/// Why a store wasn't restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Ending(#[from] Ending),
}

kinds! {
    ProviderError;
    RestoreError: |error| matches!(
        error,
        RestoreError::Store(StoreError::NotEmpty { .. }) | RestoreError::Read(ReadError::OtherProvider { .. })
    );
}
