//! Which of Discord's refusals an operator can fix.

use propsbot_mirror::{ProviderError, kinds};

use crate::{GatewayError, RestError};

kinds! {
    ProviderError;
    RestError: |error| matches!(error, RestError::BadToken);
    GatewayError: |error| matches!(error, GatewayError::BadToken(_) | GatewayError::MissingIntents);
}
