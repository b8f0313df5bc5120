//! How a request to Discord failed, in words for whoever runs the bot.
//!
//! Owns which failures may pass by themselves. Refuses to know how a request is made.

use std::time::Duration;

use super::Route;

/// The longest wait that Discord may ask for before we give up instead.
const PATIENCE: Duration = Duration::from_mins(5);

/// Discord's codes for a message, a member, a user and an emoji that are not there any more: common,
/// and worth no doubt. Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const OFTEN_GONE: [u64; 4] = [10_008, 10_007, 10_013, 10_014];

/// How a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// 401, also to `GET /users/@me`: final, for every request.
    #[error(
        "Discord refused the bot's token: it was reset, or is another application's; copy the \
         token anew from the developer portal (your application, \"Bot\") and start again"
    )]
    BadToken,
    /// 403: the bot may not. Never asked again by itself.
    #[error("Discord refused {what}: {message} (code {code}); give the bot that permission")]
    Forbidden {
        /// What was asked.
        what: String,
        /// Discord's code for it. Source:
        /// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
        code: u64,
        /// Discord's words for it.
        message: String,
    },
    /// 404: there is no such thing, or not any more.
    #[error("Discord does not know {what}: {message} (code {code})")]
    NotFound {
        /// What was asked.
        what: String,
        /// Discord's code for it.
        code: u64,
        /// Discord's words for it.
        message: String,
    },
    /// Any other 4xx: we asked wrongly.
    #[error("Discord did not accept {what} ({status}): {message} (code {code}); report this")]
    Rejected {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// Discord's code for it.
        code: u64,
        /// Discord's words for it.
        message: String,
    },
    /// 429, again and again, or with a longer wait than we have patience for.
    #[error("Discord limits {what}: try again in {} s", wait.as_secs())]
    Limited {
        /// What was asked.
        what: String,
        /// How long Discord wants us to wait.
        wait: Duration,
    },
    /// 5xx, again and again; or a refusal that is a web page, and so not Discord's.
    #[error("Discord failed at {what} ({status}), several times in a row")]
    Failing {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
    },
    /// No answer, again and again: no connection, a cut one, or a time-out.
    #[error("no answer to {what}: {cause}")]
    Unreachable {
        /// What was asked.
        what: String,
        /// Why, as far as is known.
        cause: String,
    },
    /// The answer has more bytes than any of Discord's: it was not read to its end.
    #[error(
        "the answer of {host} to {what} is larger than {} MiB, and so not Discord's: check \
         DISCORD_API_URL and whatever stands before Discord", most >> 20
    )]
    TooLarge {
        /// What was asked.
        what: String,
        /// Who answered.
        host: String,
        /// The most that is read, in bytes.
        most: usize,
    },
    /// The answer is not what Discord documents.
    #[error("the answer to {what} could not be read (at its line {line}, column {column})")]
    Unreadable {
        /// What was asked.
        what: String,
        /// The line of the answer.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// So much was refused that Discord would soon ban this address: nothing was sent.
    #[error(
        "asked nothing for {what}: nearly 10,000 requests were refused within 10 minutes, one \
         more step from a ban; check the bot's permissions. Goes on in {} s", wait.as_secs()
    )]
    TooManyRefused {
        /// What would have been asked.
        what: String,
        /// When it may be asked again.
        wait: Duration,
    },
}

impl RestError {
    /// Whether the same request may succeed later, with nothing changed by anybody. An answer that
    /// is no answer counts: it was cut, or came from whatever stands before Discord.
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

    /// Whether to try at once again, and how long to wait at the least.
    pub(super) fn retry(&self) -> Option<Duration> {
        match self {
            Self::Limited { wait, .. } => (*wait <= PATIENCE).then_some(*wait),
            Self::Failing { .. } | Self::Unreachable { .. } | Self::Unreadable { .. } => {
                Some(Duration::ZERO)
            }
            _ => None,
        }
    }

    /// Whether it is asked once more before it is believed: a single refusal may be a stray one.
    pub(super) fn is_doubtful(&self) -> bool {
        match self {
            Self::BadToken | Self::Forbidden { .. } => true,
            Self::NotFound { code, .. } => !OFTEN_GONE.contains(code),
            _ => false,
        }
    }

    /// An answer that is not as documented. The place is told, not the text: it may be a message's.
    pub(super) fn unreadable(route: &Route<'_>, error: &serde_json::Error) -> Self {
        Self::Unreadable {
            what: route.to_string(),
            line: error.line(),
            column: error.column(),
        }
    }
}
