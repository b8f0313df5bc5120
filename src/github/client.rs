//! Asks GitHub within its limits: GraphQL, and REST with `ETag`s.
//!
//! Every request is repeated if that may help, after the time that GitHub tells. A page for people, in place of an
//! answer, is a failure like any other.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{ACCEPT, DATE, ETAG, IF_NONE_MATCH, RETRY_AFTER},
    request::Builder,
};
use http_body_util::{BodyExt as _, Limited};
use jiff::fmt::rfc2822;
use octocrab::Octocrab;
use propsbot_archive::{Millis, one_line};
use propsbot_network::{Network, cause, told_wait};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    error::{GithubError, PATIENCE},
    vitals::Signals,
};

const OFFICIAL_API: &str = "https://api.github.com";

/// How long a request with its answer may take.
const REQUEST: Duration = Duration::from_mins(1);

/// The longest answer that is read, in bytes.
const LARGEST: usize = 64 << 20;

/// How often a request is sent.
const ATTEMPTS: u32 = 6;

/// How GitHub is reached.
#[derive(Clone, Debug)]
pub struct Login {
    /// A personal access token.
    pub token: String,
    /// The API of an Enterprise Server, or of a test server; `None` for GitHub's own.
    pub api_url: Option<String>,
}

/// A client of GitHub's API.
pub(crate) struct Client {
    octocrab: Octocrab,
    /// How requests travel, for messages.
    way: String,
    /// The base of REST routes, and the path of GraphQL.
    rest: String,
    graphql: String,
    /// When REST and GraphQL accept the next request: they have separate budgets.
    not_before: Mutex<[Option<Instant>; 2]>,
    requests: AtomicU64,
    /// GitHub's clock, as last told; 0 if it wasn't.
    date: AtomicI64,
    signals: Signals,
}

/// What a query returned.
pub(crate) struct Answer {
    pub(crate) data: Value,
    /// The paths of what GitHub doesn't have, such as `nodes/3`.
    absent: BTreeSet<String>,
    /// The paths of what GitHub refused to show.
    refused: BTreeSet<String>,
}

impl Answer {
    /// Whether GitHub says that there is nothing at this path. `null` alone doesn't say so.
    pub(crate) fn lacks(&self, path: &str) -> bool {
        self.absent.contains(path)
    }

    /// Whether GitHub refused to show what is at this path.
    pub(crate) fn refuses(&self, path: &str) -> bool {
        self.refused.contains(path)
    }

    /// Whether GitHub refused to show something below this path; the empty one for anywhere.
    pub(crate) fn refuses_below(&self, path: &str) -> bool {
        let mut refused = self.refused.iter();
        refused.any(|refused| refused.len() > path.len() && refused.starts_with(path))
    }

    /// Whether GitHub refused to show this field of anything.
    pub(crate) fn refuses_field(&self, name: &str) -> bool {
        let mut refused = self.refused.iter();
        refused.any(|path| path.rsplit('/').next() == Some(name))
    }
}

/// A page of a list, if it changed.
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) etag: Option<String>,
}

#[derive(Deserialize)]
struct GraphqlAnswer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<GraphqlError>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct GraphqlError {
    r#type: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Vec<Value>,
}

