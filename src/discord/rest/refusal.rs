//! Reads answers other than 2xx and maps them to errors.

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

/// Wait after a 429 that names none. Such a 429 comes from Cloudflare, which bans addresses that
/// keep asking.
const UNTOLD_WAIT: Duration = Duration::from_secs(10);

/// Bytes of an error body to read.
const LARGEST: usize = 64 << 10;

/// Discord's error object. Source:
/// <https://discord.com/developers/docs/reference#error-messages>.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    code: u64,
    message: String,
    /// For a 429: whether it applies to all routes.
    global: bool,
    /// For a 429: seconds to wait.
    retry_after: f64,
}

pub(super) struct Refusal {
    pub(super) status: u16,
    /// The body, unchanged.
    pub(super) body: Vec<u8>,
    /// For a 429: how long to send nothing.
    pub(super) wait: Duration,
    /// For a 429: whether it applies to all routes.
    pub(super) global: bool,
    /// For a 429: whether others exceeded the limit.
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
        // Without Discord's error object, the answer is Cloudflare's and applies to all routes.
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

    /// Returns whether Discord counts it towards an IP ban.
    pub(super) fn counts(&self) -> bool {
        matches!(self.status, 401 | 403) || (self.status == 429 && !self.shared)
    }

    /// Converts it to the error for the request `what`.
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
            // An HTML page comes from a proxy between Discord and us, and says nothing about the
            // request.
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
