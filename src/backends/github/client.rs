//! Sends requests to GitHub within its limits.
//!
//! Reads are retried. Writes are sent once: the caller checks the branch to find out whether they
//! succeeded.

use std::{
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{ACCEPT, CONTENT_LENGTH, RETRY_AFTER},
    request::Builder,
    response::Parts,
};
use http_body_util::{
    BodyDataStream, BodyExt as _, LengthLimitError, Limited, combinators::BoxBody,
};
use octocrab::Octocrab;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, error::Elapsed};

use super::error::{GithubError, GraphqlError, PATIENCE, refusal, used_up, wait};
use crate::GithubAccess;
use propsbot_archive::ArchiveError;
use propsbot_network::{Network, cause};

const OFFICIAL_API: &str = "https://api.github.com";

/// Media types: JSON, or the raw file.
const JSON: &str = "application/vnd.github+json";
const RAW: &str = "application/vnd.github.raw+json";

/// The longest silence on a connection, even during a long upload.
const SILENCE: Duration = Duration::from_mins(10);
/// Time-out of a request with its response, if neither is large.
const REQUEST: Duration = Duration::from_mins(1);
/// Maximum sizes, in bytes, of a response and of a refusal's body. GitHub truncates its longest
/// lists at 7 MB.
const LARGEST_ANSWER: usize = 32 << 20;
const LARGEST_REFUSAL: usize = 64 << 10;
/// The slowest expected upload, in bytes per second.
const SLOWEST: usize = 50_000;

/// Rates and bursts of writes. GitHub allows 80 a minute and 500 an hour for everything that uses
/// the token; these reach at most 70 in any minute and 450 in any hour.
const BY_MINUTE: (u32, u32) = (50, 20);
const BY_HOUR: (u32, u32) = (400, 50);

/// A client of GitHub's API.
pub(super) struct Client {
    octocrab: Octocrab,
    /// Reads public data without the refused token, and whether the token was refused.
    anonymous: Option<Octocrab>,
    is_token_refused: AtomicBool,
    /// Whether to read without a refused token.
    goes_without: bool,
    /// How requests travel, for messages.
    way: String,
    /// The base URL of REST routes, and the URL of GraphQL.
    rest: String,
    graphql: String,
    by_minute: DefaultDirectRateLimiter,
    by_hour: DefaultDirectRateLimiter,
    requests: AtomicU64,
    /// When GitHub accepts the next request over REST and GraphQL, which have separate budgets.
    not_before: Mutex<[Option<Instant>; 2]>,
}

/// Waits between attempts at the same request.
pub(super) struct Tries {
    waits: ExponentialBackoff,
    limited: u32,
}

impl Tries {
    pub(super) fn new() -> Self {
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(6)
            .with_jitter();
        Self {
            waits: waits.build(),
            limited: 0,
        }
    }

