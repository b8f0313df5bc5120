//! Converts errors to the provider's: one conversion for each kind.

use tokio::task::JoinError;

use crate::{
    backfill::BackfillError, privacy::PrivacyError, restore::RestoreError, writer::Stopped,
};
use propsbot_archive::ReadError;
use propsbot_discord::{GatewayError, RestError};
use propsbot_mirror::ProviderError;
use propsbot_store::StoreError;

/// An error to be converted.
pub(super) struct Failure<E>(E);

/// Discord couldn't be reached, or refused the bot.
#[derive(Debug, thiserror::Error)]
#[error("could not log in {place}")]
pub(super) struct LogInError {
    /// The server, and the variable that configures it.
    pub(super) place: String,
    #[source]
    pub(super) error: RestError,
}

/// Each kind says whether a person can fix it by changing the command or the configuration.
macro_rules! kinds {
    ($($error:ty: $wrong:expr;)*) => {$(
        impl From<Failure<$error>> for ProviderError {
            fn from(Failure(error): Failure<$error>) -> Self {
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
    RestError: |error| matches!(error, RestError::BadToken);
    LogInError: |error| matches!(error.error, RestError::BadToken);
    BackfillError: |error| matches!(error, BackfillError::Rest(RestError::BadToken));
    GatewayError: |error| matches!(error, GatewayError::BadToken(_) | GatewayError::MissingIntents);
    StoreError: |error| matches!(
        error,
        StoreError::Unusable { .. } | StoreError::NotEmpty { .. } | StoreError::HalfRestored { .. }
    );
    ReadError: |_| false;
    PrivacyError: |_| false;
    RestoreError: |_| false;
    Stopped: |_| false;
    JoinError: |_| false;
}

pub(super) trait OrFailure<T> {
    /// Converts the error to the provider's.
    fn or_failure(self) -> Result<T, ProviderError>;
}

impl<T, E> OrFailure<T> for Result<T, E>
where
    ProviderError: From<Failure<E>>,
{
    fn or_failure(self) -> Result<T, ProviderError> {
        self.map_err(|error| Failure(error).into())
    }
}
