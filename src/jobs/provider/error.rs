//! Converts the errors of jobs to the provider's.

use crate::{backfill::BackfillError, privacy::PrivacyError, restore::RestoreError};
use propsbot_discord::RestError;
use propsbot_mirror::{ProviderError, kinds};

#[derive(Debug, thiserror::Error)]
#[error("could not log in {place}")]
pub(super) struct LogInError {
    /// The server, and the variable that configures it.
    pub(super) place: String,
    #[source]
    pub(super) error: RestError,
}

kinds! {
    ProviderError;
    LogInError: |error| matches!(error.error, RestError::BadToken);
    BackfillError: |error| matches!(error, BackfillError::Rest(RestError::BadToken));
    PrivacyError: |_| false;
    RestoreError: |_| false;
}
