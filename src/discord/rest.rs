//! The REST client: keeps Discord's limits, retries where that helps, and classifies errors.
//!
//! Owns requests and their outcome. `api` interprets the answers.
//! Source: <https://discord.com/developers/docs/topics/rate-limits>.

mod forward;
mod refusal;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Client, Method, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use twilight_http_ratelimiting::{Endpoint, RateLimiter};

pub use self::forward::Forwarder;
use self::refusal::Refusal;
use super::{
    OFFICIAL_ORIGIN, Pace, RestError, Route, Token,
    budget::{Budget, Permit, Urgency},
    headers::{ahead, limits},
    outage::Outage,
    pause::DOUBTED,
};
use propsbot_model::Millis;
use propsbot_network::{
    Network,
    body::{BodyError, BodyLimit},
    cause,
};

/// The form that Discord requires. Source:
/// <https://discord.com/developers/docs/reference#user-agent>.
pub(super) const USER_AGENT: &str = concat!(
    "DiscordBot (https://github.com/sourcecred, ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// Largest and usual size of an answer, in bytes. A page of 100 messages has about 100 KB, and up
/// to 30 MB if each uses everything that Discord allows.
const LARGEST_ANSWER: usize = 32 << 20;
const USUAL_ANSWER: usize = 512 << 10;

/// Stands for a difference between the clocks that no answer has told.
const UNTOLD: i64 = i64::MIN;

/// Time limit for an answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A client for Discord's REST API. Cheap to clone; clones share the limits.
#[derive(Clone)]
pub struct Rest {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    network: Network,
    bodies: BodyLimit,
    /// Origin plus `/api/v10/`.
    base: String,
    authorization: HeaderValue,
    /// Rate limit buckets: what is left of each, with one request in flight.
    buckets: RateLimiter,
    /// The limit across all buckets.
    budget: Budget,
    /// How many milliseconds Discord's clock was ahead of ours at its last answer, or [`UNTOLD`].
    ahead: AtomicI64,
    /// The limits according to the answers so far.
    pace: Mutex<Pace>,
    sent: AtomicU64,
    /// How many requests were sent for serenity.
    forwarded: AtomicU64,
    /// How many answers were a 429.
    limited: AtomicU64,
    /// Probes whether a long pause still holds when nothing else does.
    trying: Mutex<Option<AbortOnDropHandle<()>>>,
    outage: Outage,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("base", &self.inner.base)
            .finish_non_exhaustive()
    }
}

impl Rest {
    /// Creates a client for `origin` (such as `http://127.0.0.1:3005`), or for Discord itself.
    ///
    /// Call it within a tokio runtime, which keeps the limits as long as a clone exists.
    pub fn new(origin: Option<&str>, token: &Token, network: &Network) -> Self {
        let origin = origin.unwrap_or(OFFICIAL_ORIGIN).trim_end_matches('/');
        let client = network
            .client()
            .gzip(true)
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .expect("a client can be built of what was checked when it was read");
        Self {
            inner: Arc::new(Inner {
                client,
                network: network.clone(),
                bodies: BodyLimit::new(USUAL_ANSWER, LARGEST_ANSWER),
                base: format!("{origin}/api/v10/"),
                authorization: token.authorization(),
                // Its global limit wouldn't know ours, nor keep a reserve.
                buckets: RateLimiter::new(u16::MAX),
                budget: Budget::new(origin == OFFICIAL_ORIGIN),
                ahead: AtomicI64::new(UNTOLD),
                pace: Mutex::new(Pace::USUAL),
                sent: AtomicU64::new(0),
                forwarded: AtomicU64::new(0),
                limited: AtomicU64::new(0),
                trying: Mutex::default(),
                outage: Outage::new(),
            }),
        }
    }

    pub fn network(&self) -> &Network {
        &self.inner.network
    }

    /// Converts our time to Discord's, using the difference at its last answer.
    pub fn discord_time(&self, ours: Millis) -> Millis {
        Millis(ours.0 + self.ahead().unwrap_or_default())
    }

    /// Returns how many milliseconds Discord's clock is ahead of ours, to the second; `None` if no
    /// answer had a plausible date.
    pub fn ahead(&self) -> Option<i64> {
        Some(self.inner.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNTOLD)
    }

    /// Returns how fast history can be read, as learnt from the answers.
    pub fn pace(&self) -> Pace {
        if self.inner.budget.is_lifted() {
            return Pace::UNLIMITED;
        }
        *self.inner.pace()
    }

    /// Returns how many requests this client and its clones have sent.
    pub fn sent(&self) -> u64 {
        self.inner.sent.load(Ordering::Relaxed)
    }

    /// As [`Self::sent`], with the requests that commands made through serenity.
    pub fn requests(&self) -> u64 {
        self.sent() + self.inner.forwarded.load(Ordering::Relaxed)
    }

    /// Returns how many requests of this client and its clones Discord rate-limited.
    pub fn limited(&self) -> u64 {
        self.inner.limited.load(Ordering::Relaxed)
    }