impl Client {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(
        login: &Login,
        network: &Network,
        signals: Signals,
    ) -> Result<Self, GithubError> {
        let url = login.api_url.as_deref().unwrap_or(OFFICIAL_API);
        let unusable = || GithubError::Unreachable(format!("{url} is no URL"));
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(unusable());
        };
        let path = uri.path().trim_end_matches('/');
        // GitHub Enterprise Server has GraphQL beside `/v3`.
        let graphql = path.strip_suffix("/v3").unwrap_or(path);
        // Octocrab follows redirects itself and protects the token across hosts.
        let http = network
            .client()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| GithubError::Unreachable(cause(&error)))?;
        let octocrab = Octocrab::builder()
            .personal_token(login.token.clone())
            .base_uri(format!("{scheme}://{authority}"))
            .and_then(|builder| builder.build_with_reqwest(http))
            .map_err(|error| GithubError::Unreachable(cause(&error)))?;
        Ok(Self {
            octocrab,
            way: network.way_to(url),
            rest: path.to_owned(),
            graphql: format!("{graphql}/graphql"),
            not_before: Mutex::default(),
            requests: AtomicU64::default(),
            date: AtomicI64::default(),
            signals,
        })
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// GitHub's clock, as it told last.
    pub(crate) fn date(&self) -> Option<Millis> {
        let date = self.date.load(Ordering::Relaxed);
        (date != 0).then_some(Millis(date))
    }

    /// What a query returns. Asks again if that may help.
    pub(crate) async fn query(&self, query: &str, variables: Value) -> Result<Answer, GithubError> {
        let body = json!({ "query": query, "variables": variables });
        let mut tries = Tries::default();
        loop {
            match self.query_once(&body).await {
                Err(error) => tries.again(error).await?,
                answer => return answer,
            }
        }
    }

    /// The same, without asking again if a smaller request may help.
    pub(crate) async fn query_large(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<Answer, GithubError> {
        let body = json!({ "query": query, "variables": variables });
        let mut tries = Tries::default();
        loop {
            match self.query_once(&body).await {
                Err(error) if !error.may_be_too_much() => tries.again(error).await?,
                answer => return answer,
            }
        }
    }

    async fn query_once(&self, body: &Value) -> Result<Answer, GithubError> {
        let request = Builder::new().method(Method::POST).uri(&self.graphql);
        let (status, headers, bytes) = self.send(request, Some(body), true).await?;
        if status != StatusCode::OK {
            return Err(refusal(status, &headers, &bytes));
        }
        let answer: GraphqlAnswer = read(&bytes)?;
        let (mut absent, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for error in answer.errors {
            let kind = error.r#type.as_deref().unwrap_or_default();
            match kind {
                "NOT_FOUND" if answer.data.is_some() => {
                    absent.insert(joined(&error.path));
                }
                // One thing that can't be read keeps nothing else from being read.
                "FORBIDDEN" if answer.data.is_some() && !error.path.is_empty() => {
                    tracing::warn!("GitHub refused a part: {}", one_line(&error.message));
                    refused.insert(joined(&error.path));
                }
                _ => return Err(meaning(kind, &error.message, &headers)),
            }
        }
        let said = answer
            .message
            .unwrap_or_else(|| "it has no data".to_owned());
        let data = answer
            .data
            .ok_or_else(|| GithubError::Unreadable(one_line(&said)))?;
        Ok(Answer {
            data,
            absent,
            refused,
        })
    }

    /// The list at this route; `None` if it is what the `ETag` stands for.
    pub(crate) async fn list(
        &self,
        route: &str,
        etag: Option<&str>,
    ) -> Result<Option<Page>, GithubError> {
        let mut tries = Tries::default();
        loop {
            match self.list_once(route, etag).await {
                Err(error) => tries.again(error).await?,
                page => return page,
            }
        }
    }

    async fn list_once(
        &self,
        route: &str,
        etag: Option<&str>,
    ) -> Result<Option<Page>, GithubError> {
        let mut request = Builder::new()
            .method(Method::GET)
            .uri(format!("{}{route}", self.rest))
            .header(ACCEPT, "application/vnd.github+json");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let (status, headers, bytes) = self.send(request, None, false).await?;
        match status {
            StatusCode::NOT_MODIFIED => Ok(None),
            StatusCode::OK => {
                let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
                Ok(Some(Page {
                    items: read(&bytes)?,
                    etag: etag.map(str::to_owned),
                }))
            }
            _ => Err(refusal(status, &headers, &bytes)),
        }
    }

    async fn send(
        &self,
        request: Builder,
        body: Option<&Value>,
        is_graphql: bool,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), GithubError> {
        self.wait(is_graphql).await?;
        let unreachable = |why: String| GithubError::Unreachable(format!("{}: {why}", self.way));
        let answered = async {
            let request = self.octocrab.build_request(request, body);
            let request = request.map_err(|error| unreachable(cause(&error)))?;
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.signals.asked();
            let answer = self.octocrab.execute(request).await;
            let answer = answer.map_err(|error| unreachable(cause(&error)))?;
            let (head, body) = answer.into_parts();
            self.mind(is_graphql, head.status, &head.headers);
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| unreachable(cause(&*error)))?;
            Ok((head.status, head.headers, Vec::from(body.to_bytes())))
        };
        match timeout(REQUEST, answered).await {
            Ok(answered) => answered,
            Err(_) => Err(unreachable("timed out".to_owned())),
        }
    }

    /// Waits until GitHub accepts requests again; fails if that takes too long.
    async fn wait(&self, is_graphql: bool) -> Result<(), GithubError> {
        let known = self.not_before.lock();
        let until = known.unwrap_or_else(PoisonError::into_inner)[usize::from(is_graphql)];
        let Some(until) = until else { return Ok(()) };
        let wait = until.saturating_duration_since(Instant::now());
        if wait > PATIENCE {
            return Err(GithubError::Limited(Some(wait)));
        }
        sleep_until(until).await;
        Ok(())
    }

    /// Remembers when GitHub accepts the next request. `Retry-After` holds for all of them, a used-up budget only
    /// for its own API.
    fn mind(&self, is_graphql: bool, status: StatusCode, headers: &HeaderMap) {
        if !status.is_server_error() {
            self.signals.heard();
        }
        if let Some(date) = date(headers) {
            self.date.store(date.0, Ordering::Relaxed);
        }
        let is_told = headers.contains_key(RETRY_AFTER);
        if !is_told && !used_up(headers) {
            return;
        }
        if matches!(status.as_u16(), 403 | 429) {
            self.signals.limited();
        }
        let until = wait(headers).and_then(|wait| Instant::now().checked_add(wait));
        self.signals.waits(until.map(Instant::into_std));
        let mut known = self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for api in [false, true] {
            if is_told || api == is_graphql {
                let known = &mut known[usize::from(api)];
                *known = (*known).max(until);
            }
        }
    }
}

