//! What each close code of the gateway asks for. Source:
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>.

use super::{super::RestError, GatewayError};

/// What to do after the gateway has closed a connection.
#[derive(Debug)]
pub(super) enum AfterClose {
    /// Resume the session.
    Resume,
    /// Begin another session.
    Identify,
    /// Stop: only people can mend it.
    Stop(GatewayError),
}

/// What to do after this close code, or after a close frame without one.
pub(super) fn after_close(code: Option<u16>) -> AfterClose {
    match code {
        Some(4003) => AfterClose::Stop(GatewayError::NotAuthenticated),
        Some(4004) => AfterClose::Stop(GatewayError::BadToken(RestError::BadToken)),
        Some(4010) => AfterClose::Stop(GatewayError::InvalidShard),
        Some(4011) => AfterClose::Stop(GatewayError::ShardingRequired),
        Some(4012) => AfterClose::Stop(GatewayError::InvalidVersion),
        Some(4013) => AfterClose::Stop(GatewayError::UnknownIntents),
        Some(4014) => AfterClose::Stop(GatewayError::MissingIntents),
        // The session has timed out, or was never as far as we said.
        Some(4007 | 4009) => AfterClose::Identify,
        _ => AfterClose::Resume,
    }
}
