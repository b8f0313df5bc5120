//! Why a provider failed, and whether a person can fix it: this decides a command's exit code.

use std::error::Error;

use propsbot_archive::{ArchiveError, ExportError, ReadError};
use tokio::task::JoinError;

use crate::{Ending, ExportJobError, StoreError};

/// Why a provider failed. Says what was tried, on what, and what to do.
///
/// [`kinds!`](crate::kinds) converts a provider's own errors to this.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The usage or configuration is wrong; retrying doesn't help.
    #[error(transparent)]
    Wrong(Box<dyn Error + Send + Sync>),
    /// Anything else.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// Converts errors to a type with the variants `Wrong` and `Failed`.
///
/// Each line names a kind of error, and says for which of them the usage or configuration is wrong.
#[macro_export]
macro_rules! kinds {
    ($to:ty; $($error:ty: $wrong:expr;)*) => {$(
        impl From<$error> for $to {
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
    ProviderError;
    StoreError: |error| matches!(
        error,
        StoreError::Unusable { .. }
            | StoreError::OtherProvider { .. }
            | StoreError::Newer { .. }
            | StoreError::NotEmpty { .. }
            | StoreError::HalfRestored { .. }
    );
    ArchiveError: |error| matches!(
        error,
        ArchiveError::NoAccess { .. } | ArchiveError::NoProgram { .. }
    );
    ReadError: |error| matches!(
        error,
        ReadError::OtherProvider { .. } | ReadError::NoSpace { .. } | ReadError::NoPart { .. }
    );
    ExportError: |_| false;
    ExportJobError: |_| false;
    Ending: |_| false;
    JoinError: |_| false;
}
