//! Errors of requests to Discord, worded for the operator.
//!
//! Owns which errors are worth a retry.

use std::time::Duration;

use super::Route;

/// Longest wait that Discord may ask for before we give up.
const PATIENCE: Duration = Duration::from_mins(5);

/// Discord's codes for an unknown message, member, user or emoji. These are common and believed at
/// once. Source: <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const OFTEN_GONE: [u64; 4] = [10_008, 10_007, 10_013, 10_014];

#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// 401, also from `GET /users/@me`: final for every request.
    #[error(
        "Discord refused the bot's token: it was reset, or belongs to another application; copy the \
         token from the developer portal (your application, \"Bot\") and start the bot again"
    )]
    BadToken,
    /// 403: a permission is missing. Not retried.
    #[error("Discord refused {what}: {message} (code {code}); give the bot that permission")]
    Forbidden {
        what: String,
        /// Discord's error code. Source:
        /// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
        code: u64,
        message: String,
    },
    /// 404: it doesn't exist, or no longer does.
    #[error("Discord doesn't know {what}: {message} (code {code})")]
    NotFound {
        what: String,
        code: u64,
        message: String,
    },
    /// Any other 4xx: the request was wrong.
    #[error("Discord rejected {what} ({status}): {message} (code {code}); please report this")]
    Rejected {
        what: String,
        status: u16,
        code: u64,
        message: String,
    },
    /// 429 despite retries, or with too long a wait.
    #[error("Discord rate-limits {what}: try again in {} s", wait.as_secs())]
    Limited {
        what: String,
        /// How long Discord wants us to wait.
        wait: Duration,
    },
    /// 5xx despite retries, or a refusal that is an HTML page, and so not Discord's.
    #[error("Discord failed at {what} ({status}), several times in a row")]
    Failing { what: String, status: u16 },
    /// No answer despite retries: can't connect, connection cut, or timeout.
    #[error("no answer to {what}: {cause}")]
    Unreachable { what: String, cause: String },
    /// The answer exceeds what Discord sends; it was not read to the end.
    #[error(
        "the answer from {host} to {what} is larger than {} MiB, so it isn't Discord's: check \
         DISCORD_API_URL and any proxy in front of Discord", most >> 20
    )]
    TooLarge {
        what: String,
        /// The server or proxy that answered.
        host: String,
        /// The limit in bytes.
        most: usize,
    },
    #[error("the answer to {what} is unreadable at line {line}, column {column}")]
    Unreadable {
        what: String,
        line: usize,
        column: usize,
    },
    /// So many requests were refused that Discord would soon ban this address: nothing was sent.
    #[error(
        "{what} not requested: Discord refused nearly 10,000 requests within 10 minutes and will \
         soon bans this address; check the bot's permissions. Continuing in {} s", wait.as_secs()
    )]
    TooManyRefused {
        what: String,
        /// How long to send nothing.
        wait: Duration,
    },
}

impl RestError {
    /// Returns whether the same request may succeed later by itself.
    /// An unreadable answer counts: it was cut, or came from a proxy.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Limited { .. }
                | Self::Failing { .. }
                | Self::Unreachable { .. }
                | Self::Unreadable { .. }
                | Self::TooLarge { .. }
                | Self::TooManyRefused { .. }
        )
    }

    /// Returns the minimum wait before a retry; `None` if a retry won't help.
    pub(super) fn retry(&self) -> Option<Duration> {
        match self {
            Self::Limited { wait, .. } => (*wait <= PATIENCE).then_some(*wait),
            Self::Failing { .. } | Self::Unreachable { .. } | Self::Unreadable { .. } => {
                Some(Duration::ZERO)
            }
            _ => None,
        }
    }

    /// Returns whether to repeat the request once before believing the refusal.
    pub(super) fn is_doubtful(&self) -> bool {
        match self {
            Self::BadToken | Self::Forbidden { .. } => true,
            Self::NotFound { code, .. } => !OFTEN_GONE.contains(code),
            _ => false,
        }
    }

    /// Creates an error for an unreadable answer, without its text: members may have written it.
    pub(super) fn unreadable(route: &Route<'_>, error: &serde_json::Error) -> Self {
        Self::Unreadable {
            what: route.to_string(),
            line: error.line(),
            column: error.column(),
        }
    }
}
