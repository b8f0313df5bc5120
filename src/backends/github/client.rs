//! Sends requests to GitHub within its limits.
//!
//! Reads are retried. Writes are sent once: the caller checks the branch to find out whether they
//! succeeded.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{ACCEPT, CONTENT_LENGTH},
    request::Builder,
    response::Parts,
};
use http_body_util::{
    BodyDataStream, BodyExt as _, LengthLimitError, Limited, combinators::BoxBody,
};
use octocrab::Octocrab;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::error::Elapsed;

use super::{
    GithubError,
    budget::{Budget, Tries},
    refusal::{GraphqlError, expiration, refusal},
};
use crate::GithubAccess;
use propsbot_archive::{ArchiveError, Millis};
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
    budget: Budget,
    requests: AtomicU64,
    /// When the token expires, in milliseconds since 1970, as GitHub said last; 0 if it didn't.
    expires: AtomicI64,
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
            budget: Budget::new(),
            requests: AtomicU64::default(),
            expires: AtomicI64::default(),
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

    /// When the token expires, if GitHub has said so.
    pub(super) fn expires(&self) -> Option<Millis> {
        let expires = self.expires.load(Ordering::Relaxed);
        (expires != 0).then_some(Millis(expires))
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
            self.budget.wait(false).await?;
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

    /// Waits until content may be created: see [`Budget::turn`].
    pub(super) async fn turn(&self) -> Result<(), GithubError> {
        self.budget.turn().await
    }

    async fn ask<B: Serialize + ?Sized>(
        &self,
        request: Builder,
        body: Option<&B>,
        patience: Duration,
        longest: usize,
    ) -> Result<(HeaderMap, Vec<u8>), GithubError> {
        self.budget.wait(self.is_graphql(&request)).await?;
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
        self.budget.mind(is_graphql, answer.headers());
        if let Some(expires) = expiration(answer.headers()) {
            self.expires.store(expires, Ordering::Relaxed);
        }
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

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, GithubError> {
    serde_json::from_slice(body).map_err(|error| {
        // The error has the position but none of the text.
        let (line, column) = (error.line(), error.column());
        GithubError::Unreadable(format!("at its line {line}, column {column}"))
    })
}