/// A path in an answer, such as `nodes/3`.
fn joined(path: &[Value]) -> String {
    let parts = path.iter().map(|part| match part {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Attempts at one request.
#[derive(Default)]
struct Tries {
    failed: u32,
    limited: u32,
}

impl Tries {
    /// Waits before another attempt, or returns the error if another can't help.
    async fn again(&mut self, error: GithubError) -> Result<(), GithubError> {
        let Some(least) = error.retry(self.limited).filter(|_| self.failed < ATTEMPTS) else {
            return Err(error);
        };
        let backoff = Duration::from_millis(250) * 2_u32.pow(self.failed);
        self.failed += 1;
        if matches!(error, GithubError::Limited(_)) {
            self.limited += 1;
        }
        let wait = backoff.max(least);
        tracing::debug!(%error, ?wait, "asking GitHub again");
        sleep(wait).await;
        Ok(())
    }
}

/// What GitHub says of a refusal.
#[derive(Default, Deserialize)]
struct Account {
    #[serde(default)]
    message: String,
}

/// The error for an answer other than 200.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> GithubError {
    let Account { message } = serde_json::from_slice(body).unwrap_or_default();
    let message = one_line(&message);
    match status.as_u16() {
        401 => GithubError::BadToken,
        404 | 410 => GithubError::NotFound,
        403 | 429
            if is_limit(&message) || used_up(headers) || headers.contains_key(RETRY_AFTER) =>
        {
            GithubError::Limited(wait(headers))
        }
        429 => GithubError::Limited(wait(headers)),
        403 => GithubError::Forbidden(message),
        408 | 500.. => GithubError::Failing(status.to_string()),
        status => GithubError::Refused { status, message },
    }
}

/// The error for one that a query returned; the status was 200.
fn meaning(kind: &str, message: &str, headers: &HeaderMap) -> GithubError {
    let message = one_line(message);
    match kind {
        "RESOURCE_LIMITS_EXCEEDED" | "MAX_NODE_LIMIT_EXCEEDED" => GithubError::TooMuch(message),
        "RATE_LIMITED" | "RATE_LIMIT" => GithubError::Limited(wait(headers)),
        "NOT_FOUND" => GithubError::NotFound,
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => GithubError::Forbidden(message),
        _ if is_limit(&message) => GithubError::Limited(wait(headers)),
        // What GitHub says of a time-out.
        _ if message.contains("Something went wrong") => GithubError::Failing("200".to_owned()),
        _ => GithubError::Refused {
            status: 200,
            message,
        },
    }
}

fn is_limit(message: &str) -> bool {
    let message = message.to_lowercase();
    ["rate limit", "abuse detection", "submitted too quickly"]
        .iter()
        .any(|words| message.contains(words))
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn used_up(headers: &HeaderMap) -> bool {
    number(headers, "x-ratelimit-remaining") == Some(0)
}

/// GitHub's clock.
fn date(headers: &HeaderMap) -> Option<Millis> {
    let date = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(Millis(date.timestamp().as_millisecond()))
}

/// How long GitHub asks us to wait, if it does, by its own clock.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let told = number(headers, RETRY_AFTER.as_str()).or_else(|| {
        let reset = number(headers, "x-ratelimit-reset").filter(|_| used_up(headers))?;
        Some(
            reset
                .saturating_sub(date(headers)?.0 / 1000)
                .saturating_add(1),
        )
    });
    #[expect(clippy::cast_precision_loss, reason = "what is so long is clamped")]
    told_wait(told.filter(|seconds| *seconds >= 0)? as f64, PATIENCE)
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, GithubError> {
    serde_json::from_slice(body).map_err(|error| {
        // The error has the position but none of the text.
        let (line, column) = (error.line(), error.column());
        GithubError::Unreadable(format!("at its line {line}, column {column}"))
    })
}
