//! How a command ends if not well: one conversion for each kind of error, which chooses the exit code.

use std::{fmt, io};

use tokio::task::JoinError;

use crate::config::Mistakes;
use propsbot_archive::{ArchiveError, ExportError, ReadError};
use propsbot_jobs::{export::ExportJobError, writer::Stopped};
use propsbot_mirror::ProviderError;
use propsbot_sourcecred::DrawError;
use propsbot_store::StoreError;

/// Why a command failed.
#[derive(Debug)]
pub enum Error {
    /// The usage or configuration is wrong; trying again doesn't help.
    Wrong(anyhow::Error),
    /// The command succeeded, but the mirror is incomplete.
    Incomplete(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

impl Error {
    /// The process's exit code for it.
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
        let mut text = error.to_string();
        // Some errors already end with their cause.
        for cause in error.chain().skip(1).map(ToString::to_string) {
            if !text.ends_with(&cause) {
                text += ": ";
                text += &cause;
            }
        }
        f.write_str(&text)
    }
}

/// Of these, an operator can mend some by changing what is typed or configured: `true` for those.
macro_rules! kinds {
    ($($error:ty: $wrong:expr;)*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                let is_wrong: fn(&$error) -> bool = $wrong;
                if is_wrong(&error) {
                    Self::Wrong(error.into())
                } else {
                    Self::Failed(error.into())
                }
            }
        }
    )*};
}

kinds! {
    Mistakes: |_| true;
    ProviderError: |error| matches!(error, ProviderError::Wrong(_));
    StoreError: |_| false;
    ArchiveError: |error| matches!(error, ArchiveError::NoAccess { .. });
    ReadError: is_misnamed;
    DrawError: |error| match error {
        DrawError::Rows(error) => is_misnamed(error),
        DrawError::Settings(_) => true,
    };
    ExportError: |_| false;
    serde_json::Error: |_| false;
    ExportJobError: |_| false;
    JoinError: |_| false;
    Stopped: |_| false;
    io::Error: |_| false;
    anyhow::Error: |_| false;
}

/// Whether the archive could be read, but isn't the one that the command needs.
fn is_misnamed(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::OtherProvider { .. } | ReadError::NoSpace(_)
    )
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
