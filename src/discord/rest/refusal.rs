//! What an answer other than 2xx says, and what it means.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use twilight_http_ratelimiting::RateLimitHeaders;

use crate::{
    RestError,
    headers::{LONGEST_WAIT, retry_after},
    json,
};
use propsbot_model::one_line;
use propsbot_network::{body::beginning, told_wait};

/// How long nothing is asked after a 429 that does not say how long to wait. It is not Discord that
/// answered so, but what stands before it, and that bans an address which goes on.
const UNTOLD_WAIT: Duration = Duration::from_secs(10);

/// How much of it is read.
const LARGEST: usize = 64 << 10;

/// Discord's account of an error. Source:
/// <https://discord.com/developers/docs/reference#error-messages>.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    code: u64,
    message: String,
    /// Of a 429: it is for all routes.
    global: bool,
    /// Of a 429: in seconds.
    retry_after: f64,
}

/// An answer other than 2xx.
pub(super) struct Refusal {
    pub(super) status: u16,
    /// As it came.
    pub(super) body: Vec<u8>,
    /// Of a 429: how long to ask nothing.
    pub(super) wait: Duration,
    /// Of a 429: it is for all routes.
    pub(super) global: bool,
    /// Of a 429: others exceeded the limit.
    shared: bool,
    code: u64,
    message: String,
}

impl Refusal {
    pub(super) async fn read(answer: Response) -> Self {
        let status = answer.status().as_u16();
        let headers = answer.headers();
        let scope = headers.get(RateLimitHeaders::SCOPE);
        let shared = scope.is_some_and(|scope| scope == "shared");
        let global = scope.is_some_and(|scope| scope == "global");
        let header_wait = retry_after(headers);
        let body = beginning(answer, LARGEST).await;
        let account = json::read::<Account>(&body).ok();
        // Without Discord's own account, it is Cloudflare that answers: for all routes.
        let global = global || account.as_ref().is_none_or(|account| account.global);
        let account = account.unwrap_or_else(|| Account {
            message: "no reason given".to_owned(),
            ..Account::default()
        });
        let body_wait = told_wait(account.retry_after, LONGEST_WAIT);
        Self {
            status,
            body,
            wait: header_wait
                .max(body_wait.filter(|wait| !wait.is_zero()))
                .unwrap_or(UNTOLD_WAIT)
                .max(Duration::from_millis(10)),
            global,
            shared,
            code: account.code,
            message: one_line(&account.message),
        }
    }

    /// Whether Discord counts it among those that get an address banned.
    pub(super) fn counts(&self) -> bool {
        matches!(self.status, 401 | 403) || (self.status == 429 && !self.shared)
    }

    /// What it means for `what` was asked.
    pub(super) fn meaning(self, what: String) -> RestError {
        let is_page = self.body.trim_ascii_start().starts_with(b"<");
        let Self {
            status,
            code,
            message,
            wait,
            ..
        } = self;
        match status {
            // A page for people, of whatever stands between Discord and us, says nothing of what was
            // asked for.
            401 | 403 | 404 if is_page => RestError::Failing { what, status },
            401 => RestError::BadToken,
            403 => RestError::Forbidden {
                what,
                code,
                message,
            },
            404 => RestError::NotFound {
                what,
                code,
                message,
            },
            429 => RestError::Limited { what, wait },
            500.. => RestError::Failing { what, status },
            _ => RestError::Rejected {
                what,
                status,
                code,
                message,
            },
        }
    }
}
