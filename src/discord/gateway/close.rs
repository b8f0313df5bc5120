//! Maps the gateway's close codes to what to do next. Source:
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>.

use super::{super::RestError, GatewayError, Shard};

#[derive(Debug)]
pub(super) enum AfterClose {
    Resume,
    Identify,
    /// Start again with as many shards as Discord recommends now.
    MoreShards,
    /// Stop: only the operator can fix it.
    Stop(GatewayError),
}

/// Returns what a shard does after this close code, or after a close frame without one.
pub(super) fn after_close(code: Option<u16>, shard: Shard) -> AfterClose {
    match code {
        Some(4003) => AfterClose::Stop(GatewayError::NotAuthenticated),
        Some(4004) => AfterClose::Stop(GatewayError::BadToken(RestError::BadToken)),
        Some(4010) => AfterClose::Stop(GatewayError::InvalidShard(shard)),
        Some(4011) => AfterClose::MoreShards,
        Some(4012) => AfterClose::Stop(GatewayError::InvalidVersion),
        Some(4013) => AfterClose::Stop(GatewayError::UnknownIntents),
        Some(4014) => AfterClose::Stop(GatewayError::MissingIntents),
        // The session timed out, or our sequence number is invalid.
        Some(4007 | 4009) => AfterClose::Identify,
        _ => AfterClose::Resume,
    }
}