    /// Returns how long Discord wants no requests at all, if it does.
    pub fn paused(&self) -> Option<Duration> {
        self.inner.budget.paused()
    }

    /// Watches why Discord doesn't answer; `None` while it does.
    pub fn outages(&self) -> watch::Receiver<Option<String>> {
        self.inner.outage.watch()
    }

    /// Returns whether an outage was reported, so that failures it causes need no report.
    pub fn is_out(&self) -> bool {
        self.inner.outage.watch().borrow().is_some()
    }

    /// Fetches `route` and parses the answer with `read`.
    /// Retries unreadable answers too: they may have been cut, or be a proxy's.
    pub async fn get<T>(
        &self,
        route: &Route<'_>,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, RestError> {
        let answer = self.get_and_hold(route, Urgency::AtOnce, read).await?;
        Ok(answer.0)
    }

    /// As [`Self::get`], after more urgent requests.
    /// The answer counts as in use until the permit is dropped. Don't wait for another request
    /// while holding one.
    pub async fn get_and_hold<T>(
        &self,
        route: &Route<'_>,
        urgency: Urgency,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, Permit), RestError> {
        self.ask(&Method::GET, route, None, urgency, read).await
    }

    /// Replaces the resource at `route` with this JSON.
    pub async fn put(&self, route: &Route<'_>, json: Vec<u8>) -> Result<(), RestError> {
        let put = self.ask(&Method::PUT, route, Some(json), Urgency::AtOnce, |_| Ok(()));
        put.await.map(|_| ())
    }

