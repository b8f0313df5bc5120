//! How a command ends if not well: one conversion for each kind of error, which chooses the exit code.

use std::{fmt, io};

use tokio::task::JoinError;

use crate::config::Mistakes;
use propsbot_archive::{ArchiveError, ExportError, ReadError};
use propsbot_mirror::{Ending, ExportJobError, ProviderError, StoreError, kinds, with_causes};
use propsbot_sourcecred::DrawError;

#[derive(Debug)]
pub enum Error {
    /// The usage or configuration is wrong; trying again doesn't help.
    Wrong(anyhow::Error),
    /// The command succeeded, but the mirror is incomplete.
    Incomplete(anyhow::Error),
    Failed(anyhow::Error),
}

impl Error {
    /// The error of a process that ended with this exit code.
    pub(super) fn with_code(code: u8, text: String) -> Self {
        let error = anyhow::Error::msg(text);
        match code {
            2 => Self::Wrong(error),
            3 => Self::Incomplete(error),
            _ => Self::Failed(error),
        }
    }

    /// Whether another process has the store open.
    pub fn is_store_in_use(&self) -> bool {
        let (Self::Wrong(error) | Self::Incomplete(error) | Self::Failed(error)) = self;
        let mut causes = error.chain();
        causes.any(|cause| matches!(cause.downcast_ref(), Some(StoreError::InUse { .. })))
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Wrong(_) => 2,
            Self::Incomplete(_) => 3,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Wrong(error) | Self::Incomplete(error) | Self::Failed(error)) = self;
        f.write_str(&with_causes(error.as_ref()))
    }
}

kinds! {
    Error;
    Mistakes: |_| true;
    serde_json::Error: |_| false;
    io::Error: |_| false;
    anyhow::Error: |_| false;
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Wrong(error) => Self::Wrong(anyhow::Error::from_boxed(error)),
            ProviderError::Failed(error) => Self::Failed(anyhow::Error::from_boxed(error)),
        }
    }
}

impl From<DrawError> for Error {
    fn from(error: DrawError) -> Self {
        match error {
            DrawError::Rows(error) => error.into(),
            DrawError::Settings(_) => Self::Wrong(error.into()),
        }
    }
}

/// Converts errors that providers can have, too.
macro_rules! provider_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                ProviderError::from(error).into()
            }
        }
    )*};
}

provider_errors! {
    ArchiveError, Ending, ExportError, ExportJobError, JoinError, ReadError, StoreError
}

/// Says what was tried, and keeps the exit code.
pub(super) trait Tried<T> {
    /// The error, after these words.
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| match error.into() {
            Error::Wrong(error) => Error::Wrong(error.context(what())),
            Error::Incomplete(error) => Error::Incomplete(error.context(what())),
            Error::Failed(error) => Error::Failed(error.context(what())),
        })
    }
}