    /// Waits before another attempt, or returns the error if another can't help.
    pub(super) async fn again(&mut self, error: GithubError) -> Result<(), GithubError> {
        let Some((least, next)) = error.retry(self.limited).zip(self.waits.next()) else {
            return Err(error);
        };
        if matches!(error, GithubError::Limited(_)) {
            self.limited += 1;
        }
        let wait = next.max(least);
        tracing::debug!(%error, ?wait, "asking GitHub again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

fn quota((rate, burst): (u32, u32), per: fn(NonZeroU32) -> Quota) -> Quota {
    let some = |rate| NonZeroU32::new(rate).expect("the rates are not zero");
    per(some(rate)).allow_burst(some(burst))
}

/// The body of a response, as a stream.
type Body = BodyDataStream<BoxBody<Bytes, octocrab::Error>>;

#[derive(Deserialize)]
struct GraphqlAnswer {
    data: Option<Value>,
    errors: Option<Vec<GraphqlError>>,
}

#[derive(Serialize)]
struct Question<'a, V> {
    query: &'a str,
    variables: &'a V,
}

impl Client {
    /// Must be called within a tokio runtime.
    pub(super) fn new(
        access: &GithubAccess,
        place: &str,
        network: &Network,
    ) -> Result<Self, ArchiveError> {
        let unusable = |why: String| ArchiveError::Remote {
            action: "use",
            place: place.to_owned(),
            source: Box::new(GithubError::Unreachable(why)),
        };
        let url = access.api_url.as_deref().unwrap_or(OFFICIAL_API);
        let uri: Uri = url
            .parse()
            .map_err(|_| unusable(format!("{url} is no URL")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(unusable(format!("{url} is no URL")));
        };
        let path = uri.path().trim_end_matches('/');
        // GitHub Enterprise Server has GraphQL beside `/v3`.
        let graphql = path.strip_suffix("/v3").unwrap_or(path);
        let failed = |error: octocrab::Error| unusable(cause(&error));
        // Octocrab follows redirects itself and protects the token across hosts.
        let http = network
            .client()
            .redirect(reqwest::redirect::Policy::none())
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| unusable(cause(&error)))?;
        let build = |token: Option<&String>| {
            let builder = match token {
                Some(token) => Octocrab::builder().personal_token(token.clone()),
                None => Octocrab::builder(),
            };
            let builder = builder.base_uri(format!("{scheme}://{authority}"))?;
            builder.build_with_reqwest(http.clone())
        };
        let octocrab = build(access.token.as_ref()).map_err(failed)?;
        let anonymous = access.token.as_ref().map(|_| build(None));
        Ok(Self {
            octocrab,
            anonymous: anonymous.transpose().map_err(failed)?,
            goes_without: false,
            is_token_refused: AtomicBool::new(false),
            way: network.way_to(url),
            rest: path.to_owned(),
            graphql: format!("{graphql}/graphql"),
            by_minute: RateLimiter::direct(quota(BY_MINUTE, Quota::per_minute)),
            by_hour: RateLimiter::direct(quota(BY_HOUR, Quota::per_hour)),
            requests: AtomicU64::default(),
            not_before: Mutex::default(),
        })
    }

    /// The same client, which reads without a refused token.
    pub(super) fn reading(self) -> Self {
        Self {
            goes_without: true,
            ..self
        }
    }

    /// The number of requests sent since the last call.
    pub(super) fn take_requests(&self) -> u64 {
        self.requests.swap(0, Ordering::Relaxed)
    }

    /// The JSON at this route; `None` if there is none.
    pub(super) async fn get(&self, route: &str) -> Result<Option<Vec<u8>>, GithubError> {
        self.get_up_to(route, JSON, LARGEST_ANSWER).await
    }

    /// The file at this route; `None` if there is none.
    ///
    /// # Errors
    /// [`GithubError::TooLarge`] once more than `longest` bytes come.
    pub(super) async fn file(
        &self,
        route: &str,
        longest: usize,
    ) -> Result<Option<Vec<u8>>, GithubError> {
        self.get_up_to(route, RAW, longest).await
    }

    async fn get_up_to(
        &self,
        route: &str,
        wanted: &str,
        longest: usize,
    ) -> Result<Option<Vec<u8>>, GithubError> {
        let mut tries = Tries::new();
        loop {
            let ask = || request(Method::GET, &self.rest, route).header(ACCEPT, wanted);
            match self.ask(ask(), None::<&()>, REQUEST * 3, longest).await {
                Ok((_, body)) => return Ok(Some(body)),
                Err(GithubError::NoRepository) => return Ok(None),
                Err(error) if error.is_about_token() && self.can_go_without() => {
                    return self
                        .get_without_token(ask(), error, longest)
                        .await
                        .map(Some);
                }
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// Whether the request can be repeated without the token.
    fn can_go_without(&self) -> bool {
        let is_refused = self.is_token_refused.load(Ordering::Relaxed);
        self.goes_without && self.anonymous.is_some() && !is_refused
    }

    /// Repeats a request without the token, which was refused because of `why`. If that succeeds,
    /// later reads go without it too; otherwise returns `why`.
    async fn get_without_token(
        &self,
        request: Builder,
        why: GithubError,
        longest: usize,
    ) -> Result<Vec<u8>, GithubError> {
        self.is_token_refused.store(true, Ordering::Relaxed);
        if let Ok((_, body)) = self.ask(request, None::<&()>, REQUEST * 3, longest).await {
            tracing::warn!("reading without GITHUB_TOKEN, as everyone can: {why}");
            return Ok(body);
        }
        self.is_token_refused.store(false, Ordering::Relaxed);
        Err(why)
    }

    /// Streams the bytes at this route. The caller must notice if they are truncated.
    pub(super) async fn download(
        &self,
        route: &str,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, GithubError> {
        let mut tries = Tries::new();
        loop {
            let request = request(Method::GET, &self.rest, route);
            self.wait_for_budget(false).await?;
            let sent = tokio::time::timeout(REQUEST, self.send(request, None::<&()>)).await;
            match sent.unwrap_or_else(late) {
                Ok((head, body)) if head.status.is_success() => {
                    return Ok(stream::unfold(BodyDataStream::new(body), next).boxed());
                }
                Ok((head, body)) => {
                    // A refusal is only useful if it is complete.
                    let said = self.read_body(body, LARGEST_REFUSAL).await;
                    let said = said.unwrap_or_default();
                    tries
                        .again(refusal(head.status, &head.headers, &said))
                        .await?;
                }
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// Runs a GraphQL mutation after [`Self::turn`]. It is sent once and may have succeeded even if
    /// a temporary error is returned. `bytes` is the approximate size of the variables.
    pub(super) async fn mutate<T: DeserializeOwned>(
        &self,
        mutation: &str,
        variables: &impl Serialize,
        bytes: usize,
    ) -> Result<T, GithubError> {
        let request = request(Method::POST, &self.graphql, "");
        let question = Question {
            query: mutation,
            variables,
        };
        let seconds = u64::try_from(bytes / SLOWEST).unwrap_or(u64::MAX);
        let patience = REQUEST + Duration::from_secs(seconds);
        let (headers, body) = self
            .ask(request, Some(&question), patience, LARGEST_ANSWER)
            .await?;
        let answer: GraphqlAnswer = read(&body)?;
        match (answer.errors.into_iter().flatten().next(), answer.data) {
            (Some(said), _) => Err(said.meaning(&headers)),
            (None, Some(data)) => serde_json::from_value(data)
                .map_err(|error| GithubError::Unreadable(error.to_string())),
            (None, None) => Err(GithubError::Unreadable("it has no data".to_owned())),
        }
    }

    /// Creates something over REST after [`Self::turn`]. It is sent once, like [`Self::mutate`].
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        method: Method,
        route: &str,
        body: &impl Serialize,
    ) -> Result<T, GithubError> {
        let request = request(method, &self.rest, route);
        let request = request.header(ACCEPT, JSON);
        let (_, answer) = self
            .ask(request, Some(body), REQUEST, LARGEST_ANSWER)
            .await?;
        read(&answer)
    }

    /// Waits until content may be created. Fetch the state to act on afterwards, since this may
    /// take long.
    pub(super) async fn turn(&self) -> Result<(), GithubError> {
        self.by_hour.until_ready().await;
        self.by_minute.until_ready().await;
        for is_graphql in [false, true] {
            self.wait_for_budget(is_graphql).await?;
        }
        Ok(())
    }

    async fn ask<B: Serialize + ?Sized>(
        &self,
        request: Builder,
        body: Option<&B>,
        patience: Duration,
        longest: usize,
    ) -> Result<(HeaderMap, Vec<u8>), GithubError> {
        self.wait_for_budget(self.is_graphql(&request)).await?;
        let answered = async {
            let (head, body) = self.send(request, body).await?;
            // A refusal is read whatever the caller allows.
            let longest = if head.status.is_success() {
                longest
            } else {
                LARGEST_REFUSAL
            };
            let told = head.headers.get(CONTENT_LENGTH);
            let told = told.and_then(|told| told.to_str().ok()?.parse::<usize>().ok());
            if told.is_some_and(|told| told > longest) {
                return Err(self.too_large(longest));
            }
            Ok((head, self.read_body(body, longest).await?))
        };
        let answered = tokio::time::timeout(patience, answered).await;
        let (head, body) = answered.unwrap_or_else(late)?;
        if head.status == StatusCode::OK || head.status == StatusCode::CREATED {
            Ok((head.headers, body))
        } else {
            Err(refusal(head.status, &head.headers, &body))
        }
    }

    async fn send<B: Serialize + ?Sized>(
        &self,
        request: Builder,
        body: Option<&B>,
    ) -> Result<(Parts, BoxBody<Bytes, octocrab::Error>), GithubError> {
        let is_graphql = self.is_graphql(&request);
        let is_refused = self.is_token_refused.load(Ordering::Relaxed);
        let anonymous = self.anonymous.as_ref().filter(|_| is_refused);
        let octocrab = anonymous.unwrap_or(&self.octocrab);
        let request = octocrab.build_request(request, body);
        let request = request.map_err(|error| self.unreachable(&error))?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = octocrab.execute(request).await;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        tracing::trace!(status = answer.status().as_u16(), "asked GitHub");
        self.mind(is_graphql, answer.headers());
        Ok(answer.into_parts())
    }

    /// Reads a body of at most `most` bytes.
    async fn read_body(
        &self,
        body: BoxBody<Bytes, octocrab::Error>,
        most: usize,
    ) -> Result<Vec<u8>, GithubError> {
        match Limited::new(body, most).collect().await {
            Ok(body) => Ok(Vec::from(body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large(most)),
            Err(error) => Err(self.unreachable(&*error)),
        }
    }

    pub(super) fn too_large(&self, most: usize) -> GithubError {
        let host = self.way.clone();
        GithubError::TooLarge { host, most }
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> GithubError {
        GithubError::Unreachable(format!("{}: {}", self.way, cause(error)))
    }

    fn is_graphql(&self, request: &Builder) -> bool {
        request.uri_ref().map(Uri::path) == Some(&self.graphql)
    }

    /// Waits until GitHub accepts requests again; fails if that takes too long.
    async fn wait_for_budget(&self, is_graphql: bool) -> Result<(), GithubError> {
        let until = self.not_before()[usize::from(is_graphql)];
        let Some(until) = until else {
            return Ok(());
        };
        let wait = until.saturating_duration_since(Instant::now());
        if wait > PATIENCE {
            return Err(GithubError::Limited(Some(wait)));
        }
        tokio::time::sleep_until(until).await;
        Ok(())
    }

    /// Remembers when GitHub accepts the next request.
    fn mind(&self, is_graphql: bool, headers: &HeaderMap) {
        let is_told = headers.contains_key(RETRY_AFTER);
        if !is_told && !used_up(headers) {
            return;
        }
        let until = wait(headers).and_then(|wait| Instant::now().checked_add(wait));
        let mut not_before = self.not_before();
        for budget in [false, true] {
            // `Retry-After` applies to all requests, a used-up budget only to its own API.
            if is_told || budget == is_graphql {
                let known = &mut not_before[usize::from(budget)];
                *known = (*known).max(until);
            }
        }
    }

    fn not_before(&self) -> MutexGuard<'_, [Option<Instant>; 2]> {
        self.not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(method: Method, base: &str, route: &str) -> Builder {
    Builder::new().method(method).uri(format!("{base}{route}"))
}

fn late<T>(_: Elapsed) -> Result<T, GithubError> {
    Err(GithubError::Unreachable("timed out".to_owned()))
}

/// The next chunk of a body, with a time-out.
async fn next(mut body: Body) -> Option<(std::io::Result<Bytes>, Body)> {
    let came = tokio::time::timeout(REQUEST, body.next()).await;
    let came = match came {
        Ok(came) => came?.map_err(|error| std::io::Error::other(cause(&error))),
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    Some((came, body))
}

/// Parses a response.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, GithubError> {
    serde_json::from_slice(body).map_err(|error| {
        // The error has the position but none of the text.
        let (line, column) = (error.line(), error.column());
        GithubError::Unreadable(format!("at its line {line}, column {column}"))
    })
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    /// Writing as much as the limiters allow, at every second of three hours, stays below GitHub's
    /// limits in any minute and any hour.
    #[test]
    fn no_minute_and_no_hour_has_more_writes_than_are_allowed() {
        let clock = FakeRelativeClock::default();
        let by_minute =
            RateLimiter::direct_with_clock(quota(BY_MINUTE, Quota::per_minute), clock.clone());
        let by_hour =
            RateLimiter::direct_with_clock(quota(BY_HOUR, Quota::per_hour), clock.clone());
        let mut taken = Vec::new();
        let mut at_hour = false;
        for second in 0..3 * 3600_u64 {
            // In the order of `turn`: the hour's limit, then the minute's.
            loop {
                at_hour = at_hour || by_hour.check().is_ok();
                if !at_hour || by_minute.check().is_err() {
                    break;
                }
                at_hour = false;
                taken.push(second);
            }
            clock.advance(Duration::from_secs(1));
        }
        let most = |window: u64| {
            let until = |from: &u64| taken.partition_point(|taken| *taken < from + window);
            let each = taken.iter().enumerate();
            each.map(|(n, from)| until(from) - n).max().unwrap_or(0)
        };
        assert!((50..=70).contains(&most(60)), "{} in a minute", most(60));
        assert!(
            (400..=450).contains(&most(3600)),
            "{} in an hour",
            most(3600)
        );
    }
}