    /// Posts this JSON to `route` and parses the answer with `read`.
    /// Repeats it if no answer comes: the body must carry a nonce if duplicates matter.
    pub async fn post<T>(
        &self,
        route: &Route<'_>,
        json: Vec<u8>,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, RestError> {
        let post = self.ask(&Method::POST, route, Some(json), Urgency::AtOnce, read);
        post.await.map(|(answer, _)| answer)
    }

    /// Changes the resource at `route` by this JSON.
    pub async fn patch(&self, route: &Route<'_>, json: Vec<u8>) -> Result<(), RestError> {
        let patch = self.ask(&Method::PATCH, route, Some(json), Urgency::AtOnce, |_| {
            Ok(())
        });
        patch.await.map(|_| ())
    }

    /// Puts to `route` without a body.
    pub async fn touch(&self, route: &Route<'_>) -> Result<(), RestError> {
        let put = self.ask(&Method::PUT, route, None, Urgency::AtOnce, |_| Ok(()));
        put.await.map(|_| ())
    }

    pub async fn delete(&self, route: &Route<'_>) -> Result<(), RestError> {
        let delete = self.ask(&Method::DELETE, route, None, Urgency::AtOnce, |_| Ok(()));
        delete.await.map(|_| ())
    }

    /// Retries up to 5 times where that may help, obeying Discord's waits. Believes a refusal to
    /// read the second time, and a refused token only if `GET /users/@me` refuses it too.
    async fn ask<T>(
        &self,
        method: &Method,
        route: &Route<'_>,
        body: Option<Vec<u8>>,
        urgency: Urgency,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, Permit), RestError> {
        let address = format!("{}{}", self.inner.base, route.address());
        let url = Url::parse(&address).map_err(|error| RestError::Unreachable {
            what: address.clone(),
            cause: format!("not a URL ({error}); check DISCORD_API_URL"),
        })?;
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(5)
            .with_jitter();
        let once = async || {
            let asked = self.inner.once(method, route, &url, body.clone(), urgency);
            let (answer, turn) = asked.await?;
            let answer = read(&answer).map_err(|error| RestError::unreadable(route, &error))?;
            Ok((answer, turn))
        };
        let begun = Instant::now();
        let doubted = AtomicBool::new(*method != Method::GET);
        let doubts = |rest_error: &RestError| {
            rest_error.is_doubtful() && !doubted.swap(true, Ordering::Relaxed)
        };
        let answer = once
            .retry(waits)
            .when(|error: &RestError| error.retry().is_some() || doubts(error))
            .adjust(|error, next| Some(next?.max(error.retry().unwrap_or_default())))
            .notify(|error, wait| tracing::debug!(%error, ?wait, "retrying a request to Discord"))
            .await;
        if let Err(error @ (RestError::Unreachable { .. } | RestError::Failing { .. })) = &answer {
            let why = match error {
                RestError::Failing { .. } => format!("{}: {error}", self.inner.way()),
                error => error.to_string(),
            };
            self.inner.outage.failed(begun, &why);
        }
        if answer.is_err() && self.paused().is_some_and(|left| left > DOUBTED) {
            self.try_until_resumed();
        }
        match answer {
            Err(RestError::BadToken) if self.is_token_good().await => Err(RestError::Failing {
                what: route.to_string(),
                status: StatusCode::UNAUTHORIZED.as_u16(),
            }),
            answer => answer,
        }
    }

    /// Starts a task that probes until the pause ends.
    fn try_until_resumed(&self) {
        let mut trying = self
            .inner
            .trying
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if trying.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let rest = self.clone();
        let task = tokio::spawn(async move {
            while rest.paused().is_some() {
                rest.is_token_good().await;
                // Failures without a request return immediately.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        *trying = Some(AbortOnDropHandle::new(task));
    }

    /// Returns whether the token may still be valid: Discord hasn't refused `GET /users/@me`.
    async fn is_token_good(&self) -> bool {
        let me = &Route::Me;
        let Ok(url) = Url::parse(&format!("{}{}", self.inner.base, me.address())) else {
            return false;
        };
        let asked = self
            .inner
            .once(&Method::GET, me, &url, None, Urgency::AtOnce);
        !matches!(asked.await, Err(RestError::BadToken))
    }
}

impl Inner {
    async fn once(
        &self,
        method: &Method,
        route: &Route<'_>,
        url: &Url,
        body: Option<Vec<u8>>,
        urgency: Urgency,
    ) -> Result<(impl Deref<Target = [u8]> + use<>, Permit), RestError> {
        if let Some(wait) = self.budget.must_stop() {
            let what = route.to_string();
            return Err(RestError::TooManyRefused { what, wait });
        }
        // A server without limits has no buckets.
        let permit = if self.budget.is_lifted() {
            None
        } else {
            Some(self.buckets.acquire(endpoint(method, route)).await)
        };
        let mut turn = self.budget.turn(urgency).await;

        let mut request = self
            .client
            .request(method.clone(), url.clone())
            .header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body);
        }
        let sent = Instant::now();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unreachable(route, &error))?;
        let status = answer.status();
        tracing::trace!(%method, %route, status = status.as_u16(), took = ?sent.elapsed(), "asked Discord");

        if !status.is_server_error() {
            self.outage.answered(Instant::now());
        }
        if let Some(ahead) = ahead(answer.headers()) {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        let limits = limits(answer.headers());
        let named_limits = limits.is_some() || status == StatusCode::TOO_MANY_REQUESTS;
        if named_limits || !status.is_server_error() {
            self.budget.note(named_limits);
        }
        if let Some(limits) = &limits {
            let per = limits.reset_at.saturating_duration_since(Instant::now());
            self.pace().learn(route, limits, per);
        }
        if let Some(permit) = permit {
            permit.complete(limits);
        }
        if !status.is_success() {
            let refusal = Refusal::read(answer).await;
            self.heed(&refusal, turn.given);
            return Err(refusal.meaning(route.to_string()));
        }
        if let Some(lasted) = self.budget.answered(turn.given) {
            tracing::info!(lasted = %whole_seconds(lasted), "Discord takes requests again");
        }
        let body = match self.bodies.read(answer).await {
            Ok(body) => body,
            Err(BodyError::Broken(error)) => return Err(self.unreachable(route, &error)),
            Err(BodyError::TooLarge(most)) => {
                return Err(RestError::TooLarge {
                    what: route.to_string(),
                    host: self.way(),
                    most,
                });
            }
        };
        turn.large = body.large;
        Ok((body.bytes, turn))
    }

    /// Describes the route to the server.
    fn way(&self) -> String {
        self.network.way_to(&self.base)
    }

    /// Converts a missing or incomplete answer to an error.
    fn unreachable(&self, route: &Route<'_>, error: &reqwest::Error) -> RestError {
        let way = self.way();
        let cause = cause(error);
        let cause = if error.is_timeout() {
            format!("{way} took too long")
        } else if error.is_connect() {
            format!("can't connect to {way}: {cause}")
        } else {
            format!("the connection to {way} broke: {cause}")
        };
        let what = route.to_string();
        RestError::Unreachable { what, cause }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the limits of a refusal; the request was sent at `sent`.
    fn heed(&self, refusal: &Refusal, sent: Instant) {
        if refusal.counts() {
            self.budget.refused();
        }
        let Refusal {
            status,
            wait,
            global,
            ..
        } = *refusal;
        if status == 429 {
            self.limited.fetch_add(1, Ordering::Relaxed);
        }
        if status == 429 && global && self.budget.pause(wait, sent) {
            tracing::warn!(
                host = self.way(),
                "Discord wants no requests for {}{}",
                whole_seconds(wait),
                if wait > DOUBTED {
                    " or longer; checking now and then"
                } else {
                    ""
                }
            );
        }
    }
}

fn whole_seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

fn endpoint(method: &Method, route: &Route<'_>) -> Endpoint {
    Endpoint {
        method: match *method {
            Method::PUT => twilight_http_ratelimiting::Method::Put,
            Method::POST => twilight_http_ratelimiting::Method::Post,
            Method::DELETE => twilight_http_ratelimiting::Method::Delete,
            Method::PATCH => twilight_http_ratelimiting::Method::Patch,
            _ => twilight_http_ratelimiting::Method::Get,
        },
        path: route.bucket(),
    }
}
